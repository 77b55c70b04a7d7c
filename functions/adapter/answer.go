package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"scaletozero/functions/proxy"
)

const (
	// gatewayLimit is the longest that API Gateway waits for an integration (API
	// Gateway quotas). An init phase before the invocation counts in it, and not in
	// the function's time-out.
	gatewayLimit = 29 * time.Second
	// margin is kept of either limit, for the answer's way back: past it the
	// caller would get Lambda's or API Gateway's own answer.
	margin = 500 * time.Millisecond
	// retryAfter is how many seconds a caller of a starting model is told to wait.
	// It is short, since the model gets on during invocations only.
	retryAfter = 5
	// prompt is how soon after the caller a model is asked that had nothing to wait
	// for.
	prompt = time.Second
)

// exposedHeaders may be read by browsers across origins.
const exposedHeaders = "Location,Retry-After,X-Upstream-Error,x-amzn-RequestId"

// problem is an answer to a request that has none of the model's, in the words
// of the gateway in front of endpoints.
type problem struct {
	status        int
	code, message string
	// upstream is what SageMaker calls the error (InvokeEndpoint in the SageMaker
	// runtime API reference), where it is one of the model's.
	upstream string
}

var (
	notJSON     = problem{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "Send the body as application/json.", ""}
	notReady    = problem{http.StatusServiceUnavailable, "ModelStarting", "The model is starting. Try again after the time in Retry-After.", "ModelNotReadyException"}
	modelFailed = problem{http.StatusBadGateway, "ModelError", "The model failed to answer this request.", "ModelError"}
	tooSlow     = problem{http.StatusGatewayTimeout, "UpstreamTimeout", "The model did not answer in time.", ""}
)

// adapter answers invocations for a model.
type adapter struct {
	// model is the one that was started last.
	model atomic.Pointer[model]
	// start starts another.
	start       func() (*model, error)
	allowOrigin string
	log         *slog.Logger
}

// answer is the function's handler. A nil error whatever happens: what Lambda
// makes of an error would reach the caller without CORS headers.
func (a *adapter) answer(ctx context.Context, event events.APIGatewayProxyRequest) (*response, error) {
	log := a.log.With("request", event.RequestContext.RequestID)
	reply, err := a.ask(ctx, event)
	text := marshal(reply)
	if len(text) > maxAnswer {
		err = errTooLarge
		text = marshal(a.refuse(modelFailed, event))
	}
	if err != nil {
		log.ErrorContext(ctx, "the model failed to answer", "error", err.Error())
	}
	return &response{bytes.NewReader(text)}, nil
}

// response is an answer on its way out. Its field is not exported, since the
// Lambda library hands on a reader as it is only if it has no JSON.
type response struct{ text *bytes.Reader }

func (r *response) Read(p []byte) (int, error) { return r.text.Read(p) }

// ContentType is asked for by the Lambda library.
func (r *response) ContentType() string { return jsonType }

// ask returns the reply, and what is to be logged of a model that failed.
func (a *adapter) ask(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	if !isJSON(event) {
		return a.refuse(notJSON, event), nil
	}
	began := time.Now()
	if asked := event.RequestContext.RequestTimeEpoch; asked != 0 {
		began = time.UnixMilli(asked)
	}
	ctx, cancel := context.WithDeadline(ctx, limit(ctx, event))
	defer cancel()
	m, err := a.running(ctx)
	if err != nil {
		return a.refuse(modelFailed, event), err
	}
	switch m.await(after(ctx)) {
	case starting:
		return a.refuse(notReady, event), nil
	case died:
		return a.refuse(modelFailed, event), errors.New("the model has ended: " + m.status)
	case ready:
	}
	late := time.Since(began) > prompt
	answer, err := m.invoke(ctx, []byte(proxy.Body(event)))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		// One that was asked late need not hang: it, or Lambda, took a part of the
		// time to start. It has all of it for the next request; to end it would be to
		// begin each request with a start.
		if !late {
			m.end()
		}
		return a.refuse(tooSlow, event), errors.New("the model did not answer in time")
	case err != nil:
		return a.refuse(modelFailed, event), err
	}
	headers := a.headers()
	// API Gateway's own, where the function names none.
	headers["Content-Type"] = cmp.Or(answer.contentType, jsonType)
	return events.APIGatewayProxyResponse{StatusCode: http.StatusOK, Headers: headers, Body: answer.body}, nil
}

// running returns the model to ask, which is a new one if the last has ended or been
// ended. So a model is started once an invocation, whatever becomes of it, and
// never beside another, whose port it would want.
func (a *adapter) running(ctx context.Context) (*model, error) {
	m := a.model.Load()
	if m.ended {
		select {
		case <-m.died:
		case <-ctx.Done():
		}
	}
	if !closed(m.died) {
		return m, nil
	}
	a.log.InfoContext(ctx, "the model is started again")
	started, err := a.start()
	if err != nil {
		return nil, err
	}
	a.model.Store(started)
	return started, nil
}

// after is a timer for what is left of a context's time.
func after(ctx context.Context) <-chan time.Time {
	deadline, _ := ctx.Deadline()
	return time.After(time.Until(deadline))
}

// limit is when an answer must be on its way.
func limit(ctx context.Context, event events.APIGatewayProxyRequest) time.Time {
	deadline, _ := ctx.Deadline()
	// Only API Gateway says when it was asked.
	if asked := event.RequestContext.RequestTimeEpoch; asked != 0 {
		if gateway := time.UnixMilli(asked).Add(gatewayLimit); gateway.Before(deadline) {
			deadline = gateway
		}
	}
	return deadline.Add(-margin)
}

func isJSON(event events.APIGatewayProxyRequest) bool {
	media, _, err := mime.ParseMediaType(proxy.Headers(event)["content-type"])
	return err == nil && media == jsonType
}

func (a *adapter) headers() map[string]string {
	return map[string]string{
		"Access-Control-Allow-Origin":   a.allowOrigin,
		"Access-Control-Expose-Headers": exposedHeaders,
		"Content-Type":                  jsonType,
	}
}

// refuse is the same shape as the errors of the gateway in front.
func (a *adapter) refuse(p problem, event events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	headers := a.headers()
	if p.upstream != "" {
		headers["X-Upstream-Error"] = p.upstream
	}
	if p.status == http.StatusServiceUnavailable {
		headers["Retry-After"] = strconv.Itoa(retryAfter)
	}
	return events.APIGatewayProxyResponse{StatusCode: p.status, Headers: headers, Body: string(marshal(struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}{p.message, p.code, event.RequestContext.RequestID}))}
}

func marshal(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // It is no HTML, and would be larger.
	if err := encoder.Encode(value); err != nil {
		// Strings and numbers always marshal.
		panic(fmt.Sprintf("answer: %v", err))
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
