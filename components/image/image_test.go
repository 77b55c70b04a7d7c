package image_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/image"
	"scaletozero/internal/recorder"
)

const (
	repositoryToken = "awsx:ecr:Repository"
	imageToken      = "awsx:ecr:Image"
)

// buildContext is a folder with a Dockerfile.
func buildContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o600))
	return dir
}

func args(dir string) *image.Args {
	return &image.Args{RepositoryName: "songs-dev", Context: dir, Platform: "linux/amd64"}
}

func run(t *testing.T, args *image.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := image.New(ctx, "songs-dev", args)
		return err
	}, options...)
	require.NoError(t, err)
	return graph
}

func TestImageRepository(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(buildContext(t)), options...)
			assert.Empty(t, graph.Orphans())
			repository := graph.Only(t, repositoryToken).Inputs
			assert.Equal(t, "songs-dev", repository["name"].StringValue())
			assert.Equal(t, "IMMUTABLE", repository["imageTagMutability"].StringValue())
			assert.True(t, repository["imageScanningConfiguration"].ObjectValue()["scanOnPush"].BoolValue())
			rules := repository["lifecyclePolicy"].ObjectValue()["rules"].ArrayValue()
			assert.Equal(t, 10.0, rules[0].ObjectValue()["maximumNumberOfImages"].NumberValue())
			assert.True(t, repository["forceDelete"].BoolValue(), "ECR deletes no repository with images otherwise")
			inputs := graph.Only(t, imageToken).Inputs
			assert.Equal(t, "linux/amd64", inputs["platform"].StringValue())
			assert.NotContains(t, inputs, resource.PropertyKey("target"), "the Dockerfile's last stage")
		})
	}
}

// Tags are immutable, so each content needs its own, and the same content must
// not be pushed again.
func TestImageTagFollowsTheContent(t *testing.T) {
	dir := buildContext(t)
	tag := func() string { return run(t, args(dir)).Only(t, imageToken).Inputs["imageTag"].StringValue() }
	first := tag()
	assert.Equal(t, first, tag())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"), 0o600))
	second := tag()
	assert.NotEqual(t, first, second, "a new file")
	require.NoError(t, os.Rename(filepath.Join(dir, "main.go"), filepath.Join(dir, "other.go")))
	third := tag()
	assert.NotEqual(t, second, third, "another name")
	require.NoError(t, os.Chmod(filepath.Join(dir, "other.go"), 0o700))
	fourth := tag()
	assert.NotEqual(t, third, fourth, "now executable")
	require.NoError(t, os.Chmod(filepath.Join(dir, "other.go"), 0o770))
	assert.Equal(t, fourth, tag(), "a mode that depends on the checkout")
}

func TestImageTagFollowsTargetAndContexts(t *testing.T) {
	dir, adapter := buildContext(t), buildContext(t)
	a := args(dir)
	tag := func() string { return run(t, a).Only(t, imageToken).Inputs["imageTag"].StringValue() }
	tags := map[string]bool{tag(): true}
	a.Target = "lambda"
	tags[tag()] = true
	a.Contexts = map[string]string{"adapter": adapter}
	tags[tag()] = true
	assert.Equal(t, "lambda", run(t, a).Only(t, imageToken).Inputs["target"].StringValue())
	require.NoError(t, os.WriteFile(filepath.Join(adapter, "adapter"), []byte("another program"), 0o600))
	tags[tag()] = true
	a.Contexts = map[string]string{"other": adapter}
	tags[tag()] = true
	assert.Len(t, tags, 5, "each of them is another image")
	assert.True(t, tags[tag()], "and the last one still the same")
}

func TestImageRefusesBadArgs(t *testing.T) {
	for name, test := range map[string]struct {
		args *image.Args
		want string
	}{
		"nil":           {nil, "required"},
		"no repository": {&image.Args{Context: buildContext(t), Platform: "linux/amd64"}, "RepositoryName"},
		"no platform":   {&image.Args{Context: buildContext(t), RepositoryName: "songs"}, "Platform"},
		"no such context": {
			&image.Args{Context: buildContext(t), RepositoryName: "songs", Platform: "linux/amd64", Contexts: map[string]string{"adapter": "no/such/folder"}},
			`the context "adapter" is "no/such/folder", which is no folder`,
		},
		"context's name": {
			&image.Args{Context: buildContext(t), RepositoryName: "songs", Platform: "linux/amd64", Contexts: map[string]string{"The Adapter": t.TempDir()}},
			`a context is named "The Adapter"`,
		},
		"no Dockerfile": {&image.Args{Context: t.TempDir(), RepositoryName: "songs", Platform: "linux/amd64"}, "no Dockerfile"},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := image.New(ctx, "songs-dev", test.args)
				return err
			})
			assert.ErrorContains(t, err, `image "songs-dev"`)
			assert.ErrorContains(t, err, test.want)
			assert.Empty(t, graph.OfType(image.Type), "nothing may be registered")
		})
	}
}

func TestImageNamesWhatFailed(t *testing.T) {
	dir := buildContext(t)
	for _, token := range []string{repositoryToken, imageToken} {
		_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
			_, err := image.New(ctx, "songs-dev", args(dir))
			return err
		}, recorder.Failing(token))
		assert.ErrorContains(t, err, "songs-dev")
	}
}
