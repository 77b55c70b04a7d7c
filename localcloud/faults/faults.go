// Package faults is the switchboard of the local cloud's faults: what goes wrong
// on demand, for whom, and how often. Whoever could fail asks it.
package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"scaletozero/localcloud/clock"
)

// Kind is what goes wrong.
type Kind string

// The kinds. Each counts as having happened once per event named here.
const (
	// ModelCrash ends a copy's process when an invocation reaches it.
	ModelCrash Kind = "model-crash"
	// ModelHang leaves an invocation without an answer until the time limit.
	ModelHang Kind = "model-hang"
	// SlowStart makes the start of a copy take Delay longer.
	SlowStart Kind = "slow-start"
	// Service5xx has InvokeEndpoint answer 500 or 503, by chance.
	Service5xx Kind = "service-5xx"
	// Throttling has InvokeEndpoint answer 429 ThrottlingException.
	Throttling Kind = "throttling"
	// NoCapacity makes the provisioning of an instance fail, for lack of
	// instances of the type; it is tried again.
	NoCapacity Kind = "no-capacity"
	// Kill ends the process of a copy at once.
	Kill Kind = "kill"
	// QueueDuplicate delivers a message of a queue twice: SQS does so at times.
	QueueDuplicate Kind = "queue-duplicate"
	// FunctionCrash ends a function's process when an invocation has reached it.
	FunctionCrash Kind = "function-crash"
	// FunctionThrottling has a function's invocation refused with 429
	// TooManyRequestsException.
	FunctionThrottling Kind = "function-throttling"
)

// Kinds are all of them.
var Kinds = []Kind{ModelCrash, ModelHang, SlowStart, Service5xx, Throttling, NoCapacity, Kill, QueueDuplicate, FunctionCrash, FunctionThrottling}

// defaultDelay is how much a slow start is slower.
const defaultDelay = 5 * time.Minute

// Fault says what goes wrong. All durations are AWS time.
type Fault struct {
	Kind Kind `json:"kind"`
	// Component is the inference component that it happens to, or the name of the
	// queue for QueueDuplicate, or of the function for FunctionCrash and
	// FunctionThrottling; every one if empty.
	Component string `json:"component,omitempty"`
	// Count is how many times it happens; with neither Count nor For, once.
	Count int `json:"count,omitempty"`
	// For is how long it goes on; with a Count too, whichever ends first.
	For time.Duration `json:"for,omitempty"`
	// Probability is the chance that it happens, each time it could; 0 stands for 1.
	Probability float64 `json:"probability,omitempty"`
	// Delay is how much longer a start takes: SlowStart only; the default is 5 minutes.
	Delay time.Duration `json:"delay,omitempty"`
}

// String says what is on and, as Faults.List returns it, for how much longer.
func (f Fault) String() string {
	text := string(f.Kind)
	if f.Kind == SlowStart {
		text += fmt.Sprintf(" of %s more", f.Delay)
	}
	if f.Component != "" {
		text += " for component " + f.Component
	}
	if f.Probability < 1 {
		text += fmt.Sprintf(" with probability %g", f.Probability)
	}
	var limits []string
	switch {
	case f.Count == 1:
		limits = append(limits, "once more")
	case f.Count > 1:
		limits = append(limits, fmt.Sprintf("%d more times", f.Count))
	}
	if f.For > 0 {
		limits = append(limits, fmt.Sprintf("for %s more", f.For.Round(time.Second)))
	}
	return text + ": " + strings.Join(limits, ", ")
}

func (f Fault) check() error {
	var problems []error
	if !slices.Contains(Kinds, f.Kind) {
		problems = append(problems, fmt.Errorf("%q is not a kind of fault: use one of %s", f.Kind, kindNames()))
	}
	if f.Count < 0 || f.For < 0 || f.Delay < 0 {
		problems = append(problems, errors.New("count, duration and delay must not be negative"))
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		problems = append(problems, fmt.Errorf("the probability is %g: it must be from 0 to 1", f.Probability))
	}
	if f.Delay > 0 && f.Kind != SlowStart {
		problems = append(problems, fmt.Errorf("%s has no delay: only %s has one", f.Kind, SlowStart))
	}
	if f.Kind == Kill && (f.For > 0 || f.Probability > 0) {
		problems = append(problems, errors.New("kill happens at once: give it a count, but neither a duration nor a probability"))
	}
	return errors.Join(problems...)
}

func kindNames() string {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// Faults holds the faults that are on. It is safe for concurrent use.
type Faults struct {
	clock *clock.Clock

	mu     sync.Mutex
	random *rand.Rand
	on     []*active
	kill   func(component string, count int) int
}

// active is a fault that is on.
type active struct {
	Fault
	// until is zero where the fault has no duration.
	until time.Time
}

// New makes a switchboard with nothing on. The same seed gives the same chances.
func New(c *clock.Clock, seed uint64) *Faults {
	return &Faults{clock: c, random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // Chance for tests, which a seed must repeat.
}

// OnKill says who kills the processes of copies: kill ends count processes of a
// component, or of any if its name is empty, and returns how many there were.
func (f *Faults) OnKill(kill func(component string, count int) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kill = kill
}

// Add switches a fault on, beside those that are on. A Kill happens before Add
// returns. The error says what about the fault is wrong.
func (f *Faults) Add(fault Fault) error {
	if err := fault.check(); err != nil {
		return err
	}
	if fault.Count == 0 && fault.For == 0 {
		fault.Count = 1
	}
	if fault.Kind == Kill {
		return f.killNow(fault)
	}
	if fault.Probability == 0 {
		fault.Probability = 1
	}
	if fault.Kind == SlowStart && fault.Delay == 0 {
		fault.Delay = defaultDelay
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &active{Fault: fault}
	if fault.For > 0 {
		a.until = f.clock.Now().Add(fault.For)
	}
	f.on = append(f.on, a)
	return nil
}

func (f *Faults) killNow(fault Fault) error {
	f.mu.Lock()
	kill := f.kill
	f.mu.Unlock()
	if kill == nil || kill(fault.Component, fault.Count) == 0 {
		return errors.New("kill: no copy has a process: there is nothing to kill")
	}
	return nil
}

// Happens tells whether the kind of fault happens to the component now, and
// counts it if so. A nil switchboard has nothing on.
func (f *Faults) Happens(kind Kind, component string) bool {
	return f.happens(kind, component) != nil
}

// SlowStart is how much longer the component's copy takes to start.
func (f *Faults) SlowStart(component string) time.Duration {
	if hit := f.happens(SlowStart, component); hit != nil {
		return hit.Delay
	}
	return 0
}

// ServiceStatus is the 5xx status that InvokeEndpoint answers with, or 0.
func (f *Faults) ServiceStatus(component string) int {
	if f.happens(Service5xx, component) == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return []int{500, 503}[f.random.IntN(2)]
}

// happens returns the first fault of the kind that happens to the component.
func (f *Faults) happens(kind Kind, component string) *active {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	for i, a := range f.on {
		if a.Kind != kind || (a.Component != "" && a.Component != component) || f.random.Float64() >= a.Probability {
			continue
		}
		if a.Count > 0 {
			if a.Count--; a.Count == 0 {
				f.on = slices.Delete(f.on, i, i+1)
			}
		}
		return a
	}
	return nil
}

// expire removes what is over.
func (f *Faults) expire() {
	if len(f.on) == 0 {
		return
	}
	now := f.clock.Now()
	f.on = slices.DeleteFunc(f.on, func(a *active) bool { return !a.until.IsZero() && !now.Before(a.until) })
}

// List returns what is on, oldest first; Count and For are what is left of them.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	list := make([]Fault, len(f.on))
	for i, a := range f.on {
		list[i] = a.Fault
		if !a.until.IsZero() {
			list[i].For = a.until.Sub(f.clock.Now())
		}
	}
	return list
}

// Clear switches everything off.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = nil
}
