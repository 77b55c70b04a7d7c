package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	// loopback is the only address a copy may listen on.
	loopback = "127.0.0.1"
	// pingEvery is far shorter than SageMaker's interval, so that a laptop does
	// not wait for a model that is ready at once.
	pingEvery = 20 * time.Millisecond
	// pingTimeout is SageMaker's.
	pingTimeout = 2 * time.Second
	// firstBackoff doubles with each start in a row that fails, up to maxBackoff.
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// modelCopy is one copy of a component: a process that is started again
// whenever it ends, until stop is called.
type modelCopy struct {
	component *component
	spec      Component
	number    int
	ctx       context.Context
	stop      context.CancelFunc
	// gone is closed when the copy is stopped and its process has ended.
	gone chan struct{}

	// The component's mu guards the rest. port is 0 while the copy is not healthy.
	port, outstanding int
	// drained, once it is made, is closed when nothing is outstanding any more.
	drained chan struct{}
}

func newCopy(c *component, spec Component, number int) *modelCopy {
	ctx, cancel := context.WithCancel(c.runtime.ctx)
	return &modelCopy{component: c, spec: spec, number: number, ctx: ctx, stop: cancel, gone: make(chan struct{})}
}

// supervise runs the process until the copy is stopped. It reports to first
// whether the first start came to be healthy; where it did not, supervise gives
// up, since CreateInferenceComponent or UpdateInferenceComponent then fails. A
// copy that was healthy once is started again for as long as it is wanted.
func (m *modelCopy) supervise(first chan<- error) {
	defer close(m.gone)
	options := m.component.runtime.options
	everHealthy, backoff := false, firstBackoff
	for {
		err := m.live(func() {
			if !everHealthy {
				first <- nil
			}
			everHealthy, backoff = true, firstBackoff
		})
		if !everHealthy {
			first <- err
			return
		}
		if m.ctx.Err() != nil {
			return
		}
		options.Logger.Warn("a model copy stopped and will be started again",
			"component", m.spec.Name, "copy", m.number, "reason", err, "after", backoff,
			"log", m.component.runtime.logPath(m.spec.Name))
		select {
		case <-options.After(backoff):
		case <-m.ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// live is one life of the process: from its start, over healthy, which it calls
// once the copy takes requests, to its end. The error says why it ended.
func (m *modelCopy) live(healthy func()) error {
	process, port, err := m.start()
	if err != nil {
		return err
	}
	defer process.stop(m.component.runtime.options.StopTimeout)
	if err := m.awaitHealthy(process, port); err != nil {
		return err
	}
	m.route(port)
	healthy()
	select {
	case <-process.exited:
		m.route(0)
		return fmt.Errorf("the process ended with %s", process.status())
	case <-m.ctx.Done():
		m.drain()
		return m.ctx.Err()
	}
}

// start starts the process on a free loopback port.
func (m *modelCopy) start() (*process, int, error) {
	runtime := m.component.runtime
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	log, err := os.OpenFile(runtime.logPath(m.spec.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the log: %w", err)
	}
	// The process has its own handle once it is started.
	defer func() { _ = log.Close() }()
	if _, err := fmt.Fprintf(log, "--- %s copy %d on port %d: %s\n",
		time.Now().UTC().Format(time.RFC3339), m.number, port, m.spec.Image); err != nil {
		return nil, 0, fmt.Errorf("writing the log: %w", err)
	}
	process, err := startProcess(runtime.options.Command, m.environment(port), log)
	return process, port, err
}

// environment is the container's. Only what a program needs to run at all comes
// from outside: credentials and passphrases of the surrounding shell do not.
func (m *modelCopy) environment(port int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range m.spec.Environment {
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

// awaitHealthy returns nil when GET /ping answers 200.
func (m *modelCopy) awaitHealthy(process *process, port int) error {
	deadline := time.NewTimer(m.spec.StartupTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	url := fmt.Sprintf("http://%s:%d/ping", loopback, port)
	for {
		if m.ping(url) {
			return nil
		}
		select {
		case <-process.exited:
			return fmt.Errorf("the process ended with %s before it passed the ping health check", process.status())
		case <-deadline.C:
			return fmt.Errorf("the container did not pass the ping health check within %s", m.spec.StartupTimeout)
		case <-m.ctx.Done():
			return m.ctx.Err()
		case <-tick.C:
		}
	}
}

func (m *modelCopy) ping(url string) bool {
	ctx, cancel := context.WithTimeout(m.ctx, pingTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := m.component.runtime.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// route opens the copy to requests on the port, or closes it where port is 0.
func (m *modelCopy) route(port int) {
	m.component.mu.Lock()
	defer m.component.mu.Unlock()
	m.port = port
}

// release ends one request that acquire counted.
func (m *modelCopy) release() {
	m.component.mu.Lock()
	defer m.component.mu.Unlock()
	m.outstanding--
	if m.outstanding == 0 && m.drained != nil {
		close(m.drained)
	}
}

// drain closes the copy to new requests and waits, for StopTimeout at most, for
// the outstanding ones.
func (m *modelCopy) drain() {
	m.component.mu.Lock()
	m.port = 0
	drained := make(chan struct{})
	if m.outstanding == 0 {
		close(drained)
	} else {
		m.drained = drained
	}
	m.component.mu.Unlock()
	select {
	case <-drained:
	case <-time.After(m.component.runtime.options.StopTimeout):
	}
}
