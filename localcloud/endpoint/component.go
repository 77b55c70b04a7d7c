package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// turn serialises what takes long. It is a mutex that a waiter waits for as for
// anything else: unlike sync.Mutex it does not hold up the fake time of
// testing/synctest.
type turn chan struct{}

func newTurn() turn  { return make(turn, 1) }
func (t turn) take() { t <- struct{}{} }
func (t turn) give() { <-t }

// component is one inference component: its specification and the copies that
// serve it.
type component struct {
	runtime *Runtime
	// changing serialises what brings new copies and waits for them.
	changing turn

	// The runtime's mu guards what follows.
	//
	// busy tells that changing is held.
	busy bool
	// spec is nil while the component does not exist.
	spec *Component
	// created and modified are AWS times; complete tells that the creation is over.
	created, modified time.Time
	complete          bool
	// desired is how many copies there shall be; copies are those there are, or
	// will be as soon as they are healthy.
	desired int
	copies  []*modelCopy
	// arriving are the copies of an update that are not healthy yet, leaving those
	// that drain.
	arriving, leaving []*modelCopy
	// started numbers the copies over the component's life.
	started int
	// turn rotates the choice among copies that have equally few requests.
	turn int
	// outstanding requests, and the most of them since the last sample.
	outstanding, peak int
}

// begin waits for its turn to change the component, which end ends.
func (c *component) begin() {
	c.changing.take()
	c.runtime.mu.Lock()
	defer c.runtime.mu.Unlock()
	c.busy = true
}

func (c *component) end() {
	c.runtime.mu.Lock()
	c.busy = false
	c.runtime.mu.Unlock()
	c.changing.give()
}

// apply brings the component to spec, after begin.
func (c *component) apply(ctx context.Context, spec Component) error {
	r := c.runtime
	r.mu.Lock()
	f := r.fleets[spec.Endpoint]
	if err := f.fits(spec); err != nil {
		r.mu.Unlock()
		return fmt.Errorf("inference component %q: %w", spec.Name, err)
	}
	old := c.spec
	var kept []*modelCopy
	switch {
	case old == nil:
		// From now on a caller is told that there is no capacity, not that there is
		// no such component.
		c.spec, c.desired = &spec, spec.Copies
		c.created, c.modified, c.complete = r.options.Clock.Now(), r.options.Clock.Now(), false
	case sameContainer(*old, spec):
		kept = c.keep(spec.Copies)
	default:
		// A copy that does not serve is of no use to wait for, but takes room.
		c.retire(slices.DeleteFunc(slices.Clone(c.copies), func(m *modelCopy) bool { return m.healthy }))
	}
	r.mu.Unlock()

	fresh, err := c.start(ctx, f, spec, spec.Copies-len(kept))
	r.mu.Lock()
	if err != nil {
		if c.spec = old; old == nil {
			c.desired = 0
		}
		c.scale()
		r.mu.Unlock()
		return r.startError(spec, err)
	}
	unwanted := slices.DeleteFunc(slices.Clone(c.copies), func(m *modelCopy) bool { return slices.Contains(kept, m) })
	c.spec, c.desired = &spec, spec.Copies
	c.modified, c.complete = r.options.Clock.Now(), true
	c.copies = append(c.copies, fresh...)
	c.retire(unwanted)
	r.mu.Unlock()
	waitGone(unwanted)
	return nil
}

// roll replaces every copy by a new one, as an update to the same specification
// would, after begin.
func (c *component) roll(ctx context.Context) error {
	r := c.runtime
	r.mu.Lock()
	if c.spec == nil || c.desired == 0 {
		r.mu.Unlock()
		return nil
	}
	spec, desired := *c.spec, c.desired
	f := r.fleets[spec.Endpoint]
	r.mu.Unlock()
	fresh, err := c.start(ctx, f, spec, desired)
	if err != nil {
		return r.startError(spec, err)
	}
	r.mu.Lock()
	unwanted := slices.Clone(c.copies)
	c.copies = append(c.copies, fresh...)
	c.retire(unwanted)
	r.mu.Unlock()
	waitGone(unwanted)
	return nil
}

// sameContainer tells whether copies of a may serve b as they are.
func sameContainer(a, b Component) bool {
	return a.Endpoint == b.Endpoint && a.Image == b.Image && a.Needs == b.Needs && maps.Equal(a.Environment, b.Environment)
}

// start starts count copies and returns when all of them are healthy. Where one
// fails, it stops them all and returns the first failure.
func (c *component) start(ctx context.Context, f *fleet, spec Component, count int) ([]*modelCopy, error) {
	outcomes := make(chan error, count)
	c.runtime.mu.Lock()
	copies := make([]*modelCopy, count)
	for i := range copies {
		copies[i] = c.newCopy(f, spec, outcomes)
	}
	c.arriving = copies
	f.schedule()
	c.runtime.mu.Unlock()

	var err error
	for range copies {
		select {
		case err = <-outcomes:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			break
		}
	}
	c.runtime.mu.Lock()
	c.arriving = nil
	if err != nil {
		c.retire(copies)
	}
	c.runtime.mu.Unlock()
	if err != nil {
		waitGone(copies)
		return nil, err
	}
	return copies, nil
}

// scale starts or stops copies in the background until there are as many as
// desired.
func (c *component) scale() {
	if c.spec == nil {
		return
	}
	kept := c.keep(c.desired)
	c.retire(slices.DeleteFunc(slices.Clone(c.copies), func(m *modelCopy) bool { return slices.Contains(kept, m) }))
	f := c.runtime.fleets[c.spec.Endpoint]
	for len(c.copies) < c.desired {
		c.copies = append(c.copies, c.newCopy(f, *c.spec, nil))
	}
	f.schedule()
}

// keep chooses the count copies that stay in a scale-in: those in service before
// others, and older before newer ones.
func (c *component) keep(count int) []*modelCopy {
	byUse := slices.SortedStableFunc(slices.Values(c.copies), func(a, b *modelCopy) int {
		switch {
		case a.healthy == b.healthy:
			return a.number - b.number
		case a.healthy:
			return -1
		default:
			return 1
		}
	})
	return byUse[:min(count, len(byUse))]
}

// retire takes copies out of service: they drain and stop in the background.
func (c *component) retire(copies []*modelCopy) {
	for _, m := range copies {
		m.stop()
		m.healthy = false
	}
	c.copies = slices.DeleteFunc(c.copies, func(m *modelCopy) bool { return slices.Contains(copies, m) })
	c.leaving = append(c.leaving, slices.DeleteFunc(slices.Clone(copies), func(m *modelCopy) bool { return m.left })...)
}

// waitGone returns when the processes of retired copies are gone.
func waitGone(copies []*modelCopy) {
	for _, m := range copies {
		<-m.gone
	}
}

// acquire chooses the healthy copy with the fewest outstanding requests, as the
// routing strategy LEAST_OUTSTANDING_REQUESTS does, and counts one more for it
// until release is called. It returns nil where no copy is in service; otherwise
// its process too, and how many copies are in service.
func (c *component) acquire() (best *modelCopy, process Process, inService int) {
	c.runtime.mu.Lock()
	defer c.runtime.mu.Unlock()
	c.turn++
	for i := range c.copies {
		candidate := c.copies[(c.turn+i)%len(c.copies)]
		if !candidate.healthy {
			continue
		}
		inService++
		if best == nil || candidate.outstanding < best.outstanding {
			best = candidate
		}
	}
	if best == nil {
		return nil, nil, 0
	}
	best.outstanding++
	c.outstanding++
	c.peak = max(c.peak, c.outstanding)
	return best, best.process, inService
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
	if errors.Is(cause, errNoHardware) || errors.Is(cause, errInsufficient) {
		return fmt.Errorf("inference component %q on endpoint %q: %w", spec.Name, spec.Endpoint, cause)
	}
	return fmt.Errorf("inference component %q on endpoint %q failed to start image %q: %w; see its log at %s",
		spec.Name, spec.Endpoint, spec.Image, cause, r.logPath(spec.Name))
}
