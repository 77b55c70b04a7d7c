// Package cfn reads what a program registers in CloudFormation's words. Every
// form (a native resource, a template, a Cloud Control desired state) becomes
// a list of Resources, so that a rule is written once.
//
// A property value is nil (missing), bool, float64, string, []any,
// map[string]any, Unknown, or a Traced scalar. Read it through the accessors
// of this package: none of them panics on a value of another kind.
package cfn

import (
	"fmt"
	"strconv"
	"strings"
)

// Unknown stands where a value could not be worked out.
type Unknown struct {
	// Why completes the sentence "… is not known: WHY".
	Why string
	// Final says that waiting does not help: the update will know no more
	// than the preview does.
	Final bool
	// From holds the ids of the resources that it comes from, where a template
	// names them.
	From []string
	// Outline is the part of a text that is known, with "…" for each part that
	// is not; empty where nothing is known.
	Outline string
}

// Traced is a scalar of which a message should say where it comes from, or
// must not repeat the value.
type Traced struct {
	Value  any
	From   string // such as "parameter MinInstanceCount"; empty when it was written in place
	Secret bool
}

// Plain is v without its trace.
func Plain(v any) any {
	if t, ok := v.(Traced); ok {
		return t.Value
	}
	return v
}

// Object is v as an object; ok is false for anything else.
func Object(v any) (object map[string]any, ok bool) {
	object, ok = Plain(v).(map[string]any)
	return object, ok
}

// List is v as a list; ok is false for anything else.
func List(v any) (list []any, ok bool) {
	list, ok = Plain(v).([]any)
	return list, ok
}

// Text is a scalar as CloudFormation passes it on: 0 is "0", true is "true".
func Text(v any) (text string, ok bool) {
	switch v := Plain(v).(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// IsInt says whether v is the integer want, as a number or as text:
// CloudFormation takes both.
func IsInt(v any, want int) bool {
	text, ok := Text(v)
	if !ok {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil && n == want
}

// IsTrue says whether v is true, as a boolean or as the text "true".
func IsTrue(v any) bool {
	text, ok := Text(v)
	return ok && strings.EqualFold(text, "true")
}

// IsText says whether v is one of the wanted texts, letter for letter.
func IsText(v any, wanted ...string) bool {
	text, ok := Text(v)
	for _, w := range wanted {
		if ok && text == w {
			return true
		}
	}
	return false
}

// IsMissing says whether v is absent, null or an empty text, which the AWS
// provider treats as absent too.
func IsMissing(v any) bool {
	plain := Plain(v)
	return plain == nil || plain == ""
}

// showLimit is how much of a text a message repeats.
const showLimit = 60

// Show is v for a message. A secret is never repeated.
func Show(v any) string {
	traced, _ := v.(Traced)
	from := ""
	if traced.From != "" {
		from = " (from " + traced.From + ")"
	}
	switch plain := Plain(v).(type) {
	case nil:
		return "missing" + from
	case Unknown:
		return "unknown (" + plain.Why + ")"
	case map[string]any:
		return "an object" + from
	case []any:
		if len(plain) == 0 {
			return "an empty list" + from
		}
		return fmt.Sprintf("a list of %d", len(plain)) + from
	}
	text, _ := Text(v)
	if traced.Secret {
		return "a secret value" + from
	}
	if _, isText := Plain(v).(string); isText {
		if runes := []rune(text); len(runes) > showLimit {
			text = string(runes[:showLimit]) + "…"
		}
		text = strconv.Quote(text)
	}
	return text + from
}

// MarkSecret is v with every scalar in it marked as secret.
func MarkSecret(v any) any {
	switch v := v.(type) {
	case nil, Unknown:
		return v
	case Traced:
		v.Secret = true
		return v
	case map[string]any:
		marked := make(map[string]any, len(v))
		for key, value := range v {
			marked[key] = MarkSecret(value)
		}
		return marked
	case []any:
		marked := make([]any, len(v))
		for i, value := range v {
			marked[i] = MarkSecret(value)
		}
		return marked
	default:
		return Traced{Value: v, Secret: true}
	}
}
