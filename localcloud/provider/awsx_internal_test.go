package provider

import (
	"os"
	"path/filepath"
	"testing"

	awsx "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ecr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDigestFollowsTheContext(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	digest := func(arguments ...any) string {
		sum, err := contextDigest(dir, arguments)
		require.NoError(t, err)
		assert.Regexp(t, `^[0-9a-f]{64}$`, sum)
		return sum
	}
	write("Dockerfile", "FROM scratch")
	write("src/main.go", "package main")
	first := digest()
	assert.Equal(t, first, digest(), "the same context has the same digest")
	assert.NotEqual(t, first, digest("linux/arm64"), "the platform counts")
	write("src/main.go", "package mine")
	second := digest()
	assert.NotEqual(t, first, second, "the content counts")
	require.NoError(t, os.Rename(filepath.Join(dir, "src"), filepath.Join(dir, "source")))
	assert.NotEqual(t, second, digest(), "the names count")
	require.NoError(t, os.Symlink("Dockerfile", filepath.Join(dir, "link")))
	linked := digest()
	require.NoError(t, os.Remove(filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("source", filepath.Join(dir, "link")))
	assert.NotEqual(t, linked, digest(), "the target of a link counts")

	missing := filepath.Join(dir, "missing")
	_, err := contextDigest(missing, nil)
	assert.ErrorContains(t, err, "give an absolute path, or start localcloud in the program's directory")
}

func TestLifecycleDocument(t *testing.T) {
	text, count, days := "all", 10.0, 30.0
	rules := []awsx.LifecyclePolicyRule{
		{TagStatus: awsx.LifecycleTagStatusAny, MaximumNumberOfImages: &count, Description: &text},
		{TagStatus: awsx.LifecycleTagStatusTagged, MaximumAgeLimit: &days, TagPrefixList: []string{"v"}},
	}
	document, err := lifecycleDocument(&awsx.LifecyclePolicy{Rules: rules})
	require.NoError(t, err)
	assert.JSONEq(t, `{"rules":[
		{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["v"],"countType":"sinceImagePushed","countUnit":"days","countNumber":30},"action":{"type":"expire"}},
		{"rulePriority":2,"description":"all","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}}]}`, document)

	document, err = lifecycleDocument(&awsx.LifecyclePolicy{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"rules":[{"rulePriority":1,"description":"remove untagged images",
		"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`, document)

	_, err = lifecycleDocument(&awsx.LifecyclePolicy{Rules: []awsx.LifecyclePolicyRule{{TagStatus: awsx.LifecycleTagStatusAny}}})
	assert.ErrorContains(t, err, "rule 0 needs maximumNumberOfImages or maximumAgeLimit")
	_, err = lifecycleDocument(&awsx.LifecyclePolicy{Skip: new(true)})
	assert.ErrorContains(t, err, "does not implement lifecyclePolicy.skip")
}
