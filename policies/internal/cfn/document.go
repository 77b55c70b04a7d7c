package cfn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Document is the document in v: v itself or, where v is a text, what the text
// says. A document from a secret text is secret throughout.
func Document(v any) (any, error) {
	text, ok := Plain(v).(string)
	if !ok {
		return v, nil
	}
	document, err := Parse(text)
	if traced, ok := v.(Traced); ok && traced.Secret {
		if err != nil {
			// The parser's error may quote the text.
			return nil, errors.New("it is neither JSON nor YAML")
		}
		document = MarkSecret(document)
	}
	return document, err
}

// Parse reads a JSON or YAML document into the values of this package. The
// short tags of CloudFormation's YAML (!Ref, !Sub, !GetAtt …) become the long
// form. JSON is tried first, because JSON indented with tabs is not YAML.
func Parse(text string) (any, error) {
	var document any
	jsonErr := json.Unmarshal([]byte(text), &document)
	if jsonErr == nil {
		return document, nil
	}
	document, err := parseYAML(text)
	if err == nil {
		return document, nil
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return nil, fmt.Errorf("it is not JSON: %w", jsonErr)
	}
	return nil, fmt.Errorf("it is neither JSON nor YAML: %w", err)
}

func parseYAML(text string) (any, error) {
	var node yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the first document")
	}
	keepKeys(&node)
	expandShortTags(&node)
	var document any
	if err := node.Decode(&document); err != nil {
		return nil, err
	}
	return normalise(document), nil
}

// keepKeys makes every key the text that it is written as. JSON has no other
// keys, and 1 and 1.0 would become one key, with the value of either.
func keepKeys(node *yaml.Node) {
	for i, child := range node.Content {
		keepKeys(child)
		if node.Kind != yaml.MappingNode || i%2 != 0 {
			continue
		}
		if child.Kind == yaml.AliasNode {
			child = child.Alias
		}
		if child.Kind == yaml.ScalarNode && strings.HasPrefix(child.Tag, "!!") && child.Tag != "!!merge" {
			node.Content[i] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: child.Value}
		}
	}
}

// expandShortTags rewrites `!Sub x` to `{Fn::Sub: x}` in place. Ref and
// Condition are the two functions without the prefix.
func expandShortTags(node *yaml.Node) {
	for _, child := range node.Content {
		expandShortTags(child)
	}
	if !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") || len(node.Tag) == 1 {
		return
	}
	function := node.Tag[1:]
	if function != "Ref" && function != "Condition" {
		function = "Fn::" + function
	}
	argument := *node
	argument.Anchor = ""
	argument.Tag = ""
	argument.Style &^= yaml.TaggedStyle
	if node.Kind == yaml.ScalarNode {
		argument.Tag = "!!str"
	}
	*node = yaml.Node{
		Kind: yaml.MappingNode, Anchor: node.Anchor, Line: node.Line, Column: node.Column,
		Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: function}, &argument},
	}
}

// normalise maps what the YAML decoder makes, such as integers and dates, to
// what JSON has.
func normalise(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = normalise(value)
		}
		return v
	case []any:
		for i, value := range v {
			v[i] = normalise(value)
		}
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case time.Time:
		return v.Format(time.DateOnly)
	case nil, bool, float64, string:
		return v
	default:
		return fmt.Sprint(v)
	}
}
