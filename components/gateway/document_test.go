package gateway_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file and rewrites it with -update.
func golden(t *testing.T, file string, doc *openapi3.T) {
	t.Helper()
	got, err := json.MarshalIndent(doc, "", "  ")
	require.NoError(t, err)
	read, err := openapi3.NewLoader().LoadFromData(got)
	require.NoError(t, err)
	require.NoError(t, read.Validate(context.Background()))
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run the test with -update if the change is meant")
}

func TestDocumentGolden(t *testing.T) {
	doc, err := gateway.Document(args(t))
	require.NoError(t, err)
	golden(t, "testdata/document.golden.json", doc)
}

func TestClientDocumentGolden(t *testing.T) {
	doc, err := gateway.ClientDocument(args(t))
	require.NoError(t, err)
	golden(t, "testdata/client.golden.json", doc)
	text, err := doc.MarshalJSON()
	require.NoError(t, err)
	assert.NotContains(t, string(text), "x-amazon-")
	assert.NotContains(t, string(text), args(t).Scope.AccountID, "clients are not told the account")
}

type mapping struct {
	Type             string
	RequestTemplates map[string]string
	Responses        map[string]struct {
		StatusCode         string
		ResponseParameters map[string]string
		ResponseTemplates  map[string]string
	}
}

func mappingOf(t *testing.T, operation *openapi3.Operation) mapping {
	t.Helper()
	text, err := json.Marshal(operation.Extensions["x-amazon-apigateway-integration"])
	require.NoError(t, err)
	var parsed mapping
	require.NoError(t, json.Unmarshal(text, &parsed))
	return parsed
}

func TestDocumentRequiresTheKeyEverywhereButPreflight(t *testing.T) {
	a := args(t)
	second := a.Routes[0]
	second.Method, second.Path, second.OperationID = http.MethodPut, "/infer/batch", "inferBatch"
	a.Routes = append(a.Routes, second)
	doc, err := gateway.Document(a)
	require.NoError(t, err)
	assert.Nil(t, doc.Security, "API Gateway ignores the document's security")
	for path, item := range doc.Paths.Map() {
		require.NotNil(t, item.Options, path)
		for method, operation := range item.Operations() {
			if method == http.MethodOptions {
				assert.Nil(t, operation.Security, "browsers send no key with a preflight")
				continue
			}
			require.NotNil(t, operation.Security, "%s %s", method, path)
			assert.Equal(t, openapi3.SecurityRequirements{{"api_key": []string{}}}, *operation.Security)
		}
	}
}

// API Gateway keeps one integration response per status that it answers with,
// and refuses a mapped header that the method does not declare.
func TestDocumentResponsesAreWhatAPIGatewayTakes(t *testing.T) {
	doc, err := gateway.Document(args(t))
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			seen := map[string]string{}
			for pattern, response := range mappingOf(t, operation).Responses {
				other, taken := seen[response.StatusCode]
				assert.False(t, taken, "%s %s: patterns %q and %q both answer %s", method, path, pattern, other, response.StatusCode)
				seen[response.StatusCode] = pattern
				declared := operation.Responses.Value(response.StatusCode)
				require.NotNil(t, declared, "%s %s: %s is not declared", method, path, response.StatusCode)
				for parameter := range response.ResponseParameters {
					assert.Contains(t, declared.Value.Headers, strings.TrimPrefix(parameter, "method.response.header."))
				}
			}
		}
	}
}

func TestDocumentNeverTurnsAnErrorIntoSuccess(t *testing.T) {
	doc, err := gateway.Document(args(t))
	require.NoError(t, err)
	responses := mappingOf(t, doc.Paths.Value("/infer").Post).Responses
	assert.Equal(t, "200", responses[`2\d{2}`].StatusCode)
	assert.Equal(t, "500", responses["default"].StatusCode)
	assert.Equal(t, "503", responses["400|429|503"].StatusCode)
	assert.Equal(t, "'60'", responses["400|429|503"].ResponseParameters["method.response.header.Retry-After"])
	for pattern, response := range responses {
		assert.Equal(t, "'https://app.example.com'", response.ResponseParameters["method.response.header.Access-Control-Allow-Origin"], pattern)
	}
}

// Template text is constant but for the request's id and the untouched body.
func TestDocumentHasNoLogicInTemplates(t *testing.T) {
	doc, err := gateway.Document(args(t))
	require.NoError(t, err)
	text, err := doc.MarshalJSON()
	require.NoError(t, err)
	rest := strings.NewReplacer("$context.requestId", "", "$input.body", "", `"$ref"`, "").Replace(string(text))
	assert.NotContains(t, rest, "$")
	assert.NotContains(t, rest, "#set")
	assert.NotContains(t, rest, "#if")
}
