package main

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const songs = `{"xAxis":"a-b","yAxis":"c-d","songs":[{"id":"secret-of-the-caller","title":"t","artist":"a"}]}`

func eventOf(body string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Headers: map[string]string{"content-type": "application/json; charset=utf-8"}, Body: body,
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: "request-1"},
	}
}

func TestTheSampleModelOnLambda(t *testing.T) {
	function := start(t, environmentOf(t, ""))
	reply := function.invoke(eventOf(songs), time.Minute)
	assert.Equal(t, 200, reply.StatusCode)
	assert.Equal(t, "application/json", reply.Headers["Content-Type"])
	assert.Contains(t, reply.Body, `"id":"secret-of-the-caller"`)

	encoded := eventOf("eyJ4QXhpcyI6ImEtYiIsInlBeGlzIjoiYy1kIiwic29uZ3MiOltdfQ==")
	encoded.IsBase64Encoded = true
	reply = function.invoke(encoded, time.Minute)
	assert.Equal(t, 200, reply.StatusCode)
	assert.JSONEq(t, `{"songs":[]}`, reply.Body)

	reply = function.invoke(eventOf(`{"xAxis":"secret-of-the-caller"}`), time.Minute)
	assert.Equal(t, 502, reply.StatusCode, "the model refuses it")
	assert.JSONEq(t, `{"message":"The model failed to answer this request.","code":"ModelError","requestId":"request-1"}`, reply.Body)

	assert.Equal(t, 200, function.invoke(eventOf(songs), time.Minute).StatusCode)
	log := function.written()
	assert.Contains(t, log, "listening on 127.0.0.1:", "what the model writes is in the function's log")
	assert.Contains(t, log, `"request":"request-1","error":"the model answered with status 400"`)
	assert.NotContains(t, log, "secret-of-the-caller")
}

// What a model got done is answered, whatever becomes of the model, and the next
// caller finds another.
func TestAModelThatEndsIsStartedAgain(t *testing.T) {
	for kind, test := range map[string]struct {
		answered int
		status   string
	}{
		"ends after its answer": {200, "exit status 5"},
		"ends when asked":       {502, "exit status 4"},
	} {
		t.Run(kind, func(t *testing.T) {
			function := start(t, environmentOf(t, kind+",answers"))
			reply := function.invoke(eventOf(songs), time.Minute)
			assert.Equal(t, test.answered, reply.StatusCode)
			if test.answered == http.StatusBadGateway {
				assert.Contains(t, reply.Body, `"code":"ModelError"`)
			}
			function.says(`"msg":"the model has ended","status":"`+test.status+`"`, 1)
			for range 2 {
				assert.Equal(t, 200, function.invoke(eventOf(songs), time.Minute).StatusCode)
			}
			assert.Equal(t, 1, strings.Count(function.written(), "the model is started again"))
		})
	}
}

// The fourth start is a good one: whoever started it more than once an invocation
// would come to it earlier.
func TestAModelThatCannotStart(t *testing.T) {
	const ended = `"msg":"the model has ended","status":"exit status 3"`
	function := start(t, environmentOf(t, "ends at once,ends at once,ends at once,answers"))
	for n := range 2 {
		function.says(ended, n+1)
		reply := function.invoke(eventOf(songs), time.Minute)
		assert.Equal(t, 502, reply.StatusCode)
		assert.Contains(t, reply.Body, `"code":"ModelError"`)
	}
	function.says(ended, 3)
	assert.Equal(t, 200, function.invoke(eventOf(songs), time.Minute).StatusCode)
}

// A model that hangs is ended with all that it has started, or its port stays
// taken.
func TestAModelThatHangsIsStartedAgain(t *testing.T) {
	for _, kind := range []string{"hangs", "hangs in a child"} {
		t.Run(kind, func(t *testing.T) {
			function := start(t, environmentOf(t, kind+",answers,answers"))
			reply := function.invoke(eventOf(songs), margin+time.Second)
			assert.Equal(t, 504, reply.StatusCode)
			assert.JSONEq(t, `{"message":"The model did not answer in time.","code":"UpstreamTimeout","requestId":"request-1"}`, reply.Body)
			assert.Equal(t, 200, function.invoke(eventOf(songs), time.Minute).StatusCode)
			function.says(`"msg":"the model has ended","status":"signal: killed"`, 1)
		})
	}
}

func TestWhatAModelLeavesBehindEndsToo(t *testing.T) {
	function := start(t, environmentOf(t, "leaves a child,answers"))
	function.says(`"msg":"the model has ended","status":"exit status 3"`, 1)
	assert.Equal(t, 200, function.invoke(eventOf(songs), time.Minute).StatusCode)
}

// Whoever ends an environment ends the adapter's process group.
func TestTheModelEndsWithTheAdapter(t *testing.T) {
	variables := environmentOf(t, "answers")
	function := start(t, variables)
	function.ready()
	address := net.JoinHostPort("127.0.0.1", variables["SAGEMAKER_BIND_TO_PORT"])
	require.True(t, listens(address))
	require.NoError(t, syscall.Kill(-function.command.Process.Pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return !listens(address) }, 20*time.Second, 5*time.Millisecond)
}

func TestTheModelHasNoCredentials(t *testing.T) {
	variables := environmentOf(t, "answers")
	maps.Copy(variables, map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_REGION": "ap-northeast-1",
	})
	reply := start(t, variables).invoke(eventOf(songs), time.Minute)
	var got []string
	require.NoError(t, json.Unmarshal([]byte(reply.Body), &got))
	variables["TEST_AS"] = "answers"
	var want []string
	for name, value := range variables {
		if !slices.Contains([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"}, name) {
			want = append(want, name+"="+value)
		}
	}
	assert.ElementsMatch(t, want, got, "all else is as it was")
}

func TestAnAdapterThatCannotStart(t *testing.T) {
	for name, test := range map[string]struct {
		changes map[string]string
		want    []string
	}{
		"environment": {map[string]string{"ALLOW_ORIGIN": "", "SAGEMAKER_BIND_TO_PORT": "http"}, []string{"ALLOW_ORIGIN is not set", `SAGEMAKER_BIND_TO_PORT is \"http\"`}},
		"no command":  {map[string]string{"TEST_MODEL": ""}, []string{"the model's command is missing; give it after the adapter's"}},
		"no program":  {map[string]string{"TEST_MODEL": "/no/such/model"}, []string{"starting the model", "/no/such/model"}},
		"a model that ends before anybody asks": {
			map[string]string{"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}, []string{"the model has ended: exit status 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			variables := environmentOf(t, "ends at once")
			maps.Copy(variables, test.changes)
			function := start(t, variables)
			assert.Equal(t, "exit status 1", function.exit())
			assert.Empty(t, function.asked)
			for _, want := range append(test.want, "the function cannot start") {
				assert.Contains(t, function.written(), want)
			}
		})
	}
}

func TestSIGTERMReachesTheModel(t *testing.T) {
	function := start(t, environmentOf(t, ""))
	function.ready()
	require.NoError(t, function.command.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "exit status 0", function.exit())
	assert.Contains(t, function.written(), "stopping: waiting for the requests in flight", "the model's own words")
}
