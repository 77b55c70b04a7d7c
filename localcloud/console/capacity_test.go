package console_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/internal/browser"
	"scaletozero/localcloud/console"
)

// withFunctions is a snapshot without an endpoint, but with a function that keeps environments and one that does not.
func withFunctions() console.Snapshot {
	s := waking()
	s.Endpoints, s.APIs = nil, nil
	s.Functions = []console.Function{
		{
			Name: "music-mapping-model-local-function", Environments: 5, Running: 2, Inits: 9, Invocations: 41, Errors: 6, Throttles: 7,
			Aliases:     map[string]string{"live": "3"},
			Provisioned: []console.Provisioned{{Qualifier: "live", Requested: 4, Allocated: 3, InUse: 1, Failure: "the process <b>ended</b>"}},
		},
		// Its environment is still to come.
		{Name: "music-mapping-jobs-worker", Running: 1, Invocations: 1},
	}
	s.Routes = []console.Route{
		{API: "translation", Method: "GET", URL: "http://127.0.0.1:4510/a2/live/history", Summary: "Lists what was translated."},
		{API: "translation", Method: "POST", URL: "http://127.0.0.1:4510/a2/live/translate"},
	}
	return s
}

func TestFunctionsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := console.New(console.Options{Source: withFunctions})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.Run(ctx)
		synctest.Wait()
		samples := stateOf(t, c, "").Samples
		require.Len(t, samples, 1)
		assert.Equal(t, console.Sample{At: samples[0].At, AWS: waking().Now.UnixMilli(), Busy: 3, Idle: 3, Kept: 4}, samples[0])
	})
}

// openFollowing opens the page of a console that shows what the pointer points to.
func openFollowing(t *testing.T, now *atomic.Pointer[console.Snapshot]) (page *browser.Page, url string) {
	t.Helper()
	c := console.New(console.Options{Source: func() console.Snapshot { return *now.Load() }})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go c.Run(ctx)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return browser.Open(t, server.URL), server.URL
}

// TestThePageShowsWhatIsDeployed goes through what a local cloud can have: nothing, functions and another API, an
// endpoint with the API that the form is for, and all of it.
func TestThePageShowsWhatIsDeployed(t *testing.T) {
	t.Parallel()
	functions, both := withFunctions(), withFunctions()
	both.Endpoints, both.APIs = waking().Endpoints, waking().APIs
	now := &atomic.Pointer[console.Snapshot]{}
	now.Store(&console.Snapshot{})
	page, server := openFollowing(t, now)
	for i, step := range []struct {
		name     string
		snapshot console.Snapshot
		visible  []string
		says     map[string]string
	}{
		{
			"nothing",
			console.Snapshot{},
			[]string{"#routes", "#endpoints"},
			map[string]string{"#endpoints": "No endpoint is deployed. `make local` deploys one.", "#no-routes": "No API is deployed."},
		},
		{"functions", functions, []string{"#routes", "#functions"}, map[string]string{
			"#functions tbody tr":            "music-mapping-model-local-functionlive is version 3live is not provisioned in full: the process <b>ended</b>523 of 4, 1 in use94167",
			"#functions tbody tr:last-child": "music-mapping-jobs-worker01–0100",
			"#routes tbody tr":               "translationGEThttp://127.0.0.1:4510/a2/live/historyLists what was translated.",
			"#routes tbody tr:last-child":    "translationPOSThttp://127.0.0.1:4510/a2/live/translate",
			"#how p":                         "an API key in the header x-api-key",
		}},
		{
			"an endpoint", waking(),
			[]string{".skip", "#ask", "#answer", "#endpoints", "#endpoint-charts"},
			map[string]string{"#endpoints": "copy 1 · InService · 3 requests"},
		},
		{
			"both", both,
			[]string{".skip", "#ask", "#answer", "#routes", "#endpoints", "#endpoint-charts", "#functions"},
			map[string]string{"#endpoints": "copy 1 · InService · 3 requests", "#functions tbody": "music-mapping-jobs-worker"},
		},
	} {
		// The speed tells the steps apart on the page.
		step.snapshot.Now, step.snapshot.Speed = waking().Now, float64(i+1)
		now.Store(&step.snapshot)
		page.WaitFor("#clock", fmt.Sprintf(", %d times as fast", i+1))
		var visible []string
		page.Evaluate(`[".skip", "#ask", "#answer", "#routes", "#endpoints", "#endpoint-charts", "#functions"]
			.filter((part) => document.querySelector(part).getClientRects().length > 0)`, &visible)
		assert.Equal(t, step.visible, visible, step.name)
		for selector, want := range step.says {
			assert.Contains(t, page.WaitFor(selector, ""), want, step.name)
		}
		page.Screenshot("capacity-" + step.name)
	}
	page.Run(chromedp.Poll(`document.querySelector("#environments-chart svg").getAttribute("aria-label") ===
		"Environments over time; now 3 running, 3 ready or starting, 4 to be provisioned"`, nil))
	page.Clean(server)
}
