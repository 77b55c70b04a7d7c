package main

import (
	"fmt"

	"scaletozero/policies/internal/cfn"
)

// finding is one thing that is wrong. It is pending where the update may show
// that nothing is wrong.
type finding struct {
	text    string
	pending bool
	// resource is what is wrong, or holds what is wrong.
	resource cfn.Resource
}

// report collects the findings about one resource.
type report struct {
	resource cfn.Resource
	settings settings
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
	r.findings = append(r.findings, finding{text: text + ".", pending: pending, resource: r.resource})
}
