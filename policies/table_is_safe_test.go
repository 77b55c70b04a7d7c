package main

import "testing"

func TestTableIsSafe(t *testing.T) {
	const token = "aws:dynamodb/table:Table"
	safe := object{"serverSideEncryption": object{"enabled": true}, "pointInTimeRecovery": object{"enabled": true}}
	table := func(changes object) object { return with(safe, changes) }
	config := object{"pointInTimeRecoveryStacks": list{"prod*"}}
	template := func(kind, properties string) object {
		return object{"templateBody": "Resources: {T: {Type: 'AWS::DynamoDB::" + kind + "', Properties: {" + properties + "}}}"}
	}
	runCases(t, "table-is-safe", []policyCase{
		{name: "safe", token: token, properties: safe, config: config, stack: "prod"},
		{name: "no recovery asked for", token: token, properties: table(object{"pointInTimeRecovery": nil})},
		{name: "recovery asked for elsewhere", token: token, properties: table(object{"pointInTimeRecovery": nil}), config: config, stack: "dev"},
		{
			name: "no recovery", token: token, properties: table(object{"pointInTimeRecovery": nil}), config: config, stack: "prod-eu",
			denied: []string{"point-in-time recovery is missing (the default is off); it must be enabled in stack prod-eu"},
		},
		{name: "recovery not known", token: token, properties: table(object{"pointInTimeRecovery": object{"enabled": unknown}}), config: config, stack: "prod", pending: []string{"point-in-time recovery is unknown"}},
		{name: "DynamoDB's own key", token: token, properties: object{}, denied: []string{"ServerSideEncryption is missing (the key is DynamoDB's own)"}},
		{name: "not encrypted", token: token, properties: object{"serverSideEncryption": object{"enabled": false}}, denied: []string{"ServerSideEncryption is false"}},
		{name: "not known", token: token, properties: object{"serverSideEncryption": unknown}, pending: []string{"ServerSideEncryption is unknown"}},
		{
			name: "aws-native", token: "aws-native:dynamodb:Table", config: config, stack: "prod",
			properties: object{"sseSpecification": object{"sseEnabled": true}, "pointInTimeRecoverySpecification": object{"pointInTimeRecoveryEnabled": true}},
		},
		{name: "aws-native, not encrypted", token: "aws-native:dynamodb:GlobalTable", properties: object{"sseSpecification": object{"sseEnabled": false}}, denied: []string{"is false"}},
		{name: "template", token: stackToken, properties: template("Table", "SSESpecification: {SSEEnabled: true}")},
		{name: "template, not encrypted", token: stackToken, properties: template("Table", ""), denied: []string{"write SSESpecification: {SSEEnabled: true}"}},
		{
			name: "replicas", token: stackToken, config: config, stack: "prod", denied: []string{"Replicas[1]: point-in-time recovery is missing"},
			properties: template("GlobalTable", "SSESpecification: {SSEEnabled: true}, Replicas: [{PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}}, {Region: a}]"),
		},
		{
			name: "a replica that is not known", token: "aws-native:dynamodb:GlobalTable", config: config, stack: "prod", pending: []string{"Replicas[0]: point-in-time recovery is unknown"},
			properties: object{"sseSpecification": object{"sseEnabled": true}, "replicas": list{unknown}},
		},
		{
			name: "desired state", token: cloudControlToken, denied: []string{"SSESpecification is missing"},
			properties: object{"typeName": "AWS::DynamoDB::Table", "desiredState": "{}"},
		},
	})
}
