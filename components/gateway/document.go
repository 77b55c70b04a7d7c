package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Names inside the document.
const (
	keyScheme       = "api_key"
	keyHeader       = "x-api-key"
	jsonType        = "application/json"
	validatorName   = "all"
	methodHeader    = "method.response.header."
	gatewayHeader   = "gatewayresponse.header."
	componentHeader = "integration.request.header.X-Amzn-SageMaker-Inference-Component"
	errorModel      = "Error"
	apiVersion      = "1.0"

	extIntegration = "x-amazon-apigateway-integration"
	extResponses   = "x-amazon-apigateway-gateway-responses"
	extKeySource   = "x-amazon-apigateway-api-key-source"
	extValidator   = "x-amazon-apigateway-request-validator"
	extValidators  = "x-amazon-apigateway-request-validators"
)

// IntegrationLimit is how many milliseconds an integration may take: API
// Gateway's own default limit (API Gateway quotas).
const IntegrationLimit = 29_000

// The structs below are API Gateway's extensions to OpenAPI (API Gateway
// developer guide, "OpenAPI extensions for API Gateway").
type (
	integration struct {
		Type                string                         `json:"type"`
		URI                 string                         `json:"uri,omitempty"`
		HTTPMethod          string                         `json:"httpMethod,omitempty"`
		Credentials         string                         `json:"credentials,omitempty"`
		PassthroughBehavior string                         `json:"passthroughBehavior"`
		TimeoutInMillis     int                            `json:"timeoutInMillis,omitempty"`
		RequestParameters   map[string]string              `json:"requestParameters,omitempty"`
		RequestTemplates    map[string]string              `json:"requestTemplates,omitempty"`
		Responses           map[string]integrationResponse `json:"responses,omitempty"`
	}
	integrationResponse struct {
		StatusCode         string            `json:"statusCode"`
		ResponseParameters map[string]string `json:"responseParameters,omitempty"`
		ResponseTemplates  map[string]string `json:"responseTemplates,omitempty"`
	}
	gatewayResponse struct {
		StatusCode         string            `json:"statusCode,omitempty"`
		ResponseParameters map[string]string `json:"responseParameters"`
		ResponseTemplates  map[string]string `json:"responseTemplates"`
	}
	requestValidator struct {
		ValidateRequestBody       bool `json:"validateRequestBody"`
		ValidateRequestParameters bool `json:"validateRequestParameters"`
	}
)

// Document is the API as one OpenAPI 3.0.1 document, with what API Gateway
// needs to serve it. It is the whole truth: routes, keys, validation, CORS and
// every answer are in it, and nothing is added to the API beside it.
func Document(args *Args) (*openapi3.T, error) {
	if err := args.validate(); err != nil {
		return nil, err
	}
	responses := map[string]gatewayResponse{}
	for name, answer := range gatewayErrors {
		response := gatewayResponse{
			ResponseParameters: answer.headers(gatewayHeader, args.AllowOrigin),
			ResponseTemplates:  map[string]string{jsonType: answer.body()},
		}
		if answer.status != 0 {
			response.StatusCode = strconv.Itoa(answer.status)
		}
		responses[name] = response
	}
	doc := &openapi3.T{
		OpenAPI: "3.0.1",
		Info:    &openapi3.Info{Title: args.APIName, Version: apiVersion},
		Paths:   openapi3.NewPaths(),
		Components: &openapi3.Components{
			Schemas: openapi3.Schemas{errorModel: openapi3.NewSchemaRef("", errorSchema())},
			SecuritySchemes: openapi3.SecuritySchemes{keyScheme: &openapi3.SecuritySchemeRef{
				Value: openapi3.NewSecurityScheme().WithType("apiKey").WithName(keyHeader).WithIn("header"),
			}},
		},
		Extensions: map[string]any{
			extKeySource:  "HEADER",
			extValidators: map[string]requestValidator{validatorName: {ValidateRequestBody: true, ValidateRequestParameters: true}},
			extValidator:  validatorName,
			extResponses:  responses,
		},
	}
	models := map[*openapi3.Schema]string{}
	for _, route := range args.Routes {
		if route.Request != nil && models[route.Request] == "" {
			models[route.Request] = requestModel(route)
			doc.Components.Schemas[models[route.Request]] = openapi3.NewSchemaRef("", route.Request)
		}
		if route.Function != nil {
			for _, reply := range route.Function.Replies {
				if reply.Body != nil {
					doc.Components.Schemas[reply.Body.Name] = openapi3.NewSchemaRef("", reply.Body.Schema)
				}
			}
		}
		item := doc.Paths.Value(route.Path)
		if item == nil {
			item = &openapi3.PathItem{}
			doc.Paths.Set(route.Path, item)
		}
		item.SetOperation(route.Method, operation(args, route, models[route.Request]))
	}
	for path, item := range doc.Paths.Map() {
		item.SetOperation(http.MethodOptions, preflight(args, path, slices.Sorted(maps.Keys(item.Operations()))))
	}
	return doc, nil
}

// requestModel is the schema's name. API Gateway makes a model of it, and
// takes letters and digits only.
func requestModel(route Route) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(route.OperationID[:1])+route.OperationID[1:]) + "Request"
}

func errorSchema() *openapi3.Schema {
	return openapi3.NewObjectSchema().
		WithProperty("message", openapi3.NewStringSchema()).
		WithProperty("code", openapi3.NewStringSchema()).
		WithProperty("requestId", openapi3.NewStringSchema()).
		WithRequired([]string{"message", "code", "requestId"})
}

// operation requires the key in its own security: API Gateway ignores the
// document's.
func operation(args *Args, route Route, model string) *openapi3.Operation {
	answers := endpointOperation
	if route.Function != nil {
		answers = functionOperation
	}
	responses, answering := answers(args, route)
	operation := &openapi3.Operation{
		OperationID: route.OperationID,
		Summary:     route.Summary,
		Parameters:  parameters(route),
		Security:    openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate(keyScheme)),
		Responses:   openapi3.NewResponsesWithCapacity(len(responses)),
		Extensions:  map[string]any{extIntegration: answering},
	}
	for status, declared := range responses {
		operation.Responses.Set(status, declared)
	}
	if model != "" {
		operation.RequestBody = &openapi3.RequestBodyRef{
			Value: openapi3.NewRequestBody().WithRequired(true).WithContent(jsonContent(model)),
		}
	}
	return operation
}

// endpointOperation translates between callers and the route's endpoint.
func endpointOperation(args *Args, route Route) (map[string]*openapi3.ResponseRef, integration) {
	responses := map[string]integrationResponse{
		`2\d{2}`: {
			StatusCode: strconv.Itoa(http.StatusOK),
			ResponseParameters: merged(corsHeaders(methodHeader, args.AllowOrigin), map[string]string{
				methodHeader + "Content-Type": "integration.response.header.Content-Type",
			}),
		},
	}
	declared := map[string]*openapi3.ResponseRef{
		strconv.Itoa(http.StatusOK): response("The model's own answer, in its own content type.", "", responses[`2\d{2}`].ResponseParameters),
	}
	for _, upstream := range upstreamErrors {
		mapped := integrationResponse{
			StatusCode: strconv.Itoa(upstream.status),
			ResponseParameters: merged(upstream.headers(methodHeader, args.AllowOrigin), map[string]string{
				// The type of SageMaker's error tells a sleeping endpoint from a missing one.
				methodHeader + "X-Upstream-Error": "integration.response.header.x-amzn-ErrorType",
				methodHeader + "Content-Type":     constant(jsonType),
			}),
			ResponseTemplates: map[string]string{jsonType: upstream.body()},
		}
		responses[upstream.pattern] = mapped
		declared[mapped.StatusCode] = response(upstream.message, errorModel, mapped.ResponseParameters)
	}
	return declared, integration{
		Type:                "aws",
		URI:                 invocationURI(args, route.Endpoint.EndpointName),
		HTTPMethod:          http.MethodPost,
		Credentials:         args.CredentialsArn,
		PassthroughBehavior: "never",
		TimeoutInMillis:     IntegrationLimit,
		RequestParameters: map[string]string{
			componentHeader: constant(route.Endpoint.InferenceComponentName),
			"integration.request.header.Content-Type": constant(jsonType),
			"integration.request.header.Accept":       constant(jsonType),
		},
		// The body as it came. Having a template for JSON and none for
		// anything else is what makes API Gateway answer 415, and keeps a
		// caller from dodging validation by another content type.
		RequestTemplates: map[string]string{jsonType: "$input.body"},
		Responses:        responses,
	}
}

// invocationURI has one slash before "endpoints", as AWS CDK's SageMaker
// integration has.
func invocationURI(args *Args, endpointName string) string {
	return fmt.Sprintf("arn:%s:apigateway:%s:runtime.sagemaker:path/endpoints/%s/invocations",
		args.Scope.Partition, args.Scope.Region, endpointName)
}

// preflight answers OPTIONS without a key, since browsers send none with it.
func preflight(args *Args, path string, allowed []string) *openapi3.Operation {
	status := strconv.Itoa(http.StatusNoContent)
	headers := merged(corsHeaders(methodHeader, args.AllowOrigin), map[string]string{
		methodHeader + "Access-Control-Allow-Headers": constant(allowedHeaders(args, path)),
		methodHeader + "Access-Control-Allow-Methods": constant(strings.Join(append(allowed, http.MethodOptions), ",")),
		methodHeader + "Access-Control-Max-Age":       constant("600"),
	})
	return &openapi3.Operation{
		OperationID: "preflight" + strings.NewReplacer("/", "_", "{", "", "}", "").Replace(path),
		Summary:     "CORS preflight.",
		Parameters:  pathParameters(path),
		Responses:   openapi3.NewResponses(openapi3.WithStatus(http.StatusNoContent, response("What a browser may send.", "", headers))),
		Extensions: map[string]any{extIntegration: integration{
			Type:                "mock",
			PassthroughBehavior: "when_no_match",
			RequestTemplates:    map[string]string{jsonType: `{"statusCode":` + status + `}`},
			Responses:           map[string]integrationResponse{defaultPattern: {StatusCode: status, ResponseParameters: headers}},
		}},
	}
}

// response declares the mapped headers, as API Gateway demands, and the model
// of the body, if there is one.
func response(description, model string, mapped map[string]string) *openapi3.ResponseRef {
	value := openapi3.NewResponse().WithDescription(description)
	if model != "" {
		value.Content = jsonContent(model)
	}
	value.Headers = openapi3.Headers{}
	for name := range mapped {
		header := &openapi3.Header{}
		header.Schema = openapi3.NewSchemaRef("", openapi3.NewStringSchema())
		value.Headers[strings.TrimPrefix(name, methodHeader)] = &openapi3.HeaderRef{Value: header}
	}
	return &openapi3.ResponseRef{Value: value}
}

func jsonContent(model string) openapi3.Content {
	return openapi3.NewContentWithJSONSchemaRef(openapi3.NewSchemaRef("#/components/schemas/"+model, nil))
}

func merged(into, from map[string]string) map[string]string {
	maps.Copy(into, from)
	return into
}
