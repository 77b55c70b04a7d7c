package image

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuild(t *testing.T) {
	exports := pulumi.Array{pulumi.Map{"registry": pulumi.Map{"ociMediaTypes": pulumi.Bool(false), "push": pulumi.Bool(true)}}}
	for name, test := range map[string]struct {
		contexts map[string]string
		want     pulumi.Map
	}{
		"one folder": {nil, pulumi.Map{"location": pulumi.String("model")}},
		"two folders": {map[string]string{"adapter": "out/adapter"}, pulumi.Map{
			"location": pulumi.String("model"),
			"named":    pulumi.Map{"adapter": pulumi.Map{"location": pulumi.String("out/adapter")}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			args := &Args{Context: "model", Contexts: test.contexts}
			changed := args.build(t.Context(), &pulumi.ResourceTransformArgs{Type: buildType, Props: pulumi.Map{
				"context": pulumi.Map{"location": pulumi.String("model")}, "push": pulumi.Bool(true), "tags": pulumi.String("as it was"),
			}})
			require.NotNil(t, changed)
			assert.Equal(t, pulumi.Map{
				"context": test.want, "push": pulumi.Bool(false), "exports": exports, "tags": pulumi.String("as it was"),
			}, changed.Props)
			assert.True(t, changed.Opts.RetainOnDelete, "the image to roll back to stays")

			assert.Nil(t, args.build(t.Context(), &pulumi.ResourceTransformArgs{Type: "awsx:ecr:Image"}))
		})
	}
}
