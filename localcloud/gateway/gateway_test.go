package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/gateway"
)

const (
	goodKey     = "good-key-0123456789abcdef"
	disabledKey = "disabled-key-0123456789ab"
	song        = `{"songs":[{"title":"Song Title"}]}`
	inferURL    = "/abc123/dev/v1/infer"
)

// serve deploys an API as stage dev of API abc123 on top of a service.
func serve(t *testing.T, content []byte, service http.HandlerFunc, change ...func(*gateway.Stage)) (*gateway.Gateway, string) {
	t.Helper()
	api, err := gateway.Import(content)
	require.NoError(t, err)
	g := gateway.New(gateway.Options{Services: map[string]http.Handler{"runtime.sagemaker": service}, Clock: realTime(t)})
	stage := gateway.Stage{API: api, Keys: []gateway.Key{{ID: "key1", Value: goodKey, Enabled: true}, {ID: "key2", Value: disabledKey}, {ID: "key3", Enabled: true}}}
	for _, f := range change {
		f(&stage)
	}
	g.Deploy("abc123", "dev", stage)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, server.URL
}

// realTime is a clock as fast as the wall's.
func realTime(t *testing.T) *clock.Clock {
	t.Helper()
	c, err := clock.New(1)
	require.NoError(t, err)
	return c
}

type call struct {
	method, path, body string
	header             map[string]string
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (c call) send(t *testing.T, base string) reply {
	t.Helper()
	request, err := http.NewRequest(c.method, base+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(body)}
}

// infer is a good request; the header entries come on top.
func infer(body string, header ...string) call {
	c := call{"POST", inferURL, body, map[string]string{"x-api-key": goodKey, "Content-Type": "application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	return c
}

func upstream(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Amzn-ErrorType", "UpstreamType")
		w.Header().Set("X-Secret", "hidden")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Every row is what a caller sees; $ID stands for the request's id.
func TestResponses(t *testing.T) {
	const leak = `{"Message":"m","LogStreamArn":"arn:aws:logs:secret","OriginalMessage":"stack trace"}`
	answered := upstream(200, "application/vnd.music+json", `{"songs":[]}`)
	long := strings.Repeat(" ", 5000)
	tests := []struct {
		name    string
		call    call
		service http.HandlerFunc
		status  int
		body    string
		header  map[string]string
	}{
		{
			"answered", infer(song), answered, 200, `{"songs":[]}`,
			map[string]string{"Content-Type": "application/vnd.music+json", "Access-Control-Allow-Origin": "*", "X-Secret": "", "X-Amzn-ErrorType": ""},
		},
		{
			"answered without a content type", infer(song), func(http.ResponseWriter, *http.Request) {}, 200, "",
			map[string]string{"Content-Type": "application/json"},
		},
		{
			"a long answer says how long it is", infer(song), upstream(200, "application/json", long), 200, long,
			map[string]string{"Content-Length": "5000"},
		},
		{"charset is ignored", infer(song, "Content-Type", "application/json; charset=utf-8"), answered, 200, `{"songs":[]}`, nil},
		{"a missing content type is JSON", infer(song, "Content-Type", ""), answered, 200, `{"songs":[]}`, nil},
		{"minItems is not checked, as on AWS", infer(`{"songs":[]}`), answered, 200, `{"songs":[]}`, nil},

		{
			"body breaks the schema", infer(`{"songs":[{}]}`), answered, 400,
			`{"message":"The body breaks the schema.","why":"[/songs/0: missing property 'title']"}`,
			map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Content-Type": "application/json", "X-Amzn-ErrorType": "BadRequestException"},
		},
		{"body is not an object", infer(`[]`), answered, 400, `{"message":"The body breaks the schema.","why":"[/: got array, want object]"}`, nil},
		{
			"several faults", infer(`{"songs":[{"title":""},{"title":1}]}`), answered, 400,
			`{"message":"The body breaks the schema.","why":"[/songs/0/title: minLength: got 0, want 1, /songs/1/title: got number, want string]"}`, nil,
		},
		{"body is not JSON", infer(`songs`), answered, 400, `{"message":"The body breaks the schema.","why":"[the body is not JSON]"}`, nil},
		{"body is empty", infer(``), answered, 400, `{"message":"The body breaks the schema.","why":"[the body is not JSON]"}`, nil},
		{
			"another media type", infer(song, "Content-Type", "text/plain"), answered, 415, `{"message":"Send JSON."}`,
			map[string]string{"Access-Control-Allow-Origin": ""},
		},
		{
			"body over 10 MB", infer(strings.Repeat(" ", 10<<20+1)), answered, 413,
			`{"message":"HTTP content length exceeded 10485760 bytes.","code":"REQUEST_TOO_LARGE","requestId":"$ID"}`,
			map[string]string{"Access-Control-Allow-Origin": "*"},
		},

		{
			"no key", infer(song, "x-api-key", ""), answered, 403, `{"message":"Forbidden","code":"INVALID_API_KEY","requestId":"$ID"}`,
			map[string]string{"Access-Control-Allow-Origin": "*", "X-Amzn-ErrorType": "ForbiddenException"},
		},
		{"wrong key", infer(song, "x-api-key", "nope"), answered, 403, `{"message":"Forbidden","code":"INVALID_API_KEY","requestId":"$ID"}`, nil},
		{"disabled key", infer(song, "x-api-key", disabledKey), answered, 403, `{"message":"Forbidden","code":"INVALID_API_KEY","requestId":"$ID"}`, nil},
		{"the key is checked before the body", infer(`{}`, "x-api-key", ""), answered, 403, `{"message":"Forbidden","code":"INVALID_API_KEY","requestId":"$ID"}`, nil},
		{
			"unknown route",
			call{"POST", "/abc123/dev/v1/nope", song, nil},
			answered, 403,
			`{"message":"Missing Authentication Token","code":"MISSING_AUTHENTICATION_TOKEN","requestId":"$ID"}`,
			map[string]string{"X-Amzn-ErrorType": "MissingAuthenticationTokenException"},
		},
		{
			"unknown method",
			call{"GET", inferURL, "", nil},
			answered, 403,
			`{"message":"Missing Authentication Token","code":"MISSING_AUTHENTICATION_TOKEN","requestId":"$ID"}`, nil,
		},
		{"unknown stage", call{"POST", "/abc123/prod/v1/infer", song, nil}, answered, 403, `{"message":"Forbidden"}`, nil},
		{"unknown API", call{"POST", "/nope/dev/v1/infer", song, nil}, answered, 403, `{"message":"Forbidden"}`, nil},

		{
			"zero capacity", infer(song), upstream(400, "application/json", leak), 503,
			`{"message":"The model is starting.","code":"ModelStarting","requestId":"$ID"}`,
			map[string]string{"Retry-After": "60", "X-Upstream-Error": "UpstreamType", "Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
		},
		{"upstream is busy", infer(song), upstream(429, "text/plain", leak), 503, `{"message":"The model is starting.","code":"ModelStarting","requestId":"$ID"}`, nil},
		{
			"the model failed", infer(song), upstream(424, "application/json", leak), 502, `{"message":"The model failed.","code":"ModelError"}`,
			map[string]string{"Retry-After": "", "X-Amzn-ErrorType": ""},
		},
		{"upstream refuses the role", infer(song), upstream(403, "application/json", leak), 500, `{"message":"The model cannot be reached.","code":"UpstreamError"}`, nil},
		{"a pattern matches the whole status", infer(song), upstream(530, "application/json", leak), 500, `{"message":"The model cannot be reached.","code":"UpstreamError"}`, nil},
		{
			"upstream panics", infer(song), func(http.ResponseWriter, *http.Request) { panic("boom") }, 504,
			`{"message":"Internal server error"}`,
			map[string]string{"Access-Control-Allow-Origin": "*"},
		},

		{
			"preflight",
			call{"OPTIONS", inferURL, "", nil},
			answered, 204, "",
			map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "content-type,x-api-key"},
		},
		{
			"required parameters",
			call{"GET", "/abc123/dev/v1/jobs/7", "", nil},
			answered, 400,
			`{"message":"Missing required request parameters: [X-Tenant, page]","code":"BAD_REQUEST_PARAMETERS","requestId":"$ID"}`, nil,
		},
		{"a path parameter", call{"GET", "/abc123/dev/v1/jobs/7?page=1", "", map[string]string{"X-Tenant": "a"}}, answered, 200, `{"job":true}`, nil},
		{"no response for the status", call{"GET", "/abc123/dev/v1/jobs/latest", "", nil}, answered, 500, `{"message":"Internal server error"}`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, base := serve(t, document(t, "", nil), test.service)
			got := test.call.send(t, base)
			id := got.header.Get("x-amzn-RequestId")
			assert.Len(t, id, 36, "every response carries a request id")
			assert.Equal(t, test.status, got.status)
			assert.Equal(t, strings.ReplaceAll(test.body, "$ID", id), got.body)
			for name, want := range test.header {
				assert.Equal(t, strings.ReplaceAll(want, "$ID", id), got.header.Get(name), name)
			}
		})
	}
}

func TestIntegrationTimeout(t *testing.T) {
	var log bytes.Buffer
	_, base := serve(t, document(t, integration+"timeoutInMillis", 50),
		func(w http.ResponseWriter, r *http.Request) {
			// The service notices the deadline and answers, too late.
			<-r.Context().Done()
			w.WriteHeader(http.StatusFailedDependency)
		},
		func(s *gateway.Stage) {
			s.AccessLogFormat, s.AccessLog = "$context.status $context.integration.status $context.integration.error", &log
		})
	got := infer(song).send(t, base)
	assert.Equal(t, 504, got.status)
	assert.Equal(t, `{"message":"Endpoint request timed out"}`, got.body)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	assert.Equal(t, got.header.Get("x-amzn-RequestId"), got.header.Get("X-Request"))
	assert.Equal(t, "504 - no answer within 50ms\n", log.String())
}

func TestWhatTheServiceSees(t *testing.T) {
	var seen *http.Request
	var body []byte
	_, base := serve(t, document(t, "", nil), func(_ http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
	})
	require.Equal(t, 200, infer(song, "Cookie", "a=b", "Accept", "text/html").send(t, base).status)
	assert.Equal(t, "POST", seen.Method)
	assert.Equal(t, "/endpoints/music-mapping-endpoint/invocations", seen.URL.Path)
	assert.Equal(t, song, string(body))
	assert.Equal(t, http.Header{
		"X-Amzn-Sagemaker-Inference-Component": {"music"},
		"Content-Type":                         {"application/json"},
		"Accept":                               {"application/json"},
		"User-Agent":                           {"AmazonAPIGateway_abc123"},
	}, seen.Header, "nothing of the caller's own headers, least of all the key")
}

// The rules of AWS's table for integrations with and without templates.
func TestPassthroughBehavior(t *testing.T) {
	tests := []struct {
		behavior  string
		templates map[string]any
		status    int
	}{
		{"never", nil, 415},
		{"never", map[string]any{"application/json": "$input.body"}, 415},
		{"when_no_templates", nil, 200},
		{"when_no_templates", map[string]any{"application/json": "$input.body"}, 415},
		{"when_no_match", map[string]any{"application/json": "$input.body"}, 200},
		{"", map[string]any{"application/json": "$input.body"}, 200},
	}
	for _, test := range tests {
		content := document(t, integration+"requestTemplates", test.templates)
		content = bytes.ReplaceAll(content, []byte(`"passthroughBehavior":"never"`), []byte(`"passthroughBehavior":"`+test.behavior+`"`))
		var body []byte
		_, base := serve(t, content, func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) })
		got := infer("plain", "Content-Type", "text/plain").send(t, base)
		assert.Equal(t, test.status, got.status, "%+v", test)
		if test.status == 200 {
			assert.Equal(t, "plain", string(body), "%+v", test)
		}
	}
}

func TestGatewayResponseStatus(t *testing.T) {
	const types = "x-amazon-apigateway-gateway-responses "
	tests := []struct {
		name, path string
		value      any
		status     int
	}{
		{"a default's status holds for all its types", types + "DEFAULT_4XX statusCode", 418, 418},
		{"a type's own status goes first", types + "INVALID_API_KEY", map[string]any{"statusCode": "401"}, 401},
		{"without responses, AWS's own", "x-amazon-apigateway-gateway-responses", nil, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, base := serve(t, document(t, test.path, test.value), upstream(200, "", ""))
			got := infer(song, "x-api-key", "").send(t, base)
			assert.Equal(t, test.status, got.status)
			assert.Contains(t, got.body, `"message":"Forbidden"`)
		})
	}
}

func TestRootSecurityProtectsNothing(t *testing.T) {
	content := bytes.Replace(document(t, post+"security", nil), []byte(`"openapi":`), []byte(`"security":[{"api_key":[]}],"openapi":`), 1)
	_, base := serve(t, content, upstream(200, "application/json", "{}"))
	assert.Equal(t, 200, infer(song, "x-api-key", "").send(t, base).status, "API Gateway ignores security at the root")
}

func TestDeployReplacesAndRemoveEnds(t *testing.T) {
	g, base := serve(t, document(t, "", nil), upstream(200, "application/json", "{}"))
	require.Equal(t, 200, infer(song).send(t, base).status)

	api, err := gateway.Import(document(t, post+"security", nil))
	require.NoError(t, err)
	g.Deploy("abc123", "dev", gateway.Stage{API: api})
	assert.Equal(t, 200, infer(song, "x-api-key", "").send(t, base).status, "the new document needs no key")

	g.Remove("abc123", "dev")
	assert.Equal(t, 403, infer(song).send(t, base).status)
	g.Remove("abc123", "dev")
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	format := `{"id":"$context.requestId","m":"$context.httpMethod","r":"$context.resourcePath","p":"$context.path","s":$context.status,` +
		`"n":$context.responseLength,"i":"$context.integration.status","e":"$context.error.responseType","t":"$context.error.message",` +
		`"k":"$context.identity.apiKeyId","secret":"$context.identity.apiKey","ip":"$context.identity.sourceIp","ua":"$context.identity.userAgent",` +
		`"at":"$context.requestTimeEpoch","x":"$context.nonsense","stage":"$context.stage","api":"$context.apiId"}`
	_, base := serve(t, document(t, "", nil), upstream(424, "application/json", "{}"), func(s *gateway.Stage) {
		s.AccessLogFormat, s.AccessLog = format, &log
	})
	agent := `a "quoted" agent`
	ok := infer(song, "User-Agent", agent).send(t, base)
	refused := infer(song, "x-api-key", "wrong-"+goodKey, "User-Agent", agent).send(t, base)
	lost := call{"GET", "/abc123/dev/no%22where?x-api-key=" + goodKey, "", nil}.send(t, base)

	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	require.Len(t, lines, 3, log.String())
	tests := []struct {
		reply  reply
		status float64
		want   map[string]string
	}{
		{reply: ok, status: 502, want: map[string]string{
			"m": "POST", "r": "/v1/infer", "p": "/dev/v1/infer", "i": "424", "e": "-", "t": "-",
			"k": "key1", "secret": "-", "ip": "127.0.0.1", "ua": agent, "x": "-", "stage": "dev", "api": "abc123",
		}},
		{reply: refused, status: 403, want: map[string]string{"i": "-", "e": "INVALID_API_KEY", "t": "Forbidden", "k": "-", "secret": "-"}},
		{reply: lost, status: 403, want: map[string]string{"r": "-", "p": "/dev/no%22where", "e": "MISSING_AUTHENTICATION_TOKEN"}},
	}
	for i, test := range tests {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[i]), &line), lines[i])
		assert.Equal(t, test.reply.header.Get("x-amzn-RequestId"), line["id"])
		assert.Equal(t, test.status, line["s"])
		assert.Equal(t, float64(len(test.reply.body)), line["n"])
		assert.Regexp(t, `^\d{13}$`, line["at"])
		for name, want := range test.want {
			assert.Equal(t, want, line[name], name)
		}
	}
	assert.NotContains(t, log.String(), goodKey, "a key's value is never logged")
}

// Requests, deployments and log lines from many goroutines at once; the race
// detector and the number of whole lines judge.
func TestConcurrentUse(t *testing.T) {
	var log bytes.Buffer
	g, base := serve(t, document(t, "", nil), upstream(200, "application/json", "{}"), func(s *gateway.Stage) {
		s.AccessLogFormat, s.AccessLog = "$context.status", &log
	})
	api, err := gateway.Import(document(t, "", nil))
	require.NoError(t, err)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 10 {
				g.Deploy("other", "dev", gateway.Stage{API: api})
				infer(song).send(t, base)
			}
		})
	}
	done.Wait()
	assert.Equal(t, strings.Repeat("200\n", 80), log.String())
}
