package faults_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
)

func request(f *faults.Faults, method, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:4510"+faults.AdminPath, strings.NewReader(body))
	r.Header.Set(faults.AdminHeader, faults.AdminValue)
	for _, apply := range change {
		apply(r)
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, r)
	return recorder
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func TestAdmin(t *testing.T) {
	f, _ := newFaults(t, 1)
	assert.JSONEq(t, `[]`, request(f, http.MethodGet, "").Body.String())
	posted := request(f, http.MethodPost, `{"kind": "model-hang", "component": "music", "count": 2}`)
	assert.Equal(t, http.StatusOK, posted.Code)
	for _, name := range []string{"localhost:4510", "[::1]:4510", "127.0.0.1"} {
		var on []faults.Fault
		require.NoError(t, json.Unmarshal(request(f, http.MethodGet, "", host(name)).Body.Bytes(), &on), name)
		assert.Equal(t, []faults.Fault{{Kind: faults.ModelHang, Component: "music", Count: 2, Probability: 1}}, on)
	}
	assert.JSONEq(t, `[]`, request(f, http.MethodDelete, "").Body.String())
	assert.Empty(t, f.List())
}

func TestAdminRefuses(t *testing.T) {
	const good = `{"kind": "throttling"}`
	tests := []struct {
		name, method, body string
		change             func(*http.Request)
		status             int
		want               string
	}{
		{"a request without the header", "POST", good, func(r *http.Request) { r.Header.Del(faults.AdminHeader) }, 403, "the header X-Localcloud-Admin: faults is missing"},
		{"reading without the header", "GET", "", func(r *http.Request) { r.Header.Del(faults.AdminHeader) }, 403, "is missing"},
		{"a preflight", "OPTIONS", "", func(r *http.Request) { r.Header.Del(faults.AdminHeader) }, 403, "is missing"},
		{"a name that was made to point here", "POST", good, host("evil.example:4510"), 403, `the host "evil.example:4510" is not loopback`},
		{"another method", "PUT", good, host("localhost"), 405, "use GET, POST or DELETE"},
		{"no JSON", "POST", "throttling", host("localhost"), 400, "the body must be a fault as JSON"},
		{"an unknown field", "POST", `{"kind": "throttling", "colour": 1}`, host("localhost"), 400, `unknown field "colour"`},
		{"a wrong fault", "POST", `{"kind": "throttling", "count": -1}`, host("localhost"), 400, "must not be negative"},
		{"a body without end", "POST", `{"kind": "` + strings.Repeat("x", 1<<15), host("localhost"), 400, "too large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, _ := newFaults(t, 1)
			got := request(f, test.method, test.body, test.change)
			assert.Equal(t, test.status, got.Code)
			assert.Contains(t, got.Body.String(), test.want)
			assert.Empty(t, f.List())
			assert.Empty(t, got.Header().Get("Access-Control-Allow-Origin"))
		})
	}
}

// Faults are counted right when many ask at once.
func TestConcurrentUse(t *testing.T) {
	f, _ := newFaults(t, 1)
	require.NoError(t, f.Add(faults.Fault{Kind: faults.Throttling, Count: 50}))
	require.NoError(t, f.Add(faults.Fault{Kind: faults.ModelHang, For: time.Hour}))
	counts := make(chan int)
	for range 8 {
		go func() { counts <- times(f, faults.Throttling, "music") }()
	}
	total := 0
	for range 8 {
		f.List()
		total += <-counts
	}
	assert.Equal(t, 50, total)
}
