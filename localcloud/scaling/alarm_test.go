package scaling_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

// loadAlarm breaches at 10 and above.
func loadAlarm(needed, periods int, missing string) scaling.Alarm {
	return scaling.Alarm{
		Name:              "load",
		Metric:            scaling.Metric{Namespace: namespace, Name: load, Dimensions: dimensions, Statistic: "Maximum", Period: time.Minute},
		EvaluationPeriods: periods, DatapointsToAlarm: needed, TreatMissingData: missing,
		ComparisonOperator: scaling.GreaterThanOrEqualToThreshold, Threshold: 10,
	}
}

func alarms(all ...scaling.Alarm) scaling.Registered { return scaling.Registered{Alarms: all} }

// The two tables of the CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data": five periods,
// of which three are evaluated; 0 does not breach, X does, - is missing.
func TestMissingDataAsInTheGuide(t *testing.T) {
	const ok, alarm, insufficient, retained = scaling.OK, scaling.InAlarm, scaling.InsufficientData, "retained"
	for _, test := range []struct {
		needed                                   int
		periods                                  string
		missing, ignore, breaching, notBreaching string
	}{
		{3, "0 - X - X", ok, ok, ok, ok},
		{3, "0 - - - -", ok, ok, ok, ok},
		{3, "- - - - -", insufficient, retained, alarm, ok},
		{3, "0 X X - X", alarm, alarm, alarm, alarm},
		{3, "- - X - -", alarm, retained, alarm, ok},
		{3, "- - - - X", retained, retained, alarm, ok},
		{2, "0 - X - X", alarm, alarm, alarm, alarm},
		{2, "0 0 X 0 X", alarm, alarm, alarm, alarm},
		{2, "0 - X - -", ok, ok, alarm, ok},
		{2, "- - - - 0", ok, ok, alarm, ok},
		{2, "- - - X -", alarm, retained, alarm, ok},
	} {
		for treatment, want := range map[string]string{
			"": test.missing, scaling.Ignore: test.ignore, scaling.Breaching: test.breaching, scaling.NotBreaching: test.notBreaching,
		} {
			t.Run(fmt.Sprintf("%d of 3 in %s, %s", test.needed, test.periods, treatment), func(t *testing.T) {
				inBubble(t, 0, alarms(), func(w *world) {
					for i, symbol := range strings.Fields(test.periods) {
						w.until(time.Duration(i)*time.Minute + time.Second)
						if symbol != "-" {
							w.metrics.Put(namespace, load, dimensions, map[string]float64{"0": 0, "X": 10}[symbol])
						}
					}
					w.scaler.Register(alarms(loadAlarm(test.needed, 3, treatment)))
					before := w.alarm("load").Since
					w.until(5 * time.Minute)
					got := w.alarm("load")
					if want == retained {
						assert.Equal(t, before, got.Since, "the state stays as it was")
						return
					}
					assert.Equal(t, want, got.State, got.Reason)
				})
			})
		}
	}
}

func TestStatisticsAndComparisons(t *testing.T) {
	// The samples of the minute are 1, 2 and 6.
	for _, test := range []struct {
		statistic, operator string
		threshold           float64
		want                string
	}{
		{"SampleCount", scaling.GreaterThanOrEqualToThreshold, 3, scaling.InAlarm},
		{"SampleCount", scaling.GreaterThanThreshold, 3, scaling.OK},
		{"Average", scaling.GreaterThanThreshold, 2.9, scaling.InAlarm},
		{"Average", scaling.LessThanOrEqualToThreshold, 3, scaling.InAlarm},
		{"Sum", scaling.LessThanThreshold, 9, scaling.OK},
		{"Sum", scaling.LessThanThreshold, 9.1, scaling.InAlarm},
		{"Minimum", scaling.LessThanOrEqualToThreshold, 0.9, scaling.OK},
		{"Minimum", scaling.LessThanOrEqualToThreshold, 1, scaling.InAlarm},
		{"Maximum", scaling.GreaterThanOrEqualToThreshold, 6, scaling.InAlarm},
		{"Maximum", scaling.GreaterThanOrEqualToThreshold, 6.1, scaling.OK},
	} {
		definition := loadAlarm(0, 1, "")
		definition.Metric.Statistic, definition.ComparisonOperator, definition.Threshold = test.statistic, test.operator, test.threshold
		inBubble(t, 0, alarms(definition), func(w *world) {
			for _, value := range []float64{1, 2, 6} {
				w.metrics.Put(namespace, load, dimensions, value)
			}
			w.pass(time.Minute)
			got := w.alarm("load")
			assert.Equal(t, test.want, got.State, "%+v: %s", test, got.Reason)
			assert.Contains(t, got.Reason, test.operator)
		})
	}
}

func TestAlarmsAreEvaluatedWithTheirPeriod(t *testing.T) {
	for period, want := range map[time.Duration]time.Duration{
		10 * time.Second: 10 * time.Second, 30 * time.Second: 30 * time.Second, time.Minute: time.Minute,
		// Longer periods slide by a minute.
		5 * time.Minute: time.Minute,
	} {
		definition := loadAlarm(1, 1, scaling.NotBreaching)
		definition.Metric.Period = period
		inBubble(t, 0, alarms(definition), func(w *world) {
			w.metrics.Put(namespace, load, dimensions, 10)
			for w.alarm("load").State != scaling.InAlarm {
				require.Less(t, w.clock.Since(w.start), 10*time.Minute)
				w.pass(time.Second)
			}
			assert.Equal(t, w.start.Add(want), w.alarm("load").Since, "period %s", period)
			w.pass(4 * period)
			assert.Equal(t, scaling.OK, w.alarm("load").State)
		})
	}
}

func TestOtherDimensionsAreAnotherMetric(t *testing.T) {
	definition := loadAlarm(1, 1, "")
	definition.Metric.Dimensions = map[string]string{"InferenceComponentName": name, "EndpointName": "endpoint"}
	inBubble(t, 0, alarms(definition), func(w *world) {
		w.metrics.Put(namespace, load, dimensions, 10)
		w.pass(2 * time.Minute)
		assert.Equal(t, scaling.InsufficientData, w.alarm("load").State)
		assert.Equal(t, "no datapoint in the last 3 periods of 1m0s", w.alarm("load").Reason)
	})
}

func TestWhatCannotBeEvaluatedSaysSo(t *testing.T) {
	definition := loadAlarm(1, 1, scaling.Breaching)
	definition.NotEvaluated = "metric math"
	inBubble(t, 0, alarms(definition), func(w *world) {
		w.pass(time.Hour)
		got := w.alarm("load")
		assert.Equal(t, scaling.InsufficientData, got.State)
		assert.Equal(t, "Not evaluated: metric math", got.Reason)
		assert.Equal(t, w.start, got.Since)
	})
}

func TestRegisteringAgainKeepsTheStateOfAlarms(t *testing.T) {
	inBubble(t, 0, alarms(loadAlarm(1, 1, scaling.Ignore)), func(w *world) {
		w.metrics.Put(namespace, load, dimensions, 10)
		w.pass(time.Minute)
		before := w.alarm("load")
		require.Equal(t, scaling.InAlarm, before.State)
		other := loadAlarm(1, 1, "")
		other.Name = "other"
		w.scaler.Register(alarms(loadAlarm(1, 1, scaling.Ignore), other))
		assert.Equal(t, before, w.alarm("load"), "it did not change")
		changed := loadAlarm(1, 1, scaling.Ignore)
		changed.Threshold = 11
		w.scaler.Register(alarms(changed))
		assert.Equal(t, before, w.alarm("load"), "a changed alarm keeps its state until it is evaluated")
		w.pass(time.Minute)
		assert.Equal(t, scaling.OK, w.alarm("load").State)
		assert.Len(t, w.scaler.Alarms(), 1)
	})
}
