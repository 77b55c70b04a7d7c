package provider_test

import (
	"os"
	"path/filepath"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

// registry is a cloud with one repository and the context of a build.
type registry struct {
	*cloud
	repository deployed
	url, dir   string
}

func newRegistry(t *testing.T, repository props) registry {
	t.Helper()
	c := newCloud(t)
	c.create(provider.TypeRole, props{"name": "role", "assumeRolePolicy": trustPolicy})
	r := registry{cloud: c, repository: c.create(provider.TypeRepository, repository), dir: t.TempDir()}
	r.url = c.text(r.repository, "repositoryUrl")
	r.write("1")
	return r
}

func (r registry) write(content string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, "Dockerfile"), []byte("FROM scratch # "+content), 0o600))
}

// model creates a model with the image.
func (r registry) model(name, image string) error {
	r.t.Helper()
	_, err := r.tryCreate(provider.TypeModel, name, props{
		"executionRoleArn": "arn:aws:iam::123456789012:role/role", "primaryContainer": props{"image": image},
	})
	return err
}

func TestAModelNeedsAnImageThatWasPushedAndIsStillThere(t *testing.T) {
	r := newRegistry(t, props{"forceDelete": true})
	require.ErrorContains(t, r.model("early", r.url+":1"), "ValidationException: Requested image "+r.url+":1 not found")
	pushed := r.create(provider.TypeImage, build(r.dir, r.url+":1"))
	digest := r.text(pushed, "digest")
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, digest)
	assert.Equal(t, digest, pushed.id)
	assert.Equal(t, r.url+":1@"+digest, r.text(pushed, "ref"))
	assert.True(t, r.decode(pushed.outputs)["registries"].IsSecret())
	require.NoError(t, r.model("by-digest", r.url+"@"+digest))
	require.NoError(t, r.model("by-tag", r.url+":1"))
	require.NoError(t, r.model("from-elsewhere", image))

	require.NoError(t, r.delete(pushed))
	require.ErrorContains(t, r.model("late", r.url+"@"+digest), "not found")
}

func TestSageMakerTakesDockerManifestsOnly(t *testing.T) {
	r := newRegistry(t, props{"forceDelete": true})
	for name, change := range map[string]props{
		"pushed":          {"push": true, "exports": []any{}},
		"asked-for-oci":   {"exports": []any{props{"registry": props{"ociMediaTypes": true}}}},
		"raw":             {"exports": []any{props{"raw": "type=registry"}}},
		"one-of-them-oci": {"exports": []any{props{"registry": props{}}, props{"image": props{"push": true, "ociMediaTypes": true}}}},
	} {
		r.create(provider.TypeImage, merged(build(r.dir, r.url+":"+name), change))
		assert.ErrorContains(t, r.model(name, r.url+":"+name), "Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image "+r.url+":"+name)
	}
	for name, change := range map[string]props{
		"default-of-exports": {"exports": []any{props{"registry": props{}}}},
		"raw-docker":         {"exports": []any{props{"raw": "type=registry,oci-mediatypes=false"}}},
		"disabled-oci":       {"exports": []any{props{"registry": props{}}, props{"raw": "type=registry", "disabled": true}}},
	} {
		r.create(provider.TypeImage, merged(build(r.dir, r.url+":"+name), change))
		assert.NoError(t, r.model(name, r.url+":"+name))
	}
	local := r.create(provider.TypeImage, merged(build(r.dir, r.url+":local"), props{"exports": []any{props{"docker": props{}}}}))
	assert.Empty(t, r.text(local, "digest"))
	require.ErrorContains(t, r.model("local", r.url+":local"), "not found")
}

func TestATagThatMayNotMove(t *testing.T) {
	r := newRegistry(t, props{"imageTagMutability": "IMMUTABLE", "forceDelete": true})
	inputs := build(r.dir, r.url+":1")
	first := r.create(provider.TypeImage, inputs)
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, r.diff(first, recheck(r.cloud, first, inputs)).GetChanges())
	inputs["registries"] = []any{props{"address": "https://registry", "username": "AWS", "password": "another"}}
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, r.diff(first, recheck(r.cloud, first, inputs)).GetChanges(), "passwords are new in every run")

	r.write("2")
	diff := r.diff(first, recheck(r.cloud, first, inputs))
	assert.Equal(t, []string{"contextHash"}, diff.GetDiffs())
	assert.Empty(t, diff.GetReplaces())
	const refusal = "ImageTagAlreadyExistsException: tag invalid: The image tag '1' already exists in the 'it-"
	_, err := r.update(first, recheck(r.cloud, first, inputs))
	require.ErrorContains(t, err, refusal)
	_, err = r.tryCreate(provider.TypeImage, "other", inputs)
	require.ErrorContains(t, err, refusal)
	require.NoError(t, r.model("old", r.url+"@"+r.text(first, "digest")))
	_, err = r.tryCreate(provider.TypeImage, "second", build(r.dir, r.url+":2"))
	require.NoError(t, err)
}

func TestARepositoryWithImagesIsDeletedOnlyByForce(t *testing.T) {
	r := newRegistry(t, props{})
	r.create(provider.TypeImage, build(r.dir, r.url+":1"))
	r.create(provider.TypeImage, build(r.dir, r.url+":1"))
	assert.Len(t, r.server.Resources(provider.TypeImage), 1, "an image that was left behind and is pushed again is one image")
	require.ErrorContains(t, r.delete(r.repository), "RepositoryNotEmptyException")
	forced, err := r.update(r.repository, recheck(r.cloud, r.repository, props{"forceDelete": true}))
	require.NoError(t, err)
	require.NoError(t, r.delete(forced))
	assert.Empty(t, r.server.Resources(provider.TypeImage), "the images go with their repository")
}

func TestBuildsThatAreRefused(t *testing.T) {
	r := newRegistry(t, props{})
	for _, test := range []struct {
		name   string
		change props
		want   string
	}{
		{"no folder", props{"context": props{"location": r.dir + "/nowhere"}}, "nowhere/Dockerfile: no such file or directory"},
		{"no folder, but a Dockerfile", props{"context": props{"location": r.dir + "/nowhere"}, "dockerfile": props{"inline": "FROM scratch"}}, "is no directory"},
		{"no Dockerfile", props{"dockerfile": props{"location": r.dir + "/missing"}}, "missing: no such file or directory"},
		{"two pushes", props{"push": true}, "multiple exports require a v0.13 buildkit daemon or newer: set push to false"},
		{"no push", props{"push": nil}, "push is required but missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, reasons := r.check(provider.TypeImage, "it", merged(build(r.dir, r.url+":1"), test.change), nil)
			require.Len(t, reasons, 1)
			assert.Contains(t, reasons[0], test.want)
		})
	}
	_, err := r.tryCreate(provider.TypeImage, "it", build(r.dir, "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/nope:1"))
	require.ErrorContains(t, err, "name unknown: The repository with name 'nope' does not exist")
	unknowns := merged(build(r.dir, r.url+":1"), props{"context": unknown})
	_, reasons := r.check(provider.TypeImage, "it", unknowns, nil)
	assert.Empty(t, reasons, "a preview waits for what it does not know")
}
