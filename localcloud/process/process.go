//go:build unix

// Package process runs the programs of the local cloud: models and functions.
// They end with it, however it ends, and their children end with them.
package process

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Loopback is the only address that anything of the local cloud listens on.
const Loopback = "127.0.0.1"

// Spec is a program to start.
type Spec struct {
	// Command is the program, with its arguments.
	Command []string
	// Env is its whole environment, as "NAME=value"; of two entries for one name
	// the last one counts. Nothing of the surrounding one is added.
	Env []string
	// Dir is where it starts; empty means where this program is.
	Dir string
	// Output takes both output streams.
	Output *os.File
}

// Process is a started program. It leads a process group of its own, so that
// its children stop with it and a Ctrl-C meant for the local cloud does not
// reach it before its requests are drained.
type Process struct {
	command *exec.Cmd
	// exited is closed once the program has ended and been waited for.
	exited chan struct{}
}

// Start starts a program. The error is that of the start itself, such as a file
// that cannot be executed.
func Start(spec Spec) (*Process, error) {
	p := &Process{command: exec.Command(spec.Command[0], spec.Command[1:]...), exited: make(chan struct{})}
	p.command.Env, p.command.Dir = spec.Env, spec.Dir
	p.command.Stdout, p.command.Stderr = spec.Output, spec.Output
	p.command.SysProcAttr = attributes()
	started := make(chan error)
	starter() <- func() { started <- p.command.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go func() {
		// The outcome is in ProcessState, which Status reads.
		_ = p.command.Wait()
		close(p.exited)
	}()
	return p, nil
}

// starter runs functions on one operating system thread that lives as long as
// this program. On Linux a parent-death signal is sent when the *thread* that
// started the process ends (prctl(2), PR_SET_PDEATHSIG); an ordinary goroutine
// may be on a thread that Go ends early, which would kill a healthy program.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Exited is closed once the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Status describes how the program ended, once Exited is closed: "exit status
// 1", "signal: killed".
func (p *Process) Status() string { return p.command.ProcessState.String() }

// Kill ends the program at once and without warning, and returns when it is gone.
func (p *Process) Kill() {
	select {
	case <-p.exited: // Its number may belong to another process by now.
	default:
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// Stop sends SIGTERM to the process group, then SIGKILL after the grace time,
// and returns when the program has ended. What the program left behind in its
// group is killed too.
func (p *Process) Stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *Process) signal(signal syscall.Signal) {
	if err := syscall.Kill(-p.command.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		// The group may consist of programs of another user; the leader is ours.
		_ = p.command.Process.Signal(signal)
	}
}

// FreePort asks the kernel for a port of loopback. It is free again when
// FreePort returns, so another program may take it first; the program that was
// to have it then ends, and its log says so.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		return 0, err
	}
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
