package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
)

const packName = "scale-to-zero-inference"

// packVersion is the version in PulumiPolicy.yaml.
var packVersion = semver.MustParse("0.3.0")

// pendingSuffix names the advisory companion of a rule.
const pendingSuffix = "-not-yet-known"

// rule is one check, written once against resources in CloudFormation's words.
// It has either judges, which look at one resource, or judgeStack.
type rule struct {
	name        string
	description string
	// knobs are the JSON schemas of its configuration, by name. The SDK hands
	// configuration to resource policies only, so a rule with judgeStack has
	// none.
	knobs map[string]map[string]any
	// judges holds what judges a resource, by CloudFormation type.
	judges map[string]func(r *report, properties map[string]any)
	// judgeStack judges what only several resources together show.
	judgeStack func(s *stack)
	// gate says that the rule also reports what hides resources. One message
	// for each such place is enough, so not every rule does.
	gate bool
}

func rules() []rule {
	return []rule{
		scalesToZero(), apiRequiresKey(),
		wakesUp(), apiHasUsagePlan(), apiStageObserved(), iamLeastPrivilege(), iamTrustIsConfined(), modelImageFromECR(),
		logsHaveRetention(), queueIsSafe(), tableIsSafe(), functionIsSafe(), functionCallersAreNamed(),
		functionScalesToZero(), scheduledMinimumEnds(), resourcesAreTagged(), costGuard(),
	}
}

// newPack makes two policies of every rule. The mandatory one stops what is
// wrong. Its advisory companion tells at preview what cannot be judged before
// the update, where the mandatory one judges it: an unknown must not stop the
// preview of a good program, nor go unmentioned.
//
// The policy that holds the exemptions comes first, because the SDK hands a
// policy its configuration only when it calls it.
func newPack(shared *run) (policyx.PolicyPack, error) {
	policies := []policyx.Policy{shared.exemptionsPolicy()}
	for _, r := range rules() {
		pending := "Not known at preview, judged at update: " + r.description
		if r.judgeStack != nil {
			policies = append(policies,
				stackPolicy(r.name, r.description, policyx.EnforcementLevelMandatory,
					func(resources []policyx.AnalyzerResource) []finding { return shared.judgeStack(r, resources) }),
				stackPolicy(r.name+pendingSuffix, pending, policyx.EnforcementLevelAdvisory,
					func([]policyx.AnalyzerResource) []finding { return shared.takePending(r.name, "") }))
			continue
		}
		policies = append(policies,
			resourcePolicy(r.name, r.description, policyx.EnforcementLevelMandatory, r.knobs,
				func(args policyx.ResourceValidationArgs) []finding {
					return shared.judge(r, args.Resource, args.Config)
				}),
			resourcePolicy(r.name+pendingSuffix, pending, policyx.EnforcementLevelAdvisory, nil,
				func(args policyx.ResourceValidationArgs) []finding {
					return shared.takePending(r.name, args.Resource.URN)
				}))
	}
	// The SDK ignores the pack's own enforcement level; each policy has its own.
	return policyx.NewPolicyPack(packName, packVersion, policyx.EnforcementLevelMandatory, policies)
}

func resourcePolicy(
	name, description string, level policyx.EnforcementLevel, knobs map[string]map[string]any,
	findings func(policyx.ResourceValidationArgs) []finding,
) policyx.Policy {
	var schema *policyx.ConfigSchema
	if len(knobs) > 0 {
		schema = &policyx.ConfigSchema{Properties: knobs}
	}
	return policyx.NewResourceValidationPolicy(name, policyx.ResourceValidationPolicyArgs{
		Description:      description,
		EnforcementLevel: level,
		ConfigSchema:     schema,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			for _, f := range findings(args) {
				args.Manager.ReportViolation(f.text, args.Resource.URN)
			}
			return nil
		},
	})
}

func stackPolicy(
	name, description string, level policyx.EnforcementLevel, findings func([]policyx.AnalyzerResource) []finding,
) policyx.Policy {
	return policyx.NewStackValidationPolicy(name, policyx.StackValidationPolicyArgs{
		Description:      description,
		EnforcementLevel: level,
		ValidateStack: func(_ context.Context, args policyx.StackValidationArgs) error {
			for _, f := range findings(args.Resources) {
				args.Manager.ReportViolation(f.text, f.resource.URN)
			}
			return nil
		},
	})
}

// judgeDeclared is everything the rule has to say about what one registered
// resource declares.
func (r rule) judgeDeclared(declared declaration, s settings) (findings []finding) {
	if r.gate {
		for _, h := range declared.hidden {
			mend := "To mend it"
			if !h.Final {
				mend = "If the update cannot judge it either"
			}
			findings = append(findings, finding{
				text:    fmt.Sprintf("%s cannot be judged: %s. %s, %s.", h.Label, h.Why, mend, h.Remedy),
				pending: !h.Final,
			})
		}
	}
	for _, resource := range declared.resources {
		judge, ok := r.judges[resource.Type]
		if !ok {
			continue
		}
		rep := &report{resource: resource, settings: s}
		if properties, ok := rep.properties(); ok {
			judge(rep, properties)
		}
		findings = append(findings, rep.findings...)
	}
	return findings
}

// properties are the resource's; it is a finding if there is no telling.
func (r *report) properties() (map[string]any, bool) {
	properties, ok := cfn.Object(r.resource.Properties)
	if !ok {
		r.check(expectation{
			property: "the set of properties", value: r.resource.Properties,
			must: "must be an object", code: "properties in the program", template: "a JSON object",
		})
	}
	return properties, ok
}

// guarded runs a rule. A panic would end the pack and with it every other
// rule, so it becomes a finding: what a rule cannot read does not pass.
func guarded(subject string, judge func() []finding) (findings []finding) {
	defer func() {
		if caught := recover(); caught != nil {
			// The text of a runtime error names types and indices, never values.
			reason := "an internal error"
			if fault, ok := caught.(error); ok && errors.As(fault, new(runtime.Error)) {
				reason = fault.Error()
			}
			findings = append(findings, finding{text: fmt.Sprintf(
				"%s could not be judged (%s); simplify the resource and report this as a fault of the policy pack.",
				subject, reason)})
		}
	}()
	return judge()
}
