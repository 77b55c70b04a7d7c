//go:build unix

// Package lambda is the local cloud's AWS Lambda: it runs functions of the
// runtime provided.al2023 and functions in container images as real processes over
// the Lambda runtime API, answers Invoke, and feeds functions from queues.
//
// An execution environment is a process of its own, with one invocation at a
// time. It is made when an invocation finds none that is free, is used again, and
// ends when nothing asked for it for a while. Functions are real, and so is their
// time: the timeout, the deadline that a function sees and the 10 seconds of the
// init phase are on the wall clock. How long an idle environment stays, and what
// queues do, is AWS time.
//
// A function in an image runs one program of this machine, whatever the image is:
// Options.Image. There is one file system and one network here, so it is told which
// port is its own.
//
// Published versions run with what they were published with, and an alias names
// one of them. Provisioned concurrency keeps environments of an alias or a version
// started ahead: they are used first, and more invocations spill over to others.
// They stay, however idle, and have 130 seconds or the function's timeout to start,
// on the wall clock.
//
// Not here, and so refused: layers, aliases with weights, SnapStart, other
// runtimes, and invocations that do not wait for the answer. Of the published
// versions only those stay that Function.Published lists. IAM is not evaluated,
// there is no VPC, and the memory size limits nothing. An environment is not frozen
// between invocations.
package lambda

import (
	"context"
	"log/slog"
	"maps"
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
	// Image is the program, with its arguments, that stands in for every container
	// image; nil refuses functions in images.
	Image []string
	// Endpoints are where functions reach AWS services: by the name that follows
	// AWS_ENDPOINT_URL_, such as SQS, the URL.
	Endpoints map[string]string
	// Queues are what event source mappings read; nil where there are none.
	Queues Queues
	// Clock is AWS time.
	Clock *clock.Clock
	// Faults are the faults that are on; nil has none.
	Faults *faults.Faults
	// Metric takes the data points of namespace AWS/Lambda, of functions and, with
	// the dimension Resource, of their aliases and versions; nil drops them.
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
	// running counts invocations, peak is the most of them since the last sample;
	// idle, once it is made, is closed when there is none any more.
	running, peak int
	idle          chan struct{}

	background sync.WaitGroup
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

// Run tells the metrics, every minute of AWS time, until ctx ends.
func (r *Runtime) Run(ctx context.Context) { r.options.Clock.Every(ctx, time.Minute, r.Sample) }

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
