package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/console"
)

const apiURL, apiKey = "http://127.0.0.1:4510/a1/live/infer", "a-key-that-must-not-leak"

// waking is an endpoint with one copy that serves and one that has no instance.
func waking() console.Snapshot {
	return console.Snapshot{
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Speed: 60,
		Endpoints: []console.Endpoint{{
			Name: "endpoint", InstanceType: "ml.m5.large",
			Instances: []console.Instance{{ID: "i-1", State: "InService"}, {ID: "i-2", State: "Provisioning"}},
			Components: []console.Component{{Name: "component", Desired: 2, Copies: []console.Copy{
				{Number: 1, Instance: "i-1", State: "InService", Outstanding: 3},
				{Number: 2, State: "Waiting"},
			}}},
		}},
		APIs: []console.API{{URL: apiURL, Name: "api", Stage: "live", Key: apiKey}},
	}
}

func serve(c *console.Console, request *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, request)
	return w
}

func get(c *console.Console, target string) *httptest.ResponseRecorder {
	return serve(c, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:4512"+target, nil))
}

type state struct {
	Speed   float64
	Samples []console.Sample
	Answers []console.Answer
}

func stateOf(t *testing.T, c *console.Console, query string) state {
	t.Helper()
	w := get(c, "/state"+query)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.NotContains(t, w.Body.String(), apiKey)
	var s state
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	return s
}

func TestHistoryIsSampledEverySecondAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := console.New(console.Options{Source: waking})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.Run(ctx)
		}()
		synctest.Wait()
		c.Observe(503, "ModelStarting")
		c.Observe(200, "")
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not the wall's
		synctest.Wait()

		all := stateOf(t, c, "")
		require.Len(t, all.Samples, 2)
		second := all.Samples[1]
		assert.Equal(t, console.Sample{
			At: all.Samples[0].At + 1000, AWS: waking().Now.UnixMilli(),
			Instances: 1, Provisioning: 1, Copies: 1, Starting: 1, Desired: 2, Outstanding: 3,
			Answers: map[int]int{503: 1, 200: 1},
		}, second)
		assert.Equal(t, []console.Answer{{200, "", 1}, {503, "ModelStarting", 1}}, all.Answers)
		assert.Equal(t, 60.0, all.Speed)

		c.Observe(503, "ModelStarting")
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock, not the wall's
		cancel()
		<-ended
		all = stateOf(t, c, "")
		require.Len(t, all.Samples, 600)
		assert.Equal(t, []console.Answer{{200, "", 1}, {503, "ModelStarting", 2}}, all.Answers, "totals are kept")
		last := all.Samples[599]
		assert.Equal(t, all.Samples[598:], stateOf(t, c, "?after="+itoa(all.Samples[597].At)).Samples)
		assert.Empty(t, stateOf(t, c, "?after="+itoa(last.At)).Samples)
		assert.Empty(t, last.Answers, "an answer is counted in one sample only")
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	c := console.New(console.Options{Source: waking})
	for _, path := range []string{
		"/", "/style.css", "/main.js", "/ask.js", "/calling.js", "/favicon.svg", "/state",
		"/dashboard.html", "/dashboard.js", "/dashboard.css", "/graph.js", "/pointer.js", "/markdown.js",
	} {
		w := get(c, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		policy := w.Header().Get("Content-Security-Policy")
		assert.Contains(t, policy, "default-src 'none'", path)
		assert.NotContains(t, policy, "unsafe", path)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
		text := strings.ReplaceAll(w.Body.String(), apiURL, "")
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "") // a name, not an address
		assert.NotContains(t, text, "://", path)
	}
	assert.Equal(t, "text/javascript; charset=utf-8", get(c, "/calling.js").Header().Get("Content-Type"))
	assert.Equal(t, http.StatusNotFound, get(c, "/nothing").Code)
	assert.Equal(t, http.StatusBadRequest, get(c, "/state?after=yesterday").Code)
}

func TestOnlyNamesOfLoopbackAreServed(t *testing.T) {
	c := console.New(console.Options{Source: waking})
	for host, want := range map[string]int{
		"127.0.0.1:4512": 200, "localhost:4512": 200, "localhost": 200, "[::1]:4512": 200,
		"rebound.example:4512": 403, "127.0.0.1.rebound.example": 403, "192.168.0.7:4512": 403, "": 403,
	} {
		request := httptest.NewRequest(http.MethodGet, "/state", nil)
		request.Host = host
		assert.Equal(t, want, serve(c, request).Code, host)
	}
}

func TestTheKeyIsForThePageOnly(t *testing.T) {
	c := console.New(console.Options{Source: waking})
	for _, test := range []struct {
		name, url string
		headers   map[string]string
		want      int
	}{
		{"the page", apiURL, map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"another site", apiURL, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another port, which counts as the same site", apiURL, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"an old browser on another site", apiURL, map[string]string{"Origin": "http://elsewhere.example"}, 403},
		{"no such API", "http://127.0.0.1:4510/a2/live/infer", nil, 404},
		{"no API", "", nil, 404},
	} {
		form := url.Values{"url": {test.url}}.Encode()
		request := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4512/key", strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range test.headers {
			request.Header.Set(name, value)
		}
		w := serve(c, request)
		assert.Equal(t, test.want, w.Code, test.name)
		assert.Equal(t, test.want == 200, strings.Contains(w.Body.String(), apiKey), test.name)
		assert.Empty(t, w.Header().Get("Access-Control-Allow-Origin"), test.name)
	}
	assert.Equal(t, http.StatusNotFound, get(c, "/key?url="+url.QueryEscape(apiURL)).Code, "a key is not to be had by a link")
}
