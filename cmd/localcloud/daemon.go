//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"scaletozero/localcloud"
)

const (
	// readyVariable names the file descriptor on which a background process reports to its parent.
	readyVariable = "LOCALCLOUD_READY_FD"
	readyFD       = 3
	ready         = "ready"
	// stopTimeout covers requests that finish, models that drain, and models that have to be killed.
	stopTimeout = 2 * time.Minute
)

// start runs `serve` with the same flags in a session of its own and returns when it is ready. One that runs already is
// left alone, unless it was started from something else than it would be now.
func start(ctx context.Context, options localcloud.Options, arguments []string, out io.Writer) error {
	health, running, err := localcloud.Running(options.StateDir)
	if err != nil {
		return err
	}
	if running {
		upToDate, err := reportRunning(health, options, out)
		if err != nil || upToDate {
			return err
		}
		if err := stop(ctx, options.StateDir, out); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(options.StateDir, 0o700); err != nil {
		return fmt.Errorf("the state directory cannot be made: %w", err)
	}
	log, err := os.OpenFile(logPath(options.StateDir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the log cannot be opened: %w", err)
	}
	report, err := spawn(ctx, arguments, log)
	if err := errors.Join(err, log.Close()); err != nil {
		return fmt.Errorf("the background process cannot be started: %w", err)
	}
	if report != ready {
		if report == "" {
			report = "the background process ended before it was ready"
		}
		return fmt.Errorf("%s (log: %s)", report, logPath(options.StateDir))
	}
	if err := status(options.StateDir, out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "log:", logPath(options.StateDir))
	return err
}

// reportRunning accepts a local cloud that runs already, if it answers and would be started from the same now.
func reportRunning(health localcloud.Health, options localcloud.Options, out io.Writer) (upToDate bool, err error) {
	if health.URL == "" {
		return false, errors.New("another localcloud is just starting or stopping with this state directory: try again, or end it with `localcloud stop`")
	}
	now, err := localcloud.Ask(health.URL)
	if err != nil {
		return false, fmt.Errorf("localcloud (pid %d) runs with this state directory but does not answer: %w: stop it with `localcloud stop`", health.PID, err)
	}
	origin, err := options.Origin()
	if err != nil {
		return false, err
	}
	if changed := now.Origin.Changed(origin); changed != "" {
		_, err = fmt.Fprintf(out, "starting again with the same state, since this changed: %s\n", changed)
		return false, err
	}
	_, err = fmt.Fprintln(out, "already running:", describe(now))
	return true, err
}

// spawn starts the background process and returns what it reports: ready, or why it ended. When ctx ends before, the
// process is told to stop.
func spawn(ctx context.Context, arguments []string, log *os.File) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	child := exec.Command(self, append([]string{"serve"}, arguments...)...)
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{writer}
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", readyVariable, readyFD))
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return "", errors.Join(err, writer.Close(), reader.Close())
	}
	// With the parent's end closed, reading ends when the child closes its own or ends.
	if err := writer.Close(); err != nil {
		return "", errors.Join(err, reader.Close())
	}
	stopForwarding := context.AfterFunc(ctx, func() {
		_ = child.Process.Signal(syscall.SIGTERM) // If it has ended there is nothing to tell.
	})
	report, err := io.ReadAll(reader)
	stopForwarding()
	return strings.TrimSpace(string(report)), errors.Join(err, reader.Close(), child.Process.Release())
}

// parent is the process that waits in spawn; it is nil in the foreground.
type parent struct{ pipe *os.File }

// waitingParent takes over the pipe to the parent, and keeps it from the models: a model that held it open would keep
// the parent waiting.
func waitingParent() (*parent, error) {
	if os.Getenv(readyVariable) == "" {
		return nil, nil
	}
	syscall.CloseOnExec(readyFD)
	return &parent{os.NewFile(readyFD, "ready")}, os.Unsetenv(readyVariable)
}

func (p *parent) tell(message string) error {
	if p == nil {
		return nil
	}
	_, err := fmt.Fprintln(p.pipe, message)
	return errors.Join(err, p.pipe.Close())
}

// stop ends the background process and waits until it is gone.
func stop(ctx context.Context, stateDir string, out io.Writer) error {
	health, running, err := localcloud.Running(stateDir)
	if err != nil {
		return err
	}
	if !running {
		_, err := fmt.Fprintln(out, "localcloud is not running")
		return err
	}
	if health.PID == 0 {
		return errors.New("localcloud is just stopping: try again")
	}
	if err := syscall.Kill(health.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("localcloud (pid %d) cannot be stopped: %w", health.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := localcloud.WaitStopped(ctx, stateDir); err != nil {
		return fmt.Errorf("localcloud (pid %d) was told to stop but still runs (log: %s): %w", health.PID, logPath(stateDir), err)
	}
	_, err = fmt.Fprintln(out, "localcloud stopped")
	return err
}

// status describes the running local cloud, or is an error.
func status(stateDir string, out io.Writer) error {
	now, err := answering(stateDir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, describe(now))
	return err
}

// providers prints which plugins the engine shall look for in the local cloud, and where.
func providers(stateDir string, out io.Writer) error {
	now, err := answering(stateDir)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(now.Provider)
	if err != nil {
		return fmt.Errorf("the running localcloud says that its provider is at %q: %w", now.Provider, err)
	}
	_, err = fmt.Fprintf(out, "aws:%[1]s,awsx:%[1]s,docker-build:%[1]s\n", port)
	return err
}

// consoleURL prints where the console is.
func consoleURL(stateDir string, out io.Writer) error {
	now, err := answering(stateDir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, now.Console)
	return err
}

// answering is what the running local cloud says of itself.
func answering(stateDir string) (localcloud.Health, error) {
	health, running, err := localcloud.Running(stateDir)
	if err != nil {
		return health, err
	}
	if !running {
		return health, fmt.Errorf("not running with state directory %s: start it with `localcloud start`", stateDir)
	}
	if health.URL == "" {
		return health, errors.New("localcloud is just starting or stopping: try again")
	}
	now, err := localcloud.Ask(health.URL)
	if err != nil {
		return health, fmt.Errorf("localcloud (pid %d) runs but does not answer: %w", health.PID, err)
	}
	return now, nil
}
