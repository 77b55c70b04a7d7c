package cost

import (
	"iter"
	"math"
	"slices"
	"time"

	"scaletozero/components/gateway"
	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

// comesAgain is when a caller who was refused calls again: after Retry-After.
const comesAgain = gateway.RetryAfterWake * time.Second

// longest is how long a caller waits for one answer: API Gateway ends the call
// then.
const longest = gateway.IntegrationLimit * time.Millisecond

// Usage is what a design used and how it served, over a trace.
type Usage struct {
	// Requests is how many there were. Refused were not answered when they first
	// called; each of them calls again until it is answered.
	Requests, Refused int
	// Calls are all, also those that came again.
	Calls int
	// P50 and P95 are percentiles of the time from the first call of a request to
	// the begin of its answer: zero if a model was ready at once.
	P50, P95 time.Duration
	// Instances is how long instances were billed, all together.
	Instances time.Duration
	// Function is how long a function was billed in environments that started as
	// they were needed, KeptBusy in those that are kept, and Invocations how often.
	Function, KeptBusy time.Duration
	Invocations        int
	// Kept is how long environments were kept started, all together.
	Kept time.Duration
}

// simulation is one design under one trace.
type simulation struct {
	model     Model
	end       time.Time
	component map[string]string
	clock     *clock.Driven
	metrics   *metrics.Store
	fleet     *fleet
	scaler    *scaling.Scaler

	arrivals func() (time.Time, bool)
	arrival  time.Time
	// again are the requests that were refused and will come again, soonest first.
	again []comeback
	// work and sample are when the scaler and the metric of the load are due.
	work, sample time.Time
	// calm says that the scaler may work less often where nothing happens; tests
	// show that it makes no difference. copies and load are what must not change
	// and not be passed meanwhile, and stirred is when something last happened.
	calm      bool
	scheduled bool
	copies    int
	load      float64
	stirred   time.Time
	// peak is the most outstanding requests since the last sample.
	peak  int
	usage Usage
	waits waits
}

// comeback is a request that was refused: when it first came, and will come again.
type comeback struct{ first, at time.Time }

// simulate sends the trace to an endpoint: its copies are moved by the local
// cloud's scaling, with what the program registers.
func simulate(d Design, p *Program, m Model, t *Trace, calm bool) (Usage, error) {
	registered, err := d.registered(p.Scaling)
	if err != nil {
		return Usage{}, err
	}
	next, stop := iter.Pull(t.Arrivals())
	defer stop()
	driven := clock.NewDriven(t.Start)
	s := &simulation{
		model: m, end: t.End, clock: driven, metrics: metrics.New(driven), arrivals: next,
		component: map[string]string{"InferenceComponentName": registered.Targets[0].Resource.Component()},
		fleet:     &fleet{clock: driven, perInstance: p.PerInstance, minInstances: d.Min, maxInstances: p.MaxInstances, start: m.Start},
		work:      t.Start, sample: t.Start, calm: calm, scheduled: d.BusinessHours, load: math.Inf(1), stirred: t.Start,
	}
	for _, policy := range registered.Policies {
		if policy.Tracking != nil {
			s.load = min(s.load, policy.Tracking.Target/2)
		}
	}
	s.scaler = scaling.New(driven, s.metrics, scaling.Dimensions{scaling.CopyCount: scaling.Copies(s.fleet)})
	s.fleet.begin(d.Min)
	s.scaler.Register(registered)
	s.next()
	for s.step() {
	}
	s.clock.Move(t.End)
	for _, waiting := range s.again {
		s.waits.add(t.End.Sub(waiting.first)) // At least.
	}
	s.usage.Instances = s.fleet.billed(t.End)
	s.usage.P50, s.usage.P95 = s.waits.percentile(50), s.waits.percentile(95)
	return s.usage, nil
}

// next takes the next arrival from the trace; there is none after its end.
func (s *simulation) next() {
	at, more := s.arrivals()
	if !more {
		at = s.end
	}
	s.arrival = at
}

// step does what is due next, and tells whether that was before the end.
func (s *simulation) step() bool {
	at := s.arrival
	if len(s.again) > 0 && s.again[0].at.Before(at) {
		at = s.again[0].at
	}
	if !s.work.After(at) {
		at = s.work
	}
	serving := len(s.fleet.copies) > 0
	if serving && !s.sample.After(at) {
		at = s.sample
	}
	if !at.Before(s.end) {
		return false
	}
	s.clock.Move(at)
	if !serving && s.sample.Before(at) {
		// Nobody samples what is not there.
		s.sample = at.Truncate(endpoint.SamplePeriod).Add(endpoint.SamplePeriod)
	}
	switch {
	case serving && at.Equal(s.sample):
		s.put()
		s.sample = at.Add(endpoint.SamplePeriod)
	case at.Equal(s.work):
		s.scale()
	case len(s.again) > 0 && at.Equal(s.again[0].at):
		first := s.again[0].first
		s.again = s.again[1:]
		s.call(first)
	default:
		s.usage.Requests++
		s.call(at)
		s.next()
	}
	return true
}

// calmAfter is longer than the periods of every alarm that the program has.
const calmAfter = 20 * time.Minute

// scale has the scaler do what is due, which is to evaluate alarms every ten
// seconds. Where for a while no copies came or went, nobody was refused and the
// load was far below the target, every alarm stays in its state, and what matters
// are the actions that alarms repeat, a minute after the last time, and scheduled
// actions, at a full minute. This is most of the time of most traces.
func (s *simulation) scale() {
	now := s.clock.Now()
	s.work = now.Add(s.scaler.Work())
	if len(s.fleet.copies) != s.copies || s.fleet.Updating("") {
		s.copies, s.stirred = len(s.fleet.copies), now
	}
	if !s.calm || now.Sub(s.stirred) <= calmAfter {
		return
	}
	s.work = now.Add(time.Minute)
	if s.scheduled {
		s.work = now.Truncate(time.Minute).Add(time.Minute)
	}
	for _, alarm := range s.scaler.Alarms() {
		if alarm.State == scaling.InAlarm {
			repeats := now.Add(time.Minute - now.Sub(alarm.Since)%time.Minute)
			if repeats.Before(s.work) {
				s.work = repeats
			}
		}
	}
}

// stir ends the calm.
func (s *simulation) stir() {
	s.stirred = s.clock.Now()
	if soon := s.stirred.Truncate(endpoint.SamplePeriod).Add(endpoint.SamplePeriod); soon.Before(s.work) {
		s.work = soon
	}
}

// put emits the load of the copies as the local endpoint does: the most requests
// at a time since the last sample, per copy in service.
func (s *simulation) put() {
	if n := s.fleet.inService(); n > 0 {
		load := float64(s.peak) / float64(n)
		s.metrics.Put(endpoint.MetricNamespace, endpoint.MetricConcurrentRequests, s.component, load)
		if load > s.load {
			s.stir()
		}
	}
	s.peak = s.fleet.outstanding(s.model.Answer)
}

// call is one call of a request that first came at a time.
func (s *simulation) call(first time.Time) {
	now := s.clock.Now()
	s.usage.Calls++
	c := s.fleet.quickest()
	if c == nil {
		s.metrics.Put(endpoint.MetricNamespace, endpoint.MetricNoCapacity, s.component, 1)
		s.stir()
	}
	if c == nil || later(now, c.free).Sub(now)+s.model.Answer > longest {
		if first.Equal(now) {
			s.usage.Refused++
		}
		s.again = append(s.again, comeback{first, now.Add(comesAgain)})
		return
	}
	begins := later(now, c.free)
	c.free = begins.Add(s.model.Answer)
	s.peak = max(s.peak, s.fleet.outstanding(s.model.Answer))
	s.waits.add(begins.Sub(first))
}

// waits are how long requests waited; most of them did not.
type waits struct {
	none   int
	longer []time.Duration
	sorted bool
}

func (w *waits) add(d time.Duration) {
	if d == 0 {
		w.none++
		return
	}
	w.longer, w.sorted = append(w.longer, d), false
}

// percentile is the shortest wait that so many percent of all did not exceed.
func (w *waits) percentile(percent float64) time.Duration {
	if !w.sorted {
		slices.Sort(w.longer)
		w.sorted = true
	}
	rank := int(math.Ceil(percent / 100 * float64(w.none+len(w.longer))))
	if rank <= w.none {
		return 0
	}
	return w.longer[rank-w.none-1]
}
