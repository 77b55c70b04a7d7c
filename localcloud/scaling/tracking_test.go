package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

func tracking(change ...func(p *scaling.Tracking)) scaling.Registered {
	policy := trackingPolicy()
	for _, f := range change {
		f(policy.Tracking)
	}
	return scaling.Registered{Targets: []scaling.Target{{Resource: resource, Min: 0, Max: 9}}, Policies: []scaling.Policy{policy}}
}

func TestLoadAddsCopiesInProportion(t *testing.T) {
	inBubble(t, 2, tracking(), func(w *world) {
		w.under(4.9)
		w.pass(20 * time.Minute)
		require.Equal(t, 2, w.desired(), "below the target")
		w.under(11)
		took := w.awaits(5, time.Minute) // ceil(2 copies * 11 / 5)
		assert.InDelta(t, 30, took.Seconds(), 11, "three periods of 10 seconds above the target")
		high := w.alarm("high")
		assert.True(t, high.CreatedByAWS)
		assert.Equal(t, scaling.InAlarm, high.State)
		w.pass(4 * time.Minute)
		assert.Equal(t, 5, w.desired(), "in the cooldown, what was added already counts")
		w.under(16)
		took = w.awaits(7, 2*time.Minute) // ceil(2 * 16 / 5) is more than was added.
		assert.LessOrEqual(t, took, 2*time.Minute)
	})
}

func TestIdleCopiesGoAfterFifteenMinutes(t *testing.T) {
	inBubble(t, 3, tracking(), func(w *world) {
		w.under(1.0)
		took := w.awaits(1, time.Hour) // ceil(3 * 1 / 5)
		assert.InDelta(t, 15, took.Minutes(), 1.5)
		w.pass(time.Hour)
		require.Equal(t, 1, w.desired(), "as long as there is any load, one copy stays")
		w.under(0)
		took = w.awaits(0, time.Hour)
		assert.InDelta(t, 15.5, took.Minutes(), 1.5)
		low := w.alarm("low")
		assert.Equal(t, scaling.InAlarm, low.State)
		assert.True(t, low.CreatedByAWS)
		w.pass(24 * time.Hour)
		assert.Zero(t, w.desired(), "nothing that tracks a load per copy leaves zero")
		assert.Equal(t, scaling.InsufficientData, w.alarm("low").State)
	})
}

func TestInvocationsPerCopyAreTrackedByTheMinute(t *testing.T) {
	registered := tracking(func(p *scaling.Tracking) {
		p.Metric = scaling.Metric{Namespace: namespace, Name: "InvocationsPerCopy", Dimensions: dimensions, Statistic: "Sum", Period: time.Minute}
		p.Target = 60
	})
	inBubble(t, 1, registered, func(w *world) {
		called := func(d time.Duration, perMinute int) {
			for end := w.clock.Now().Add(d); w.clock.Now().Before(end); {
				for range perMinute {
					w.metrics.Put(namespace, "InvocationsPerCopy", dimensions, 1)
				}
				if perMinute == 0 {
					w.metrics.Put(namespace, "InvocationsPerCopy", dimensions, 0)
				}
				w.pass(time.Minute)
			}
		}
		called(2*time.Minute, 100)
		require.Equal(t, 1, w.desired())
		called(2*time.Minute, 100)
		require.Equal(t, 2, w.desired(), "three minutes above the target")
		called(14*time.Minute, 0)
		require.Equal(t, 2, w.desired())
		called(3*time.Minute, 0)
		assert.Zero(t, w.desired(), "15 minutes without a call")
	})
}

func TestWhatKeepsTargetTrackingFromScalingIn(t *testing.T) {
	second := trackingPolicy()
	second.ARN, second.Name = trackARN+"2", "second"
	copied := *second.Tracking
	second.Tracking = &copied
	second.Tracking.AlarmHigh, second.Tracking.AlarmLow = "high2", "low2"
	second.Tracking.Metric.Name = "Other"
	for name, breakIt := range map[string]func(r *scaling.Registered){
		"scale-in is disabled":             func(r *scaling.Registered) { r.Policies[0].Tracking.DisableScaleIn = true },
		"scale-in is suspended":            func(r *scaling.Registered) { r.Targets[0].ScaleInSuspended = true },
		"the minimum":                      func(r *scaling.Registered) { r.Targets[0].Min = 2 },
		"another policy that has no data":  func(r *scaling.Registered) { r.Policies = append(r.Policies, second) },
		"the target is no longer there":    func(r *scaling.Registered) { r.Targets = nil },
		"the load is too close to the aim": func(r *scaling.Registered) { r.Policies[0].Tracking.Target = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			registered := tracking()
			breakIt(&registered)
			inBubble(t, 2, registered, func(w *world) {
				w.under(0.95)
				w.pass(2 * time.Hour)
				assert.Equal(t, 2, w.desired())
			})
		})
	}
}

// After a wake the old idle periods must not put the copy to sleep again at once.
func TestACopyThatJustCameStays(t *testing.T) {
	inBubble(t, 1, everything(), func(w *world) {
		w.slowly()
		w.under(0)
		w.awaits(0, 20*time.Minute)
		w.pass(time.Minute)
		w.refuse()
		w.awaits(1, 2*time.Minute)
		assert.InDelta(t, 20, w.awaits(0, time.Hour).Minutes(), 2, "5 minutes to start and 15 idle")
	})
}

func TestScaleInCooldown(t *testing.T) {
	inBubble(t, 9, tracking(func(p *scaling.Tracking) { p.ScaleInCooldown = 40 * time.Minute }), func(w *world) {
		w.under(4.0)
		w.awaits(8, time.Hour) // ceil(9 * 4 / 5)
		w.under(1)
		took := w.awaits(2, 2*time.Hour) // ceil(8 * 1 / 5)
		assert.InDelta(t, 40, took.Minutes(), 1.5)
	})
}

// The simulation of costs needs months, so a week may not take long.
func TestAWeekTakesASecond(t *testing.T) {
	began := time.Now()
	wakes := 0
	inBubble(t, 0, everything(), func(w *world) {
		w.slowly()
		for range 7 {
			w.pass(8 * time.Hour)
			w.refuse()
			w.awaits(1, 2*time.Minute)
			wakes++
			w.under(1)
			w.pass(8 * time.Hour)
			w.under(0)
			w.pass(8 * time.Hour)
			require.Zero(t, w.desired())
		}
		assert.Len(t, w.scaler.Activities(), 2*wakes)
	})
	assert.Less(t, time.Since(began), time.Minute, "it takes less than a second")
}
