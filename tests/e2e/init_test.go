package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/tests/e2e/runtimeapi"
)

// mostBytes is what a function may weigh: Lambda loads it whenever it has none at
// hand. How long it takes to start is measured by `make bench`.
const mostBytes = 15_000_000

func TestFunctionsAreSmall(t *testing.T) {
	needMoto(t)
	for name, archive := range shared.zips {
		info, err := os.Stat(archive)
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(mostBytes), name)
	}
}

// A zip that differs each time would be deployed each time, and one that is
// built each time would be waited for.
func TestFunctionsAreBuiltOnceAndAlike(t *testing.T) {
	needMoto(t)
	build := func() map[string]string {
		command := exec.Command(filepath.Join("..", "..", "tools", "functions"), "host")
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		found := map[string]string{}
		for name, archive := range shared.zips {
			content, err := os.ReadFile(archive)
			require.NoError(t, err)
			info, err := os.Stat(archive)
			require.NoError(t, err)
			found[name] = fmt.Sprintf("%x", sha256.Sum256(content))
			found[name+" written"] = info.ModTime().String()
		}
		return found
	}
	first := build()
	assert.Equal(t, first, build(), "nothing has changed, so nothing is built")
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(shared.zips["submit"]), "key")))
	again := build()
	for name := range shared.zips {
		assert.Equal(t, first[name], again[name], "built anew, it is the same")
		assert.NotEqual(t, first[name+" written"], again[name+" written"])
	}
}

// What is missing is told all at once, before any event is taken.
func TestAFunctionWithoutItsEnvironmentSaysSo(t *testing.T) {
	needMoto(t)
	for name, variables := range map[string][]string{
		"submit": {"JOBS_TABLE", "JOBS_QUEUE_URL", "JOB_TTL_SECONDS", "ALLOW_ORIGIN"},
		"worker": {"JOBS_TABLE", "JOBS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "ENDPOINT_NAME", "INFERENCE_COMPONENT_NAME", "MAX_TRIES", "DIRECT_WAKE"},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := runtimeapi.Unpack(shared.zips[name], t.TempDir())
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = runtimeapi.Start(ctx, program, nil)
			for _, variable := range variables {
				assert.ErrorContains(t, err, variable+" is not set")
			}
		})
	}
}
