package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ignoredKeywords are in OpenAPI but not honoured by API Gateway's models, which
// are JSON Schema draft 4 (AWS page "Amazon API Gateway important notes"). A
// schema that relies on one means less on AWS than it says.
var ignoredKeywords = []string{"default", "discriminator", "example", "exclusiveMaximum", "exclusiveMinimum", "readOnly"}

var modelName = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// documentURL names the document for the schema compiler, which resolves
// `#/components/schemas/…` within it; it is never fetched.
const documentURL = "file:///openapi.json"

// models compiles the document's schemas for request bodies.
type models struct {
	compiler *jsonschema.Compiler
}

// newModels checks every schema that a request body can use, and makes the
// document known to the compiler.
func (i *importer) newModels(raw any) *models {
	components := object(raw, "components")
	for _, name := range sortedKeys(object(components, "schemas")) {
		where := "components.schemas." + name
		if !modelName.MatchString(name) {
			i.problem(where, "API Gateway takes only letters and digits in the name of a model")
		}
		i.checkSchema(where, object(components, "schemas")[name])
	}
	for _, name := range sortedKeys(object(components, "requestBodies")) {
		i.checkContent("components.requestBodies."+name, object(components, "requestBodies", name))
	}
	for _, path := range sortedKeys(object(raw, "paths")) {
		for _, httpMethod := range sortedKeys(object(raw, "paths", path)) {
			i.checkContent(strings.ToUpper(httpMethod)+" "+path+" requestBody", object(raw, "paths", path, httpMethod, "requestBody"))
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	// Nothing may be read from disk or the network while a schema compiles.
	compiler.UseLoader(jsonschema.SchemeURLLoader{})
	if err := compiler.AddResource(documentURL, raw); err != nil {
		i.problem("components.schemas", "%v", err)
	}
	return &models{compiler}
}

func (i *importer) checkContent(where string, body map[string]any) {
	content := object(body, "content")
	for _, mediaType := range sortedKeys(content) {
		if schema, ok := object(content, mediaType)["schema"]; ok {
			i.checkSchema(where, schema)
		}
	}
}

// checkSchema refuses what API Gateway would ignore, down through all
// subschemas. It takes minItems and maxItems out: API Gateway accepts them and
// does not check them, so neither may this gateway.
func (i *importer) checkSchema(where string, schema any) {
	keywords, ok := schema.(map[string]any)
	if !ok {
		return
	}
	for _, keyword := range ignoredKeywords {
		if _, found := keywords[keyword]; found {
			i.problem(where, "the schema keyword %q is not honoured by API Gateway: leave it out", keyword)
		}
	}
	if format := keywords["format"]; format == "int32" || format == "int64" {
		i.problem(where, "the schema format %q is not honoured by API Gateway: leave it out, or use minimum and maximum", format)
	}
	delete(keywords, "minItems")
	delete(keywords, "maxItems")
	for _, keyword := range []string{"items", "additionalProperties", "not"} {
		i.checkSchema(where+"."+keyword, keywords[keyword])
	}
	for _, name := range sortedKeys(object(keywords, "properties")) {
		i.checkSchema(where+".properties."+name, object(keywords, "properties")[name])
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := keywords[keyword].([]any); ok {
			for n, schema := range list {
				i.checkSchema(fmt.Sprintf("%s.%s[%d]", where, keyword, n), schema)
			}
		}
	}
}

// compile makes the validator for one request body; ref is that of a request
// body which is kept under components.
func (m *models) compile(i *importer, where, httpMethod, path, ref, mediaType string) *jsonschema.Schema {
	body := ref
	if body == "" {
		body = "#/paths/" + pointer(path) + "/" + strings.ToLower(httpMethod) + "/requestBody"
	}
	schema, err := m.compiler.Compile(documentURL + body + "/content/" + pointer(mediaType) + "/schema")
	if err != nil {
		i.problem(where, "the request schema for %s does not compile as JSON Schema draft 4: %v", mediaType, err)
	}
	return schema
}

// pointer escapes a name for a JSON pointer in a URL fragment.
func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", " ", "%20").Replace(name)
}

// describeInvalid lists what is wrong with a body, as in
// "[/songs/0: missing property 'title']".
func describeInvalid(err error) string {
	invalid := new(jsonschema.ValidationError)
	if !errors.As(err, &invalid) {
		return "[" + err.Error() + "]"
	}
	return "[" + strings.Join(leaves(nil, invalid), ", ") + "]"
}

// leaves appends the errors that have no further cause.
func leaves(found []string, invalid *jsonschema.ValidationError) []string {
	if len(invalid.Causes) == 0 {
		return append(found, "/"+strings.Join(invalid.InstanceLocation, "/")+": "+invalid.BasicOutput().Error.String())
	}
	for _, cause := range invalid.Causes {
		found = leaves(found, cause)
	}
	return found
}

// checkExtensions refuses every x-amazon-* extension that this gateway does not
// know, wherever in the document it is.
func (i *importer) checkExtensions(at []string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, name := range sortedKeys(node) {
			if strings.HasPrefix(strings.ToLower(name), "x-amazon-") && !slices.Contains(knownExtensions, name) {
				i.problem(place(at), "the extension %s is not served: known are %s", name, join(knownExtensions))
				continue
			}
			i.checkExtensions(append(slices.Clip(at), name), node[name])
		}
	case []any:
		for n, element := range node {
			i.checkExtensions(append(slices.Clip(at), fmt.Sprint(n)), element)
		}
	}
}

// place names a position in the document: method and path where it has them.
func place(at []string) string {
	switch {
	case len(at) == 0:
		return "the document"
	case len(at) > 2 && at[0] == "paths":
		return strings.Join(append([]string{strings.ToUpper(at[2]) + " " + at[1]}, at[3:]...), " ")
	case len(at) == 2 && at[0] == "paths":
		return at[1]
	}
	return strings.Join(at, ".")
}

// object follows names down JSON objects; what is not there is an empty object.
func object(node any, names ...string) map[string]any {
	for _, name := range names {
		parent, _ := node.(map[string]any)
		node = parent[name]
	}
	result, _ := node.(map[string]any)
	return result
}
