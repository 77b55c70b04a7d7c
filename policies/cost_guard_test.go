package main

import "testing"

func TestCostGuard(t *testing.T) {
	variant := func(kind, most any) object {
		return object{"variantName": "v", "instanceType": kind, "managedInstanceScaling": object{"maxInstanceCount": most}}
	}
	config := object{"instanceTypes": list{"ml.m5.*", "ml.g5.xlarge"}, "maxInstances": 3.0, "maxProvisionedConcurrency": 2.0}
	target := func(most any) object { return object{"serviceNamespace": "sagemaker", "maxCapacity": most} }
	run := func(name, token string, properties object, denied, pending []string) policyCase {
		return policyCase{name: name, token: token, properties: properties, config: config, stack: "dev", denied: denied, pending: pending}
	}
	runCases(t, "cost-guard", []policyCase{
		{name: "quiet until configured", token: endpointConfigToken, properties: variants(variant("ml.p5.48xlarge", 100), object{})},
		{name: "quiet about targets", token: targetToken, properties: target(100)},
		{name: "types only", token: endpointConfigToken, properties: variants(variant("ml.m5.large", 100)), config: object{"instanceTypes": list{"ml.m5.*"}}},
		run("allowed", endpointConfigToken, variants(variant("ml.m5.large", 2), variant("ml.g5.xlarge", 1)), nil, nil),
		run("serverless", endpointConfigToken, variants(object{"serverlessConfig": object{"maxConcurrency": 9}}), nil, nil),
		run("dear", endpointConfigToken, variants(variant("ml.g5.2xlarge", 1)),
			[]string{`ProductionVariants[0]: InstanceType is "ml.g5.2xlarge"; it must be one of ml.m5.*, ml.g5.xlarge in stack dev`}, nil),
		run("type not known", endpointConfigToken, variants(variant(unknown, 1)), nil, []string{"InstanceType is unknown"}),
		run("many", endpointConfigToken, variants(variant("ml.m5.large", 2), variant("ml.m5.large", 2)),
			[]string{"all variants together: the number of instances is 4; it must be at most 3 in stack dev"}, nil),
		run("shadows count", endpointConfigToken, object{"productionVariants": list{variant("ml.m5.large", 2)}, "shadowProductionVariants": list{variant("ml.m5.large", 2)}},
			[]string{"the number of instances is 4"}, nil),
		run("without scaling", endpointConfigToken, variants(object{"instanceType": "ml.m5.large", "initialInstanceCount": 4}), []string{"is 4"}, nil),
		run("number missing", endpointConfigToken, variants(object{"instanceType": "ml.m5.large"}), []string{"InitialInstanceCount is missing"}, nil),
		run("number not known", endpointConfigToken, variants(variant("ml.m5.large", unknown)), nil, []string{"MaxInstanceCount is unknown"}),
		run("scaling not known", endpointConfigToken, variants(object{"instanceType": "ml.m5.large", "managedInstanceScaling": unknown}), nil, []string{"ManagedInstanceScaling is unknown"}),
		run("variant not known", endpointConfigToken, variants(unknown), nil, []string{"InstanceType is unknown", "InitialInstanceCount is unknown"}),
		run("copies", targetToken, target(3), nil, nil),
		run("many copies", targetToken, target(4), []string{"MaxCapacity is 4; it must be at most 3 in stack dev"}, nil),
		run("copies not known", targetToken, target(unknown), nil, []string{"MaxCapacity is unknown"}),
		run("copies of another service", targetToken, object{"serviceNamespace": "ecs", "maxCapacity": 9}, nil, nil),
		run("provisioned", targetToken, warm, nil, nil),
		run("much provisioned", targetToken, with(warm, object{"maxCapacity": 3}), []string{"MaxCapacity is 3; it must be at most 2 in stack dev"}, nil),
		run("much provisioned for an alias", provisionedToken, object{"provisionedConcurrentExecutions": 3}, []string{"ProvisionedConcurrentExecutions is 3"}, nil),
		run("provisioned for an alias, not known", provisionedToken, object{"provisionedConcurrentExecutions": unknown}, nil, []string{"ProvisionedConcurrentExecutions is unknown"}),
		run("scheduled", scheduledToken, hours, nil, nil),
		run("scheduled minimum", scheduledToken, with(hours, bounds(1, nil)), nil, nil),
		run("much scheduled", scheduledToken, with(hours, bounds(1, 5)), []string{"MaxCapacity is 5; it must be at most 2"}, nil),
		run("scheduled, not known", scheduledToken, with(hours, object{"scalableTargetAction": unknown}), nil, []string{"MaxCapacity is unknown"}),
		run("scheduled copies", scheduledToken, with(hours, object{"serviceNamespace": "sagemaker"}, bounds(1, 4)), []string{"MaxCapacity is 4; it must be at most 3"}, nil),
		run("alias and version", stackToken, object{
			"templateBody": "Resources: {A: {Type: AWS::Lambda::Alias, Properties: {ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 3}}}, " +
				"V: {Type: AWS::Lambda::Version, Properties: {ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}}}, " +
				"T: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: {ServiceNamespace: lambda, MaxCapacity: 2, ScheduledActions: [{ScalableTargetAction: {MaxCapacity: 9}}]}}}",
		}, []string{"A (AWS::Lambda::Alias): ProvisionedConcurrentExecutions is 3", "ScheduledActions[0]: MaxCapacity is 9"}, nil),
		run("alias not known", "aws-native:lambda:Alias", object{"provisionedConcurrencyConfig": unknown}, nil, []string{"ProvisionedConcurrencyConfig is unknown"}),
		run("template", stackToken, object{
			"templateBody": "Parameters: {P: {Type: Number}}\nResources: {C: {Type: AWS::SageMaker::EndpointConfig, Properties: {ProductionVariants: [" +
				"{InstanceType: ml.p5.48xlarge, ManagedInstanceScaling: {MaxInstanceCount: !Ref P}}]}}}", "parameters": object{"P": "9"},
		}, []string{"InstanceType is", "the number of instances is 9"}, nil),
		run("desired state", cloudControlToken, object{"typeName": "AWS::SageMaker::EndpointConfig", "desiredState": `{"ProductionVariants":[{"InstanceType":"ml.c5.large","InitialInstanceCount":1}]}`},
			[]string{"ml.c5.large"}, nil),
	})
}
