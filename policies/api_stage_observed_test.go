package main

import (
	"strings"
	"testing"
)

func TestAPIStageObserved(t *testing.T) {
	const settingsToken = "aws:apigateway/methodSettings:MethodSettings"
	stage := func(changes object) registration {
		return registration{token: stageToken, name: "stage", properties: with(plainStage, object{
			"xrayTracingEnabled": true, "accessLogSettings": object{"destinationArn": "arn:log", "format": "f"},
		}, changes)}
	}
	settings := func(on, changes object) registration {
		return registration{token: settingsToken, name: "settings", properties: with(object{
			"restApi": "api1", "stageName": "dev", "methodPath": "*/*",
			"settings": with(object{"throttlingRateLimit": 10, "throttlingBurstLimit": 20, "dataTraceEnabled": false}, changes),
		}, on)}
	}
	observed := func(stageChanges, settingsChanges object) []registration {
		return []registration{stage(stageChanges), settings(nil, settingsChanges)}
	}
	oneMethod := settings(object{"methodPath": "infer/POST"}, object{"dataTraceEnabled": true})
	oneMethod.name = "one"
	planned := observed(object{"restApi": unknown, "accessLogSettings": object{"destinationArn": unknown}}, nil)
	planned[1] = settings(object{"restApi": unknown}, nil)
	planned[0].depends = map[string][]string{"restApi": {"api"}}
	planned[1].depends = map[string][]string{"restApi": {"api"}, "stageName": {"stage"}}
	planned = append(planned, registration{token: restAPIToken, name: "api", properties: object{"name": "songs"}})
	unthrottled := []string{"methods */*: ThrottlingRateLimit is missing", "methods */*: ThrottlingBurstLimit is missing"}
	const template = `{"Resources": {"S": {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "a", "TracingEnabled": true,
		"AccessLogSetting": {"DestinationArn": {"Fn::GetAtt": ["L", "Arn"]}}, "MethodSettings": [SETTINGS]}}}}`
	runCases(t, "api-stage-observed", []policyCase{
		{name: "observed", resources: observed(nil, nil)},
		{name: "planned", resources: planned},
		{name: "no access log", resources: observed(object{"accessLogSettings": nil}, nil), denied: []string{`"stage": the access log is missing (nobody can tell who called)`}},
		{name: "access log not known", resources: observed(object{"accessLogSettings": unknown}, nil), pending: []string{"the access log is unknown"}},
		{name: "not traced", resources: observed(object{"xrayTracingEnabled": nil}, nil), denied: []string{"X-Ray tracing is missing (the default is false)"}},
		{name: "tracing not known", resources: observed(object{"xrayTracingEnabled": unknown}, nil), pending: []string{"X-Ray tracing is unknown"}},
		{name: "no settings", resources: observed(nil, nil)[:1], denied: unthrottled},
		{name: "another stage's settings", resources: []registration{stage(nil), settings(object{"stageName": "prod"}, nil)}, denied: unthrottled},
		{name: "settings of one method", resources: []registration{stage(nil), settings(object{"methodPath": "infer/POST"}, nil)}, denied: unthrottled},
		{name: "settings of an unknown stage", resources: []registration{stage(nil), settings(object{"stageName": unknown}, nil)}, pending: []string{"ThrottlingRateLimit is unknown", "ThrottlingBurstLimit is unknown"}},
		{name: "settings not known", resources: []registration{stage(nil), settings(object{"settings": unknown}, nil)}, pending: []string{"ThrottlingRateLimit is unknown", "ThrottlingBurstLimit is unknown"}},
		{name: "template, by parameter", token: stackToken, pending: []string{"ThrottlingRateLimit is unknown", "ThrottlingBurstLimit is unknown"}, properties: object{
			"templateBody": strings.ReplaceAll(strings.Replace(template, `{"Res`, `{"Parameters": {"P": {"Type": "String"}}, "Res`, 1), "SETTINGS", `{"Ref": "P"}`),
			"parameters":   object{"P": unknown},
		}},
		{name: "aws-native, not known", resources: []registration{{token: "aws-native:apigateway:Stage", name: "it", properties: object{
			"restApiId": "a", "tracingEnabled": true, "accessLogSetting": object{"destinationArn": "a"}, "methodSettings": unknown,
		}}}, pending: []string{"ThrottlingRateLimit is unknown", "ThrottlingBurstLimit is unknown"}},
		{name: "the default", resources: observed(nil, object{"throttlingRateLimit": -1, "throttlingBurstLimit": nil}), denied: []string{"ThrottlingRateLimit is -1", "ThrottlingBurstLimit is missing"}},
		{name: "limit not known", resources: observed(nil, object{"throttlingRateLimit": unknown}), pending: []string{"ThrottlingRateLimit is unknown"}},
		{name: "callers' data", resources: observed(nil, object{"dataTraceEnabled": true}), denied: []string{"methods */*: DataTraceEnabled is true; it must be false"}},
		{
			name: "callers' data of one method", resources: append(observed(nil, nil), oneMethod),
			denied: []string{"methods infer/POST: DataTraceEnabled is true"},
		},
		{name: "data trace not known", resources: observed(nil, object{"dataTraceEnabled": unknown}), pending: []string{"DataTraceEnabled is unknown"}},
		{
			name: "template", token: stackToken, properties: object{"templateBody": strings.ReplaceAll(template, "SETTINGS",
				`{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}`)},
		},
		{name: "template, none", token: stackToken, properties: object{"templateBody": strings.ReplaceAll(template, "SETTINGS", "")}, denied: unthrottled},
		{
			name: "template, data", token: stackToken, denied: []string{"methods ~1infer/POST: DataTraceEnabled is true", unthrottled[0], unthrottled[1]},
			properties: object{"templateBody": strings.ReplaceAll(template, "SETTINGS", `{"HttpMethod": "POST", "ResourcePath": "/~1infer", "DataTraceEnabled": true}`)},
		},
		{
			name: "a deployment's stage", resources: []registration{{token: "aws:apigateway/deployment:Deployment", name: "it", properties: object{"restApi": "a", "stageName": "dev"}}},
			denied: append([]string{"the access log is missing", "X-Ray tracing is missing"}, unthrottled...),
		},
		{
			name: "desired state", token: cloudControlToken, properties: object{"typeName": "AWS::ApiGateway::Stage", "desiredState": "{}"},
			denied: append([]string{"the access log is missing", "X-Ray tracing is missing"}, unthrottled...),
		},
	})
}
