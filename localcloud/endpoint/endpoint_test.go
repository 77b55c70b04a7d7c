package endpoint_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/endpoint"
)

func TestInvoke(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the surrounding shell")
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component(environment("LEVEL", "7"))))

	request := c.request("describe")
	for name, value := range map[string]string{
		"Content-Type":                       "application/json",
		"Accept":                             "application/json",
		"X-Amzn-SageMaker-Custom-Attributes": "from-the-caller",
		"X-Api-Key":                          "not for the model",
	} {
		request.Header.Set(name, value)
	}
	got, err := send(request)
	require.NoError(t, err)

	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "application/vnd.model+json", got.header.Get("Content-Type"))
	assert.Equal(t, "AllTraffic", got.header.Get("x-Amzn-Invoked-Production-Variant"))
	assert.Equal(t, "from-the-model", got.header.Get("X-Amzn-SageMaker-Custom-Attributes"))
	assert.NotEmpty(t, got.header.Get("x-amzn-RequestId"))
	assert.Empty(t, got.header.Get("X-Internal"), "only the headers of InvokeEndpoint come back")

	var model modelAnswer
	require.NoError(t, json.Unmarshal([]byte(got.body), &model))
	assert.Equal(t, "application/json", model.Headers.Get("Content-Type"))
	assert.Equal(t, "from-the-caller", model.Headers.Get("X-Amzn-SageMaker-Custom-Attributes"))
	assert.Empty(t, model.Headers.Get("X-Api-Key"), "SageMaker strips other headers")
	assert.Contains(t, model.Env, "LEVEL=7")
	assert.Contains(t, model.Env, "BIND_HOST=127.0.0.1")
	assert.NotContains(t, strings.Join(model.Env, "\n"), "AWS_SECRET_ACCESS_KEY")

	log, err := os.ReadFile(filepath.Join(c.logDir, "music.log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), "the model starts")
}

func TestRefusals(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component()))
	require.NoError(t, c.ApplyEndpoint(t.Context(), musicEndpoint(func(e *endpoint.Endpoint) { e.Name = "other-endpoint" })))
	require.NoError(t, c.Apply(t.Context(), component(func(c *endpoint.Component) { c.Name, c.Endpoint = "other", "other-endpoint" })))
	tests := []struct {
		name, method, path, component, body string
		status                              int
		errorType, message                  string
	}{
		{
			name: "unknown endpoint", path: "/endpoints/nope/invocations", component: "music",
			status: 400, errorType: "ValidationError", message: "Endpoint nope of account 123456789012 not found.",
		},
		{
			name: "no component named", path: "/endpoints/music-endpoint/invocations",
			status: 400, errorType: "ValidationError", message: "Inference Component Name header is required for endpoints to which you plan to deploy inference components.",
		},
		{
			name: "unknown component", path: "/endpoints/music-endpoint/invocations", component: "nope",
			status: 400, errorType: "ValidationError", message: "Inference Component nope",
		},
		{
			name: "component of another endpoint", path: "/endpoints/music-endpoint/invocations", component: "other",
			status: 400, errorType: "ValidationError", message: "Inference Component other",
		},
		{
			name: "body over 6,291,456 bytes", path: "/endpoints/music-endpoint/invocations", component: "music", body: strings.Repeat("x", 6291457),
			status: 413, errorType: "RequestEntityTooLargeException", message: "larger than 6291456 bytes",
		},
		{
			name: "another method", method: "GET", path: "/endpoints/music-endpoint/invocations", component: "music",
			status: 404, errorType: "UnknownOperationException", message: "POST /endpoints/{EndpointName}/invocations",
		},
		{
			name: "another path", path: "/endpoints/music-endpoint", component: "music",
			status: 404, errorType: "UnknownOperationException", message: "/endpoints/music-endpoint is no operation",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := "POST"
			if test.method != "" {
				method = test.method
			}
			request, err := http.NewRequest(method, c.url+test.path, strings.NewReader(test.body))
			require.NoError(t, err)
			request.Header.Set("X-Amzn-SageMaker-Inference-Component", test.component)
			got, err := send(request)
			require.NoError(t, err)
			assert.Equal(t, test.status, got.status)
			assert.Equal(t, test.errorType, got.header.Get("x-amzn-ErrorType"))
			assert.Contains(t, message(t, got), test.message)
		})
	}
}

func TestModelErrors(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component()))
	impatient := newCloud(t, endpoint.Options{InvocationTimeout: 50 * time.Millisecond})
	require.NoError(t, impatient.Apply(t.Context(), component()))
	gate := impatient.hold(t)
	defer gate.release()
	tests := []struct {
		name     string
		reply    reply
		original int
		message  string
	}{
		{"a failing model", c.invoke(t, "status 500"), 500, `Received server error (500) from primary with message "out of memory`},
		{"a model that refuses the request", c.invoke(t, "status 415"), 415, "Received client error (415) from primary"},
		{"a slow model", within(t, gate.answer, "the time limit"), 0, "Your invocation timed out while waiting for a response from container primary."},
		{"a model that dies", c.invoke(t, "exit"), 0, "could not get a response from the music-endpoint endpoint"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, http.StatusFailedDependency, test.reply.status)
			assert.Equal(t, "ModelError", test.reply.header.Get("x-amzn-ErrorType"))
			var body struct {
				Message, OriginalMessage, LogStreamArn string
				OriginalStatusCode                     *int
			}
			require.NoError(t, json.Unmarshal([]byte(test.reply.body), &body))
			require.NotNil(t, body.OriginalStatusCode)
			assert.Equal(t, test.original, *body.OriginalStatusCode)
			assert.Contains(t, body.Message, test.message)
			assert.NotEmpty(t, body.OriginalMessage)
			assert.Equal(t, "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/InferenceComponents/music", body.LogStreamArn)
		})
	}
}

// While the first copies start, the endpoint exists and has no capacity.
func TestNoCapacityUntilHealthy(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	applied := make(chan error, 1)
	go func() { applied <- c.Apply(ctx, component(environment("NEVER_HEALTHY", "1"))) }()

	var got reply
	require.Eventually(t, func() bool {
		got = c.invoke(t, "describe")
		return !strings.Contains(got.body, "not found")
	}, 20*time.Second, 5*time.Millisecond)
	assert.Equal(t, http.StatusBadRequest, got.status)
	assert.Equal(t, "ValidationError", got.header.Get("x-amzn-ErrorType"))
	assert.Contains(t, message(t, got), "Inference Component has no capacity to process this request.")

	cancel()
	require.ErrorIs(t, within(t, applied, "Apply to give up"), context.Canceled)
	assert.Contains(t, message(t, c.invoke(t, "describe")), "Inference Component music of account 123456789012 not found.")
}

func TestRequestsGoToTheCopyWithTheFewestOutstanding(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component(copies(2))))
	gate := c.hold(t)
	free := c.ask(t).Port
	for range 5 {
		assert.Equal(t, free, c.ask(t).Port, "the other copy has a request outstanding")
	}
	gate.release()
	busy := portOf(t, within(t, gate.answer, "the held request"))
	assert.NotEqual(t, free, busy)

	served := map[int]bool{}
	for range 10 {
		served[c.ask(t).Port] = true
	}
	assert.Len(t, served, 2, "copies with equally few requests take turns")
}

func message(t *testing.T, got reply) string {
	t.Helper()
	var body struct{ Message string }
	require.NoError(t, json.Unmarshal([]byte(got.body), &body), got.body)
	return body.Message
}

func portOf(t *testing.T, got reply) int {
	t.Helper()
	require.Equal(t, http.StatusOK, got.status, got.body)
	var model modelAnswer
	require.NoError(t, json.Unmarshal([]byte(got.body), &model))
	return model.Port
}
