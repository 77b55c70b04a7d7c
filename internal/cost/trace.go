// Package cost says what traffic costs on each of a few designs: it sends a
// trace of requests through the local cloud's own scaling, with the target,
// policies and alarm that the program registers, on a clock that nobody waits
// for, and counts instances and refusals.
package cost

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Business hours are Tokyo's, also where no zones are installed.
)

// Month is what costs are given for: 30 days, the length of the built-in traces.
const Month = 30 * 24 * time.Hour

// zone is that of the region whose prices are known: business hours, and times
// of a trace that name no zone, are Tokyo's.
const zone = "Asia/Tokyo"

// Trace is how many requests come when.
type Trace struct {
	Name       string
	Start, End time.Time
	rates      []rate
	// seed is that of random arrivals; 0 spaces them evenly.
	seed uint64
}

// rate holds from a time until the next one.
type rate struct {
	from      time.Time
	perMinute float64
}

// BuiltIn are the names of the built-in traces.
func BuiltIn() []string { return []string{"office-hours", "spiky", "steady"} }

// seed makes every run of a built-in trace the same.
const seed = 20260601

// Bursts of the spiky trace, in a month.
const (
	bursts       = 60
	burstMinutes = 10
)

// hourly is how the requests of a working day are spread over its hours, from
// business hours' first to their last; lunch is quieter.
var hourly = [closes - opens]float64{6, 10, 11, 7, 9, 11, 10, 8, 5}

// NewTrace makes the built-in trace with a name and about so many requests: 30
// days from a Monday on, with random arrivals that are the same in each run.
//
//   - office-hours: Monday to Friday from 9 to 18, with a quieter noon
//   - spiky: 60 bursts of ten minutes at random times, and nothing between them
//   - steady: the same all the time
//
// Errors: another name.
func NewTrace(name string, requests float64) (*Trace, error) {
	start := time.Date(2026, time.June, 1, 0, 0, 0, 0, tokyo())
	weights := make([]float64, Month/time.Minute)
	switch name {
	case "office-hours":
		for minute := range weights {
			at := start.Add(time.Duration(minute) * time.Minute)
			if weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday; !weekend && at.Hour() >= opens && at.Hour() < closes {
				weights[minute] = hourly[at.Hour()-opens]
			}
		}
	case "spiky":
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // It shall be the same each time.
		for range bursts {
			first := random.IntN(len(weights) - burstMinutes)
			for minute := range burstMinutes {
				weights[first+minute]++
			}
		}
	case "steady":
		for minute := range weights {
			weights[minute] = 1
		}
	default:
		return nil, fmt.Errorf("there is no built-in trace %q: give %s, or the path of a CSV file", name, strings.Join(BuiltIn(), ", "))
	}
	t := &Trace{Name: name, Start: start, End: start.Add(Month), seed: seed}
	before := -1.0
	for minute, weight := range weights {
		if weight != before {
			t.rates = append(t.rates, rate{start.Add(time.Duration(minute) * time.Minute), weight})
		}
		before = weight
	}
	return t.Scaled(requests), nil
}

func tokyo() *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err) // The zones are embedded.
	}
	return location
}

// Requests is how many requests are to be expected in all.
func (t *Trace) Requests() float64 {
	sum := 0.0
	for i, r := range t.rates {
		sum += t.minutes(i) * r.perMinute
	}
	return sum
}

// Busiest is the highest rate, in requests per minute.
func (t *Trace) Busiest() float64 {
	highest := 0.0
	for _, r := range t.rates {
		highest = max(highest, r.perMinute)
	}
	return highest
}

// Scaled is the trace with about so many requests in all. A trace without any
// stays as it is.
func (t *Trace) Scaled(requests float64) *Trace {
	scaled := *t
	scaled.rates = slices.Clone(t.rates)
	if has := t.Requests(); has > 0 {
		for i := range scaled.rates {
			scaled.rates[i].perMinute *= requests / has
		}
	}
	return &scaled
}

// minutes is how long a rate holds.
func (t *Trace) minutes(i int) float64 {
	end := t.End
	if i+1 < len(t.rates) {
		end = t.rates[i+1].from
	}
	return end.Sub(t.rates[i].from).Minutes()
}

// Arrivals are the times of the requests: at random, so that they come
// independently of each other, or evenly spaced, the first one as soon as there
// is a rate.
func (t *Trace) Arrivals() iter.Seq[time.Time] {
	gap, due := func() float64 { return 1 }, 0.0
	if t.seed != 0 {
		random := rand.New(rand.NewPCG(t.seed, 2)) //nolint:gosec // It shall be the same each time.
		gap = random.ExpFloat64
		due = gap()
	}
	return func(yield func(time.Time) bool) {
		// The requests are where the sum of the rates reaches due.
		sum := 0.0
		for i, r := range t.rates {
			total := sum + t.minutes(i)*r.perMinute
			for ; due < total; due += gap() {
				if !yield(r.from.Add(time.Duration((due - sum) / r.perMinute * float64(time.Minute)))) {
					return
				}
			}
			sum = total
		}
	}
}
