package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// conforms checks a value against a JSON schema as far as the schemas of this
// pack go: the engine's validator knows more words, and a word that is not
// known here fails the test.
func conforms(t *testing.T, schema map[string]any, value any) bool {
	t.Helper()
	text, isText := value.(string)
	number, isNumber := value.(float64)
	items, isList := value.([]any)
	fields, isObject := value.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	ok := true
	for word, argument := range schema {
		switch word {
		case "description", "default":
		case "type":
			is := map[string]bool{"string": isText, "integer": isNumber && number == float64(int(number)), "array": isList, "object": isObject}
			ok = ok && is[argument.(string)]
		case "minLength":
			ok = ok && len(text) >= argument.(int)
		case "pattern":
			ok = ok && regexp.MustCompile(argument.(string)).MatchString(text)
		case "minimum":
			ok = ok && number >= float64(argument.(int))
		case "items":
			for _, item := range items {
				ok = conforms(t, argument.(map[string]any), item) && ok
			}
		case "required":
			for _, name := range argument.([]any) {
				_, has := fields[name.(string)]
				ok = ok && has
			}
		case "additionalProperties":
			for name := range fields {
				ok = ok && properties[name] != nil
			}
		case "properties":
			for name, field := range fields {
				if sub, declared := properties[name].(map[string]any); declared {
					ok = conforms(t, sub, field) && ok
				}
			}
		default:
			t.Errorf("the test knows no %q in a schema", word)
		}
	}
	return ok
}

// loadConfig reads a file for --policy-pack-config as the CLI does: each key is
// a policy, each value an enforcement level or an object with one and the
// policy's knobs. The CLI ignores a policy that the pack does not have; here it
// is a mistake.
func loadConfig(t *testing.T, path string) map[string]object {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, json.Unmarshal(content, &file))
	pack, err := newPack(newRun(false, "dev", today))
	require.NoError(t, err)
	policies := map[string]policyx.Policy{}
	for _, policy := range pack.Policies() {
		policies[policy.Name()] = policy
	}
	levels := []string{"advisory", "mandatory", "disabled"}
	config := map[string]object{}
	for name, value := range file {
		policy := policies[name]
		require.NotNil(t, policy, "%s: the pack has no policy %q", path, name)
		if level, ok := value.(string); ok {
			require.Contains(t, levels, level, "%s: %s", path, name)
			continue
		}
		knobs := value.(map[string]any)
		if level, ok := knobs["enforcementLevel"]; ok {
			require.Contains(t, levels, level, "%s: %s", path, name)
			delete(knobs, "enforcementLevel")
		}
		for key, knob := range knobs {
			schema, ok := policy.ConfigSchema().Properties[key]
			require.True(t, ok, "%s: %s has no knob %q", path, name, key)
			require.True(t, conforms(t, schema, knob), "%s: %s of %s is %v", path, key, name, knob)
		}
		config[name] = knobs
	}
	return config
}

func TestReadyConfigurations(t *testing.T) {
	files, err := filepath.Glob("config/*.json")
	require.NoError(t, err)
	require.Equal(t, []string{"config/dev.json", "config/prod.json"}, files)
	prod, dev := loadConfig(t, "config/prod.json"), loadConfig(t, "config/dev.json")
	template := strings.NewReplacer("MaxInstanceCount: 2", "MaxInstanceCount: 1", "MaxCapacity: 2", "MaxCapacity: 1").Replace(whole(t))
	it := []registration{{token: stackToken, name: "it", properties: object{"templateBody": template}}}
	for name, config := range map[string]map[string]object{"prod": prod, "dev": dev} {
		for policy, messages := range judged(t, newRun(true, name, today), it, config) {
			assert.Empty(t, messages, "%s: %s", name, policy)
		}
	}
	byTag := strings.ReplaceAll(template, "songs@sha256:"+strings.Repeat("0", 64), "songs:v1")
	it[0].properties = object{"templateBody": byTag}
	assert.NotEmpty(t, judged(t, newRun(true, "prod", today), it, prod)["model-image-from-ecr"])
	assert.Empty(t, judged(t, newRun(true, "dev", today), it, dev)["model-image-from-ecr"])
}

func TestSchemas(t *testing.T) {
	good := exemptionOf()
	for name, c := range map[string]struct {
		schema map[string]any
		value  any
		want   bool
	}{
		"exemption":              {exemptionSchema(), list{good}, true},
		"none":                   {exemptionSchema(), list{}, true},
		"no list":                {exemptionSchema(), good, false},
		"no reason":              {exemptionSchema(), list{exemptionOf(object{"reason": nil})}, false},
		"blank reason":           {exemptionSchema(), list{exemptionOf(object{"reason": " "})}, false},
		"no day":                 {exemptionSchema(), list{exemptionOf(object{"expires": "soon"})}, false},
		"a word too many":        {exemptionSchema(), list{exemptionOf(object{"until": "x"})}, false},
		"globs":                  {textsKnob("a"), list{"prod*"}, true},
		"empty glob":             {textsKnob("a"), list{""}, false},
		"one glob":               {textsKnob("a"), "prod", false},
		"number of instances":    {costGuard().knobs[maxKnob], 3.0, true},
		"fraction of instances":  {costGuard().knobs[maxKnob], 1.5, false},
		"less than no instances": {costGuard().knobs[maxKnob], -1.0, false},
	} {
		assert.Equal(t, c.want, conforms(t, c.schema, c.value), name)
	}
}

// The engine takes any key for a knob.
func TestAMisspeltKnobIsTold(t *testing.T) {
	resources := []registration{{token: targetToken, name: "it", properties: object{}}, {token: targetToken, name: "other", properties: object{}}}
	messages := judged(t, newRun(false, "dev", today), resources, map[string]object{
		"cost-guard": {"instanceType": list{"ml.m5.*"}}, "logs-have-retention": {"days": 3.0}, exemptionsName: {"exemption": list{}},
	})
	for policy, part := range map[string]string{
		"cost-guard": `has "instanceType"; its knobs are ["instanceTypes" "maxInstances" "maxProvisionedConcurrency"]`, "logs-have-retention": `has "days"; its knobs are []`,
		exemptionsName: `has "exemption"`,
	} {
		require.Len(t, messages[policy], 1, policy)
		assert.Contains(t, messages[policy][0], part)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"prod", "prod", true},
		{"prod", "prod-eu", false},
		{"prod*", "prod-eu", true},
		{"*a/b*", "xa/bx", true},
		{"ml.m5.*", "mlxm5xlarge", false},
		{"i?", "it", true},
		{"[a]", "a", false},
	} {
		assert.Equal(t, c.want, glob(c.pattern, c.text), c)
	}
}
