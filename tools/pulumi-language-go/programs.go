package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/fsutil"
)

// stopTimeout is how long an interrupted process may take before it is killed.
// The CLI gives the host itself 5 s (ExecPlugin in sdk/go/common/resource/plugin).
const stopTimeout = 3 * time.Second

// programCache builds Go programs, each to a path of its own that stays, and
// only when they have changed. Where `go build` has to find that out, it does not
// link again, which for a program on the AWS SDK turns 2.5 s into 0.3 s.
type programCache struct{ dir string }

// newProgramCache keeps the executables in $PULUMI_HOME, or in the user's cache
// directory where that is not set.
func newProgramCache() (programCache, error) {
	base := os.Getenv("PULUMI_HOME")
	if base == "" {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return programCache{}, fmt.Errorf("no place for compiled programs, set PULUMI_HOME to a directory: %w", err)
		}
	}
	return programCache{dir: filepath.Join(base, "pulumi-language-go")}, nil
}

// start builds the main package in programDir and starts it as configured by
// prepare, which receives the path of the executable. Messages of the build go
// to buildLog. The process is interrupted when ctx ends, killed if it does not
// stop, and is the caller's to wait for.
//
// A lock is held from the build until the process has started, so that hosts
// which run at the same time never execute a file that another is replacing.
// Once started a process keeps the file it was started from.
func (c programCache) start(
	ctx context.Context, programDir string, buildLog io.Writer, prepare func(executable string) *exec.Cmd,
) (cmd *exec.Cmd, err error) {
	programDir, err = filepath.Abs(programDir)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(c.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(programDir)))[:16])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a place for the compiled program: %w", err)
	}
	lock := fsutil.NewFileMutex(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()

	executable := filepath.Join(dir, "program")
	if err := update(ctx, programDir, executable, buildLog); err != nil {
		return nil, err
	}
	cmd = prepare(executable)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the program of %s: %w", programDir, err)
	}
	return cmd, nil
}

// update builds the executable, unless it was built from the same inputs. What
// they were is read before the build, so that an edit during it counts as new.
func update(ctx context.Context, programDir, executable string, log io.Writer) error {
	record := executable + ".inputs"
	if builtFrom(record).unchanged(programDir) {
		return nil
	}
	if err := os.RemoveAll(record); err != nil {
		return err
	}
	// Why there are none is either said by the build or no fault of the program.
	in, inputsErr := listInputs(ctx, programDir)
	if err := build(ctx, programDir, executable, log); err != nil || inputsErr != nil {
		return err
	}
	return in.write(record)
}

// build runs `go build` in programDir. Its temporary files live beside the
// executable, on the same file system, so that Go renames the result into place
// and an interrupted build leaves the old executable or none; what a killed
// build left is removed by the next.
//
// Version control stamps are left out: they would link again on every commit and
// fail where git distrusts the checkout's owner.
func build(ctx context.Context, programDir, executable string, log io.Writer) error {
	tmp := executable + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	cmd := command(ctx, "go", "build", "-buildvcs=false", "-o", executable, ".")
	cmd.Dir = programDir
	cmd.Env = append(os.Environ(), "GOTMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build failed in %s (%w); the compiler's messages are above", programDir, err)
	}
	return nil
}

// command is exec.CommandContext with an orderly end: interrupt, wait, kill.
// The process stays in the host's process group, which the CLI kills as a whole
// when the host does not stop in time.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	return cmd
}
