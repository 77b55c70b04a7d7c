package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// checkInputs reports what does not fit the schema, and turns documents that are given as objects into JSON.
func (k *kind) checkInputs(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	var failures []*pulumirpc.CheckFailure
	fail := func(property, reason string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: property, Reason: property + " " + reason})
	}
	for _, p := range checkSchema(inputs, k.inputs, k.required) {
		fail(p.path, p.reason)
	}
	for _, name := range k.documents {
		switch value := inputs[resource.PropertyKey(name)]; {
		case value.IsObject() && !value.ContainsUnknowns():
			content, err := json.Marshal(value.Mappable())
			if err != nil {
				fail(name, fmt.Sprintf("cannot be encoded as JSON: %v", err))
			}
			inputs[resource.PropertyKey(name)] = resource.NewProperty(string(content))
		case value.IsString() && !json.Valid([]byte(value.StringValue())):
			fail(name, "must be a JSON document")
		}
	}
	return failures
}

// checkRules reports the inputs that break the type's rules. The message has no value in it, which may be a secret.
func (k *kind) checkRules(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	var failures []*pulumirpc.CheckFailure
	given := plain(inputs)
	for _, name := range slices.Sorted(maps.Keys(k.rules)) {
		if value, ok := given[name]; ok && !k.rules[name].accepts(value) {
			failures = append(failures, &pulumirpc.CheckFailure{Property: name, Reason: name + " must " + k.rules[name].wants})
		}
	}
	if k.refuse != nil {
		if failure := k.refuse(given); failure != nil {
			failures = append(failures, failure)
		}
	}
	return failures
}

func sortStrings(values []resource.PropertyValue) {
	slices.SortFunc(values, func(a, b resource.PropertyValue) int { return strings.Compare(a.StringValue(), b.StringValue()) })
}
