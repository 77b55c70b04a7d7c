package endpoint

import (
	"maps"
	"slices"
	"time"
)

// The states of an instance.
const (
	InstanceProvisioning = "Provisioning"
	InstanceInService    = "InService"
	InstanceDraining     = "Draining"
)

// The states of a copy.
const (
	// CopyPending waits for room on an instance that is in service.
	CopyPending = "Pending"
	// CopyStarting has a process, or will have the next one soon, that does not
	// answer /ping yet.
	CopyStarting  = "Starting"
	CopyInService = "InService"
	CopyDraining  = "Draining"
)

// State is a snapshot of an endpoint.
type State struct {
	Name         string
	InstanceType string
	// Instances are ordered by age, Components by name.
	Instances  []InstanceState
	Components []ComponentState
}

// InstanceState is a snapshot of an instance.
type InstanceState struct {
	ID    string
	State string
	// Since is the AWS time at which the state began.
	Since time.Time
}

// ComponentState is a snapshot of an inference component.
type ComponentState struct {
	Name    string
	Desired int
	// Copies are ordered by number.
	Copies []CopyState
}

// CopyState is a snapshot of a copy.
type CopyState struct {
	Number int
	// Instance is the ID of the instance that the copy is placed on, if any.
	Instance string
	State    string
	// Outstanding is the number of requests that the copy works on.
	Outstanding int
}

// State describes every endpoint, ordered by name.
func (r *Runtime) State() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var states []State
	for _, name := range slices.Sorted(maps.Keys(r.fleets)) {
		f := r.fleets[name]
		if f.spec == nil {
			continue
		}
		state := State{Name: name, InstanceType: f.spec.InstanceType}
		for _, i := range f.instances {
			state.Instances = append(state.Instances, InstanceState{i.id, i.state, i.since})
		}
		for _, c := range r.componentsOn(name) {
			state.Components = append(state.Components, c.state())
		}
		states = append(states, state)
	}
	return states
}

func (c *component) state() ComponentState {
	state := ComponentState{Name: c.spec.Name, Desired: c.desired}
	for _, m := range slices.Concat(c.copies, c.arriving, c.leaving) {
		copyState := CopyState{Number: m.number, State: m.state(), Outstanding: m.outstanding}
		if m.instance != nil {
			copyState.Instance = m.instance.id
		}
		state.Copies = append(state.Copies, copyState)
	}
	slices.SortFunc(state.Copies, func(a, b CopyState) int { return a.Number - b.Number })
	return state
}

func (m *modelCopy) state() string {
	switch {
	case m.ctx.Err() != nil:
		return CopyDraining
	case m.healthy:
		return CopyInService
	case m.instance != nil && m.instance.state != InstanceProvisioning:
		return CopyStarting
	default:
		return CopyPending
	}
}
