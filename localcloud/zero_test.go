//go:build unix

package localcloud_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

// The same as the life of an endpoint, with a real process, over real HTTP, on the real clock, made much faster.
func TestARealModelGoesToZeroAndComesBack(t *testing.T) {
	cloud := start(t, options(t.TempDir()))
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	began := cloud.Clock().Now()
	url := cloud.URL() + deploy(t, cloud)
	assert.Contains(t, infer(t, url), `"id":"1"`)

	e := attach(t, cloud)
	of := func(more props) props {
		more["resourceId"], more["serviceNamespace"] = "inference-component/component", "sagemaker"
		more["scalableDimension"] = "sagemaker:inference-component:DesiredCopyCount"
		return more
	}
	e.create(provider.TypeScalingTarget, of(props{"minCapacity": 0, "maxCapacity": 1}))
	e.create(provider.TypeScalingPolicy, of(props{
		"policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": props{"targetValue": 5, "predefinedMetricSpecification": props{
			"predefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
		}},
	}))
	_, wake := e.create(provider.TypeScalingPolicy, of(props{"stepScalingPolicyConfiguration": props{
		"adjustmentType": "ChangeInCapacity", "stepAdjustments": []any{props{"metricIntervalLowerBound": "0", "scalingAdjustment": 1}},
	}}))
	e.create(provider.TypeMetricAlarm, props{
		"namespace": "AWS/SageMaker", "metricName": "NoCapacityInvocationFailures", "dimensions": props{"InferenceComponentName": "component"},
		"statistic": "Sum", "period": 60, "evaluationPeriods": 1, "threshold": 1, "comparisonOperator": "GreaterThanOrEqualToThreshold",
		"treatMissingData": "notBreaching", "alarmActions": []any{wake["arn"]},
	})

	asleep := func() bool {
		state := cloud.Endpoints()[0]
		return state.Components[0].Desired == 0 && len(state.Instances) == 0
	}
	require.Eventually(t, asleep, 20*time.Second, 10*time.Millisecond, "15 and 10 minutes, in 1.5 seconds")
	response, err := http.Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	refusal, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Contains(t, string(refusal), "Inference Component has no capacity")

	awake := func() bool {
		activities := cloud.Activities()
		return len(activities) == 2 && !activities[1].End.IsZero()
	}
	require.Eventually(t, awake, 20*time.Second, time.Millisecond, "a minute until the alarm and four for an instance")
	assert.Contains(t, infer(t, url), `"id":"1"`)
	require.Len(t, cloud.Alarms(), 3)
	assert.False(t, cloud.Alarms()[0].CreatedByAWS)
	assert.Greater(t, cloud.Clock().Now().Sub(began), 30*time.Minute)
}
