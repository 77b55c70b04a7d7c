package main

import "testing"

const (
	aliasToken       = "aws:lambda/alias:Alias"
	functionToken    = "aws:lambda/function:Function"
	provisionedToken = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
	scheduledToken   = "aws:appautoscaling/scheduledAction:ScheduledAction"
	kept             = "lambda:function:ProvisionedConcurrency"
)

// warm is a scalable target of provisioned concurrency, hours an action on it.
var (
	warm = object{
		"serviceNamespace": "lambda", "scalableDimension": kept, "resourceId": "function:songs:live", "minCapacity": 0, "maxCapacity": 2,
	}
	hours = object{
		"serviceNamespace": "lambda", "scalableDimension": kept, "resourceId": "function:songs:live",
		"schedule": "cron(0 9 ? * MON-FRI *)", "scalableTargetAction": object{"minCapacity": 1, "maxCapacity": 2},
	}
)

func bounds(minimum, maximum any) object {
	return object{"scalableTargetAction": object{"minCapacity": minimum, "maxCapacity": maximum}}
}

// daily is a target with an action that raises its minimum, and one more.
func daily(target, open, closing object) []registration {
	return []registration{
		{token: targetToken, name: "target", properties: with(warm, target)},
		{token: scheduledToken, name: "open", properties: with(hours, open)},
		{token: scheduledToken, name: "close", properties: with(hours, object{"schedule": "cron(0 18 ? * MON-FRI *)"}, bounds(0, 0), closing)},
	}
}

func TestFunctionScalesToZero(t *testing.T) {
	config := func(n any) object {
		return object{"functionName": "songs", "qualifier": "live", "provisionedConcurrentExecutions": n}
	}
	state := func(typeName, state any) object { return object{"typeName": typeName, "desiredState": state} }
	runCases(t, "function-scales-to-zero", []policyCase{
		{name: "by itself", token: functionToken, properties: object{"reservedConcurrentExecutions": 10}},
		{name: "alias", token: aliasToken, properties: object{"name": "live", "functionVersion": "3"}},
		{name: "provisioned", token: provisionedToken, properties: config(2), denied: []string{"ProvisionedConcurrentExecutions is 2; it must be left out"}},
		{name: "provisioned, not known", token: provisionedToken, properties: config(unknown), pending: []string{"ProvisionedConcurrentExecutions is unknown"}},
		{name: "provisioned, missing", token: provisionedToken, properties: config(nil), denied: []string{"ProvisionedConcurrentExecutions is missing"}},
		{
			name: "aws-native alias", token: "aws-native:lambda:Alias",
			properties: object{"provisionedConcurrencyConfig": object{"provisionedConcurrentExecutions": 1}}, denied: []string{"ProvisionedConcurrentExecutions is 1"},
		},
		{
			name: "aws-native version, not known", token: "aws-native:lambda:Version", properties: object{"provisionedConcurrencyConfig": unknown},
			pending: []string{"ProvisionedConcurrentExecutions is unknown"},
		},
		{name: "desired state", token: cloudControlToken, properties: state("AWS::Lambda::Alias", `{"Name":"live"}`)},
		{
			name: "desired state of a version", token: cloudControlToken, denied: []string{"ProvisionedConcurrentExecutions is 3"},
			properties: state("AWS::Lambda::Version", `{"ProvisionedConcurrencyConfig":{"ProvisionedConcurrentExecutions":3}}`),
		},
		{name: "desired state, not known", token: cloudControlToken, properties: state("AWS::Lambda::Alias", unknown), pending: []string{"properties is unknown"}},
		{
			name: "instances", token: "aws-native:lambda:Function", denied: []string{"CapacityProviderConfig is an object; it must be left out"},
			properties: object{"capacityProviderConfig": object{"lambdaManagedInstancesCapacityProviderConfig": object{"capacityProviderArn": "arn"}}},
		},
		{name: "instances, not known", token: functionToken, properties: object{"capacityProviderConfig": unknown}, pending: []string{"CapacityProviderConfig is unknown"}},

		{name: "target at 0", token: targetToken, properties: warm},
		{name: "target of another service", token: targetToken, properties: with(warm, object{"serviceNamespace": "ecs", "minCapacity": 1})},
		{name: "target of SageMaker", token: targetToken, properties: with(sleeper, object{"minCapacity": 1})},
		{
			name: "target at 1", token: targetToken, properties: with(warm, object{"minCapacity": 1}),
			denied: []string{"MinCapacity is 1; it must be 0, or be taken back to 0 by a scheduled action. To mend it, write MinCapacity: pulumi.Int(0)"},
		},
		{name: "target without minimum", token: targetToken, properties: with(warm, object{"minCapacity": nil}), denied: []string{"MinCapacity is missing"}},
		{name: "target not known", token: targetToken, properties: with(warm, object{"minCapacity": unknown}), pending: []string{"MinCapacity is unknown"}},
		{
			name: "namespace not known", token: targetToken, properties: with(warm, object{"minCapacity": 1, "serviceNamespace": unknown}),
			pending: []string{"ServiceNamespace is unknown"},
		},
		{name: "hours", resources: daily(nil, nil, nil)},
		{name: "after a refresh within the hours", resources: daily(object{"minCapacity": 1}, nil, nil)},
		{name: "hours above 1", resources: daily(object{"minCapacity": 1}, bounds(2, 2), bounds(1, 2)), denied: []string{"MinCapacity is 1"}},
		{name: "the maximum stays", resources: daily(object{"minCapacity": 1}, nil, bounds(0, 2)), denied: []string{"MinCapacity is 1"}},
		{name: "an action of another target", resources: daily(object{"minCapacity": 1, "resourceId": "function:other:live"}, nil, nil), denied: []string{"MinCapacity is 1"}},
		{
			name: "end not known", resources: daily(object{"minCapacity": 1}, nil, bounds(unknown, 0)),
			pending: []string{"the scheduled action that ends MinCapacity 1 is unknown"},
		},
	})
}

func TestFunctionScalesToZeroTemplate(t *testing.T) {
	stack := func(resources string) object {
		return object{"templateBody": "Parameters: {P: {Type: Number}, N: {Type: Number, Default: 0}}\nResources:\n" + resources, "parameters": object{"P": unknown}}
	}
	alias := func(config string) object {
		return stack("  A: {Type: AWS::Lambda::Alias, Properties: {ProvisionedConcurrencyConfig: " + config + "}}")
	}
	target := func(minimum, actions string) object {
		return stack("  T: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: {ServiceNamespace: lambda, ResourceId: !GetAtt A.Id, " +
			"MinCapacity: " + minimum + ", ScheduledActions: " + actions + "}}")
	}
	const evening = "[{Schedule: 'cron(0 18 ? * * *)', ScalableTargetAction: {MinCapacity: !Ref N, MaxCapacity: !Ref N}}]"
	runCases(t, "function-scales-to-zero", []policyCase{
		{name: "alias", token: stackToken, properties: alias("!Ref AWS::NoValue")},
		{name: "alias kept warm", token: stackToken, properties: alias("{ProvisionedConcurrentExecutions: 1}"), denied: []string{"template resource A (AWS::Lambda::Alias): ProvisionedConcurrentExecutions is 1"}},
		{name: "alias by parameter", token: stackToken, properties: alias("{ProvisionedConcurrentExecutions: !Ref P}"), pending: []string{"ProvisionedConcurrentExecutions is unknown"}},
		{name: "target at 1", token: stackToken, properties: target("1", "[]"), denied: []string{"MinCapacity is 1"}},
		{name: "target at 1 with an end", token: stackToken, properties: target("1", evening)},
		{name: "actions not known", token: stackToken, properties: target("1", "!Ref P"), pending: []string{"the scheduled action that ends MinCapacity 1 is unknown"}},
		{name: "instances", token: stackToken, properties: stack("  F: {Type: AWS::Lambda::Function, Properties: {CapacityProviderConfig: {}}}"), denied: []string{"CapacityProviderConfig is an object"}},
	})
}
