package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
)

func TestPercentiles(t *testing.T) {
	inBubble(t, func(t *testing.T, c *clock.Clock, m *metrics.Store) {
		start := c.Now()
		// 1 to 100 in the first minute, in no order; 1000 in the second.
		for i := range 100 {
			m.Put(namespace, "Latency", copyOf, float64(i*37%100+1))
		}
		require.NoError(t, c.Sleep(t.Context(), time.Minute))
		m.Put(namespace, "Latency", copyOf, 1000)

		for _, test := range []struct {
			percent float64
			period  time.Duration
			want    []float64
		}{
			{0, time.Minute, []float64{1, 1000}},
			{1, time.Minute, []float64{1, 1000}},
			{50, time.Minute, []float64{50, 1000}},
			{94.1, time.Minute, []float64{95, 1000}},
			{95, time.Minute, []float64{95, 1000}},
			{100, time.Minute, []float64{100, 1000}},
			// The two minutes as one: 101 samples, of which the 96th is the first not below 95 %.
			{95, 5 * time.Minute, []float64{96}},
			{100, 5 * time.Minute, []float64{1000}},
		} {
			var got []float64
			for _, p := range m.QueryPercentile(test.percent, namespace, "Latency", copyOf, test.period, start, start.Add(5*time.Minute)) {
				got = append(got, p.Value)
			}
			assert.Equal(t, test.want, got, "p%g over %s", test.percent, test.period)
		}
		again := m.QueryPercentile(95, namespace, "Latency", copyOf, time.Minute, start, start.Add(time.Minute))
		assert.Equal(t, []metrics.Percentile{{Start: start, Value: 95}}, again, "asking changes nothing that is kept")
		assert.Empty(t, m.QueryPercentile(95, namespace, "Other", copyOf, time.Minute, start, start.Add(time.Minute)))
	})
}

func TestPercentilesOfADay(t *testing.T) {
	inBubble(t, func(t *testing.T, c *clock.Clock, m *metrics.Store) {
		start := c.Now()
		for range 36 {
			m.Put(namespace, "Latency", copyOf, 7)
			require.NoError(t, c.Sleep(t.Context(), time.Hour))
		}
		first := func(period time.Duration) time.Duration {
			found := m.QueryPercentile(95, namespace, "Latency", copyOf, period, start, c.Now())
			require.NotEmpty(t, found)
			for _, p := range found {
				assert.InDelta(t, 7, p.Value, 0)
			}
			return found[0].Start.Sub(start)
		}
		// The newest sample is of the 35th hour.
		assert.Equal(t, 11*time.Hour, first(time.Hour))
		assert.Equal(t, 12*time.Hour, first(6*time.Hour), "half a period would be another percentile")
		assert.Len(t, m.Query(namespace, "Latency", copyOf, time.Hour, start, c.Now()), 36, "all else stays")
	})
}
