package main

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	scalingPolicyToken = "aws:appautoscaling/policy:Policy"
	alarmToken         = "aws:cloudwatch/metricAlarm:MetricAlarm"
)

// with is a copy of properties in which some are others; nil takes one away.
func with(properties object, changes ...object) object {
	changed := maps.Clone(properties)
	for _, change := range changes {
		maps.Copy(changed, change)
	}
	maps.DeleteFunc(changed, func(_ string, v any) bool { return v == nil })
	return changed
}

var (
	sleeper = object{
		"serviceNamespace": "sagemaker", "scalableDimension": copyCount,
		"resourceId": "inference-component/songs", "minCapacity": 0, "maxCapacity": 2,
	}
	wakeStep = object{
		"policyType": "StepScaling", "serviceNamespace": "sagemaker", "scalableDimension": copyCount,
		"resourceId": "inference-component/songs",
		"stepScalingPolicyConfiguration": object{
			"adjustmentType": "ChangeInCapacity", "stepAdjustments": list{object{"metricIntervalLowerBound": "0", "scalingAdjustment": 1}},
		},
	}
	wakeAlarm = object{
		"namespace": "AWS/SageMaker", "metricName": noCapacityMetric, "dimensions": object{"InferenceComponentName": "songs"},
		"statistic": "Sum", "period": 60, "evaluationPeriods": 1, "datapointsToAlarm": 1,
		"comparisonOperator": "GreaterThanOrEqualToThreshold", "threshold": 1, "alarmActions": list{"arn:step"},
	}
)

// sleeping is a target with its step policy and alarm, as they are once the
// step policy has an ARN.
func sleeping(target, step, alarm object) []registration {
	return []registration{
		{token: targetToken, name: "target", properties: with(sleeper, target)},
		{token: scalingPolicyToken, name: "step", properties: with(wakeStep, step), outputs: object{"arn": "arn:step"}},
		{token: alarmToken, name: "alarm", properties: with(wakeAlarm, alarm)},
	}
}

// planned is the same before anything exists: the alarm's action is unknown,
// and the engine says what it is made of.
func planned(depends ...string) []registration {
	resources := sleeping(nil, nil, object{"alarmActions": list{unknown}})
	resources[1].outputs = object{"arn": unknown}
	resources[2].depends = map[string][]string{"alarmActions": depends}
	return resources
}

func TestWakesUp(t *testing.T) {
	step := func(adjustment string, steps ...any) object {
		return object{"stepScalingPolicyConfiguration": object{"adjustmentType": adjustment, "stepAdjustments": steps}}
	}
	runCases(t, "sagemaker-wakes-up", []policyCase{
		{name: "wakes up", resources: sleeping(nil, nil, nil)},
		{name: "planned", resources: planned("step")},
		{name: "above 0", resources: sleeping(nil, nil, object{"comparisonOperator": "GreaterThanThreshold", "threshold": 0})},
		{name: "maximum", resources: sleeping(nil, nil, object{"statistic": "Maximum", "datapointsToAlarm": nil})},
		{name: "does not sleep", resources: sleeping(object{"minCapacity": 1}, nil, nil)[:1]},
		{name: "of another service", resources: sleeping(object{"scalableDimension": "ecs:service:DesiredCount"}, nil, nil)[:1]},
		{
			name: "as many as needed", resources: sleeping(nil, step("ExactCapacity", object{"scalingAdjustment": 1}), nil),
		},
		{
			name: "nothing", resources: sleeping(nil, nil, nil)[:1],
			denied: []string{`aws:appautoscaling/target:Target "target": the step policy that leaves zero is missing`},
		},
		{
			name: "only target tracking", resources: sleeping(nil, object{"policyType": "TargetTrackingScaling"}, nil),
			denied: []string{"no StepScaling policy of the stack adds copies to this target"},
		},
		{name: "of another component", resources: sleeping(nil, object{"resourceId": "inference-component/other"}, nil), denied: []string{"step policy that leaves zero"}},
		{name: "takes copies away", resources: sleeping(nil, step("ChangeInCapacity", object{"scalingAdjustment": -1}), nil), denied: []string{"step policy that leaves zero"}},
		{name: "from two on", resources: sleeping(nil, step("ChangeInCapacity", object{"metricIntervalLowerBound": "1", "scalingAdjustment": 1}), nil), denied: []string{"step policy that leaves zero"}},
		{name: "a percentage of none", resources: sleeping(nil, step("PercentChangeInCapacity", object{"scalingAdjustment": 100}), nil), denied: []string{"step policy that leaves zero"}},
		{name: "step not known", resources: sleeping(nil, step("ChangeInCapacity", object{"scalingAdjustment": unknown}), nil), pending: []string{"step policy that leaves zero is unknown"}},
		{name: "a percentage of none, but at least one", resources: sleeping(nil, object{"stepScalingPolicyConfiguration": object{
			"adjustmentType": "PercentChangeInCapacity", "minAdjustmentMagnitude": 1, "stepAdjustments": list{object{"scalingAdjustment": 100}},
		}}, nil)},
		{name: "configuration not known", resources: sleeping(nil, object{"stepScalingPolicyConfiguration": unknown}, nil), pending: []string{"step policy that leaves zero is unknown"}},
		{name: "steps not known", resources: sleeping(nil, object{"stepScalingPolicyConfiguration": object{"stepAdjustments": unknown}}, nil), pending: []string{"step policy that leaves zero is unknown"}},
		{name: "kind of policy not known", resources: sleeping(nil, object{"policyType": unknown}, nil), pending: []string{"step policy that leaves zero is unknown"}},
		{name: "dimensions not known", resources: sleeping(nil, nil, object{"dimensions": unknown}), pending: []string{"the alarm that runs the step policy is unknown"}},
		{name: "another dimension", resources: sleeping(nil, nil, object{"dimensions": object{"EndpointName": "songs"}}), denied: []string{"the alarm that runs the step policy"}},
		{name: "actions not known", resources: sleeping(nil, nil, object{"alarmActions": unknown}), pending: []string{"the alarm that runs the step policy is unknown"}},
		{name: "no alarm", resources: sleeping(nil, nil, nil)[:2], denied: []string{"the alarm that runs the step policy is missing (nothing notices"}},
		{name: "another metric", resources: sleeping(nil, nil, object{"metricName": "Invocations"}), denied: []string{"the alarm that runs the step policy"}},
		{name: "another component's", resources: sleeping(nil, nil, object{"dimensions": object{"InferenceComponentName": "other"}}), denied: []string{"the alarm that runs the step policy"}},
		{name: "no dimension", resources: sleeping(nil, nil, object{"dimensions": nil}), denied: []string{"the alarm that runs the step policy"}},
		{name: "another action", resources: sleeping(nil, nil, object{"alarmActions": list{"arn:topic"}}), denied: []string{"the alarm that runs the step policy"}},
		{name: "action of unknown origin", resources: planned(), pending: []string{"the alarm that runs the step policy is unknown"}},
		{name: "dimension not known", resources: sleeping(nil, nil, object{"dimensions": object{"InferenceComponentName": unknown}}), pending: []string{"the alarm that runs the step policy is unknown"}},
		{
			name: "the guide's own example", resources: sleeping(nil, nil, object{"comparisonOperator": "GreaterThanThreshold"}),
			denied: []string{`"alarm": Threshold is 1; it must be 0 for GreaterThanThreshold, so that a single refused caller trips the alarm. To mend it, write Threshold: pulumi.Float64(0)`},
		},
		{name: "two callers", resources: sleeping(nil, nil, object{"threshold": 2}), denied: []string{"Threshold is 2; it must be 1 for GreaterThanOrEqualToThreshold"}},
		{name: "below", resources: sleeping(nil, nil, object{"comparisonOperator": "LessThanThreshold"}), denied: []string{"ComparisonOperator is"}},
		{name: "mean", resources: sleeping(nil, nil, object{"statistic": "Average"}), denied: []string{`Statistic is "Average"`}},
		{name: "percentile", resources: sleeping(nil, nil, object{"statistic": nil, "extendedStatistic": "p99"}), denied: []string{"Statistic is missing"}},
		{name: "three datapoints", resources: sleeping(nil, nil, object{"datapointsToAlarm": 3, "evaluationPeriods": 3}), denied: []string{"DatapointsToAlarm is 3"}},
		{name: "two periods", resources: sleeping(nil, nil, object{"datapointsToAlarm": nil, "evaluationPeriods": 2}), denied: []string{"EvaluationPeriods is 2"}},
		{name: "one of three", resources: sleeping(nil, nil, object{"datapointsToAlarm": 1, "evaluationPeriods": 3})},
		{name: "switched off", resources: sleeping(nil, nil, object{"actionsEnabled": false}), denied: []string{"ActionsEnabled is false"}},
		{name: "threshold not known", resources: sleeping(nil, nil, object{"threshold": unknown}), pending: []string{"Threshold is unknown"}},
		{
			name:      "one good alarm is enough",
			resources: append(sleeping(nil, nil, object{"threshold": 5}), registration{token: alarmToken, name: "good", properties: wakeAlarm}),
		},
		{name: "minimum not known", resources: sleeping(object{"minCapacity": unknown}, nil, nil)[:1], pending: []string{"step policy that leaves zero is unknown"}},
		{name: "minimum not known, wakes up", resources: sleeping(object{"minCapacity": unknown}, nil, nil)},
		{name: "dimension of the target not known", resources: sleeping(object{"scalableDimension": unknown}, nil, nil)[:2], pending: []string{"the alarm that runs the step policy is unknown"}},
	})
}

// The step's ARN is an output of the stack whose template holds it.
func TestWakesUpAcrossForms(t *testing.T) {
	template := registration{token: stackToken, name: "stack", properties: object{"templateBody": `{"Resources": {"Step": {
		"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": {"PolicyType": "StepScaling",
		"ResourceId": "inference-component/songs", "StepScalingPolicyConfiguration": {"AdjustmentType": "ChangeInCapacity",
		"StepAdjustments": [{"ScalingAdjustment": 1}]}}}}}`}}
	alarm := registration{
		token: alarmToken, name: "alarm", properties: with(wakeAlarm, object{"alarmActions": list{unknown}}),
		depends: map[string][]string{"alarmActions": {"stack"}},
	}
	state := func(name, typeName string, properties object, depends ...string) registration {
		text, err := json.Marshal(properties)
		require.NoError(t, err)
		return registration{
			token: cloudControlToken, name: name, properties: object{"typeName": typeName, "desiredState": string(text)},
			depends: map[string][]string{"desiredState": depends},
		}
	}
	controlled := func(threshold int) []registration {
		return []registration{
			state("target", "AWS::ApplicationAutoScaling::ScalableTarget", object{
				"ServiceNamespace": "sagemaker", "ScalableDimension": copyCount, "ResourceId": "inference-component/songs", "MinCapacity": 0,
			}),
			state("step", "AWS::ApplicationAutoScaling::ScalingPolicy", object{
				"PolicyType": "StepScaling", "ResourceId": "inference-component/songs",
				"StepScalingPolicyConfiguration": object{"StepAdjustments": list{object{"ScalingAdjustment": 1}}},
			}),
			state("alarm", "AWS::CloudWatch::Alarm", object{
				"Namespace": "AWS/SageMaker", "MetricName": noCapacityMetric, "Statistic": "Sum", "EvaluationPeriods": 1,
				"Dimensions":         list{object{"Name": "InferenceComponentName", "Value": "songs"}},
				"ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": threshold, "AlarmActions": list{"arn:step"},
			}, "step"),
		}
	}
	notKnown := controlled(1)
	notKnown[2].properties = with(notKnown[2].properties, object{"desiredState": unknown})
	target := registration{token: targetToken, name: "target", properties: sleeper}
	maybe := func(condition string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, a]}\nResources: {Target: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: " +
				"{ServiceNamespace: sagemaker, ScalableDimension: " + copyCount + ", ResourceId: inference-component/songs, MinCapacity: 0}}, " +
				"Step: {Type: AWS::ApplicationAutoScaling::ScalingPolicy, " + condition + "Properties: {PolicyType: StepScaling, ScalingTargetId: !Ref Target, " +
				"StepScalingPolicyConfiguration: {StepAdjustments: [{ScalingAdjustment: 1}]}}}}", "parameters": object{"P": unknown},
		}
	}
	runCases(t, "sagemaker-wakes-up", []policyCase{
		{name: "a step in the same template", token: stackToken, properties: maybe(""), denied: []string{"the alarm that runs the step policy is missing"}},
		{name: "a step that may not exist", token: stackToken, properties: maybe("Condition: C, "), pending: []string{"the step policy that leaves zero is unknown (parameter P"}},
		{name: "step in a template", resources: []registration{target, template, alarm}},
		{name: "Cloud Control", resources: controlled(1)},
		{name: "Cloud Control, two callers", resources: controlled(2), denied: []string{"Threshold is 2"}},
		{name: "Cloud Control, not known", resources: notKnown, pending: []string{"the alarm that runs the step policy is unknown"}},
		{
			name: "aws-native", resources: []registration{
				{token: "aws-native:applicationautoscaling:ScalableTarget", name: "target", properties: sleeper},
				{token: "aws-native:applicationautoscaling:ScalingPolicy", name: "step", properties: wakeStep, outputs: object{"arn": "arn:step"}},
				{token: "aws-native:cloudwatch:Alarm", name: "alarm", properties: with(wakeAlarm, object{
					"dimensions": list{object{"name": "InferenceComponentName", "value": "songs"}},
				})},
			},
		},
	})
}
