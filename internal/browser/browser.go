// Package browser opens pages in a real, headless Chromium, for tests.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
)

// patience bounds one page. It is long, since a busy machine takes its
// time to start a browser, and is not waited for unless something is wrong.
const patience = 40 * time.Second

// Page is a page in a browser of its own, and what went on in it.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests []string
}

// Open opens a page. It fails the test where no browser is installed, and skips
// it with -short. The browser ends with the test.
func Open(t testing.TB, url string) *Page {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program := installed(t)
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
	p := &Page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.Run(network.Enable(), log.Enable(), runtime.Enable(), chromedp.Navigate(url))
	return p
}

func installed(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.FailNow(t, "no browser is installed: install Chromium or Google Chrome so that it is in PATH, or run the tests with -short")
	return ""
}

func (p *Page) listen(event any) {
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

// Run runs actions, and fails the test if one fails.
func (p *Page) Run(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p.ctx, actions...))
}

// WaitFor waits until an element's text contains a text, and returns it all.
func (p *Page) WaitFor(selector, want string) string {
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

// Evaluate runs a script and decodes its value, or what its promise comes to.
func (p *Page) Evaluate(script string, into any) {
	p.t.Helper()
	p.Run(chromedp.Evaluate(script, into, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

// Set sets the value of a control.
func (p *Page) Set(selector, value string) {
	p.t.Helper()
	p.Run(chromedp.SetValue(selector, value))
}

// Screenshot writes NAME.png if SCREENSHOTS names a folder. It is for people.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	var image []byte
	p.Run(chromedp.FullScreenshot(&image, 100))
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), image, 0o600)) //nolint:gosec // the folder is whatever the developer names
}

// Problems are the exceptions, warnings and errors of the page so far. Answers
// of 400 and above are none.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Requests are the URLs that the page asked for so far.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Clean asserts that there are no problems, and that every request went to one
// of the servers, such as http://127.0.0.1:4512.
func (p *Page) Clean(servers ...string) {
	p.t.Helper()
	assert.Empty(p.t, p.Problems())
	assert.NotEmpty(p.t, p.Requests())
	for _, request := range p.Requests() {
		known := slices.ContainsFunc(servers, func(server string) bool { return strings.HasPrefix(request, server+"/") })
		assert.True(p.t, known, "the page asked for %s", request)
	}
}
