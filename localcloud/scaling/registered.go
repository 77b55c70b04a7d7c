package scaling

import "time"

// Registered is everything that a program registered with Application Auto
// Scaling and CloudWatch. Nothing else drives a Scaler.
type Registered struct {
	Targets  []Target
	Policies []Policy
	Alarms   []Alarm
	// Composites join Alarms.
	Composites []Composite
	Schedules  []ScheduledAction
}

// Target is a scalable target.
type Target struct {
	Resource Resource
	// Min and Max bound the capacity that policies ask for.
	Min, Max int
	// The suspended state: what policies and scheduled actions may not do.
	ScaleInSuspended, ScaleOutSuspended, SchedulesSuspended bool
}

// Policy is a scaling policy of a target: one of Step and Tracking is set.
type Policy struct {
	ARN, Name string
	Resource  Resource
	Step      *Step
	Tracking  *Tracking
}

// Step is a StepScalingPolicyConfiguration. An alarm runs it.
type Step struct {
	AdjustmentType string
	Adjustments    []Adjustment
	// Aggregation is the MetricAggregationType; "" is Average.
	Aggregation string
	Cooldown    time.Duration
	// MinMagnitude is the least change of PercentChangeInCapacity.
	MinMagnitude int
}

// The values of AdjustmentType.
const (
	ChangeInCapacity        = "ChangeInCapacity"
	ExactCapacity           = "ExactCapacity"
	PercentChangeInCapacity = "PercentChangeInCapacity"
)

// Adjustment is one step: what to do where the metric is that far from the
// alarm's threshold. A nil bound is infinite.
type Adjustment struct {
	Lower, Upper *float64
	Scaling      int
}

// Tracking is a TargetTrackingScalingPolicyConfiguration. Its two alarms are
// made by AWS.
type Tracking struct {
	Metric                            Metric
	Target                            float64
	ScaleInCooldown, ScaleOutCooldown time.Duration
	DisableScaleIn                    bool
	// AlarmHigh and AlarmLow are the names of the alarms.
	AlarmHigh, AlarmLow string
}

// Metric is a statistic of a CloudWatch metric. The dimensions are the whole
// set: one more or less is another metric.
type Metric struct {
	Namespace, Name string
	Dimensions      map[string]string
	// Statistic is SampleCount, Average, Sum, Minimum, Maximum or a percentile such
	// as p95. Percentiles are evaluated however few samples there are.
	Statistic string
	// Period is 10, 20 or 30 seconds or whole minutes.
	Period time.Duration
}

// Alarm is a CloudWatch metric alarm.
type Alarm struct {
	ARN, Name string
	// Metric is what the alarm watches, unless Math is.
	Metric Metric
	Math   *Math
	// DatapointsToAlarm of the last EvaluationPeriods must breach. 0 means all.
	EvaluationPeriods, DatapointsToAlarm int
	ComparisonOperator                   string
	Threshold                            float64
	// TreatMissingData is missing, ignore, breaching or notBreaching; "" is
	// missing.
	TreatMissingData string
	ActionsEnabled   bool
	// What to run in which state, by ARN. Only scaling policies act.
	AlarmActions, OKActions, InsufficientDataActions []string
	// NotEvaluated says why the local cloud cannot evaluate the alarm, such as a
	// function of metric math that it has not. The alarm then stays in INSUFFICIENT_DATA and says so.
	NotEvaluated string
}

// ScheduledAction changes the bounds of a target.
type ScheduledAction struct {
	Name     string
	Resource Resource
	Schedule Schedule
	// Start and End bound the time in which it runs; zero is unbounded.
	Start, End time.Time
	// Min and Max are the new bounds; nil leaves one as it is.
	Min, Max *int
}
