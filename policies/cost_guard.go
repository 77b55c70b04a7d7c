package main

import (
	"fmt"
	"strings"

	"scaletozero/policies/internal/cfn"
)

// costGuard holds what an endpoint may cost at most to what the configuration
// allows: the kinds of instances, and how many there may be. It is quiet until
// it is configured. The limit is for each endpoint configuration, all its
// variants together, and for the copies of each scalable target.
func costGuard() rule {
	return rule{
		name:        "cost-guard",
		description: "Instances must be of an allowed type, and no more than the allowed number.",
		knobs: map[string]map[string]any{
			typesKnob: textsKnob("Globs of the instance types that are allowed; none allows all."),
			maxKnob: {
				"type": "integer", "minimum": 0, "default": 0,
				"description": "How many instances an endpoint, and how many copies a model, may have; 0 is no limit.",
			},
		},
		judges: map[string]func(*report, map[string]any){
			"AWS::SageMaker::EndpointConfig":              judgeCost,
			"AWS::ApplicationAutoScaling::ScalableTarget": judgeMaxCapacity,
		},
	}
}

const (
	typesKnob = "instanceTypes"
	maxKnob   = "maxInstances"
)

// maxInstances is the configured limit; 0 is none.
func maxInstances(r *report) int {
	most, _ := r.settings.config[maxKnob].(float64)
	return int(most)
}

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

func judgeMaxCapacity(r *report, properties map[string]any) {
	most := maxInstances(r)
	value := properties["MaxCapacity"]
	if !cfn.IsText(properties["ServiceNamespace"], "sagemaker") || most == 0 {
		return
	}
	if capacity, known := number(value); known && capacity <= float64(most) {
		return
	}
	r.check(expectation{
		property: "MaxCapacity", value: value, must: fmt.Sprintf("must be at most %d in stack %s", most, r.settings.stack),
		code: fmt.Sprintf("MaxCapacity: pulumi.Int(%d)", most), template: fmt.Sprintf("MaxCapacity: %d", most),
	})
}
