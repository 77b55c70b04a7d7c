package judges

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiJob is what apigateway.py takes: a document, and what to ask of the API
// that comes of it.
type apiJob struct {
	Document map[string]any `json:"document"`
	Calls    []apiCall      `json:"calls,omitempty"`
}

type apiCall struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Key says that the API's own key is sent.
	Key bool `json:"key,omitempty"`
}

type answer struct {
	Status int
	// Headers are by name in small letters.
	Headers map[string]string
	Body    string
}

// emulate imports the documents into an emulator, "localstack" or "moto".
func emulate(t *testing.T, emulator string, jobs map[string]apiJob) map[string]*readBack {
	t.Helper()
	found := map[string]*readBack{}
	exchange(t, inPython(t, python, "python", "apigateway.py", emulator), jobs, &found)
	require.Len(t, found, len(jobs))
	return found
}

// documents are the API's documents as they are sent, by stack.
func documents(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, stack := range stacks {
		found[stack] = graphs(t)[stack].restAPIBody(t)
	}
	return found
}

// refusals are calls that API Gateway answers by itself, and what they must get.
func refusals(t *testing.T, document map[string]any) (calls []apiCall, want []answer) {
	t.Helper()
	forbidden := answer{Status: http.StatusForbidden, Headers: map[string]string{"x-amzn-errortype": "ForbiddenException"}}
	invalid := answer{Status: http.StatusBadRequest, Headers: map[string]string{"x-amzn-errortype": "BadRequestException"}}
	ask := func(call apiCall, reply answer) { calls, want = append(calls, call), append(want, reply) }
	body := map[string]string{"content-type": jsonType}
	for path, routes := range document["paths"].(map[string]any) {
		url := strings.ReplaceAll(path, "{id}", "1")
		for name, route := range routes.(map[string]any) {
			method, route := strings.ToUpper(name), route.(map[string]any)
			if method == http.MethodOptions {
				ask(apiCall{Method: method, Path: url}, preflight(t, route))
				continue
			}
			ask(apiCall{Method: method, Path: url, Headers: body}, forbidden)
			ask(apiCall{Method: method, Path: url, Headers: map[string]string{"x-api-key": "not-a-key-of-this-api-at-all"}}, forbidden)
			if route["requestBody"] != nil {
				ask(apiCall{Method: method, Path: url, Headers: body, Body: "{}", Key: true}, invalid)
				ask(apiCall{Method: method, Path: url, Headers: body, Body: "{", Key: true}, invalid)
			}
		}
	}
	ask(apiCall{Method: http.MethodGet, Path: "/no/such/path", Key: true},
		answer{Status: http.StatusForbidden, Headers: map[string]string{"x-amzn-errortype": "MissingAuthenticationTokenException"}})
	return calls, want
}

// preflight is the answer that the document gives a browser's question.
func preflight(t *testing.T, route map[string]any) answer {
	t.Helper()
	reply := at(t, route, "x-amazon-apigateway-integration", "responses", "default")
	want := answer{Status: http.StatusNoContent, Headers: map[string]string{}}
	for name, value := range at(t, reply, "responseParameters") {
		header := strings.ToLower(strings.TrimPrefix(name, "method.response.header."))
		want.Headers[header] = strings.Trim(value.(string), "'")
	}
	require.NotEmpty(t, want.Headers)
	return want
}

func TestLocalStackReadsTheDocumentAsMeant(t *testing.T) {
	installed(t, python)
	request, err := os.ReadFile(filepath.Join("..", "..", "model", "request.json"))
	require.NoError(t, err)
	accepted := apiCall{
		Method: http.MethodPost, Path: "/infer", Headers: map[string]string{"content-type": jsonType}, Body: string(request), Key: true,
	}
	jobs, want := map[string]apiJob{}, map[string][]answer{}
	for stack, document := range documents(t) {
		calls, answers := refusals(t, document)
		jobs[stack], want[stack] = apiJob{document, append(calls, accepted)}, answers
	}
	for stack, read := range emulate(t, "localstack", jobs) {
		t.Run(stack, func(t *testing.T) {
			got := read.facts(t)
			assert.Empty(t, read.Warnings)
			assert.Empty(t, differences(ofDocument(t, jobs[stack].Document), got, inLocalStack))
			assert.Empty(t, open(got))
			require.Len(t, read.Answers, len(want[stack])+1)
			for i, expected := range want[stack] {
				assert.Equal(t, expected.Status, read.Answers[i].Status, "%+v", jobs[stack].Calls[i])
				assert.Subset(t, read.Answers[i].Headers, expected.Headers, "%+v", jobs[stack].Calls[i])
			}
			// What is behind the API is not there, but the key and the body
			// must have been taken.
			last := read.Answers[len(want[stack])].Status
			assert.NotContains(t, []int{http.StatusBadRequest, http.StatusForbidden}, last)
		})
	}
}

func TestMotoReadsTheIntegrationsAsMeant(t *testing.T) {
	installed(t, python)
	jobs := map[string]apiJob{}
	for stack, document := range documents(t) {
		for _, routes := range document["paths"].(map[string]any) {
			// moto cannot import an integration that has no URI.
			delete(routes.(map[string]any), "options")
		}
		jobs[stack] = apiJob{Document: document}
	}
	for stack, read := range emulate(t, "moto", jobs) {
		assert.Empty(t, differences(ofDocument(t, jobs[stack].Document), read.facts(t), inMoto), stack)
	}
	t.Run("notices another role", func(t *testing.T) {
		spoilt := copied(t, jobs["prod"].Document)
		at(t, spoilt, "paths", "/infer", "post", "x-amazon-apigateway-integration")["credentials"] = "arn:aws:iam::" + account + ":role/admin"
		read := emulate(t, "moto", map[string]apiJob{"spoilt": {Document: spoilt}})["spoilt"]
		assert.Contains(t, strings.Join(differences(ofDocument(t, jobs["prod"].Document), read.facts(t), inMoto), "\n"),
			"credentials of POST /infer is arn:aws:iam::123456789012:role/admin")
	})
}

// What LocalStack's reading must show of a document that was tampered with.
func TestLocalStackNotices(t *testing.T) {
	installed(t, python)
	post := []string{"paths", "/infer", "post"}
	call := slices.Concat(post, []string{"x-amazon-apigateway-integration"})
	tests := map[string]struct {
		spoil func(t *testing.T, document map[string]any)
		want  string
	}{
		"a route without a key": {func(t *testing.T, d map[string]any) {
			delete(at(t, d, post...), "security")
		}, "POST /infer needs no key"},
		"a key at the root only": {func(t *testing.T, d map[string]any) {
			d["security"] = at(t, d, post...)["security"]
			delete(at(t, d, post...), "security")
		}, "POST /infer needs no key"},
		"a body that is not checked": {func(t *testing.T, d map[string]any) {
			at(t, d, "x-amazon-apigateway-request-validators", "all")["validateRequestBody"] = false
		}, "validator of POST /infer is {false true}"},
		"another endpoint": {func(t *testing.T, d map[string]any) {
			at(t, d, call...)["uri"] = "arn:aws:apigateway:ap-northeast-1:runtime.sagemaker:path/endpoints/other/invocations"
		}, "integration of POST /infer"},
		"a reply that is lost": {func(t *testing.T, d map[string]any) {
			replies := at(t, at(t, d, call...), "responses")
			replies["424"].(map[string]any)["statusCode"] = "500"
		}, "integration response of POST /infer 502"},
		"another schema": {func(t *testing.T, d map[string]any) {
			at(t, d, "components", "schemas", "InferRequest")["required"] = []any{}
		}, "schema of InferRequest"},
		"another gateway response": {func(t *testing.T, d map[string]any) {
			at(t, d, "x-amazon-apigateway-gateway-responses", "THROTTLED")["statusCode"] = "200"
		}, "gateway response of THROTTLED"},
		"a gateway response that does not exist": {func(t *testing.T, d map[string]any) {
			replies := at(t, d, "x-amazon-apigateway-gateway-responses")
			replies["THROTTELED"] = replies["THROTTLED"]
		}, "ValidationException"},
		"a mapping that is no text": {func(t *testing.T, d map[string]any) {
			at(t, at(t, d, call...), "requestParameters")["integration.request.header.Accept"] = true
		}, "Invalid format for 'requestParameters'"},
	}
	jobs := map[string]apiJob{}
	for name, test := range tests {
		document := documents(t)["prod"]
		test.spoil(t, document)
		jobs[name] = apiJob{Document: document}
	}
	good := ofDocument(t, documents(t)["prod"])
	for name, read := range emulate(t, "localstack", jobs) {
		complaints := append([]string{read.Error}, read.Warnings...)
		if read.Error == "" {
			got := read.facts(t)
			complaints = append(append(complaints, open(got)...), differences(good, got, inLocalStack)...)
		}
		assert.Contains(t, strings.Join(complaints, "\n"), tests[name].want, name)
	}
}

// validated is what an OpenAPI validator finds wrong with documents.
func validated(t *testing.T, documents map[string]map[string]any) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	exchange(t, inPython(t, python, "python", "openapi.py"), documents, &found)
	require.Len(t, found, len(documents))
	return found
}

func TestDocumentIsOpenAPI(t *testing.T) {
	installed(t, python)
	for stack, problems := range validated(t, documents(t)) {
		assert.Empty(t, problems, stack)
	}
}

func TestOpenAPIValidatorNotices(t *testing.T) {
	installed(t, python)
	tests := map[string]struct {
		spoil func(t *testing.T, document map[string]any)
		want  string
	}{
		"no responses": {func(t *testing.T, d map[string]any) {
			delete(at(t, d, "paths", "/infer", "post"), "responses")
		}, "'responses' is a required property"},
		"a path's parameter that is not declared": {func(t *testing.T, d map[string]any) {
			delete(at(t, d, "paths", "/jobs/{id}", "get"), "parameters")
		}, "Path parameter 'id'"},
		"an operation twice": {func(t *testing.T, d map[string]any) {
			at(t, d, "paths", "/jobs", "post")["operationId"] = "infer"
		}, "Operation ID 'infer'"},
	}
	spoilt := map[string]map[string]any{}
	for name, test := range tests {
		spoilt[name] = documents(t)["prod"]
		test.spoil(t, spoilt[name])
	}
	for name, problems := range validated(t, spoilt) {
		assert.Contains(t, strings.Join(problems, "\n"), tests[name].want, name)
	}
}
