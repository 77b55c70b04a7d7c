// Package console is a page for people about a running local cloud: what
// instances and copies there are and have been, what callers were answered, what
// the alarms think, and a form that calls the API as a browser on another origin
// would.
//
// The page is for the developer at this machine. It loads nothing from elsewhere,
// and what it is served under names only loopback, so that no page of another
// site can read it by a host name of its own that resolves to 127.0.0.1.
package console

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"scaletozero/examples/calling"
	"scaletozero/localcloud/loopback"
	"scaletozero/localcloud/metrics"
)

//go:embed static
var static embed.FS

// securityPolicy lets the page load from its own origin only, and call only
// APIs on this machine.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' http://127.0.0.1:* http://localhost:*; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Options configures a Console.
type Options struct {
	// Source tells how things stand. It is called once per second, and for every
	// page that is open; it must be quick and safe for concurrent use.
	Source func() Snapshot
	// Dashboards are those that are deployed. Like Source, it must be quick.
	Dashboards func() []Dashboard
	// Metrics is what dashboards show.
	Metrics *metrics.Store
}

// Console serves the page. It is safe for concurrent use.
type Console struct {
	options Options
	history history
	handler http.Handler
}

// New makes a console; it keeps history while Run runs.
func New(options Options) *Console {
	c := &Console{options: options}
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // "static" is a valid path.
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /calling.js", serveScript)
	mux.HandleFunc("GET /state", c.serveState)
	mux.HandleFunc("GET /dashboards", c.serveDashboards)
	mux.HandleFunc("POST /key", c.serveKey)
	c.handler = http.NewCrossOriginProtection().Handler(mux)
	return c
}

// Run samples the history, once a second of the wall clock, until the context
// ends.
func (c *Console) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		c.history.sample(c.options.Source(), time.Now())
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Observe counts an answer of the API: its status, and what names the error
// where there is one, such as THROTTLED.
func (c *Console) Observe(status int, errorType string) { c.history.observe(status, errorType) }

// ServeHTTP serves the page, under a name of loopback only.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !loopback.Is(r.Host) {
		http.Error(w, "The console answers to 127.0.0.1 and localhost only.", http.StatusForbidden)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", securityPolicy)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	c.handler.ServeHTTP(w, r)
}

// serveScript serves the client kit: the page calls the API with what it
// recommends to others.
func serveScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write(calling.Script) // An error means that the browser has left.
}

// state is the answer of GET /state. Samples are those taken after the query
// parameter "after", a Sample.At; all without it.
type state struct {
	Snapshot
	Samples []Sample `json:"samples"`
	Answers []Answer `json:"answers"`
}

func (c *Console) serveState(w http.ResponseWriter, r *http.Request) {
	var after int64
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, "after must be the time of a sample, in milliseconds", http.StatusBadRequest)
			return
		}
	}
	samples, answers := c.history.since(after)
	writeJSON(w, state{c.options.Source(), samples, answers})
}

// serveKey answers with the key of the API in the form field "url". It is asked
// for by a button and not part of the state, so that it is on the page only if
// somebody wants it there. Cross-origin protection refuses other sites.
func (c *Console) serveKey(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	url := r.PostFormValue("url")
	for _, api := range c.options.Source().APIs {
		if api.URL == url && api.Key != "" {
			writeJSON(w, map[string]string{"key": api.Key})
			return
		}
	}
	http.Error(w, "no key is known for this URL", http.StatusNotFound)
}

func writeJSON(w http.ResponseWriter, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // An error means that the browser has left.
}
