package cfn

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// noValue is what AWS::NoValue resolves to: the property or item goes away.
type noValue struct{}

func isNoValue(v any) bool {
	_, ok := v.(noValue)
	return ok
}

// resolve replaces the intrinsic functions in v by their values, or by an
// Unknown where only CloudFormation can work them out.
func (t *template) resolve(v any) any {
	if resolved := t.evaluate(v); !isNoValue(resolved) {
		return resolved
	}
	return nil
}

func (t *template) evaluate(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			return t.call(name, argument)
		}
		object := make(map[string]any, len(v))
		for key, value := range v {
			if makesMore(key) {
				return Unknown{Why: key + " is worked out at deployment", Final: true}
			}
			if resolved := t.evaluate(value); !isNoValue(resolved) {
				object[key] = resolved
			}
		}
		return object
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			if resolved := t.evaluate(item); !isNoValue(resolved) {
				list = append(list, resolved)
			}
		}
		return list
	}
	if text, ok := Plain(v).(string); ok && strings.Contains(text, "{{resolve:") {
		return Unknown{Why: "a dynamic reference ({{resolve:…}}) is read at deployment", Final: true}
	}
	return v
}

// intrinsic takes a function call apart: an object whose only key is Ref or
// begins with Fn::.
func intrinsic(object map[string]any) (name string, argument any, ok bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument = range object {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

func (t *template) call(name string, argument any) any {
	list, _ := List(argument)
	switch {
	case name == "Ref":
		target, _ := Text(argument)
		return t.ref(target)
	case name == "Fn::If" && len(list) == 3:
		return t.choose(list)
	case name == "Fn::FindInMap" && len(list) == 3:
		return t.findInMap(list)
	case name == "Fn::Join" && len(list) == 2:
		return t.join(list)
	case name == "Fn::Sub" && len(list) == 2:
		variables, _ := Object(list[1])
		return t.substitute(list[0], variables)
	case name == "Fn::Sub":
		return t.substitute(argument, nil)
	}
	u := Unknown{Why: strings.TrimSpace(name+" "+dotted(argument)) + " is worked out by CloudFormation", Final: true}
	if name == "Fn::GetAtt" {
		u.From = t.named(dotted(argument))
	}
	return u
}

// named is the id of the resource in Name or Name.Attribute, if the template
// has it.
func (t *template) named(reference string) []string {
	id, _, _ := strings.Cut(reference, ".")
	if _, ok := t.section("Resources")[id]; !ok {
		return nil
	}
	return []string{t.owner.inside(id).ID()}
}

// dotted shows the argument of Fn::GetAtt, which has a text and a list form.
func dotted(argument any) string {
	if text, ok := Text(argument); ok {
		return text
	}
	var parts []string
	list, _ := List(argument)
	for _, item := range list {
		if text, ok := Text(item); ok {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ".")
}

func (t *template) ref(name string) any {
	if name == "AWS::NoValue" {
		return noValue{}
	}
	if value, ok := t.parameters[name]; ok {
		return value
	}
	return Unknown{Why: "the value of " + name + " is worked out by CloudFormation", Final: true, From: t.named(name)}
}

func (t *template) choose(list []any) any {
	name, _ := Text(list[0])
	yes, doubt := t.condition(name)
	if doubt == nil {
		if yes {
			return t.evaluate(list[1])
		}
		return t.evaluate(list[2])
	}
	one, other := t.evaluate(list[1]), t.evaluate(list[2])
	if reflect.DeepEqual(one, other) {
		return one
	}
	return *doubt
}

func (t *template) findInMap(list []any) any {
	var keys [3]string
	for i, item := range list {
		value := t.evaluate(item)
		if u, ok := value.(Unknown); ok {
			return u
		}
		keys[i], _ = Text(value)
	}
	first, _ := Object(t.section("Mappings")[keys[0]])
	second, _ := Object(first[keys[1]])
	value, ok := second[keys[2]]
	if !ok {
		return Unknown{Why: fmt.Sprintf("the mapping %s has no %s.%s", keys[0], keys[1], keys[2]), Final: true}
	}
	return value
}

// texts collects pieces of text. The whole is unknown when a piece is, and for
// good when a piece is unknown for good; it is secret when a piece is.
type texts struct {
	pieces  []string
	secret  bool
	unknown *Unknown
	from    []string
}

func (c *texts) add(v any) {
	if u, ok := v.(Unknown); ok {
		if c.unknown == nil || u.Final {
			c.unknown = &u
		}
		c.from = append(c.from, u.From...)
		c.pieces = append(c.pieces, cmp.Or(u.Outline, "…"))
		return
	}
	traced, _ := v.(Traced)
	c.secret = c.secret || traced.Secret
	text, ok := Text(v)
	if !ok {
		c.unknown = &Unknown{Why: "a text is needed where " + Show(v) + " stands", Final: true}
	}
	c.pieces = append(c.pieces, text)
}

func (c *texts) join(separator string) any {
	switch text := strings.Join(c.pieces, separator); {
	case c.unknown != nil && c.secret:
		return Unknown{Why: c.unknown.Why, Final: c.unknown.Final, From: c.from}
	case c.unknown != nil:
		return Unknown{Why: c.unknown.Why, Final: c.unknown.Final, From: c.from, Outline: text}
	case c.secret:
		return Traced{Value: text, Secret: true}
	default:
		return text
	}
}

func (t *template) join(list []any) any {
	separator, _ := Text(t.evaluate(list[0]))
	items := t.evaluate(list[1])
	if u, ok := items.(Unknown); ok {
		return u
	}
	var collected texts
	values, _ := List(items)
	for _, value := range values {
		collected.add(value)
	}
	return collected.join(separator)
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

// substitute is Fn::Sub: ${Name} is a variable, a parameter or an attribute,
// ${!Name} is the text ${Name}.
func (t *template) substitute(pattern any, variables map[string]any) any {
	text, ok := Text(pattern)
	if !ok {
		return Unknown{Why: "Fn::Sub has " + Show(pattern) + " where a text is needed", Final: true}
	}
	var collected texts
	at := 0
	for _, span := range placeholder.FindAllStringIndex(text, -1) {
		collected.add(text[at:span[0]])
		at = span[1]
		name := text[span[0]+2 : span[1]-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			collected.add("${" + literal + "}")
		} else if variable, ok := variables[name]; ok {
			collected.add(t.evaluate(variable))
		} else {
			collected.add(t.ref(name))
		}
	}
	collected.add(text[at:])
	return collected.join("")
}

// condition works out a named condition. In doubt the first result means
// nothing.
func (t *template) condition(name string) (bool, *Unknown) {
	if known, ok := t.verdicts[name]; ok {
		return known.yes, known.doubt
	}
	definition, ok := t.section("Conditions")[name]
	if !ok || t.visiting[name] {
		return false, &Unknown{Why: "the condition " + name + " cannot be worked out", Final: true}
	}
	t.visiting[name] = true
	yes, doubt := t.holds(definition)
	delete(t.visiting, name)
	t.verdicts[name] = verdict{yes, doubt}
	return yes, doubt
}

func (t *template) holds(v any) (bool, *Unknown) {
	object, _ := Object(v)
	if name, ok := Text(object["Condition"]); ok {
		return t.condition(name)
	}
	name, argument, _ := intrinsic(object)
	list, _ := List(argument)
	switch {
	case name == "Fn::Equals" && len(list) == 2:
		return t.equal(list[0], list[1])
	case name == "Fn::Not" && len(list) == 1:
		yes, doubt := t.holds(list[0])
		return !yes, doubt
	case name == "Fn::And" && len(list) > 0:
		return t.until(false, list)
	case name == "Fn::Or" && len(list) > 0:
		return t.until(true, list)
	}
	return false, &Unknown{Why: "a condition cannot be worked out", Final: true}
}

// until is Fn::Or for stop true and Fn::And for stop false: one operand that
// equals stop decides, whatever is in doubt about the others.
func (t *template) until(stop bool, operands []any) (bool, *Unknown) {
	var doubt *Unknown
	for _, operand := range operands {
		yes, unsure := t.holds(operand)
		if unsure == nil && yes == stop {
			return stop, nil
		}
		if unsure != nil {
			doubt = unsure
		}
	}
	return !stop, doubt
}

func (t *template) equal(one, other any) (bool, *Unknown) {
	var sides [2]string
	for i, side := range []any{one, other} {
		value := t.evaluate(side)
		if u, ok := value.(Unknown); ok {
			return false, &u
		}
		text, ok := Text(value)
		if !ok {
			return false, &Unknown{Why: "a condition compares " + Show(value), Final: true}
		}
		sides[i] = text
	}
	return sides[0] == sides[1], nil
}
