package scaling

import (
	"math"
	"slices"
	"time"

	"scaletozero/localcloud/metrics"
)

// Values are those of n periods from start on, oldest first; NaN is a missing
// datapoint. Start is as exact as the period: to the minute, or to 10 seconds.
func (m Metric) Values(store *metrics.Store, n int, start time.Time) []float64 {
	values := slices.Repeat([]float64{math.NaN()}, n)
	end := start.Add(time.Duration(n) * m.Period)
	if percent, isPercentile := ParsePercentile(m.Statistic); isPercentile {
		for _, point := range store.QueryPercentile(percent, m.Namespace, m.Name, m.Dimensions, m.Period, start, end) {
			values[point.Start.Sub(start)/m.Period] = point.Value
		}
		return values
	}
	for _, point := range store.Query(m.Namespace, m.Name, m.Dimensions, m.Period, start, end) {
		values[point.Start.Sub(start)/m.Period] = statistic(point, m.Statistic)
	}
	return values
}

// Values are those of the watched query, as Metric.Values has them.
func (m *Math) Values(store *metrics.Store, n int, start time.Time) []float64 {
	series := map[string][]float64{}
	for id, metric := range m.Metrics {
		series[id] = metric.Values(store, n, start)
	}
	values := make([]float64, n)
	for i := range values {
		now := map[string]float64{}
		for id := range series {
			now[id] = series[id][i]
		}
		values[i] = m.watched.at(now)
	}
	return values
}
