package metrics

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// counted is a value and how often it came. Latencies are whole milliseconds, so
// a minute has few different ones.
type counted struct {
	value float64
	times int
}

// count adds a value to those of a datapoint, which are in order.
func count(values []counted, value float64) []counted {
	at, found := slices.BinarySearchFunc(values, value, func(c counted, value float64) int { return cmp.Compare(c.value, value) })
	if !found {
		values = slices.Insert(values, at, counted{value: value})
	}
	values[at].times++
	return values
}

// Percentile is a percentile of the samples in the period that begins at Start.
type Percentile struct {
	Start time.Time
	Value float64
}

// QueryPercentile returns a percentile, from 0 to 100, of the samples in the same
// periods as Query, oldest first. It is the least sample that is not below that
// share of all samples (nearest rank). CloudWatch does not publish how it comes
// by its own, which may lie between two samples. A period with samples that are
// more than a day older than the newest one has none.
func (s *Store) QueryPercentile(percent float64, namespace, name string, dimensions map[string]string, period time.Duration, start, end time.Time) []Percentile {
	found, values := []Percentile{}, [][]counted{}
	var gone time.Time
	s.over(namespace, name, dimensions, period, start, end, func(at time.Time, point stored) {
		if point.values == nil {
			gone = at
		}
		if gone.Equal(at) {
			return
		}
		if last := len(found) - 1; last < 0 || found[last].Start != at {
			found, values = append(found, Percentile{Start: at}), append(values, nil)
		}
		values[len(values)-1] = append(values[len(values)-1], point.values...)
	})
	for i := range found {
		found[i].Value = nearestRank(values[i], percent)
	}
	return found
}

// nearestRank puts the values, of which there is one at least, in order.
func nearestRank(values []counted, percent float64) float64 {
	slices.SortFunc(values, func(a, b counted) int { return cmp.Compare(a.value, b.value) })
	total := 0
	for _, c := range values {
		total += c.times
	}
	rank := max(1, int(math.Ceil(float64(total)*percent/100)))
	for _, c := range values {
		if rank -= c.times; rank <= 0 {
			return c.value
		}
	}
	return values[len(values)-1].value
}
