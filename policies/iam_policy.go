package main

import (
	"fmt"

	"scaletozero/policies/internal/cfn"
)

// statement is one statement of an IAM policy document.
type statement struct {
	where    string
	elements map[string]any
}

// statements takes a policy document apart, given as an object or as JSON. A
// document that cannot be read is a finding.
func statements(r *report, where, property string, value any) (found []statement) {
	wrong := func(value any, must string) {
		const line = "the policy document with every statement written out"
		r.check(expectation{where: where, property: property, value: value, must: must, code: line, template: line})
	}
	document, err := cfn.Document(value)
	if err != nil {
		wrong(cfn.Unknown{Why: err.Error(), Final: true}, "must be a policy document")
		return nil
	}
	root, ok := cfn.Object(document)
	if !ok {
		wrong(document, "must be a policy document")
		return nil
	}
	items := oneOrMany(root["Statement"])
	if len(items) == 0 {
		wrong(nil, "must hold statements")
	}
	for i, item := range items {
		elements, ok := cfn.Object(item)
		if !ok {
			wrong(item, fmt.Sprintf("must hold objects; Statement[%d] is none", i))
			continue
		}
		place := fmt.Sprintf("Statement[%d]", i)
		if sid, ok := cfn.Text(elements["Sid"]); ok {
			place += " " + cfn.Show(sid)
		}
		if where != "" {
			place = where + ", " + place
		}
		found = append(found, statement{where: place, elements: elements})
	}
	return found
}

// oneOrMany is a list as it is, and anything else but nothing as a list of one:
// IAM takes both wherever it takes several.
func oneOrMany(v any) []any {
	if list, ok := cfn.List(v); ok {
		return list
	}
	if cfn.IsMissing(v) {
		return nil
	}
	return []any{v}
}
