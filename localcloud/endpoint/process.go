package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// loopback is the only address a copy may listen on.
const loopback = "127.0.0.1"

// writeBuffer, in bytes, lets most requests go out in one piece.
const writeBuffer = 16 << 10

// processLauncher runs copies as processes of this machine.
type processLauncher struct {
	command []string
	// logPath is where the copies of a component log.
	logPath func(component string) string
}

// Launch starts the process on a free loopback port.
func (p processLauncher) Launch(l Launch) (Process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(p.logPath(l.Component.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	// The process has its own handle once it is started.
	defer func() { _ = log.Close() }()
	if _, err := fmt.Fprintf(log, "--- %s copy %d on port %d: %s\n",
		time.Now().UTC().Format(time.RFC3339), l.Number, port, l.Component.Image); err != nil {
		return nil, fmt.Errorf("writing the log: %w", err)
	}
	return startProcess(p.command, environment(l.Component, port), log, net.JoinHostPort(loopback, strconv.Itoa(port)))
}

// environment is the container's. Only what a program needs to run at all comes
// from outside: credentials and passphrases of the surrounding shell do not.
func environment(c Component, port int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range c.Environment {
		env = append(env, name+"="+value)
	}
	// Of two entries for one name the last one counts.
	return append(env, "SAGEMAKER_BIND_TO_PORT="+strconv.Itoa(port), "BIND_HOST="+loopback)
}

// freePort asks the kernel for a port. It is free again when freePort returns,
// so another program may take it first; the copy then ends and, as for any
// other failed start, the error and its log say so.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	return strconv.Atoi(text)
}

// process is a started program. It leads a process group of its own, so that
// its children stop with it and a Ctrl-C meant for the local cloud does not
// reach it before its requests are drained.
type process struct {
	// Transport reaches the program, whatever host a request names.
	*http.Transport
	command *exec.Cmd
	// exited is closed once the program has ended and been waited for.
	exited chan struct{}
}

// startProcess runs the command with the environment as it is given; both
// output streams go to log. The program will listen on address.
func startProcess(command, environment []string, log *os.File, address string) (*process, error) {
	p := &process{command: exec.Command(command[0], command[1:]...), exited: make(chan struct{})}
	p.command.Env = environment
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = processAttributes()
	var dialer net.Dialer
	// No proxy of the environment may come in between.
	p.Transport = &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: writeBuffer,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}

	started := make(chan error)
	starter() <- func() { started <- p.command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start the model command %q: %w", command[0], err)
	}
	go func() {
		// The outcome is in ProcessState, which Status reads.
		_ = p.command.Wait()
		p.CloseIdleConnections()
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

// Exited implements Process.
func (p *process) Exited() <-chan struct{} { return p.exited }

// Status implements Process.
func (p *process) Status() string { return p.command.ProcessState.String() }

// Kill implements Process.
func (p *process) Kill() {
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
func (p *process) Stop(grace time.Duration) {
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

func (p *process) signal(signal syscall.Signal) {
	if err := syscall.Kill(-p.command.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		// The group may consist of programs of another user; the leader is ours.
		_ = p.command.Process.Signal(signal)
	}
}
