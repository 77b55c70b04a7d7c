package console_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/internal/browser"
	"scaletozero/localcloud/console"
	"scaletozero/localcloud/dashboard"
	"scaletozero/localcloud/metrics"
)

// handClock is moved by hand while the console reads it.
type handClock struct{ now atomic.Pointer[time.Time] }

func (c *handClock) Now() time.Time { return *c.now.Load() }

func (c *handClock) pass(d time.Duration) { c.now.Store(new(c.Now().Add(d))) }

// board is a console with dashboards over metrics that a test puts.
type board struct {
	*testing.T
	clock   *handClock
	store   *metrics.Store
	alarms  []console.Alarm
	console *console.Console
}

func newBoard(t *testing.T, bodies map[string]string, names ...string) *board {
	t.Helper()
	c := &handClock{}
	c.now.Store(new(time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)))
	b := &board{T: t, clock: c, store: metrics.New(c)}
	var all []console.Dashboard
	for _, name := range names {
		body, err := dashboard.Parse(bodies[name])
		require.NoError(t, err)
		all = append(all, console.Dashboard{Name: name, Body: body})
	}
	b.console = console.New(console.Options{
		Source:     func() console.Snapshot { return console.Snapshot{Now: c.Now(), Speed: 60, Alarms: b.alarms} },
		Dashboards: func() []console.Dashboard { return all }, Metrics: b.store,
	})
	return b
}

func (b *board) open() *browser.Page {
	server := httptest.NewServer(b.console)
	b.Cleanup(server.Close)
	return browser.Open(b.T, server.URL+"/dashboard.html")
}

// stack is the dashboard that the program makes of an endpoint.
func stack(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile("../../components/dashboard/testdata/endpoint.golden.json")
	require.NoError(t, err)
	return string(body)
}

// morning plays three hours: a sleeping model that wakes, is busy, and has some errors.
func (b *board) morning() {
	route := map[string]string{"ApiName": "songs", "Stage": "dev", "Method": "POST", "Resource": "/infer"}
	component := map[string]string{"InferenceComponentName": "songs-model"}
	queue := map[string]string{"QueueName": "songs-jobs"}
	put := func(namespace, name string, dimensions map[string]string, value float64) {
		b.store.Put(namespace, name, dimensions, value)
	}
	for minute := range 185 {
		load, copies := 0, 0
		switch {
		case minute > 150:
		case minute > 48:
			load, copies = 14+int(9*math.Sin(float64(minute)/11)+3*math.Sin(float64(minute)*2.3)), 1
			if minute > 80 && minute < 130 {
				copies = 2
			}
		case minute > 42:
			load = 3
		}
		for range copies {
			put("/aws/sagemaker/InferenceComponents", "CPUUtilizationNormalized", component, 0)
			put("/aws/sagemaker/Endpoints", "CPUUtilization", map[string]string{"EndpointName": "songs-endpoint", "VariantName": "AllTraffic"}, 0)
		}
		for i := range load {
			cold, failed, refused := copies == 0, copies > 0 && minute == 97 && i < 3, copies > 0 && i == 7 && minute%9 == 0
			latency := 18 + float64(i*i%23) + float64(minute%7)
			if i == 0 {
				latency += 45
			}
			if cold {
				latency = 6
				put("SLO/songs-slo", "ModelStarting", nil, 1)
				put("AWS/SageMaker", "NoCapacityInvocationFailures", component, 1)
			} else {
				put("AWS/SageMaker", "ModelLatency", component, (latency-9)*1000)
				put("AWS/SageMaker", "Invocations", component, 1)
				put("AWS/SageMaker", "ConcurrentRequestsPerCopy", component, float64(load/6))
			}
			if failed {
				put("SLO/songs-slo", "ServerErrors", nil, 1)
				put("AWS/SageMaker", "InvocationModelErrors", component, 1)
			}
			put("AWS/ApiGateway", "Count", route, 1)
			put("AWS/ApiGateway", "4XXError", route, map[bool]float64{true: 1}[refused])
			put("AWS/ApiGateway", "5XXError", route, map[bool]float64{true: 1}[cold || failed])
			put("AWS/ApiGateway", "Latency", route, latency)
			put("AWS/ApiGateway", "IntegrationLatency", route, latency-4)
		}
		waiting := max(0, 12-max(0, minute-50)/3)
		if minute < 40 {
			waiting = 0
		}
		put("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, float64(waiting))
		put("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", queue, float64(min(waiting, 2)))
		put("AWS/SQS", "ApproximateNumberOfMessagesVisible", map[string]string{"QueueName": "songs-jobs-dead-letter"}, map[bool]float64{true: 1}[minute > 120])
		b.clock.pass(time.Minute)
	}
	for _, name := range []string{"songs-slo-burn-fast", "songs-slo-burn-steady", "songs-slo-burn-slow", "songs-slo-latency-p95", "songs-slo-latency-p50", "songs-model-wake", "songs-slo-not-waking"} {
		b.alarms = append(b.alarms, console.Alarm{Name: name, State: "OK", Reason: "0 of the last 1 datapoints are above"})
	}
	b.alarms[1].State, b.alarms[5].State = "ALARM", "INSUFFICIENT_DATA"
}

// sparse is a page with what is not in the program's own.
const sparse = `{"widgets": [
	{"type": "text", "properties": {"markdown": "# <b>Title</b>\n**bold** and ` + "`code`" + ` <img src=x onerror=alert(1)>\n[site](https://example.com/a) [bad](javascript:alert(1))\n\n- one\n- two"}},
	{"type": "log", "properties": {"query": "fields @message", "region": "r"}},
	{"type": "alarm", "properties": {"title": "A", "alarms": ["arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:known", "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:gone"]}},
	{"type": "metric", "width": 12, "properties": {"region": "r", "title": "<i>G</i>", "stat": "Sum", "period": 60, "metrics": [["N", "M", {"label": "<u>L</u>"}], ["N", "Never"]]}},
	{"type": "metric", "properties": {"region": "r", "title": "P", "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "SEARCH('x', 1)"}]]}}
]}`

// answer is GET /dashboards.
type answer struct {
	Names   []string
	Name    string
	Widgets []struct {
		Type, Title, Problem string
		Width                int
		X                    *int
		Alarms               []struct{ Name, State string }
		Graph                *struct {
			Start, End, Period int64
			Lines              []struct {
				Label  string
				Values []*float64
			}
		}
	}
}

func (b *board) answer(query string) (status int, a answer) {
	b.Helper()
	w := get(b.console, "/dashboards"+query)
	if w.Code == http.StatusOK {
		require.NoError(b, json.Unmarshal(w.Body.Bytes(), &a))
	}
	return w.Code, a
}

func TestDashboardsAreServedWithTheirData(t *testing.T) {
	b := newBoard(t, map[string]string{"songs-dev": stack(t), "sparse": sparse}, "songs-dev", "sparse")
	b.alarms = []console.Alarm{{Name: "known", State: "ALARM"}}
	b.store.Put("N", "M", nil, 4)
	b.clock.pass(90 * time.Second)

	status, first := b.answer("")
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, []string{"songs-dev", "sparse"}, first.Names)
	assert.Equal(t, "songs-dev", first.Name)
	_, got := b.answer("?name=sparse")
	require.Len(t, got.Widgets, 5)
	assert.Equal(t, "localcloud shows no widgets of type log.", got.Widgets[1].Problem)
	assert.Equal(t, []struct{ Name, State string }{{"known", "ALARM"}, {"gone", "MISSING"}}, got.Widgets[2].Alarms)
	assert.Contains(t, got.Widgets[4].Problem, "localcloud has no metric math with SEARCH")

	graph := got.Widgets[3].Graph
	assert.Nil(t, got.Widgets[3].X, "it goes where there is room")
	assert.Equal(t, 12, got.Widgets[3].Width)
	require.Len(t, graph.Lines, 2)
	require.Len(t, graph.Lines[0].Values, 180, "three hours")
	assert.InDelta(t, 4, *graph.Lines[0].Values[179], 0)
	assert.Nil(t, graph.Lines[0].Values[178])
	assert.Equal(t, b.clock.Now().Add(-30*time.Second).Add(-3*time.Hour).UnixMilli(), graph.Start, "whole minutes that have ended")
	assert.Equal(t, "Never", graph.Lines[1].Label)

	status, _ = b.answer("?name=nobody")
	assert.Equal(t, http.StatusNotFound, status)
	status, none := newBoard(t, nil).answer("")
	assert.Equal(t, http.StatusOK, status)
	assert.Empty(t, none.Widgets)
}

func TestTheDeployedDashboardIsDrawn(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"songs-dev": stack(t)}, "songs-dev")
	b.morning()
	page := b.open()
	page.WaitFor("#grid", "Copies and instances")
	page.WaitFor("#clock", "AWS time 2026-01-05 09:05:00, 60 times as fast as yours")
	var drawn struct {
		Titles, Labels, Empty, States, Values, Notes []string
		Lines, Areas                                 int
	}
	page.Evaluate(drawnScript, &drawn)
	assert.Subset(t, drawn.Titles, []string{"Alarms", "Requests", "Answers a minute", "Latency", "Copies and instances", "Jobs in the queue"})
	assert.Equal(t, []string{"Age of the oldest job, of those tried fewer than 3 times: oldest no data yet"}, drawn.Empty)
	assert.Contains(t, drawn.Labels, "Copies and instances: copies 0, instances 0")
	assert.Contains(t, drawn.States, "Alarm songs-slo-burn-steady")
	assert.Contains(t, drawn.States, "No data songs-model-wake")
	assert.Contains(t, drawn.Values, "1374in the time shown")
	assert.Subset(t, drawn.Notes, []string{"objective p95: 80 ms", "alarm at 14.4", "at most 3"})
	assert.Greater(t, drawn.Lines, 8)
	assert.Greater(t, drawn.Areas, 5)
	page.Screenshot("dashboard-wide")

	// The moment that is pointed at.
	page.Evaluate(`(() => {
		const plot = [...document.querySelectorAll(".widget")].find((w) => w.textContent.startsWith("Answers")).querySelector(".plot");
		const box = plot.getBoundingClientRect();
		plot.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, bubbles: true }));
		return plot.querySelector(".tip").textContent;
	})()`, new(string))
	page.WaitFor(".tip:not([hidden])", "2026-01-05 07:")
	assert.Contains(t, page.WaitFor(".tip:not([hidden])", "2xx answered"), "503 asleep 0")
	page.Screenshot("dashboard-pointed")
	page.Clean(strings.TrimSuffix(page.Requests()[0], "/dashboard.html"))
}

// drawnScript says what is on the page.
const drawnScript = `(() => {
	const texts = (selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent);
	const plots = [...document.querySelectorAll(".plot")];
	const label = (plot) => plot.querySelector("svg").getAttribute("aria-label");
	return {
		titles: texts(".widget h3"), labels: plots.map(label), empty: plots.filter((plot) => plot.querySelector(".nothing")).map(label),
		states: texts(".state"), values: texts(".value"), notes: texts(".note-label"),
		lines: document.querySelectorAll(".plot .curve").length, areas: document.querySelectorAll(".plot .area").length,
	};
})()`

func TestTheDashboardFollowsTheMetrics(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"sparse": sparse}, "sparse")
	page := b.open()
	page.WaitFor("#grid", "no data yet")
	page.Evaluate(`void (document.querySelector(".metric").marked = true)`, nil)
	b.store.Put("N", "M", nil, 12345)
	page.WaitFor("#clock", "2026-01-05 06:00:00")
	b.clock.pass(time.Minute)
	page.WaitFor(".metric .legend", "12.3k")
	page.WaitFor("#clock", "2026-01-05 06:01:00")
	var kept bool
	page.Evaluate(`document.querySelector(".metric").marked === true`, &kept)
	assert.True(t, kept, "what is on the page stays there")
}

// TestSmallNumbersAndLonePointsCanBeSeen looks at a graph of one value, whose labels have many digits.
func TestSmallNumbersAndLonePointsCanBeSeen(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"sparse": sparse}, "sparse")
	b.store.Put("N", "M", nil, 0.000012)
	b.clock.pass(time.Minute)
	page := b.open()
	page.WaitFor(".metric .legend", "0.000012")
	var seen struct {
		Labels []string
		Cut    []string
		Lone   []float64
	}
	page.Evaluate(`(() => {
		const graph = document.querySelector(".metric svg[role=img]");
		const labels = [...graph.querySelectorAll(".amount")];
		return {
			labels: labels.map((label) => label.textContent),
			cut: labels.filter((label) => label.getBoundingClientRect().left < graph.getBoundingClientRect().left).map((label) => label.textContent),
			lone: [...graph.querySelectorAll(".lone")].map((point) => point.getBoundingClientRect().width),
		};
	})()`, &seen)
	assert.Contains(t, seen.Labels, "0.000005")
	assert.Empty(t, seen.Cut)
	assert.InDeltaSlice(t, []float64{7}, seen.Lone, 0.1, "wider than any line")
	page.Screenshot("dashboard-small")
}

func TestTextOfADashboardIsNeverMarkup(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"sparse": sparse}, "sparse")
	b.alarms = []console.Alarm{{Name: "known", State: "OK"}}
	page := b.open()
	said := page.WaitFor("#grid", "<b>Title</b>")
	for _, want := range []string{"<img src=x onerror=alert(1)>", "[bad](javascript:alert(1))", "<i>G</i>", "<u>L</u>", "localcloud shows no widgets of type log.", "Not there gone"} {
		assert.Contains(t, said, want)
	}
	var made []string
	page.Evaluate(`[...document.querySelectorAll("#grid .text .content *")].map((e) => e.localName + ":" + (e.href ?? e.textContent))`, &made)
	assert.Equal(t, []string{
		"h2:<b>Title</b>", "p:bold and code <img src=x onerror=alert(1)> site [bad](javascript:alert(1))", "strong:bold", "code:code",
		"a:https://example.com/a", "ul:onetwo", "li:one", "li:two",
	}, made)
	assert.Empty(t, page.Problems())
}

func TestOneOfSeveralDashboardsIsChosen(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"songs-dev": stack(t), "sparse": sparse}, "songs-dev", "sparse")
	page := b.open()
	page.WaitFor("#grid", "Copies and instances")
	page.Evaluate(`(() => {
		const select = document.querySelector("#name");
		select.value = "sparse";
		select.dispatchEvent(new Event("change"));
	})()`, nil)
	page.WaitFor("#grid", "<b>Title</b>")
	var address string
	page.Evaluate(`location.hash`, &address)
	assert.Equal(t, "#sparse", address, "a reload shows it again")
}

func TestWithoutADashboardThePageSaysHowToGetOne(t *testing.T) {
	t.Parallel()
	page := newBoard(t, nil).open()
	page.WaitFor("#grid", "dashboardEnabled")
}

// TestTheDashboardCanBeReadAnywhere: in both colour schemes, and on a phone without scrolling sideways.
func TestTheDashboardCanBeReadAnywhere(t *testing.T) {
	t.Parallel()
	b := newBoard(t, map[string]string{"songs-dev": stack(t)}, "songs-dev")
	b.morning()
	page := b.open()
	page.WaitFor("#grid", "Copies and instances")
	for _, width := range []int64{1600, 390} {
		page.Run(chromedp.EmulateViewport(width, 900))
		for _, scheme := range []string{"light", "dark"} {
			page.Run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
			var low []string
			page.Evaluate(contrastScript, &low)
			assert.Empty(t, low, "%s at %d", scheme, width)
			page.Screenshot("dashboard-" + scheme + "-" + map[bool]string{true: "phone", false: "wide"}[width < 500])
		}
		var overflow []string
		page.Evaluate(`[...document.querySelectorAll("body, .widget, .plot, .content")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.className)`, &overflow)
		assert.Empty(t, overflow, "at %d", width)
	}
}
