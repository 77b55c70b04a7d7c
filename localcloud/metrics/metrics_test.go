package metrics_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
)

const namespace = "AWS/SageMaker"

var copyOf = map[string]string{"InferenceComponentName": "component"}

// inBubble runs f with a store whose clock starts at a full hour.
func inBubble(t *testing.T, f func(t *testing.T, c *clock.Clock, m *metrics.Store)) {
	synctest.Test(t, func(t *testing.T) {
		c, err := clock.New(60)
		require.NoError(t, err)
		f(t, c, metrics.New(c))
	})
}

func TestStatisticsOverPeriods(t *testing.T) {
	inBubble(t, func(t *testing.T, c *clock.Clock, m *metrics.Store) {
		start := c.Now()
		for _, value := range []float64{5, 1, 3} { // At 0:00, 0:27 and 0:54.
			m.Put(namespace, "Load", copyOf, value)
			require.NoError(t, c.Sleep(t.Context(), 27*time.Second))
		}
		require.NoError(t, c.Sleep(t.Context(), time.Minute))
		m.Put(namespace, "Load", copyOf, 7) // At 2:21.

		point := func(at time.Duration, count, sum, least, most float64) metrics.Datapoint {
			return metrics.Datapoint{Start: start.Add(at), SampleCount: count, Sum: sum, Minimum: least, Maximum: most}
		}
		for _, test := range []struct {
			period, from, to time.Duration
			want             []metrics.Datapoint
		}{
			{time.Minute, 0, 5 * time.Minute, []metrics.Datapoint{point(0, 3, 9, 1, 5), point(2*time.Minute, 1, 7, 7, 7)}},
			{time.Minute, 59 * time.Second, 2 * time.Minute, []metrics.Datapoint{point(0, 3, 9, 1, 5)}},
			{2 * time.Minute, time.Minute, 5 * time.Minute, []metrics.Datapoint{point(time.Minute, 1, 7, 7, 7)}},
			{5 * time.Minute, 0, 5 * time.Minute, []metrics.Datapoint{point(0, 4, 16, 1, 7)}},
			{10 * time.Second, 0, time.Minute, []metrics.Datapoint{
				point(0, 1, 5, 5, 5), point(20*time.Second, 1, 1, 1, 1), point(50*time.Second, 1, 3, 3, 3),
			}},
			{30 * time.Second, 0, time.Minute, []metrics.Datapoint{point(0, 2, 6, 1, 5), point(30*time.Second, 1, 3, 3, 3)}},
			{time.Minute, 3 * time.Minute, 5 * time.Minute, []metrics.Datapoint{}},
		} {
			got := m.Query(namespace, "Load", copyOf, test.period, start.Add(test.from), start.Add(test.to))
			assert.Equal(t, test.want, got, "%s from %s to %s", test.period, test.from, test.to)
		}
		assert.InDelta(t, 3, point(0, 3, 9, 1, 5).Average(), 0)
	})
}

func TestNamesNamespacesAndDimensionsTellMetricsApart(t *testing.T) {
	inBubble(t, func(t *testing.T, c *clock.Clock, m *metrics.Store) {
		start := c.Now()
		m.Put(namespace, "Load", copyOf, 1)
		both := map[string]string{"InferenceComponentName": "component", "VariantName": "AllTraffic"}
		count := func(namespace, name string, dimensions map[string]string) int {
			return len(m.Query(namespace, name, dimensions, time.Minute, start, start.Add(time.Minute)))
		}
		assert.Equal(t, 1, count(namespace, "Load", map[string]string{"InferenceComponentName": "component"}))
		assert.Zero(t, count(namespace, "Load", both))
		assert.Zero(t, count(namespace, "Load", nil))
		assert.Zero(t, count(namespace, "Other", copyOf))
		assert.Zero(t, count("AWS/ApiGateway", "Load", copyOf))
	})
}

func TestOldDatapointsGo(t *testing.T) {
	inBubble(t, func(t *testing.T, c *clock.Clock, m *metrics.Store) {
		start := c.Now()
		for range 20 * 24 * 6 {
			m.Put(namespace, "Load", copyOf, 1)
			require.NoError(t, c.Sleep(t.Context(), 10*time.Minute))
		}
		days := c.Since(start).Hours() / 24
		require.InDelta(t, 20, days, 0.01)
		kept := m.Query(namespace, "Load", copyOf, time.Minute, start, c.Now())
		assert.InDelta(t, 15*24*6, len(kept), 100, "15 days of minutes, and a few that wait to be dropped")
		kept = m.Query(namespace, "Load", copyOf, 10*time.Second, start, c.Now())
		assert.InDelta(t, 3*6, len(kept), 100, "3 hours of 10 seconds")
	})
}
