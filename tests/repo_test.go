package tests

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tracked are the project's files that match a pattern of git, new ones too.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	list := exec.Command("git", append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)...)
	list.Dir = built.root
	out, err := list.Output()
	require.NoError(t, err)
	files := strings.Fields(string(out))
	require.NotEmpty(t, files)
	return files
}

// Somebody should be able to read any file in one sitting.
func TestFilesStaySmall(t *testing.T) {
	t.Parallel()
	const most = 400
	for _, file := range tracked(t, "*.go") {
		lines := bytes.Count([]byte(read(t, filepath.Join(built.root, file))), []byte("\n"))
		assert.LessOrEqual(t, lines, most, file)
	}
}

// The code that a document shows is code that compiles.
func TestDocumentShowsItsExample(t *testing.T) {
	t.Parallel()
	program := read(t, filepath.Join(built.root, "examples", "reuse", "main.go"))
	_, shown, found := strings.Cut(read(t, filepath.Join(built.root, "docs", "reuse.md")), "```go\n")
	require.True(t, found)
	shown, _, found = strings.Cut(shown, "```")
	require.True(t, found)
	assert.Contains(t, program, shown)
}

var exported = regexp.MustCompile(`ctx\.Export\("(\w+)"`)

// The two READMEs are what people go by: a key, an output or a make target that
// is missing there does not exist for them, and one that is gone misleads them.
func TestReadmesNameEveryKeyOutputAndTarget(t *testing.T) {
	t.Parallel()
	project, err := workspace.LoadProject(filepath.Join(built.root, "Pulumi.yaml"))
	require.NoError(t, err)
	var names []string
	for key := range project.Config {
		names = append(names, key)
	}
	outputs := exported.FindAllStringSubmatch(read(t, filepath.Join(built.root, "main.go")), -1)
	require.NotEmpty(t, outputs)
	for _, output := range outputs {
		names = append(names, output[1])
	}
	names = append(names, "make local", "make test", "make local-down", "make openapi", "make functions", "make rotate-key", "make e2e", "make judges", "make bench",
		"make cost", "make local BACKEND=function", "make local-translation")
	for _, file := range []string{"README.md", "README.ja.md"} {
		text := read(t, filepath.Join(built.root, file))
		for _, name := range names {
			// A make target may be followed by its variables.
			assert.Contains(t, text, name, file)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)\)`)

func TestLinksBetweenDocumentsLead(t *testing.T) {
	t.Parallel()
	for _, file := range tracked(t, "*.md") {
		for _, target := range link.FindAllStringSubmatch(read(t, filepath.Join(built.root, file)), -1) {
			if strings.Contains(target[1], "://") {
				continue
			}
			assert.FileExists(t, existing(filepath.Join(built.root, filepath.Dir(file), target[1])), "%s links to %s", file, target[1])
		}
	}
}

// existing is a file of the folder, where the path is a folder.
func existing(path string) string {
	if files, err := filepath.Glob(filepath.Join(path, "*.md")); err == nil && len(files) > 0 {
		return files[0]
	}
	return path
}
