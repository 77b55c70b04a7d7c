//go:build unix

// Package lambda is the local cloud's AWS Lambda: it runs functions of the
// runtime provided.al2023 as real processes over the Lambda runtime API, answers
// Invoke, and feeds functions from queues.
//
// An execution environment is a process of its own, with one invocation at a
// time. It is made when an invocation finds none that is free, is used again, and
// ends when nothing asked for it for a while. Functions are real, and so is their
// time: the timeout, the deadline that a function sees and the 10 seconds of the
// init phase are on the wall clock. How long an idle environment stays, and what
// queues do, is AWS time.
//
// Not here, and so refused: layers, versions and aliases, other runtimes, and
// invocations that do not wait for the answer. IAM is not evaluated, and the
// memory size limits nothing. An environment is not frozen between invocations.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
)

// AccountConcurrency is an account's default quota of invocations at a time, and
// UnreservedConcurrency what must be left of it when functions reserve (developer
// guide, "Lambda quotas" and "Configuring reserved concurrency").
const (
	AccountConcurrency    = 1000
	UnreservedConcurrency = 100
)

// Unreserved is the Function.Reserved of a function that reserves nothing.
const Unreserved = -1

// Function is what a function is made of.
type Function struct {
	// Name is unique; ARN is what callers and the function itself see.
	Name, ARN, Region string
	// Code is the Digest of the archive that holds the function.
	Code string
	// Handler is told to the function; with this runtime it means nothing else.
	Handler string
	// Environment are the function's own variables.
	Environment map[string]string
	// MemoryMB is told to the function.
	MemoryMB int
	// Timeout is how long an invocation may take, on the wall clock.
	Timeout time.Duration
	// Reserved is how many invocations there may be at a time, whatever else runs;
	// 0 is none at all, and Unreserved all that the account has left.
	Reserved int
	// Tracing tells the function that its traces are sampled.
	Tracing bool
}

// Architecture is this machine's, as Lambda names it; it is empty where Lambda
// has none.
func Architecture() string {
	return map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
}

// Options configures a Runtime. CodeDir, LogDir and Clock are required.
type Options struct {
	// CodeDir keeps the unpacked archives; it is made if it is missing. LogDir is
	// an existing folder, in which aws_lambda_NAME.log takes what function NAME
	// prints.
	CodeDir, LogDir string
	// Endpoints are where functions reach AWS services: by the name that follows
	// AWS_ENDPOINT_URL_, such as SQS, the URL.
	Endpoints map[string]string
	// Queues are what event source mappings read; nil where there are none.
	Queues Queues
	// Clock is AWS time.
	Clock *clock.Clock
	// Faults are the faults that are on; nil has none.
	Faults *faults.Faults
	// Metric takes the data points of namespace AWS/Lambda; nil drops them.
	Metric func(name string, dimensions map[string]string, value float64)
	// Logger is told what goes wrong; the default is slog.Default().
	Logger *slog.Logger
	// Concurrency is the account's; the default is AccountConcurrency.
	Concurrency int
	// InitTimeout is how long a function may take, on the wall clock, until it asks
	// for its first invocation; the default is Lambda's 10 seconds.
	InitTimeout time.Duration
	// IdleTimeout is how long an environment stays without work, in AWS time. AWS
	// promises nothing; the default is 10 minutes.
	IdleTimeout time.Duration
}

// Runtime runs functions and event source mappings. It is safe for concurrent use.
type Runtime struct {
	options Options

	// storing keeps an archive from being removed while a function gets it.
	storing sync.Mutex

	mu     sync.Mutex
	closed bool
	// functions are those that exist, by name.
	functions map[string]*function
	// environments are all that have not ended, also of functions that are gone.
	environments map[*environment]bool
	sources      map[string]*source
	// working counts invocations by the code that they began with.
	working map[string]int
	// running counts invocations; idle, once it is made, is closed when there is
	// none any more.
	running int
	idle    chan struct{}

	background sync.WaitGroup
}

// function is a Function with what runs for it. The runtime's mu guards it.
type function struct {
	name string
	// spec is replaced, never changed: an environment with another one is stale.
	spec *Function
	// free are the environments without work; the last one worked last.
	free                                  []*environment
	running                               int
	invocations, errors, throttles, inits int
}

// New makes a Runtime without functions. Close it to end its processes.
func New(options Options) *Runtime {
	if options.Metric == nil {
		options.Metric = func(string, map[string]string, float64) {}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.Concurrency == 0 {
		options.Concurrency = AccountConcurrency
	}
	if options.InitTimeout == 0 {
		options.InitTimeout = 10 * time.Second
	}
	if options.IdleTimeout == 0 {
		options.IdleTimeout = 10 * time.Minute
	}
	return &Runtime{
		options: options, functions: map[string]*function{}, environments: map[*environment]bool{}, sources: map[string]*source{},
		working: map[string]int{},
	}
}

// Apply creates or updates a function. The archive is a zip with an executable
// file named bootstrap; nil stands for one that Apply got before. Invocations
// that are under way end as they began, with the old code and configuration.
//
// Errors: the archive is none, breaks a limit, or is not there any more; more
// concurrency is reserved than the account has.
func (r *Runtime) Apply(f Function, archive []byte) error {
	r.storing.Lock()
	defer r.storing.Unlock()
	if err := r.checkReserved(f); err != nil {
		return fmt.Errorf("function %q: %w", f.Name, err)
	}
	if err := r.store(f.Code, archive); err != nil {
		return fmt.Errorf("function %q: %w", f.Name, err)
	}
	f.Environment = maps.Clone(f.Environment)
	r.mu.Lock()
	target := r.functions[f.Name]
	if target == nil {
		target = &function{name: f.Name}
		r.functions[f.Name] = target
	}
	old := target.spec
	if old != nil && reflect.DeepEqual(*old, f) {
		r.mu.Unlock()
		return nil
	}
	target.spec = &f
	stale := target.free
	target.free = nil
	r.mu.Unlock()
	end(stale)
	if old != nil {
		r.discard(old.Code)
	}
	return nil
}

// checkReserved holds PutFunctionConcurrency's rule.
func (r *Runtime) checkReserved(f Function) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	reserved := max(f.Reserved, 0)
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

// Delete removes a function. Invocations that are under way end on their own.
// Deleting what does not exist does nothing.
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
	stale := gone.free
	gone.free = nil
	r.mu.Unlock()
	end(stale)
	r.discard(gone.spec.Code)
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
	r.mu.Lock()
	needed := r.working[code] > 0
	for _, f := range r.functions {
		needed = needed || f.spec.Code == code
	}
	for e := range r.environments {
		needed = needed || e.spec.Code == code
	}
	r.mu.Unlock()
	if needed {
		return
	}
	if err := os.RemoveAll(r.codePath(code)); err != nil {
		r.options.Logger.Warn("the code of a function that is gone could not be removed", "error", err)
	}
}

// Drain stops reading queues and returns when no invocation is under way any
// more, or with the error of ctx.
func (r *Runtime) Drain(ctx context.Context) error {
	r.stopSources()
	r.mu.Lock()
	if r.running == 0 {
		r.mu.Unlock()
		return nil
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops reading queues, ends every process and returns when all are gone.
// Invocations that are under way fail. It always returns nil; the error is there
// for io.Closer.
func (r *Runtime) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stopSources()
	r.mu.Lock()
	environments := slices.Collect(maps.Keys(r.environments))
	r.mu.Unlock()
	end(environments)
	r.background.Wait()
	return nil
}

// State is how a function stands. Counts are since the local cloud was started.
type State struct {
	Name string
	// Running are invocations under way; Environments are processes, with work or
	// without.
	Running, Environments int
	// Invocations ran, of which Errors failed; Throttles were refused. Inits are
	// the environments that were started.
	Invocations, Errors, Throttles, Inits int
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
		for e := range r.environments {
			if e.function == f {
				state.Environments++
			}
		}
		states = append(states, state)
	}
	return states
}
