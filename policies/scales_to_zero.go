package main

import (
	"fmt"

	"scaletozero/policies/internal/cfn"
)

// scalesToZero demands that a SageMaker endpoint can go to zero instances.
//
// Every production or shadow variant has managed instance scaling ENABLED with
// MinInstanceCount exactly 0 and names no model: AWS refuses the scaling on a
// variant that names one ("ManagedInstanceScaling is only supported for
// inference component endpoints"), so an inference component holds the model.
// A serverless variant has no instances and costs nothing at rest, so it
// passes, unless provisioned concurrency keeps some of it warm and billed.
// A scalable target of SageMaker has MinCapacity 0. See the SageMaker guide,
// "Scale an endpoint to zero instances".
func scalesToZero() rule {
	return rule{
		name:        "sagemaker-scales-to-zero",
		gate:        true,
		description: "A SageMaker endpoint must be able to scale to zero, so that it costs nothing while nobody calls it.",
		judges: map[string]func(*report, map[string]any){
			"AWS::SageMaker::EndpointConfig":              judgeEndpointConfig,
			"AWS::ApplicationAutoScaling::ScalableTarget": judgeScalableTarget,
		},
	}
}

// goVariant is the Go type prefix of a variant, by CloudFormation property.
var goVariant = map[string]string{
	"ProductionVariants":       "EndpointConfigurationProductionVariant",
	"ShadowProductionVariants": "EndpointConfigurationShadowProductionVariant",
}

func judgeEndpointConfig(r *report, properties map[string]any) {
	for _, property := range []string{"ProductionVariants", "ShadowProductionVariants"} {
		value := properties[property]
		list, ok := cfn.List(value)
		if !ok && !cfn.IsMissing(value) {
			r.check(expectation{
				property: property, value: value, must: "must be a list of variants",
				code:     property + ": a literal array",
				template: property + ": a literal list",
			})
		}
		for i, item := range list {
			judgeVariant(r, property, i, item)
		}
	}
}

func judgeVariant(r *report, property string, index int, item any) {
	where := fmt.Sprintf("%s[%d]", property, index)
	variant, ok := cfn.Object(item)
	if !ok {
		r.check(expectation{
			where: where, property: "the variant", value: item, must: "must be an object",
			code: "the variant as a literal", template: "the variant as a literal object",
		})
		return
	}
	name := variant["VariantName"]
	if _, ok := cfn.Text(name); ok {
		where += " " + cfn.Show(name)
	}
	if serverless := variant["ServerlessConfig"]; !cfn.IsMissing(serverless) {
		judgeServerless(r, where, serverless)
		return
	}
	judgeInstanceScaling(r, where, goVariant[property], variant["ManagedInstanceScaling"])
	if name := variant["ModelName"]; !cfn.IsMissing(name) {
		r.check(expectation{
			where: where, property: "ModelName", value: name,
			must: "must be left out, because AWS takes managed instance scaling only on a variant that names no model",
			code: "the model into an AWS::SageMaker::InferenceComponent and the variant without ModelName, which pulumi-aws v6 " +
				"allows only in an aws:cloudformation/stack:Stack (pulumi/pulumi-aws#4940)",
			template: "the ModelName into the Specification of an AWS::SageMaker::InferenceComponent instead",
		})
	}
}

func judgeServerless(r *report, where string, value any) {
	serverless, ok := cfn.Object(value)
	if !ok {
		r.check(expectation{
			where: where, property: "ServerlessConfig", value: value, must: "must be an object",
			code: "ServerlessConfig as a literal", template: "ServerlessConfig as a literal object",
		})
		return
	}
	concurrency := serverless["ProvisionedConcurrency"]
	if cfn.IsMissing(concurrency) || cfn.IsInt(concurrency, 0) {
		return
	}
	r.check(expectation{
		where: where, property: "ProvisionedConcurrency", value: concurrency,
		must: "must be left out, because what is provisioned is billed while nobody calls",
		code: "ServerlessConfig without ProvisionedConcurrency", template: "ServerlessConfig without ProvisionedConcurrency",
	})
}

func judgeInstanceScaling(r *report, where, goType string, value any) {
	scaling, ok := cfn.Object(value)
	if !ok {
		r.check(expectation{
			where: where, property: "ManagedInstanceScaling", value: value,
			must:   "must be ENABLED with MinInstanceCount 0",
			absent: "InitialInstanceCount instances then run for ever",
			code: "ManagedInstanceScaling: &sagemaker." + goType + `ManagedInstanceScalingArgs{Status: pulumi.String("ENABLED"), ` +
				"MinInstanceCount: pulumi.Int(0), MaxInstanceCount: pulumi.Int(1)}",
			template: "ManagedInstanceScaling: {Status: ENABLED, MinInstanceCount: 0, MaxInstanceCount: 1}",
		})
		return
	}
	if status := scaling["Status"]; !cfn.IsText(status, "ENABLED") {
		r.check(expectation{
			where: where, property: "ManagedInstanceScaling.Status", value: status, must: "must be ENABLED",
			absent: "only ENABLED turns the scaling on",
			code:   `Status: pulumi.String("ENABLED")`, template: "Status: ENABLED",
		})
	}
	if minimum := scaling["MinInstanceCount"]; !cfn.IsInt(minimum, 0) {
		r.check(expectation{
			where: where, property: "ManagedInstanceScaling.MinInstanceCount", value: minimum, must: "must be 0",
			absent: "AWS documents no default of 0",
			code:   "MinInstanceCount: pulumi.Int(0)", template: "MinInstanceCount: 0",
		})
	}
}

func judgeScalableTarget(r *report, properties map[string]any) {
	minimum, namespace := properties["MinCapacity"], properties["ServiceNamespace"]
	if cfn.IsInt(minimum, 0) {
		return
	}
	if judgeNamespace(r, namespace, "sagemaker", minimum) {
		r.check(expectation{
			property: "MinCapacity", value: minimum, must: "must be 0",
			absent: "it has no default",
			code:   "MinCapacity: pulumi.Int(0)", template: "MinCapacity: 0",
		})
	}
}

// judgeNamespace says whether a scalable target with a minimum above 0 is the
// service's. That it cannot be told is a finding.
func judgeNamespace(r *report, namespace any, service string, minimum any) bool {
	if _, unknown := namespace.(cfn.Unknown); unknown {
		r.check(expectation{
			property: "ServiceNamespace", value: namespace,
			must: "must be known, because MinCapacity is " + cfn.Show(minimum) + " and for " + service + " it must be 0",
			code: `ServiceNamespace: pulumi.String("…")`, template: "ServiceNamespace as a literal",
		})
	}
	return cfn.IsText(namespace, service)
}
