package main

import "testing"

func TestFunctionIsSafe(t *testing.T) {
	const token = "aws:lambda/function:Function"
	safe := object{"runtime": "provided.al2023", "tracingConfig": object{"mode": "Active"}}
	function := func(changes object) object { return with(safe, changes) }
	variables := func(variables object) object {
		return function(object{"environment": object{"variables": variables}})
	}
	template := func(properties string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nResources: {S: {Type: AWS::SecretsManager::Secret}, " +
				"F: {Type: AWS::Lambda::Function, Properties: {TracingConfig: {Mode: Active}, " + properties + "}}}",
			"parameters": object{"P": unknown},
		}
	}
	runCases(t, "function-is-safe", []policyCase{
		{name: "safe", token: token, properties: safe},
		{name: "image", token: token, properties: object{"packageType": "Image", "tracingConfig": object{"mode": "Active"}}},
		{name: "newer than this pack", token: token, properties: function(object{"runtime": "python3.99"})},
		{name: "old runtime", token: token, properties: function(object{"runtime": "go1.x"}), denied: []string{`Runtime is "go1.x"; it must be one that still gets security updates`}},
		{name: "runtime not known", token: token, properties: function(object{"runtime": unknown}), pending: []string{"Runtime is unknown"}},
		{name: "not traced", token: token, properties: function(object{"tracingConfig": nil}), denied: []string{"TracingConfig.Mode is missing (the default is PassThrough)"}},
		{name: "tracing not known", token: token, properties: function(object{"tracingConfig": unknown}), pending: []string{"TracingConfig.Mode is unknown"}},
		{
			name: "harmless variables", token: token, properties: variables(object{
				"JOBS_TABLE": "jobs", "MAX_TOKENS": "512", "TOKENIZER": "bpe", "SECRETARY": "x", "TOKEN_TTL": "60",
				"DB_PASSWORD_ARN": "a", "DB_SECRET": "arn:aws:secretsmanager:eu-west-1:1:secret:db", "EMPTY_TOKEN": "", "tableName": "a",
			}),
		},
		{
			name: "secrets", token: token,
			properties: variables(object{"DB_PASSWORD": "hunter2", "OPENAI_API_KEY": "sk-1", "clientSecret": "s", "Token": secret("t")}),
			denied:     []string{"DB_PASSWORD is a secret value; it must not be a secret itself", "OPENAI_API_KEY is", "clientSecret is", "Token is"},
		},
		{name: "secret not known", token: token, properties: variables(object{"API_TOKEN": unknown}), pending: []string{"API_TOKEN is unknown"}},
		{name: "variables not known", token: token, properties: function(object{"environment": unknown}), pending: []string{"Environment is unknown"}},
		{name: "no concurrency is asked for", token: token, properties: function(object{"reservedConcurrentExecutions": -1})},
		{name: "URL", token: functionURLToken, properties: object{"functionName": "f", "authorizationType": "AWS_IAM"}, denied: []string{`the function URL of "f" is "declared"; it must be left out`}},
		{name: "aws-native", token: "aws-native:lambda:Function", properties: object{"tracingConfig": object{"mode": "Active"}, "runtime": "nodejs16.x"}, denied: []string{"nodejs16.x"}},
		{name: "template", token: stackToken, properties: template("Runtime: python3.13, Environment: {Variables: {DB_SECRET: !Ref S, API_TOKEN: !Sub 'arn:aws:ssm:${AWS::Region}:1:parameter/a'}}")},
		{name: "template, secret", token: stackToken, properties: template("Environment: {Variables: {DB_PASSWORD: hunter2}}"), denied: []string{"DB_PASSWORD is a secret value"}},
		{name: "template, secret by parameter", token: stackToken, properties: template("Environment: {Variables: {DB_PASSWORD: !Ref P}}"), pending: []string{"DB_PASSWORD is unknown"}},
		{name: "template, dynamic reference", token: stackToken, properties: template("Environment: {Variables: {DB_PASSWORD: '{{resolve:secretsmanager:db}}'}}"), denied: []string{"DB_PASSWORD is unknown"}},
		{name: "desired state", token: cloudControlToken, properties: object{"typeName": "AWS::Lambda::Function", "desiredState": "{}"}, denied: []string{"TracingConfig.Mode is missing"}},
	})
}
