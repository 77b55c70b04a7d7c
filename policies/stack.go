package main

import (
	"scaletozero/policies/internal/cfn"
)

// stack is every resource that a stack declares, for rules that need more than
// one of them.
type stack struct {
	resources []cfn.Resource
	// hidden is set where resources may be hidden until the update.
	hidden  *cfn.Unknown
	reports []*report
}

// add puts what one registered resource declares into the stack.
func (s *stack) add(resources []cfn.Resource, hidden []cfn.Hidden) {
	s.resources = append(s.resources, resources...)
	for _, h := range hidden {
		if !h.Final {
			s.hidden = &h.Unknown
		}
	}
}

// each calls judge with every resource of the types whose properties can be
// read; for one that cannot be, the findings say so.
func (s *stack) each(judge func(r *report, properties map[string]any), types ...string) {
	for _, resource := range s.of(types...) {
		r := s.report(resource)
		if properties, ok := r.properties(); ok {
			judge(r, properties)
		}
	}
}

// of is every resource of the types.
func (s *stack) of(types ...string) (resources []cfn.Resource) {
	for _, resource := range s.resources {
		for _, t := range types {
			if resource.Type == t {
				resources = append(resources, resource)
			}
		}
	}
	return resources
}

func (s *stack) report(resource cfn.Resource) *report {
	r := &report{resource: resource}
	s.reports = append(s.reports, r)
	return r
}

func (s *stack) findings() (findings []finding) {
	for _, r := range s.reports {
		findings = append(findings, r.findings...)
	}
	return findings
}

// get is a property of a resource, nil where it has none.
func get(resource cfn.Resource, name string) any {
	properties, _ := cfn.Object(resource.Properties)
	return properties[name]
}

// refer reads a property of a resource as a reference to another.
func refer(resource cfn.Resource, name string) cfn.Reference {
	return resource.Reference(name, get(resource, name))
}

// match looks for resources that stand in some relation to another. Those for
// which it cannot be told are counted by the doubt alone.
type match struct {
	stack *stack
	found []cfn.Resource
	doubt *cfn.Unknown
}

// matching asks about every resource of the types.
func (s *stack) matching(fits func(candidate cfn.Resource) (bool, *cfn.Unknown), types ...string) match {
	m := match{stack: s}
	for _, candidate := range s.of(types...) {
		yes, doubt := fits(candidate)
		if u, ok := candidate.Properties.(cfn.Unknown); ok {
			doubt = &u
		}
		// A candidate that may turn out not to exist is doubtful as well.
		if doubt == nil && yes && candidate.Doubt != nil {
			doubt = candidate.Doubt
		}
		switch {
		case doubt == nil && yes:
			m.found = append(m.found, candidate)
		case doubt != nil && (m.doubt == nil || m.doubt.Final):
			// A doubt that the update settles outweighs one that it does not.
			m.doubt = doubt
		}
	}
	return m
}

// value is what a message shows where nothing was found.
func (m *match) value() any {
	switch {
	case m.doubt != nil:
		return *m.doubt
	case m.stack.hidden != nil:
		return *m.stack.hidden
	}
	return nil
}
