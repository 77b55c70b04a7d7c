package endpoint_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/metrics"
)

// What sleeps, or is on its way, reports nothing; what serves reports once a minute.
func TestInstancesAndCopiesInServiceReport(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		store := metrics.New(w.clock)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.RunUtilization(ctx, store.Put) })
		defer running.Wait()
		defer cancel()
		// reported are the samples of the last five minutes.
		reported := func() (instances, copies float64) {
			end := w.clock.Now()
			start := end.Add(-5 * time.Minute)
			for _, p := range store.Query("/aws/sagemaker/Endpoints", "CPUUtilization", map[string]string{"EndpointName": "music-endpoint", "VariantName": "AllTraffic"}, time.Minute, start, end) {
				assert.LessOrEqual(t, p.SampleCount, 2.0, "one each for a minute")
				instances += p.SampleCount
			}
			for _, p := range store.Query("/aws/sagemaker/InferenceComponents", "CPUUtilizationNormalized", map[string]string{"InferenceComponentName": "music"}, time.Minute, start, end) {
				copies += p.SampleCount
			}
			return instances, copies
		}
		check := func(wantInstances, wantCopies float64, why string) {
			t.Helper()
			instances, copies := reported()
			assert.InDelta(t, wantInstances, instances, 0, why)
			assert.InDelta(t, wantCopies, copies, 0, why)
		}
		require.NoError(t, w.Apply(t.Context(), component(copies(2))))
		w.pass(6 * time.Minute)
		check(5, 10, "two copies on one instance")
		require.NoError(t, w.SetDesiredCopies("music", 0))
		w.pass(6 * time.Minute)
		check(5, 0, "the instance stays a while")
		w.pass(20 * time.Minute)
		check(0, 0, "asleep")
		require.NoError(t, w.SetDesiredCopies("music", 1))
		w.pass(2 * time.Minute)
		check(0, 0, "it is being provisioned")
	})
}
