package endpoint

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a started program. It leads a process group of its own, so that
// its children stop with it and a Ctrl-C meant for the local cloud does not
// reach it before its requests are drained.
type process struct {
	command *exec.Cmd
	// exited is closed once the program has ended and been waited for.
	exited chan struct{}
}

// startProcess runs the command with the environment as it is given; both
// output streams go to log.
func startProcess(command, environment []string, log *os.File) (*process, error) {
	p := &process{command: exec.Command(command[0], command[1:]...), exited: make(chan struct{})}
	p.command.Env = environment
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = processAttributes()

	started := make(chan error)
	starter() <- func() { started <- p.command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start the model command %q: %w", command[0], err)
	}
	go func() {
		// The outcome is in ProcessState, which status reads.
		_ = p.command.Wait()
		close(p.exited)
	}()
	return p, nil
}

// starter runs functions on one operating system thread that lives as long as
// this program. On Linux a parent-death signal is sent when the *thread* that
// started the process ends (prctl(2), PR_SET_PDEATHSIG); an ordinary goroutine
// may be on a thread that Go ends early, which would kill a healthy model.
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

// status describes how the program ended: "exit status 1", "signal: killed".
// It may be read once exited is closed.
func (p *process) status() string { return p.command.ProcessState.String() }

// stop sends SIGTERM to the process group, then SIGKILL after the grace time,
// and returns when the program has ended. What the program left behind in its
// group is killed too.
func (p *process) stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(grace):
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *process) signal(signal syscall.Signal) {
	if err := syscall.Kill(-p.command.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		// The group may consist of programs of another user; the leader is ours.
		_ = p.command.Process.Signal(signal)
	}
}
