package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scaletozero/localcloud/faults"
)

// IdleFor is how long an instance stays without a copy before managed instance
// scaling releases it, in AWS time (AWS blog post on scaling to zero).
const IdleFor = 10 * time.Minute

// The service's own words and spelling, as InferenceComponent and Endpoint failures show them.
var (
	errNoHardware   = errors.New("There is not enough hardware resources on the instances for this endpoint to create a copy of the inference component")
	errInsufficient = errors.New("InsufficientInstanceCapacity: unable to provision requested ML compute capacity")
)

// fleet is the instances of an endpoint. The runtime's mu guards it, but for
// changing, which serialises ApplyEndpoint and DeleteEndpoint.
type fleet struct {
	runtime  *Runtime
	changing turn
	ctx      context.Context
	close    context.CancelFunc

	// spec is nil while the endpoint does not exist.
	spec     *Endpoint
	hardware hardware
	// instances are ordered by age; draining ones are among them.
	instances []*instance
	// waiting are the copies for which there is no room, oldest first.
	waiting []*modelCopy
}

// instance is a machine of a fleet.
type instance struct {
	fleet    *fleet
	id       string
	hardware hardware
	state    string
	since    time.Time
	copies   []*modelCopy
	// idleSince tells the wait for a release from an earlier one; it is zero while
	// copies are on the instance.
	idleSince time.Time
	idle      *time.Timer
	// settled is closed once provisioning has ended; failed says whether in vain.
	settled chan struct{}
	failed  bool
}

// fits says why an empty instance of the fleet cannot hold a copy, or nil.
func (f *fleet) fits(spec Component) error {
	switch {
	case f == nil || f.spec == nil:
		return fmt.Errorf("ValidationException: Could not find endpoint %q", spec.Endpoint)
	case !f.hardware.holds(hardware{}, spec.reserves()):
		return fmt.Errorf("%w: a copy reserves %s, and an empty %s has room for %s", errNoHardware, spec.reserves(), f.spec.InstanceType, f.hardware)
	}
	return nil
}

// active are the instances that count: those that copies may be placed on.
func (f *fleet) active() []*instance {
	return slices.DeleteFunc(slices.Clone(f.instances), func(i *instance) bool { return i.state == InstanceDraining })
}

// schedule gives every waiting copy a place, in order, and provisions instances
// where there is none and MaxInstanceCount allows. Whatever changes the room
// calls it.
func (f *fleet) schedule() {
	if f.spec == nil || f.ctx.Err() != nil {
		return
	}
	for len(f.active()) < f.spec.MinInstances {
		f.provision()
	}
	var still []*modelCopy
	for _, m := range f.waiting {
		if i := f.room(m.spec.reserves()); i != nil {
			i.take(m)
		} else {
			still = append(still, m)
		}
	}
	f.waiting = still
	if !f.stopping() {
		for _, m := range f.waiting {
			m.tell(fmt.Errorf("%w: MaxInstanceCount is %d, and %d instances are full", errNoHardware, f.spec.MaxInstances, len(f.active())))
		}
	}
}

// room returns the first instance with room, a new one if need be, or nil.
func (f *fleet) room(needed hardware) *instance {
	active := f.active()
	for _, i := range active {
		if i.hardware.holds(i.used(), needed) {
			return i
		}
	}
	if len(active) < f.spec.MaxInstances && f.hardware.holds(hardware{}, needed) {
		return f.provision()
	}
	return nil
}

// stopping tells whether a copy is about to make room.
func (f *fleet) stopping() bool {
	return slices.ContainsFunc(f.active(), func(i *instance) bool {
		return slices.ContainsFunc(i.copies, func(m *modelCopy) bool { return m.ctx.Err() != nil })
	})
}

// provision asks for an instance.
func (f *fleet) provision() *instance {
	r := f.runtime
	r.provisioned++
	i := &instance{
		fleet: f, id: fmt.Sprintf("i-%d", r.provisioned), hardware: f.hardware,
		state: InstanceProvisioning, since: r.options.Clock.Now(), settled: make(chan struct{}),
	}
	f.instances = append(f.instances, i)
	// An endpoint that is deleted no longer cares, also where another one has come
	// by then that has its name.
	ctx := f.ctx
	r.background.Go(func() { i.come(ctx) })
	return i
}

// come is the provisioning of an instance.
func (i *instance) come(ctx context.Context) {
	r := i.fleet.runtime
	slept := r.options.Clock.Sleep(ctx, r.options.Provisioning)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(i.settled)
	if slept != nil || !slices.Contains(i.fleet.instances, i) {
		i.failed = true
		return
	}
	if i.refused() {
		r.options.Logger.Warn("an instance could not be provisioned and will be tried again", "endpoint", i.fleet.spec.Name, "reason", errInsufficient)
		i.failed = true
		for _, m := range i.copies {
			m.tell(errInsufficient)
		}
		i.remove()
		i.fleet.schedule()
		return
	}
	i.state, i.since = InstanceInService, r.options.Clock.Now()
	for _, m := range i.copies {
		close(m.seated)
	}
	i.watchIdle()
}

// refused tells whether there is no such instance to be had, for any component
// that waits for it.
func (i *instance) refused() bool {
	on := i.fleet.runtime.options.Faults
	if len(i.copies) == 0 {
		return on.Happens(faults.NoCapacity, "")
	}
	return slices.ContainsFunc(i.copies, func(m *modelCopy) bool { return on.Happens(faults.NoCapacity, m.spec.Name) })
}

func (i *instance) used() hardware {
	var sum hardware
	for _, m := range i.copies {
		sum = sum.plus(m.spec.reserves())
	}
	return sum
}

// take places a copy.
func (i *instance) take(m *modelCopy) {
	i.copies = append(i.copies, m)
	i.idleSince = time.Time{}
	m.instance = i
	if i.state == InstanceInService {
		close(m.seated)
	}
}

// leave takes a copy that has ended off its instance or out of the queue.
func (f *fleet) leave(m *modelCopy) {
	is := func(other *modelCopy) bool { return other == m }
	f.waiting = slices.DeleteFunc(f.waiting, is)
	if i := m.instance; i != nil {
		i.copies = slices.DeleteFunc(i.copies, is)
		i.watchIdle()
	}
	f.schedule()
}

// remove takes the instance away; its copies, which have no process yet, wait again.
func (i *instance) remove() {
	i.fleet.instances = slices.DeleteFunc(i.fleet.instances, func(other *instance) bool { return other == i })
	for _, m := range i.copies {
		m.instance = nil
	}
	i.fleet.waiting = slices.Concat(i.copies, i.fleet.waiting)
	i.copies = nil
	if i.idle != nil {
		i.idle.Stop()
	}
}

// watchIdle releases an instance without copies after IdleFor, or at once where
// it is draining.
func (i *instance) watchIdle() {
	r := i.fleet.runtime
	switch {
	case len(i.copies) > 0 || i.state == InstanceProvisioning || r.ctx.Err() != nil:
		return
	case i.state == InstanceDraining:
		i.remove()
		return
	}
	since := r.options.Clock.Now()
	i.idleSince = since
	if i.idle != nil {
		i.idle.Stop()
	}
	i.idle = time.AfterFunc(r.options.Clock.Wall(IdleFor), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if i.idleSince.Equal(since) && i.fleet.spec != nil && len(i.fleet.active()) > i.fleet.spec.MinInstances {
			i.remove()
		}
	})
}
