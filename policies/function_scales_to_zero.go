package main

import (
	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// functionScalesToZero demands that a Lambda function costs nothing while
// nobody calls it. By itself it does: what keeps it billed is provisioned
// concurrency, and instances of a capacity provider (Lambda guide, "Configuring
// provisioned concurrency for a function" and "Lambda Managed Instances").
//
// A scalable target of provisioned concurrency has MinCapacity 0, and scheduled
// actions may raise it for some hours: scheduled-minimum-ends sees to their end.
// Where the target itself has more, an action that takes it back to 0 will do:
// a refresh within those hours writes what an action has set into the state,
// and a program that leaves the bounds to its actions registers it again.
func functionScalesToZero() rule {
	return rule{
		name:        "function-scales-to-zero",
		description: "A Lambda function must keep nothing started while nobody calls it, but for scheduled hours.",
		judgeStack: func(s *stack) {
			s.each(judgeProvisionedConfig, "AWS::Lambda::Alias", "AWS::Lambda::Version")
			s.each(judgeProvisioned, registered.TypeProvisioned)
			s.each(judgeCapacityProvider, "AWS::Lambda::Function")
			actions := scheduledActions(s)
			s.each(func(r *report, properties map[string]any) { judgeProvisionedTarget(r, properties, actions) }, scalableTarget)
		},
	}
}

const (
	scalableTarget  = "AWS::ApplicationAutoScaling::ScalableTarget"
	lambdaNamespace = "lambda"
)

// judgeProvisionedConfig: an alias and a version have the property in
// CloudFormation.
func judgeProvisionedConfig(r *report, properties map[string]any) {
	value := properties["ProvisionedConcurrencyConfig"]
	config, ok := cfn.Object(value)
	switch {
	case ok:
		judgeProvisioned(r, config)
	case !cfn.IsMissing(value):
		judgeProvisioned(r, map[string]any{"ProvisionedConcurrentExecutions": value})
	}
}

func judgeProvisioned(r *report, properties map[string]any) {
	const (
		property = "ProvisionedConcurrentExecutions"
		line     = "instead of it a scalable target of namespace lambda with MinCapacity 0, and scheduled actions that raise it for the hours in which it pays"
	)
	value := properties[property]
	if cfn.IsInt(value, 0) {
		return
	}
	r.check(expectation{
		property: property, value: value, must: "must be left out, because what is provisioned is billed while nobody calls",
		absent: "AWS takes no configuration without it", code: line, template: line,
	})
}

func judgeCapacityProvider(r *report, properties map[string]any) {
	const property = "CapacityProviderConfig"
	if value := properties[property]; !cfn.IsMissing(value) {
		const line = "the function without " + property
		r.check(expectation{
			property: property, value: value, must: "must be left out, because its instances are billed while nobody calls",
			code: line, template: line,
		})
	}
}

func judgeProvisionedTarget(r *report, properties map[string]any, actions []action) {
	minimum := properties["MinCapacity"]
	if cfn.IsInt(minimum, 0) || !judgeNamespace(r, properties["ServiceNamespace"], lambdaNamespace, minimum) {
		return
	}
	ended, doubt := endsAt(r.resource, "", 0, actions)
	if ended {
		return
	}
	e := expectation{
		property: "MinCapacity", value: minimum, must: "must be 0, or be taken back to 0 by a scheduled action",
		absent: "it has no default",
		code:   "MinCapacity: pulumi.Int(0)", template: "MinCapacity: 0",
	}
	if _, known := number(minimum); doubt != nil && known {
		e.property, e.value = "the scheduled action that ends MinCapacity "+cfn.Show(minimum), *doubt
		e.must = "must take MinCapacity and MaxCapacity to 0"
	}
	r.check(e)
}
