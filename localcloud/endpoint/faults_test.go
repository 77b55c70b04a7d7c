package endpoint_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/faults"
)

func TestFaultsOfAnInvocation(t *testing.T) {
	tests := []struct {
		kind      faults.Kind
		status    []int
		errorType []string
		took      time.Duration
	}{
		{faults.Throttling, []int{429}, []string{"ThrottlingException"}, 0},
		{faults.Service5xx, []int{500, 503}, []string{"InternalFailure", "ServiceUnavailable"}, 0},
		{faults.ModelCrash, []int{424}, []string{"ModelError"}, 0},
		{faults.ModelHang, []int{424}, []string{"ModelError"}, time.Minute},
	}
	for _, test := range tests {
		t.Run(string(test.kind), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				require.NoError(t, w.Apply(t.Context(), component()))
				require.NoError(t, w.faults.Add(faults.Fault{Kind: test.kind, Component: "another"}))
				assert.Equal(t, http.StatusOK, w.invoke().Code)
				require.NoError(t, w.faults.Add(faults.Fault{Kind: test.kind, Component: "music"}))
				begun := time.Now()
				got := w.invoke()
				assert.Equal(t, test.took, time.Since(begun))
				assert.Contains(t, test.status, got.Code)
				assert.Contains(t, test.errorType, got.Header().Get("X-Amzn-ErrorType"))
				// What crashed is started again after one second.
				time.Sleep(2 * time.Second) //nolint:forbidigo // Time in a bubble is fake.
				assert.Equal(t, http.StatusOK, w.invoke().Code, "it happens once")
			})
		})
	}
}

func TestSlowStart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.SlowStart, Delay: 3 * time.Minute}))
		assert.Equal(t, 3*time.Minute, w.took(func() { require.NoError(t, w.Apply(t.Context(), component())) }).Round(10*time.Second))
	})
}

func TestNoInstancesToBeHad(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Apply(t.Context(), component(cores(4))))
		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.NoCapacity, Component: "music", For: 70 * time.Minute}))
		require.NoError(t, w.SetDesiredCopies("music", 2))
		w.pass(59 * time.Minute)
		assert.Equal(t, []string{"InService", "Provisioning"}, w.instances(), "a scale-out tries again and again")
		require.ErrorContains(t, w.Apply(t.Context(), component(cores(4), image("music:2"))), "InsufficientInstanceCapacity")
		assert.Equal(t, http.StatusOK, w.invoke().Code, "a failed update keeps the old copy")
		w.pass(13 * time.Minute)
		assert.Equal(t, []string{"InService", "InService"}, w.instances(), "and comes once there is one")

		more := musicEndpoint(func(e *endpoint.Endpoint) { e.MinInstances = 3 })
		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.NoCapacity}))
		require.ErrorContains(t, w.ApplyEndpoint(t.Context(), more), "InsufficientInstanceCapacity")
		w.pass(time.Hour)
		require.NoError(t, w.ApplyEndpoint(t.Context(), more))
		assert.Len(t, w.instances(), 3)

		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.NoCapacity}))
		other := musicEndpoint()
		other.Name = "other"
		require.ErrorContains(t, w.ApplyEndpoint(t.Context(), other), `endpoint "other": InsufficientInstanceCapacity`)
		assert.Len(t, w.State(), 1, "a failed creation leaves nothing")
		require.NoError(t, w.ApplyEndpoint(t.Context(), other))
	})
}

func TestKill(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.Error(t, w.faults.Add(faults.Fault{Kind: faults.Kill}), "nothing runs yet")
		require.NoError(t, w.Apply(t.Context(), component(copies(3))))
		require.Error(t, w.faults.Add(faults.Fault{Kind: faults.Kill, Component: "another"}))
		require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.Kill, Component: "music", Count: 2}))
		synctest.Wait()
		assert.Len(t, w.launcher.Running(), 1)
		time.Sleep(2 * time.Second) //nolint:forbidigo // Time in a bubble is fake.
		synctest.Wait()
		assert.Len(t, w.launcher.Running(), 3)
	})
}
