package tests

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checkout is a copy of the project's files, with the tools that are built.
func checkout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "check out")
	for _, file := range tracked(t, ".") {
		target := filepath.Join(dir, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o750))
		info, err := os.Stat(filepath.Join(built.root, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(target, []byte(read(t, filepath.Join(built.root, file))), info.Mode()))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".bin"), 0o750))
	tools, err := filepath.Glob(filepath.Join(built.root, ".bin", "pulumi*"))
	require.NoError(t, err)
	for _, tool := range tools {
		require.NoError(t, os.Symlink(tool, filepath.Join(dir, ".bin", filepath.Base(tool))))
	}
	return dir
}

// sh runs a shell line in the checkout.
func sh(t *testing.T, dir, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", line)
	command.Dir = dir
	command.Env = append(os.Environ(), "LOCALCLOUD_ADDR=127.0.0.1:0", "LOCALCLOUD_PROVIDER_ADDR=127.0.0.1:0", "LOCALCLOUD_CONSOLE_ADDR=127.0.0.1:0", "MAKEFLAGS=")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", line, out)
	return string(out)
}

// processesOf are the running processes that were started from the folder,
// where the system shows them.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		// A process that has ended in the meantime has no command line.
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// TestMakeLocal runs the README's commands in a checkout of its own, whose path
// has a space in it.
func TestMakeLocal(t *testing.T) {
	t.Parallel()
	dir := checkout(t)
	t.Cleanup(func() { sh(t, dir, "make local-down") })

	out := sh(t, dir, "make local")
	assert.Contains(t, out, `{"songs":[{"id":"1"`, "the model answered")
	assert.Contains(t, out, "+ 45 created")
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		assert.NotEmpty(t, processesOf(t, dir))
	}
	_, printed, found := strings.Cut(out, "Call it yourself:")
	require.True(t, found, out)
	curl, _, _ := strings.Cut(strings.TrimSpace(printed), "\n")
	assert.Contains(t, curl, "curl")
	if _, err := exec.LookPath("curl"); err == nil {
		assert.Contains(t, sh(t, dir, curl), `"id":"1"`, "the printed line works when pasted")
	}
	key := strings.TrimSpace(sh(t, dir, ". .local/env && printenv API_KEY"))
	assert.Contains(t, sh(t, dir, ". .local/env && pulumi stack output --show-secrets"), key)
	assert.NotContains(t, out, key, "the key is not printed")
	info, err := os.Stat(filepath.Join(dir, ".local", "env"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	assert.Contains(t, sh(t, dir, ". .local/env && .bin/infer -job -within 2m model/request.json"), `{"songs":[{"id":"1"`, "a job is answered")

	assert.Contains(t, sh(t, dir, "make local"), "45 unchanged")
	for _, file := range []string{"Pulumi.local.yaml", "Pulumi.yaml"} {
		assert.Equal(t, read(t, filepath.Join(built.root, file)), read(t, filepath.Join(dir, file)), "deploying changed a tracked file")
	}

	testOtherSystems(t, dir)

	// The stacks for AWS take the same road, and must be known to be good
	// before anybody tries them there.
	sh(t, dir, "make functions")
	for stack, resources := range map[string]int{"dev": 23, "prod": 69} {
		preview := sh(t, dir, ". .local/env && pulumi stack init "+stack+" && pulumi preview -s "+stack+" --policy-pack policies --non-interactive")
		assert.Contains(t, preview, fmt.Sprintf("+ %d to create", resources), stack)
		assert.Contains(t, preview, "✅ scale-to-zero-inference", stack)
	}

	sh(t, dir, "make local-down")
	assert.Empty(t, processesOf(t, dir))
	assert.Contains(t, sh(t, dir, "make local-down"), "no local stack here", "taking down what is down is fine")
}

// testOtherSystems has the other two systems beside the first, each with what it
// is asked.
func testOtherSystems(t *testing.T, dir string) {
	assert.Contains(t, sh(t, dir, "make local BACKEND=function"), `{"songs":[{"id":"1"`)
	assert.Contains(t, sh(t, dir, ". .local/env && .bin/infer -job -within 2m model/request.json"), `{"songs":[{"id":"1"`)

	out := sh(t, dir, "make local-translation")
	assert.Contains(t, out, `"translated":"[localcloud does not translate, ja to en]`)
	_, history, found := strings.Cut(out, "newest first:")
	require.True(t, found, out)
	history, _, _ = strings.Cut(strings.TrimSpace(history), "\n")
	if _, err := exec.LookPath("curl"); err == nil {
		assert.Contains(t, sh(t, dir, history), `{"translations":[{"id":`, "the printed line works when pasted")
	}
}
