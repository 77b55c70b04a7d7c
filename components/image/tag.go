package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// contentTag is a tag that changes with the platform and when a file of the
// folder does: its path, its content or whether it can be executed. Other modes
// depend on who checked the folder out.
func contentTag(dir, platform string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "Dockerfile")); err != nil {
		return "", fmt.Errorf("the build context %q has no Dockerfile: %w", dir, err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q\n", platform)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
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
		fmt.Fprintf(hash, "%q %v %t %d\n%s", filepath.ToSlash(relative), info.Mode().Type(), info.Mode()&0o100 != 0, len(content), content)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("reading the build context %q: %w", dir, err)
	}
	return "content-" + hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// read is a file's content, or where a symbolic link points.
func read(path string, info fs.FileInfo) ([]byte, error) {
	if info.Mode()&fs.ModeSymlink == 0 {
		return os.ReadFile(path)
	}
	target, err := os.Readlink(path)
	return []byte(target), err
}
