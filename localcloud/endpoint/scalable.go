package endpoint

import (
	"fmt"
	"slices"
)

// DesiredCopies is how many copies of the component shall run; ok is false where
// there is no such component.
func (r *Runtime) DesiredCopies(component string) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.components[component]
	if c == nil || c.spec == nil {
		return 0, false
	}
	return c.desired, true
}

// SetDesiredCopies asks for n copies, 0 or more, as
// UpdateInferenceComponentRuntimeConfig does, and returns at once: copies come
// and go in the background. Instances are provisioned for them as far as the
// endpoint allows; copies beyond that wait for room.
//
// Errors: a negative number, no such component, a component that is being
// created, updated or deleted.
func (r *Runtime) SetDesiredCopies(component string, n int) error {
	if n < 0 {
		return fmt.Errorf("inference component %q: the desired copy count is %d: it must be 0 or more", component, n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.components[component]
	switch {
	case c == nil || c.spec == nil || r.closed:
		return fmt.Errorf("ValidationException: Could not find inference component %q", component)
	case c.busy:
		return fmt.Errorf("ValidationException: inference component %q is being created, updated or deleted: try again when it is InService", component)
	}
	c.desired, c.modified = n, r.options.Clock.Now()
	c.scale()
	return nil
}

// Updating tells whether the component is being created, updated or deleted, or
// its copies are coming or going. A copy that waits for room where there is none
// to come is not coming, and one that is started again was there before.
func (r *Runtime) Updating(component string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.components[component]
	return c != nil && (c.busy || len(c.leaving) > 0 ||
		slices.ContainsFunc(c.copies, func(m *modelCopy) bool { return m.instance != nil && !m.tried }))
}

// kill ends up to count processes of a component, or of any if its name is
// empty, those in service first, and returns how many there were.
func (r *Runtime) kill(name string, count int) int {
	r.mu.Lock()
	var serving, starting []Process
	for _, c := range r.components {
		if c.spec == nil || (name != "" && c.spec.Name != name) {
			continue
		}
		for _, m := range c.copies {
			switch {
			case m.healthy:
				serving = append(serving, m.process)
			case m.process != nil:
				starting = append(starting, m.process)
			}
		}
	}
	r.mu.Unlock()
	processes := slices.Concat(serving, starting)
	processes = processes[:min(count, len(processes))]
	for _, p := range processes {
		p.Kill()
	}
	return len(processes)
}
