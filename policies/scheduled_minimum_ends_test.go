package main

import "testing"

func TestScheduledMinimumEnds(t *testing.T) {
	one := func(changes ...object) []registration { return daily(nil, with(object{}, changes...), nil)[:2] }
	// Copies of a model go by themselves, so that its evening sets no maximum.
	copies := func(target, closing object) []registration {
		of := object{"serviceNamespace": "sagemaker", "scalableDimension": copyCount, "resourceId": "inference-component/songs"}
		return daily(with(of, target), of, with(of, bounds(0, nil), closing))
	}
	linked := daily(nil, object{"resourceId": unknown}, object{"resourceId": unknown})
	for i := range linked[1:] {
		linked[1+i].depends = map[string][]string{"resourceId": {"target"}}
	}
	runCases(t, "scheduled-minimum-ends", []policyCase{
		{name: "hours", resources: daily(nil, nil, nil)},
		{name: "no hours", token: targetToken, properties: warm},
		{name: "only a maximum", resources: one(object{"scalableTargetAction": object{"maxCapacity": 1}})},
		{
			name: "a morning without an evening", resources: one(),
			denied: []string{
				`"open": MinCapacity is 1; it must be 0, or another scheduled action of the target must take it back to 0; for Lambda with MaxCapacity 0`,
			},
		},
		{name: "an evening that leaves one", resources: daily(nil, bounds(2, 2), bounds(1, 1)), denied: []string{"MinCapacity is 2", "MinCapacity is 1"}},
		{name: "an evening that leaves the target's own", resources: daily(object{"minCapacity": 1}, bounds(2, 2), bounds(1, 2))},
		{name: "an evening that leaves the maximum", resources: daily(nil, nil, bounds(0, 2)), denied: []string{"MinCapacity is 1"}},
		{name: "one evening only", resources: daily(nil, nil, object{"schedule": "at(2026-06-01T18:00:00)"}), denied: []string{"MinCapacity is 1"}},
		{name: "one day only", resources: daily(nil, object{"schedule": "at(2026-06-01T09:00:00)"}, object{"schedule": "at(2026-06-01T18:00:00)"})},
		{name: "an evening of another alias", resources: daily(nil, nil, object{"resourceId": "function:songs:next"}), denied: []string{"MinCapacity is 1"}},
		{name: "another service", resources: one(object{"serviceNamespace": "ecs"})},
		{name: "no target in the stack", resources: daily(nil, nil, nil)[1:]},
		{name: "planned", resources: linked},
		{name: "a model's copies", resources: copies(nil, nil)},
		{name: "a model's copies without an evening", resources: copies(nil, bounds(1, nil)), denied: []string{`"open"`, `"close"`}},
		{name: "not known", resources: one(bounds(unknown, nil)), pending: []string{"MinCapacity is unknown"}},
		{name: "bounds not known", resources: one(object{"scalableTargetAction": unknown}), pending: []string{"MinCapacity is unknown"}},
		{name: "namespace not known", resources: one(object{"serviceNamespace": unknown}), pending: []string{"ServiceNamespace is unknown"}},
		{
			name: "evening not known", resources: daily(nil, nil, object{"scalableTargetAction": unknown}),
			pending: []string{"the scheduled action that ends MinCapacity 1 is unknown", `"close": MinCapacity is unknown`},
		},
		{name: "evening at an unknown time", resources: daily(nil, nil, object{"schedule": unknown}), pending: []string{"the scheduled action that ends MinCapacity 1 is unknown"}},
	})
}

func TestScheduledMinimumEndsTemplate(t *testing.T) {
	const morning = "{Schedule: 'cron(0 9 ? * * *)', ScalableTargetAction: {MinCapacity: 1, MaxCapacity: 2}}"
	target := func(namespace, actions string) string {
		return `{"ServiceNamespace":"` + namespace + `","MinCapacity":0,"ScheduledActions":` + actions + `}`
	}
	template := func(namespace, actions string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: Number}}\nResources: {T: {Type: AWS::ApplicationAutoScaling::ScalableTarget, Properties: {ServiceNamespace: " +
				namespace + ", MinCapacity: 0, ScheduledActions: [" + actions + "]}}}",
			"parameters": object{"P": unknown},
		}
	}
	evening := func(bounds string) string {
		return morning + ", {Schedule: 'cron(0 18 ? * * *)', ScalableTargetAction: {" + bounds + "}}"
	}
	runCases(t, "scheduled-minimum-ends", []policyCase{
		{name: "hours", token: stackToken, properties: template("lambda", evening("MinCapacity: 0, MaxCapacity: 0"))},
		{name: "copies", token: stackToken, properties: template("sagemaker", evening("MinCapacity: 0"))},
		{name: "no evening", token: stackToken, properties: template("sagemaker", morning), denied: []string{"T (AWS::ApplicationAutoScaling::ScalableTarget), ScheduledActions[0]: MinCapacity is 1"}},
		{name: "evening by parameter", token: stackToken, properties: template("sagemaker", evening("MinCapacity: !Ref P")), pending: []string{
			"ScheduledActions[0]: the scheduled action that ends MinCapacity 1 is unknown", "ScheduledActions[1]: MinCapacity is unknown",
		}},
		{name: "action by parameter", token: stackToken, properties: template("sagemaker", "!Ref P"), pending: []string{"MinCapacity is unknown"}},
		{name: "another service", token: stackToken, properties: template("ecs", morning)},
		{name: "desired state", token: cloudControlToken, denied: []string{"ScheduledActions[0]: MinCapacity is 1"}, properties: object{
			"typeName": scalableTarget, "desiredState": target("lambda", `[{"Schedule":"rate(1 day)","ScalableTargetAction":{"MinCapacity":1}}]`),
		}},
		{name: "aws-native", token: "aws-native:applicationautoscaling:ScalableTarget", denied: []string{"MinCapacity is 1"}, properties: with(warm, object{
			"scheduledActions": list{object{"schedule": "rate(1 day)", "scalableTargetAction": object{"minCapacity": 1}}},
		})},
	})
}
