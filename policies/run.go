package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// run is what the policies share during one preview or update. The engine may
// ask about several resources at once.
type run struct {
	// dryRun is whether this is a preview. The SDK does not pass it to a
	// policy, only to the factory of the pack.
	dryRun bool
	// stack is the stack's name, without organization and project.
	stack string
	now   func() time.Time

	mu sync.Mutex
	// declared holds what each registered resource declares, by URN. Templates
	// are parsed once, for all rules.
	declared map[string]declaration
	// pending holds what the companion of a rule has to tell, by the rule's
	// name and the URN (none for a rule about the whole stack). A rule that is
	// disabled leaves nothing there, so its companion is silent too.
	pending    map[[2]string][]finding
	exemptions []exemption
	// told holds the policies whose configuration has been looked at.
	told map[string]bool
}

// declaration is one registered resource in CloudFormation's words.
type declaration struct {
	from      property.Map
	resources []cfn.Resource
	hidden    []cfn.Hidden
}

func newRun(dryRun bool, stackName string, now func() time.Time) *run {
	return &run{
		dryRun: dryRun, stack: stackName, now: now,
		declared: map[string]declaration{}, pending: map[[2]string][]finding{}, told: map[string]bool{},
	}
}

// declare translates a resource's inputs, or finds them translated.
func (run *run) declare(r policyx.AnalyzerResource) declaration {
	run.mu.Lock()
	known, ok := run.declared[r.URN]
	run.mu.Unlock()
	if ok && known.from.Equals(r.Properties) {
		return known
	}
	declared := declaration{from: r.Properties}
	declared.resources, declared.hidden = registered.Resources(r)
	run.mu.Lock()
	defer run.mu.Unlock()
	run.declared[r.URN] = declared
	return declared
}

// judge is what the rule's mandatory policy reports about one resource.
func (run *run) judge(r rule, resource policyx.AnalyzerResource, config map[string]any) []finding {
	findings := guarded(fmt.Sprintf("%s %q", resource.Type, resource.Name), func() []finding {
		return r.judgeDeclared(run.declare(resource), settings{config: config, stack: run.stack})
	})
	for i := range findings {
		findings[i].resource.URN, findings[i].resource.Name = resource.URN, resource.Name
	}
	findings = run.split(r.name, resource.URN, findings)
	if run.firstTime(r.name) {
		findings = append(findings, settings{config: config}.misspelt(r.name, r.knobs)...)
	}
	return findings
}

// firstTime says whether a policy's configuration is still to be looked at. It
// is the same in the whole run, and so are the mistakes in it.
func (run *run) firstTime(policy string) bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	first := !run.told[policy]
	run.told[policy] = true
	return first
}

// judgeStack is what the rule's mandatory policy reports about the stack. The
// resources come with their outputs, in which a preview knows less than in the
// inputs, so that the inputs are judged wherever the engine has shown them.
func (run *run) judgeStack(r rule, resources []policyx.AnalyzerResource) []finding {
	s := &stack{}
	findings := guarded("the stack", func() []finding {
		for _, resource := range resources {
			run.mu.Lock()
			declared, ok := run.declared[resource.URN]
			run.mu.Unlock()
			if !ok {
				declared = run.declare(resource)
			}
			s.add(registered.Linked(declared.resources, resource), declared.hidden)
		}
		r.judgeStack(s)
		return s.findings()
	})
	return run.split(r.name, "", findings)
}

// split drops what is exempt and keeps for the companion what only the update
// can know.
func (run *run) split(ruleName, urn string, findings []finding) (now []finding) {
	run.mu.Lock()
	defer run.mu.Unlock()
	var later []finding
	for _, f := range findings {
		switch {
		case run.exempt(ruleName, f.resource):
		case f.pending && run.dryRun:
			later = append(later, f)
		default:
			now = append(now, f)
		}
	}
	run.pending[[2]string{ruleName, urn}] = later
	return now
}

// takePending is what the companion of a rule reports.
func (run *run) takePending(ruleName, urn string) []finding {
	run.mu.Lock()
	defer run.mu.Unlock()
	key := [2]string{ruleName, urn}
	findings := run.pending[key]
	delete(run.pending, key)
	return findings
}
