package gateway_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/gateway"
)

// FuzzImport: no document makes the intake panic, and what it accepts can be
// served.
func FuzzImport(f *testing.F) {
	fixture := document(f, "", nil)
	f.Add(string(fixture))
	for _, seed := range []string{
		"", "null", "{}", "[]", `{"openapi":"3.0.1"}`, `{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":null}`,
		`{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{"/a":null}}`,
		`{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"responses":{}}}}}`,
		`{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"A":{"$ref":"#/components/schemas/A"}}}}`,
	} {
		f.Add(seed)
	}
	awsTime, err := clock.New(1)
	require.NoError(f, err)
	f.Fuzz(func(_ *testing.T, content string) {
		api, err := gateway.Import([]byte(content))
		if err != nil {
			return
		}
		g := gateway.New(gateway.Options{
			Services: map[string]http.Handler{"runtime.sagemaker": upstream(200, "application/json", "{}")}, Clock: awsTime,
		})
		g.Deploy("abc123", "dev", gateway.Stage{API: api})
		var paths struct{ Paths map[string]map[string]any }
		if json.Unmarshal([]byte(content), &paths) != nil {
			return // encoding/json minds more than the loader does.
		}
		for path, methods := range paths.Paths {
			for method := range methods {
				request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
				request.Method, request.URL = strings.ToUpper(method), &url.URL{Path: "/abc123/dev" + path}
				g.ServeHTTP(httptest.NewRecorder(), request)
			}
		}
	})
}

// FuzzRequest takes whole HTTP messages, such as net/http lets through: each gets
// one answer, with a status that the gateway has, and no key in it.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"POST /abc123/dev/v1/infer HTTP/1.1\r\nHost: a\r\nx-api-key: " + goodKey + "\r\nContent-Length: " + strconv.Itoa(len(song)) + "\r\n\r\n" + song,
		"POST /abc123/dev/v1/infer HTTP/1.1\r\nHost: a\r\nx-api-key: " + goodKey + "\r\nContent-Type: ;;=\r\nContent-Length: 2\r\n\r\n{}",
		"POST /abc123/dev/v1/infer HTTP/1.1\r\nHost: a\r\nx-api-key: " + goodKey + "\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /abc123/dev/v1/infer HTTP/1.1\r\nHost: a\r\nx-api-key: " + goodKey + "\r\nContent-Length: 99\r\n\r\n{",
		"OPTIONS /abc123/dev/v1/infer HTTP/1.1\r\nHost: \"\r\nOrigin: https://app.example\r\n\r\n",
		"GET /abc123/dev/v1/jobs/7?page=1&page=%zz HTTP/1.0\r\nX-Tenant: a\r\nUser-Agent: \"a\\\t\r\n\r\n",
		"GET /abc123/dev/v1/jobs/%2F%2e%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://b//abc123//dev/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add(seed)
	}
	api, err := gateway.Import(document(f, "", nil))
	require.NoError(f, err)
	awsTime, err := clock.New(1)
	require.NoError(f, err)
	statuses := []int{200, 204, 400, 403, 413, 415, 500, 503}
	f.Fuzz(func(t *testing.T, message string) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(message)))
		if err != nil {
			return
		}
		var log strings.Builder
		g := gateway.New(gateway.Options{
			Services: map[string]http.Handler{"runtime.sagemaker": upstream(200, "application/json", "{}")}, Clock: awsTime,
		})
		g.Deploy("abc123", "dev", gateway.Stage{
			API: api, Keys: []gateway.Key{{ID: "key1", Value: goodKey, Enabled: true}}, AccessLog: &log,
			AccessLogFormat: `{"method":"$context.httpMethod","path":"$context.path","agent":"$context.identity.userAgent",` +
				`"error":$context.error.messageString,"host":"$context.domainName"}`,
		})
		answer := httptest.NewRecorder()
		g.ServeHTTP(answer, request)
		assert.Contains(t, statuses, answer.Code)
		assert.Len(t, answer.Header().Get("X-Amzn-RequestId"), 36)
		if line := log.String(); line != "" {
			assert.Equal(t, len(line)-1, strings.IndexByte(line, '\n'), "a request has one line in the log: %q", line)
		}
		if strings.Count(message, goodKey) == strings.Count(strings.Join(request.Header.Values("X-Api-Key"), " "), goodKey) {
			assert.NotContains(t, answer.Body.String()+log.String(), goodKey)
		}
	})
}
