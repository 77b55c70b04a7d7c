package main

import "testing"

const (
	stageToken   = "aws:apigateway/stage:Stage"
	planToken    = "aws:apigateway/usagePlan:UsagePlan"
	planKeyToken = "aws:apigateway/usagePlanKey:UsagePlanKey"
	apiKeyToken  = "aws:apigateway/apiKey:ApiKey"
)

var (
	limits = object{
		"throttleSettings": object{"rateLimit": 10, "burstLimit": 20}, "quotaSettings": object{"limit": 1000, "period": "MONTH"},
	}
	plainStage = object{"restApi": "api1", "stageName": "dev", "deployment": "d1"}
)

// keyed is a stage in a plan with a key, as they are once all have their ids.
func keyed(plan, link, key object) []registration {
	return []registration{
		{token: restAPIToken, name: "api", properties: object{"name": "songs"}, outputs: object{"id": "api1"}},
		{token: stageToken, name: "stage", properties: plainStage, outputs: object{"id": "ags-api1-dev"}},
		{
			token: planToken, name: "plan", outputs: object{"id": "plan1"},
			properties: with(limits, object{"apiStages": list{object{"apiId": "api1", "stage": "dev"}}}, plan),
		},
		{token: planKeyToken, name: "link", properties: with(object{"keyId": "key1", "keyType": "API_KEY", "usagePlanId": "plan1"}, link)},
		{token: apiKeyToken, name: "key", properties: with(object{"name": "songs"}, key), outputs: object{"id": "key1"}},
	}
}

// keyedPlanned is the same before anything has an id. The stage's name and API
// are taken from the stage, as components do it.
func keyedPlanned() []registration {
	resources := keyed(object{"apiStages": list{object{"apiId": unknown, "stage": "dev"}}}, object{"keyId": unknown, "usagePlanId": unknown}, nil)
	resources[1].properties = with(plainStage, object{"restApi": unknown})
	resources[1].depends = map[string][]string{"restApi": {"api"}}
	resources[2].depends = map[string][]string{"apiStages": {"stage"}}
	resources[3].depends = map[string][]string{"usagePlanId": {"plan"}, "keyId": {"key"}}
	for i := range resources {
		resources[i].outputs = object{"id": unknown}
	}
	return resources
}

func TestAPIHasUsagePlan(t *testing.T) {
	unlinked := keyedPlanned()
	unlinked[2].depends = nil
	byAPI := keyedPlanned()
	byAPI[2].depends = map[string][]string{"apiStages": {"api"}}
	runCases(t, "api-has-usage-plan", []policyCase{
		{name: "in a plan", resources: keyed(nil, nil, nil)},
		{name: "planned", resources: keyedPlanned()},
		{name: "planned, by the API", resources: byAPI},
		{name: "planned, of unknown origin", resources: unlinked, pending: []string{`stage "dev": the usage plan is unknown`}},
		{name: "no plan", resources: keyed(nil, nil, nil)[:2], denied: []string{`"stage", stage "dev": the usage plan is missing (no usage plan of the stack names the stage)`}},
		{name: "another stage", resources: keyed(object{"apiStages": list{object{"apiId": "api1", "stage": "prod"}}}, nil, nil), denied: []string{"the usage plan is missing"}},
		{name: "another API", resources: keyed(object{"apiStages": list{object{"apiId": "api2", "stage": "dev"}}}, nil, nil), denied: []string{"the usage plan is missing"}},
		{name: "all stages not known", resources: keyed(object{"apiStages": unknown}, nil, nil), pending: []string{"the usage plan is unknown"}},
		{name: "one stage not known", resources: keyed(object{"apiStages": list{unknown}}, nil, nil), pending: []string{"the usage plan is unknown"}},
		{name: "stage's name not known", resources: keyed(object{"apiStages": list{object{"apiId": "api1", "stage": unknown}}}, nil, nil), pending: []string{"the usage plan is unknown"}},
		{name: "no throttle", resources: keyed(object{"throttleSettings": nil}, nil, nil), denied: []string{`"plan": ThrottleSettings is missing (there is no limit then)`}},
		{name: "no burst", resources: keyed(object{"throttleSettings": object{"rateLimit": 10}}, nil, nil), denied: []string{"ThrottleSettings.BurstLimit is missing"}},
		{name: "no rate", resources: keyed(object{"throttleSettings": object{"burstLimit": 10, "rateLimit": 0}}, nil, nil), denied: []string{"ThrottleSettings.RateLimit is 0"}},
		{name: "no quota", resources: keyed(object{"quotaSettings": nil}, nil, nil), denied: []string{"QuotaSettings is missing"}},
		{name: "quota not known", resources: keyed(object{"quotaSettings": unknown}, nil, nil), pending: []string{"QuotaSettings is unknown"}},
		{name: "no key", resources: keyed(nil, nil, nil)[:3], denied: []string{`"plan": the key is missing`}},
		{name: "key of another plan", resources: keyed(nil, object{"usagePlanId": "plan2"}, nil), denied: []string{`"plan": the key is missing`}},
		{name: "plan of the key not known", resources: keyed(nil, object{"usagePlanId": unknown}, nil), pending: []string{`"plan": the key is unknown`}},
		{name: "disabled key", resources: keyed(nil, nil, object{"enabled": false}), denied: []string{`"key": Enabled is false`}},
		{name: "key not known to be enabled", resources: keyed(nil, nil, object{"enabled": unknown}), pending: []string{`"key": Enabled is unknown`}},
		{name: "key from elsewhere", resources: keyed(nil, object{"keyId": "key2"}, nil)[:4]},
		{
			name: "another key works", resources: append(keyed(nil, nil, object{"enabled": false}),
				registration{token: apiKeyToken, name: "good", properties: object{"name": "good"}, outputs: object{"id": "key3"}},
				registration{token: planKeyToken, name: "link2", properties: object{"keyId": "key3", "usagePlanId": "plan1"}}),
		},
		{
			name:      "a stage of a deployment",
			resources: []registration{{token: "aws:apigateway/deployment:Deployment", name: "it", properties: object{"restApi": "api1", "stageName": "dev"}}},
			denied:    []string{`stage "dev": the usage plan is missing`},
		},
		{name: "a deployment without a stage", resources: []registration{{token: "aws:apigateway/deployment:Deployment", name: "it", properties: object{"restApi": "api1"}}}},
		{
			name: "two stages in one plan are judged once",
			resources: append(keyed(object{"quotaSettings": nil, "apiStages": list{object{"apiId": "api1", "stage": "dev"}, object{"apiId": "api1", "stage": "two"}}}, nil, nil),
				registration{token: stageToken, name: "two", properties: with(plainStage, object{"stageName": "two"})}),
			denied: []string{"QuotaSettings is missing"},
		},
		{
			name: "a key without Enabled in a template", token: stackToken, denied: []string{"Enabled is missing (the default is false)"},
			properties: object{"templateBody": `{"Resources": {
				"S": {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "a", "StageName": "s"}},
				"P": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": {"ApiStages": [{"ApiId": "a", "Stage": {"Ref": "S"}}],
					"Throttle": {"RateLimit": 1, "BurstLimit": 1}, "Quota": {"Limit": 1, "Period": "DAY"}}},
				"K": {"Type": "AWS::ApiGateway::ApiKey"},
				"L": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": {"KeyId": {"Ref": "K"}, "UsagePlanId": {"Ref": "P"}}}}}`},
		},
	})
}
