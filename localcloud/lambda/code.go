//go:build unix

package lambda

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Limits of a deployment package, in bytes (developer guide, "Lambda quotas").
const (
	maxArchive  = 50 << 20
	maxUnpacked = 250 << 20
)

// bootstrap is the program of a custom runtime.
const bootstrap = "bootstrap"

// Digest names an archive: its SHA-256, in hexadecimal.
func Digest(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}

// codePath is where the archive with the digest is unpacked.
func (r *Runtime) codePath(code string) string { return filepath.Join(r.options.CodeDir, code) }

// store unpacks the archive where it is not yet. It is there as a whole or not
// at all, whatever happens in between.
func (r *Runtime) store(code string, archive []byte) error {
	_, err := os.Stat(filepath.Join(r.codePath(code), bootstrap))
	if err == nil {
		return nil
	}
	if archive == nil {
		return fmt.Errorf("its code is not in %s any more: deploy the function again with `pulumi up --replace URN`", r.options.CodeDir)
	}
	if err := os.MkdirAll(r.options.CodeDir, 0o700); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(r.options.CodeDir, "unpacking")
	if err != nil {
		return err
	}
	if err := unpack(archive, temporary); err != nil {
		return errors.Join(fmt.Errorf("InvalidParameterValueException: %w", err), os.RemoveAll(temporary))
	}
	return os.Rename(temporary, r.codePath(code))
}

// unpack writes the files of a zip into a folder.
func unpack(archive []byte, into string) error {
	if len(archive) > maxArchive {
		return fmt.Errorf("the archive has %d bytes: Lambda takes up to %d directly", len(archive), maxArchive)
	}
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return fmt.Errorf("Could not unzip uploaded file. Please check your file, then try to upload again: %w", err)
	}
	room := int64(maxUnpacked)
	executable := false
	for _, file := range reader.File {
		mode := file.Mode()
		switch {
		case !filepath.IsLocal(file.Name):
			return fmt.Errorf("the archive has a file named %q: names must stay below the archive's root", file.Name)
		case mode.IsDir():
			continue
		case !mode.IsRegular():
			return fmt.Errorf("the archive has %q, which is no regular file: localcloud takes files and folders only", file.Name)
		}
		written, err := extract(file, filepath.Join(into, filepath.FromSlash(file.Name)), room)
		if err != nil {
			return fmt.Errorf("unpacking %q: %w", file.Name, err)
		}
		room -= written
		executable = executable || file.Name == bootstrap && mode&0o111 != 0
	}
	if !executable {
		return fmt.Errorf("the archive has no executable file named %s at its root, which the runtime provided.al2023 starts", bootstrap)
	}
	return nil
}

// extract writes one file of at most room bytes, whatever the archive says of its
// size.
func extract(file *zip.File, path string, room int64) (written int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	content, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	// A program that is started meanwhile would keep the file open for writing, and
	// such a file cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, file.Mode()&fs.ModePerm&0o755|0o400)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	written, err = io.Copy(out, io.LimitReader(content, room+1))
	if err == nil && written > room {
		err = fmt.Errorf("Unzipped size must be smaller than %d bytes", maxUnpacked)
	}
	return written, err
}
