package endpoint

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// pingEvery is far shorter than SageMaker's interval, so that a laptop does
	// not wait for a model that is ready at once.
	pingEvery = 20 * time.Millisecond
	// pingTimeout is SageMaker's.
	pingTimeout = 2 * time.Second
	// minStartup is the least that a process gets for its start: it starts in real
	// time, however fast the clock runs.
	minStartup = 30 * time.Second
	// firstBackoff doubles with each start in a row that fails, up to maxBackoff.
	// Processes are real, and so is this time.
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// modelCopy is one copy of a component: a process that is started again
// whenever it ends, until stop is called.
type modelCopy struct {
	component *component
	fleet     *fleet
	spec      Component
	number    int
	ctx       context.Context
	stop      context.CancelFunc
	// seated is closed when the copy has room on an instance in service.
	seated chan struct{}
	// gone is closed when the copy is stopped and its process has ended.
	gone chan struct{}

	// The runtime's mu guards the rest. instance is nil while there is no room.
	instance *instance
	// process is nil while none runs; healthy tells whether it takes requests.
	process     Process
	healthy     bool
	outstanding int
	// drained, once it is made, is closed when nothing is outstanding any more.
	drained chan struct{}
	// tried says that the first start ended, well or not.
	tried bool
	// outcome takes how the first start ended; it is nil once that is told, and
	// for copies that nobody waits for.
	outcome chan<- error
	// left says that the copy has ended and given its place back.
	left bool
}

// newCopy queues a copy for a place and starts it there. The caller holds mu and
// lets the fleet schedule.
func (c *component) newCopy(f *fleet, spec Component, outcome chan<- error) *modelCopy {
	c.started++
	ctx, cancel := context.WithCancel(c.runtime.ctx)
	m := &modelCopy{
		component: c, fleet: f, spec: spec, number: c.started, ctx: ctx, stop: cancel,
		seated: make(chan struct{}), gone: make(chan struct{}), outcome: outcome,
	}
	f.waiting = append(f.waiting, m)
	c.runtime.background.Go(m.supervise)
	return m
}

// tell reports how the first start ended, once. The caller holds mu.
func (m *modelCopy) tell(outcome error) {
	if m.outcome != nil {
		m.outcome <- outcome // There is room for one of every copy.
		m.outcome = nil
	}
}

// supervise runs the process until the copy is stopped. Where somebody waits for
// its first start and that fails, supervise gives up, since
// CreateInferenceComponent or UpdateInferenceComponent then fails: at once, where
// AWS would start the container again until the time-out. All other copies are
// started again for as long as they are wanted.
func (m *modelCopy) supervise() {
	runtime := m.component.runtime
	defer close(m.gone)
	defer m.leave()
	select {
	case <-m.seated:
	case <-m.ctx.Done():
		return
	}
	backoff := firstBackoff
	for {
		wasHealthy, err := m.live()
		if m.ctx.Err() != nil || m.gaveUp(err) {
			return
		}
		if wasHealthy {
			backoff = firstBackoff
		}
		runtime.options.Logger.Warn("a model copy stopped and will be started again",
			"component", m.spec.Name, "copy", m.number, "reason", err, "after", backoff, "log", runtime.logPath(m.spec.Name))
		select {
		case <-time.After(backoff):
		case <-m.ctx.Done():
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// gaveUp tells whether the life that ended with err was the first start that
// somebody waits for.
func (m *modelCopy) gaveUp(err error) bool {
	m.component.runtime.mu.Lock()
	defer m.component.runtime.mu.Unlock()
	m.tried = true
	awaited := m.outcome != nil
	m.tell(err)
	return awaited
}

// leave is the end of the copy.
func (m *modelCopy) leave() {
	m.component.runtime.mu.Lock()
	defer m.component.runtime.mu.Unlock()
	m.stop() // It may have given up on its own.
	m.left = true
	m.tell(m.ctx.Err())
	m.component.leaving = slices.DeleteFunc(m.component.leaving, func(other *modelCopy) bool { return other == m })
	m.fleet.leave(m)
}

// live is one life of the process, from its start to its end. The error says why
// it ended.
func (m *modelCopy) live() (wasHealthy bool, err error) {
	runtime := m.component.runtime
	process, err := runtime.options.Launcher.Launch(Launch{Component: m.spec, Number: m.number})
	if err != nil {
		return false, err
	}
	m.set(process, false)
	defer func() {
		m.set(nil, false)
		process.Stop(runtime.options.StopTimeout)
	}()
	if err := m.awaitHealthy(process); err != nil {
		return false, err
	}
	m.set(process, true)
	select {
	case <-process.Exited():
		return true, fmt.Errorf("the process ended with %s", process.Status())
	case <-m.ctx.Done():
		m.drain()
		return true, m.ctx.Err()
	}
}

// set says which process there is and whether it takes requests.
func (m *modelCopy) set(process Process, healthy bool) {
	m.component.runtime.mu.Lock()
	defer m.component.runtime.mu.Unlock()
	// A copy that is being stopped must not open again.
	m.process, m.healthy = process, healthy && m.ctx.Err() == nil
	if m.healthy {
		m.tried = true
		m.tell(nil)
	}
}

// awaitHealthy returns nil when GET /ping answers 200.
func (m *modelCopy) awaitHealthy(process Process) error {
	options := m.component.runtime.options
	deadline := time.NewTimer(max(options.Clock.Wall(m.spec.StartupTimeout), minStartup))
	defer deadline.Stop()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	slow := options.Clock.Wall(options.Faults.SlowStart(m.spec.Name))
	for begun := time.Now(); ; {
		if time.Since(begun) >= slow && m.ping(process) {
			return nil
		}
		select {
		case <-process.Exited():
			return fmt.Errorf("the process ended with %s before it passed the ping health check", process.Status())
		case <-deadline.C:
			return fmt.Errorf("the container did not pass the ping health check within %s", m.spec.StartupTimeout)
		case <-m.ctx.Done():
			return m.ctx.Err()
		case <-tick.C:
		}
	}
}

func (m *modelCopy) ping(process Process) bool {
	ctx, cancel := context.WithTimeout(m.ctx, pingTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback+"/ping", nil)
	if err != nil {
		return false
	}
	response, err := process.RoundTrip(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// release ends one request that acquire counted.
func (m *modelCopy) release() {
	m.component.runtime.mu.Lock()
	defer m.component.runtime.mu.Unlock()
	m.outstanding--
	m.component.outstanding--
	if m.outstanding == 0 && m.drained != nil {
		close(m.drained)
		m.drained = nil
	}
}

// drain waits, for StopTimeout at most, for the requests that are outstanding in
// a copy that gets no new ones.
func (m *modelCopy) drain() {
	runtime := m.component.runtime
	runtime.mu.Lock()
	m.healthy = false
	drained := make(chan struct{})
	if m.outstanding == 0 {
		close(drained)
	} else {
		m.drained = drained
	}
	runtime.mu.Unlock()
	timer := time.NewTimer(runtime.options.StopTimeout)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
}
