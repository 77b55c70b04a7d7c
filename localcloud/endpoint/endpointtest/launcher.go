// Package endpointtest runs the copies of inference components in memory, for
// tests: without processes and without the network, so that they work inside a
// bubble of testing/synctest.
package endpointtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/endpoint"
)

// Launcher is an endpoint.Launcher. Its zero value starts copies at once, which
// answer every invocation with an empty JSON object. Set the fields before use.
type Launcher struct {
	// StartTime is how long a copy takes, on the wall clock, until it answers /ping.
	StartTime time.Duration
	// Handler answers /invocations.
	Handler http.Handler
	// Broken tells whether a copy exits, with status 1, when it would have started.
	Broken func(l endpoint.Launch) bool

	mu      sync.Mutex
	running []*Process
}

// Launch implements endpoint.Launcher.
func (l *Launcher) Launch(launch endpoint.Launch) (endpoint.Process, error) {
	p := &Process{Launch: launch, launcher: l, startedAt: time.Now().Add(l.StartTime), exited: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = append(l.running, p)
	if l.Broken != nil && l.Broken(launch) {
		p.breaking = time.AfterFunc(l.StartTime, func() { p.Exit("exit status 1") })
	}
	return p, nil
}

// Running are the copies that have not exited, oldest first.
func (l *Launcher) Running() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.running)
}

// Process is a copy in memory.
type Process struct {
	Launch    endpoint.Launch
	launcher  *Launcher
	startedAt time.Time
	breaking  *time.Timer

	once   sync.Once
	exited chan struct{}
	status string
}

// errReset is what a caller sees of a process that ends while it works.
var errReset = errors.New("connection reset by peer")

// RoundTrip has the copy answer.
func (p *Process) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	recorder := httptest.NewRecorder()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.serve(recorder, request.WithContext(ctx))
	}()
	select {
	case <-p.exited:
		return nil, errReset
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-answered:
		return recorder.Result(), nil
	}
}

func (p *Process) serve(w http.ResponseWriter, request *http.Request) {
	switch {
	case p.breaking != nil || time.Now().Before(p.startedAt):
		w.WriteHeader(http.StatusServiceUnavailable)
	case request.URL.Path == "/ping":
	case p.launcher.Handler != nil:
		p.launcher.Handler.ServeHTTP(w, request)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}") // A recorder takes everything.
	}
}

// Exit ends the process with the status.
func (p *Process) Exit(status string) {
	p.once.Do(func() {
		p.launcher.mu.Lock()
		p.launcher.running = slices.DeleteFunc(p.launcher.running, func(other *Process) bool { return other == p })
		p.launcher.mu.Unlock()
		p.status = status
		close(p.exited)
	})
}

// Exited implements endpoint.Process.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Status implements endpoint.Process.
func (p *Process) Status() string { return p.status }

// Kill implements endpoint.Process.
func (p *Process) Kill() { p.Exit("signal: killed") }

// Stop implements endpoint.Process: it ends at once.
func (p *Process) Stop(time.Duration) {
	if p.breaking != nil {
		p.breaking.Stop()
	}
	p.Exit("exit status 0")
}
