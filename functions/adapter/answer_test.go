package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
)

// behind is an adapter in front of a model that is ready.
func behind(t *testing.T, handler http.HandlerFunc) *adapter {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	m := newModel(server.URL, newTransport())
	close(m.ready)
	return inFront(m)
}

// inFront is an adapter that starts no other model.
func inFront(m *model) *adapter {
	a := &adapter{allowOrigin: "*", log: slog.New(slog.DiscardHandler)}
	a.model.Store(m)
	return a
}

// replyTo is what Lambda gets.
func (a *adapter) replyTo(ctx context.Context, t *testing.T, event events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	response, err := a.answer(ctx, event)
	require.NoError(t, err)
	text, err := io.ReadAll(response)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(text), maxAnswer)
	var reply events.APIGatewayProxyResponse
	require.NoError(t, json.Unmarshal(text, &reply))
	return reply
}

func TestAnswers(t *testing.T) {
	const plain = "text/plain; charset=utf-8"
	answers := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		model             http.HandlerFunc
		status            int
		contentType, body string // of a 200
	}{
		"JSON":               {answers(200, "application/json", `{"<n>":1}`), 200, "application/json", `{"<n>":1}`},
		"text":               {answers(200, plain, "曲 😀"), 200, plain, "曲 😀"},
		"created":            {answers(201, "application/json", `1`), 200, "application/json", `1`},
		"nothing":            {answers(204, "", ""), 200, "application/json", ""},
		"no type":            {answers(200, "", "a"), 200, "application/json", "a"},
		"as large as can be": {answers(200, plain, strings.Repeat("x", maxAnswer-300)), 200, plain, strings.Repeat("x", maxAnswer-300)},
		"refused":            {answers(400, "application/json", `{"message":"no"}`), 502, "", ""},
		"failed":             {answers(500, plain, "oops"), 502, "", ""},
		"unavailable":        {answers(503, plain, "busy"), 502, "", ""},
		"sent elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/ping", http.StatusTemporaryRedirect)
		}, 502, "", ""},
		"too large":         {answers(200, plain, strings.Repeat("x", maxAnswer+1)), 502, "", ""},
		"too large as JSON": {answers(200, plain, strings.Repeat("\"", 4<<20)), 502, "", ""},
		"no text":           {answers(200, "image/png", "\x89PNG\xff"), 502, "", ""},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "1")
		}, 502, "", ""},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			reply := behind(t, test.model).replyTo(t.Context(), t, eventOf(`{}`))
			require.Equal(t, test.status, reply.StatusCode)
			assert.Equal(t, "*", reply.Headers["Access-Control-Allow-Origin"])
			assert.False(t, reply.IsBase64Encoded)
			if test.status == http.StatusOK {
				assert.Equal(t, test.contentType, reply.Headers["Content-Type"])
				assert.Len(t, reply.Body, len(test.body))
				assert.Equal(t, test.body[:min(len(test.body), 100)], reply.Body[:min(len(reply.Body), 100)])
			} else {
				assert.Contains(t, reply.Body, `"code":"ModelError"`)
			}
		})
	}
}

func TestWhatTheModelIsAsked(t *testing.T) {
	var got *http.Request
	var body string
	a := behind(t, func(_ http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got, body = r, string(content)
	})
	assert.Equal(t, 200, a.replyTo(t.Context(), t, eventOf(`{"n":1}`)).StatusCode)
	assert.Equal(t, "POST /invocations", got.Method+" "+got.URL.String())
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	assert.Equal(t, "application/json", got.Header.Get("Accept"))
	assert.Equal(t, `{"n":1}`, body)
	assert.True(t, got.Close, "what Lambda has halted in between is not used again")
	assert.Empty(t, got.Header["Accept-Encoding"], "an answer comes as it goes on")
}

func TestOtherTypesThanJSONDoNotReachTheModel(t *testing.T) {
	a := behind(t, func(http.ResponseWriter, *http.Request) { t.Error("the model was asked") })
	for _, headers := range []map[string]string{
		nil, {"Content-Type": "text/plain"}, {"Content-Type": "application/json/x"}, {"CONTENT-TYPE": "application/x-www-form-urlencoded"}, {"Accept": "application/json"},
	} {
		event := eventOf(`{}`)
		event.Headers = headers
		reply := a.replyTo(t.Context(), t, event)
		assert.Equal(t, 415, reply.StatusCode, "%v", headers)
		assert.Contains(t, reply.Body, `"code":"UnsupportedMediaType"`)
	}
}

// A caller sees the same errors whether the gateway or the adapter writes them.
func TestErrorsAreTheGateways(t *testing.T) {
	scope := arn.Scope{Partition: "aws", Region: "us-east-1", AccountID: "123456789012"}
	schema, err := gateway.ParseSchema([]byte(`{"type":"object"}`))
	require.NoError(t, err)
	document, err := gateway.Document(&gateway.Args{
		Scope: scope, APIName: "songs", StageName: "dev", AllowOrigin: "*", CredentialsArn: scope.Role("songs"),
		APIKeys: []gateway.APIKey{{Name: "a", Enabled: true}}, RateLimit: 1, BurstLimit: 1, MonthlyQuota: 1, LogRetentionDays: 7,
		Routes: []gateway.Route{{
			Method: http.MethodPost, Path: "/infer", OperationID: "infer", Request: schema,
			Endpoint: gateway.SageMaker{EndpointName: "e", InferenceComponentName: "c"},
		}},
	})
	require.NoError(t, err)
	// answer is a response of either kind in the document.
	type answer struct {
		StatusCode         string
		ResponseParameters map[string]string
		ResponseTemplates  map[string]string
	}
	read := func(extension any, into any) {
		text, err := json.Marshal(extension)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, into))
	}
	var integration struct{ Responses map[string]answer }
	read(document.Paths.Value("/infer").Post.Extensions["x-amazon-apigateway-integration"], &integration)
	var own map[string]answer
	read(document.Extensions["x-amazon-apigateway-gateway-responses"], &own)

	a := &adapter{allowOrigin: "*"}
	for name, test := range map[string]struct {
		problem problem
		answer  answer
		prefix  string
	}{
		"starting": {notReady, integration.Responses["400|429|503"], "method.response.header."},
		"failed":   {modelFailed, integration.Responses["424"], "method.response.header."},
		"type":     {notJSON, own["UNSUPPORTED_MEDIA_TYPE"], "gatewayresponse.header."},
		"slow":     {tooSlow, own["INTEGRATION_TIMEOUT"], "gatewayresponse.header."},
	} {
		t.Run(name, func(t *testing.T) {
			event := eventOf(`{}`)
			event.RequestContext.RequestID = "$context.requestId"
			reply := a.refuse(test.problem, event)
			assert.Equal(t, test.answer.StatusCode, strconv.Itoa(reply.StatusCode))
			assert.Equal(t, test.answer.ResponseTemplates["application/json"], reply.Body)
			for mapped, value := range test.answer.ResponseParameters {
				header := strings.TrimPrefix(mapped, test.prefix)
				assert.NotEmpty(t, reply.Headers[header], header)
				if strings.HasPrefix(header, "Access-Control-") || header == "Content-Type" {
					assert.Equal(t, value, "'"+reply.Headers[header]+"'")
				}
			}
			for header := range reply.Headers {
				assert.True(t, test.answer.ResponseParameters[test.prefix+header] != "" || header == "Content-Type", "%s is not the gateway's", header)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	deadline := time.Date(2026, time.January, 1, 0, 0, 28, 0, time.UTC)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	for name, test := range map[string]struct {
		asked time.Time
		want  time.Time
	}{
		"asked by a worker":           {time.Time{}, deadline.Add(-margin)},
		"asked just now":              {deadline.Add(-28 * time.Second), deadline.Add(-margin)},
		"asked before the init phase": {deadline.Add(-36 * time.Second), deadline.Add(-7*time.Second - margin)},
	} {
		t.Run(name, func(t *testing.T) {
			event := eventOf(`{}`)
			if !test.asked.IsZero() {
				event.RequestContext.RequestTimeEpoch = test.asked.UnixMilli()
			}
			assert.True(t, limit(ctx, event).Equal(test.want), limit(ctx, event))
		})
	}
}

// loading is a model that is ready after a time. Before that it takes no
// connection, then says that it is loading.
type loading struct {
	began          time.Time
	listens, ready time.Duration
}

func (l *loading) RoundTrip(r *http.Request) (*http.Response, error) {
	passed := time.Since(l.began)
	if passed < l.listens {
		return nil, errors.New("connection refused")
	}
	response := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(r.URL.Path)), Request: r}
	if passed < l.ready {
		response.StatusCode = http.StatusServiceUnavailable
	}
	return response, nil
}

func TestAModelThatStarts(t *testing.T) {
	const onDemand, provisioned = "on-demand", "provisioned-concurrency"
	for name, test := range map[string]struct {
		initialization string
		takes, waited  time.Duration // the init phase
		status         int           // of an invocation of 5 seconds after it
	}{
		"ready at once":                                   {onDemand, 0, 0, 200},
		"ready in the init phase":                         {onDemand, 8 * time.Second, 8 * time.Second, 200},
		"ready in the first invocation":                   {onDemand, 13 * time.Second, 9 * time.Second, 200},
		"not ready in the first invocation":               {onDemand, 14 * time.Second, 9 * time.Second, 503},
		"provisioned, ready in the init phase":            {provisioned, 124 * time.Second, 124 * time.Second, 200},
		"provisioned, ready in the first invocation":      {provisioned, 129 * time.Second, 125 * time.Second, 200},
		"provisioned, not ready in the first invocation ": {provisioned, 130 * time.Second, 125 * time.Second, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				m := newModel("http://model", &loading{began, test.takes / 2, test.takes})
				go m.watch()
				a := inFront(m)
				require.NoError(t, a.initialize(test.initialization))
				assert.Equal(t, test.waited, time.Since(began))

				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				reply := a.replyTo(ctx, t, eventOf(`{}`))
				assert.Equal(t, test.status, reply.StatusCode)
				if test.status == http.StatusServiceUnavailable {
					assert.Equal(t, test.waited+5*time.Second-margin, time.Since(began), "the caller has an answer before the function's time-out")
					assert.Equal(t, "5", reply.Headers["Retry-After"])
					assert.Contains(t, reply.Body, `"code":"ModelStarting"`)
					<-m.ready // The bubble waits for what watches.
				}
			})
		})
	}
}

// roundTrip is a model without a server.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAModelThatIsTooSlow(t *testing.T) {
	for name, test := range map[string]struct {
		takes, asked time.Duration // to be ready, and before the invocation
		want         time.Duration // after the invocation
		ended        bool
	}{
		"for the function":                 {0, 0, 28*time.Second - margin, true},
		"for API Gateway":                  {0, prompt, 28*time.Second - margin, true},
		"for API Gateway, in the init":     {0, 6 * time.Second, 23*time.Second - margin, false},
		"since it started in the meantime": {2 * time.Second, 0, 28*time.Second - margin, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel("http://model", roundTrip(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				killed := 0
				m.kill = func() { killed++ }
				time.AfterFunc(test.takes, func() { close(m.ready) })
				ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
				defer cancel()
				event, began := eventOf(`{}`), time.Now()
				event.RequestContext.RequestTimeEpoch = began.Add(-test.asked).UnixMilli()
				reply := inFront(m).replyTo(ctx, t, event)
				assert.Equal(t, 504, reply.StatusCode)
				assert.Equal(t, test.want, time.Since(began))
				assert.Equal(t, map[bool]int{true: 1}[test.ended], killed, "who had all the time and did not answer hangs")
			})
		})
	}
}

// Two models would want the same port.
func TestTheNextModelWaitsForTheEndOfTheLast(t *testing.T) {
	for name, test := range map[string]struct {
		takes  time.Duration // the end of the last
		start  error
		starts int
		status int
	}{
		"soon":               {3 * time.Second, nil, 1, 200},
		"in time":            {5*time.Second - margin - 1, nil, 1, 200},
		"too late":           {5 * time.Second, nil, 0, 503},
		"and does not start": {0, errors.New("fork: out of memory"), 1, 502},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				last := newModel("http://last", roundTrip(func(*http.Request) (*http.Response, error) {
					t.Error("who is killed is asked")
					return nil, io.EOF
				}))
				close(last.ready)
				last.kill = func() { time.AfterFunc(test.takes, func() { close(last.died) }) }
				last.end()
				a, starts := inFront(last), 0
				a.start = func() (*model, error) {
					assert.True(t, closed(last.died), "the last has ended")
					starts++
					m := newModel("http://next", &loading{began: time.Now()})
					go m.watch()
					return m, test.start
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				assert.Equal(t, test.status, a.replyTo(ctx, t, eventOf(`{}`)).StatusCode)
				assert.Equal(t, test.starts, starts)
				<-last.died
			})
		})
	}
}
