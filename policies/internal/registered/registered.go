// Package registered turns what a Pulumi program registered into resources in
// CloudFormation's words. It knows the shapes of pulumi-aws (classic) and
// aws-native, and no component of any program.
package registered

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
)

// Tokens of resources whose type and properties are data.
const (
	tokenCloudControl    = "aws:cloudcontrol/resource:Resource"
	tokenNativeExtension = "aws-native:index:ExtensionResource"
	nativePrefix         = "aws-native:"
)

// Resources is what r declares, templates included. A resource that is none of
// the pack's business, such as the stack itself or a provider, declares nothing.
func Resources(r policyx.AnalyzerResource) ([]cfn.Resource, []cfn.Hidden) {
	declared := cfn.Resource{
		Label: fmt.Sprintf("%s %q", r.Type, r.Name), URN: r.URN, Name: r.Name, DefaultTags: defaultTags(r.Provider),
	}
	switch r.Type {
	case tokenCloudControl:
		return fromData(declared, value(r.Properties, "typeName"), value(r.Properties, "desiredState"))
	case tokenNativeExtension:
		return fromData(declared, value(r.Properties, "type"), value(r.Properties, "properties"))
	}
	cfnType, ok := cfnTypeOf(r.Type)
	if !ok {
		return nil, nil
	}
	properties := map[string]any{}
	for key, v := range r.Properties.All {
		properties[cfnName(cfnType, key)] = fromValue(v, cfnName(cfnType, key), true, false)
	}
	if adapt := adapted[cfnType]; adapt != nil {
		adapt(properties, !strings.HasPrefix(r.Type, nativePrefix))
	}
	declared.Type, declared.Native, declared.Properties = cfnType, true, properties
	return cfn.Expand(declared)
}

// Linked is what r declares, completed by what is known once the whole stack
// is: what its properties depend on, and how others name it.
func Linked(declared []cfn.Resource, r policyx.AnalyzerResource) []cfn.Resource {
	depends := map[string][]string{}
	cfnType, native := cfnTypeOf(r.Type)
	for key, urns := range r.PropertyDependencies {
		name := cfn.AnyProperty
		if native {
			name = cfnName(cfnType, key)
		}
		depends[name] = append(depends[name], urns...)
	}
	var identities []string
	for _, key := range []string{"arn", "id", "name", "url"} {
		if !native {
			break // the id of a Cloud Control resource is none that AWS knows
		}
		if v := r.Properties.Get(key); v.IsString() && v.AsString() != "" {
			identities = append(identities, v.AsString())
		}
	}
	linked := slices.Clone(declared)
	for i := range linked {
		if linked[i].Path == "" {
			linked[i].Depends, linked[i].Identities = depends, identities
		}
	}
	return linked
}

func cfnTypeOf(token string) (cfnType string, ok bool) {
	if cfnType, ok = classic[token]; !ok {
		cfnType, ok = native[token]
	}
	return cfnType, ok
}

// cfnName is CloudFormation's name of a property.
func cfnName(cfnType, key string) string {
	name := capital(key)
	if other, ok := renamed[cfnType+" "+name]; ok {
		return other
	}
	return name
}

// defaultTags are those of a provider's configuration, in which the engine
// holds nested values as JSON.
func defaultTags(provider policyx.AnalyzerProviderResource) map[string]any {
	document, err := cfn.Document(value(provider.Properties, "defaultTags"))
	if err != nil {
		return nil
	}
	configured, _ := cfn.Object(document)
	tags, _ := cfn.Object(configured["tags"])
	return tags
}

// fromData reads a resource whose CloudFormation type and properties are given
// as data: the properties as an object or as a JSON text.
func fromData(r cfn.Resource, typeName, state any) ([]cfn.Resource, []cfn.Hidden) {
	cfnType, ok := cfn.Text(typeName)
	if u, unknown := typeName.(cfn.Unknown); unknown {
		return nil, []cfn.Hidden{{Label: r.Label, Unknown: u, Remedy: "write its type as a text"}}
	}
	if !ok {
		return nil, nil
	}
	r.Type = cfnType
	r.Label += " (" + cfnType + ")"
	document, err := cfn.Document(state)
	if err != nil {
		document = cfn.Unknown{Why: "desiredState cannot be parsed: " + err.Error(), Final: true}
	}
	r.Properties = document
	return cfn.Expand(r)
}

func value(properties property.Map, key string) any {
	return fromValue(properties.Get(key), "", false, false)
}

// fromValue converts the input of the given name. rename gives nested property
// names their capital letter; secret is handed down to every scalar.
func fromValue(v property.Value, name string, rename, secret bool) any {
	secret = secret || v.Secret()
	// A stack set of aws-native lists its parameters as objects, whose keys are
	// property names again.
	rename = rename && (!verbatim[name] || v.IsArray())
	switch {
	case v.IsComputed():
		return cfn.Unknown{Why: "it is an output that this preview has not computed"}
	case v.IsMap():
		object := map[string]any{}
		for key, item := range v.AsMap().All {
			if rename {
				key = capital(key)
			}
			object[key] = fromValue(item, key, rename, secret)
		}
		return object
	case v.IsArray():
		list := []any{}
		for _, item := range v.AsArray().All {
			list = append(list, fromValue(item, "", rename, secret))
		}
		return list
	}
	var scalar any
	switch {
	case v.IsBool():
		scalar = v.AsBool()
	case v.IsNumber():
		scalar = v.AsNumber()
	case v.IsString():
		scalar = v.AsString()
	case v.IsNull():
		return nil
	default:
		return cfn.Unknown{Why: "it is an asset or a reference to a resource", Final: true}
	}
	if secret {
		return cfn.Traced{Value: scalar, Secret: true}
	}
	return scalar
}

func capital(name string) string {
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
