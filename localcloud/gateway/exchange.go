package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxPayload is API Gateway's limit for a body, in bytes; it cannot be raised
// (AWS page "Amazon API Gateway quotas").
const maxPayload = 10 << 20

const applicationJSON = "application/json"

// exchange is one request on its way through the gateway.
type exchange struct {
	gateway *Gateway
	// deployment is nil where the stage does not exist.
	deployment *deployment
	request    *http.Request

	apiID, stage string
	// path is the request's below the stage, still percent-encoded.
	path  string
	began time.Time
	// at is began in AWS time.
	at                           time.Time
	requestID, extendedRequestID string

	// What follows is filled in as it becomes known.
	method      *method
	keyID       string
	failure     *failure
	integration integrationOutcome
}

// answer is an HTTP response, the gateway's or an integration's.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// failure is why the gateway itself answers.
type failure struct {
	response responseType
	// validation says what is wrong with a request; it is empty for other failures.
	validation string
	// integration says what went wrong behind the gateway.
	integration string
	// status is the standard one where that depends on more than the response.
	status int
}

// answer runs the request through API Gateway's order: firewall, route, key,
// throttle and quota, request validation, integration. A failure becomes a gateway
// response.
func (x *exchange) answer() *answer {
	if x.deployment == nil {
		x.failure = &failure{response: accessDenied}
		return (*gatewayResponses)(nil).render(x)
	}
	got, failed := x.run()
	if failed != nil {
		x.failure = failed
		return x.deployment.API.responses.render(x)
	}
	return got
}

func (x *exchange) run() (*answer, *failure) {
	if blocked := x.filter(); blocked != nil {
		return nil, blocked
	}
	x.method = x.deployment.API.match(x.request.Method, x.path)
	if x.method == nil {
		return nil, &failure{response: missingAuthenticationToken}
	}
	var caller *client
	if x.method.apiKeyRequired {
		caller = x.deployment.keys[x.request.Header.Get(apiKeyHeader)]
		if caller == nil || !caller.Enabled {
			return nil, &failure{response: invalidAPIKey}
		}
		x.keyID = caller.ID
	}
	if failed := x.admit(caller); failed != nil {
		return nil, failed
	}
	body, err := x.readBody()
	if err != nil {
		return nil, &failure{response: badRequestBody, validation: "the body could not be read"}
	}
	if len(body) > maxPayload {
		return nil, &failure{response: requestTooLarge}
	}
	mediaType := requestMediaType(x.request.Header)
	if failed := x.method.validate(x.request, mediaType, body); failed != nil {
		return nil, failed
	}
	return x.integrate(mediaType, body)
}

// readBody reads one byte more than is allowed, which tells that there is more.
func (x *exchange) readBody() ([]byte, error) {
	var body bytes.Buffer
	// Length is what the caller claims, or -1.
	if length := x.request.ContentLength; length > 0 && length <= maxPayload {
		body.Grow(int(length) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(x.request.Body, maxPayload+1))
	return body.Bytes(), err
}

// requestMediaType is the request's Content-Type without parameters such as
// charset; a request without one counts as JSON.
func requestMediaType(header http.Header) string {
	value := header.Get("Content-Type")
	if value == "" {
		return applicationJSON
	}
	mediaType, _, err := mime.ParseMediaType(value)
	if err != nil {
		return strings.ToLower(strings.TrimSpace(value))
	}
	return mediaType
}

// validate is the request validator's part. A body is checked against the model
// for its media type; where there is none, it passes, and it is up to the
// integration's passthrough behaviour to refuse the media type.
func (m *method) validate(request *http.Request, mediaType string, body []byte) *failure {
	var missing []string
	for _, p := range m.requiredParameters {
		if p.in == "header" && request.Header.Get(p.name) == "" || p.in == "query" && request.URL.Query().Get(p.name) == "" {
			missing = append(missing, p.name)
		}
	}
	if len(missing) > 0 {
		return &failure{
			response:   badRequestParameters,
			validation: "Missing required request parameters: [" + strings.Join(missing, ", ") + "]",
		}
	}
	model := m.models[mediaType]
	if model == nil {
		return nil
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return &failure{response: badRequestBody, validation: "[the body is not JSON]"}
	}
	if err := model.Validate(instance); err != nil {
		return &failure{response: badRequestBody, validation: describeInvalid(err)}
	}
	return nil
}

// integrate calls what is behind the method and maps its answer.
func (x *exchange) integrate(mediaType string, body []byte) (*answer, *failure) {
	integration := x.method.integration
	content, ok := integration.requestBody(x, mediaType, body)
	if !ok {
		return nil, &failure{response: unsupportedMediaType}
	}
	began := time.Now()
	got, failed := integration.backend.call(x, mediaType, content)
	x.integration.called, x.integration.latency = true, time.Since(began)
	if failed != nil {
		x.integration.err = failed.integration
		return nil, failed
	}
	x.integration.status, x.integration.errorType = got.status, got.header.Get(errorTypeHeader)
	x.integration.requestID = got.header.Get(requestIDHeader)
	if integration.proxy {
		mapped, failed := x.proxyAnswer(got)
		if failed != nil {
			x.integration.err = failed.integration
		}
		return mapped, failed
	}
	for _, response := range integration.responses {
		if response.pattern != nil && response.pattern.MatchString(strconv.Itoa(got.status)) {
			return response.render(x, got), nil
		}
	}
	if integration.defaultResponse == nil {
		return nil, &failure{response: apiConfigurationError, integration: fmt.Sprintf(
			"no selection pattern matches status %d and there is no default response", got.status)}
	}
	return integration.defaultResponse.render(x, got), nil
}

// integrationOutcome is what the access log tells of the integration.
type integrationOutcome struct {
	called bool
	status int
	// function is the status that a function behind a proxy integration wants; 0
	// without one.
	function       int
	latency        time.Duration
	requestID, err string
	// errorType is what the service calls the error that it answered with.
	errorType string
}

// requestBody maps the request's body; it is false where the media type is
// refused (AWS page "Integration passthrough behaviors").
func (i *integration) requestBody(x *exchange, mediaType string, body []byte) ([]byte, bool) {
	if i.proxy {
		return x.proxyEvent(body), true
	}
	if template, ok := i.requestTemplates[mediaType]; ok {
		return template.render(x, body), true
	}
	refused := i.passthrough == passthroughNever ||
		i.passthrough == passthroughWhenNoTemplates && len(i.requestTemplates) > 0
	return body, !refused
}

// call sends the request to the handler that stands for the AWS service and
// waits for its answer, or for the integration's timeout.
func (b *awsBackend) call(x *exchange, mediaType string, body []byte) (*answer, *failure) {
	handler := x.gateway.options.Services[b.service]
	if handler == nil {
		return nil, &failure{response: apiConfigurationError, integration: "the local cloud does not run the service " + b.service}
	}
	ctx, cancel := context.WithTimeout(x.request.Context(), b.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, b.httpMethod, "http://"+b.service+b.path, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{response: apiConfigurationError, integration: err.Error()}
	}
	// Nothing of the caller's own headers reaches an AWS service.
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("User-Agent", "AmazonAPIGateway_"+x.apiID)
	for name, value := range b.headers {
		request.Header.Set(name, value(x, nil))
	}

	got := &answer{header: http.Header{}}
	panicked := serve(handler, got, request)
	// The service sees the deadline too and answers because of it: the timeout
	// comes first.
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &failure{response: integrationTimeout, integration: fmt.Sprintf("no answer within %s", b.timeout)}
	case ctx.Err() != nil:
		return nil, &failure{response: integrationFailure, integration: "the caller has left"}
	case panicked != nil:
		return nil, &failure{response: integrationFailure, integration: fmt.Sprintf("the service failed: %v", panicked)}
	}
	if got.status == 0 {
		got.status = http.StatusOK
	}
	return got, nil
}

// serve has a service answer. One that panics fails this one request.
func serve(service http.Handler, into *answer, request *http.Request) (panicked any) {
	defer func() { panicked = recover() }()
	service.ServeHTTP((*recorder)(into), request)
	return nil
}

// recorder lets a handler write into an answer.
type recorder answer

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, p...)
	return len(p), nil
}
