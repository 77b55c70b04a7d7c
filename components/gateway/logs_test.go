package gateway_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
	"scaletozero/internal/recorder"
)

func TestLogsAreEncryptedWithTheKeyGiven(t *testing.T) {
	const key = "arn:aws:kms:ap-northeast-1:123456789012:key/k"
	a := args(t)
	a.LogKMSKeyArn = pulumi.StringPtr(key)
	for name, test := range map[string]struct {
		args *gateway.Args
		want resource.PropertyValue
	}{"own": {a, resource.NewStringProperty(key)}, "CloudWatch's": {args(t), resource.PropertyValue{}}} {
		t.Run(name, func(t *testing.T) {
			groups := run(t, test.args, recorder.Preview).OfType(groupToken)
			require.Len(t, groups, 2)
			for _, group := range groups {
				assert.Equal(t, test.want, group.Inputs["kmsKeyId"], group.Name)
			}
		})
	}
}

func TestTheStageCanBeGuarded(t *testing.T) {
	var stage string
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		created, err := gateway.New(ctx, "songs-api-dev", args(t))
		if err != nil {
			return err
		}
		created.StageArn.ApplyT(func(arn string) error {
			stage = arn
			return nil
		})
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:mock:::songs-api-dev", stage)
}
