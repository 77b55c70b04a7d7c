package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"scaletozero/internal/browser"
	"scaletozero/localcloud/console"
)

// fakeAPI keeps to the contract that callers see: a key, errors with a code, and
// CORS on every answer. Each request takes the next of the replies.
type fakeAPI struct {
	console *console.Console

	mu      sync.Mutex
	asleep  int
	methods []string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.methods = append(f.methods, r.Method)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After,x-amzn-RequestId")
	refuse := func(status int, code, errorType string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":"m","code":%q,"requestId":"r-1"}`, code)
		f.console.Observe(status, errorType)
	}
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Headers", "content-type,x-api-key,idempotency-key")
		w.WriteHeader(http.StatusNoContent)
		f.console.Observe(http.StatusNoContent, "")
	case r.Header.Get("x-api-key") != apiKey:
		refuse(http.StatusForbidden, "InvalidApiKey", "INVALID_API_KEY")
	case strings.Contains(r.URL.Path, "/jobs"):
		f.serveJob(w, r)
	case f.asleep > 0:
		f.asleep--
		w.Header().Set("Retry-After", "1")
		refuse(http.StatusServiceUnavailable, "ModelStarting", "")
	default:
		fmt.Fprint(w, mapped)
		f.console.Observe(http.StatusOK, "")
	}
}

// mapped is the model's answer for the six songs of the form.
const mapped = `{"songs":[{"id":"1","x":-0.52,"y":0.71},{"id":"2","x":-0.6,"y":-0.8},{"id":"3","x":0.9,"y":0.1},{"id":"4","x":0.3,"y":-0.12},{"id":"5","x":0.35,"y":-0.1},{"id":"6","x":-0.95,"y":0.02}]}`

// serveJob takes one job, which waits for as long as the model sleeps.
func (f *fakeAPI) serveJob(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusAccepted
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(status)
	if f.asleep > 0 {
		f.asleep--
		fmt.Fprint(w, `{"id":"j-1","status":"waking"}`)
		return
	}
	fmt.Fprintf(w, `{"id":"j-1","status":"succeeded","result":%s}`, mapped)
}

func (f *fakeAPI) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.methods...)
}

// world is a console on one origin and an API on another.
func world(t *testing.T, asleep int, source func() console.Snapshot) (page *browser.Page, api *fakeAPI, servers []string) {
	t.Helper()
	api = &fakeAPI{asleep: asleep}
	apiServer := httptest.NewServer(api)
	t.Cleanup(apiServer.Close)
	c := console.New(console.Options{Source: func() console.Snapshot {
		s := source()
		s.APIs = []console.API{{URL: apiServer.URL + "/live/infer", Name: "music-mapping-api", Stage: "live", Key: apiKey, JobsURL: apiServer.URL + "/live/jobs"}}
		return s
	}})
	api.console = c
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go c.Run(ctx)
	consoleServer := httptest.NewServer(c)
	t.Cleanup(consoleServer.Close)
	return browser.Open(t, consoleServer.URL), api, []string{consoleServer.URL, apiServer.URL}
}
