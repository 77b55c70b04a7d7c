package scaling_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

const (
	name      = "component"
	namespace = "AWS/SageMaker"
	refusals  = "NoCapacityInvocationFailures"
	load      = "ConcurrentRequestsPerCopy"
	wakeARN   = "arn:aws:autoscaling:ap-northeast-1:123456789012:scalingPolicy:wake"
	trackARN  = "arn:aws:autoscaling:ap-northeast-1:123456789012:scalingPolicy:track"
)

var resource = scaling.Component(name)

var dimensions = map[string]string{"InferenceComponentName": name}

// copies is a component whose copies take a while to come.
type copies struct {
	clock *clock.Clock

	mu      sync.Mutex
	starts  time.Duration
	desired map[string]int
	settled time.Time
	refuse  error
	// load is what every copy reports every 10 seconds, as SageMaker does.
	load *float64
}

func (c *copies) report(m *metrics.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.desired[name] > 0 {
		m.Put(namespace, load, dimensions, *c.load)
	}
}

func (c *copies) DesiredCopies(component string) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.desired[component]
	return n, ok
}

func (c *copies) SetDesiredCopies(component string, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	if n > c.desired[component] {
		c.settled = c.clock.Now().Add(c.starts)
	}
	c.desired[component] = n
	return nil
}

func (c *copies) Updating(string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.Now().Before(c.settled)
}

// world is a Scaler that runs in a bubble, from midnight on.
type world struct {
	*testing.T
	clock   *clock.Clock
	metrics *metrics.Store
	copies  *copies
	scaler  *scaling.Scaler
	start   time.Time
	ctx     context.Context
	running sync.WaitGroup
}

// inBubble runs f with a component of the given number of copies.
func inBubble(t *testing.T, copiesNow int, registered scaling.Registered, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := clock.New(60)
		require.NoError(t, err)
		w := &world{T: t, clock: c, metrics: metrics.New(c), start: c.Now()}
		w.copies = &copies{clock: c, desired: map[string]int{name: copiesNow}}
		w.scaler = scaling.New(c, w.metrics, scaling.Dimensions{scaling.CopyCount: scaling.Copies(w.copies)})
		w.scaler.Register(registered)
		var cancel context.CancelFunc
		w.ctx, cancel = context.WithCancel(t.Context())
		w.running.Go(func() { w.scaler.Run(w.ctx) })
		f(w)
		cancel()
		w.running.Wait()
	})
}

// pass lets time go by, and what is due at its end happen.
func (w *world) pass(d time.Duration) {
	w.Helper()
	require.NoError(w, w.clock.Sleep(w.Context(), d+time.Millisecond))
	synctest.Wait()
}

// until passes time up to d after the start.
func (w *world) until(d time.Duration) { w.Helper(); w.pass(d - w.clock.Since(w.start)) }

func (w *world) desired() int {
	n, _ := w.copies.DesiredCopies(name)
	return n
}

// awaits returns how long it takes until the number of copies is n, to 10 seconds; it fails after the limit.
func (w *world) awaits(n int, limit time.Duration) time.Duration {
	w.Helper()
	began := w.clock.Now()
	for w.desired() != n {
		require.Less(w, w.clock.Since(began), limit, "%d copies never came: %+v", n, w.scaler.Alarms())
		w.pass(time.Second)
	}
	return w.clock.Since(began).Round(time.Second)
}

// refuse emits what SageMaker emits for a request that finds no copy.
func (w *world) refuse() { w.metrics.Put(namespace, refusals, dimensions, 1) }

// under sets the load of every copy from now on.
func (w *world) under(perCopy float64) {
	first := w.copies.load == nil // Only under writes it.
	w.set(func(c *copies) { c.load = &perCopy })
	if first {
		w.running.Go(func() { w.clock.Every(w.ctx, 10*time.Second, func() { w.copies.report(w.metrics) }) })
	}
}

func (w *world) set(change func(c *copies)) {
	w.copies.mu.Lock()
	defer w.copies.mu.Unlock()
	change(w.copies)
}

// slowly makes copies take five minutes to come.
func (w *world) slowly() { w.set(func(c *copies) { c.starts = 5 * time.Minute }) }

func (w *world) alarm(name string) scaling.AlarmState {
	w.Helper()
	all := w.scaler.Alarms()
	i := slices.IndexFunc(all, func(a scaling.AlarmState) bool { return a.Name == name })
	require.GreaterOrEqual(w, i, 0, "the alarm %s", name)
	return all[i]
}

func target() scaling.Target { return scaling.Target{Resource: resource, Min: 0, Max: 3} }

func wakePolicy() scaling.Policy {
	return scaling.Policy{ARN: wakeARN, Name: "wake", Resource: resource, Step: &scaling.Step{
		AdjustmentType: scaling.ChangeInCapacity, Aggregation: "Maximum", Cooldown: time.Minute,
		Adjustments: []scaling.Adjustment{{Lower: new(0.0), Scaling: 1}},
	}}
}

func wakeAlarm() scaling.Alarm {
	return scaling.Alarm{
		ARN: "arn:aws:cloudwatch:alarm:wake", Name: "wake",
		Metric:            scaling.Metric{Namespace: namespace, Name: refusals, Dimensions: maps.Clone(dimensions), Statistic: "Sum", Period: time.Minute},
		EvaluationPeriods: 1, DatapointsToAlarm: 1, ComparisonOperator: scaling.GreaterThanOrEqualToThreshold, Threshold: 1,
		TreatMissingData: scaling.NotBreaching, ActionsEnabled: true, AlarmActions: []string{wakeARN},
	}
}

func trackingPolicy() scaling.Policy {
	return scaling.Policy{ARN: trackARN, Name: "track", Resource: resource, Tracking: &scaling.Tracking{
		Metric: scaling.Metric{Namespace: namespace, Name: load, Dimensions: dimensions, Statistic: "Average", Period: 10 * time.Second},
		Target: 5, ScaleInCooldown: 5 * time.Minute, ScaleOutCooldown: 5 * time.Minute, AlarmHigh: "high", AlarmLow: "low",
	}}
}

// everything is what the program registers.
func everything() scaling.Registered {
	return scaling.Registered{
		Targets: []scaling.Target{target()}, Policies: []scaling.Policy{wakePolicy(), trackingPolicy()}, Alarms: []scaling.Alarm{wakeAlarm()},
	}
}

var errRefused = errors.New("refused")
