package main

import (
	"fmt"
	"strings"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// scheduledMinimumEnds demands that a scheduled action which raises the minimum
// of a scalable target is undone by another one: what it sets holds until
// something else sets it (Application Auto Scaling guide, "How scheduled scaling
// works"), so that a morning without an evening leaves capacity running for ever.
//
// For Lambda the action that ends it takes MaxCapacity to 0 as well. Without
// calls there is no utilisation, the alarm of target tracking has no data and
// takes nothing away, and a lower minimum alone changes nothing: only a maximum
// below what there is does. A copy of a SageMaker model is taken away by the
// load that is not there.
func scheduledMinimumEnds() rule {
	return rule{
		name:        "scheduled-minimum-ends",
		description: "A scheduled action that raises a minimum for SageMaker or Lambda must be ended by another one.",
		judgeStack: func(s *stack) {
			actions := scheduledActions(s)
			for _, a := range actions {
				judgeAction(s, a, actions)
			}
		},
	}
}

// action is a scheduled action: an element of the target's list, or in
// pulumi-aws a resource of its own.
type action struct {
	holder            cfn.Resource
	where             string
	schedule          any
	minimum, maximum  any
	namespace, bounds any
}

func scheduledActions(s *stack) (actions []action) {
	add := func(holder cfn.Resource, where string, item any) {
		fields, ok := cfn.Object(item)
		a := action{holder: holder, where: where, schedule: fields["Schedule"], bounds: fields["ScalableTargetAction"]}
		if !ok {
			a.schedule, a.bounds = item, item
		}
		a.minimum, a.maximum = a.bounds, a.bounds
		if bounds, ok := cfn.Object(a.bounds); ok {
			a.minimum, a.maximum = bounds["MinCapacity"], bounds["MaxCapacity"]
		}
		a.namespace = get(holder, "ServiceNamespace")
		actions = append(actions, a)
	}
	for _, target := range s.of(scalableTarget) {
		for i, item := range oneOrMany(get(target, "ScheduledActions")) {
			add(target, fmt.Sprintf("ScheduledActions[%d]", i), item)
		}
	}
	for _, resource := range s.of(registered.TypeScheduledAction) {
		add(resource, "", resource.Properties)
	}
	return actions
}

func judgeAction(s *stack, a action, actions []action) {
	_, unknown := a.namespace.(cfn.Unknown)
	if !unknown && !cfn.IsText(a.namespace, "sagemaker", lambdaNamespace) || cfn.IsMissing(a.minimum) {
		return
	}
	base := ownMinimum(s, a.holder)
	minimum, known := number(a.minimum)
	if known && minimum <= base {
		return
	}
	ended, doubt := endsAt(a.holder, kindOf(a.schedule), base, actions)
	if ended {
		return
	}
	e := expectation{
		where: a.where, property: "MinCapacity", value: a.minimum,
		must: fmt.Sprintf("must be %v, or another scheduled action of the target must take it back to %v", base, base),
		code: fmt.Sprintf(`a second appautoscaling.ScheduledAction with a cron Schedule and ScalableTargetAction MinCapacity: pulumi.Int(%v)`, base),
		template: fmt.Sprintf("a second element of ScheduledActions with a cron Schedule and "+
			"ScalableTargetAction: {MinCapacity: %v}", base),
	}
	if unknown || cfn.IsText(a.namespace, lambdaNamespace) {
		e.must += "; for Lambda with MaxCapacity 0, because without calls nothing is scaled in"
		e.code, e.template = e.code+", MaxCapacity: pulumi.Int(0)", strings.TrimSuffix(e.template, "}")+", MaxCapacity: 0}"
	}
	switch {
	case unknown:
		e.property, e.value = "ServiceNamespace", a.namespace
	case doubt != nil && known:
		e.property, e.value = "the scheduled action that ends MinCapacity "+cfn.Show(a.minimum), *doubt
	}
	s.report(a.holder).check(e)
}

// ownMinimum is the MinCapacity of the action's target; 0 where it cannot be
// told, or where the target is not in the stack.
func ownMinimum(s *stack, holder cfn.Resource) float64 {
	for _, target := range s.of(scalableTarget) {
		if yes, doubt := sameTarget(holder, target); yes && doubt == nil {
			minimum, _ := number(get(target, "MinCapacity"))
			return minimum
		}
	}
	return 0
}

// endsAt says whether an action takes the holder's target to at most base. kind
// is that of the schedule that raises it: what happens again and again is not
// ended by what happens once.
func endsAt(holder cfn.Resource, kind string, base float64, actions []action) (bool, *cfn.Unknown) {
	var doubt *cfn.Unknown
	for _, a := range actions {
		yes, unsure := a.ends(holder, kind, base)
		if yes && unsure == nil {
			return true, nil
		}
		if unsure != nil {
			doubt = unsure
		}
	}
	return false, doubt
}

func (a action) ends(holder cfn.Resource, kind string, base float64) (bool, *cfn.Unknown) {
	same, doubt := sameTarget(a.holder, holder)
	if !same && doubt == nil {
		return false, nil
	}
	if once := kindOf(a.schedule) == "at"; once && kind != "at" {
		return false, nil
	}
	bounds := []any{a.minimum}
	if base == 0 && cfn.IsText(a.namespace, lambdaNamespace) {
		bounds = append(bounds, a.maximum)
	}
	for _, bound := range bounds {
		u, unknown := bound.(cfn.Unknown)
		if n, ok := number(bound); !unknown && (!ok || n > base) {
			return false, nil
		}
		if unknown {
			doubt = &u
		}
	}
	if u, unknown := a.schedule.(cfn.Unknown); unknown {
		doubt = &u
	}
	return true, doubt
}

// kindOf is at, cron or rate, the word that a schedule begins with; empty where
// it is not known.
func kindOf(schedule any) string {
	text, _ := cfn.Text(schedule)
	kind, _, _ := strings.Cut(text, "(")
	return kind
}

// sameTarget says whether a is about what b scales: each is a scalable target or
// a scheduled action.
func sameTarget(a, b cfn.Resource) (bool, *cfn.Unknown) {
	if a.ID() == b.ID() {
		return true, nil
	}
	for _, property := range []string{"ResourceId", "ScalableDimension"} {
		if yes, doubt := sameOrMeans(refer(a, property), refer(b, property), b); !yes || doubt != nil {
			return false, doubt
		}
	}
	return true, nil
}
