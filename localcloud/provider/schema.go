package provider

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// problem is one reason why inputs are refused.
type problem struct {
	path   string
	reason string
}

// schemaOf returns the Go struct that describes a resource's inputs. The SDK's argument types name it: their
// ElementType has one field per input, tagged `pulumi:"name"`, in which optional scalars and objects are pointers.
func schemaOf(args pulumi.Input) reflect.Type { return args.ElementType() }

// checkSchema reports every unknown, missing or wrongly typed input. required names the inputs that are required
// although their Go type (interface, slice or map) cannot say so.
func checkSchema(inputs resource.PropertyMap, schema reflect.Type, required []string) []problem {
	problems := checkObject("", inputs, schema)
	for _, name := range required {
		if value, given := inputs[resource.PropertyKey(name)]; !given || value.IsNull() {
			problems = append(problems, problem{name, "is required but missing"})
		}
	}
	slices.SortFunc(problems, func(a, b problem) int { return strings.Compare(a.path, b.path) })
	return problems
}

func checkObject(path string, inputs resource.PropertyMap, schema reflect.Type) []problem {
	var problems []problem
	fields := map[string]reflect.Type{}
	for i := range schema.NumField() {
		name := schema.Field(i).Tag.Get("pulumi")
		fields[name] = schema.Field(i).Type
		if value, given := inputs[resource.PropertyKey(name)]; (!given || value.IsNull()) && isRequired(fields[name]) {
			problems = append(problems, problem{join(path, name), "is required but missing"})
		}
	}
	for key, value := range inputs {
		if path == "" && resource.IsInternalPropertyKey(key) {
			continue
		}
		field, known := fields[string(key)]
		if !known {
			allowed := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
			problems = append(problems, problem{join(path, string(key)), "is not a property here; allowed are " + allowed})
			continue
		}
		problems = append(problems, checkValue(join(path, string(key)), value, field)...)
	}
	return problems
}

// isRequired holds for scalars and objects that are no pointers. Slices, maps and interfaces have a nil of their own
// and so look the same whether they are required or not.
func isRequired(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return false
	default:
		return true
	}
}

func checkValue(path string, value resource.PropertyValue, schema reflect.Type) []problem {
	if value.IsComputed() || value.IsNull() {
		return nil
	}
	if schema.Kind() == reflect.Pointer {
		schema = schema.Elem()
	}
	var ok bool
	switch schema.Kind() {
	case reflect.Interface:
		return nil
	case reflect.String:
		ok = value.IsString()
	case reflect.Bool:
		ok = value.IsBool()
	case reflect.Float64:
		ok = value.IsNumber()
	case reflect.Int:
		ok = value.IsNumber() && value.NumberValue() == math.Trunc(value.NumberValue())
	case reflect.Slice:
		if value.IsArray() {
			return checkElements(path, value.ArrayValue(), schema.Elem())
		}
	case reflect.Map:
		if value.IsObject() {
			return checkEntries(path, value.ObjectValue(), schema.Elem())
		}
	case reflect.Struct:
		if value.IsObject() {
			return checkObject(path, value.ObjectValue(), schema)
		}
	}
	if ok {
		return nil
	}
	return []problem{{path, fmt.Sprintf("must be %s, but is %s", nameOfType(schema), nameOfValue(value))}}
}

func checkElements(path string, values []resource.PropertyValue, schema reflect.Type) []problem {
	var problems []problem
	for i, value := range values {
		problems = append(problems, checkValue(fmt.Sprintf("%s[%d]", path, i), value, schema)...)
	}
	return problems
}

func checkEntries(path string, values resource.PropertyMap, schema reflect.Type) []problem {
	var problems []problem
	for key, value := range values {
		problems = append(problems, checkValue(join(path, string(key)), value, schema)...)
	}
	return problems
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func nameOfType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a bool"
	case reflect.Float64:
		return "a number"
	case reflect.Int:
		return "an integer"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// nameOfValue names the kind of a value and never the value, which may be a secret.
func nameOfValue(v resource.PropertyValue) string {
	switch {
	case v.IsNumber():
		return "a number"
	case v.IsArray():
		return "a list"
	case v.IsObject():
		return "an object"
	case v.IsResourceReference():
		return "a resource"
	case v.IsAsset(), v.IsArchive():
		return "an asset"
	default:
		return "a " + v.TypeString()
	}
}
