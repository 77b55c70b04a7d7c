package settings

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// reader reads values and collects what is wrong with them.
type reader struct {
	source   Source
	problems []string
}

// refuse notes a value that is not allowed, and the command that sets one that
// is: what follows `pulumi config set`.
func (r *reader) refuse(key string, value any, allowed, command string) {
	shown := fmt.Sprint(value)
	switch value.(type) {
	case string, []string:
		shown = fmt.Sprintf("%q", value)
	}
	r.problems = append(r.problems, fmt.Sprintf("%s is %s; it must be %s; set it with `pulumi config set %s`",
		key, shown, allowed, command))
}

func (r *reader) text(key, fallback string, pattern *regexp.Regexp, allowed string) string {
	value, found := r.source(key)
	if !found {
		return fallback
	}
	if !pattern.MatchString(value) {
		r.refuse(key, value, allowed, key+" "+cmp.Or(fallback, "VALUE"))
	}
	return value
}

func (r *reader) integer(key string, fallback, low, high int) int {
	value, found := r.source(key)
	if !found {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		r.refuse(key, value, fmt.Sprintf("a whole number from %d to %d", low, high), key+" "+strconv.Itoa(fallback))
		return fallback
	}
	return n
}

func (r *reader) number(key string, fallback, low, high float64) float64 {
	value, found := r.source(key)
	if !found {
		return fallback
	}
	n, err := strconv.ParseFloat(value, 64)
	// Written so that NaN, which compares with nothing, is refused too.
	if err != nil || !(n >= low && n <= high) {
		r.refuse(key, value, fmt.Sprintf("a number from %g to %g", low, high),
			key+" "+strconv.FormatFloat(fallback, 'f', -1, 64))
		return fallback
	}
	return n
}

func (r *reader) boolean(key string, fallback bool) bool {
	value, found := r.source(key)
	if !found {
		return fallback
	}
	if value != "true" && value != "false" {
		r.refuse(key, value, "true or false", key+" "+strconv.FormatBool(fallback))
	}
	return value == "true"
}

func (r *reader) list(key string, pattern *regexp.Regexp, allowed string) []string {
	value, found := r.source(key)
	if !found {
		return nil
	}
	var items []string
	// A null is no list either, and would leave items as they are.
	if err := json.Unmarshal([]byte(value), &items); err != nil || items == nil {
		r.refuse(key, value, "a list, each item "+allowed, "--path '"+key+"[0]' VALUE")
		return nil
	}
	for i, item := range items {
		if !pattern.MatchString(item) {
			at := fmt.Sprintf("%s[%d]", key, i)
			r.refuse(at, item, allowed, "--path '"+at+"' VALUE")
		}
	}
	return items
}

// Limits of ContainerDefinition.Environment in the SageMaker API reference.
const (
	maxVariables     = 100
	maxVariableValue = 1024
)

var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (r *reader) environment(key string) map[string]string {
	value, found := r.source(key)
	if !found {
		return nil
	}
	// A value may be a secret, so none is shown.
	var variables map[string]string
	if err := json.Unmarshal([]byte(value), &variables); err != nil {
		r.problems = append(r.problems, fmt.Sprintf(
			"%s is not a map from name to text; set it with `pulumi config set --path '%s.NAME' VALUE`", key, key))
		return nil
	}
	if len(variables) > maxVariables {
		r.problems = append(r.problems, fmt.Sprintf("%s has %d variables; SageMaker takes %d at most; remove some with `pulumi config rm --path '%s.NAME'`", key, len(variables), maxVariables, key))
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		at := key + "." + name
		if !variableName.MatchString(name) {
			at = fmt.Sprintf("%s[%q]", key, name)
			r.problems = append(r.problems, fmt.Sprintf(
				"%s has the name %q; it must be letters, digits and _, with no digit first; remove it with `pulumi config rm --path '%s'`", key, name, at))
		}
		if length := utf8.RuneCountInString(variables[name]); length > maxVariableValue {
			r.problems = append(r.problems, fmt.Sprintf(
				"%s has %d characters; SageMaker takes %d at most; set it with `pulumi config set --path '%s' VALUE`", at, length, maxVariableValue, at))
		}
	}
	return variables
}
