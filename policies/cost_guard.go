package main

import (
	"fmt"
	"strings"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// costGuard holds what an endpoint or a function may cost at most to what the
// configuration allows: the kinds of instances, how many there may be, and how
// many environments of a function may be kept started. It is quiet until it is
// configured. The limit of instances is for each endpoint configuration, all its
// variants together, and for the copies of each scalable target; scheduled
// actions are held to it, too.
func costGuard() rule {
	return rule{
		name:        "cost-guard",
		description: "Instances must be of an allowed type, and they and provisioned concurrency no more than the allowed number.",
		knobs: map[string]map[string]any{
			typesKnob: textsKnob("Globs of the instance types that are allowed; none allows all."),
			maxKnob: {
				"type": "integer", "minimum": 0, "default": 0,
				"description": "How many instances an endpoint, and how many copies a model, may have; 0 is no limit.",
			},
			maxProvisionedKnob: {
				"type": "integer", "minimum": 0, "default": 0,
				"description": "How much provisioned concurrency a function may have; 0 is no limit.",
			},
		},
		judges: map[string]func(*report, map[string]any){
			"AWS::SageMaker::EndpointConfig": judgeCost,
			scalableTarget:                   judgeCapacities,
			registered.TypeScheduledAction: func(r *report, properties map[string]any) {
				judgeScheduled(r, "", properties["ServiceNamespace"], properties)
			},
			registered.TypeProvisioned: judgeProvisionedCost,
			"AWS::Lambda::Alias":       judgeConfiguredCost,
			"AWS::Lambda::Version":     judgeConfiguredCost,
		},
	}
}

const (
	typesKnob          = "instanceTypes"
	maxKnob            = "maxInstances"
	maxProvisionedKnob = "maxProvisionedConcurrency"
)

// limit is what is configured under a knob; 0 is none.
func limit(r *report, knob string) int {
	most, _ := r.settings.config[knob].(float64)
	return int(most)
}

// maxInstances is the limit of instances and copies.
func maxInstances(r *report) int { return limit(r, maxKnob) }

func judgeCost(r *report, properties map[string]any) {
	sum := 0.0
	for _, property := range []string{"ProductionVariants", "ShadowProductionVariants"} {
		for i, item := range oneOrMany(properties[property]) {
			where := fmt.Sprintf("%s[%d]", property, i)
			variant, ok := cfn.Object(item)
			if ok && !cfn.IsMissing(variant["ServerlessConfig"]) {
				continue
			}
			name, value := mostInstances(variant)
			kind := variant["InstanceType"]
			if !ok {
				kind, value = item, item
			}
			judgeInstanceType(r, where, kind)
			count, known := number(value)
			if sum += count; !known {
				judgeCount(r, where, name, value, fmt.Sprintf("must be known and at most %d", maxInstances(r)))
			}
		}
	}
	if sum > float64(maxInstances(r)) {
		judgeCount(r, "all variants together", "the number of instances", sum, fmt.Sprintf("must be at most %d", maxInstances(r)))
	}
}

// mostInstances is how many instances a variant can have at once.
func mostInstances(variant map[string]any) (name string, value any) {
	scaling, ok := cfn.Object(variant["ManagedInstanceScaling"])
	if u, unknown := variant["ManagedInstanceScaling"].(cfn.Unknown); !ok && unknown {
		return "ManagedInstanceScaling", u
	}
	if most := scaling["MaxInstanceCount"]; !cfn.IsMissing(most) {
		return "ManagedInstanceScaling.MaxInstanceCount", most
	}
	return "InitialInstanceCount", variant["InitialInstanceCount"]
}

func judgeInstanceType(r *report, where string, kind any) {
	allowed := r.settings.texts(typesKnob)
	text, known := cfn.Text(kind)
	if len(allowed) == 0 || known && anyGlob(allowed, text) {
		return
	}
	list := strings.Join(allowed, ", ")
	r.check(expectation{
		where: where, property: "InstanceType", value: kind, must: "must be one of " + list + " in stack " + r.settings.stack,
		code: "InstanceType: one of " + list, template: "InstanceType: one of " + list,
	})
}

func judgeCount(r *report, where, property string, value any, must string) {
	if maxInstances(r) == 0 {
		return
	}
	const line = "a smaller MaxInstanceCount, or allow more in maxInstances of the policy pack's configuration"
	r.check(expectation{
		where: where, property: property, value: value, must: must + " in stack " + r.settings.stack, code: line, template: line,
		absent: "there is no telling how many",
	})
}

// judgeCapacities holds a scalable target, and the scheduled actions that a
// template has in it, to the limit of its service.
func judgeCapacities(r *report, properties map[string]any) {
	namespace := properties["ServiceNamespace"]
	judgeMost(r, "", "MaxCapacity", namespace, properties["MaxCapacity"])
	for i, item := range oneOrMany(properties["ScheduledActions"]) {
		scheduled, ok := cfn.Object(item)
		if !ok {
			scheduled = map[string]any{"ScalableTargetAction": item}
		}
		judgeScheduled(r, fmt.Sprintf("ScheduledActions[%d]", i), namespace, scheduled)
	}
}

// judgeScheduled: an action that sets no maximum leaves that of the target.
func judgeScheduled(r *report, where string, namespace any, scheduled map[string]any) {
	most := scheduled["ScalableTargetAction"]
	if bounds, ok := cfn.Object(most); ok {
		most = bounds["MaxCapacity"]
	}
	if !cfn.IsMissing(most) {
		judgeMost(r, where, "MaxCapacity", namespace, most)
	}
}

func judgeConfiguredCost(r *report, properties map[string]any) {
	value := properties["ProvisionedConcurrencyConfig"]
	if config, ok := cfn.Object(value); ok {
		judgeProvisionedCost(r, config)
	} else if !cfn.IsMissing(value) {
		judgeMost(r, "", "ProvisionedConcurrencyConfig", lambdaNamespace, value)
	}
}

func judgeProvisionedCost(r *report, properties map[string]any) {
	const property = "ProvisionedConcurrentExecutions"
	judgeMost(r, "", property, lambdaNamespace, properties[property])
}

// judgeMost holds a number to the limit of a service.
func judgeMost(r *report, where, property string, namespace, value any) {
	most := map[string]int{"sagemaker": maxInstances(r), lambdaNamespace: limit(r, maxProvisionedKnob)}
	service, _ := cfn.Text(namespace)
	allowed := most[service]
	if capacity, known := number(value); allowed == 0 || known && capacity <= float64(allowed) {
		return
	}
	r.check(expectation{
		where: where, property: property, value: value, must: fmt.Sprintf("must be at most %d in stack %s", allowed, r.settings.stack),
		code: fmt.Sprintf("%s: pulumi.Int(%d)", property, allowed), template: fmt.Sprintf("%s: %d", property, allowed),
	})
}
