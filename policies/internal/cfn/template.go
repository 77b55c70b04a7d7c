package cfn

import (
	"maps"
	"slices"
	"strings"
)

const (
	languageExtensions = "AWS::LanguageExtensions"
	fnTransform        = "Fn::Transform"
	fnForEach          = "Fn::ForEach"
	writeItOut         = "write the resources out in the template"
)

// template is one CloudFormation template with the parameters it is given.
type template struct {
	owner      Resource
	content    map[string]any
	parameters map[string]any
	// visiting holds the conditions that are being worked out, so that one
	// which names itself ends, and verdicts those that have been: conditions
	// that name others twice would take for ever.
	visiting map[string]bool
	verdicts map[string]verdict
}

// verdict is what a condition comes to. In doubt yes means nothing.
type verdict struct {
	yes   bool
	doubt *Unknown
}

func newTemplate(owner Resource, content map[string]any, given any) *template {
	t := &template{
		owner: owner, content: content,
		parameters: map[string]any{}, visiting: map[string]bool{}, verdicts: map[string]verdict{},
	}
	values, unknown := givenParameters(given)
	for name, declaration := range t.section("Parameters") {
		t.parameters[name] = parameterValue(name, declaration, values, unknown)
	}
	return t
}

func (t *template) section(name string) map[string]any {
	section, _ := Object(t.content[name])
	return section
}

// givenParameters takes a stack's parameters (name to value) and a stack set's
// in CloudFormation's own form (a list of ParameterKey and ParameterValue).
func givenParameters(given any) (values map[string]any, unknown *Unknown) {
	values, _ = Object(given)
	if u, ok := given.(Unknown); ok {
		return nil, &u
	}
	if list, ok := List(given); ok {
		values = map[string]any{}
		for _, item := range list {
			switch item := item.(type) {
			case Unknown:
				unknown = &item
			case map[string]any:
				if name, ok := Text(item["ParameterKey"]); ok {
					values[name] = item["ParameterValue"]
				}
			}
		}
	}
	return values, unknown
}

// parameterValue is what a template sees of one parameter. The value of an
// AWS::SSM::Parameter::Value type is the name of what CloudFormation reads at
// deployment, not the value.
func parameterValue(name string, declaration any, given map[string]any, unknown *Unknown) any {
	declared, _ := Object(declaration)
	kind, _ := Text(declared["Type"])
	from := "parameter " + name
	if strings.HasPrefix(kind, "AWS::SSM::Parameter::Value") {
		return Unknown{Why: from + " is read from Systems Manager at deployment", Final: true}
	}
	value, ok := given[name]
	if !ok || value == nil {
		if unknown != nil {
			return *unknown
		}
		value = declared["Default"]
	}
	if u, ok := value.(Unknown); ok {
		return Unknown{Why: from + ": " + u.Why, Final: u.Final}
	}
	text, ok := Text(value)
	if !ok {
		return Unknown{Why: from + " has neither a value nor a default", Final: true}
	}
	old, _ := value.(Traced)
	traced := Traced{Value: text, From: from, Secret: old.Secret}
	if kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<") {
		items := []any{}
		for item := range strings.SplitSeq(text, ",") {
			items = append(items, Traced{Value: strings.TrimSpace(item), From: from, Secret: old.Secret})
		}
		return items
	}
	return traced
}

// expand is every resource of the template that exists or may exist.
func (t *template) expand() (resources []Resource, hidden []Hidden) {
	hidden = t.macros()
	section, ok := Object(t.content["Resources"])
	if !ok {
		u := whyNot(t.content["Resources"], "the template's Resources")
		return nil, append(hidden, t.owner.hidden(u, "correct the template"))
	}
	for _, id := range slices.Sorted(maps.Keys(section)) {
		more, moreHidden := t.resource(id, section[id])
		resources = append(resources, more...)
		hidden = append(hidden, moreHidden...)
	}
	return resources, hidden
}

// macros reports what rewrites the template as a whole before CloudFormation
// deploys it. AWS::LanguageExtensions on its own adds no resource but through
// Fn::ForEach, which is reported where it stands.
func (t *template) macros() (hidden []Hidden) {
	transforms, ok := List(t.content["Transform"])
	if !ok && t.content["Transform"] != nil {
		transforms = []any{t.content["Transform"]}
	}
	if include, ok := t.content[fnTransform]; ok {
		transforms = append(transforms, include)
	}
	for _, transform := range transforms {
		name, ok := Text(transform)
		if !ok {
			object, _ := Object(transform)
			name, _ = Text(object["Name"])
		}
		if name != languageExtensions {
			u := Unknown{Why: "the macro " + name + " rewrites the template at deployment", Final: true}
			hidden = append(hidden, t.owner.hidden(u, writeItOut+" without a Transform"))
		}
	}
	return hidden
}

func (t *template) resource(id string, declaration any) ([]Resource, []Hidden) {
	r := t.owner.inside(id)
	hide := func(why, remedy string) ([]Resource, []Hidden) {
		return nil, []Hidden{r.hidden(Unknown{Why: why, Final: true}, remedy)}
	}
	if makesMore(id) {
		return hide(id+" makes resources at deployment", writeItOut)
	}
	declared, ok := Object(declaration)
	if !ok {
		return hide("it is "+Show(declaration)+" where an object is needed", "correct the template")
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(declared)), makesMore) {
		return hide("a macro rewrites it at deployment", writeItOut)
	}
	if r.Type, ok = Text(declared["Type"]); !ok {
		return hide("its Type is "+Show(declared["Type"]), "write its Type as a text")
	}
	r.Label += " (" + r.Type + ")"
	if name, ok := Text(declared["Condition"]); ok {
		exists, doubt := t.condition(name)
		if doubt == nil && !exists {
			return nil, nil
		}
		if doubt != nil && (r.Doubt == nil || r.Doubt.Final) {
			r.Doubt = doubt
		}
	}
	r.Properties = t.resolve(declared["Properties"])
	if IsMissing(r.Properties) {
		r.Properties = map[string]any{}
	}
	return Expand(r)
}

// makesMore says whether a key of a template stands for content that is made
// at deployment.
func makesMore(key string) bool {
	return key == fnTransform || strings.HasPrefix(key, fnForEach)
}
