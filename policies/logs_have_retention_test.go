package main

import "testing"

func TestLogsHaveRetention(t *testing.T) {
	const token = "aws:cloudwatch/logGroup:LogGroup"
	template := func(properties string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: Number}}\nResources: {L: {Type: AWS::Logs::LogGroup, Properties: {" + properties + "}}}",
			"parameters":   object{"P": unknown},
		}
	}
	runCases(t, "logs-have-retention", []policyCase{
		{name: "a year", token: token, properties: object{"retentionInDays": 365}},
		{name: "for ever", token: token, properties: object{"name": "a"}, denied: []string{"RetentionInDays is missing (logs are kept for ever)"}},
		{name: "0", token: token, properties: object{"retentionInDays": 0}, denied: []string{"RetentionInDays is 0"}},
		{name: "not known", token: token, properties: object{"retentionInDays": unknown}, pending: []string{"RetentionInDays is unknown"}},
		{name: "aws-native", token: "aws-native:logs:LogGroup", properties: object{}, denied: []string{"RetentionInDays"}},
		{name: "template", token: stackToken, properties: template("RetentionInDays: 30")},
		{name: "template, for ever", token: stackToken, properties: template(""), denied: []string{"write RetentionInDays: 30."}},
		{name: "template, by parameter", token: stackToken, properties: template("RetentionInDays: !Ref P"), pending: []string{"RetentionInDays is unknown"}},
		{name: "desired state", token: cloudControlToken, properties: object{"typeName": "AWS::Logs::LogGroup", "desiredState": "{}"}, denied: []string{"RetentionInDays"}},
	})
}
