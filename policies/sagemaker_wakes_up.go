package main

import (
	"fmt"
	"strconv"
	"strings"

	"scaletozero/policies/internal/cfn"
)

// wakesUp demands that an inference component which may go to zero copies comes
// back for a single caller.
//
// Target tracking cannot leave zero, since at zero there is no load per copy to
// measure. What leads out is a step policy that an alarm on
// NoCapacityInvocationFailures runs (SageMaker guide, "Scale an endpoint to
// zero instances"). The metric counts the callers who were refused, and the
// guide's own example compares with GreaterThanThreshold 1, which one caller in
// a period never trips: he would be refused for ever.
func wakesUp() rule {
	return rule{
		name:        "sagemaker-wakes-up",
		description: "A model that may scale to zero must be woken by the first caller it refuses.",
		judgeStack: func(s *stack) {
			s.each(func(r *report, properties map[string]any) { judgeWaking(s, r, properties) },
				"AWS::ApplicationAutoScaling::ScalableTarget")
		},
	}
}

const (
	copyCount        = "sagemaker:inference-component:DesiredCopyCount"
	componentPrefix  = "inference-component/"
	noCapacityMetric = "NoCapacityInvocationFailures"
	componentKey     = "InferenceComponentName"
)

func judgeWaking(s *stack, r *report, properties map[string]any) {
	minimum, dimension := properties["MinCapacity"], properties["ScalableDimension"]
	_, minimumUnknown := minimum.(cfn.Unknown)
	_, dimensionUnknown := dimension.(cfn.Unknown)
	if !cfn.IsInt(minimum, 0) && !minimumUnknown || !cfn.IsText(dimension, copyCount) && !dimensionUnknown {
		return
	}
	// What is missing is only missed if the target turns out to be one that
	// goes to zero copies.
	missing := func(m match) any {
		switch value := m.value(); {
		case value != nil:
			return value
		case minimumUnknown:
			return minimum
		case dimensionUnknown:
			return dimension
		}
		return nil
	}
	steps := stepPolicies(s, r.resource)
	if len(steps.found) == 0 {
		r.check(expectation{
			property: "the step policy that leaves zero", value: missing(steps),
			must:   "must exist, because target tracking cannot start the first copy",
			absent: "no StepScaling policy of the stack adds copies to this target",
			code: `an appautoscaling.Policy with PolicyType: pulumi.String("StepScaling"), the ResourceId and ScalableDimension of this ` +
				"target, AdjustmentType ChangeInCapacity and a step of ScalingAdjustment 1 from MetricIntervalLowerBound 0",
			template: "an AWS::ApplicationAutoScaling::ScalingPolicy with PolicyType StepScaling for this target, AdjustmentType " +
				"ChangeInCapacity and a step {MetricIntervalLowerBound: 0, ScalingAdjustment: 1}",
		})
		return
	}
	alarms := wakeAlarms(s, r.resource, steps.found)
	if len(alarms.found) == 0 {
		r.check(expectation{
			property: "the alarm that runs the step policy", value: missing(alarms),
			must:   fmt.Sprintf("must watch %s of this inference component and have the step policy's ARN in AlarmActions", noCapacityMetric),
			absent: "nothing notices a refused caller",
			code: `a cloudwatch.MetricAlarm with Namespace AWS/SageMaker, MetricName ` + noCapacityMetric + `, Dimensions {` + componentKey +
				`: the component's name}, Statistic Sum, GreaterThanOrEqualToThreshold 1, EvaluationPeriods 1 and AlarmActions: pulumi.Array{step.Arn}`,
			template: "an AWS::CloudWatch::Alarm with Namespace AWS/SageMaker, MetricName " + noCapacityMetric + ", the dimension " + componentKey +
				", Statistic Sum, GreaterThanOrEqualToThreshold 1, EvaluationPeriods 1 and AlarmActions: [!Ref StepPolicy]",
		})
		return
	}
	judgeWakeAlarms(s, alarms.found)
}

// stepPolicies are those that scale the target by steps.
func stepPolicies(s *stack, target cfn.Resource) match {
	return s.matching(func(policy cfn.Resource) (bool, *cfn.Unknown) {
		kind := get(policy, "PolicyType")
		if u, unknown := kind.(cfn.Unknown); unknown {
			return false, &u
		}
		if !cfn.IsText(kind, "StepScaling") {
			return false, nil
		}
		yes, doubt := refer(policy, "ScalingTargetId").Means(target)
		if cfn.IsMissing(get(policy, "ScalingTargetId")) {
			yes, doubt = sameOrMeans(refer(policy, "ResourceId"), refer(target, "ResourceId"), target)
		}
		if yes && doubt == nil {
			return addsACopy(get(policy, "StepScalingPolicyConfiguration"))
		}
		return yes, doubt
	}, "AWS::ApplicationAutoScaling::ScalingPolicy")
}

// sameOrMeans says whether f names the same as other does, or stands for the
// target itself, of which it may be an output.
func sameOrMeans(f, other cfn.Reference, target cfn.Resource) (bool, *cfn.Unknown) {
	yes, doubt := f.Same(other)
	if yes && doubt == nil {
		return true, nil
	}
	if means, _ := f.Means(target); means {
		return true, nil
	}
	return yes, doubt
}

// addsACopy says whether a step policy starts a copy where there is none, for
// the smallest breach of its alarm.
func addsACopy(configuration any) (bool, *cfn.Unknown) {
	if u, ok := configuration.(cfn.Unknown); ok {
		return false, &u
	}
	object, _ := cfn.Object(configuration)
	// A percentage of no copies is none, unless a least number is given.
	if cfn.IsText(object["AdjustmentType"], "PercentChangeInCapacity") {
		if least, ok := number(object["MinAdjustmentMagnitude"]); !ok || least < 1 {
			return false, nil
		}
	}
	if u, unknown := object["StepAdjustments"].(cfn.Unknown); unknown {
		return false, &u
	}
	var doubt *cfn.Unknown
	for _, step := range oneOrMany(object["StepAdjustments"]) {
		adjustment, _ := cfn.Object(step)
		for _, key := range []string{"ScalingAdjustment", "MetricIntervalLowerBound"} {
			if u, unknown := adjustment[key].(cfn.Unknown); unknown {
				doubt = &u
			}
		}
		lower, bounded := number(adjustment["MetricIntervalLowerBound"])
		more, _ := number(adjustment["ScalingAdjustment"])
		if more > 0 && (!bounded || lower <= 0) {
			return true, nil
		}
	}
	return false, doubt
}

// wakeAlarms are those on the component's refused callers that run one of the
// steps.
func wakeAlarms(s *stack, target cfn.Resource, steps []cfn.Resource) match {
	return s.matching(func(alarm cfn.Resource) (bool, *cfn.Unknown) {
		if !cfn.IsText(get(alarm, "MetricName"), noCapacityMetric) || !cfn.IsText(get(alarm, "Namespace"), "AWS/SageMaker") {
			return false, nil
		}
		yes, doubt := watches(alarm, target)
		if !yes && doubt == nil {
			return false, nil
		}
		runs, unsure := runsOneOf(alarm, steps)
		if unsure != nil {
			return false, unsure
		}
		if !runs {
			return false, nil
		}
		return yes, doubt
	}, "AWS::CloudWatch::Alarm")
}

// watches says whether the alarm's dimension is the component that the target
// scales. Its ResourceId is inference-component/NAME.
func watches(alarm, target cfn.Resource) (bool, *cfn.Unknown) {
	value := get(alarm, "Dimensions")
	if u, ok := value.(cfn.Unknown); ok {
		return false, &u
	}
	dimensions, _ := cfn.List(value)
	for _, item := range dimensions {
		dimension, _ := cfn.Object(item)
		if !cfn.IsText(dimension["Name"], componentKey) {
			continue
		}
		resourceID := get(target, "ResourceId")
		if text, ok := cfn.Text(resourceID); ok {
			resourceID = strings.TrimPrefix(text, componentPrefix)
		}
		return alarm.Reference("Dimensions", dimension["Value"]).Same(target.Reference("ResourceId", resourceID))
	}
	return false, nil
}

func runsOneOf(alarm cfn.Resource, steps []cfn.Resource) (bool, *cfn.Unknown) {
	value := get(alarm, "AlarmActions")
	actions, ok := cfn.List(value)
	if !ok {
		actions = []any{value}
	}
	var doubt *cfn.Unknown
	for _, action := range actions {
		for _, step := range steps {
			yes, unsure := alarm.Reference("AlarmActions", action).Means(step)
			if unsure == nil && yes {
				return true, nil
			}
			if unsure != nil {
				doubt = unsure
			}
		}
	}
	return false, doubt
}

// judgeWakeAlarms: one alarm that a single refused caller trips is enough.
func judgeWakeAlarms(s *stack, alarms []cfn.Resource) {
	var first []finding
	for _, alarm := range alarms {
		r := &report{resource: alarm}
		properties, _ := cfn.Object(alarm.Properties)
		judgeTripsAtOnce(r, properties)
		if len(r.findings) == 0 {
			return
		}
		if first == nil {
			first = r.findings
		}
	}
	s.reports = append(s.reports, &report{findings: first})
}

// judgeTripsAtOnce: the metric is 1 for one refused caller in a period, and is
// not written at all while there is none.
func judgeTripsAtOnce(r *report, alarm map[string]any) {
	threshold, comparison := alarm["Threshold"], alarm["ComparisonOperator"]
	limit, known := number(threshold)
	least := 1.0
	if cfn.IsText(comparison, "GreaterThanThreshold") {
		least = 0
	}
	switch {
	case !cfn.IsText(comparison, "GreaterThanThreshold", "GreaterThanOrEqualToThreshold"):
		r.check(expectation{
			property: "ComparisonOperator", value: comparison, must: "must be GreaterThanOrEqualToThreshold, with Threshold 1",
			code: `ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold")`, template: "ComparisonOperator: GreaterThanOrEqualToThreshold",
		})
	case !known || limit > least || limit < 0:
		text, _ := cfn.Text(comparison)
		must := fmt.Sprintf("must be %v for %s, so that a single refused caller trips the alarm", least, text)
		r.check(expectation{
			property: "Threshold", value: threshold, must: must, absent: "a metric alarm needs one",
			code: fmt.Sprintf("Threshold: pulumi.Float64(%v)", least), template: fmt.Sprintf("Threshold: %v", least),
		})
	}
	if statistic := alarm["Statistic"]; !cfn.IsText(statistic, "Sum", "Maximum", "SampleCount") {
		r.check(expectation{
			property: "Statistic", value: statistic, must: "must be Sum, because a mean or least value can stay below what one caller adds",
			code: `Statistic: pulumi.String("Sum")`, template: "Statistic: Sum",
		})
	}
	judgeOneDatapoint(r, alarm)
	if enabled := alarm["ActionsEnabled"]; !cfn.IsMissing(enabled) && !cfn.IsTrue(enabled) {
		r.check(expectation{
			property: "ActionsEnabled", value: enabled, must: "must be true, because the alarm runs nothing otherwise",
			code: "ActionsEnabled: pulumi.Bool(true)", template: "ActionsEnabled: true",
		})
	}
}

// judgeOneDatapoint: DatapointsToAlarm is EvaluationPeriods where it is missing
// (CloudWatch guide, "Evaluating an alarm").
func judgeOneDatapoint(r *report, alarm map[string]any) {
	property, value := "DatapointsToAlarm", alarm["DatapointsToAlarm"]
	if cfn.IsMissing(value) {
		property, value = "EvaluationPeriods", alarm["EvaluationPeriods"]
	}
	if !cfn.IsInt(value, 1) {
		r.check(expectation{
			property: property, value: value, must: "must be 1, because a caller who is refused once may not come back in the next period",
			code: property + ": pulumi.Int(1)", template: property + ": 1",
		})
	}
}

// number is a scalar as a number.
func number(v any) (float64, bool) {
	text, ok := cfn.Text(v)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n, err == nil
}
