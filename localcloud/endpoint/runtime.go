// Package endpoint is the local stand-in for SageMaker's real-time hosting: it
// has endpoints with instances, runs the copies of inference components on them
// as real processes on loopback, and answers InvokeEndpoint's wire protocol.
//
// One Runtime is one account in one Region. What it keeps of SageMaker's
// behaviour is what a caller or a deployment can observe: a copy needs room on
// an instance, which takes minutes to be provisioned; copies serve only once
// they answer GET /ping; an update keeps the old copies until the new ones are
// healthy; a request goes to the copy with the fewest outstanding ones; a copy
// that dies is started again; instances without copies are released; and errors
// have SageMaker's statuses and texts.
//
// Provisioning, the release of instances and start-up time-outs are AWS time.
// Model processes are real, so that what they do takes real time: a start, an
// invocation, draining, and the pause before the next start.
//
// Where AWS's behaviour is not documented: an update, also of a component that
// sleeps, sets the CopyCount of its specification, as the template says; it
// fails where the instances have no room for new copies beside the old ones; and
// a restart of the local cloud starts with the specification's CopyCount too.
package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
)

// Requirements is what each copy of a component reserves of its instance: the
// ComputeResourceRequirements. Zero reserves nothing.
type Requirements struct {
	CPUCores     float64
	MemoryMB     int
	Accelerators float64
}

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
	// Needs is what each copy reserves.
	Needs Requirements
	// Copies is the CopyCount; at least 1.
	Copies int
	// StartupTimeout is ContainerStartupHealthCheckTimeoutInSeconds, in AWS time:
	// how long a new copy may take to answer /ping. The default is SageMaker's 8
	// minutes; a process gets at least 30 real seconds.
	StartupTimeout time.Duration
}

func (c *Component) reserves() hardware {
	return hardware{c.Needs.CPUCores, c.Needs.MemoryMB, c.Needs.Accelerators}
}

// Options configures a Runtime. Command and LogDir, or a Launcher, must be given.
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
	// Clock is AWS time; the default runs at clock.DefaultSpeed.
	Clock *clock.Clock
	// Launcher starts copies; the default runs Command.
	Launcher Launcher
	// Metric takes the data points of namespace AWS/SageMaker as they arise; the
	// default drops them.
	Metric func(name string, dimensions map[string]string, value float64)
	// Faults are the faults that are on; the default has none.
	Faults *faults.Faults
	// Provisioning is how long an instance takes to come, in AWS time; the
	// default is DefaultProvisioning.
	Provisioning time.Duration
}

// DefaultProvisioning is how long an instance takes to come where Options do not
// say, in AWS time: with the alarm's minute before it and a quick start after it,
// the five minutes that AWS's blog post on scaling to zero measured.
const DefaultProvisioning = 4 * time.Minute

// Runtime runs endpoints and inference components, and routes requests to their
// copies. It is safe for concurrent use.
type Runtime struct {
	options Options
	// ctx ends with Close; everything lives within it.
	ctx   context.Context
	close context.CancelFunc

	// mu guards what follows, and the state of every fleet, component and copy.
	mu     sync.Mutex
	closed bool
	// fleets and components keep deleted ones too, as empty shells, so that an
	// Apply and a Delete of one name can never work on two different values.
	fleets     map[string]*fleet
	components map[string]*component
	// provisioned counts instances, for their IDs.
	provisioned int

	// running counts the calls that Close waits for, background the goroutines.
	running, background sync.WaitGroup
}

// New makes a Runtime without any endpoint. Close it to stop its processes.
func New(options Options) *Runtime {
	options.Region = cmp.Or(options.Region, "ap-northeast-1")
	options.Account = cmp.Or(options.Account, "123456789012")
	options.Logger = cmp.Or(options.Logger, slog.Default())
	options.InvocationTimeout = cmp.Or(options.InvocationTimeout, 60*time.Second)
	options.StopTimeout = cmp.Or(options.StopTimeout, 30*time.Second)
	options.Provisioning = cmp.Or(options.Provisioning, DefaultProvisioning)
	if options.Clock == nil {
		// The default speed is one that New accepts.
		options.Clock, _ = clock.New(clock.DefaultSpeed)
	}
	if options.Metric == nil {
		options.Metric = func(string, map[string]string, float64) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runtime{options: options, ctx: ctx, close: cancel, fleets: map[string]*fleet{}, components: map[string]*component{}}
	if options.Launcher == nil && len(options.Command) > 0 {
		r.options.Launcher = processLauncher{options.Command, r.logPath}
	}
	if options.Faults != nil {
		options.Faults.OnKill(r.kill)
	}
	r.background.Go(func() { options.Clock.Every(ctx, SamplePeriod, r.sample) })
	return r
}

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$`)

const nameRule = "it must be 1 to 63 letters, digits and inner hyphens"

func validName(name string) bool { return len(name) <= 63 && namePattern.MatchString(name) }

func (r *Runtime) check(c Component) error {
	var problems []error
	for _, name := range []struct{ field, value string }{{"InferenceComponentName", c.Name}, {"EndpointName", c.Endpoint}} {
		if !validName(name.value) {
			problems = append(problems, fmt.Errorf("%s is %q: %s", name.field, name.value, nameRule))
		}
	}
	if c.Copies < 1 {
		problems = append(problems, fmt.Errorf("CopyCount is %d: the service accepts only an integer larger than 0", c.Copies))
	}
	if c.StartupTimeout < 0 {
		problems = append(problems, fmt.Errorf("ContainerStartupHealthCheckTimeoutInSeconds is %s: it must be positive", c.StartupTimeout))
	}
	if r.options.Launcher == nil {
		problems = append(problems, errors.New("no model command is configured: give the program that stands in for the container"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("inference component %q: %w", c.Name, err)
	}
	return nil
}

// Apply creates or updates a component and returns once it is InService, that
// is when every copy it needs answers /ping with 200. Its endpoint must exist.
//
// A change of image, environment, requirements or endpoint starts new copies,
// provisioning instances for them as far as the endpoint allows, and, when all of
// them are healthy, drains and stops the old ones. A change of the copy count
// alone starts or stops the difference. Where a new copy finds no room, exits or
// is not healthy within StartupTimeout, all new copies are stopped, whatever ran
// before keeps serving, and the error says why and where the log is. The same
// happens when ctx ends.
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
		target = &component{runtime: r, changing: newTurn()}
		r.components[c.Name] = target
	}
	r.mu.Unlock()

	target.begin()
	defer target.end()
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
		target.begin()
		defer target.end()
		r.mu.Lock()
		copies := slices.Clone(target.copies)
		target.spec, target.desired = nil, 0
		target.retire(copies)
		copies = slices.Clone(target.leaving)
		r.mu.Unlock()
		waitGone(copies)
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
	r.mu.Unlock()

	r.close()
	r.running.Wait()
	r.background.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.fleets {
		for _, i := range f.instances {
			if i.idle != nil {
				i.idle.Stop()
			}
		}
	}
	return nil
}

// find returns the named component of the endpoint, or nil, and whether there is
// such an endpoint.
func (r *Runtime) find(endpoint, name string) (target *component, endpointExists bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.fleets[endpoint]; f == nil || f.spec == nil {
		return nil, false
	}
	if c := r.components[name]; c != nil && c.spec != nil && c.spec.Endpoint == endpoint {
		return c, true
	}
	return nil, true
}

// componentsOn are the components on the endpoint, in the order of their names.
// The caller holds mu.
func (r *Runtime) componentsOn(endpoint string) []*component {
	var on []*component
	for _, name := range slices.Sorted(maps.Keys(r.components)) {
		if c := r.components[name]; c.spec != nil && c.spec.Endpoint == endpoint {
			on = append(on, c)
		}
	}
	return on
}
