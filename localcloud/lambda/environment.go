//go:build unix

package lambda

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"scaletozero/localcloud/process"
)

// environment is one execution environment: a process, with a runtime API of its
// own.
type environment struct {
	runtime *Runtime
	version *version
	// pool keeps it ahead of invocations; nil where an invocation made it.
	pool    *pool
	process *process.Process
	server  *http.Server
	log     *os.File
	serving sync.WaitGroup
	ending  sync.Once

	// asked tells that the program asks for an invocation, handover gives it one.
	asked    chan struct{}
	handover chan *invocation
	// broken takes what the program says of an init phase that failed.
	broken chan []byte
	// reaper ends an environment without work; the runtime's mu guards it.
	reaper *time.Timer

	mu sync.Mutex
	// current is the invocation that the program has and has not answered.
	current *invocation
}

// logPath is where a function logs: the file that stands for its log group.
func (r *Runtime) logPath(name string) string {
	return filepath.Join(r.options.LogDir, "aws_lambda_"+name+".log")
}

// launch starts an environment of the kind onDemand or provisioned. The caller
// ends it.
func (r *Runtime) launch(v *version, kind string) (*environment, error) {
	log, err := os.OpenFile(r.logPath(v.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", process.Loopback+":0")
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	e := &environment{
		runtime: r, version: v, log: log,
		asked: make(chan struct{}, 1), handover: make(chan *invocation), broken: make(chan []byte, 1),
	}
	// As on AWS, only the program of the environment knows where this is.
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}
	spec, err := r.program(v, kind, listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close(), log.Close())
	}
	spec.Output = log
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errClosed, listener.Close(), log.Close())
	}
	if e.process, err = process.Start(spec); err != nil {
		return nil, errors.Join(err, listener.Close(), log.Close())
	}
	e.serving.Go(func() { _ = e.server.Serve(listener) }) // It ends with the environment.
	r.environments[e] = true
	v.function.inits++
	return e, nil
}

// end kills the program, if it still runs, and what it left behind.
func (e *environment) end() {
	e.ending.Do(func() {
		e.process.Stop(0)
		// Neither can fail in a way that matters now.
		_ = e.server.Close()
		_ = e.log.Close()
		e.serving.Wait()
		e.runtime.mu.Lock()
		defer e.runtime.mu.Unlock()
		delete(e.runtime.environments, e)
		if e.reaper != nil {
			e.reaper.Stop()
		}
	})
}

// logLine writes a line of the service's own into the function's log.
func (e *environment) logLine(format string, args ...any) {
	// A log that cannot be written must not cost the caller the answer.
	_, _ = fmt.Fprintf(e.log, format+"\n", args...)
}

// ready returns nil once the program asks for its first invocation, and otherwise
// what the caller of a function whose init phase failed is told.
func (e *environment) ready(inv *invocation, limit time.Duration) *Result {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.asked:
		return nil
	case said := <-e.broken:
		return inv.failed(said)
	case <-e.process.Exited():
	case <-timer.C:
		return inv.timedOut(limit)
	}
	select {
	case said := <-e.broken: // It has said why before it ended.
		return inv.failed(said)
	default:
		return inv.exited(e.process.Status())
	}
}

// work gives the program the invocation and waits for its answer, and for it to
// ask for the next one: only then is an invocation over. taken tells whether the
// program has got it, again whether the environment can be used again.
func (e *environment) work(inv *invocation) (result Result, taken, again bool) {
	timer := time.NewTimer(time.Until(inv.deadline))
	defer timer.Stop()
	exited := e.process.Exited()
	select {
	case e.handover <- inv:
	case <-exited:
		return *inv.exited(e.process.Status()), false, false
	case <-timer.C:
		return *inv.timedOut(e.version.Timeout), true, false
	}
	if inv.crash {
		e.process.Kill()
		return *inv.exited(e.process.Status()), true, false
	}
	select {
	case result = <-inv.answered:
	case <-exited:
		return *inv.exited(e.process.Status()), true, false
	case <-timer.C:
		return *inv.timedOut(e.version.Timeout), true, false
	}
	select {
	case <-e.asked:
		return result, true, true
	case <-exited:
	case <-timer.C:
	}
	return result, true, false
}
