package provider_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

// A burst of 1 at a rate of 0 lets one request through, ever.
var once = props{"rateLimit": 0, "burstLimit": 1}

func TestLimitsAreServed(t *testing.T) {
	tests := []struct {
		name string
		// plan and settings are those of the plan and of the stage's methods.
		plan, settings func(api string) props
		passing        int
	}{
		{name: "none", passing: 3},
		{name: "a plan's throttle", plan: func(string) props { return props{"throttleSettings": once} }, passing: 1},
		{
			name: "a plan's throttle for the method", passing: 1,
			plan: func(api string) props {
				return props{"apiStages": []any{props{"apiId": api, "stage": "live", "throttles": []any{merged(once, props{"path": "/a/GET"})}}}}
			},
		},
		{name: "a limit that is not given is 0", plan: func(string) props { return props{"throttleSettings": props{"rateLimit": 5}} }},
		{name: "a plan's quota", plan: func(string) props { return props{"quotaSettings": props{"limit": 2, "period": "MONTH"}} }, passing: 2},
		{
			name: "a quota with an offset", passing: 1,
			plan: func(string) props { return props{"quotaSettings": props{"limit": 3, "offset": 2, "period": "WEEK"}} },
		},
		{
			name: "the stage's settings for all methods", passing: 1,
			settings: func(string) props {
				return props{"methodPath": "*/*", "settings": props{"throttlingRateLimit": 0, "throttlingBurstLimit": 1}}
			},
		},
		{
			name: "and for one", passing: 2,
			settings: func(string) props {
				return props{"methodPath": "a/GET", "settings": props{"throttlingRateLimit": 0, "throttlingBurstLimit": 2}}
			},
		},
		{
			name: "logging settings limit nothing", passing: 3,
			settings: func(string) props { return props{"methodPath": "*/*", "settings": props{"loggingLevel": "ERROR"}} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t)
			w := newWorld(c, provider.TypeStage)
			key := c.create(provider.TypeAPIKey, props{})
			api := w[provider.TypeRestAPI].id
			stage := props{"apiStages": []any{props{"apiId": api, "stage": "live"}}}
			if test.plan != nil {
				stage = merged(stage, test.plan(api))
			}
			plan := c.create(provider.TypeUsagePlan, stage)
			c.create(provider.TypeUsagePlanKey, props{"keyId": key.id, "keyType": "API_KEY", "usagePlanId": plan.id})
			if test.settings != nil {
				c.create(provider.TypeMethodSettings, merged(props{"restApi": api, "stageName": "live"}, test.settings(api)))
			}
			passing := 0
			for range 3 {
				if c.get(c.text(w[provider.TypeStage], "invokeUrl")+"/a", c.text(key, "value")) != http.StatusTooManyRequests {
					passing++
				}
			}
			assert.Equal(t, test.passing, passing)
		})
	}
}

func TestAKeyHasOnePlanForAStage(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeUsagePlanKey)
	stages := []any{props{"apiId": w[provider.TypeRestAPI].id, "stage": "live"}}
	second, err := c.tryCreate(provider.TypeUsagePlan, "second", props{"apiStages": stages})
	require.NoError(t, err)
	member := props{"keyId": w[provider.TypeAPIKey].id, "keyType": "API_KEY", "usagePlanId": second.id}
	_, err = c.tryCreate(provider.TypeUsagePlanKey, "second", member)
	require.ErrorContains(t, err, "a key has one plan for each stage")
	assert.NotContains(t, err.Error(), c.text(w[provider.TypeAPIKey], "value"))

	second, err = c.update(second, recheck(c, second, props{}))
	require.NoError(t, err)
	_, err = c.tryCreate(provider.TypeUsagePlanKey, "second", member)
	require.NoError(t, err, "a plan for another stage, or for none yet, may have the key too")
	_, err = c.update(second, recheck(c, second, props{"apiStages": stages}))
	require.ErrorContains(t, err, "a key has one plan for each stage")
}

func TestLimitsAreChecked(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeStage)
	api := w[provider.TypeRestAPI].id
	settings := func(path string) props {
		return props{"restApi": api, "stageName": "live", "methodPath": path, "settings": props{}}
	}
	throttled := func(path string) props {
		return props{"apiStages": []any{props{"apiId": api, "stage": "live", "throttles": []any{props{"path": path}}}}}
	}
	quota := func(period string, offset int) props {
		return props{"quotaSettings": props{"limit": 100, "period": period, "offset": offset}}
	}
	tests := []struct {
		typ    string
		inputs props
		// want is empty where the inputs are right.
		want string
	}{
		{provider.TypeMethodSettings, settings("*/*"), ""},
		{provider.TypeMethodSettings, settings("v1/infer/POST"), ""},
		{provider.TypeMethodSettings, settings("~1v1~1infer/POST"), ""},
		{provider.TypeMethodSettings, settings("/v1/infer/POST"), "without its first slash"},
		{provider.TypeMethodSettings, settings("v1/infer"), "without its first slash"},
		{provider.TypeMethodSettings, settings("*/GET"), "without its first slash"},
		{provider.TypeUsagePlan, throttled("/v1/infer/POST"), ""},
		{provider.TypeUsagePlan, throttled("//GET"), ""},
		{provider.TypeUsagePlan, throttled("v1/infer/POST"), "such as /infer/POST"},
		{provider.TypeUsagePlan, throttled("*/*"), "such as /infer/POST"},
		{provider.TypeUsagePlan, quota("WEEK", 6), ""},
		{provider.TypeUsagePlan, quota("DAY", 1), "from 0 to 0 for the period DAY"},
		{provider.TypeUsagePlan, quota("WEEK", 7), "from 0 to 6 for the period WEEK"},
		{provider.TypeUsagePlan, quota("MONTH", 28), "from 0 to 27 for the period MONTH"},
		{provider.TypeUsagePlan, quota("MONTH", -1), "from 0 to 27 for the period MONTH"},
	}
	for _, test := range tests {
		_, err := c.tryCreate(test.typ, "it", test.inputs)
		if test.want == "" {
			assert.NoError(t, err, "%v", test.inputs)
		} else {
			assert.ErrorContains(t, err, test.want, "%v", test.inputs)
		}
	}
}
