package gateway_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/gateway"
)

// document is the fixture with one value replaced; the path is separated by
// blanks, and a nil value removes.
func document(t testing.TB, path string, value any) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/api.json")
	require.NoError(t, err)
	var root map[string]any
	require.NoError(t, json.Unmarshal(content, &root))
	names := strings.Fields(path)
	node := root
	for _, name := range names[:max(0, len(names)-1)] {
		next, ok := node[name].(map[string]any)
		require.True(t, ok, "the fixture has no %q in %q", name, path)
		node = next
	}
	if len(names) > 0 && value == nil {
		delete(node, names[len(names)-1])
	} else if len(names) > 0 {
		node[names[len(names)-1]] = value
	}
	content, err = json.Marshal(root)
	require.NoError(t, err)
	return content
}

const (
	post        = "paths /v1/infer post "
	integration = post + "x-amazon-apigateway-integration "
	options     = "paths /v1/infer options x-amazon-apigateway-integration "
	responses   = integration + "responses "
	request     = "components schemas Request "
)

func TestImportRefuses(t *testing.T) {
	template := func(text string) map[string]any { return map[string]any{"application/json": text} }
	tests := []struct {
		name, path string
		value      any
		// want are parts of the error; the first names the place.
		want []string
	}{
		{"another version", "openapi", "3.1.0", []string{"openapi: ", "imports 3.0"}},
		{"an invalid document", "info", nil, []string{"openapi: ", "info"}},
		{"an unknown extension", integration + "x-amazon-apigateway-cache", true, []string{"POST /v1/infer", "x-amazon-apigateway-cache is not served"}},
		{"a route for any method", "paths /v1/infer x-amazon-apigateway-any-method", map[string]any{}, []string{"/v1/infer: ", "x-amazon-apigateway-any-method"}},
		{"a resource policy", "x-amazon-apigateway-policy", map[string]any{}, []string{"the document: ", "x-amazon-apigateway-policy"}},
		{"keys from an authorizer", "x-amazon-apigateway-api-key-source", "AUTHORIZER", []string{"AUTHORIZER is not served"}},
		{"an unknown validator", post + "x-amazon-apigateway-request-validator", "nope", []string{"POST /v1/infer: ", `"nope" does not exist`}},
		{"a validator's unknown field", "x-amazon-apigateway-request-validators all strict", true, []string{"request-validators.all: ", `the field "strict"`}},
		{"an unknown security scheme", post + "security", []any{map[string]any{"nope": []any{}}}, []string{"POST /v1/infer: ", `the scheme "nope"`}},
		{"another kind of security", "components securitySchemes api_key name", "authorization", []string{"POST /v1/infer: ", "type apiKey in the header x-api-key"}},
		{"alternatives of security", post + "security", []any{map[string]any{"api_key": []any{}}, map[string]any{}}, []string{"POST /v1/infer: ", "alternatives"}},
		{"no integration", post + "x-amazon-apigateway-integration", nil, []string{"POST /v1/infer: ", "no integration defined for method"}},
		{"a greedy path", "paths /v1/{proxy+}", map[string]any{}, []string{"/v1/{proxy+}: ", "is not served"}},
		{"a path that AWS does not take", "paths /v1/infer!", map[string]any{}, []string{"/v1/infer!: ", "is not served"}},
		{"a model's name", "components schemas Song-2", map[string]any{"type": "object"}, []string{"components.schemas.Song-2: ", "only letters and digits"}},
		{"an unknown integration type", integration + "type", "http_proxy", []string{"POST /v1/infer: ", "allowed are aws, aws_proxy and mock"}},
		{"an unknown field", integration + "tlsConfig", map[string]any{}, []string{"POST /v1/infer: ", `the field "tlsConfig" is not served`}},
		{"a field of the wrong type", integration + "timeoutInMillis", "29000", []string{"POST /v1/infer: ", "timeoutInMillis has the wrong type"}},
		{"a uri by action", integration + "uri", "arn:aws:apigateway:us-east-1:sqs:action/SendMessage", []string{"POST /v1/infer: ", "SERVICE:path/PATH"}},
		{"a stage variable in the uri", integration + "uri", "arn:aws:apigateway:us-east-1:runtime.sagemaker:path/endpoints/${stageVariables.e}/invocations", []string{"POST /v1/infer: ", "without variables"}},
		{"another service", integration + "uri", "arn:aws:apigateway:us-east-1:sqs:path/1/q", []string{"POST /v1/infer: ", `the service "sqs"`}},
		{"another method", integration + "httpMethod", "GET", []string{"POST /v1/infer: ", "an aws integration needs POST"}},
		{"no credentials", integration + "credentials", nil, []string{"POST /v1/infer: ", "the ARN of the role"}},
		{"a timeout too short", integration + "timeoutInMillis", 49, []string{"POST /v1/infer: ", "from 50 to 29000"}},
		{"an unknown passthrough", integration + "passthroughBehavior", "always", []string{"POST /v1/infer: ", "never, when_no_match and when_no_templates"}},
		{"an unknown request source", integration + "requestParameters integration.request.header.Accept", "method.request.header.Accept", []string{"POST /v1/infer: ", "method.request.header.Accept is not served"}},
		{"a static value without quotes", integration + "requestParameters integration.request.header.Accept", "application/json", []string{"POST /v1/infer: ", "in single quotes"}},
		{"a query mapping", integration + "requestParameters integration.request.querystring.q", "'x'", []string{"POST /v1/infer: ", "integration.request.header.NAME"}},
		{"logic in a request template", integration + "requestTemplates", template(`#set($x = 1){"a":$x}`), []string{"POST /v1/infer: ", "Velocity"}},
		{"another variable in a template", responses + "424 responseTemplates", template(`{"key":"$context.identity.apiKey"}`), []string{"POST /v1/infer", "$context.identity.apiKey"}},
		{"a function in a response template", responses + "424 responseTemplates", template(`$input.path('$.Message')`), []string{"POST /v1/infer", "Velocity"}},
		{"a template in XML", responses + "424 responseTemplates", map[string]any{"application/xml": "<x/>"}, []string{"POST /v1/infer", "only application/json"}},
		{"a pattern that does not compile", responses + "4(", map[string]any{"statusCode": "502"}, []string{"POST /v1/infer: ", `"4(" does not compile`}},
		{"two responses with one status", responses + "418", map[string]any{"statusCode": "503"}, []string{"POST /v1/infer: ", "both answer 503", "one integration response per status"}},
		{"two patterns for one status", responses + "4\\d{2}", map[string]any{"statusCode": "502"}, []string{"POST /v1/infer: ", "matches status 4", "AWS does not say which one wins"}},
		{"no responses", integration + "responses", nil, []string{"POST /v1/infer: ", "has no responses"}},
		{"an undeclared status", responses + "default statusCode", "501", []string{"POST /v1/infer", "no method response exists for method: declare 501"}},
		{"an impossible status", responses + "default statusCode", "99", []string{"POST /v1/infer", "an HTTP status from 100 to 599"}},
		{"an undeclared header", responses + "424 responseParameters method.response.header.Retry-After", "'1'", []string{"POST /v1/infer", "invalid mapping expression parameter specified: method.response.header.Retry-After", "response 502"}},
		{"an unknown response source", responses + "424 responseParameters method.response.header.Access-Control-Allow-Origin", "integration.response.body.origin", []string{"POST /v1/infer", "integration.response.body.origin is not served"}},
		{"a mock without a status", options + "requestTemplates", template(`{}`), []string{"OPTIONS /v1/infer: ", "statusCode is missing"}},
		{"a mock with a uri", options + "uri", "arn:x", []string{"OPTIONS /v1/infer: ", "has no uri"}},
		{"a keyword of a later draft", request + "properties songs exclusiveMinimum", true, []string{"components.schemas.Request.properties.songs: ", `"exclusiveMinimum" is not honoured`}},
		{"a default", "components schemas Song properties title default", "x", []string{"components.schemas.Song.properties.title: ", `"default"`}},
		{"a number format", "components schemas Song properties n", map[string]any{"type": "integer", "format": "int64"}, []string{"components.schemas.Song.properties.n: ", `"int64"`}},
		{"a pattern that Go cannot compile", "components schemas Song properties title pattern", "(?!x)", []string{"POST /v1/infer: ", "does not compile as JSON Schema draft 4"}},
		{"an unknown gateway response", "x-amazon-apigateway-gateway-responses TEAPOT", map[string]any{}, []string{"gateway-responses.TEAPOT: ", "DEFAULT_4XX"}},
		{"a gateway response's unknown source", "x-amazon-apigateway-gateway-responses DEFAULT_5XX responseParameters gatewayresponse.header.X", "context.stage", []string{"gateway-responses.DEFAULT_5XX: ", "context.stage is not served"}},
		{"a gateway response's query", "x-amazon-apigateway-gateway-responses DEFAULT_5XX responseParameters gatewayresponse.query.X", "'x'", []string{"gateway-responses.DEFAULT_5XX: ", "gatewayresponse.header.NAME"}},
		{"a gateway response's unknown field", "x-amazon-apigateway-gateway-responses DEFAULT_5XX status", 1, []string{"gateway-responses.DEFAULT_5XX: ", `the field "status"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := gateway.Import(document(t, test.path, test.value))
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestImportReportsAllProblemsAtOnce(t *testing.T) {
	content := document(t, integration+"type", "http")
	content = []byte(strings.Replace(string(content), `"type":"mock"`, `"type":"http_proxy"`, 1))
	content = []byte(strings.Replace(string(content), `"HEADER"`, `"AUTHORIZER"`, 1))
	_, err := gateway.Import(content)
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n\t")
	assert.Equal(t, "Errors found during import:", lines[0])
	assert.Len(t, lines, 4, err)
}

func TestImportOfWhatIsNoDocument(t *testing.T) {
	for _, content := range []string{"", "openapi: 3.0.1", "[]", "{}"} {
		_, err := gateway.Import([]byte(content))
		assert.Error(t, err, content)
	}
}

func TestImportAcceptsTheFixture(t *testing.T) {
	_, err := gateway.Import(document(t, "", nil))
	require.NoError(t, err)
}
