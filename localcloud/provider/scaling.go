package provider

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"scaletozero/localcloud/scaling"
)

// Scaler runs what is registered with Application Auto Scaling and CloudWatch; scaling.Scaler is the real one.
type Scaler interface {
	Register(r scaling.Registered)
}

// scales tells whether resources of the type drive the scaler.
func scales(token string) bool {
	switch token {
	case TypeScalingTarget, TypeScalingPolicy, TypeScheduledAction, TypeMetricAlarm:
		return true
	default:
		return false
	}
}

// registerScaling makes the scaler run exactly what the store holds.
func (s *Server) registerScaling() error {
	s.registering.Lock()
	defer s.registering.Unlock()
	var all scaling.Registered
	for _, r := range s.store.Resources(TypeScalingTarget) {
		all.Targets = append(all.Targets, targetOf(r))
	}
	for _, r := range s.store.Resources(TypeScalingPolicy) {
		policy, err := policyOf(r)
		if err != nil {
			return fmt.Errorf("scaling policy %s: %w", r.ID, err)
		}
		all.Policies = append(all.Policies, policy)
	}
	for _, r := range s.store.Resources(TypeMetricAlarm) {
		all.Alarms = append(all.Alarms, alarmOf(r))
	}
	for _, r := range s.store.Resources(TypeScheduledAction) {
		action, err := scheduledActionOf(r)
		if err != nil {
			return fmt.Errorf("scheduled action %s: %w", r.ID, err)
		}
		all.Schedules = append(all.Schedules, action)
	}
	s.options.Scaler.Register(all)
	return nil
}

func componentOf(r *Resource) string {
	return strings.TrimPrefix(r.Inputs.text("resourceId"), componentPrefix)
}

func targetOf(r *Resource) scaling.Target {
	suspended := r.Inputs.object("suspendedState")
	return scaling.Target{
		Component: componentOf(r), Min: int(r.Inputs.number("minCapacity")), Max: int(r.Inputs.number("maxCapacity")),
		ScaleInSuspended:   suspended.flag("dynamicScalingInSuspended"),
		ScaleOutSuspended:  suspended.flag("dynamicScalingOutSuspended"),
		SchedulesSuspended: suspended.flag("scheduledScalingSuspended"),
	}
}

func policyOf(r *Resource) (p scaling.Policy, err error) {
	p = scaling.Policy{ARN: policyARN(r), Name: r.Inputs.text("name"), Component: componentOf(r)}
	if r.Inputs.text("policyType") == "StepScaling" {
		p.Step, err = stepOf(r.Inputs.object("stepScalingPolicyConfiguration"))
		return p, err
	}
	p.Tracking, err = trackingOf(p.Component, r.Inputs.object("targetTrackingScalingPolicyConfiguration"))
	if err == nil {
		p.Tracking.AlarmHigh, p.Tracking.AlarmLow = trackingAlarmName(r, alarmHigh), trackingAlarmName(r, alarmLow)
	}
	return p, err
}

// cooldown returns a duration property. Application Auto Scaling's default for the cooldowns of SageMaker's targets is
// 300 seconds (API reference, StepScalingPolicyConfiguration and TargetTrackingScalingPolicyConfiguration).
func (p Properties) cooldown(key string) time.Duration {
	if _, given := p[key]; !given {
		return 300 * time.Second
	}
	return time.Duration(p.number(key)) * time.Second
}

func stepOf(p Properties) (*scaling.Step, error) {
	step := &scaling.Step{
		AdjustmentType: p.text("adjustmentType"), Aggregation: p.text("metricAggregationType"),
		Cooldown: p.cooldown("cooldown"), MinMagnitude: int(p.number("minAdjustmentMagnitude")),
	}
	if !oneOf(scaling.ChangeInCapacity, scaling.ExactCapacity, scaling.PercentChangeInCapacity).accepts(p["adjustmentType"]) {
		return nil, fmt.Errorf("adjustmentType must be %s, %s or %s, but is %q",
			scaling.ChangeInCapacity, scaling.ExactCapacity, scaling.PercentChangeInCapacity, step.AdjustmentType)
	}
	if step.Aggregation != "" && !oneOf("Minimum", "Maximum", "Average").accepts(step.Aggregation) {
		return nil, fmt.Errorf("metricAggregationType must be Minimum, Maximum or Average, but is %q", step.Aggregation)
	}
	for _, adjustment := range p.objects("stepAdjustments") {
		lower, err := bound(adjustment, "metricIntervalLowerBound")
		if err != nil {
			return nil, err
		}
		upper, err := bound(adjustment, "metricIntervalUpperBound")
		if err != nil {
			return nil, err
		}
		step.Adjustments = append(step.Adjustments, scaling.Adjustment{Lower: lower, Upper: upper, Scaling: int(adjustment.number("scalingAdjustment"))})
	}
	if len(step.Adjustments) == 0 {
		return nil, fmt.Errorf("ValidationException: a step scaling policy needs at least one of stepAdjustments")
	}
	return step, nil
}

// bound reads a bound of a step, which is a number in a string; nil is infinite.
func bound(adjustment Properties, key string) (*float64, error) {
	text := adjustment.text(key)
	if text == "" {
		return nil, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s must be a number in a string, but is %q", key, text)
	}
	return &value, nil
}

const (
	sagemakerNamespace = "AWS/SageMaker"
	componentMetricKey = "InferenceComponentName"
)

// predefinedMetrics are the metrics that target tracking may follow for inference components. SageMaker's user guide
// ("Auto scaling policy overview") says which metric each one is; the alarms that AWS creates show the rest.
var predefinedMetrics = map[string]scaling.Metric{
	"SageMakerInferenceComponentInvocationsPerCopy": {
		Namespace: sagemakerNamespace, Name: "InvocationsPerCopy", Statistic: "Sum", Period: time.Minute,
	},
	"SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": {
		Namespace: sagemakerNamespace, Name: "ConcurrentRequestsPerCopy", Statistic: "Average", Period: 10 * time.Second,
	},
}

func trackingOf(component string, p Properties) (*scaling.Tracking, error) {
	name := p.object("predefinedMetricSpecification").text("predefinedMetricType")
	metric, known := predefinedMetrics[name]
	if !known {
		return nil, fmt.Errorf("localcloud follows the metrics SageMakerInferenceComponentInvocationsPerCopy and "+
			"SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution: "+
			"set predefinedMetricSpecification.predefinedMetricType to one of them, not to %q", name)
	}
	metric.Dimensions = map[string]string{componentMetricKey: component}
	target := p.number("targetValue")
	if target <= 0 {
		return nil, fmt.Errorf("ValidationException: targetValue must be above 0, but is %v", target)
	}
	return &scaling.Tracking{
		Metric: metric, Target: target, DisableScaleIn: p.flag("disableScaleIn"),
		ScaleInCooldown: p.cooldown("scaleInCooldown"), ScaleOutCooldown: p.cooldown("scaleOutCooldown"),
	}, nil
}

// alarmOf leaves the unit out: the metrics of the local cloud have none, so that none is wrong.
func alarmOf(r *Resource) scaling.Alarm {
	return scaling.Alarm{
		ARN: alarmARN(r, r.Inputs.text("name")), Name: r.Inputs.text("name"),
		Metric: scaling.Metric{
			Namespace: r.Inputs.text("namespace"), Name: r.Inputs.text("metricName"), Dimensions: r.Inputs.texts("dimensions"),
			Statistic: r.Inputs.text("statistic"), Period: time.Duration(r.Inputs.number("period")) * time.Second,
		},
		EvaluationPeriods: int(r.Inputs.number("evaluationPeriods")), DatapointsToAlarm: int(r.Inputs.number("datapointsToAlarm")),
		ComparisonOperator: r.Inputs.text("comparisonOperator"), Threshold: r.Inputs.number("threshold"),
		TreatMissingData: r.Inputs.text("treatMissingData"), ActionsEnabled: r.Inputs.flag("actionsEnabled"),
		AlarmActions: r.Inputs.list("alarmActions"), OKActions: r.Inputs.list("okActions"),
		InsufficientDataActions: r.Inputs.list("insufficientDataActions"), NotEvaluated: notEvaluated(r),
	}
}

// notEvaluated says why the local cloud cannot evaluate an alarm that AWS would; "" if it can.
func notEvaluated(r *Resource) string {
	switch {
	case r.Inputs["metricQueries"] != nil:
		return "localcloud has no metric math; give metricName and statistic instead of metricQueries"
	case r.Inputs.text("extendedStatistic") != "":
		return "localcloud has no percentiles; give statistic instead of extendedStatistic"
	case r.Inputs.text("metricName") == "":
		return "the alarm names no metric"
	case r.Inputs["threshold"] == nil:
		return "localcloud detects no anomalies; give a threshold"
	default:
		return ""
	}
}

// checkAlarm holds PutMetricAlarm's rules for an alarm on one metric.
func checkAlarm(_ *Server, r *Resource) error {
	periods, needed := r.Inputs.number("evaluationPeriods"), r.Inputs.number("datapointsToAlarm")
	if periods < 1 || needed < 0 || needed > periods {
		return fmt.Errorf("ValidationError: evaluationPeriods must be at least 1 and datapointsToAlarm not above it: %v, %v", periods, needed)
	}
	if r.Inputs.text("metricName") == "" {
		return nil
	}
	if (r.Inputs.text("statistic") == "") == (r.Inputs.text("extendedStatistic") == "") {
		return fmt.Errorf("one of statistic or extendedStatistic must be set, and not both, for an alarm on metricName")
	}
	switch period := int(r.Inputs.number("period")); {
	case period != 10 && period != 20 && period != 30 && (period < 60 || period%60 != 0):
		return fmt.Errorf("ValidationError: period must be 10, 20, 30 or a multiple of 60 seconds, but is %d", period)
	case period < 3600 && period*int(periods) > 24*3600:
		return fmt.Errorf("ValidationError: period times evaluationPeriods must not be above one day, but is %d seconds", period*int(periods))
	case period*int(periods) > 7*24*3600:
		return fmt.Errorf("ValidationError: period times evaluationPeriods must not be above seven days, but is %d seconds", period*int(periods))
	}
	return nil
}

func scheduledActionOf(r *Resource) (scaling.ScheduledAction, error) {
	action := scaling.ScheduledAction{Name: r.Inputs.text("name"), Component: componentOf(r)}
	var err error
	if action.Schedule, err = scaling.ParseSchedule(r.Inputs.text("schedule"), r.Inputs.text("timezone")); err != nil {
		return action, fmt.Errorf("ValidationException: %w", err)
	}
	for key, field := range map[string]*time.Time{"startTime": &action.Start, "endTime": &action.End} {
		if text := r.Inputs.text(key); text != "" {
			if *field, err = time.Parse(time.RFC3339, text); err != nil {
				return action, fmt.Errorf("%s must be a time such as 2026-01-31T08:00:00Z, but is %q", key, text)
			}
		}
	}
	bounds := r.Inputs.object("scalableTargetAction")
	for key, field := range map[string]**int{"minCapacity": &action.Min, "maxCapacity": &action.Max} {
		if _, given := bounds[key]; given {
			*field = new(int(bounds.number(key)))
		}
	}
	if action.Min == nil && action.Max == nil {
		return action, fmt.Errorf("scalableTargetAction needs minCapacity, maxCapacity or both")
	}
	return action, nil
}
