package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// rewriter says the same as a template in other words, by chance.
type rewriter struct {
	t *testing.T
	*rand.Rand
	// opaque makes it say less, too: with functions that only CloudFormation
	// works out.
	opaque                      bool
	parameters, given, mappings object
}

func newRewriter(t *testing.T, seed uint64) *rewriter {
	return &rewriter{t: t, Rand: rand.New(rand.NewPCG(seed, 0)), parameters: object{}, given: object{}, mappings: object{}}
}

// template rewrites every resource, and adds what the rewriting refers to.
func (w *rewriter) template(template object) object {
	rewritten := maps.Clone(template)
	resources := object{}
	for _, id := range slices.Sorted(maps.Keys(template["Resources"].(object))) {
		resource := maps.Clone(template["Resources"].(object)[id].(object))
		resource["Properties"] = w.value(resource["Properties"])
		if w.IntN(4) == 0 {
			resource["Condition"] = "Always"
		}
		resources[id] = resource
	}
	rewritten["Resources"] = resources
	rewritten["Mappings"] = object{"Words": w.mappings}
	rewritten["Conditions"] = object{
		"Same": object{"Fn::Equals": list{object{"Ref": "Word"}, "word"}}, "Never": object{"Fn::Not": list{object{"Condition": "Always"}}},
		"Always": object{"Fn::Or": list{object{"Fn::Equals": list{"a", "b"}}, object{"Fn::And": list{object{"Condition": "Same"}, object{"Condition": "Same"}}}}},
	}
	w.parameters["Word"] = object{"Type": "String", "Default": "word"}
	maps.Copy(w.parameters, template["Parameters"].(object))
	rewritten["Parameters"] = w.parameters
	return rewritten
}

// value rewrites a property's value.
func (w *rewriter) value(v any) any {
	switch v := v.(type) {
	case object:
		if _, isCall := functionOf(v); isCall {
			return w.chosen(v)
		}
		rewritten := object{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			rewritten[key] = w.value(v[key])
		}
		if w.IntN(6) == 0 {
			rewritten["Nothing"] = object{"Ref": "AWS::NoValue"}
		}
		return w.chosen(rewritten)
	case list:
		rewritten := list{}
		for _, item := range v {
			if w.IntN(6) == 0 {
				rewritten = append(rewritten, object{"Fn::If": list{"Never", "decoy", object{"Ref": "AWS::NoValue"}}})
			}
			rewritten = append(rewritten, w.value(item))
		}
		return w.chosen(rewritten)
	}
	return w.chosen(w.scalar(v))
}

// chosen is v, or v as one side of a condition that can be worked out.
func (w *rewriter) chosen(v any) any {
	switch w.IntN(6) {
	case 0:
		return object{"Fn::If": list{"Always", v, "decoy"}}
	case 1:
		return object{"Fn::If": list{"Never", object{"Ref": "AWS::NoValue"}, v}}
	}
	return v
}

// scalar is a text, a number or a boolean from another place of the template.
func (w *rewriter) scalar(v any) any {
	name := "W" + strconv.Itoa(len(w.parameters)+len(w.mappings))
	text, isText := v.(string)
	switch choice := w.IntN(8); {
	case choice == 0:
		w.parameters[name] = object{"Type": "String", "Default": v}
		return object{"Ref": name}
	case choice == 1:
		w.parameters[name], w.given[name] = object{"Type": "String", "Default": "decoy"}, fmt.Sprint(v)
		return object{"Ref": name}
	case choice == 2:
		w.mappings[name] = object{"is": v}
		return object{"Fn::FindInMap": list{"Words", name, "is"}}
	case choice == 6 && w.opaque:
		return object{"Fn::Select": list{0.0, list{v}}}
	case choice == 3 && isText && !strings.Contains(text, "${"):
		return object{"Fn::Sub": text}
	case choice == 4 && isText:
		return object{"Fn::Sub": list{"${V}", object{"V": text}}}
	case choice == 5 && isText:
		at := w.IntN(len(text) + 1)
		return object{"Fn::Join": list{"", list{text[:at], text[at:]}}}
	}
	return v
}

// functionOf is the name of the function that an object calls.
func functionOf(v object) (name string, ok bool) {
	for name = range v {
	}
	return name, len(v) == 1 && (name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::"))
}

// text writes a document as JSON or YAML, its keys in any order.
func (w *rewriter) text(v any) string {
	node := w.node(v)
	if w.IntN(2) == 0 {
		return w.json(node)
	}
	w.tag(node)
	text, err := yaml.Marshal(node)
	require.NoError(w.t, err)
	return string(text)
}

func (w *rewriter) node(v any) *yaml.Node {
	node := &yaml.Node{Style: []yaml.Style{0, yaml.FlowStyle}[w.IntN(2)]}
	switch v := v.(type) {
	case object:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		keys := slices.Sorted(maps.Keys(v))
		w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for _, key := range keys {
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, w.node(v[key]))
		}
	case list:
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range v {
			node.Content = append(node.Content, w.node(item))
		}
	default:
		require.NoError(w.t, node.Encode(v))
	}
	return node
}

// tag gives functions the short form of CloudFormation's YAML.
func (w *rewriter) tag(node *yaml.Node) {
	for _, child := range node.Content {
		w.tag(child)
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 || w.IntN(2) == 0 {
		return
	}
	name, argument := node.Content[0].Value, node.Content[1]
	function, isFunction := strings.CutPrefix(name, "Fn::")
	// YAML has no two tags for one value, so that of an inner function stays.
	if (!isFunction && name != "Ref") || strings.HasPrefix(argument.Tag, "!") && !strings.HasPrefix(argument.Tag, "!!") {
		return
	}
	short := *argument
	short.Tag = "!" + function
	short.Style |= yaml.TaggedStyle
	*node = short
}

// json writes a node as JSON, in its order.
func (w *rewriter) json(node *yaml.Node) string {
	var parts []string
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(node.Content); i += 2 {
			parts = append(parts, w.json(node.Content[i])+":"+w.json(node.Content[i+1]))
		}
		return "{" + strings.Join(parts, ",\n\t") + "}"
	case yaml.SequenceNode:
		for _, item := range node.Content {
			parts = append(parts, w.json(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	var v any
	require.NoError(w.t, node.Decode(&v))
	text, err := json.Marshal(v)
	require.NoError(w.t, err)
	return string(text)
}
