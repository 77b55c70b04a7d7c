package provider_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

// place are the inputs that name the copies of the inference component.
var place = props{
	"resourceId": "inference-component/component", "scalableDimension": "sagemaker:inference-component:DesiredCopyCount",
	"serviceNamespace": "sagemaker",
}

func stepPolicy(change props) props {
	return merged(place, props{"name": "wake", "stepScalingPolicyConfiguration": merged(props{
		"adjustmentType": "ChangeInCapacity", "metricAggregationType": "Maximum", "cooldown": 60,
		"stepAdjustments": []any{props{"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "2.5", "scalingAdjustment": 1}},
	}, change)})
}

func wakeAlarm(change props) props {
	return merged(props{
		"name": "wake", "namespace": "AWS/SageMaker", "metricName": "NoCapacityInvocationFailures", "dimensions": props{"InferenceComponentName": "component"},
		"statistic": "Sum", "period": 60, "evaluationPeriods": 3, "datapointsToAlarm": 2, "threshold": 1, "treatMissingData": "notBreaching",
		"comparisonOperator": "GreaterThanOrEqualToThreshold",
	}, change)
}

func TestTheScalerRunsWhatIsRegistered(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	newWorld(c, provider.TypeStack)
	target := c.create(provider.TypeScalingTarget, merged(place, props{"minCapacity": 0, "maxCapacity": 3, "suspendedState": props{"dynamicScalingInSuspended": true}}))
	wake := c.create(provider.TypeScalingPolicy, stepPolicy(nil))
	track, err := c.tryCreate(provider.TypeScalingPolicy, "track", merged(place, props{"name": "track", "policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": tracking(5)}))
	require.NoError(t, err)
	alarm := c.create(provider.TypeMetricAlarm, wakeAlarm(props{"alarmActions": []any{c.text(wake, "arn")}}))
	c.create(provider.TypeScheduledAction, merged(place, props{
		"name": "open", "schedule": "cron(0 8 ? * MON-FRI *)", "timezone": "Asia/Tokyo", "startTime": "2026-01-31T08:00:00Z",
		"scalableTargetAction": props{"minCapacity": 1},
	}))

	schedule, err := scaling.ParseSchedule("cron(0 8 ? * MON-FRI *)", "Asia/Tokyo")
	require.NoError(t, err)
	registered := c.scaler.registered
	require.Len(t, registered.Policies, 2)
	low := registered.Policies[1].Tracking.AlarmLow
	assert.Regexp(t, `^TargetTracking-inference-component/component-AlarmLow-`, low)
	assert.Contains(t, c.decode(track.outputs)["alarmArns"].ArrayValue()[1].StringValue(), ":alarm:"+low)
	want := scaling.Registered{
		Targets: []scaling.Target{{Resource: scaling.Component("component"), Min: 0, Max: 3, ScaleInSuspended: true}},
		Policies: []scaling.Policy{
			{ARN: c.text(wake, "arn"), Name: "wake", Resource: scaling.Component("component"), Step: &scaling.Step{
				AdjustmentType: scaling.ChangeInCapacity, Aggregation: "Maximum", Cooldown: time.Minute,
				Adjustments: []scaling.Adjustment{{Lower: new(0.0), Upper: new(2.5), Scaling: 1}},
			}},
			{ARN: c.text(track, "arn"), Name: "track", Resource: scaling.Component("component"), Tracking: &scaling.Tracking{
				Metric: scaling.Metric{
					Namespace: "AWS/SageMaker", Name: "ConcurrentRequestsPerCopy", Dimensions: map[string]string{"InferenceComponentName": "component"},
					Statistic: "Average", Period: 10 * time.Second,
				},
				Target: 5, ScaleInCooldown: 5 * time.Minute, ScaleOutCooldown: 5 * time.Minute,
				AlarmHigh: registered.Policies[1].Tracking.AlarmHigh, AlarmLow: low,
			}},
		},
		Alarms: []scaling.Alarm{{
			ARN: c.text(alarm, "arn"), Name: "wake",
			Metric: scaling.Metric{
				Namespace: "AWS/SageMaker", Name: "NoCapacityInvocationFailures", Dimensions: map[string]string{"InferenceComponentName": "component"},
				Statistic: "Sum", Period: time.Minute,
			},
			EvaluationPeriods: 3, DatapointsToAlarm: 2, ComparisonOperator: scaling.GreaterThanOrEqualToThreshold, Threshold: 1,
			TreatMissingData: scaling.NotBreaching, ActionsEnabled: true, AlarmActions: []string{c.text(wake, "arn")},
		}},
		Schedules: []scaling.ScheduledAction{{
			Name: "open", Resource: scaling.Component("component"), Schedule: schedule, Start: time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), Min: new(1),
		}},
	}
	assert.Equal(t, want, registered)
	assert.Equal(t, want, openCloud(t, state).scaler.registered, "after a restart too")

	_, err = c.update(target, recheck(c, target, merged(place, props{"minCapacity": 1, "maxCapacity": 2})))
	require.NoError(t, err)
	assert.Equal(t, []scaling.Target{{Resource: scaling.Component("component"), Min: 1, Max: 2}}, c.scaler.registered.Targets)
	require.NoError(t, c.delete(alarm))
	assert.Empty(t, c.scaler.registered.Alarms)
}

func TestAlarmsThatTheLocalCloudDoesNotEvaluateSaySo(t *testing.T) {
	math := func(expression string) []any {
		return []any{
			props{"id": "m", "metric": props{"namespace": "n", "metricName": "m", "stat": "Sum", "period": 60}},
			props{"id": "e", "expression": expression, "returnData": true},
		}
	}
	metric := props{"metricName": "m", "namespace": "n", "extendedStatistic": "p99", "period": 60, "threshold": 1}
	for reason, inputs := range map[string]props{
		"metric math with AVG":       {"metricQueries": math("AVG(m)"), "threshold": 1},
		"a threshold":                {"metricQueries": math("m * 2")},
		"percentiles such as p95":    merged(metric, props{"extendedStatistic": "tm99"}),
		"percentiles of few samples": merged(metric, props{"evaluateLowSampleCountPercentiles": "ignore"}),
		"no anomalies":               {"metricName": "m", "namespace": "n", "statistic": "Sum", "period": 60},
		"names no metric":            {"threshold": 1},
		"which is no id of another":  {"metricQueries": math("m + more"), "threshold": 1},
		"over one period only":       {"metricQueries": append(math("m / n"), props{"id": "n", "metric": props{"namespace": "n", "metricName": "n", "stat": "Sum", "period": 300}}), "threshold": 1},
	} {
		c := newCloud(t)
		c.create(provider.TypeMetricAlarm, merged(inputs, props{"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1}))
		assert.Contains(t, c.scaler.registered.Alarms[0].NotEvaluated, reason)
	}
}

func TestWhatScalingRefuses(t *testing.T) {
	trackingPolicy := func(change props) props {
		return merged(place, props{"policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": merged(tracking(5), change)})
	}
	action := func(change props) props {
		return merged(place, merged(props{"schedule": "rate(1 day)", "scalableTargetAction": props{"minCapacity": 1}}, change))
	}
	c := newCloud(t)
	newWorld(c, provider.TypeScalingTarget)
	for name, test := range map[string]struct {
		typ    string
		inputs props
		want   string
	}{
		"a step by no type":         {provider.TypeScalingPolicy, stepPolicy(props{"adjustmentType": "Add"}), `adjustmentType must be ChangeInCapacity, ExactCapacity or PercentChangeInCapacity, but is "Add"`},
		"an unknown aggregation":    {provider.TypeScalingPolicy, stepPolicy(props{"metricAggregationType": "Sum"}), "metricAggregationType must be"},
		"no steps":                  {provider.TypeScalingPolicy, stepPolicy(props{"stepAdjustments": []any{}}), "at least one of stepAdjustments"},
		"a bound that is no number": {provider.TypeScalingPolicy, stepPolicy(props{"stepAdjustments": []any{props{"metricIntervalLowerBound": "low", "scalingAdjustment": 1}}}), `metricIntervalLowerBound must be a number in a string, but is "low"`},
		"an unknown metric": {provider.TypeScalingPolicy, trackingPolicy(props{"predefinedMetricSpecification": props{
			"predefinedMetricType": "SageMakerVariantInvocationsPerInstance",
		}}), "localcloud follows the metrics"},
		"a target of 0":          {provider.TypeScalingPolicy, trackingPolicy(props{"targetValue": 0}), "targetValue must be above 0"},
		"a period of 45 seconds": {provider.TypeMetricAlarm, wakeAlarm(props{"period": 45}), "period must be 10, 20, 30 or a multiple of 60 seconds, but is 45"},
		"more than a day":        {provider.TypeMetricAlarm, wakeAlarm(props{"evaluationPeriods": 1441}), "must not be above one day"},
		"more than a week":       {provider.TypeMetricAlarm, wakeAlarm(props{"period": 3600, "evaluationPeriods": 169}), "must not be above seven days"},
		"4 of 3":                 {provider.TypeMetricAlarm, wakeAlarm(props{"datapointsToAlarm": 4}), "datapointsToAlarm not above it"},
		"no schedule":            {provider.TypeScheduledAction, action(props{"schedule": "daily"}), `the schedule "daily" is none`},
		"no such zone":           {provider.TypeScheduledAction, action(props{"timezone": "Mars/Base"}), "is unknown"},
		"no time":                {provider.TypeScheduledAction, action(props{"startTime": "tomorrow"}), "startTime must be a time"},
		"no bound":               {provider.TypeScheduledAction, action(props{"scalableTargetAction": props{}}), "needs minCapacity, maxCapacity or both"},
		"an action of no target": {provider.TypeScheduledAction, action(props{"resourceId": "inference-component/other"}), "ObjectNotFoundException: No scalable target registered"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.tryCreate(test.typ, "refused", test.inputs)
			require.ErrorContains(t, err, test.want)
		})
	}
}
