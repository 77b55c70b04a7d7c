//go:build unix

package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"
)

// Unreserved is the Function.Reserved of a function that reserves nothing.
const Unreserved = -1

// Latest is the version of a function that is not published.
const Latest = "$LATEST"

// Function is what a function is made of.
type Function struct {
	// Name is unique; ARN is what callers and the function itself see, without a
	// version or an alias.
	Name, ARN, Region string
	// Reserved is how many invocations there may be at a time, whatever else runs;
	// 0 is none at all, and Unreserved all that the account has left.
	Reserved int
	// Configuration is that of $LATEST.
	Configuration
	// Published are the versions that can be invoked besides $LATEST.
	Published []Version
}

// Configuration is what a version keeps once it is published.
type Configuration struct {
	// Code is the Digest of the archive that holds the function; Image, in its
	// place, the URI of the container image that does.
	Code  string `json:"code,omitempty"`
	Image string `json:"image,omitempty"`
	// Handler is told to the function; with this runtime it means nothing else. A
	// function in an image has none.
	Handler string `json:"handler,omitempty"`
	// Environment are the function's own variables.
	Environment map[string]string `json:"environment,omitempty"`
	// MemoryMB is told to the function.
	MemoryMB int `json:"memoryMb"`
	// Timeout is how long an invocation may take, on the wall clock.
	Timeout time.Duration `json:"timeout"`
	// Tracing tells the function that its traces are sampled.
	Tracing bool `json:"tracing,omitempty"`
}

// Version is a published version: Number is "1" or above.
type Version struct {
	Number string `json:"number"`
	Configuration
}

// function is a Function with what runs for it. The runtime's mu guards it.
type function struct {
	name string
	// spec is replaced, never changed.
	spec *Function
	// versions are those that can be invoked, by number; $LATEST is always there.
	versions map[string]*version
	// aliases are the numbers of the versions that they name.
	aliases map[string]string
	// pools are the environments that are kept ahead of invocations, by the alias or
	// version that keeps them.
	pools map[string]*pool
	// running counts invocations; peak is the most of them since the last sample.
	running, peak                         int
	invocations, errors, throttles, inits int
}

// version is one version of a function as it runs. It is replaced, never changed:
// an environment with another one is stale.
type version struct {
	function          *function
	name, arn, region string
	number            string
	Configuration
	// free are the environments without work; the last one worked last.
	free []*environment
}

// same tells whether two versions run alike.
func (v *version) same(other *version) bool {
	return v.name == other.name && v.arn == other.arn && v.region == other.region && reflect.DeepEqual(v.Configuration, other.Configuration)
}

// versionsOf are the versions of a function, $LATEST first.
func versionsOf(f *Function) []Version {
	return slices.Concat([]Version{{Latest, f.Configuration}}, f.Published)
}

// Apply creates or updates a function. The archive is a zip with an executable
// file named bootstrap; nil stands for one that Apply got before, and for a
// function in an image. Invocations that are under way end as they began, with the
// old code and configuration.
//
// Errors: the archive is none, breaks a limit, or is not there any more; there is
// no program that stands in for images; more concurrency is reserved than the
// account has, or less than the function's aliases and versions keep.
func (r *Runtime) Apply(f Function, archive []byte) error {
	r.storing.Lock()
	defer r.storing.Unlock()
	if err := r.checkReserved(f); err != nil {
		return fmt.Errorf("function %q: %w", f.Name, err)
	}
	for _, v := range versionsOf(&f) {
		if err := r.provide(v, archive); err != nil {
			return fmt.Errorf("function %q: %w", f.Name, err)
		}
		archive = nil // It is the first version's, $LATEST's.
	}
	r.mu.Lock()
	target := r.functions[f.Name]
	if target == nil {
		target = &function{name: f.Name, aliases: map[string]string{}, pools: map[string]*pool{}}
		r.functions[f.Name] = target
	}
	old := target.versions
	stale := target.replace(&f)
	stale = append(stale, r.repool(target)...)
	r.mu.Unlock()
	end(stale)
	for _, v := range old {
		r.discard(v.Code)
	}
	return nil
}

// provide puts in place what a version runs.
func (r *Runtime) provide(v Version, archive []byte) error {
	if v.Image == "" {
		return r.store(v.Code, archive)
	}
	if len(r.options.Image) == 0 {
		return errors.New("it is in a container image, and localcloud was not told how to run one: start it with --adapter PROGRAM, " +
			"the program that functions/adapter builds")
	}
	return nil
}

// replace gives the function another specification, and returns the environments
// that nobody can get any more. The caller holds mu.
func (f *function) replace(spec *Function) (stale []*environment) {
	old := f.versions
	f.spec, f.versions = spec, map[string]*version{}
	for _, v := range versionsOf(spec) {
		next := &version{function: f, name: spec.Name, arn: spec.ARN, region: spec.Region, number: v.Number, Configuration: v.Configuration}
		next.Environment = maps.Clone(next.Environment)
		if before := old[v.Number]; before != nil && before.same(next) {
			next = before
		}
		f.versions[v.Number] = next
	}
	for number, v := range old {
		if f.versions[number] != v {
			stale = append(stale, v.free...)
			v.free = nil
		}
	}
	return stale
}

// lives tells whether the version can still be invoked. The caller holds mu.
func (r *Runtime) lives(v *version) bool {
	return !r.closed && r.functions[v.name] == v.function && v.function.versions[v.number] == v
}

// checkReserved holds PutFunctionConcurrency's rules.
func (r *Runtime) checkReserved(f Function) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Reserved == Unreserved {
		return nil
	}
	if known := r.functions[f.Name]; known != nil && f.Reserved < known.provisioned("") {
		return fmt.Errorf("InvalidParameterValueException: ReservedConcurrentExecutions is %d, below the %d of provisioned concurrency that "+
			"the function keeps: reserve as many, or provision fewer first", f.Reserved, known.provisioned(""))
	}
	reserved := f.Reserved
	for name, other := range r.functions {
		if name != f.Name {
			reserved += max(other.spec.Reserved, 0)
		}
	}
	if f.Reserved > 0 && r.options.Concurrency-reserved < UnreservedConcurrency {
		return fmt.Errorf("InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's "+
			"UnreservedConcurrentExecution below its minimum value of [%d]: reserve %d less", UnreservedConcurrency,
			UnreservedConcurrency-(r.options.Concurrency-reserved))
	}
	return nil
}

// Delete removes a function, with its versions and aliases. Invocations that are
// under way end on their own. Deleting what does not exist does nothing.
func (r *Runtime) Delete(name string) {
	r.storing.Lock()
	defer r.storing.Unlock()
	r.mu.Lock()
	gone := r.functions[name]
	if gone == nil {
		r.mu.Unlock()
		return
	}
	delete(r.functions, name)
	var stale []*environment
	for _, v := range gone.versions {
		stale = append(stale, v.free...)
		v.free = nil
	}
	for _, p := range gone.pools {
		stale = append(stale, p.empty()...)
	}
	r.mu.Unlock()
	end(stale)
	for _, v := range gone.versions {
		r.discard(v.Code)
	}
}

// end ends environments that nobody can get any more.
func end(environments []*environment) {
	for _, e := range environments {
		e.end()
	}
}

// Sweep removes the code that no function has any more, after every function has
// been applied: what a local cloud that was killed left behind.
func (r *Runtime) Sweep() {
	r.storing.Lock()
	defer r.storing.Unlock()
	entries, err := os.ReadDir(r.options.CodeDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.options.Logger.Warn("the code of functions cannot be looked through", "error", err)
	}
	for _, entry := range entries {
		r.discard(entry.Name())
	}
}

// discard removes code unless something runs it or could run it. The caller holds
// storing.
func (r *Runtime) discard(code string) {
	if code == "" {
		return // A function in an image.
	}
	r.mu.Lock()
	needed := r.working[code] > 0
	for _, f := range r.functions {
		for _, v := range f.versions {
			needed = needed || v.Code == code
		}
	}
	for e := range r.environments {
		needed = needed || e.version.Code == code
	}
	r.mu.Unlock()
	if needed {
		return
	}
	if err := os.RemoveAll(r.codePath(code)); err != nil {
		r.options.Logger.Warn("the code of a function that is gone could not be removed", "error", err)
	}
}
