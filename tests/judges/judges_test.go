// Package judges has what the program registers judged by other people's code:
// see README.md. Its tools come with `make judges`; without them the tests are
// skipped.
package judges

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// required names the variable that makes missing tools a failure. `make judges`
// sets it: a run that skips everything must not look like one that passes.
const required = "JUDGES"

// What tools/judges installs, and the lock file that each comes from.
const (
	npm     = "npm"
	python  = "python"
	checkov = "checkov"
)

var locks = map[string]string{
	npm: "package-lock.json", python: "requirements.txt", checkov: "requirements-checkov.txt",
}

// installed is the folder of a tool. The test ends where it is not there, or is
// from another lock file.
func installed(t *testing.T, tool string) string {
	t.Helper()
	home, err := filepath.Abs(filepath.Join("..", "..", ".local", "judges", tool))
	require.NoError(t, err)
	pinned, err := os.ReadFile(locks[tool])
	require.NoError(t, err)
	from, err := os.ReadFile(filepath.Join(home, "installed-from"))
	if err == nil && bytes.Equal(pinned, from) {
		return home
	}
	const missing = "the judges of tests/judges/%s are not installed, or are out of date; `make judges` installs them"
	if os.Getenv(required) != "" {
		require.Failf(t, "tools are missing", missing, locks[tool])
	}
	t.Skipf(missing, locks[tool])
	return ""
}

// node runs a script of this folder with the installed packages. It gets the
// input as JSON, and its output is read into the output.
func node(t *testing.T, script string, input, output any) {
	t.Helper()
	command := exec.Command("node", script)
	command.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(installed(t, npm), "node_modules"))
	exchange(t, command, input, output)
}

// inPython runs a program of a Python environment, with the arguments.
func inPython(t *testing.T, tool, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(filepath.Join(installed(t, tool), "bin", program), arguments...)
}

// exchange runs a command that takes JSON and gives JSON.
func exchange(t *testing.T, command *exec.Cmd, input, output any) {
	t.Helper()
	given, err := json.Marshal(input)
	require.NoError(t, err)
	command.Stdin = bytes.NewReader(given)
	stdout, stderr, err := finished(command)
	require.NoError(t, err, "%v: %s", command.Args, stderr)
	require.NoError(t, json.Unmarshal(stdout, output), "%v: %s", command.Args, stdout)
}

func finished(command *exec.Cmd) (stdout, stderr []byte, err error) {
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err = command.Run()
	return out.Bytes(), problems.Bytes(), err
}

// readJSON reads a file of this folder; a field that is not known is a mistake
// in the file.
func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(into), name)
	require.ErrorIs(t, decoder.Decode(new(any)), io.EOF, "%s holds more than one value", name)
}

// writeJSON writes a document for a tool that reads files, and gives its path.
func writeJSON(t *testing.T, dir, name string, document any) string {
	t.Helper()
	text, err := json.MarshalIndent(document, "", "  ")
	require.NoError(t, err)
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}
