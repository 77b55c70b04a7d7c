package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// object and list keep the tables readable.
type (
	object = map[string]any
	list   = []any
)

// unknown is an output that preview does not know yet, secret one that is
// marked as secret.
var unknown = resource.MakeComputed(resource.NewProperty(""))

func secret(v any) resource.PropertyValue { return resource.MakeSecret(resource.NewPropertyValue(v)) }

// registration is one resource as a program registers it. The engine shows a
// policy the properties first and, when the whole stack is judged, the outputs
// as well; depends holds the names of the resources that a property is made of.
type registration struct {
	token, name string
	properties  object
	outputs     object
	depends     map[string][]string
	provider    object
}

func (r registration) urn() string { return "urn:pulumi:dev::project::" + r.token + "::" + r.name }

// policyCase registers one resource, called it, or several. Every entry of
// denied is a part of one violation at preview and at update; every entry of
// pending is a part of one advisory finding at preview and of one violation at
// update. There must be no other findings, in either phase.
type policyCase struct {
	name       string
	token      string
	properties object
	resources  []registration
	config     object
	stack      string
	denied     []string
	pending    []string
}

func (c policyCase) registered() []registration {
	if c.resources != nil {
		return c.resources
	}
	return []registration{{token: c.token, name: "it", properties: c.properties}}
}

// violations is a recording policyx.PolicyManager.
type violations struct{ messages []string }

func (v *violations) ReportViolation(message, _ string) { v.messages = append(v.messages, message) }

// today is a day of the tests' own.
func today() time.Time { return time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC) }

// judged runs the whole pack as the SDK does, with a configuration for each
// policy, and returns the messages of each.
func judged(t *testing.T, shared *run, resources []registration, config map[string]object) map[string][]string {
	t.Helper()
	pack, err := newPack(shared)
	require.NoError(t, err)
	messages := map[string][]string{}
	record := func(policy policyx.Policy, validate func(policyx.PolicyManager) error) {
		recorded := &violations{}
		require.NoError(t, validate(recorded))
		messages[policy.Name()] = append(messages[policy.Name()], recorded.messages...)
	}
	var stack []policyx.AnalyzerResource
	for _, r := range resources {
		shown := analyzed(r, r.properties)
		for _, policy := range pack.Policies() {
			if policy, ok := policy.(policyx.ResourceValidationPolicy); ok {
				record(policy, func(manager policyx.PolicyManager) error {
					return policy.Validate(t.Context(), policyx.ResourceValidationArgs{Manager: manager, Resource: shown, Config: config[policy.Name()]})
				})
			}
		}
		all := maps.Clone(r.properties)
		if all == nil {
			all = object{}
		}
		maps.Copy(all, r.outputs)
		shown = analyzed(r, all)
		shown.PropertyDependencies = urns(resources, r.depends)
		stack = append(stack, shown)
	}
	for _, policy := range pack.Policies() {
		if policy, ok := policy.(policyx.StackValidationPolicy); ok {
			record(policy, func(manager policyx.PolicyManager) error {
				return policy.Validate(t.Context(), policyx.StackValidationArgs{Manager: manager, Resources: stack})
			})
		}
	}
	return messages
}

func analyzed(r registration, properties object) policyx.AnalyzerResource {
	convert := func(properties object) property.Map {
		return resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(properties))
	}
	return policyx.AnalyzerResource{
		Type: r.token, Name: r.name, URN: r.urn(), Properties: convert(properties),
		Provider: policyx.AnalyzerProviderResource{Properties: convert(r.provider)},
	}
}

func urns(resources []registration, depends map[string][]string) map[string][]string {
	found := map[string][]string{}
	for property, names := range depends {
		for _, r := range resources {
			if slices.Contains(names, r.name) {
				found[property] = append(found[property], r.urn())
			}
		}
	}
	return found
}

func runCases(t *testing.T, policyName string, cases []policyCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resources := c.registered()
			run := func(dryRun bool) map[string][]string {
				return judged(t, newRun(dryRun, c.stack, today), resources, map[string]object{policyName: c.config})
			}
			preview, update := run(true), run(false)
			assertMessages(t, "preview", c.denied, preview[policyName], resources)
			assertMessages(t, "preview, advisory", c.pending, preview[policyName+pendingSuffix], resources)
			assertMessages(t, "update", append(append([]string{}, c.denied...), c.pending...), update[policyName], resources)
			assertMessages(t, "update, advisory", nil, update[policyName+pendingSuffix], resources)
		})
	}
}

// assertMessages wants one message for each part, in any order, that holds it,
// names the resource and says how to mend it.
func assertMessages(t *testing.T, phase string, parts, messages []string, resources []registration) {
	t.Helper()
	if !assert.Len(t, messages, len(parts), "%s: %s", phase, strings.Join(messages, "\n")) {
		return
	}
	for _, part := range parts {
		assert.True(t, slices.ContainsFunc(messages, func(message string) bool { return strings.Contains(message, part) }),
			"%s: no message holds %q:\n%s", phase, part, strings.Join(messages, "\n"))
	}
	for _, message := range messages {
		assert.True(t, slices.ContainsFunc(resources, func(r registration) bool { return strings.Contains(message, strconv.Quote(r.name)) }), message)
		assert.Regexp(t, `(To mend it|If the update (finds otherwise|cannot judge it either)), \w+ `, message, phase)
	}
}
