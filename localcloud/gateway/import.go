package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The extensions that this gateway serves.
const (
	apiKeySourceExtension      = "x-amazon-apigateway-api-key-source"
	gatewayResponsesExtension  = "x-amazon-apigateway-gateway-responses"
	integrationExtension       = "x-amazon-apigateway-integration"
	requestValidatorExtension  = "x-amazon-apigateway-request-validator"
	requestValidatorsExtension = "x-amazon-apigateway-request-validators"
)

var knownExtensions = []string{
	apiKeySourceExtension, gatewayResponsesExtension, integrationExtension,
	requestValidatorExtension, requestValidatorsExtension,
}

// The headers of every request, in Go's spelling: net/http would make it anew of
// another one each time.
const (
	apiKeyHeader    = "X-Api-Key"
	errorTypeHeader = "X-Amzn-Errortype"
	requestIDHeader = "X-Amzn-Requestid"
)

// API is an imported document, ready to be served. It never changes.
type API struct {
	methods   []*method
	responses *gatewayResponses
}

// Operation is one of an API, as its document describes it. ID and Summary are
// empty where the document has none.
type Operation struct{ Method, Path, ID, Summary string }

// Operations are those of the API, ordered by path and method.
func (a *API) Operations() []Operation {
	operations := make([]Operation, len(a.methods))
	for i, m := range a.methods {
		operations[i] = Operation{Method: m.httpMethod, Path: m.path, ID: m.operationID, Summary: m.summary}
	}
	return operations
}

// method is one method of one resource.
type method struct {
	httpMethod, path     string
	operationID, summary string
	// segments are the parts of path.
	segments []string
	// name is the method's for throttles.
	name               string
	apiKeyRequired     bool
	requiredParameters []parameter
	// models are the schemas for a request body by media type; it is empty where
	// no validator checks bodies.
	models      map[string]*jsonschema.Schema
	integration integration
}

// parameter is a required one; in is "header" or "query".
type parameter struct{ in, name string }

// ImportError is what PutRestApi answers with BadRequestException.
type ImportError struct {
	// Problems are one sentence each, beginning with the method and path or
	// the place in the document.
	Problems []string
}

func (e *ImportError) Error() string {
	return "Errors found during import:\n\t" + strings.Join(e.Problems, "\n\t")
}

// Import reads an OpenAPI 3.0 document in JSON as PutRestApi does with mode
// overwrite and failOnWarnings. Where it can be read at all, the error is an
// *ImportError with everything that AWS refuses and everything that this gateway
// cannot serve as AWS does.
//
// As on AWS, `security` at the document's root protects nothing: only an
// operation's own counts.
func Import(document []byte) (*API, error) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document is not JSON: %w", err)
	}
	parsed, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document cannot be read: %w", err)
	}
	i := &importer{document: parsed}
	if !strings.HasPrefix(parsed.OpenAPI, "3.0.") {
		i.problem("openapi", "version %q is not served: API Gateway imports 3.0", parsed.OpenAPI)
	}
	var invalid openapi3.MultiError
	if err := parsed.Validate(context.Background(), openapi3.EnableMultiError()); errors.As(err, &invalid) {
		for _, err := range invalid {
			i.problem("openapi", "%v", err)
		}
	} else if err != nil {
		i.problem("openapi", "%v", err)
	}
	i.checkExtensions(nil, raw)
	i.models = i.newModels(raw)
	api := i.api()
	if len(i.problems) > 0 {
		return nil, &ImportError{i.problems}
	}
	return api, nil
}

// importer collects what is wrong with a document while it compiles it.
type importer struct {
	document *openapi3.T
	models   *models
	problems []string
}

func (i *importer) problem(where, format string, args ...any) {
	i.problems = append(i.problems, where+": "+fmt.Sprintf(format, args...))
}

func (i *importer) api() *API {
	api := &API{}
	if source, ok := i.document.Extensions[apiKeySourceExtension]; ok && source != "HEADER" {
		i.problem(apiKeySourceExtension, "%v is not served: allowed is HEADER", source)
	}
	if extension, ok := i.document.Extensions[gatewayResponsesExtension]; ok {
		api.responses = i.gatewayResponses(extension)
	}
	validators := i.validators()
	paths := i.document.Paths.Map()
	for _, path := range sortedKeys(paths) {
		for _, segment := range strings.Split(path, "/") {
			if !pathSegment.MatchString(segment) {
				i.problem(path, "path segment %q is not served: allowed are letters, digits, _-.,: and a parameter as a whole segment, such as {id}", segment)
			}
		}
		operations := paths[path].Operations()
		for _, httpMethod := range sortedKeys(operations) {
			where := httpMethod + " " + path
			api.methods = append(api.methods, i.method(where, httpMethod, path, paths[path], operations[httpMethod], validators))
		}
	}
	return api
}

// pathSegment is what API Gateway takes between slashes, without the greedy
// parameter {proxy+}.
var pathSegment = regexp.MustCompile(`^(?:[A-Za-z0-9_.,:-]*|\{[A-Za-z0-9_.-]+\})$`)

func (i *importer) method(where, httpMethod, path string, item *openapi3.PathItem, operation *openapi3.Operation, validators map[string]validator) *method {
	m := &method{
		httpMethod: httpMethod, path: path, operationID: operation.OperationID, summary: operation.Summary,
		segments: strings.Split(path, "/"), name: methodKey(path, httpMethod), models: map[string]*jsonschema.Schema{},
	}
	m.apiKeyRequired = i.apiKeyRequired(where, operation)

	var checks validator
	extension, ok := operation.Extensions[requestValidatorExtension]
	if !ok {
		extension, ok = i.document.Extensions[requestValidatorExtension]
	}
	if ok {
		if checks, ok = validators[fmt.Sprint(extension)]; !ok {
			i.problem(where, "the request validator %q does not exist: declare it in %s", extension, requestValidatorsExtension)
		}
	}
	if checks.Parameters {
		m.requiredParameters = i.requiredParameters(where, item, operation)
	}
	if checks.Body && operation.RequestBody != nil && operation.RequestBody.Value != nil {
		for mediaType, content := range operation.RequestBody.Value.Content {
			if content.Schema != nil {
				m.models[mediaType] = i.models.compile(i, where, httpMethod, path, operation.RequestBody.Ref, mediaType)
			}
		}
	}
	m.integration = i.integration(where, operation)
	return m
}

// apiKeyRequired reads the operation's own security requirement.
func (i *importer) apiKeyRequired(where string, operation *openapi3.Operation) bool {
	if operation.Security == nil {
		return false
	}
	if len(*operation.Security) > 1 {
		i.problem(where, "security offers alternatives: API Gateway knows one requirement per method")
	}
	required := false
	for _, requirement := range *operation.Security {
		for _, name := range sortedKeys(requirement) {
			var scheme *openapi3.SecurityScheme
			if i.document.Components != nil && i.document.Components.SecuritySchemes[name] != nil {
				scheme = i.document.Components.SecuritySchemes[name].Value
			}
			switch {
			case scheme == nil:
				i.problem(where, "security names the scheme %q, which components.securitySchemes does not have", name)
			case scheme.Type != "apiKey" || scheme.In != "header" || !strings.EqualFold(scheme.Name, apiKeyHeader):
				i.problem(where, "security scheme %q is not served: allowed is type apiKey in the header x-api-key", name)
			default:
				required = true
			}
		}
	}
	return required
}

func (i *importer) requiredParameters(where string, item *openapi3.PathItem, operation *openapi3.Operation) []parameter {
	var required []parameter
	for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
		if p.Value == nil || !p.Value.Required || p.Value.In == "path" {
			continue
		}
		if p.Value.In != "header" && p.Value.In != "query" {
			i.problem(where, "required parameter %q in %s is not served: allowed are path, query and header", p.Value.Name, p.Value.In)
			continue
		}
		required = append(required, parameter{p.Value.In, p.Value.Name})
	}
	slices.SortFunc(required, func(a, b parameter) int { return cmp.Compare(a.name, b.name) })
	return required
}

// validator is one of x-amazon-apigateway-request-validators.
type validator struct {
	Body       bool `json:"validateRequestBody"`
	Parameters bool `json:"validateRequestParameters"`
}

func (i *importer) validators() map[string]validator {
	result := map[string]validator{}
	extension, ok := i.document.Extensions[requestValidatorsExtension]
	if !ok {
		return result
	}
	var documents map[string]any
	if i.decode(requestValidatorsExtension, extension, &documents) {
		for _, name := range sortedKeys(documents) {
			var v validator
			i.decode(requestValidatorsExtension+"."+name, documents[name], &v)
			result[name] = v
		}
	}
	return result
}

// decode reads an extension into a Go value and reports fields that the value
// does not have.
func (i *importer) decode(where string, extension, into any) bool {
	encoded, err := json.Marshal(extension)
	if err != nil {
		i.problem(where, "%v", err)
		return false
	}
	i.checkFields(where, encoded, reflect.TypeOf(into).Elem())
	if err := json.Unmarshal(encoded, into); err != nil {
		if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			i.problem(where, "%s has the wrong type: it is a %s", cmp.Or(wrong.Field, "the extension"), wrong.Value)
		} else {
			i.problem(where, "%v", err)
		}
		return false
	}
	return true
}

// checkFields reports every unknown field of a JSON object, and of the structs
// that its maps hold.
func (i *importer) checkFields(where string, encoded []byte, into reflect.Type) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(encoded, &fields) != nil {
		return
	}
	if into.Kind() == reflect.Map {
		for _, name := range sortedKeys(fields) {
			i.checkFields(where+"."+name, fields[name], into.Elem())
		}
	}
	if into.Kind() != reflect.Struct {
		return
	}
	known := map[string]reflect.Type{}
	for field := range into.Fields() {
		known[field.Tag.Get("json")] = field.Type
	}
	for _, name := range sortedKeys(fields) {
		if known[name] == nil {
			i.problem(where, "the field %q is not served: allowed are %s", name, join(sortedKeys(known)))
			continue
		}
		i.checkFields(where+"."+name, fields[name], known[name])
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

func join[S ~string](names []S) string {
	text := make([]string, len(names))
	for i, name := range names {
		text[i] = string(name)
	}
	return strings.Join(text, ", ")
}
