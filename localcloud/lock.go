//go:build unix

package localcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrRunning is the error of Start when another local cloud has the state directory.
var ErrRunning = errors.New("another localcloud is running with this state directory: stop it with `localcloud stop --state DIR`, or use another --state")

// Lock is the file that says who runs: while a local cloud lives it holds an exclusive lock on the file, and the
// file's content is its Health. The kernel drops the lock with the process, so that what a killed one leaves behind
// is not mistaken for a living one.
type Lock struct{ file *os.File }

func lockPath(stateDir string) string { return filepath.Join(stateDir, "localcloud.json") }

func acquire(stateDir string) (*Lock, error) {
	file, err := os.OpenFile(lockPath(stateDir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the lock of the state directory cannot be opened: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrRunning
		}
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file}, file.Truncate(0)
}

// publish writes down who holds the lock.
func (l *Lock) publish(h Health) error {
	content, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = l.file.WriteAt(content, 0)
	return err
}

func (l *Lock) release() error { return errors.Join(l.file.Truncate(0), l.file.Close()) }

// Running returns the Health of the local cloud that runs with the state directory, as it was when it started, or
// false if there is none. A local cloud that is still starting has no URL yet, and for a moment no PID.
func Running(stateDir string) (Health, bool, error) {
	file, err := os.Open(lockPath(stateDir))
	if errors.Is(err, os.ErrNotExist) {
		return Health{}, false, nil
	}
	if err != nil {
		return Health{}, false, err
	}
	defer func() { _ = file.Close() }() // It was only read.
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return Health{}, false, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return Health{}, false, err
	}
	var h Health
	if err := json.NewDecoder(file).Decode(&h); err != nil {
		return Health{}, true, nil // Nothing is written yet.
	}
	return h, true, nil
}

// WaitStopped returns when no local cloud runs with the state directory, or with the error of ctx.
func WaitStopped(ctx context.Context, stateDir string) error {
	file, err := os.Open(lockPath(stateDir))
	if err != nil {
		return err
	}
	released := make(chan error, 1)
	go func() {
		released <- errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_SH), file.Close())
	}()
	select {
	case err := <-released:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
