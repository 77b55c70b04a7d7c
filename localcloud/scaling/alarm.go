package scaling

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"scaletozero/localcloud/metrics"
)

// The states of an alarm.
const (
	OK               = "OK"
	InAlarm          = "ALARM"
	InsufficientData = "INSUFFICIENT_DATA"
)

// AlarmState is an alarm as DescribeAlarms shows it.
type AlarmState struct {
	ARN, Name string
	State     string
	Reason    string
	// Since is when the alarm came into its state.
	Since time.Time
	// CreatedByAWS is true for the alarms of target tracking policies.
	CreatedByAWS bool
}

const (
	// repeatActions: while an alarm stays in a state, CloudWatch invokes scaling
	// actions again every minute (CloudWatch user guide, "Alarm actions").
	repeatActions = time.Minute
	// extraPeriods is how far the evaluation range goes back beyond
	// EvaluationPeriods. AWS publishes no formula; this is the range of the
	// examples in its guide ("Configuring how CloudWatch alarms treat missing
	// data"): 5 periods for an alarm over 3.
	extraPeriods = 2
)

// alarm is an Alarm and where it stands.
type alarm struct {
	Alarm
	// tracking marks the alarms that AWS makes for target tracking.
	tracking bool

	state, reason string
	since         time.Time
	next, acted   time.Time
	// datapoints are the newest existing values that the last evaluation judged,
	// oldest first.
	datapoints []float64
}

func newAlarm(definition Alarm, now time.Time) *alarm {
	a := &alarm{Alarm: definition, state: InsufficientData, reason: "Unchecked: Initial alarm creation", since: now}
	a.next = now.Truncate(a.step()).Add(a.step())
	if definition.NotEvaluated != "" {
		a.reason = "Not evaluated: " + definition.NotEvaluated
	}
	return a
}

// multiDay is how long an alarm's periods are together from which on it is
// evaluated once an hour, up to the full hour (CloudWatch user guide, "Alarm
// evaluation").
const multiDay = 24 * time.Hour

// step is how often the alarm is evaluated: with its period, every minute where
// that is longer, and every hour where the periods are longer than a day.
func (a *alarm) step() time.Duration {
	period := a.period()
	if time.Duration(a.EvaluationPeriods)*period > multiDay {
		return time.Hour
	}
	return min(cmp.Or(period, time.Minute), time.Minute)
}

// period is that of the metric, or of those of the metric math.
func (a *alarm) period() time.Duration {
	if a.Math != nil {
		return a.Math.period()
	}
	return a.Metric.Period
}

func (a *alarm) describe() AlarmState {
	return AlarmState{
		ARN: a.ARN, Name: a.Name, State: a.state, Reason: a.reason, Since: a.since, CreatedByAWS: a.tracking,
	}
}

// evaluate judges the periods that end at a time or before it, and tells
// whether the actions of the state have to run.
func (a *alarm) evaluate(store *metrics.Store, at time.Time) (act bool) {
	if a.NotEvaluated != "" {
		return false
	}
	values := a.values(store, at)
	state, reason := a.judge(values)
	if state == "" {
		state = a.state
	} else {
		a.reason = reason
	}
	changed := state != a.state
	if changed {
		a.state, a.since = state, at
	}
	if !changed && at.Sub(a.acted) < repeatActions {
		return false
	}
	a.acted = at
	return a.ActionsEnabled
}

// values are the evaluation range, oldest first; NaN is a missing datapoint.
func (a *alarm) values(store *metrics.Store, at time.Time) []float64 {
	n := a.EvaluationPeriods + extraPeriods
	start := at.Add(-time.Duration(n) * a.period())
	if a.Math == nil {
		return a.Metric.Values(store, n, start)
	}
	return a.Math.Values(store, n, start)
}

// ParsePercentile reads a statistic such as p95 or p99.9; ok is false where it is
// another one.
func ParsePercentile(statistic string) (percent float64, ok bool) {
	number, found := strings.CutPrefix(statistic, "p")
	percent, err := strconv.ParseFloat(number, 64)
	return percent, found && err == nil && percent >= 0 && percent <= 100
}

func statistic(point metrics.Datapoint, name string) float64 {
	switch name {
	case "SampleCount":
		return point.SampleCount
	case "Sum":
		return point.Sum
	case "Minimum":
		return point.Minimum
	case "Maximum":
		return point.Maximum
	default:
		return point.Average()
	}
}

// judge returns the state that the evaluation range calls for and why; "" keeps
// the present one. It follows the CloudWatch user guide, "Configuring how
// CloudWatch alarms treat missing data": the newest existing datapoints count,
// as many as EvaluationPeriods. Only where there are fewer, missing ones fill
// the gap.
func (a *alarm) judge(values []float64) (state, reason string) {
	needed := cmp.Or(a.DatapointsToAlarm, a.EvaluationPeriods)
	a.datapoints = a.datapoints[:0]
	breaching, oldest := 0, 0
	for i, value := range slices.Backward(values) {
		if math.IsNaN(value) || len(a.datapoints) == a.EvaluationPeriods {
			continue
		}
		a.datapoints = append(a.datapoints, value)
		if a.breaches(value) {
			breaching++
			oldest = len(values) - i
		}
	}
	slices.Reverse(a.datapoints)
	existing := len(a.datapoints)
	missing := a.EvaluationPeriods - existing
	reason = fmt.Sprintf("%d of the last %d datapoints are %s %g, %d are missing; %d are needed",
		breaching, a.EvaluationPeriods, a.ComparisonOperator, a.Threshold, missing, needed)

	onlyBreaching := breaching == existing
	switch {
	case breaching >= needed:
		return InAlarm, reason
	case missing == 0 || a.TreatMissingData == NotBreaching:
		return OK, reason
	case a.TreatMissingData == Breaching && breaching+missing >= needed:
		return InAlarm, reason
	case a.TreatMissingData == Breaching || !onlyBreaching:
		return OK, reason
	case a.TreatMissingData == Ignore:
		return "", reason
	case existing == 0:
		return InsufficientData, fmt.Sprintf("no datapoint in the last %d periods of %s", len(values), a.period())
	case oldest >= needed:
		// Whatever came since is missing, so waiting longer would not help.
		return InAlarm, reason
	default:
		return "", reason
	}
}

// The values of TreatMissingData besides missing, the default.
const (
	Ignore       = "ignore"
	Breaching    = "breaching"
	NotBreaching = "notBreaching"
)

// The values of ComparisonOperator that compare with one number.
const (
	GreaterThanOrEqualToThreshold = "GreaterThanOrEqualToThreshold"
	GreaterThanThreshold          = "GreaterThanThreshold"
	LessThanThreshold             = "LessThanThreshold"
	LessThanOrEqualToThreshold    = "LessThanOrEqualToThreshold"
)

func (a *alarm) breaches(value float64) bool {
	switch a.ComparisonOperator {
	case GreaterThanOrEqualToThreshold:
		return value >= a.Threshold
	case GreaterThanThreshold:
		return value > a.Threshold
	case LessThanThreshold:
		return value < a.Threshold
	default:
		return value <= a.Threshold
	}
}

// actions are what runs in the present state.
func (a *alarm) actions() []string {
	switch a.state {
	case InAlarm:
		return a.AlarmActions
	case OK:
		return a.OKActions
	default:
		return a.InsufficientDataActions
	}
}
