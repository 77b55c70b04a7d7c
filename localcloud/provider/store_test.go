package provider_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

func TestAStateFileThatCannotBeReadIsRefusedAndKept(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"half written", `{"format":1,"resources":[{"ty`, "is not valid JSON"},
		{"empty", "", "is not valid JSON"},
		{"newer", `{"format":2}`, "has format 2, and this localcloud reads format 1"},
		{"something else", `{"a":1}`, "has format 0"},
		{"a resource without a type", `{"format":1,"resources":[{"id":"x"}]}`, "has no type or no id in resource 0"},
		{"a null resource", `{"format":1,"resources":[null]}`, "has no type or no id in resource 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			require.NoError(t, os.WriteFile(path, []byte(test.content), 0o600))
			_, err := provider.OpenStore(path)
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, path)
			assert.ErrorContains(t, err, "mv "+path)
			assert.ErrorContains(t, err, "make local-down")
			kept, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, test.content, string(kept))
		})
	}
}

func TestTheWayOutOfABrokenStateWorksWhenPasted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's my state", "state.json")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err := provider.OpenStore(path)
	_, rest, _ := strings.Cut(err.Error(), "`")
	command, _, _ := strings.Cut(rest, "`")
	out, failed := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
	require.NoError(t, failed, "%s: %s", command, out)
	_, err = provider.OpenStore(path)
	require.NoError(t, err)
}

func TestAStoreThatCannotSaveKeepsWhatItHad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Mkdir(dir, 0o700))
	store, err := provider.OpenStore(filepath.Join(dir, "state.json"))
	require.NoError(t, err)
	kept := &provider.Resource{Type: "t", ID: "kept"}
	require.NoError(t, store.Replace(nil, kept))
	require.NoError(t, os.Rename(dir, dir+".away"))

	require.ErrorContains(t, store.Replace(nil, &provider.Resource{Type: "t", ID: "lost"}), "cannot be written")
	assert.Equal(t, []*provider.Resource{kept}, store.Resources(""))
}

func TestFindPrefersTheURN(t *testing.T) {
	store, err := provider.OpenStore(filepath.Join(t.TempDir(), "state.json"))
	require.NoError(t, err)
	first := &provider.Resource{Type: "t", ID: "same", URN: "1"}
	second := &provider.Resource{Type: "t", ID: "same", URN: "2"}
	require.NoError(t, store.Replace(nil, first))
	require.NoError(t, store.Replace(nil, second))
	assert.Same(t, first, store.Find("t", "same", "1"))
	assert.Same(t, second, store.Find("t", "same", "2"))
	assert.Same(t, first, store.Find("t", "same", "renamed"), "an alias has another URN")
	assert.Nil(t, store.Find("u", "same", "1"))

	require.NoError(t, store.Replace(first, nil))
	assert.Equal(t, []*provider.Resource{second}, store.Resources("t"))
}

func TestOnlyOneCreateHoldsAnIdentity(t *testing.T) {
	store, err := provider.OpenStore(filepath.Join(t.TempDir(), "state.json"))
	require.NoError(t, err)
	release, ok := store.Reserve("a")
	require.True(t, ok)
	_, ok = store.Reserve("a")
	assert.False(t, ok)
	release()
	_, ok = store.Reserve("a")
	assert.True(t, ok)
}
