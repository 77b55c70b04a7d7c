package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Endpoint is what CreateEndpoint or UpdateEndpoint asks for: the instances of
// its one variant, with managed instance scaling.
type Endpoint struct {
	Name, InstanceType string
	// InitialInstances are provisioned at creation; after that, copies decide, from
	// MinInstances, which may be 0, to MaxInstances.
	InitialInstances, MinInstances, MaxInstances int
}

func (e Endpoint) check() error {
	var problems []error
	if !validName(e.Name) {
		problems = append(problems, fmt.Errorf("EndpointName is %q: %s", e.Name, nameRule))
	}
	if e.MinInstances < 0 || e.InitialInstances < 1 || e.MaxInstances < max(e.MinInstances, e.InitialInstances) {
		problems = append(problems, fmt.Errorf("the instance counts are %d at least, %d at first and %d at most: "+
			"at least 0, at first 1 or more, and none above the last", e.MinInstances, e.InitialInstances, e.MaxInstances))
	}
	return errors.Join(problems...)
}

// ApplyEndpoint creates or updates an endpoint and returns once it is InService:
// at creation, when InitialInstances are provisioned. Another instance type
// brings new instances beside the old ones; every component's new copies are
// healthy before its old ones drain, and the old instances go. Where this
// fails, or ctx ends, the endpoint is as it was.
//
// Errors: a name or a count that SageMaker refuses, an instance type of unknown
// size or too small for a copy, InsufficientInstanceCapacity.
func (r *Runtime) ApplyEndpoint(ctx context.Context, e Endpoint) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	size, err := hardwareOf(e.InstanceType)
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	f, err := r.fleetFor(e.Name)
	if err != nil {
		return err
	}
	defer r.running.Done()
	f.changing.take()
	defer f.changing.give()

	r.mu.Lock()
	exists := f.spec != nil
	sameType := exists && f.spec.InstanceType == e.InstanceType
	r.mu.Unlock()
	switch {
	case !exists:
		err = f.create(ctx, e, size)
	case sameType:
		err = f.resize(ctx, e)
	default:
		err = f.replace(ctx, e, size)
	}
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", e.Name, err)
	}
	return nil
}

// fleetFor returns the fleet with the name, and counts the caller as running.
func (r *Runtime) fleetFor(name string) (*fleet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("endpoint %q: the local endpoint runtime is closed", name)
	}
	r.running.Add(1)
	f := r.fleets[name]
	if f == nil {
		f = &fleet{runtime: r, changing: newTurn()}
		r.fleets[name] = f
	}
	return f, nil
}

func (f *fleet) create(ctx context.Context, e Endpoint, size hardware) error {
	f.runtime.mu.Lock()
	f.spec, f.hardware = &e, size
	f.ctx, f.close = context.WithCancel(f.runtime.ctx)
	for range e.InitialInstances {
		f.provision()
	}
	asked := slices.Clone(f.instances)
	f.runtime.mu.Unlock()
	err := f.settle(ctx, asked)
	if err != nil {
		f.dissolve()
	}
	return err
}

// resize changes how many instances there may be.
func (f *fleet) resize(ctx context.Context, e Endpoint) error {
	f.runtime.mu.Lock()
	old, had := f.spec, slices.Clone(f.instances)
	f.spec = &e
	f.schedule()
	for _, i := range f.active() {
		i.watchIdle()
	}
	asked := slices.DeleteFunc(slices.Clone(f.instances), func(i *instance) bool { return slices.Contains(had, i) })
	f.runtime.mu.Unlock()
	err := f.settle(ctx, asked)
	if err != nil {
		f.runtime.mu.Lock()
		f.spec = old
		f.runtime.mu.Unlock()
	}
	return err
}

// settle returns when the instances are provisioned, or one of them cannot be.
func (f *fleet) settle(ctx context.Context, instances []*instance) error {
	for _, i := range instances {
		select {
		case <-i.settled:
		case <-ctx.Done():
			return fmt.Errorf("stopped while its instances were provisioned: %w", ctx.Err())
		}
		// failed does not change once settled is closed.
		switch {
		case i.failed && f.ctx.Err() != nil:
			return fmt.Errorf("stopped while its instances were provisioned: %w", f.ctx.Err())
		case i.failed:
			return errInsufficient
		}
	}
	return nil
}

// replace moves every component to instances of another type.
func (f *fleet) replace(ctx context.Context, e Endpoint, size hardware) error {
	components := f.components()
	for _, c := range components {
		c.begin()
		defer c.end()
	}
	r := f.runtime
	r.mu.Lock()
	for _, c := range components {
		if c.spec != nil && !size.holds(hardware{}, c.spec.reserves()) {
			r.mu.Unlock()
			return fmt.Errorf("%w: a copy of %q reserves %s, and an empty %s has room for %s", errNoHardware, c.spec.Name, c.spec.reserves(), e.InstanceType, size)
		}
	}
	old := f.become(e, size)
	asked := f.active()
	r.mu.Unlock()

	err := f.settle(ctx, asked)
	var moved []*component
	for _, c := range components {
		if err != nil {
			break
		}
		if err = c.roll(ctx); err == nil {
			moved = append(moved, c)
		}
	}
	if err != nil {
		err = f.goBack(old, moved, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range slices.Clone(f.instances) {
		i.watchIdle()
	}
	return err
}

// previous is what replace goes back to where it fails.
type previous struct {
	spec      Endpoint
	hardware  hardware
	instances []*instance
}

// become takes the instances out of service for those of another type.
func (f *fleet) become(e Endpoint, size hardware) previous {
	old := previous{*f.spec, f.hardware, f.active()}
	f.spec, f.hardware = &e, size
	f.retire(old.instances)
	f.schedule()
	return old
}

// goBack puts the old instances back into service and moves back the components
// that were moved.
func (f *fleet) goBack(old previous, moved []*component, cause error) error {
	r := f.runtime
	r.mu.Lock()
	for _, i := range old.instances {
		if slices.Contains(f.instances, i) {
			i.state, i.since = InstanceInService, r.options.Clock.Now()
		}
	}
	unwanted := slices.DeleteFunc(f.active(), func(i *instance) bool { return slices.Contains(old.instances, i) })
	f.spec, f.hardware = &old.spec, old.hardware
	f.retire(unwanted)
	f.schedule()
	r.mu.Unlock()
	failures := []error{cause}
	for _, c := range moved {
		// The caller may have gone; the endpoint goes back nevertheless.
		failures = append(failures, c.roll(context.WithoutCancel(r.ctx)))
	}
	return errors.Join(failures...)
}

// retire takes the instances out of service: those that provision are given up,
// the others keep serving until their copies are gone.
func (f *fleet) retire(instances []*instance) {
	for _, i := range instances {
		if i.state == InstanceProvisioning {
			i.remove()
			continue
		}
		i.state, i.since = InstanceDraining, f.runtime.options.Clock.Now()
	}
}

// components are those on the endpoint, in the order of their names.
func (f *fleet) components() []*component {
	f.runtime.mu.Lock()
	defer f.runtime.mu.Unlock()
	return f.runtime.componentsOn(f.spec.Name)
}

// DeleteEndpoint releases the instances of an endpoint. As on AWS its inference
// components must be deleted first. Deleting what does not exist does nothing.
func (r *Runtime) DeleteEndpoint(name string) error {
	r.mu.Lock()
	f := r.fleets[name]
	r.mu.Unlock()
	if f == nil {
		return nil
	}
	f.changing.take()
	defer f.changing.give()
	r.mu.Lock()
	occupied := f.spec != nil && len(r.componentsOn(name)) > 0
	r.mu.Unlock()
	if occupied {
		return fmt.Errorf("endpoint %q has inference components: delete them first", name)
	}
	f.dissolve()
	return nil
}

// dissolve releases every instance.
func (f *fleet) dissolve() {
	f.runtime.mu.Lock()
	defer f.runtime.mu.Unlock()
	if f.spec == nil {
		return
	}
	f.close()
	f.spec = nil
	for _, i := range slices.Clone(f.instances) {
		i.remove()
	}
}
