package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
)

// exemptionsName is the policy that is configured with the exemptions from all
// the others. They have one place because the SDK gives a policy about the
// whole stack no configuration.
const exemptionsName = "exemptions-are-current"

// exemption lets a resource off one rule, until it expires.
type exemption struct {
	// rule is a rule's name, or * for all.
	rule string
	// resource is a glob: of the name in the program, of the URN, or of the
	// logical id in a template.
	resource string
}

// exemptionSchema is what the engine checks. It compares dates as texts only,
// and knows no rules, so readExemptions looks once more.
func exemptionSchema() map[string]any {
	text := func(description, pattern string) map[string]any {
		return map[string]any{"type": "string", "description": description, "pattern": pattern}
	}
	return map[string]any{
		"type":        "array",
		"description": "Resources that a rule leaves alone until a day.",
		"default":     []any{},
		"items": map[string]any{
			"type":                 "object",
			"additionalProperties": false,
			"required":             []any{"rule", "resource", "reason", "expires"},
			"properties": map[string]any{
				"rule":     text("The rule's name, or * for every rule.", `\S`),
				"resource": text("A glob of the resource's name, URN or logical id in a template.", `\S`),
				"reason":   text("Why, for whoever reads it next.", `\S`),
				"expires":  text("The last day it holds: YYYY-MM-DD, in UTC.", `^\d{4}-\d{2}-\d{2}$`),
			},
		},
	}
}

// exemptionsPolicy takes the exemptions in at every resource, before the other
// policies are called, and tells once what is wrong with them.
func (run *run) exemptionsPolicy() policyx.Policy {
	knobs := map[string]map[string]any{"exemptions": exemptionSchema()}
	return resourcePolicy(exemptionsName, "An exemption from a rule must have a reason and must not have expired.",
		policyx.EnforcementLevelMandatory, knobs, func(args policyx.ResourceValidationArgs) []finding {
			exemptions, problems := readExemptions(args.Config["exemptions"], run.now())
			run.mu.Lock()
			run.exemptions = exemptions
			run.mu.Unlock()
			if !run.firstTime(exemptionsName) {
				return nil
			}
			return append(problems, settings{config: args.Config}.misspelt(exemptionsName, knobs)...)
		})
}

// readExemptions returns those that hold today, and what is wrong with the
// others.
func readExemptions(config any, now time.Time) (exemptions []exemption, problems []finding) {
	list, _ := config.([]any)
	for i, item := range list {
		e, problem := readExemption(item, now)
		if problem != "" {
			problems = append(problems, finding{text: fmt.Sprintf("exemptions[%d] (rule %q, resource %q): %s.", i, e.rule, e.resource, problem)})
			continue
		}
		exemptions = append(exemptions, e)
	}
	return exemptions, problems
}

func readExemption(item any, now time.Time) (e exemption, problem string) {
	object, _ := item.(map[string]any)
	text := func(key string) string {
		value, _ := object[key].(string)
		return strings.TrimSpace(value)
	}
	e = exemption{rule: text("rule"), resource: text("resource")}
	named := func(r rule) bool { return r.name == e.rule }
	day, err := time.Parse(time.DateOnly, text("expires"))
	switch {
	case e.rule != "*" && !slices.ContainsFunc(rules(), named):
		return e, "no rule of this pack has that name; write one of those in the pack's README, or *"
	case e.resource == "":
		return e, "it names no resource; write a glob of its name, its URN or its logical id"
	case text("reason") == "":
		return e, "it has no reason; write why the rule need not hold here"
	case err != nil:
		return e, fmt.Sprintf("expires is %q, which is no day; write it as YYYY-MM-DD", text("expires"))
	case !now.Before(day.AddDate(0, 0, 1)):
		return e, fmt.Sprintf("it expired on %s, so the rule holds again; mend the resource and remove the exemption, or argue for a later day",
			day.Format(time.DateOnly))
	}
	return e, ""
}

// exempt says whether the rule leaves the resource alone. The caller holds the
// lock.
func (run *run) exempt(ruleName string, resource cfn.Resource) bool {
	for _, e := range run.exemptions {
		if e.rule != "*" && e.rule != ruleName {
			continue
		}
		for _, name := range []string{resource.Name, resource.URN, resource.Path} {
			if name != "" && glob(e.resource, name) {
				return true
			}
		}
	}
	return false
}
