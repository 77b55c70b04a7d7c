package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// The passthrough behaviours (AWS page "Integration passthrough behaviors").
const (
	passthroughNever           = "never"
	passthroughWhenNoMatch     = "when_no_match"
	passthroughWhenNoTemplates = "when_no_templates"
)

const (
	defaultTimeout = 29 * time.Second
	minTimeout     = 50 * time.Millisecond
	// maxTimeout needs a quota increase on AWS; without one it is the default.
	maxTimeout = 5 * time.Minute
)

// integration is what a method does with a valid request.
type integration struct {
	requestTemplates map[string]*template
	passthrough      string
	// proxy tells that a function gets the whole request and gives the whole
	// response: there are no templates and no responses.
	proxy           bool
	backend         backend
	responses       []*integrationResponse
	defaultResponse *integrationResponse
}

// backend is what stands behind an integration.
type backend interface {
	call(x *exchange, mediaType string, body []byte) (*answer, *failure)
}

// awsBackend is an AWS service reached by path, as in
// arn:aws:apigateway:REGION:runtime.sagemaker:path/endpoints/NAME/invocations.
type awsBackend struct {
	service, path, httpMethod string
	headers                   map[string]value
	timeout                   time.Duration
}

// mockBackend answers with the status that the request template names and an
// empty body.
type mockBackend struct{}

func (mockBackend) call(_ *exchange, _ string, body []byte) (*answer, *failure) {
	status, err := mockStatus(body)
	if err != nil {
		return nil, &failure{response: apiConfigurationError, integration: "the mock integration got no JSON with a statusCode: " + err.Error()}
	}
	return &answer{status: status, header: http.Header{}}, nil
}

func mockStatus(body []byte) (int, error) {
	var request struct {
		StatusCode statusCode `json:"statusCode"`
	}
	err := json.Unmarshal(body, &request)
	if err == nil && request.StatusCode == 0 {
		err = errors.New("statusCode is missing")
	}
	return int(request.StatusCode), err
}

// integrationDocument is x-amazon-apigateway-integration.
type integrationDocument struct {
	Type                string                                 `json:"type"`
	URI                 string                                 `json:"uri"`
	HTTPMethod          string                                 `json:"httpMethod"`
	Credentials         string                                 `json:"credentials"`
	RequestParameters   map[string]string                      `json:"requestParameters"`
	RequestTemplates    map[string]string                      `json:"requestTemplates"`
	PassthroughBehavior string                                 `json:"passthroughBehavior"`
	TimeoutInMillis     *int                                   `json:"timeoutInMillis"`
	Responses           map[string]integrationResponseDocument `json:"responses"`
}

type integrationResponseDocument struct {
	StatusCode         statusCode        `json:"statusCode"`
	ResponseParameters map[string]string `json:"responseParameters"`
	ResponseTemplates  map[string]string `json:"responseTemplates"`
}

// integration compiles the extension of one operation.
func (i *importer) integration(where string, operation *openapi3.Operation) integration {
	var result integration
	extension, ok := operation.Extensions[integrationExtension]
	if !ok {
		i.problem(where, "no integration defined for method: add %s", integrationExtension)
		return result
	}
	var document integrationDocument
	if !i.decode(where, extension, &document) {
		return result
	}
	result.requestTemplates = map[string]*template{}
	for _, mediaType := range sortedKeys(document.RequestTemplates) {
		result.requestTemplates[mediaType] = i.template(where, document.RequestTemplates[mediaType], []string{bodyTemplate, "$context.requestId"})
	}
	switch result.passthrough = strings.ToLower(document.PassthroughBehavior); result.passthrough {
	case passthroughNever, passthroughWhenNoMatch, passthroughWhenNoTemplates:
	case "":
		result.passthrough = passthroughWhenNoMatch
	default:
		i.problem(where, "passthroughBehavior is %q: allowed are never, when_no_match and when_no_templates", document.PassthroughBehavior)
	}
	switch strings.ToLower(document.Type) {
	case "aws":
		result.backend = i.awsBackend(where, document)
	case "mock":
		result.backend = mockBackend{}
		i.checkMock(where, document)
	case "aws_proxy":
		result.proxy, result.backend = true, i.proxy(where, document)
		return result
	default:
		i.problem(where, "integration type %q is not served: allowed are aws, aws_proxy and mock", document.Type)
	}
	i.integrationResponses(where, operation, document, &result)
	return result
}

// serviceARN takes an integration URI apart; the groups are the service and the
// path with its leading slash. Path parameters and stage variables in it are not
// served.
var serviceARN = regexp.MustCompile(`^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:([a-z0-9.-]+):path((?:/[A-Za-z0-9_.~-]+)+)$`)

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/.+$`)

// sageMakerRuntime is the only service that this gateway can reach without a
// function.
const sageMakerRuntime = "runtime.sagemaker"

func (i *importer) awsBackend(where string, document integrationDocument) backend {
	result := &awsBackend{httpMethod: document.HTTPMethod, headers: map[string]value{}}
	if parts := serviceARN.FindStringSubmatch(document.URI); parts == nil {
		i.problem(where, "uri is %q: it must be arn:PARTITION:apigateway:REGION:SERVICE:path/PATH, without variables or empty segments", document.URI)
	} else if result.service, result.path = parts[1], parts[2]; result.service != sageMakerRuntime {
		i.problem(where, "uri names the service %q: this gateway reaches %s only", result.service, sageMakerRuntime)
	}
	if document.HTTPMethod != http.MethodPost {
		i.problem(where, "httpMethod is %q: an aws integration needs POST", document.HTTPMethod)
	}
	if !roleARN.MatchString(document.Credentials) {
		i.problem(where, "credentials is %q: it must be the ARN of the role that API Gateway assumes, arn:PARTITION:iam::ACCOUNT:role/NAME", document.Credentials)
	}
	result.timeout = i.timeout(where, document)
	for _, target := range sortedKeys(document.RequestParameters) {
		header, ok := strings.CutPrefix(target, "integration.request.header.")
		if !ok {
			i.problem(where, "request parameter %q is not served: allowed is integration.request.header.NAME", target)
			continue
		}
		result.headers[http.CanonicalHeaderKey(header)] = i.value(where, target, document.RequestParameters[target], false)
	}
	return result
}

// timeout is how long the integration may take.
func (i *importer) timeout(where string, document integrationDocument) time.Duration {
	if document.TimeoutInMillis == nil {
		return defaultTimeout
	}
	timeout := time.Duration(*document.TimeoutInMillis) * time.Millisecond
	if timeout < minTimeout || timeout > maxTimeout {
		i.problem(where, "timeoutInMillis is %d: it must be from 50 to 29000, or to 300000 where the account's quota is raised", *document.TimeoutInMillis)
	}
	return timeout
}

// checkMock refuses what could only fail when it is called.
func (i *importer) checkMock(where string, document integrationDocument) {
	for _, field := range []struct{ name, value string }{{"uri", document.URI}, {"credentials", document.Credentials}} {
		if field.value != "" {
			i.problem(where, "a mock integration has no %s", field.name)
		}
	}
	if len(document.RequestParameters) > 0 || document.TimeoutInMillis != nil {
		i.problem(where, "a mock integration has no requestParameters and no timeoutInMillis")
	}
	if len(document.RequestTemplates) == 0 {
		i.problem(where, `a mock integration needs a request template such as {"statusCode": 204} for %s`, applicationJSON)
	}
	for _, mediaType := range sortedKeys(document.RequestTemplates) {
		if _, err := mockStatus([]byte(document.RequestTemplates[mediaType])); err != nil {
			i.problem(where, `the request template of a mock integration must be JSON with a statusCode, such as {"statusCode": 204}: %v`, err)
		}
	}
}

// integrationResponses compiles the responses and checks them against those that
// the operation declares, as API Gateway does.
func (i *importer) integrationResponses(where string, operation *openapi3.Operation, document integrationDocument, result *integration) {
	if len(document.Responses) == 0 {
		i.problem(where, "the integration has no responses: every answer would be 500; add at least \"default\"")
	}
	answered := map[int]string{}
	for _, pattern := range sortedKeys(document.Responses) {
		response := i.integrationResponse(where+" response "+pattern, operation, document.Responses[pattern])
		// PutIntegrationResponse is addressed by the status that the caller gets.
		if other, taken := answered[response.status]; taken {
			i.problem(where, "responses %q and %q both answer %d: API Gateway keeps one integration response per status", other, pattern, response.status)
		}
		answered[response.status] = pattern
		if pattern == "default" {
			result.defaultResponse = response
			continue
		}
		compiled, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			i.problem(where, "selectionPattern %q does not compile: %v", pattern, err)
			continue
		}
		response.pattern = compiled
		for _, other := range result.responses {
			if status := bothMatch(other.pattern, compiled); status != "" {
				i.problem(where, "selection pattern %q matches status %s, which another pattern matches too: AWS does not say which one wins", pattern, status)
			}
		}
		result.responses = append(result.responses, response)
	}
}

func (i *importer) integrationResponse(where string, operation *openapi3.Operation, document integrationResponseDocument) *integrationResponse {
	response := &integrationResponse{status: int(document.StatusCode), headers: map[string]value{}}
	declared := operation.Responses.Status(response.status)
	if declared == nil || declared.Value == nil {
		i.problem(where, "no method response exists for method: declare %d in the operation's responses", response.status)
	}
	for _, target := range sortedKeys(document.ResponseParameters) {
		header, ok := strings.CutPrefix(target, "method.response.header.")
		if !ok {
			i.problem(where, "response parameter %q is not served: allowed is method.response.header.NAME", target)
			continue
		}
		if declared != nil && declared.Value != nil && !declares(declared.Value, header) {
			i.problem(where, "invalid mapping expression parameter specified: %s; declare the header %s in the operation's response %d", target, header, response.status)
		}
		response.headers[http.CanonicalHeaderKey(header)] = i.value(where, target, document.ResponseParameters[target], true)
	}
	response.body = i.jsonTemplate(where, document.ResponseTemplates, []string{"$context.requestId"})
	return response
}

func declares(response *openapi3.Response, header string) bool {
	for name := range response.Headers {
		if strings.EqualFold(name, header) {
			return true
		}
	}
	return false
}

// bothMatch returns a status that both patterns match, or "".
func bothMatch(a, b *regexp.Regexp) string {
	for status := 100; status < 600; status++ {
		text := strconv.Itoa(status)
		if a.MatchString(text) && b.MatchString(text) {
			return text
		}
	}
	return ""
}
