// Package endpoint is the local stand-in for SageMaker's real-time hosting: it
// runs the copies of inference components as real processes on loopback and
// answers InvokeEndpoint's wire protocol.
//
// One Runtime is one account in one Region. What it keeps of SageMaker's
// behaviour is what a caller or a deployment can observe: copies serve only once
// they answer GET /ping, an update keeps the old copies until the new ones are
// healthy, a request goes to the copy with the fewest outstanding ones, a copy
// that dies is started again, and errors have SageMaker's statuses and texts.
package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Component is what one inference component runs: the outcome of
// CreateInferenceComponent or UpdateInferenceComponent.
type Component struct {
	// Name is the inference component's, Endpoint that of its endpoint. Both keep
	// to SageMaker's pattern: 1 to 63 letters, digits and inner hyphens.
	Name, Endpoint string
	// Image is the container image. It is not pulled, since Options.Command stands
	// in for it, but a new image replaces every copy as it does on AWS.
	Image string
	// Environment is the container's environment.
	Environment map[string]string
	// Copies is the CopyCount; at least 1.
	Copies int
	// StartupTimeout is ContainerStartupHealthCheckTimeoutInSeconds: how long a
	// new copy may take to answer /ping. The default is SageMaker's 8 minutes.
	StartupTimeout time.Duration
}

// Options configures a Runtime.
type Options struct {
	// Command stands in for `docker run IMAGE serve`: program and arguments, run
	// once per copy. It finds its port in SAGEMAKER_BIND_TO_PORT and its address,
	// always 127.0.0.1, in BIND_HOST; of the surrounding environment it gets
	// nothing but PATH, HOME and TMPDIR.
	Command []string
	// LogDir is an existing folder; NAME.log in it takes what the copies of
	// component NAME print.
	LogDir string
	// Region and Account appear in ARNs and messages; the defaults are
	// ap-northeast-1 and 123456789012.
	Region, Account string
	// Logger is told about copies that stop on their own; the default is
	// slog.Default().
	Logger *slog.Logger
	// InvocationTimeout is how long a copy may take to answer; the default is
	// SageMaker's 60 seconds.
	InvocationTimeout time.Duration
	// StopTimeout bounds, one after the other, the wait for a copy's outstanding
	// requests and the time from SIGTERM to SIGKILL; the default is SageMaker's
	// 30 seconds.
	StopTimeout time.Duration
	// After is the clock of restarts: time.After by default.
	After func(time.Duration) <-chan time.Time
}

// Runtime runs inference components and routes requests to their copies. It is
// safe for concurrent use.
type Runtime struct {
	options Options
	client  *http.Client
	// ctx ends with Close; every copy lives within it.
	ctx   context.Context
	close context.CancelFunc

	mu     sync.Mutex
	closed bool
	// components keeps deleted ones too, as empty shells, so that an Apply and a
	// Delete of one name can never work on two different values.
	components map[string]*component
	// running counts the Apply and Delete calls that Close waits for.
	running sync.WaitGroup
}

// New makes a Runtime without any component. Close it to stop its processes.
func New(options Options) *Runtime {
	options.Region = cmp.Or(options.Region, "ap-northeast-1")
	options.Account = cmp.Or(options.Account, "123456789012")
	options.Logger = cmp.Or(options.Logger, slog.Default())
	options.InvocationTimeout = cmp.Or(options.InvocationTimeout, 60*time.Second)
	options.StopTimeout = cmp.Or(options.StopTimeout, 30*time.Second)
	if options.After == nil {
		options.After = time.After
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Runtime{
		options:    options,
		ctx:        ctx,
		close:      cancel,
		components: map[string]*component{},
		// Copies are on loopback: no proxy of the environment may come in between.
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
	}
}

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$`)

func (r *Runtime) check(c Component) error {
	var problems []error
	for _, name := range []struct{ field, value string }{{"InferenceComponentName", c.Name}, {"EndpointName", c.Endpoint}} {
		if len(name.value) > 63 || !namePattern.MatchString(name.value) {
			problems = append(problems, fmt.Errorf("%s is %q: it must be 1 to 63 letters, digits and inner hyphens", name.field, name.value))
		}
	}
	if c.Copies < 1 {
		problems = append(problems, fmt.Errorf("CopyCount is %d: the service accepts only an integer larger than 0", c.Copies))
	}
	if c.StartupTimeout < 0 {
		problems = append(problems, fmt.Errorf("ContainerStartupHealthCheckTimeoutInSeconds is %s: it must be positive", c.StartupTimeout))
	}
	if len(r.options.Command) == 0 {
		problems = append(problems, errors.New("no model command is configured: give the program that stands in for the container"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("inference component %q: %w", c.Name, err)
	}
	return nil
}

// Apply creates or updates a component and returns once it is InService, that
// is when every copy it needs answers /ping with 200.
//
// A change of image, environment or endpoint starts new copies and, when all of
// them are healthy, drains and stops the old ones. A change of the copy count
// alone starts or stops the difference. Where a new copy exits or is not
// healthy within StartupTimeout, all new copies are stopped, whatever ran before
// keeps serving, and the error says why and where the log is. The same happens
// when ctx ends.
func (r *Runtime) Apply(ctx context.Context, c Component) error {
	if err := r.check(c); err != nil {
		return err
	}
	c.StartupTimeout = cmp.Or(c.StartupTimeout, 8*time.Minute)
	c.Environment = maps.Clone(c.Environment)

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return fmt.Errorf("inference component %q: the local endpoint runtime is closed", c.Name)
	}
	r.running.Add(1)
	defer r.running.Done()
	target := r.components[c.Name]
	if target == nil {
		target = &component{runtime: r}
		r.components[c.Name] = target
	}
	r.mu.Unlock()

	target.changing.Lock()
	defer target.changing.Unlock()
	return target.apply(ctx, c)
}

// Delete takes the component out of service, waits for its outstanding
// requests, and stops its processes with SIGTERM and, where that does not help
// within StopTimeout, SIGKILL. Deleting what does not exist does nothing. When
// ctx ends, Delete returns its error while the processes go on stopping.
func (r *Runtime) Delete(ctx context.Context, name string) error {
	r.mu.Lock()
	target := r.components[name]
	if target == nil || r.closed {
		r.mu.Unlock()
		return nil
	}
	r.running.Add(1)
	r.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer r.running.Done()
		defer close(done)
		target.changing.Lock()
		defer target.changing.Unlock()
		stopAll(target.swap(nil, nil))
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("inference component %q is still stopping: %w", name, ctx.Err())
	}
}

// Close stops every process and waits until they are gone. Calls of Apply that
// are under way fail. It always returns nil; the error is there for io.Closer.
func (r *Runtime) Close() error {
	r.mu.Lock()
	r.closed = true
	all := slices.Collect(maps.Values(r.components))
	r.mu.Unlock()

	r.close()
	r.running.Wait()
	for _, c := range all {
		stopAll(c.swap(nil, nil))
	}
	r.client.CloseIdleConnections()
	return nil
}

// find returns the named component, or nil, and whether the endpoint exists:
// for this runtime it does as long as a component is on it.
func (r *Runtime) find(endpoint, name string) (target *component, endpointExists bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, c := range r.components {
		if !c.on(endpoint) {
			continue
		}
		endpointExists = true
		if key == name {
			target = c
		}
	}
	return target, endpointExists
}
