// Package scaling does what CloudWatch's alarms and Application Auto Scaling do
// to what has a capacity: the copies of inference components, the environments
// that functions keep. It is driven by what a program registered and by nothing
// else: an alarm that compares wrongly wakes nobody, and without a step policy no
// inference component ever leaves zero.
//
// Where AWS publishes no rule, the comment at the code says what was chosen.
package scaling

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"scaletozero/localcloud/metrics"
)

// Clock tells AWS time, and how long it takes on the wall: a clock.Clock, or a
// clock.Driven.
type Clock interface {
	Now() time.Time
	Wall(d time.Duration) time.Duration
}

// Activity is one change of a capacity, as DescribeScalingActivities shows it.
type Activity struct {
	Resource Resource
	// Start is when it began. End is zero until the capacity is there.
	Start, End time.Time
	From, To   int
	// Description says what was done, Cause why.
	Description, Cause string
	// Problem is why it failed; empty if it did not.
	Problem string
}

// keptActivities bounds what Activities returns.
const keptActivities = 200

// Scaler evaluates alarms, policies and schedules. It is safe for concurrent
// use.
type Scaler struct {
	clock      Clock
	metrics    *metrics.Store
	dimensions Dimensions
	// registered wakes Run.
	registered chan struct{}

	mu         sync.Mutex
	targets    []*target
	policies   []*policy
	alarms     []*alarm
	composites []*composite
	schedules  []*schedule
	activities []*activity
}

// target is a Target, whose bounds scheduled actions may have changed since.
type target struct {
	registered Target
	min, max   int
	// moved is why the bounds moved; empty once the capacity is within them.
	moved string
}

// activity is an Activity and the record in its policy that ends with it.
type activity struct {
	Activity
	change *change
}

// New makes a Scaler for which nothing is registered yet. Run it, or call Work
// where time is driven.
func New(c Clock, m *metrics.Store, d Dimensions) *Scaler {
	return &Scaler{clock: c, metrics: m, dimensions: d, registered: make(chan struct{}, 1)}
}

// Register puts r in the place of what was registered. What did not change keeps
// its state; an alarm that did change keeps it too, as PutMetricAlarm has it.
func (s *Scaler) Register(r Registered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.registerTargets(r.Targets)
	s.registerPolicies(r.Policies)
	s.registerAlarms(r.Alarms, now)
	s.registerComposites(r.Composites, now)
	s.registerSchedules(r.Schedules, now)
	select {
	case s.registered <- struct{}{}:
	default: // Run is about to look anyway.
	}
}

func (s *Scaler) registerTargets(definitions []Target) {
	old := s.targets
	s.targets = nil
	for _, definition := range definitions {
		at := slices.IndexFunc(old, func(t *target) bool { return t.registered.Resource == definition.Resource })
		if at >= 0 && old[at].registered == definition {
			s.targets = append(s.targets, old[at])
			continue
		}
		s.targets = append(s.targets, &target{
			registered: definition, min: definition.Min, max: definition.Max, moved: "the scalable target was registered",
		})
	}
}

func (s *Scaler) registerPolicies(definitions []Policy) {
	old := s.policies
	s.policies = nil
	for _, definition := range definitions {
		next := &policy{Policy: definition}
		if at := slices.IndexFunc(old, func(p *policy) bool { return p.ARN == definition.ARN }); at >= 0 {
			// An activity that is under way refers to the record of its policy.
			next = old[at]
			next.Policy = definition
		}
		s.policies = append(s.policies, next)
	}
}

func (s *Scaler) registerAlarms(definitions []Alarm, now time.Time) {
	old := s.alarms
	s.alarms = nil
	for _, definition := range definitions {
		s.alarms = append(s.alarms, keepAlarm(old, newAlarm(definition, now)))
	}
	for _, p := range s.policies {
		p.high, p.low = nil, nil
		if p.Tracking != nil {
			p.high = keepAlarm(old, p.newAlarm(true, now))
			p.low = keepAlarm(old, p.newAlarm(false, now))
			s.alarms = append(s.alarms, p.high, p.low)
		}
	}
}

// keepAlarm returns the old alarm where next is the same, and otherwise next, in
// the state of its predecessor.
func keepAlarm(old []*alarm, next *alarm) *alarm {
	at := slices.IndexFunc(old, func(a *alarm) bool { return a.Name == next.Name && a.ARN == next.ARN })
	if at < 0 {
		return next
	}
	if reflect.DeepEqual(old[at].Alarm, next.Alarm) {
		return old[at]
	}
	if next.NotEvaluated == "" {
		next.state, next.reason, next.since, next.acted = old[at].state, old[at].reason, old[at].since, old[at].acted
	}
	return next
}

func (s *Scaler) registerSchedules(definitions []ScheduledAction, now time.Time) {
	old := s.schedules
	s.schedules = nil
	for _, definition := range definitions {
		at := slices.IndexFunc(old, func(o *schedule) bool { return reflect.DeepEqual(o.ScheduledAction, definition) })
		if at >= 0 {
			s.schedules = append(s.schedules, old[at])
			continue
		}
		s.schedules = append(s.schedules, newSchedule(definition, now))
	}
}

// Run evaluates until the context ends. It sleeps from one event to the next.
func (s *Scaler) Run(ctx context.Context) {
	for {
		timer := time.NewTimer(s.clock.Wall(s.Work()) + 1)
		select {
		case <-timer.C:
		case <-s.registered:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// idle is how long Run sleeps where nothing is due.
const idle = time.Hour

// Work does all that is due and returns how long it is until something else is,
// in AWS time, an hour at most. Run calls it; who drives the clock calls it
// instead of Run.
func (s *Scaler) Work() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.finish(now)
	wait := idle
	for _, due := range s.schedules {
		s.runSchedule(due, now)
		if !due.next.IsZero() {
			wait = min(wait, due.next.Sub(now))
		}
	}
	for _, t := range s.targets {
		if t.moved != "" {
			s.keepWithin(t, now)
		}
		if t.moved != "" {
			wait = min(wait, retryBounds)
		}
	}
	for _, a := range s.alarms {
		s.runAlarm(a, now)
		wait = min(wait, a.next.Sub(now))
	}
	s.runComposites(now)
	return wait
}

// retryBounds is how soon a target that could not be brought within its bounds,
// because its copies are just changing, is looked at again.
const retryBounds = 10 * time.Second

// finish ends the activities whose capacity is there, or will not be.
func (s *Scaler) finish(now time.Time) {
	for _, a := range s.activities {
		if !a.End.IsZero() {
			continue
		}
		settled, failure := s.dimensions[a.Resource.Dimension].Settled(a.Resource.ID)
		if !settled {
			continue
		}
		a.End = now
		if failure != nil {
			a.Problem = failure.Error()
		}
		if a.change != nil {
			a.change.ended, a.change.open = now, false
		}
	}
}

// runAlarm evaluates the alarm if it is time. What was missed, because the
// computer was busy or slept, is not made up for.
func (s *Scaler) runAlarm(a *alarm, now time.Time) {
	if now.Before(a.next) {
		return
	}
	at := now.Truncate(a.step())
	a.next = at.Add(a.step())
	if !a.evaluate(s.metrics, at) {
		return
	}
	for _, arn := range a.actions() {
		if i := slices.IndexFunc(s.policies, func(p *policy) bool { return p.ARN == arn }); i >= 0 {
			s.run(s.policies[i], a, now)
		}
	}
}

// run does what the policy says now that the alarm is in its state.
func (s *Scaler) run(p *policy, a *alarm, now time.Time) {
	current, ok := s.capacity(p.Resource)
	t := s.target(p.Resource)
	if !ok || t == nil || s.unsettled(p.Resource) {
		return
	}
	inCooldown, outCooldown := p.cooldowns()
	base := current
	if p.out.cooling(now, outCooldown) {
		// What the last change added counts as part of this one (API reference,
		// StepScalingPolicyConfiguration, Cooldown).
		base = p.out.from
	}
	wanted, ok := p.propose(a, base)
	if !ok {
		return
	}
	wanted = min(max(wanted, t.min), t.max)
	cause := fmt.Sprintf("monitor alarm %s in state %s triggered policy %s", a.Name, a.state, p.Name)
	switch {
	case wanted > current && a != p.low && !t.registered.ScaleOutSuspended:
		p.out = change{from: base, open: true}
		s.scale(p.Resource, current, wanted, cause, &p.out, now)
	case wanted < current && base == current && a != p.high && !t.registered.ScaleInSuspended &&
		!p.in.cooling(now, inCooldown):
		wanted = max(wanted, s.leastTracked(p, current, now))
		if wanted < current {
			p.in = change{from: current, open: true}
			s.scale(p.Resource, current, wanted, cause, &p.in, now)
		}
	}
}

// leastTracked is the least capacity that p, if it tracks a target, may scale in
// to; current forbids it. Target tracking scales in only when every
// tracking policy of the target is ready to, and then to the largest of their
// capacities (user guide, "How target tracking scaling for Application Auto
// Scaling works"). And it waits until the periods of the low alarm lie behind
// the last scale-out: AWS says that it does not scale in where it anticipates
// flapping (API reference, NotScaledReason), but not how it knows.
func (s *Scaler) leastTracked(p *policy, current int, now time.Time) int {
	if p.Tracking == nil {
		return 0
	}
	if p.Tracking.DisableScaleIn {
		return current
	}
	least := 0
	for _, other := range s.policies {
		switch {
		case other.Resource != p.Resource:
		case other.out.cooling(now, lowLasts):
			return current
		case other.Tracking == nil || other.Tracking.DisableScaleIn:
		case other.low.state != InAlarm || len(other.low.datapoints) == 0:
			return current
		default:
			least = max(least, other.track(other.low, current))
		}
	}
	return least
}

func (s *Scaler) target(r Resource) *target {
	if i := slices.IndexFunc(s.targets, func(t *target) bool { return t.registered.Resource == r }); i >= 0 {
		return s.targets[i]
	}
	return nil
}

// keepWithin scales a target whose bounds moved, if it has to be.
func (s *Scaler) keepWithin(t *target, now time.Time) {
	resource := t.registered.Resource
	current, ok := s.capacity(resource)
	if !ok || s.unsettled(resource) {
		return
	}
	switch {
	case current < t.min:
		s.scale(resource, current, t.min, fmt.Sprintf("minimum capacity was set to %d: %s", t.min, t.moved), nil, now)
	case current > t.max:
		s.scale(resource, current, t.max, fmt.Sprintf("maximum capacity was set to %d: %s", t.max, t.moved), nil, now)
	}
	t.moved = ""
}

func (s *Scaler) scale(r Resource, from, to int, cause string, record *change, now time.Time) {
	done := &activity{change: record, Activity: Activity{
		Resource: r, Start: now, From: from, To: to, Cause: cause, Description: s.dimensions[r.Dimension].Setting(to),
	}}
	if err := s.dimensions[r.Dimension].SetCapacity(r.ID, to); err != nil {
		done.Problem, done.End = err.Error(), now
		if record != nil {
			*record = change{}
		}
	}
	s.activities = append(s.activities, done)
	if extra := len(s.activities) - keptActivities; extra > 0 {
		s.activities = slices.Delete(s.activities, 0, extra)
	}
}

// Alarms returns the alarms as they are: the registered ones, those of target
// tracking, and the composite ones.
func (s *Scaler) Alarms() []AlarmState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make([]AlarmState, 0, len(s.alarms)+len(s.composites))
	for _, a := range s.alarms {
		states = append(states, a.describe())
	}
	for _, c := range s.composites {
		states = append(states, c.AlarmState)
	}
	return states
}

// Activities returns the last 200 activities, oldest first.
func (s *Scaler) Activities() []Activity {
	s.mu.Lock()
	defer s.mu.Unlock()
	activities := make([]Activity, len(s.activities))
	for i, a := range s.activities {
		activities[i] = a.Activity
	}
	return activities
}
