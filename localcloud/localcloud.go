//go:build unix

// Package localcloud runs a program's AWS resources on this machine: Pulumi's engine deploys into it over the provider
// protocol, and callers reach the deployed REST API over HTTP. Both listen on loopback only.
//
// State is kept in one directory and survives restarts and crashes: whatever was deployed is started again.
package localcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/console"
	"scaletozero/localcloud/dynamodb"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/loopback"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
	"scaletozero/localcloud/sqs"
)

// HealthPath answers GET with a Health once everything runs.
const HealthPath = "/_localcloud/health"

// Options configures a Cloud.
type Options struct {
	// StateDir holds the state, the logs and the lock. It is made, with mode 0700, if it is missing.
	StateDir string
	// Addr is where the gateway listens; the default is 127.0.0.1:4510. Port 0 takes any free port.
	Addr string
	// ProviderAddr is where the provider listens; the default is 127.0.0.1:4511.
	ProviderAddr string
	// ConsoleAddr is where the console listens; the default is 127.0.0.1:4512.
	ConsoleAddr string
	// Model is the program, with its arguments, that stands in for every model container.
	Model []string
	// Adapter is the program that runs Model where a function is a container image: it is started with Model as its
	// arguments. Empty refuses such functions.
	Adapter string
	// Speed is how much faster than the wall clock AWS time runs, from 1 to 100,000; the default is
	// clock.DefaultSpeed.
	Speed float64
	// Logger takes what the local cloud has to say; the default is slog.Default().
	Logger *slog.Logger
}

// The default addresses.
const (
	DefaultAddr         = "127.0.0.1:4510"
	DefaultProviderAddr = "127.0.0.1:4511"
	DefaultConsoleAddr  = "127.0.0.1:4512"
)

// GCPercent is the GOGC for a program that is nothing but a local cloud. Little of its memory lives long, and Go's
// default of 100 would collect after every few dozen requests.
const GCPercent = 400

// Health is the answer of HealthPath.
type Health struct {
	// Status is "ok", or "degraded" if something that was deployed could not be started again and is not mended yet.
	Status string `json:"status"`
	// Problem says what could not be started.
	Problem string `json:"problem,omitempty"`
	PID     int    `json:"pid"`
	// StateDir is the state directory, as an absolute path.
	StateDir string `json:"stateDir"`
	// Origin says what the local cloud was started from.
	Origin   Origin `json:"origin"`
	URL      string `json:"url"`
	Provider string `json:"provider"`
	// Console is the console's URL.
	Console   string `json:"console"`
	Resources int    `json:"resources"`
	// Speed is how much faster than the wall clock AWS time runs.
	Speed float64 `json:"speed"`
}

// Cloud is a running local cloud.
type Cloud struct {
	lock      *Lock
	logger    *slog.Logger
	http      *http.Server
	grpc      *grpc.Server
	clock     *clock.Clock
	metrics   *metrics.Store
	faults    *faults.Faults
	runtime   *endpoint.Runtime
	scaler    *scaling.Scaler
	queues    *sqs.Service
	tables    *dynamodb.Service
	functions *lambda.Runtime
	provider  *provider.Server
	stateDir  string
	origin    Origin
	addr      string
	grpcAddr  string
	// page serves the console.
	page        *http.Server
	console     *console.Console
	consoleAddr string
	serving     sync.WaitGroup
	// background ends what runs beside the listeners.
	background context.CancelFunc
}

// Start starts a local cloud and returns once everything that was deployed before runs again. What cannot be started
// is a Health.Problem, so that it can still be updated or destroyed. When ctx ends before, so does the start; a
// started cloud runs until Close.
//
// Errors: another local cloud has the state directory (ErrRunning), a port is in use, an address is not loopback, the
// model program or the adapter does not exist, the state file cannot be read, ctx has ended.
func Start(ctx context.Context, options Options) (*Cloud, error) {
	options = options.withDefaults()
	if err := options.check(); err != nil {
		return nil, err
	}
	origin, err := options.Origin()
	if err != nil {
		return nil, err
	}
	if options.StateDir, err = filepath.Abs(options.StateDir); err != nil {
		return nil, err
	}
	logs := filepath.Join(options.StateDir, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, fmt.Errorf("the state directory cannot be made: %w", err)
	}
	lock, err := acquire(options.StateDir)
	if err != nil {
		return nil, err
	}
	c := &Cloud{lock: lock, logger: options.Logger, stateDir: options.StateDir, origin: origin}
	// From here on `localcloud stop` finds the process.
	err = lock.publish(Health{PID: os.Getpid(), StateDir: c.stateDir, Origin: origin})
	if err == nil {
		err = c.start(ctx, options, logs)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if o.ProviderAddr == "" {
		o.ProviderAddr = DefaultProviderAddr
	}
	if o.ConsoleAddr == "" {
		o.ConsoleAddr = DefaultConsoleAddr
	}
	if o.Speed == 0 {
		o.Speed = clock.DefaultSpeed
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func (o Options) check() error {
	if o.StateDir == "" {
		return errors.New("no state directory is given: set --state DIR")
	}
	if len(o.Model) == 0 || o.Model[0] == "" {
		return errors.New("no model program is given: set --model PATH to the program that stands in for the model container")
	}
	if _, err := exec.LookPath(o.Model[0]); err != nil {
		return fmt.Errorf("the model program %q cannot be run: %w: build it, or set --model to another one", o.Model[0], err)
	}
	if o.Adapter == "" {
		return nil
	}
	if _, err := exec.LookPath(o.Adapter); err != nil {
		return fmt.Errorf("the adapter program %q cannot be run: %w: build functions/adapter, or set --adapter to where it is", o.Adapter, err)
	}
	return nil
}

func (c *Cloud) start(ctx context.Context, options Options, logs string) error {
	awsTime, err := clock.New(options.Speed)
	if err != nil {
		return err
	}
	c.clock = awsTime
	store, err := provider.OpenStore(filepath.Join(options.StateDir, "state.json"))
	if err != nil {
		return err
	}
	public, err := listen(options.Addr, "--addr", "LOCALCLOUD_ADDR")
	if err != nil {
		return err
	}
	internal, err := listen(options.ProviderAddr, "--provider-addr", "LOCALCLOUD_PROVIDER_ADDR")
	if err != nil {
		return errors.Join(err, public.Close())
	}
	page, err := listen(options.ConsoleAddr, "--console-addr", "LOCALCLOUD_CONSOLE_ADDR")
	if err != nil {
		return errors.Join(err, public.Close(), internal.Close())
	}
	c.addr, c.grpcAddr, c.consoleAddr = public.Addr().String(), internal.Addr().String(), page.Addr().String()

	served, err := c.assemble(options, logs)
	if err != nil {
		return errors.Join(err, public.Close(), internal.Close(), page.Close())
	}
	c.provider = provider.New(provider.Options{
		Store: store, Runtime: c.runtime, Gateway: served, Scaler: c.scaler, Queues: c.queues, Tables: c.tables, Functions: c.functions,
		Metric: c.metrics.Put, URL: c.URL(), LogDir: logs,
	})
	problem := c.provider.Resume(ctx)
	if ctx.Err() != nil {
		return errors.Join(errors.New("interrupted before everything that was deployed ran again"), public.Close(), internal.Close(), page.Close())
	}
	if problem != nil {
		options.Logger.Error("not everything could be started again", "problem", problem)
	}
	c.http = &http.Server{Handler: c.routes(served), ReadHeaderTimeout: 10 * time.Second}
	c.grpc = provider.NewGRPCServer(c.provider)
	c.serve(func() error { return c.http.Serve(public) })
	c.serve(func() error { return c.grpc.Serve(internal) })
	background, cancel := context.WithCancel(context.Background())
	c.background = cancel
	c.serving.Go(func() { c.scaler.Run(background) })
	c.serving.Go(func() { c.console.Run(background) })
	c.serving.Go(func() { c.runtime.RunUtilization(background, c.metrics.Put) })
	c.serving.Go(func() { c.functions.Run(background) })
	c.serving.Go(func() { c.queues.Run(background) })
	c.serving.Go(func() { c.tables.Run(background) })
	c.page = &http.Server{Handler: c.console, ReadHeaderTimeout: 10 * time.Second}
	c.serve(func() error { return c.page.Serve(page) })
	return c.lock.publish(c.health())
}

func (c *Cloud) serve(serve func() error) {
	c.serving.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			c.logger.Error("a listener of the local cloud ended", "error", err)
		}
	})
}

// listen refuses every address that is not loopback: the provider has no authentication, and its state holds keys.
func listen(addr, flag, variable string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%s %q is not an address of the form 127.0.0.1:PORT", flag, addr)
	}
	if !loopback.Is(host) {
		return nil, fmt.Errorf("%s %q is not on loopback: use 127.0.0.1:%s", flag, addr, port)
	}
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		by, remedy := occupant(addr)
		return nil, fmt.Errorf("port %s of %s is in use%s: %s, or choose another port with %s 127.0.0.1:PORT (%s)",
			port, host, by, remedy, flag, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", flag, addr, err)
	}
	return listener, nil
}

func (c *Cloud) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(c.health()); err != nil {
		c.logger.Debug("a health check went away before its answer", "error", err)
	}
}

func (c *Cloud) health() Health {
	h := Health{
		Status: "ok", PID: os.Getpid(), StateDir: c.stateDir, Origin: c.origin,
		URL: c.URL(), Provider: c.grpcAddr, Console: c.ConsoleURL(), Resources: len(c.provider.Resources("")), Speed: c.clock.Speed(),
	}
	if problem := c.provider.Problem(); problem != nil {
		h.Status, h.Problem = "degraded", problem.Error()
	}
	return h
}

// URL is where the gateway serves: stages are at URL()/API/STAGE.
func (c *Cloud) URL() string { return "http://" + c.addr }

// ConsoleURL is the page that shows the cloud to people.
func (c *Cloud) ConsoleURL() string { return "http://" + c.consoleAddr }

// ProviderPort is what PULUMI_DEBUG_PROVIDERS needs: "aws:PORT,awsx:PORT".
func (c *Cloud) ProviderPort() int { return int(netip.MustParseAddrPort(c.grpcAddr).Port()) }

// Health describes the running cloud.
func (c *Cloud) Health() Health { return c.health() }

// Resources returns what is deployed, by type token; everything if token is empty.
func (c *Cloud) Resources(token string) []*provider.Resource { return c.provider.Resources(token) }

// Faults is the switchboard of what goes wrong on demand.
func (c *Cloud) Faults() *faults.Faults { return c.faults }

// Clock is AWS time.
func (c *Cloud) Clock() *clock.Clock { return c.clock }

// Endpoints describes the endpoints, with their instances and copies.
func (c *Cloud) Endpoints() []endpoint.State { return c.runtime.State() }

// Alarms describes the alarms.
func (c *Cloud) Alarms() []scaling.AlarmState { return c.scaler.Alarms() }

// Activities are the last scaling activities, oldest first.
func (c *Cloud) Activities() []scaling.Activity { return c.scaler.Activities() }

// Close ends it: changes that are under way are cancelled, queues are no longer read, invocations of functions and
// requests may finish for up to 30 seconds, every process is stopped. What was deployed stays in the state directory,
// and so do messages and items.
func (c *Cloud) Close() error {
	var failures []error
	if c.grpc != nil {
		c.grpc.Stop()
	}
	if c.page != nil {
		failures = append(failures, c.page.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if c.functions != nil {
		// Functions reach the AWS services over the listener, so they are first. What is not done by then comes back.
		if err := c.functions.Drain(ctx); err != nil {
			c.logger.Warn("functions that still ran were ended", "error", err)
		}
	}
	if c.http != nil {
		failures = append(failures, c.http.Shutdown(ctx))
	}
	if c.background != nil {
		c.background()
	}
	if c.functions != nil {
		failures = append(failures, c.functions.Close())
	}
	if c.runtime != nil {
		failures = append(failures, c.runtime.Close())
	}
	if c.provider != nil {
		failures = append(failures, c.provider.Close())
	}
	c.serving.Wait()
	if c.queues != nil {
		failures = append(failures, c.queues.Close())
	}
	if c.tables != nil {
		failures = append(failures, c.tables.Close())
	}
	return errors.Join(append(failures, c.lock.release())...)
}
