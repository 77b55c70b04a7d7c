package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settled is how long a file must have been left alone for its size and time to
// say that it is the same file: an edit within one tick of the clock changes
// neither. The Go command has the same limit for its own cache.
const settled = 2 * time.Second

// inputs is what an executable was built from, remembered beside it. `go build`
// takes 0.3 s to find that nothing has changed, which is more than half of a
// preview; this takes a millisecond.
type inputs struct {
	// Dirs are the folders that hold a package, a module or an embedded file,
	// without those that never change: the standard library's and the module
	// cache's.
	Dirs []string
	// Sum is of the files in Dirs, and of what else decides what is built.
	Sum string
}

// listInputs finds what a program is built from. It is an error where size and
// time of files are not enough to tell: C code, files written just now.
func listInputs(ctx context.Context, programDir string) (inputs, error) {
	cache, err := goCommand(ctx, programDir, "env", "GOMODCACHE").Output()
	if err != nil {
		return inputs{}, err
	}
	list := goCommand(ctx, programDir, "list", "-deps", "-json=Dir,Standard,EmbedFiles,CgoFiles,Module", ".")
	output, err := list.Output()
	if err != nil {
		return inputs{}, err
	}
	immutable := strings.TrimSpace(string(cache)) + string(filepath.Separator)
	var dirs []string
	for decoder := json.NewDecoder(strings.NewReader(string(output))); decoder.More(); {
		var pkg struct {
			Dir                  string
			Standard             bool
			EmbedFiles, CgoFiles []string
			Module               struct{ Dir string }
		}
		if err := decoder.Decode(&pkg); err != nil {
			return inputs{}, err
		}
		if pkg.Standard || strings.HasPrefix(pkg.Dir, immutable) {
			continue
		}
		if len(pkg.CgoFiles) > 0 {
			return inputs{}, errors.New("its C code may include files from anywhere")
		}
		dirs = append(dirs, pkg.Dir, pkg.Module.Dir)
		for _, file := range pkg.EmbedFiles {
			dirs = append(dirs, filepath.Dir(filepath.Join(pkg.Dir, file)))
		}
	}
	slices.Sort(dirs)
	in := inputs{Dirs: slices.Compact(dirs)}
	var newest time.Time
	in.Sum, newest, err = in.sum(programDir)
	if err == nil && time.Since(newest) < settled {
		err = errors.New("a file was written just now")
	}
	return in, err
}

func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := command(ctx, "go", args...)
	cmd.Dir = dir
	return cmd
}

// builtFrom reads the record of an executable. Of one without a record, or with
// one that a killed host left, the inputs are none, which are never unchanged.
func builtFrom(record string) (in inputs) {
	if text, err := os.ReadFile(record); err != nil || json.Unmarshal(text, &in) != nil {
		return inputs{}
	}
	return in
}

func (in inputs) write(record string) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return os.WriteFile(record, text, 0o600)
}

// unchanged says whether a build would find the same again.
func (in inputs) unchanged(programDir string) bool {
	if in.Sum == "" {
		return false
	}
	now, _, err := in.sum(programDir)
	return err == nil && now == in.Sum
}

// sum also returns when the newest of the files was written.
func (in inputs) sum(programDir string) (sum string, newest time.Time, err error) {
	digest := sha256.New()
	if err := addSurroundings(digest, programDir); err != nil {
		return "", newest, err
	}
	for _, dir := range in.Dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", newest, err
		}
		fmt.Fprintf(digest, "%q\n", dir)
		for _, entry := range entries {
			written := addFile(digest, filepath.Join(dir, entry.Name()))
			if written.After(newest) {
				newest = written
			}
		}
	}
	return fmt.Sprintf("%x", digest.Sum(nil)), newest, nil
}

// addSurroundings adds what is not in the program's folders: which Go command it
// is, its environment and its settings, and the workspaces that the program may
// be part of.
func addSurroundings(digest hash.Hash, programDir string) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	settings := os.Getenv("GOENV")
	if config, err := os.UserConfigDir(); settings == "" && err == nil {
		settings = filepath.Join(config, "go", "env")
	}
	for _, file := range []string{goTool, settings, os.Getenv("GOWORK")} {
		addFile(digest, file)
	}
	for dir, parent := programDir, ""; dir != parent; dir = filepath.Dir(dir) {
		addFile(digest, filepath.Join(dir, "go.work"))
		parent = dir
	}
	for _, variable := range slices.Sorted(slices.Values(os.Environ())) {
		if strings.HasPrefix(variable, "GO") || strings.HasPrefix(variable, "CGO_") || strings.HasPrefix(variable, "PATH=") {
			fmt.Fprintf(digest, "%q\n", variable)
		}
	}
	return nil
}

// addFile adds the name of a file, its size and its time. Of a folder, and of a
// file that is not there, it adds the name alone.
func addFile(digest io.Writer, path string) (written time.Time) {
	info, err := os.Stat(path) //nolint:gosec // The paths are those of what is built and run.
	if err != nil || info.IsDir() {
		fmt.Fprintf(digest, "%q %t\n", path, err == nil)
		return time.Time{}
	}
	fmt.Fprintf(digest, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	return info.ModTime()
}
