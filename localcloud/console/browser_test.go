package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/console"
)

// patience bounds one browser test. It is long, since a busy machine takes its
// time to start a browser, and is not waited for unless something is wrong.
const patience = 40 * time.Second

// page is a page in a real browser, and what went on in it.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests []string
}

// openPage opens a page in a headless Chromium of its own.
func openPage(t *testing.T, url string) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program := browser(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WindowSize(1280, 1500), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
	)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(endBrowser)
	ctx, closePage := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		// Cancel waits until the browser has ended and its profile, a temporary
		// folder, is removed.
		if err := chromedp.Cancel(ctx); err != nil {
			closePage()
		}
	})
	p := &page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.run(network.Enable(), log.Enable(), runtime.Enable(), chromedp.Navigate(url))
	return p
}

// browser is the installed Chromium.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.FailNow(t, "no browser is installed: install Chromium or Google Chrome so that it is in PATH, or run the tests with -short")
	return ""
}

func (p *page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.APITypeError || event.Type == runtime.APITypeWarning {
			p.problems = append(p.problems, fmt.Sprintf("console.%s: %v", event.Type, event.Args))
		}
	case *log.EventEntryAdded:
		// The browser logs every answer of 400 and above; those are what is tested.
		if event.Entry.Source != log.SourceNetwork {
			p.problems = append(p.problems, "log: "+event.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, event.Request.URL)
	}
}

func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p.ctx, actions...))
}

// waitFor waits until an element's text contains a text, and returns it all.
func (p *page) waitFor(selector, want string) string {
	p.t.Helper()
	var text string
	condition := fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q) && document.querySelector(%[1]q).textContent`, selector, want)
	err := chromedp.Run(p.ctx, chromedp.Poll(condition, &text, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		var now string
		_ = chromedp.Run(p.ctx, chromedp.Text(selector, &now))
		require.NoError(p.t, err, "%s never said %q; it says %q", selector, want, now)
	}
	return text
}

func (p *page) evaluate(script string, into any) {
	p.t.Helper()
	p.run(chromedp.Evaluate(script, into, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

func (p *page) set(selector, value string) {
	p.t.Helper()
	p.run(chromedp.SetValue(selector, value))
}

// screenshot is for people: it is kept if SCREENSHOTS names a folder.
func (p *page) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	var image []byte
	p.run(chromedp.FullScreenshot(&image, 100))
	require.NoError(p.t, os.WriteFile(dir+"/"+name+".png", image, 0o600))
}

// clean asserts that nothing was complained about, and that nothing was asked
// of anybody but the given servers.
func (p *page) clean(servers ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(p.t, p.problems)
	assert.NotEmpty(p.t, p.requests)
	for _, request := range p.requests {
		known := false
		for _, server := range servers {
			known = known || strings.HasPrefix(request, server+"/")
		}
		assert.True(p.t, known, "the page asked for %s", request)
		assert.NotContains(p.t, request, apiKey)
	}
}

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
		w.Header().Set("Access-Control-Allow-Headers", "content-type,x-api-key")
		w.WriteHeader(http.StatusNoContent)
		f.console.Observe(http.StatusNoContent, "")
	case r.Header.Get("x-api-key") != apiKey:
		refuse(http.StatusForbidden, "InvalidApiKey", "INVALID_API_KEY")
	case f.asleep > 0:
		f.asleep--
		w.Header().Set("Retry-After", "1")
		refuse(http.StatusServiceUnavailable, "ModelStarting", "")
	default:
		fmt.Fprint(w, `{"songs":[{"id":"1","x":-0.52,"y":0.71},{"id":"2","x":-0.6,"y":-0.8},{"id":"3","x":0.9,"y":0.1},{"id":"4","x":0.3,"y":-0.12},{"id":"5","x":0.35,"y":-0.1},{"id":"6","x":-0.95,"y":0.02}]}`)
		f.console.Observe(http.StatusOK, "")
	}
}

func (f *fakeAPI) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.methods...)
}

// world is a console on one origin and an API on another.
func world(t *testing.T, asleep int, source func() console.Snapshot) (page *page, api *fakeAPI, servers []string) {
	t.Helper()
	api = &fakeAPI{asleep: asleep}
	apiServer := httptest.NewServer(api)
	t.Cleanup(apiServer.Close)
	c := console.New(console.Options{Source: func() console.Snapshot {
		s := source()
		s.APIs = []console.API{{URL: apiServer.URL + "/live/infer", Name: "music-mapping-api", Stage: "live", Key: apiKey}}
		return s
	}})
	api.console = c
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go c.Run(ctx)
	consoleServer := httptest.NewServer(c)
	t.Cleanup(consoleServer.Close)
	return openPage(t, consoleServer.URL), api, []string{consoleServer.URL, apiServer.URL}
}
