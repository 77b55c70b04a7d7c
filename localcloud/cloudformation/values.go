package cloudformation

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// CloudFormation converts between strings, numbers and booleans: a Ref to a parameter of type Number is a string, and
// "true" is as good as true. These types do the same.

type (
	scalar  string
	number  float64
	integer int
	boolean bool
)

func (s *scalar) UnmarshalJSON(content []byte) error {
	var text string
	if json.Unmarshal(content, &text) == nil {
		*s = scalar(text)
		return nil
	}
	var other any
	if err := json.Unmarshal(content, &other); err != nil {
		return err
	}
	switch other.(type) {
	case float64, bool:
		*s = scalar(content)
		return nil
	default:
		return fmt.Errorf("%s is not a string, number or boolean", content)
	}
}

func (n *number) UnmarshalJSON(content []byte) error {
	parsed, err := strconv.ParseFloat(strings.Trim(string(content), `"`), 64)
	if err != nil {
		return fmt.Errorf("%s is not a number", content)
	}
	*n = number(parsed)
	return nil
}

func (n *integer) UnmarshalJSON(content []byte) error {
	parsed, err := strconv.Atoi(strings.Trim(string(content), `"`))
	if err != nil {
		return fmt.Errorf("%s is not an integer", content)
	}
	*n = integer(parsed)
	return nil
}

func (b *boolean) UnmarshalJSON(content []byte) error {
	parsed, err := strconv.ParseBool(strings.Trim(string(content), `"`))
	if err != nil {
		return fmt.Errorf("%s is not a boolean", content)
	}
	*b = boolean(parsed)
	return nil
}

// stringOrList is a string or a list of strings, such as DependsOn.
type stringOrList []string

func (l *stringOrList) UnmarshalJSON(content []byte) error {
	var one string
	if json.Unmarshal(content, &one) == nil {
		*l = stringOrList{one}
		return nil
	}
	return json.Unmarshal(content, (*[]string)(l))
}

// noValue is what {"Ref": "AWS::NoValue"} resolves to: the property is left out.
type noValue struct{}

// scope resolves the intrinsic functions of a template's values.
type scope struct {
	template  *Template
	arguments map[string]string
	pseudo    map[string]string
	deployed  map[string]*Resource
}

func (s scope) resolve(value any) (any, error) {
	switch v := value.(type) {
	case []any:
		return s.resolveList(v)
	case map[string]any:
		return s.resolveObject(v)
	default:
		return value, nil
	}
}

func (s scope) resolveList(list []any) (any, error) {
	out := []any{}
	for _, element := range list {
		resolved, err := s.resolve(element)
		if err != nil {
			return nil, err
		}
		if _, left := resolved.(noValue); !left {
			out = append(out, resolved)
		}
	}
	return out, nil
}

func (s scope) resolveObject(object map[string]any) (any, error) {
	if name, ok := object["Ref"].(string); ok && len(object) == 1 {
		return s.ref(name)
	}
	if id, attribute, ok := getAtt(object); ok {
		return s.attribute(id, attribute)
	}
	out := map[string]any{}
	for key, element := range object {
		if strings.HasPrefix(key, "Fn::") || key == "Condition" || key == "Ref" {
			return nil, fmt.Errorf("localcloud does not implement %s in this form: it resolves Ref and Fn::GetAtt", key)
		}
		resolved, err := s.resolve(element)
		if err != nil {
			return nil, err
		}
		if _, left := resolved.(noValue); !left {
			out[key] = resolved
		}
	}
	return out, nil
}

func (s scope) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, ok := s.pseudo[name]; ok {
		return value, nil
	}
	if parameter, ok := s.template.Parameters[name]; ok {
		if parameter.Type != "CommaDelimitedList" {
			return s.arguments[name], nil
		}
		list := []any{}
		for _, element := range splitList(s.arguments[name]) {
			list = append(list, element)
		}
		return list, nil
	}
	if r, ok := s.deployed[name]; ok {
		return r.ARN, nil
	}
	return nil, fmt.Errorf("ValidationError: Template format error: Unresolved dependency or pseudo parameter %s", name)
}

func (s scope) attribute(id, attribute string) (any, error) {
	r, ok := s.deployed[id]
	if !ok {
		return nil, fmt.Errorf("ValidationError: Template error: instance of Fn::GetAtt references undefined resource %s", id)
	}
	if value, ok := types[r.Type].attributes(r)[attribute]; ok {
		return value, nil
	}
	return nil, fmt.Errorf("ValidationError: Template error: resource %s does not support attribute type %s in Fn::GetAtt", id, attribute)
}

// getAtt recognises {"Fn::GetAtt": ["Resource", "Attribute"]} and {"Fn::GetAtt": "Resource.Attribute"}.
func getAtt(object map[string]any) (id, attribute string, ok bool) {
	if len(object) != 1 {
		return "", "", false
	}
	switch v := object["Fn::GetAtt"].(type) {
	case string:
		return strings.Cut(v, ".")
	case []any:
		if len(v) == 2 {
			id, isText := v[0].(string)
			attribute, alsoText := v[1].(string)
			return id, attribute, isText && alsoText
		}
	}
	return "", "", false
}
