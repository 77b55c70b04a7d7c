package function_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/function"
)

// officeHours keep one to three environments started by day and none by night.
func officeHours() []function.Schedule {
	return []function.Schedule{
		{Name: "morning", Expression: "cron(50 8 ? * MON-FRI *)", Timezone: "Asia/Tokyo", Min: 1, Max: 3},
		{Name: "evening", Expression: "cron(0 19 ? * MON-FRI *)"},
	}
}

func TestNothingIsKeptByDefault(t *testing.T) {
	graph := run(t, ofImage())
	for _, token := range []string{targetToken, scalingToken, actionToken} {
		assert.Empty(t, graph.OfType(token))
	}
}

func TestProvisioned(t *testing.T) {
	a := ofPackage()
	a.ReservedConcurrency, a.Provisioned = 4, &function.Provisioned{Min: 1, Max: 4}
	for name, run := range modes {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a)
			target := graph.Only(t, targetToken)
			assert.Equal(t, map[string]any{
				"serviceNamespace": "lambda", "scalableDimension": "lambda:function:ProvisionedConcurrency",
				"resourceId": "function:songs-dev:live", "minCapacity": 1.0, "maxCapacity": 4.0,
			}, target.Inputs.Mappable())
			assert.Contains(t, strings.Join(target.DependsOn, " "), aliasToken+"::model", "AWS registers only an alias that exists")
			assert.Empty(t, graph.ignored[targetToken], "only Pulumi sets these bounds")

			policy := graph.Only(t, scalingToken).Inputs
			assert.Equal(t, map[string]any{
				"name": "songs-dev-utilization", "policyType": "TargetTrackingScaling",
				"serviceNamespace": "lambda", "scalableDimension": "lambda:function:ProvisionedConcurrency",
				"resourceId": "function:songs-dev:live",
				"targetTrackingScalingPolicyConfiguration": map[string]any{
					"predefinedMetricSpecification": map[string]any{"predefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
					"targetValue":                   0.5,
				},
			}, policy.Mappable())
			assert.Empty(t, graph.OfType(actionToken))
		})
	}
}

func TestSchedules(t *testing.T) {
	a := ofImage()
	a.Provisioned = &function.Provisioned{Max: 3, Schedules: officeHours()}
	for name, run := range modes {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a)
			target := graph.Only(t, targetToken)
			assert.Equal(t, 0.0, target.Inputs["minCapacity"].NumberValue())
			assert.Equal(t, 3.0, target.Inputs["maxCapacity"].NumberValue())
			assert.Equal(t, []string{"minCapacity", "maxCapacity"}, graph.ignored[targetToken], "the schedules set these")

			actions := map[string]map[string]any{}
			for _, action := range graph.OfType(actionToken) {
				actions[action.Name] = action.Inputs.Mappable()
			}
			require.Len(t, actions, 2)
			for name, want := range map[string]struct {
				schedule, timezone string
				low, high          float64
			}{
				"model-morning": {"cron(50 8 ? * MON-FRI *)", "Asia/Tokyo", 1, 3},
				"model-evening": {"cron(0 19 ? * MON-FRI *)", "UTC", 0, 0},
			} {
				assert.Equal(t, map[string]any{
					"name":             strings.Replace(name, "model", "songs-dev", 1),
					"serviceNamespace": "lambda", "scalableDimension": "lambda:function:ProvisionedConcurrency",
					"resourceId": "function:songs-dev:live", "schedule": want.schedule, "timezone": want.timezone,
					"scalableTargetAction": map[string]any{"minCapacity": want.low, "maxCapacity": want.high},
				}, actions[name])
			}
		})
	}
}
