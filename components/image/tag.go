package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

var contextName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// contentTag is a tag that changes with the platform and the target, and when a
// file of a folder does: its path, its content or whether it can be executed.
// Other modes depend on who checked the folder out.
func contentTag(args *Args) (string, error) {
	if _, err := os.Stat(filepath.Join(args.Context, "Dockerfile")); err != nil {
		return "", fmt.Errorf("the build context %q has no Dockerfile: %w", args.Context, err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", args.Platform)
	if args.Target != "" {
		fmt.Fprintf(sum, "target %q\n", args.Target)
	}
	if err := add(sum, args.Context); err != nil {
		return "", fmt.Errorf("reading the build context %q: %w", args.Context, err)
	}
	for _, name := range slices.Sorted(maps.Keys(args.Contexts)) {
		folder := args.Contexts[name]
		if !contextName.MatchString(name) {
			return "", fmt.Errorf("a context is named %q; give lower-case letters, digits, dots, hyphens and underscores", name)
		}
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return "", fmt.Errorf("the context %q is %q, which is no folder; make it first", name, folder)
		}
		fmt.Fprintf(sum, "context %q\n", name)
		if err := add(sum, folder); err != nil {
			return "", fmt.Errorf("reading the build context %q: %w", folder, err)
		}
	}
	return "content-" + hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// add writes what counts of a folder.
func add(sum hash.Hash, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := read(path, info)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		// The lengths keep a name's end apart from its content's start.
		fmt.Fprintf(sum, "%q %v %t %d\n%s", filepath.ToSlash(relative), info.Mode().Type(), info.Mode()&0o100 != 0, len(content), content)
		return nil
	})
}

// read is a file's content, or where a symbolic link points.
func read(path string, info fs.FileInfo) ([]byte, error) {
	if info.Mode()&fs.ModeSymlink == 0 {
		return os.ReadFile(path)
	}
	target, err := os.Readlink(path)
	return []byte(target), err
}
