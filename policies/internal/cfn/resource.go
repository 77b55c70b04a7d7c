package cfn

import (
	"fmt"
	"maps"
	"strings"
)

// Types that hold or hide other resources.
const (
	TypeStack                 = "AWS::CloudFormation::Stack"
	TypeStackSet              = "AWS::CloudFormation::StackSet"
	TypeServerlessApplication = "AWS::Serverless::Application"
	TypeServiceCatalogProduct = "AWS::ServiceCatalog::CloudFormationProvisionedProduct"
	// TypeStackSetInstance is a resource of Pulumi only: in CloudFormation the
	// instances are part of the stack set.
	TypeStackSetInstance = "Pulumi::CloudFormation::StackSetInstance"

	moduleSuffix = "::MODULE"
)

// What to do about hidden resources.
const (
	inlineTheTemplate          = "put the template itself into templateBody"
	declareTheResourceDirectly = "declare its resources in the program or in an inline template instead"
)

// Resource is one resource in CloudFormation's words, in whichever form it was
// registered.
type Resource struct {
	// Type is the CloudFormation type.
	Type string
	// Label names the resource in messages: the registered type and name, and
	// for a template the logical id as well.
	Label string
	// URN and Name are Pulumi's, of the resource that was registered.
	URN, Name string
	// Path is the logical id inside a template, and those of the nested stacks
	// on the way, joined by slashes; empty for a registered resource itself.
	Path string
	// Depends holds the ids that a property's value is made of, by property,
	// and Identities how other resources name this one: its ARN, id, URL and
	// name. Both are filled in when the whole stack is judged.
	Depends    map[string][]string
	Identities []string
	// DefaultTags are those that the resource has besides its own: the
	// provider's, and those of the stack whose template holds it.
	DefaultTags map[string]any
	// Native says that the program declares it property by property. A message
	// then gives a line of the program, otherwise a line of the template.
	Native bool
	// Properties is a map[string]any under CloudFormation's property names, or
	// an Unknown.
	Properties any
	// Doubt is set where the resource may turn out not to exist, because its
	// condition could not be worked out.
	Doubt *Unknown
}

// ID tells the resources of a stack apart.
func (r Resource) ID() string {
	if r.Path == "" {
		return r.URN
	}
	return r.URN + pathMark + r.Path
}

// pathMark stands between the URN and the path of an id; no URN of a resource
// that holds a template contains it.
const pathMark = "#"

// inside is the resource that a template of r calls logicalID, still without
// type and properties.
func (r Resource) inside(logicalID string) Resource {
	return Resource{
		Label: r.Label + ", template resource " + logicalID, Doubt: r.Doubt,
		URN: r.URN, Name: r.Name, Path: strings.TrimPrefix(r.Path+"/"+logicalID, "/"), DefaultTags: r.DefaultTags,
	}
}

// Hidden is a place that may hold resources nobody here can see.
type Hidden struct {
	Label string
	Unknown
	// Remedy is what to do about it: an imperative clause.
	Remedy string
}

// Expand is r itself or, where r holds a template, the resources of the
// template, at any depth. What it cannot look into, it returns as hidden.
func Expand(r Resource) ([]Resource, []Hidden) {
	switch {
	case r.Type == TypeStack || r.Type == TypeStackSet:
		return expandStack(r)
	case r.Type == TypeStackSetInstance:
		return nil, hiddenOverrides(r, r.Properties)
	case r.Type == TypeServerlessApplication || r.Type == TypeServiceCatalogProduct || strings.HasSuffix(r.Type, moduleSuffix):
		return nil, []Hidden{r.hidden(Unknown{Why: "its resources are declared elsewhere", Final: true}, declareTheResourceDirectly)}
	}
	return []Resource{r}, nil
}

// hidden says that r hides resources because of u. A doubt about r itself
// makes that doubtful too.
func (r Resource) hidden(u Unknown, remedy string) Hidden {
	if r.Doubt != nil && !r.Doubt.Final {
		u.Final = false
	}
	return Hidden{Label: r.Label, Unknown: u, Remedy: remedy}
}

func expandStack(r Resource) ([]Resource, []Hidden) {
	hide := func(u Unknown, remedy string) ([]Resource, []Hidden) {
		return nil, []Hidden{r.hidden(u, remedy)}
	}
	properties, ok := Object(r.Properties)
	if !ok {
		return hide(whyNot(r.Properties, "the set of properties"), inlineTheTemplate)
	}
	body, url := properties["TemplateBody"], properties["TemplateURL"]
	if IsMissing(body) {
		if IsMissing(url) {
			return nil, nil
		}
		if u, unknown := url.(Unknown); unknown && !u.Final {
			return hide(u, inlineTheTemplate)
		}
		return hide(Unknown{Why: "a policy cannot read the template behind templateUrl", Final: true}, inlineTheTemplate)
	}
	document, err := Document(body)
	if err != nil {
		return hide(Unknown{Why: "templateBody cannot be parsed: " + err.Error(), Final: true}, "correct the template")
	}
	content, ok := Object(document)
	if !ok {
		return hide(whyNot(document, "templateBody"), "correct the template")
	}
	r.DefaultTags = withTags(r.DefaultTags, properties["Tags"])
	resources, hidden := newTemplate(r, content, properties["Parameters"]).expand()
	groups, _ := List(properties["StackInstancesGroup"])
	for _, group := range groups {
		hidden = append(hidden, hiddenOverrides(r, group)...)
	}
	return resources, hidden
}

// hiddenOverrides: the instances of a stack set can give its parameters other
// values than those its template was judged with.
func hiddenOverrides(r Resource, instances any) []Hidden {
	properties, _ := Object(instances)
	overrides := properties["ParameterOverrides"]
	object, isObject := Object(overrides)
	list, isList := List(overrides)
	if IsMissing(overrides) || isObject && len(object) == 0 || isList && len(list) == 0 {
		return nil
	}
	u, ok := overrides.(Unknown)
	if !ok {
		u = Unknown{Why: "parameterOverrides changes the template of a stack set after it was judged", Final: true}
	}
	return []Hidden{r.hidden(u, "give the parameters their values on the stack set")}
}

// withTags adds a resource's own tags to others. CloudFormation hands a stack's
// tags on to its resources.
func withTags(others map[string]any, own any) map[string]any {
	tags := map[string]any{}
	maps.Copy(tags, others)
	maps.Copy(tags, Tags(own))
	return tags
}

// Tags is a set of tags by key, given as an object or as a list of Key and
// Value.
func Tags(v any) map[string]any {
	if object, ok := Object(v); ok {
		return object
	}
	tags := map[string]any{}
	list, _ := List(v)
	for _, item := range list {
		tag, _ := Object(item)
		if key, ok := Text(tag["Key"]); ok {
			tags[key] = tag["Value"]
		}
	}
	return tags
}

// whyNot explains a value that should have been an object.
func whyNot(v any, subject string) Unknown {
	if u, ok := v.(Unknown); ok {
		return Unknown{Why: subject + ": " + u.Why, Final: u.Final}
	}
	return Unknown{Why: fmt.Sprintf("%s is %s where an object is needed", subject, Show(v)), Final: true}
}
