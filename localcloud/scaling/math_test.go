package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/scaling"
)

// sum is a query for the sum of a metric of the API over a minute.
func sum(id string) scaling.Query {
	return scaling.Query{ID: id, Metric: &scaling.Metric{Namespace: "API", Name: id, Statistic: "Sum", Period: time.Minute}}
}

func watch(id, expression string) scaling.Query {
	return scaling.Query{ID: id, Expression: expression, Watched: true}
}

// mathAlarm compares an expression over the metrics a, b and none, which has no datapoints, with a number.
func mathAlarm(t *testing.T, expression, operator string, threshold float64) scaling.Alarm {
	t.Helper()
	math, err := scaling.ParseMath([]scaling.Query{
		sum("a"), sum("b"), sum("none"), {ID: "twice", Expression: "a + a"}, watch("watched", expression),
	})
	require.NoError(t, err, expression)
	return scaling.Alarm{
		Name: "math", Math: math, EvaluationPeriods: 1, ComparisonOperator: operator, Threshold: threshold,
	}
}

func TestMetricMath(t *testing.T) {
	const missing = -12345
	for expression, want := range map[string]float64{
		"a": 6, "a + b": 10, "a - b": 2, "a * b": 24, "a / b": 1.5, " a/b ": 1.5, "twice": 12, "2.5": 2.5,
		"a + b * 2": 14, "(a + b) * 2": 20, "a - b - 1": 1, "24 / a / b": 1, "a - (b - 1)": 3, "100 * a / b": 150,
		"a > b": 1, "a < b": 0, "a >= 6": 1, "a <= 5": 0, "a <= 6": 1, "a > b + 2": 0,
		"IF(a > b, a, b)": 6, "IF(a < b, a, b)": 4, "IF(a - 6, 1, 2)": 2, "IF(a, none, b)": missing, "IF(b - 4, none, b)": 4,
		"FILL(a, 9)": 6, "FILL(none, 9)": 9, "FILL(none, b)": 4, "a - FILL(none, 0)": 6,
		"CEIL(a / b)": 2, "CEIL(a)": 6, "CEIL(b - a) + 3": 1, "CEIL(FILL(none, 0) / 5)": 0, "CEIL(none)": missing,
		"none": missing, "a + none": missing, "none > 0": missing, "IF(none, 1, 2)": missing, "a / (b - 4)": missing, "a / FILL(none, 0)": missing,
	} {
		inBubble(t, 0, alarms(), func(w *world) {
			put := func() {
				w.metrics.Put("API", "a", nil, 6)
				w.metrics.Put("API", "b", nil, 4)
			}
			put()
			w.scaler.Register(alarms(
				mathAlarm(t, expression, scaling.GreaterThanOrEqualToThreshold, want),
			))
			w.pass(time.Minute)
			got := w.alarm("math")
			if want == missing {
				assert.Equal(t, scaling.InsufficientData, got.State, "%s: %s", expression, got.Reason)
				return
			}
			assert.Equal(t, scaling.InAlarm, got.State, "%s: %s", expression, got.Reason)
			put()
			w.scaler.Register(alarms(mathAlarm(t, expression, scaling.GreaterThanThreshold, want)))
			w.pass(time.Minute)
			assert.Equal(t, scaling.OK, w.alarm("math").State, "%s is %g exactly", expression, want)
		})
	}
}

func TestMetricMathThatIsNotKnown(t *testing.T) {
	for expression, want := range map[string]string{
		"AVG(a)":           "metric math with AVG",
		"MAX([a, b])":      "metric math with MAX",
		"a AND b":          `metric math with "AND b"`,
		"-a":               `metric math with "-", which is no id`,
		"a +":              `metric math with ""`,
		"(a":               `in the place of ")"`,
		"IF(a, b)":         `in the place of ","`,
		"CEIL(a, b)":       `in the place of ")"`,
		"FILL(a, REPEAT)":  `"REPEAT", which is no id`,
		"m":                `"m", which is no id`,
		"watched + 1":      `"watched", which is no id`,
		"a > b # comment":  `metric math with "# comment"`,
		`SEARCH('{x}', 1)`: "metric math with SEARCH",
	} {
		_, err := scaling.ParseMath([]scaling.Query{sum("a"), sum("b"), watch("watched", expression)})
		require.Error(t, err, expression)
		assert.ErrorContains(t, err, want)
	}
	longer := sum("b")
	longer.Metric.Period = time.Hour
	for want, queries := range map[string][]scaling.Query{
		"over one period only": {sum("a"), longer, watch("e", "a / b")},
		"returnData":           {sum("a"), {ID: "e", Expression: "a"}},
		"over metrics":         {watch("e", "1 + 1")},
		"which is no id":       {sum("a"), {ID: "f", Expression: "e"}, watch("e", "f + a")},
	} {
		_, err := scaling.ParseMath(queries)
		require.Error(t, err, want)
		assert.ErrorContains(t, err, want)
	}
}

func TestAlarmsOnPercentiles(t *testing.T) {
	// Of 20 samples, 19 are 50 and one is 200.
	for statistic, want := range map[string]string{"p50": scaling.OK, "p95": scaling.OK, "p95.1": scaling.InAlarm, "p100": scaling.InAlarm} {
		definition := loadAlarm(0, 1, "")
		definition.Metric.Statistic, definition.Threshold = statistic, 100
		inBubble(t, 0, alarms(definition), func(w *world) {
			for i := range 20 {
				w.metrics.Put(namespace, load, dimensions, map[bool]float64{true: 200, false: 50}[i == 7])
			}
			w.pass(time.Minute)
			got := w.alarm("load")
			assert.Equal(t, want, got.State, "%s: %s", statistic, got.Reason)
		})
	}
}

func TestAlarmsOverDaysAreEvaluatedByTheHour(t *testing.T) {
	definition := loadAlarm(1, 1, scaling.NotBreaching)
	definition.Metric.Period = 25 * time.Hour
	inBubble(t, 0, alarms(definition), func(w *world) {
		w.until(90 * time.Minute)
		w.metrics.Put(namespace, load, dimensions, 10)
		w.until(2*time.Hour - time.Minute)
		assert.NotEqual(t, scaling.InAlarm, w.alarm("load").State)
		w.until(2 * time.Hour)
		assert.Equal(t, scaling.InAlarm, w.alarm("load").State)
		assert.Equal(t, w.start.Add(2*time.Hour), w.alarm("load").Since)
	})
}

func TestCompositeAlarmsFollowTheirAlarms(t *testing.T) {
	one, other := loadAlarm(1, 1, scaling.NotBreaching), loadAlarm(1, 1, scaling.NotBreaching)
	one.Name, other.Name, other.Threshold = "one", "other", 20
	both := scaling.Composite{ARN: "arn:both", Name: "both", All: []string{"one", "other"}}
	registered := scaling.Registered{Alarms: []scaling.Alarm{one, other}, Composites: []scaling.Composite{
		both, {ARN: "arn:odd", Name: "odd", NotEvaluated: "no such rule"}, {ARN: "arn:lost", Name: "lost", All: []string{"nobody"}},
	}}
	inBubble(t, 0, registered, func(w *world) {
		assert.Equal(t, scaling.OK, w.alarm("both").State, "its rule is judged at once")
		for _, step := range []struct {
			value float64
			want  string
		}{{10, scaling.OK}, {20, scaling.InAlarm}, {20, scaling.InAlarm}, {10, scaling.OK}} {
			w.metrics.Put(namespace, load, dimensions, step.value)
			w.pass(time.Minute)
			assert.Equal(t, step.want, w.alarm("both").State, "%g: %s", step.value, w.alarm("both").Reason)
		}
		assert.Equal(t, "not in ALARM: other", w.alarm("both").Reason)
		assert.Equal(t, w.start.Add(4*time.Minute), w.alarm("both").Since.Truncate(time.Second))
		assert.Equal(t, scaling.OK, w.alarm("lost").State)
		assert.Equal(t, scaling.InsufficientData, w.alarm("odd").State)
		assert.Equal(t, "Not evaluated: no such rule", w.alarm("odd").Reason)

		before := w.alarm("both")
		w.scaler.Register(registered)
		assert.Equal(t, before, w.alarm("both"), "registering again changes nothing")
	})
}

func TestAlarmRules(t *testing.T) {
	for rule, want := range map[string][]string{
		`ALARM("a")`:                   {"a"},
		`ALARM(a-1) AND  ALARM("b c")`: {"a-1", "b c"},
		" ALARM( a )\nAND ALARM(b) ":   {"a", "b"},
	} {
		got, err := scaling.ParseRule(rule)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, rule := range []string{"", "TRUE", `OK("a")`, `ALARM("a") OR ALARM("b")`, `NOT ALARM("a")`, `ALARM("a") AND (ALARM("b"))`, `ALARM("a"`} {
		_, err := scaling.ParseRule(rule)
		assert.ErrorContains(t, err, `of the form ALARM("a") AND ALARM("b")`, rule)
	}
}
