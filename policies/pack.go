package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

const packName = "scale-to-zero-inference"

// packVersion is the version in PulumiPolicy.yaml.
var packVersion = semver.MustParse("0.1.0")

// pendingSuffix names the advisory companion of a rule.
const pendingSuffix = "-not-yet-known"

// rule is one check, written once against resources in CloudFormation's words.
type rule struct {
	name        string
	description string
	// judges holds what judges a resource, by CloudFormation type.
	judges map[string]func(r *report, properties map[string]any)
}

func rules() []rule {
	return []rule{scalesToZero(), apiRequiresKey()}
}

// newPack makes two policies of every rule. The mandatory one stops what is
// wrong. Its advisory companion tells at preview what cannot be judged before
// the update, where the mandatory one judges it: an unknown must not stop the
// preview of a good program, nor go unmentioned.
//
// dryRun is whether this is a preview. The SDK does not pass it to a policy,
// only to the factory of the pack.
func newPack(dryRun bool) (policyx.PolicyPack, error) {
	var policies []policyx.Policy
	for _, r := range rules() {
		mandatory := func(f finding) bool { return !f.pending || !dryRun }
		advisory := func(f finding) bool { return f.pending && dryRun }
		policies = append(policies,
			r.policy(r.name, r.description, policyx.EnforcementLevelMandatory, mandatory),
			r.policy(r.name+pendingSuffix, "Not known at preview, judged at update: "+r.description,
				policyx.EnforcementLevelAdvisory, advisory))
	}
	// The SDK ignores the pack's own enforcement level; each policy has its own.
	return policyx.NewPolicyPack(packName, packVersion, policyx.EnforcementLevelMandatory, policies)
}

// policy reports the findings that are selected.
func (r rule) policy(
	name, description string, level policyx.EnforcementLevel, selected func(finding) bool,
) policyx.Policy {
	return policyx.NewResourceValidationPolicy(name, policyx.ResourceValidationPolicyArgs{
		Description:      description,
		EnforcementLevel: level,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			for _, f := range r.judge(args.Resource) {
				if selected(f) {
					args.Manager.ReportViolation(f.text, args.Resource.URN)
				}
			}
			return nil
		},
	})
}

// judge is everything the rule has to say about one registered resource. A
// panic would end the pack and with it every other rule, so it becomes a
// finding: what a rule cannot read does not pass.
func (r rule) judge(resource policyx.AnalyzerResource) (findings []finding) {
	defer func() {
		if caught := recover(); caught != nil {
			// The text of a runtime error names types and indices, never values.
			reason := "an internal error"
			if fault, ok := caught.(error); ok && errors.As(fault, new(runtime.Error)) {
				reason = fault.Error()
			}
			findings = append(findings, finding{text: fmt.Sprintf(
				"%s %q could not be judged (%s); simplify the resource and report this as a fault of the policy pack.",
				resource.Type, resource.Name, reason)})
		}
	}()
	resources, hidden := registered.Resources(resource)
	for _, h := range hidden {
		mend := "To mend it"
		if !h.Final {
			mend = "If the update cannot judge it either"
		}
		findings = append(findings, finding{
			text:    fmt.Sprintf("%s cannot be judged: %s. %s, %s.", h.Label, h.Why, mend, h.Remedy),
			pending: !h.Final,
		})
	}
	for _, res := range resources {
		judge, ok := r.judges[res.Type]
		if !ok {
			continue
		}
		rep := &report{resource: res}
		if properties, ok := cfn.Object(res.Properties); ok {
			judge(rep, properties)
		} else {
			rep.check(expectation{
				property: "the set of properties", value: res.Properties,
				must: "must be an object", code: "properties in the program", template: "a JSON object",
			})
		}
		findings = append(findings, rep.findings...)
	}
	return findings
}

// finding is one thing that is wrong. It is pending where the update may show
// that nothing is wrong.
type finding struct {
	text    string
	pending bool
}

// report collects the findings about one resource.
type report struct {
	resource cfn.Resource
	findings []finding
}

// expectation is a property that is not what it must be.
type expectation struct {
	// where narrows the place down inside the resource, such as a variant.
	where    string
	property string
	value    any
	// must completes the sentence "it …"; absent says what AWS does without
	// the property.
	must, absent string
	// code and template are the line that mends it, in a Go program and in a
	// template.
	code, template string
}

// check records an expectation that was not met.
func (r *report) check(e expectation) {
	place := r.resource.Label
	if e.where != "" {
		place += ", " + e.where
	}
	found := cfn.Show(e.value)
	if cfn.IsMissing(e.value) && e.absent != "" {
		found += " (" + e.absent + ")"
	}
	line := e.template
	if r.resource.Native {
		line = e.code
	}
	unknown, isUnknown := e.value.(cfn.Unknown)
	pending := isUnknown && !unknown.Final
	if doubt := r.resource.Doubt; doubt != nil {
		place += " (if it exists: " + doubt.Why + ")"
		pending = pending || !doubt.Final
	}
	mend := "To mend it"
	if pending {
		mend = "If the update finds otherwise"
	}
	text := fmt.Sprintf("%s: %s is %s; it %s. %s, write %s", place, e.property, found, e.must, mend, line)
	if traced, ok := e.value.(cfn.Traced); ok && traced.From != "" {
		text += ", or set that " + traced.From + " accordingly"
	}
	r.findings = append(r.findings, finding{text: text + ".", pending: pending})
}
