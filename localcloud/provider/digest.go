package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// contextDigest is the SHA-256, in hexadecimal, of every file below the folder (name, mode and content) and of the
// build's other arguments. A relative folder counts from where localcloud was started; "" is that folder itself.
func contextDigest(folder string, arguments []any) (string, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(absolute); err != nil || !info.IsDir() {
		return "", fmt.Errorf("the build context %q is no directory at %s: give an absolute path, or start localcloud in the program's directory", folder, absolute)
	}
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	if err := encoder.Encode(arguments); err != nil {
		return "", err
	}
	err = filepath.WalkDir(absolute, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(absolute, path)
		if err != nil {
			return err
		}
		if err := encoder.Encode([]any{filepath.ToSlash(name), info.Mode().String(), info.Size()}); err != nil {
			return err
		}
		return addContent(sum, path, info.Mode())
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func addContent(sum io.Writer, path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		return errors.Join(err, json.NewEncoder(sum).Encode(target))
	}
	if !mode.IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(sum, file)
	return errors.Join(err, file.Close())
}
