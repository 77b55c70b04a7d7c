package provider

import (
	"fmt"
	"maps"
	"slices"
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
	case TypeScalingTarget, TypeScalingPolicy, TypeScheduledAction, TypeMetricAlarm, TypeCompositeAlarm:
		return true
	default:
		return false
	}
}

// registerScaling makes the scaler run exactly what the store holds.
func (s *Server) registerScaling() error {
	s.registering.Lock()
	defer s.registering.Unlock()
	all, err := ScalingOf(slices.Concat(
		s.store.Resources(TypeScalingTarget), s.store.Resources(TypeScalingPolicy),
		s.store.Resources(TypeMetricAlarm), s.store.Resources(TypeCompositeAlarm), s.store.Resources(TypeScheduledAction),
	))
	if err != nil {
		return err
	}
	s.options.Scaler.Register(all)
	return nil
}

// ScalingOf is what the scaler runs of the resources, in their order; those that do not drive it are left out. Inputs
// that are missing have the values that the real provider fills in, so that inputs which were never checked, as a
// program gives them, will do. The ARN of a policy follows from its URN and the time of its creation.
//
// Errors: a policy or scheduled action that AWS refuses or that the local cloud cannot run.
func ScalingOf(resources []*Resource) (scaling.Registered, error) {
	var all scaling.Registered
	for _, r := range resources {
		if !scales(r.Type) {
			continue
		}
		filled := *r
		filled.Inputs = maps.Clone(kinds[r.Type].defaults)
		if filled.Inputs == nil {
			filled.Inputs = Properties{}
		}
		maps.Copy(filled.Inputs, r.Inputs)
		if err := addScaling(&all, &filled); err != nil {
			return scaling.Registered{}, err
		}
	}
	return all, nil
}

func addScaling(all *scaling.Registered, r *Resource) error {
	switch r.Type {
	case TypeScalingTarget:
		all.Targets = append(all.Targets, targetOf(r))
	case TypeScalingPolicy:
		policy, err := policyOf(r)
		if err != nil {
			return fmt.Errorf("scaling policy %s: %w", r.ID, err)
		}
		all.Policies = append(all.Policies, policy)
	case TypeMetricAlarm:
		all.Alarms = append(all.Alarms, alarmOf(r))
	case TypeCompositeAlarm:
		all.Composites = append(all.Composites, compositeOf(r))
	case TypeScheduledAction:
		action, err := scheduledActionOf(r)
		if err != nil {
			return fmt.Errorf("scheduled action %s: %w", r.ID, err)
		}
		all.Schedules = append(all.Schedules, action)
	}
	return nil
}

// scaledBy is what a scalable target, a policy or a scheduled action is for.
func scaledBy(r *Resource) scaling.Resource {
	return scaling.Resource{Dimension: r.Inputs.text("scalableDimension"), ID: r.Inputs.text("resourceId")}
}

func targetOf(r *Resource) scaling.Target {
	suspended := r.Inputs.object("suspendedState")
	return scaling.Target{
		Resource: scaledBy(r), Min: int(r.Inputs.number("minCapacity")), Max: int(r.Inputs.number("maxCapacity")),
		ScaleInSuspended:   suspended.flag("dynamicScalingInSuspended"),
		ScaleOutSuspended:  suspended.flag("dynamicScalingOutSuspended"),
		SchedulesSuspended: suspended.flag("scheduledScalingSuspended"),
	}
}

func policyOf(r *Resource) (p scaling.Policy, err error) {
	p = scaling.Policy{ARN: policyARN(r), Name: r.Inputs.text("name"), Resource: scaledBy(r)}
	if r.Inputs.text("policyType") == "StepScaling" {
		p.Step, err = stepOf(p.Resource, r.Inputs.object("stepScalingPolicyConfiguration"))
		return p, err
	}
	p.Tracking, err = trackingOf(p.Resource, r.Inputs.object("targetTrackingScalingPolicyConfiguration"))
	if err == nil {
		p.Tracking.AlarmHigh, p.Tracking.AlarmLow = trackingAlarmName(r, alarmHigh), trackingAlarmName(r, alarmLow)
	}
	return p, err
}

// cooldown returns a duration property. Application Auto Scaling's default is 300 seconds for SageMaker's targets, and
// none for provisioned concurrency (API reference, StepScalingPolicyConfiguration and
// TargetTrackingScalingPolicyConfiguration).
func (p Properties) cooldown(of scaling.Resource, key string) time.Duration {
	if _, given := p[key]; !given && of.Dimension == scaling.CopyCount {
		return 300 * time.Second
	}
	return time.Duration(p.number(key)) * time.Second
}

func stepOf(of scaling.Resource, p Properties) (*scaling.Step, error) {
	step := &scaling.Step{
		AdjustmentType: p.text("adjustmentType"), Aggregation: p.text("metricAggregationType"),
		Cooldown: p.cooldown(of, "cooldown"), MinMagnitude: int(p.number("minAdjustmentMagnitude")),
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

// predefinedMetrics are the metrics that target tracking may follow, by their dimension. SageMaker's user guide ("Auto
// scaling policy overview") says which metric each one is for inference components, Lambda's developer guide ("Managing
// provisioned concurrency with Application Auto Scaling") for functions; the alarms that AWS creates show the rest.
var predefinedMetrics = map[string]map[string]scaling.Metric{
	scaling.CopyCount: {
		"SageMakerInferenceComponentInvocationsPerCopy": {
			Namespace: sagemakerNamespace, Name: "InvocationsPerCopy", Statistic: "Sum", Period: time.Minute,
		},
		"SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": {
			Namespace: sagemakerNamespace, Name: "ConcurrentRequestsPerCopy", Statistic: "Average", Period: 10 * time.Second,
		},
	},
	scaling.ProvisionedConcurrency: {
		"LambdaProvisionedConcurrencyUtilization": {
			Namespace: "AWS/Lambda", Name: "ProvisionedConcurrencyUtilization", Statistic: "Average", Period: time.Minute,
		},
	},
}

func trackingOf(of scaling.Resource, p Properties) (*scaling.Tracking, error) {
	name := p.object("predefinedMetricSpecification").text("predefinedMetricType")
	metric, known := predefinedMetrics[of.Dimension][name]
	if !known {
		return nil, fmt.Errorf("localcloud follows the metrics %s for %s: "+
			"set predefinedMetricSpecification.predefinedMetricType to one of them, not to %q",
			strings.Join(slices.Sorted(maps.Keys(predefinedMetrics[of.Dimension])), " and "), of.Dimension, name)
	}
	metric.Dimensions = map[string]string{componentMetricKey: of.Component()}
	if function, alias, ok := scaledFunction(of); ok {
		metric.Dimensions = map[string]string{"FunctionName": function, "Resource": function + ":" + alias}
	}
	target := p.number("targetValue")
	if target <= 0 {
		return nil, fmt.Errorf("ValidationException: targetValue must be above 0, but is %v", target)
	}
	return &scaling.Tracking{
		Metric: metric, Target: target, DisableScaleIn: p.flag("disableScaleIn"),
		ScaleInCooldown: p.cooldown(of, "scaleInCooldown"), ScaleOutCooldown: p.cooldown(of, "scaleOutCooldown"),
	}, nil
}

func scheduledActionOf(r *Resource) (scaling.ScheduledAction, error) {
	action := scaling.ScheduledAction{Name: r.Inputs.text("name"), Resource: scaledBy(r)}
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
