package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// component is one inference component: its specification and the copies that
// serve it.
type component struct {
	runtime *Runtime
	// changing serialises Apply and Delete.
	changing sync.Mutex

	// mu guards what follows, and the routing state of every copy.
	mu sync.Mutex
	// spec is nil while the component does not exist.
	spec   *Component
	copies []*modelCopy
	// started numbers the copies over the component's life, for the log.
	started int
	// turn rotates the choice among copies that have equally few requests.
	turn int
}

// apply brings the component to spec; the caller holds changing.
func (c *component) apply(ctx context.Context, spec Component) error {
	c.mu.Lock()
	old, oldSpec := c.copies, c.spec
	if oldSpec == nil {
		// From now on a caller is told that there is no capacity, not that there
		// is no such endpoint.
		c.spec = &spec
	}
	c.mu.Unlock()

	var kept []*modelCopy
	if oldSpec != nil && sameContainer(*oldSpec, spec) {
		kept = old[:min(len(old), spec.Copies)]
	}
	fresh, err := c.start(ctx, spec, spec.Copies-len(kept))
	if err != nil {
		c.mu.Lock()
		c.spec = oldSpec
		c.mu.Unlock()
		return err
	}
	c.swap(&spec, slices.Concat(kept, fresh))
	stopAll(old[len(kept):])
	return nil
}

// sameContainer tells whether copies of a may serve b as they are.
func sameContainer(a, b Component) bool {
	return a.Endpoint == b.Endpoint && a.Image == b.Image && maps.Equal(a.Environment, b.Environment)
}

// start starts count copies and returns when all of them are healthy. Where one
// fails, it stops them all and returns the first failure.
func (c *component) start(ctx context.Context, spec Component, count int) ([]*modelCopy, error) {
	copies := make([]*modelCopy, count)
	outcomes := make(chan error, count)
	for i := range copies {
		c.mu.Lock()
		c.started++
		number := c.started
		c.mu.Unlock()
		copies[i] = newCopy(c, spec, number)
		go copies[i].supervise(outcomes)
	}
	for range copies {
		var err error
		select {
		case err = <-outcomes:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			stopAll(copies)
			return nil, c.runtime.startError(spec, err)
		}
	}
	return copies, nil
}

// swap puts a new specification and new copies in the place of the old ones in
// one step, and returns the old copies. A nil specification deletes.
func (c *component) swap(spec *Component, copies []*modelCopy) []*modelCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.copies
	c.spec, c.copies = spec, copies
	return old
}

// on tells whether the component exists on the endpoint.
func (c *component) on(endpoint string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spec != nil && c.spec.Endpoint == endpoint
}

var errNoCapacity = errors.New("no copy is in service")

// acquire chooses the healthy copy with the fewest outstanding requests, as the
// routing strategy LEAST_OUTSTANDING_REQUESTS does, and counts one more for it
// until release is called.
func (c *component) acquire() (port int, release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *modelCopy
	c.turn++
	for i := range c.copies {
		candidate := c.copies[(c.turn+i)%len(c.copies)]
		if candidate.port != 0 && (best == nil || candidate.outstanding < best.outstanding) {
			best = candidate
		}
	}
	if best == nil {
		return 0, nil, errNoCapacity
	}
	best.outstanding++
	return best.port, best.release, nil
}

// stopAll stops copies side by side and returns when their processes are gone.
func stopAll(copies []*modelCopy) {
	for _, m := range copies {
		m.stop()
	}
	for _, m := range copies {
		<-m.gone
	}
}

func (r *Runtime) logPath(name string) string {
	return filepath.Join(r.options.LogDir, name+".log")
}

// startError says what SageMaker would say of a failed component, and where the
// reason can be read.
func (r *Runtime) startError(spec Component, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("inference component %q: stopped while its copies were starting: %w", spec.Name, cause)
	}
	return fmt.Errorf("inference component %q on endpoint %q failed to start image %q: %w; see its log at %s",
		spec.Name, spec.Endpoint, spec.Image, cause, r.logPath(spec.Name))
}
