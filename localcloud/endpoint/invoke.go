package endpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"scaletozero/localcloud/faults"
)

const (
	// maxPayload is the largest body that InvokeEndpoint takes, in bytes.
	maxPayload = 6291456

	variant = "AllTraffic"
)

// SageMaker's headers, in Go's spelling: net/http would make it anew of another
// one each time.
const (
	attributesHeader = "X-Amzn-Sagemaker-Custom-Attributes"
	componentHeader  = "X-Amzn-Sagemaker-Inference-Component"
	errorTypeHeader  = "X-Amzn-Errortype"
	requestIDHeader  = "X-Amzn-Requestid"
	variantHeader    = "X-Amzn-Invoked-Production-Variant"
)

// passedOn are the headers that SageMaker hands on to the container; it strips
// all others (API reference, InvokeEndpoint).
var passedOn = []string{"Content-Type", "Accept", attributesHeader}

// returned are the headers of the container that the caller gets to see.
var returned = []string{"Content-Type", attributesHeader}

// failure is an error as the service's protocol, REST JSON, writes it.
type failure struct {
	status int
	// errorType goes into the x-amzn-ErrorType header.
	errorType string
	body      failureBody
}

type failureBody struct {
	ErrorCode          string `json:",omitempty"`
	LogStreamArn       string `json:",omitempty"`
	Message            string
	OriginalMessage    string `json:",omitempty"`
	OriginalStatusCode *int   `json:",omitempty"`
}

func validationError(message string) *failure {
	return &failure{status: http.StatusBadRequest, errorType: "ValidationError", body: failureBody{Message: message}}
}

// ServeHTTP answers POST /endpoints/{EndpointName}/invocations with the header
// X-Amzn-SageMaker-Inference-Component, the wire form of InvokeEndpoint.
// Requests need no signature.
func (r *Runtime) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set(requestIDHeader, rand.Text())
	response, failed := r.invoke(w, req)
	if failed != nil {
		w.Header().Set(errorTypeHeader, failed.errorType)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(failed.status)
		if err := json.NewEncoder(w).Encode(failed.body); err != nil {
			r.options.Logger.Debug("the caller left before the answer", "error", err)
		}
		return
	}
	for _, name := range returned {
		if value := response.header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set(variantHeader, variant)
	if _, err := w.Write(response.body); err != nil {
		r.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}

var errClosed = errors.New("the local endpoint runtime is closed")

// answer is what a container said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// invoke checks the request in the service's order, endpoint before component
// before capacity, and has one copy answer it.
func (r *Runtime) invoke(w http.ResponseWriter, req *http.Request) (*answer, *failure) {
	endpoint, isInvocation := endpointIn(req.URL.Path)
	if !isInvocation || req.Method != http.MethodPost {
		return nil, &failure{http.StatusNotFound, "UnknownOperationException", failureBody{
			Message: fmt.Sprintf("%s %s is no operation of this service: the only one is POST /endpoints/{EndpointName}/invocations", req.Method, req.URL.Path),
		}}
	}
	name := req.Header.Get(componentHeader)
	target, exists := r.find(endpoint, name)
	switch {
	case !exists:
		return nil, validationError(fmt.Sprintf("Endpoint %s of account %s not found.", endpoint, r.options.Account))
	case name == "":
		failed := validationError("Inference Component Name header is required for endpoints to which you plan to deploy inference components. " +
			"Please include Inference Component Name header or consider using SageMaker models.")
		failed.body.ErrorCode = "INFERENCE_COMPONENT_NAME_MISSING"
		return nil, failed
	case target == nil:
		// The service's own wording is not public; the status and type are.
		return nil, validationError(fmt.Sprintf("Inference Component %s of account %s not found.", name, r.options.Account))
	}
	body, err := readAll(http.MaxBytesReader(w, req.Body, maxPayload), req.ContentLength)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &failure{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", failureBody{
			Message: fmt.Sprintf("The body is larger than %d bytes.", maxPayload),
		}}
	} else if err != nil {
		return nil, validationError("The body could not be read: " + err.Error())
	}
	if failed := r.fault(name); failed != nil {
		return nil, failed
	}
	return r.ask(req, target, endpoint, name, body)
}

// endpointIn is the endpoint's name in /endpoints/{EndpointName}/invocations, and
// whether the path has this form.
func endpointIn(path string) (name string, ok bool) {
	name, isEndpoint := strings.CutPrefix(path, "/endpoints/")
	name, isInvocation := strings.CutSuffix(name, "/invocations")
	return name, isEndpoint && isInvocation && name != "" && !strings.Contains(name, "/")
}

// fault is the answer of a service that fails on demand, or nil.
func (r *Runtime) fault(component string) *failure {
	if r.options.Faults.Happens(faults.Throttling, component) {
		return &failure{http.StatusTooManyRequests, "ThrottlingException", failureBody{Message: "Rate exceeded"}}
	}
	switch r.options.Faults.ServiceStatus(component) {
	case http.StatusInternalServerError:
		return &failure{http.StatusInternalServerError, "InternalFailure", failureBody{Message: "An internal failure occurred."}}
	case http.StatusServiceUnavailable:
		return &failure{http.StatusServiceUnavailable, "ServiceUnavailable", failureBody{Message: "The service is temporarily unavailable."}}
	}
	return nil
}

// ask sends the request to a copy. Everything but a 2xx answer is a ModelError.
func (r *Runtime) ask(req *http.Request, target *component, endpoint, name string, body []byte) (*answer, *failure) {
	chosen, process, inService := target.acquire()
	if chosen == nil {
		r.options.Metric(MetricNoCapacity, componentDimension(name), 1)
		return nil, validationError("Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress " +
			"(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API.")
	}
	defer chosen.release()
	ctx, cancel := context.WithTimeout(req.Context(), r.options.InvocationTimeout)
	defer cancel()
	begun := time.Now()
	got, err := r.post(ctx, req.Header, name, process, body)
	r.measure(endpoint, name, inService, got, err, time.Since(begun))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, r.modelError(name, 0, "Your invocation timed out while waiting for a response from container primary. "+
			"Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.")
	case err != nil:
		r.options.Logger.Warn("a model copy broke off an invocation", "component", name, "error", err)
		return nil, r.modelError(name, 0, fmt.Sprintf("Amazon SageMaker could not get a response from the %s endpoint. "+
			"This can occur when CPU or memory utilization is high. To check your utilization, see Amazon CloudWatch. "+
			"To fix this problem, use an instance type with more CPU capacity or memory.", endpoint))
	case !got.ok():
		return nil, r.modelError(name, got.status, string(got.body))
	}
	return got, nil
}

func (r *Runtime) post(ctx context.Context, header http.Header, component string, process Process, body []byte) (*answer, error) {
	if r.options.Faults.Happens(faults.ModelHang, component) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ctx.Done():
			return nil, errClosed
		}
	}
	if r.options.Faults.Happens(faults.ModelCrash, component) {
		process.Kill()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+loopback+"/invocations", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, name := range passedOn {
		if value := header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := process.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := readAll(response.Body, response.ContentLength)
	if err != nil {
		return nil, err
	}
	return &answer{response.StatusCode, response.Header, content}, nil
}

// readAll reads a body that says how many bytes it has, or -1.
func readAll(body io.Reader, length int64) ([]byte, error) {
	var content bytes.Buffer
	content.Grow(int(min(max(length, 0), maxPayload)) + bytes.MinRead)
	_, err := content.ReadFrom(body)
	return content.Bytes(), err
}

// modelError is the service's answer where the container failed; a status of 0
// stands for no answer at all.
func (r *Runtime) modelError(component string, status int, message string) *failure {
	side := "server"
	if status >= 400 && status < 500 {
		side = "client"
	}
	group := "/aws/sagemaker/InferenceComponents/" + component
	console := fmt.Sprintf("https://%[1]s.console.aws.amazon.com/cloudwatch/home?region=%[1]s#logEventViewer:group=%[2]s", r.options.Region, group)
	return &failure{http.StatusFailedDependency, "ModelError", failureBody{
		Message: fmt.Sprintf("Received %s error (%d) from primary with message %q. See %s in account %s for more information.",
			side, status, message, console, r.options.Account),
		OriginalMessage:    message,
		OriginalStatusCode: &status,
		LogStreamArn:       fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", r.options.Region, r.options.Account, group),
	}}
}
