package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	methodToken      = "aws:apigateway/method:Method"
	restAPIToken     = "aws:apigateway/restApi:RestApi"
	httpAPIToken     = "aws:apigatewayv2/api:Api"
	routeToken       = "aws:apigatewayv2/route:Route"
	functionURLToken = "aws:lambda/functionUrl:FunctionUrl"
)

func TestAPIRequiresKeyNative(t *testing.T) {
	runCases(t, "api-requires-key", []policyCase{
		{name: "key", token: methodToken, properties: object{"httpMethod": "POST", "apiKeyRequired": true}},
		{name: "key as a text", token: methodToken, properties: object{"httpMethod": "POST", "apiKeyRequired": "true"}},
		{name: "secret key flag", token: methodToken, properties: object{"httpMethod": "POST", "apiKeyRequired": secret(true)}},
		{name: "OPTIONS", token: methodToken, properties: object{"httpMethod": "OPTIONS"}},
		{name: "OPTIONS, unknown flag", token: methodToken, properties: object{"httpMethod": "OPTIONS", "apiKeyRequired": unknown}},
		{
			name: "no flag", token: methodToken, properties: object{"httpMethod": "POST"},
			denied: []string{`HttpMethod "POST": ApiKeyRequired is missing (the default is false); it must be true. To mend it, write ApiKeyRequired: pulumi.Bool(true)`},
		},
		{name: "false", token: methodToken, properties: object{"httpMethod": "GET", "apiKeyRequired": false}, denied: []string{"ApiKeyRequired is false"}},
		{name: "ANY with IAM", token: methodToken, properties: object{"httpMethod": "ANY", "authorization": "AWS_IAM"}, denied: []string{`"ANY"`}},
		{name: "unknown flag", token: methodToken, properties: object{"httpMethod": "GET", "apiKeyRequired": unknown}, pending: []string{"ApiKeyRequired is unknown"}},
		{name: "unknown method, no flag", token: methodToken, properties: object{"httpMethod": unknown}, pending: []string{"HttpMethod is unknown"}},
		{name: "unknown method, key", token: methodToken, properties: object{"httpMethod": unknown, "apiKeyRequired": true}},

		{name: "route with IAM", token: routeToken, properties: object{"routeKey": "POST /infer", "authorizationType": "AWS_IAM"}},
		{name: "route with JWT", token: routeToken, properties: object{"routeKey": "$default", "authorizationType": "JWT"}},
		{name: "preflight route", token: routeToken, properties: object{"routeKey": "OPTIONS /infer"}},
		{
			name: "open route", token: routeToken, properties: object{"routeKey": "POST /infer"},
			denied: []string{`route "POST /infer": AuthorizationType is missing (the default is NONE)`},
		},
		{name: "NONE", token: routeToken, properties: object{"routeKey": "$default", "authorizationType": "NONE"}, denied: []string{`AuthorizationType is "NONE"`}},
		{name: "an HTTP API takes no key", token: routeToken, properties: object{"routeKey": "ANY /infer", "apiKeyRequired": true}, denied: []string{"AuthorizationType is missing"}},
		{name: "WebSocket with key", token: routeToken, properties: object{"routeKey": "$connect", "apiKeyRequired": true}},
		{name: "WebSocket without key", token: routeToken, properties: object{"routeKey": "$connect", "apiKeyRequired": false}, denied: []string{"$connect"}},
		{name: "WebSocket goodbye", token: routeToken, properties: object{"routeKey": "$disconnect"}},
		{name: "unknown authorization", token: routeToken, properties: object{"routeKey": "GET /a", "authorizationType": unknown}, pending: []string{"AuthorizationType is unknown"}},
		{name: "unknown route key", token: routeToken, properties: object{"routeKey": unknown}, pending: []string{"RouteKey is unknown"}},
		{name: "unknown route key, authorized", token: routeToken, properties: object{"routeKey": unknown, "authorizationType": "CUSTOM"}},
		{name: "unknown WebSocket key", token: routeToken, properties: object{"routeKey": "$connect", "apiKeyRequired": unknown}, pending: []string{"ApiKeyRequired is unknown"}},

		{name: "HTTP API", token: httpAPIToken, properties: object{"protocolType": "HTTP"}},
		{name: "quick create", token: httpAPIToken, properties: object{"protocolType": "HTTP", "target": "arn"}, denied: []string{`Target is "arn"`}},
		{name: "quick create, unknown", token: httpAPIToken, properties: object{"protocolType": "HTTP", "target": unknown}, pending: []string{"Target is unknown"}},

		{name: "function URL with IAM", token: functionURLToken, properties: object{"authorizationType": "AWS_IAM"}},
		{name: "open function URL", token: functionURLToken, properties: object{"authorizationType": "NONE"}, denied: []string{`AuthorizationType is "NONE"`}},
		{name: "function URL, missing", token: functionURLToken, properties: object{"functionName": "f"}, denied: []string{"AuthorizationType is missing"}},
		{name: "function URL, unknown", token: functionURLToken, properties: object{"authorizationType": unknown}, pending: []string{"AuthorizationType is unknown"}},
		{name: "aws-native function URL", token: "aws-native:lambda:Url", properties: object{"authType": "NONE"}, denied: []string{`is "NONE"`}},
	})
}

// openAPI is a document with one operation, POST /infer, and the schemes that
// the cases name.
func openAPI(operation string) string {
	return `
openapi: 3.0.1
security: [{api_key: []}]
paths:
  x-note: {post: {}}
  /infer:
    parameters: []
    options: {responses: {204: {description: preflight}}}
    ` + operation + `
components:
  securitySchemes:
    api_key: {type: apiKey, name: X-API-Key, in: header}
    in_query: {type: apiKey, name: x-api-key, in: query}
    custom: {type: apiKey, name: x-api-key, in: header, x-amazon-apigateway-authtype: custom, x-amazon-apigateway-authorizer: {type: token}}
    sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
`
}

func TestAPIRequiresKeyRestAPIBody(t *testing.T) {
	document, err := os.ReadFile("testdata/api.json")
	require.NoError(t, err)
	swagger := strings.NewReplacer(`"openapi": "3.0.1"`, `"swagger": "2.0"`,
		`"components": {"securitySchemes": {`, `"securityDefinitions": {`, `}}}`+"\n}", `}}`+"\n}").Replace(string(document))
	body := func(operation string) object { return object{"body": openAPI(operation)} }
	runCases(t, "api-requires-key", []policyCase{
		{name: "no body", token: restAPIToken, properties: object{"name": "api"}},
		{name: "OpenAPI 3, JSON", token: restAPIToken, properties: object{"body": string(document)}},
		{name: "Swagger 2, JSON", token: restAPIToken, properties: object{"body": swagger}},
		{
			name: "Swagger 2, open", token: restAPIToken, properties: object{"body": strings.Replace(swagger, `[{"api_key": []}]`, "[]", 1)},
			denied: []string{"POST /infer: security is an empty list"},
		},
		{name: "secret body", token: restAPIToken, properties: object{"body": secret(string(document))}},
		{name: "put on its own", token: "aws:apigateway/restApiPut:RestApiPut", properties: body("get: {}"), denied: []string{"GET /infer"}},
		{
			name: "aws-native, as an object", token: "aws-native:apigateway:RestApi", denied: []string{"GET /a"},
			properties: object{"body": object{"paths": object{"/a": object{"get": object{}}}}},
		},
		{name: "YAML with key", token: restAPIToken, properties: body("post: {security: [{api_key: []}]}")},
		{name: "key and more", token: restAPIToken, properties: body("post: {security: [{sigv4: [], api_key: []}]}")},
		{
			name: "security at the root does not count", token: restAPIToken, properties: body("post: {}"),
			denied: []string{"POST /infer: security is missing (anyone may call it)"},
		},
		{
			name: "every operation", token: restAPIToken, properties: body("get: {}\n    head: {}\n    DELETE: {}\n    x-amazon-apigateway-any-method: {}"),
			denied: []string{"GET /infer", "HEAD /infer", "DELETE /infer", "ANY /infer"},
		},
		{
			name: "an open alternative", token: restAPIToken, properties: body("post: {security: [{api_key: []}, {}]}"),
			denied: []string{`security[1] is "{} (no scheme at all)"`},
		},
		{name: "alternative without key", token: restAPIToken, properties: body("post: {security: [{sigv4: []}, {api_key: []}]}"), denied: []string{"security[0]"}},
		{name: "not declared", token: restAPIToken, properties: body("post: {security: [{key: []}]}"), denied: []string{"key (a scheme that is not declared)"}},
		{name: "key in the query", token: restAPIToken, properties: body("post: {security: [{in_query: []}]}"), denied: []string{"in_query (a scheme of another kind)"}},
		{name: "authorizer that reads the key's header", token: restAPIToken, properties: body("post: {security: [{custom: []}]}"), denied: []string{"custom (a scheme of another kind)"}},
		{
			name: "wrong kinds", token: restAPIToken, properties: body("post: {security: yes}\n    get: 1\n    put: {security: [1]}"),
			denied: []string{`POST /infer: security is "yes"`, "GET /infer: security is 1", "PUT /infer: security[0] is 1"},
		},
		{name: "reference", token: restAPIToken, properties: object{"body": `{"paths":{"/a":{"$ref":"#/x"}}}`}, denied: []string{"path /a"}},
		{name: "path that is no object", token: restAPIToken, properties: object{"body": `{"paths":{"/a":1}}`}, denied: []string{"path /a"}},
		{name: "paths that are no object", token: restAPIToken, properties: object{"body": `{"paths":[]}`}, denied: []string{"paths"}},
		{name: "junk", token: restAPIToken, properties: object{"body": "{"}, denied: []string{"it is not JSON"}},
		{name: "a text", token: restAPIToken, properties: object{"body": "hello"}, denied: []string{`Body is "hello"`}},
		{name: "unknown", token: restAPIToken, properties: object{"body": unknown}, pending: []string{"Body is unknown"}},
		{
			name: "unknown operation and scheme", token: "aws-native:apigateway:RestApi", pending: []string{"GET /a", "security[0] is unknown"},
			properties: object{"body": object{
				"paths":      object{"/a": object{"get": unknown, "put": object{"security": list{object{"k": list{}}}}}},
				"components": object{"securitySchemes": object{"k": unknown}},
			}},
		},
	})
}

func TestAPIRequiresKeyHTTPAPIBody(t *testing.T) {
	body := func(operation string) object { return object{"protocolType": "HTTP", "body": openAPI(operation)} }
	runCases(t, "api-requires-key", []policyCase{
		{name: "signature", token: httpAPIToken, properties: body("post: {security: [{sigv4: []}]}")},
		{name: "authorizer", token: httpAPIToken, properties: body("post: {security: [{custom: []}]}")},
		{name: "API key is ignored", token: httpAPIToken, properties: body("post: {security: [{api_key: []}]}"), denied: []string{"an HTTP API has no API keys"}},
		{name: "open", token: httpAPIToken, properties: body("x-amazon-apigateway-any-method: {}"), denied: []string{"ANY /infer"}},
		{name: "unknown", token: httpAPIToken, properties: object{"body": unknown}, pending: []string{"Body is unknown"}},
	})
}

func TestAPIRequiresKeyTemplatesAndDesiredState(t *testing.T) {
	template := func(resource string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, a]}\nResources: {R: {" + resource + "}}",
			"parameters":   object{"P": unknown},
		}
	}
	state := func(typeName, state string) object { return object{"typeName": typeName, "desiredState": state} }
	runCases(t, "api-requires-key", []policyCase{
		{name: "method with key", token: stackToken, properties: template("Type: AWS::ApiGateway::Method, Properties: {HttpMethod: GET, ApiKeyRequired: true}")},
		{
			name: "method without", token: stackToken, properties: template("Type: AWS::ApiGateway::Method, Properties: {HttpMethod: GET}"),
			denied: []string{"To mend it, write ApiKeyRequired: true."},
		},
		{
			name: "method by parameter", token: stackToken, properties: template("Type: AWS::ApiGateway::Method, Properties: {HttpMethod: GET, ApiKeyRequired: !Ref P}"),
			pending: []string{"ApiKeyRequired is unknown (parameter P: "},
		},
		{
			name: "method by parameter and region", token: stackToken, denied: []string{"ApiKeyRequired is unknown (the value of AWS::Region"},
			properties: template("Type: AWS::ApiGateway::Method, Properties: {HttpMethod: GET, ApiKeyRequired: !Sub '${P}${AWS::Region}'}"),
		},
		{
			name: "method by condition", token: stackToken, properties: template("Type: AWS::ApiGateway::Method, Condition: C, Properties: {HttpMethod: GET}"),
			pending: []string{"(if it exists: parameter P: "},
		},
		{name: "properties missing", token: stackToken, properties: template("Type: AWS::ApiGateway::Method"), denied: []string{"HttpMethod missing"}},
		{
			name: "properties by macro", token: stackToken, properties: template("Type: AWS::ApiGateway::Method, Properties: {Fn::Transform: {Name: M}}"),
			denied: []string{"the set of properties is unknown (Fn::Transform"},
		},
		{
			name: "body as an object", token: stackToken, properties: template("Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/a: {get: {}}}}}"),
			denied: []string{"GET /a"},
		},
		{name: "body with functions elsewhere", token: stackToken, properties: template("Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: {/a: {get: " +
			"{security: [{k: []}], x-amazon-apigateway-integration: {uri: !Sub '${AWS::Region}'}}}}, securityDefinitions: {k: {type: apiKey, in: header, name: x-api-key}}}}")},
		{name: "body as a text", token: stackToken, properties: template(`Type: AWS::ApiGateway::RestApi, Properties: {Body: '{"paths":{"/a":{"get":{}}}}'}`), denied: []string{"GET /a"}},
		{
			name: "body by include", token: stackToken, properties: template("Type: AWS::ApiGateway::RestApi, Properties: {Body: {Fn::Transform: {Name: AWS::Include}}}"),
			denied: []string{"Body is unknown"},
		},
		{
			name: "methods from elsewhere", token: stackToken, properties: template("Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: {Bucket: b}, CloneFrom: !Ref P}"),
			denied: []string{"BodyS3Location is an object"}, pending: []string{"CloneFrom is unknown"},
		},
		{name: "route", token: stackToken, properties: template("Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: GET /, AuthorizationType: NONE}"), denied: []string{`"GET /"`}},
		{
			name: "quick create and document elsewhere", token: stackToken, properties: template("Type: AWS::ApiGatewayV2::Api, Properties: {Target: !GetAtt F.Arn, BodyS3Location: {Bucket: b}}"),
			denied: []string{"Target is unknown (Fn::GetAtt F.Arn", "BodyS3Location"},
		},
		{name: "function URL", token: stackToken, properties: template("Type: AWS::Lambda::Url, Properties: {AuthType: NONE}"), denied: []string{"write AuthType: AWS_IAM"}},

		{name: "state: method with key", token: cloudControlToken, properties: state("AWS::ApiGateway::Method", `{"HttpMethod":"GET","ApiKeyRequired":true}`)},
		{name: "state: method without", token: cloudControlToken, properties: state("AWS::ApiGateway::Method", `{"HttpMethod":"GET"}`), denied: []string{"ApiKeyRequired"}},
		{name: "state: body", token: cloudControlToken, properties: state("AWS::ApiGateway::RestApi", `{"Body":{"paths":{"/a":{"get":{}}}}}`), denied: []string{"GET /a"}},
		{name: "state: route", token: cloudControlToken, properties: state("AWS::ApiGatewayV2::Route", `{"RouteKey":"GET /"}`), denied: []string{"AuthorizationType is missing"}},
		{name: "state: function URL", token: cloudControlToken, properties: state("AWS::Lambda::Url", `{"AuthType":"NONE"}`), denied: []string{"AuthType"}},
		{name: "state: not known", token: cloudControlToken, properties: object{"typeName": "AWS::Lambda::Url", "desiredState": unknown}, pending: []string{"properties is unknown"}},
	})
}
