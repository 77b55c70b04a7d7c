package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// embedding is a program with every kind of input: a package of its own, one in
// a folder, one of another module, and embedded files.
var embedding = map[string]string{
	"go.mod": "module program\n\ngo 1.26\n\nrequire other v0.0.0\n\nreplace other => ./other\n",
	"main.go": `package main

import (
	"embed"
	"fmt"
	"other"
	"program/inner"
)

//go:embed texts
var texts embed.FS

func main() {
	names, _ := texts.ReadDir("texts")
	fmt.Println("built", inner.Value, other.Value, len(names))
}
`,
	"inner/inner.go":     "package inner\n\nconst Value = 1\n",
	"inner/ignored.go":   "//go:build ignore\n\npackage inner\n",
	"other/go.mod":       "module other\n\ngo 1.26\n",
	"other/other.go":     "package other\n\nconst Value = 1\n",
	"texts/text":         "text",
	"unrelated/notes.md": "Nothing that is built.",
}

// writeOld writes files that were left alone for an hour.
func writeOld(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(path, old, old))
	}
}

// Another program is put in the place of the executable: it runs as long as
// nothing is built, and `go build` replaces it.
func TestRunBuildsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, build(t.Context(), program(t, `fmt.Println("kept")`).GetProgramDirectory(), other, t.Output()))
	kept, err := os.ReadFile(other)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change map[string]string
		want   string
	}{
		"nothing":                      {nil, "kept"},
		"a file that is not built":     {map[string]string{"unrelated/notes.md": "Other notes."}, "kept"},
		"a source file":                {map[string]string{"main.go": "package main\n\nfunc main() {}\n"}, ""},
		"a new source file":            {map[string]string{"more.go": "package main\n\nfunc init() { print() }\n"}, "built 1 1 1"},
		"a package in a folder":        {map[string]string{"inner/inner.go": "package inner\n\nconst Value = 22\n"}, "built 22 1 1"},
		"a file that was left out":     {map[string]string{"inner/ignored.go": "package inner\n\nfunc init() { print() }\n"}, "built 1 1 1"},
		"a module in a folder":         {map[string]string{"other/other.go": "package other\n\nconst Value = 33\n"}, "built 1 33 1"},
		"an embedded file":             {map[string]string{"texts/text": "another"}, "built 1 1 1"},
		"a new embedded file":          {map[string]string{"texts/more": "more"}, "built 1 1 2"},
		"a workspace around it":        {map[string]string{"../go.work": "go 1.26\n\nuse ./program\n"}, "built 1 1 1"},
		"the same size, another time":  {map[string]string{"inner/inner.go": "package inner\n\nconst Value = 2\n"}, "built 2 1 1"},
		"the versions of dependencies": {map[string]string{"go.mod": embedding["go.mod"] + "\n"}, "built 1 1 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t)
			dir := filepath.Join(t.TempDir(), "program")
			writeOld(t, dir, embedding)
			info := &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: "."}
			run := func() {
				response, err := h.client.Run(t.Context(), &pulumirpc.RunRequest{Info: info})
				require.NoError(t, err)
				require.Empty(t, response.GetError())
			}
			run()
			built, err := filepath.Glob(filepath.Join(h.cache, "*", "*", "program"))
			require.NoError(t, err)
			require.Len(t, built, 1)
			require.NoError(t, os.WriteFile(built[0], kept, 0o600)) // Its mode stays.
			for file, text := range tc.change {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			run()
			h.stop(t)
			assert.Equal(t, strings.TrimSpace("built 1 1 1\n"+tc.want), strings.TrimSpace(h.stdout()))
		})
	}
}

// A file that was written a moment ago may be written again without a sign.
func TestRunDoesNotTrustNewFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeOld(t, dir, embedding)
	_, err := listInputs(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "inner", "inner.go"), []byte("package inner\n\nconst Value = 2\n"), 0o600))
	_, err = listInputs(t.Context(), dir)
	assert.ErrorContains(t, err, "just now")
}

// Of a record that cannot be read, the executable is built again.
func TestUnreadableRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeOld(t, dir, embedding)
	record := filepath.Join(t.TempDir(), "record")
	in, err := listInputs(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, in.write(record))
	assert.True(t, builtFrom(record).unchanged(dir))
	require.NoError(t, os.Truncate(record, 20))
	assert.False(t, builtFrom(record).unchanged(dir))
	assert.False(t, builtFrom(record+"-missing").unchanged(dir))
}
