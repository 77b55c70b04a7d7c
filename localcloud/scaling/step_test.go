package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

func TestARefusedRequestWakesWithinAnAlarmPeriod(t *testing.T) {
	inBubble(t, 0, everything(), func(w *world) {
		w.slowly()
		w.pass(20 * time.Minute)
		require.Equal(t, scaling.OK, w.alarm("wake").State, "missing data does not breach")
		w.refuse()
		assert.LessOrEqual(t, w.awaits(1, 2*time.Minute), time.Minute+time.Second)
		alarm := w.alarm("wake")
		assert.Equal(t, scaling.InAlarm, alarm.State)
		assert.False(t, alarm.CreatedByAWS)

		activity := w.scaler.Activities()[0]
		assert.Equal(t, "Setting desired copy count to 1.", activity.Description)
		assert.Equal(t, "monitor alarm wake in state ALARM triggered policy wake", activity.Cause)
		assert.Equal(t, [2]int{0, 1}, [2]int{activity.From, activity.To})
		assert.Zero(t, activity.End, "the copy is still starting")
		w.pass(6 * time.Minute)
		assert.InDelta(t, 5, w.scaler.Activities()[0].End.Sub(activity.Start).Minutes(), 1)
		assert.Equal(t, scaling.OK, w.alarm("wake").State, "nothing was refused for a while")
		assert.Equal(t, 1, w.desired(), "one is enough")
	})
}

// What is wrong in the registration does not wake, however long it is refused.
func TestWhatDoesNotWake(t *testing.T) {
	const once, always = 0, time.Second
	for _, test := range []struct {
		name    string
		every   time.Duration
		breakIt func(r *scaling.Registered)
	}{
		{"one request under an alarm above 1", once, func(r *scaling.Registered) {
			r.Alarms[0].ComparisonOperator = scaling.GreaterThanThreshold
		}},
		{"no step policy", always, func(r *scaling.Registered) { r.Policies = r.Policies[1:] }},
		{"no alarm", always, func(r *scaling.Registered) { r.Alarms = nil }},
		{"no target", always, func(r *scaling.Registered) { r.Targets = nil }},
		{"an alarm without the action", always, func(r *scaling.Registered) {
			r.Alarms[0].AlarmActions = []string{"arn:aws:sns:ap-northeast-1:123456789012:topic"}
		}},
		{"an alarm whose actions are off", always, func(r *scaling.Registered) { r.Alarms[0].ActionsEnabled = false }},
		{"an alarm on the endpoint's metric", always, func(r *scaling.Registered) {
			r.Alarms[0].Metric.Dimensions["EndpointName"] = "endpoint"
		}},
		{"a step for far more", always, func(r *scaling.Registered) { r.Policies[0].Step.Adjustments[0].Lower = new(1000.0) }},
		{"a suspended target", always, func(r *scaling.Registered) { r.Targets[0].ScaleOutSuspended = true }},
		{"a target that ends at 0", always, func(r *scaling.Registered) { r.Targets[0].Max = 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			registered := everything()
			test.breakIt(&registered)
			inBubble(t, 0, registered, func(w *world) {
				w.refuse()
				for range 180 {
					if test.every == always {
						w.refuse()
					}
					w.pass(10 * time.Second)
					require.Zero(t, w.desired())
				}
				assert.Empty(t, w.scaler.Activities())
			})
		})
	}
}

func TestTheAlarmAboveOneWakesOnTwoRequests(t *testing.T) {
	registered := everything()
	registered.Alarms[0].ComparisonOperator = scaling.GreaterThanThreshold
	inBubble(t, 0, registered, func(w *world) {
		w.refuse()
		w.refuse()
		assert.Equal(t, time.Minute, w.awaits(1, 2*time.Minute))
	})
}

// While the alarm goes on the policy runs every minute, but not while copies come or the cooldown lasts.
func TestRefusalsThatGoOnAddCopiesAfterTheCooldown(t *testing.T) {
	inBubble(t, 0, everything(), func(w *world) {
		w.slowly()
		refused := func(d time.Duration) {
			for end := w.clock.Now().Add(d); w.clock.Now().Before(end); {
				w.refuse()
				w.pass(10 * time.Second)
			}
		}
		refused(5*time.Minute + 50*time.Second)
		assert.Equal(t, 1, w.desired(), "the first copy is still coming")
		refused(2*time.Minute + 20*time.Second)
		assert.Equal(t, 2, w.desired())
		refused(30 * time.Minute)
		assert.Equal(t, 3, w.desired(), "the target's maximum")
		assert.Len(t, w.scaler.Activities(), 3)
	})
}

func TestAFailedActivitySaysWhyAndIsTriedAgain(t *testing.T) {
	inBubble(t, 0, everything(), func(w *world) {
		w.set(func(c *copies) { c.refuse = errRefused })
		w.refuse()
		w.pass(time.Minute)
		failed := w.scaler.Activities()
		require.Len(t, failed, 1)
		assert.Equal(t, "refused", failed[0].Problem)
		assert.False(t, failed[0].End.IsZero())
		w.set(func(c *copies) { c.refuse = nil })
		assert.Equal(t, time.Minute, w.awaits(1, 2*time.Minute), "no cooldown follows a failure")
	})
}

// Every row is one run of the policy by an alarm with the threshold 10.
func TestSteps(t *testing.T) {
	steps := []scaling.Adjustment{ // From 10 to 20, from 20 to 30, from 30 on.
		{Lower: new(0.0), Upper: new(10.0), Scaling: 1}, {Lower: new(10.0), Upper: new(20.0), Scaling: 2}, {Lower: new(20.0), Scaling: 4},
	}
	one := func(by int) []scaling.Adjustment { return []scaling.Adjustment{{Scaling: by}} }
	for _, test := range []struct {
		name    string
		copies  int
		metric  float64
		adjust  scaling.Step
		highest int
		want    int
	}{
		{"the lower bound belongs to the step", 1, 10, scaling.Step{Adjustments: steps}, 99, 2},
		{"the upper bound does not", 1, 20, scaling.Step{Adjustments: steps}, 99, 3},
		{"the last step is open", 1, 1000, scaling.Step{Adjustments: steps}, 99, 5},
		{"the maximum bounds", 1, 1000, scaling.Step{Adjustments: steps}, 3, 3},
		{"exact", 5, 10, scaling.Step{AdjustmentType: scaling.ExactCapacity, Adjustments: one(2)}, 99, 2},
		{"exact, up", 1, 10, scaling.Step{AdjustmentType: scaling.ExactCapacity, Adjustments: one(2)}, 99, 2},
		{"down, to the minimum", 2, 10, scaling.Step{Adjustments: one(-5)}, 99, 0},
		{"50 % of 4", 4, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, Adjustments: one(50)}, 99, 6},
		{"10 % of 4 is at least one", 4, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, Adjustments: one(10)}, 99, 5},
		{"-10 % of 4 is at least one", 4, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, Adjustments: one(-10)}, 99, 3},
		{"90 % of 3 rounds down", 3, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, Adjustments: one(90)}, 99, 5},
		{"-90 % of 3 rounds up", 3, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, Adjustments: one(-90)}, 99, 1},
		{"a percentage has a least change", 4, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, MinMagnitude: 3, Adjustments: one(10)}, 99, 7},
		{"a percentage of nothing", 0, 10, scaling.Step{AdjustmentType: scaling.PercentChangeInCapacity, MinMagnitude: 3, Adjustments: one(100)}, 99, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := wakePolicy()
			policy.Step = &test.adjust
			alarm := loadAlarm(1, 1, scaling.NotBreaching)
			alarm.ActionsEnabled, alarm.AlarmActions = true, []string{wakeARN}
			registered := scaling.Registered{
				Targets: []scaling.Target{{Resource: resource, Max: test.highest}}, Policies: []scaling.Policy{policy}, Alarms: []scaling.Alarm{alarm},
			}
			inBubble(t, test.copies, registered, func(w *world) {
				w.metrics.Put(namespace, load, dimensions, test.metric)
				w.pass(time.Minute)
				assert.Equal(t, test.want, w.desired())
			})
		})
	}
}

// Below a threshold the distances are negative and the bounds mirrored.
func TestStepsBelowTheThreshold(t *testing.T) {
	for metric, want := range map[float64]int{9: 4, 8: 4, 7.5: 2} { // The threshold is 10.
		policy := wakePolicy()
		policy.Step = &scaling.Step{Adjustments: []scaling.Adjustment{
			{Lower: new(-2.5), Upper: new(0.0), Scaling: -1}, {Upper: new(-2.5), Scaling: -3},
		}}
		alarm := loadAlarm(1, 1, "")
		alarm.ActionsEnabled, alarm.AlarmActions, alarm.ComparisonOperator = true, []string{wakeARN}, scaling.LessThanThreshold
		registered := scaling.Registered{
			Targets: []scaling.Target{{Resource: resource, Max: 9}}, Policies: []scaling.Policy{policy}, Alarms: []scaling.Alarm{alarm},
		}
		inBubble(t, 5, registered, func(w *world) {
			w.metrics.Put(namespace, load, dimensions, metric)
			w.pass(time.Minute)
			assert.Equal(t, want, w.desired(), "%v", metric)
		})
	}
}

// Three periods breach with 10, 20 and 60, above the threshold 10.
func TestTheMetricOfAStepIsAggregated(t *testing.T) {
	for aggregation, want := range map[string]int{"Minimum": 1, "": 3, "Average": 3, "Maximum": 6} {
		policy := wakePolicy()
		policy.Step.Aggregation = aggregation
		policy.Step.Adjustments = []scaling.Adjustment{
			{Lower: new(0.0), Upper: new(10.0), Scaling: 1}, {Lower: new(10.0), Upper: new(40.0), Scaling: 3}, {Lower: new(40.0), Scaling: 6},
		}
		alarm := loadAlarm(3, 3, "")
		alarm.ActionsEnabled, alarm.AlarmActions = true, []string{wakeARN}
		registered := scaling.Registered{
			Targets: []scaling.Target{{Resource: resource, Max: 9}}, Policies: []scaling.Policy{policy}, Alarms: []scaling.Alarm{alarm},
		}
		inBubble(t, 0, registered, func(w *world) {
			for _, metric := range []float64{10, 20, 60} {
				w.metrics.Put(namespace, load, dimensions, metric)
				w.pass(time.Minute)
			}
			assert.Equal(t, want, w.desired(), "%q", aggregation)
		})
	}
}

func TestOtherStatesRunTheirActions(t *testing.T) {
	alarm := loadAlarm(1, 1, "")
	alarm.ActionsEnabled, alarm.OKActions = true, []string{wakeARN}
	policy := wakePolicy()
	policy.Step.AdjustmentType = scaling.ExactCapacity
	policy.Step.Adjustments = []scaling.Adjustment{{Scaling: 2}}
	registered := scaling.Registered{Targets: []scaling.Target{target()}, Policies: []scaling.Policy{policy}, Alarms: []scaling.Alarm{alarm}}
	inBubble(t, 0, registered, func(w *world) {
		w.pass(2 * time.Minute)
		require.Zero(t, w.desired())
		w.metrics.Put(namespace, load, dimensions, 1)
		w.pass(time.Minute)
		assert.Equal(t, 2, w.desired())
	})
}
