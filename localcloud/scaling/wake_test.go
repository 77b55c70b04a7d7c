package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

// refusedUntil has a request refused every 10 seconds, up to a time after the start.
func (w *world) refusedUntil(end time.Duration) {
	w.Helper()
	for w.clock.Since(w.start) < end {
		w.refuse()
		w.pass(10 * time.Second)
	}
}

// However many callers are refused while the first copy starts, they bring no second one if the cooldown, which begins
// when the copy is there, is longer than the alarm lasts after the last of them.
func TestAWakeBringsOneCopy(t *testing.T) {
	for _, test := range []struct {
		name             string
		starts, cooldown time.Duration
		want             int
	}{
		{"a minute", time.Minute, 5 * time.Minute, 1},
		{"five minutes", 5 * time.Minute, 5 * time.Minute, 1},
		{"longer than the cooldown", 8 * time.Minute, 5 * time.Minute, 1},
		{"much longer than the cooldown", 25 * time.Minute, 5 * time.Minute, 1},
		{"with the cooldown of the developer guide's example", 8 * time.Minute, time.Minute, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			registered := everything()
			registered.Policies[0].Step.Cooldown = test.cooldown
			inBubble(t, 0, registered, func(w *world) {
				w.set(func(c *copies) { c.starts = test.starts })
				w.refuse()
				w.awaits(1, 2*time.Minute)
				w.refusedUntil(w.clock.Since(w.start) + test.starts)
				w.pass(10 * time.Minute)
				assert.Equal(t, test.want, w.desired())
			})
		})
	}
}

// A refusal keeps its alarm for minutes, and by then callers may have brought more copies. A policy that sets the number
// to 1 would take them away while they are busy: target tracking does not hold back the scale-in of a step policy (API
// reference, PutScalingPolicy).
func TestAWakeTakesNoCopiesAway(t *testing.T) {
	for adjustment, want := range map[string]int{scaling.ChangeInCapacity: 3, scaling.ExactCapacity: 1} {
		registered := everything()
		registered.Policies[0].Step.AdjustmentType = adjustment
		inBubble(t, 0, registered, func(w *world) {
			w.refuse()
			w.pass(time.Second)
			require.NoError(t, w.copies.SetDesiredCopies(name, 1), "somebody else was faster than the alarm")
			w.under(11)
			w.awaits(3, time.Minute)
			least := 3
			for range 5 * 60 {
				w.pass(time.Second)
				least = min(least, w.desired())
			}
			assert.Equal(t, want, least, adjustment)
		})
	}
}
