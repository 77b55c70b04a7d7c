// Package metrics is the local cloud's CloudWatch: it takes samples and gives
// statistics over periods of AWS time.
//
// It keeps what CloudWatch keeps at its finest ("CloudWatch concepts",
// Metrics retention): 10-second statistics for 3 hours, for periods that are no
// whole minutes, and 1-minute statistics for 15 days, for all others. What
// percentiles are made of, which is much more, it keeps for a day.
package metrics

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Clock tells AWS time: a clock.Clock, or a clock.Driven.
type Clock interface{ Now() time.Time }

// Datapoint is the statistics of the samples in one period. A period without a
// sample has no datapoint.
type Datapoint struct {
	Start                              time.Time
	SampleCount, Sum, Minimum, Maximum float64
}

// Average is Sum over SampleCount.
func (d Datapoint) Average() float64 { return d.Sum / d.SampleCount }

func (d *Datapoint) add(other Datapoint) {
	if d.SampleCount == 0 {
		d.Minimum, d.Maximum = other.Minimum, other.Maximum
	}
	d.SampleCount += other.SampleCount
	d.Sum += other.Sum
	d.Minimum = min(d.Minimum, other.Minimum)
	d.Maximum = max(d.Maximum, other.Maximum)
}

// The two resolutions that are kept, for how long, and for how long with the
// values of samples.
const (
	fine          = 10 * time.Second
	fineLasts     = 3 * time.Hour
	minute        = time.Minute
	minutesLast   = 15 * 24 * time.Hour
	valuesLast    = 24 * time.Hour
	trimmingSlack = 64
)

// Store keeps the metrics of one account in one Region. It is safe for
// concurrent use.
type Store struct {
	clock Clock

	mu     sync.Mutex
	series map[string]*series
}

// series are the datapoints of one metric with one set of dimensions, oldest
// first.
type series struct{ fine, minutes []stored }

// stored is a Datapoint with what percentiles need, for as long as that lasts.
type stored struct {
	Datapoint
	values []counted
}

// New makes an empty Store that stamps samples with the clock's time.
func New(c Clock) *Store {
	return &Store{clock: c, series: map[string]*series{}}
}

// Put adds one sample now. As in CloudWatch, the same name with other
// dimensions is another metric.
func (s *Store) Put(namespace, name string, dimensions map[string]string, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	key := seriesKey(make([]byte, 0, 256), namespace, name, dimensions)
	kept := s.series[string(key)]
	if kept == nil {
		s.forget(now)
		kept = &series{}
		s.series[string(key)] = kept
	}
	kept.fine = put(kept.fine, now, fine, fineLasts, value)
	kept.minutes = put(kept.minutes, now, minute, minutesLast, value)
}

// forget drops the metrics that nothing was put into for as long as they last,
// so that resources which come and go leave nothing behind.
func (s *Store) forget(now time.Time) {
	maps.DeleteFunc(s.series, func(_ string, kept *series) bool {
		return now.Sub(kept.minutes[len(kept.minutes)-1].Start) > minutesLast
	})
}

func put(points []stored, now time.Time, resolution, lasts time.Duration, value float64) []stored {
	start := now.Truncate(resolution)
	if last := len(points) - 1; last < 0 || points[last].Start.Before(start) {
		// Trimming some at a time, as a period begins, keeps putting cheap.
		if old := from(points, now.Add(-lasts)); old > trimmingSlack {
			points = slices.Delete(points, 0, old)
		}
		for i := from(points, now.Add(-valuesLast)) - 1; i >= 0 && points[i].values != nil; i-- {
			points[i].values = nil
		}
		points = append(points, stored{Datapoint: Datapoint{Start: start}})
	}
	last := &points[len(points)-1]
	last.add(Datapoint{SampleCount: 1, Sum: value, Minimum: value, Maximum: value})
	last.values = count(last.values, value)
	return points
}

// from is the index of the first point at or after t.
func from(points []stored, t time.Time) int {
	i, _ := slices.BinarySearchFunc(points, t, func(d stored, t time.Time) int { return d.Start.Compare(t) })
	return i
}

// Query returns the datapoints of the periods that start at or after start and
// before end, oldest first. The first period begins at start, rounded down to a
// whole minute or, where the period is no whole minutes, to 10 seconds; that is
// also how alarms slide periods longer than a minute. Periods are multiples of
// 10 seconds. The last one may be under way.
func (s *Store) Query(namespace, name string, dimensions map[string]string, period time.Duration, start, end time.Time) []Datapoint {
	found := make([]Datapoint, 0, max(int(end.Sub(start)/period), 0)+1)
	s.over(namespace, name, dimensions, period, start, end, func(at time.Time, point stored) {
		if last := len(found) - 1; last < 0 || found[last].Start != at {
			found = append(found, Datapoint{Start: at})
		}
		found[len(found)-1].add(point.Datapoint)
	})
	return found
}

// over visits the datapoints that are kept for the periods of Query, oldest
// first, each with the start of its period.
func (s *Store) over(namespace, name string, dimensions map[string]string, period time.Duration, start, end time.Time, visit func(at time.Time, point stored)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.series[string(seriesKey(nil, namespace, name, dimensions))]
	if kept == nil {
		return
	}
	points, resolution := kept.fine, fine
	if period%minute == 0 {
		points, resolution = kept.minutes, minute
	}
	start = start.Truncate(resolution)
	for _, point := range points[from(points, start):] {
		at := start.Add(point.Start.Sub(start) / period * period) //nolint:durationcheck // The division makes it a number.
		if !at.Before(end) {
			return
		}
		visit(at, point)
	}
}

// seriesKey appends the name of a series to key: all that tells it from others,
// joined with a character that no name may hold. A request makes a dozen of them,
// hence no allocations.
func seriesKey(key []byte, namespace, name string, dimensions map[string]string) []byte {
	names := make([]string, 0, 4)
	for name := range dimensions {
		names = append(names, name)
	}
	slices.Sort(names)
	key = append(append(append(key, namespace...), 0), name...)
	for _, name := range names {
		key = append(append(key, 0), name...)
		key = append(append(key, 0), dimensions[name]...)
	}
	return key
}
