package endpoint_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/faults"
)

// documented are the statuses of InvokeEndpoint that a request may get.
var documented = []int{http.StatusOK, http.StatusBadRequest, http.StatusFailedDependency, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}

// Whatever happens in whatever order, an instance never holds more than fits, an
// endpoint never has more instances than it may, and in the end there are as
// many copies as are desired.
func TestAStorm(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				storm(t, w, rand.New(rand.NewPCG(seed, 0)))
			}, atMost(3))
		})
	}
}

func storm(t *testing.T, w *world, random *rand.Rand) {
	w.launcher.StartTime = 2 * time.Second
	require.NoError(t, w.Apply(t.Context(), component(cores(2))))
	var calls sync.WaitGroup
	for range 60 {
		switch random.IntN(6) {
		case 0:
			// Refused while the component is updated.
			_ = w.SetDesiredCopies("music", random.IntN(7))
		case 1:
			kind := faults.Kinds[random.IntN(len(faults.Kinds))]
			// There may be nothing to kill.
			_ = w.faults.Add(faults.Fault{Kind: kind, Count: 1 + random.IntN(3)})
		case 2:
			update := component(cores(2), image(fmt.Sprintf("music:%d", random.IntN(3))), copies(1+random.IntN(2)))
			calls.Go(func() {
				// It may fail for lack of room or instances.
				_ = w.Apply(t.Context(), update)
			})
		case 3:
			change := musicEndpoint(atMost(3), instanceType([]string{"ml.m5.xlarge", "ml.m5.2xlarge"}[random.IntN(2)]))
			calls.Go(func() {
				// So may this.
				_ = w.ApplyEndpoint(t.Context(), change)
			})
		default:
			calls.Go(func() { assert.Contains(t, documented, w.invoke().Code) })
		}
		w.pass(time.Duration(random.IntN(300)) * time.Second)
		checkInvariants(t, w)
	}
	calls.Wait()
	w.faults.Clear()
	require.NoError(t, w.SetDesiredCopies("music", 2))
	w.pass(3 * time.Hour)
	checkInvariants(t, w)
	assert.False(t, w.Updating("music"))
	require.Len(t, w.copies(), 2)
	for _, copy := range w.State()[0].Components[0].Copies {
		assert.Equal(t, endpoint.CopyInService, copy.State)
		assert.Zero(t, copy.Outstanding)
	}
	assert.Equal(t, http.StatusOK, w.invoke().Code)
	require.NoError(t, w.SetDesiredCopies("music", 0))
	w.pass(time.Hour)
	assert.Empty(t, w.instances())
	assert.Empty(t, w.launcher.Running())
}

func checkInvariants(t *testing.T, w *world) {
	t.Helper()
	state := w.State()[0]
	active := 0
	for _, instance := range state.Instances {
		if instance.State != endpoint.InstanceDraining {
			active++
		}
	}
	assert.LessOrEqual(t, active, 3)
	on := map[string]int{}
	for _, copy := range state.Components[0].Copies {
		if copy.Instance != "" {
			on[copy.Instance]++
		}
	}
	for instance, count := range on {
		assert.LessOrEqual(t, count, 4, "two cores each on %s", instance)
	}
}
