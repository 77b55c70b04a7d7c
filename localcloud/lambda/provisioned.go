//go:build unix

package lambda

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// provisionedInit is how long an environment that is kept ahead may take until it
// asks for its first invocation, on the wall clock, where the function's timeout
// is not longer (developer guide, "Understanding the Lambda execution environment
// lifecycle").
const provisionedInit = 130 * time.Second

// The values of AWS_LAMBDA_INITIALIZATION_TYPE.
const (
	onDemand    = "on-demand"
	provisioned = "provisioned-concurrency"
)

var errUnpublished = errors.New("InvalidParameterValueException: Provisioned Concurrency Configs cannot be applied to unpublished function versions: " +
	"publish the function, and name its version")

// pool is the provisioned concurrency of an alias or a version: the environments
// that are there before invocations are. The runtime's mu guards it.
type pool struct {
	// qualifier is the alias or the number; version is what it stands for. One that
	// comes to stand for another version gets another pool.
	qualifier string
	version   *version
	// want is how many environments there shall be; free have no work, busy do, and
	// starting are not there yet.
	want           int
	free           []*environment
	busy, starting int
	// peak is the most that were busy at a time since the last sample.
	peak int
	// failure is why no more are started: one did not start, and it is not tried
	// again until something changes.
	failure error
}

// resource is how metrics name it.
func (p *pool) resource() string { return p.version.name + ":" + p.qualifier }

// empty takes the environments without work away.
func (p *pool) empty() []*environment {
	free := p.free
	p.free = nil
	return free
}

// provisioned is how many environments the function keeps ahead, or shall keep,
// but for one of its aliases or versions. The caller holds the runtime's mu.
func (f *function) provisioned(except string) int {
	n := 0
	for qualifier, p := range f.pools {
		if qualifier != except {
			n += p.want
		}
	}
	return n
}

// onDemand is how many invocations have environments that are not kept ahead. The
// caller holds the runtime's mu.
func (f *function) onDemand() int {
	n := f.running
	for _, p := range f.pools {
		n -= p.busy
	}
	return n
}

// scalable takes the resource ID of the scalable dimension
// lambda:function:ProvisionedConcurrency apart: function:NAME:QUALIFIER.
func scalable(id string) (name, qualifier string, ok bool) {
	rest, isFunction := strings.CutPrefix(id, "function:")
	name, qualifier, qualified := strings.Cut(rest, ":")
	return name, qualifier, isFunction && qualified && name != "" && qualifier != ""
}

// Capacity is the provisioned concurrency that the alias or version
// function:NAME:QUALIFIER shall have; ok is false where there is none of that
// name.
func (r *Runtime) Capacity(id string) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, qualifier, ok := scalable(id)
	f := r.functions[name]
	if !ok || f == nil || f.named(qualifier) == nil {
		return 0, false
	}
	if p := f.pools[qualifier]; p != nil {
		return p.want, true
	}
	return 0, true
}

// SetCapacity gives the alias or version function:NAME:QUALIFIER another
// provisioned concurrency, as PutProvisionedConcurrencyConfig does, and returns at
// once: environments come and go in the background. 0 takes it away.
//
// Errors: there is none of that name; it stands for $LATEST; n is negative, more
// than the function has reserved, or more than the account has left.
func (r *Runtime) SetCapacity(id string, n int) error {
	name, qualifier, ok := scalable(id)
	if !ok || n < 0 {
		return fmt.Errorf("ValidationException: %q with %d environments: it must be function:NAME:QUALIFIER, and 0 or more", id, n)
	}
	r.mu.Lock()
	v, err := r.find(name, qualifier)
	if err == nil {
		err = r.checkProvisioned(v, qualifier, n)
	}
	if err != nil {
		r.mu.Unlock()
		return err
	}
	p := v.function.pools[qualifier]
	if p == nil {
		p = &pool{qualifier: qualifier, version: v}
		v.function.pools[qualifier] = p
	}
	p.want, p.failure = n, nil
	if n == 0 {
		delete(v.function.pools, qualifier)
	}
	stale := r.level(p)
	r.mu.Unlock()
	end(stale)
	return nil
}

// checkProvisioned holds PutProvisionedConcurrencyConfig's rules. The caller holds
// mu.
func (r *Runtime) checkProvisioned(v *version, qualifier string, n int) error {
	all := n + v.function.provisioned(qualifier)
	switch {
	case n == 0:
		return nil
	case r.closed:
		return errClosed
	case v.number == Latest:
		return errUnpublished
	case v.function.spec.Reserved != Unreserved:
		if all > v.function.spec.Reserved {
			return fmt.Errorf("InvalidParameterValueException: Requested Provisioned Concurrency should not be greater than the "+
				"reservedConcurrentExecution for function: %d would be kept of the %d that %s has reserved: reserve more, or provision fewer",
				all, v.function.spec.Reserved, v.name)
		}
		return nil
	}
	left := r.options.Concurrency - all - UnreservedConcurrency
	for _, other := range r.functions {
		switch {
		case other.spec.Reserved != Unreserved:
			left -= other.spec.Reserved
		case other != v.function:
			left -= other.provisioned("")
		}
	}
	if left < 0 {
		return fmt.Errorf("InvalidParameterValueException: Specified ConcurrentExecutions for function decreases account's "+
			"UnreservedConcurrentExecution below its minimum value of [%d]: provision %d fewer", UnreservedConcurrency, -left)
	}
	return nil
}

// Settled tells whether all environments are there that the alias or version
// function:NAME:QUALIFIER shall have, or will not come, and then why not.
func (r *Runtime) Settled(id string) (settled bool, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, qualifier, _ := scalable(id)
	f := r.functions[name]
	if f == nil || f.pools[qualifier] == nil {
		return true, nil
	}
	return f.pools[qualifier].starting == 0, f.pools[qualifier].failure
}

// Setting is what Application Auto Scaling's activity says.
func (r *Runtime) Setting(n int) string {
	return fmt.Sprintf("Setting provisioned concurrency to %d.", n)
}

// repool gives every alias and version that keeps environments ahead those of the
// version that it stands for now, and returns the environments that are not
// needed. The caller holds mu.
func (r *Runtime) repool(f *function) (stale []*environment) {
	for qualifier, p := range f.pools {
		v := f.named(qualifier)
		if v == p.version {
			continue
		}
		stale = append(stale, p.empty()...)
		delete(f.pools, qualifier)
		if v != nil {
			next := &pool{qualifier: qualifier, version: v, want: p.want}
			f.pools[qualifier] = next
			stale = append(stale, r.level(next)...)
		}
	}
	return stale
}

// keeps tells whether the pool is one that is to have environments. The caller
// holds mu.
func (r *Runtime) keeps(p *pool) bool {
	return r.lives(p.version) && p.version.function.pools[p.qualifier] == p
}

// level starts the environments that a pool lacks, and takes those without work
// away that it has too many. The caller holds mu and ends what level returns.
func (r *Runtime) level(p *pool) (stale []*environment) {
	want := p.want
	if !r.keeps(p) {
		want = 0
	}
	for len(p.free) > 0 && len(p.free)+p.busy > want {
		stale = append(stale, p.free[0])
		p.free = p.free[1:]
	}
	for p.failure == nil && len(p.free)+p.busy+p.starting < want {
		p.starting++
		r.working[p.version.Code]++
		r.background.Go(func() { r.initialize(p) })
	}
	return stale
}

// initialize starts one environment of a pool.
func (r *Runtime) initialize(p *pool) {
	e, failure := r.start(p)
	r.mu.Lock()
	p.starting--
	var stale []*environment
	if failure != nil {
		p.failure = failure
		if r.keeps(p) {
			r.options.Logger.Warn("provisioned concurrency could not be allocated", "function", p.resource(), "error", failure)
		}
	} else {
		p.free = append(p.free, e)
	}
	stale = r.level(p)
	r.unwork(p.version.Code)
	r.mu.Unlock()
	end(stale)
	r.storing.Lock()
	defer r.storing.Unlock()
	r.discard(p.version.Code)
}

// start starts an environment of a pool and returns when it is ready. As for an
// invocation, an init phase that fails is tried once more.
func (r *Runtime) start(p *pool) (*environment, error) {
	limit := max(provisionedInit, p.version.Timeout)
	for attempt := 0; ; attempt++ {
		e, err := r.launch(p.version, provisioned)
		if err != nil {
			return nil, fmt.Errorf("FUNCTION_ERROR_INIT_FAILURE: %w", err)
		}
		e.pool = p
		failed := e.ready(newInvocation(nil, false), limit)
		if failed == nil {
			return e, nil
		}
		e.logLine("INIT_REPORT Phase: init Status: error %s", failed.Payload)
		e.end()
		if attempt == 1 {
			return nil, fmt.Errorf("FUNCTION_ERROR_INIT_FAILURE: %s does not start: %s says why", p.resource(), r.logPath(p.version.name))
		}
	}
}

// takeProvisioned returns an environment that is kept ahead and has no work, or
// nil. The caller holds mu.
func (r *Runtime) takeProvisioned(p *pool) *environment {
	for p != nil && len(p.free) > 0 {
		e := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		select {
		case <-e.process.Exited(): // On its own.
			r.background.Go(func() {
				e.end()
				r.refill(p)
			})
		default:
			p.busy++
			p.peak = max(p.peak, p.busy)
			return e
		}
	}
	return nil
}

// refill starts what a pool lacks.
func (r *Runtime) refill(p *pool) {
	r.mu.Lock()
	stale := r.level(p)
	r.mu.Unlock()
	end(stale)
}

// giveBack ends the work of an environment that is kept ahead; usable tells
// whether there can be more for it.
func (r *Runtime) giveBack(e *environment, usable bool) {
	p := e.pool
	r.mu.Lock()
	p.busy--
	if usable {
		p.free = append(p.free, e)
	}
	stale := r.level(p)
	r.mu.Unlock()
	end(stale)
	if !usable {
		r.retire(e)
	}
}
