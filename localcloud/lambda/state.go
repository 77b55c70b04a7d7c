//go:build unix

package lambda

import (
	"maps"
	"slices"
)

// State is how a function stands. Counts are since the local cloud was started.
type State struct {
	Name string
	// Running are invocations under way; Environments are processes, with work or
	// without.
	Running, Environments int
	// Invocations ran, of which Errors failed; Throttles were refused. Inits are
	// the environments that were started.
	Invocations, Errors, Throttles, Inits int
	// Aliases are the versions that its aliases name; nil where there are none.
	Aliases map[string]string
	// Provisioned is what is kept ahead of invocations, ordered by qualifier.
	Provisioned []ProvisionedState
}

// ProvisionedState is how the provisioned concurrency of an alias or a version
// stands.
type ProvisionedState struct {
	// Qualifier is the alias or the version.
	Qualifier string
	// Requested environments shall be there, Allocated are, of which InUse have
	// work.
	Requested, Allocated, InUse int
	// Failure is why the rest does not come; empty if it does, or if nothing is
	// missing.
	Failure string
}

// State describes the functions, ordered by name.
func (r *Runtime) State() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	states := make([]State, 0, len(r.functions))
	for _, name := range slices.Sorted(maps.Keys(r.functions)) {
		f := r.functions[name]
		state := State{
			Name: name, Running: f.running,
			Invocations: f.invocations, Errors: f.errors, Throttles: f.throttles, Inits: f.inits,
		}
		if len(f.aliases) > 0 {
			state.Aliases = maps.Clone(f.aliases)
		}
		for e := range r.environments {
			if e.version.function == f {
				state.Environments++
			}
		}
		for _, qualifier := range slices.Sorted(maps.Keys(f.pools)) {
			p := f.pools[qualifier]
			kept := ProvisionedState{Qualifier: qualifier, Requested: p.want, Allocated: p.allocated(), InUse: p.busy}
			if p.failure != nil {
				kept.Failure = p.failure.Error()
			}
			state.Provisioned = append(state.Provisioned, kept)
		}
		states = append(states, state)
	}
	return states
}

// Sample tells the metrics of the concurrency in the minute that ends. What did
// nothing tells nothing, as on AWS: an alarm on the utilization has no data where
// nobody calls. It also replaces environments that ended by themselves. Run calls
// it; who drives the clock calls it instead.
func (r *Runtime) Sample() {
	r.mu.Lock()
	var stale []*environment
	if r.peak > 0 {
		r.options.Metric("ConcurrentExecutions", nil, float64(r.peak))
	}
	r.peak = r.running
	for _, f := range r.functions {
		if f.peak > 0 {
			r.options.Metric("ConcurrentExecutions", dimension(f.name), float64(f.peak))
		}
		f.peak = f.running
		for _, p := range f.pools {
			stale = append(stale, r.dead(p)...)
			stale = append(stale, r.level(p)...)
			if p.peak > 0 {
				r.options.Metric("ProvisionedConcurrentExecutions", qualified(f.name, p.resource()), float64(p.peak))
				r.options.Metric("ProvisionedConcurrencyUtilization", qualified(f.name, p.resource()), min(1, float64(p.peak)/float64(max(1, p.allocated()))))
			}
			p.peak = p.busy
		}
	}
	r.mu.Unlock()
	end(stale)
}

// allocated is how many environments are there. The caller holds the runtime's mu.
func (p *pool) allocated() int { return len(p.free) + p.busy }

// dead takes the environments away that ended by themselves. The caller holds mu
// and ends what dead returns.
func (r *Runtime) dead(p *pool) (ended []*environment) {
	p.free = slices.DeleteFunc(p.free, func(e *environment) bool {
		select {
		case <-e.process.Exited():
			ended = append(ended, e)
			return true
		default:
			return false
		}
	})
	return ended
}

// dimension are the dimensions of a function's metrics, qualified those of the
// metrics of one of its aliases or versions (developer guide, "Types of metrics
// for Lambda functions").
func dimension(name string) map[string]string { return map[string]string{"FunctionName": name} }

func qualified(name, resource string) map[string]string {
	return map[string]string{"FunctionName": name, "Resource": resource}
}
