// Package cloudformation is as much of CloudFormation as the local cloud needs: JSON templates with parameters, Ref,
// Fn::GetAtt, DependsOn, outputs and pseudo parameters, over the SageMaker types that a scale-to-zero endpoint is made
// of. Everything else is refused, so that nothing passes here which this package has not understood.
package cloudformation

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Template is a parsed and checked template.
type Template struct {
	AWSTemplateFormatVersion string
	Description              string
	Metadata                 json.RawMessage
	Parameters               map[string]Parameter
	Resources                map[string]templateResource
	Outputs                  map[string]templateOutput

	order []string
}

// Parameter is a template parameter. Types String, Number and CommaDelimitedList are known.
type Parameter struct {
	Type                  string
	Default               *scalar
	AllowedValues         []scalar
	AllowedPattern        string
	MinValue, MaxValue    *number
	MinLength, MaxLength  *number
	Description           string
	ConstraintDescription string
	NoEcho                *boolean
}

type templateResource struct {
	Type                string
	Properties          map[string]any
	DependsOn           stringOrList
	Metadata            json.RawMessage
	DeletionPolicy      string
	UpdateReplacePolicy string
}

type templateOutput struct {
	Value       any
	Description string
}

// Parse reads a template and refuses what this package does not implement. The error names the first problem.
func Parse(body string) (*Template, error) {
	t := &Template{}
	if err := strict([]byte(body), t); err != nil {
		return nil, fmt.Errorf("the template is refused: %w (localcloud reads JSON with AWSTemplateFormatVersion, "+
			"Description, Metadata, Parameters, Resources and Outputs)", err)
	}
	if len(t.Resources) == 0 {
		return nil, errors.New("ValidationError: Template format error: At least one Resources member must be defined")
	}
	for name, p := range t.Parameters {
		if !slices.Contains([]string{"String", "Number", "CommaDelimitedList"}, p.Type) {
			return nil, fmt.Errorf("the template is refused: parameter %s has type %q, but localcloud knows String, Number and CommaDelimitedList", name, p.Type)
		}
		if _, err := regexp.Compile(p.AllowedPattern); err != nil {
			return nil, fmt.Errorf("the template is refused: AllowedPattern of parameter %s: %w", name, err)
		}
	}
	for id, r := range t.Resources {
		if types[r.Type] == nil {
			return nil, fmt.Errorf("the template is refused: resource %s has type %q, but localcloud implements %s", id, r.Type, strings.Join(typeNames(), ", "))
		}
		for _, policy := range []string{r.DeletionPolicy, r.UpdateReplacePolicy} {
			if policy != "" && policy != "Delete" {
				return nil, fmt.Errorf("the template is refused: resource %s has a DeletionPolicy or UpdateReplacePolicy %q, but localcloud knows Delete", id, policy)
			}
		}
	}
	return t, t.sort()
}

// sort puts the resources into the order of their references, alphabetically where those leave a choice.
func (t *Template) sort() error {
	needs := map[string][]string{}
	for id, r := range t.Resources {
		for _, target := range append(references(r.Properties), r.DependsOn...) {
			if _, isResource := t.Resources[target]; isResource {
				needs[id] = append(needs[id], target)
			} else if _, isParameter := t.Parameters[target]; !isParameter && !strings.HasPrefix(target, "AWS::") {
				return fmt.Errorf("ValidationError: Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", target)
			}
		}
	}
	for len(t.order) < len(t.Resources) {
		before := len(t.order)
		for _, id := range sortedKeys(t.Resources) {
			ready := !slices.ContainsFunc(needs[id], func(need string) bool { return !slices.Contains(t.order, need) })
			if ready && !slices.Contains(t.order, id) {
				t.order = append(t.order, id)
			}
		}
		if len(t.order) == before {
			return errors.New("ValidationError: Template error: Circular dependency between resources")
		}
	}
	return nil
}

// references lists the logical names that a value refers to.
func references(value any) []string {
	var found []string
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			found = append(found, references(element)...)
		}
	case map[string]any:
		if name, ok := v["Ref"].(string); ok && len(v) == 1 {
			return []string{name}
		}
		if id, _, ok := getAtt(v); ok {
			return []string{id}
		}
		for _, element := range v {
			found = append(found, references(element)...)
		}
	}
	return found
}

// arguments checks the given parameter values against the template and adds the defaults.
func (t *Template) arguments(given map[string]string) (map[string]string, error) {
	var extra, missing []string
	values := map[string]string{}
	for name, value := range given {
		if _, known := t.Parameters[name]; !known {
			extra = append(extra, name)
		}
		values[name] = value
	}
	for name, p := range t.Parameters {
		if _, ok := values[name]; !ok && p.Default != nil {
			values[name] = string(*p.Default)
		} else if !ok {
			missing = append(missing, name)
		}
	}
	sort.Strings(extra)
	sort.Strings(missing)
	if len(extra) > 0 {
		return nil, fmt.Errorf("ValidationError: Parameters: [%s] do not exist in the template", strings.Join(extra, ", "))
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("ValidationError: Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	for _, name := range sortedKeys(t.Parameters) {
		if err := t.Parameters[name].check(values[name]); err != nil {
			return nil, fmt.Errorf("ValidationError: Parameter '%s' %w", name, err)
		}
	}
	return values, nil
}

func (p Parameter) check(value string) error {
	if p.Type == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return fmt.Errorf("must be a number")
		case p.MinValue != nil && n < float64(*p.MinValue):
			return fmt.Errorf("must be a number not less than %v", *p.MinValue)
		case p.MaxValue != nil && n > float64(*p.MaxValue):
			return fmt.Errorf("must be a number not greater than %v", *p.MaxValue)
		}
	}
	elements := []string{value}
	if p.Type == "CommaDelimitedList" {
		elements = splitList(value)
	}
	for _, element := range elements {
		if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, scalar(element)) {
			return fmt.Errorf("must be one of AllowedValues")
		}
		if p.AllowedPattern != "" && !regexp.MustCompile("^(?:"+p.AllowedPattern+")$").MatchString(element) {
			return fmt.Errorf("must match pattern %s", p.AllowedPattern)
		}
	}
	if p.MinLength != nil && len(value) < int(*p.MinLength) || p.MaxLength != nil && len(value) > int(*p.MaxLength) {
		return fmt.Errorf("has a length outside MinLength and MaxLength")
	}
	return nil
}

func splitList(value string) []string {
	if value == "" {
		return nil
	}
	elements := strings.Split(value, ",")
	for i := range elements {
		elements[i] = strings.TrimSpace(elements[i])
	}
	return elements
}

// strict decodes JSON into a struct and refuses unknown fields and what follows the value.
func strict(content []byte, into any) error {
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		return err
	}
	if err := checkKeys("", value, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

// checkKeys refuses keys that the type does not have. encoding/json could do so, but takes wrong upper and lower case
// for right.
func checkKeys(path string, value any, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := value.(type) {
	case []any:
		for i := range v {
			if t.Kind() != reflect.Slice {
				break // A json.RawMessage or a wrong type, which decoding reports.
			}
			if err := checkKeys(fmt.Sprintf("%s[%d]", path, i), v[i], t.Elem()); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			element, known := elementType(t, key)
			if !known {
				return fmt.Errorf("%s.%s is not known here", path, key)
			}
			if err := checkKeys(path+"."+key, v[key], element); err != nil {
				return err
			}
		}
	}
	return nil
}

var anyType = reflect.TypeFor[any]()

// elementType returns the type of the value under a key. Types that are no struct and no map (json.RawMessage, any)
// take every key.
func elementType(t reflect.Type, key string) (element reflect.Type, known bool) {
	switch t.Kind() {
	case reflect.Struct:
		field, found := t.FieldByName(key)
		return field.Type, found
	case reflect.Map:
		return t.Elem(), true
	default:
		return anyType, true
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
