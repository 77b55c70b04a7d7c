package console_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/console"
)

func TestAColdStartIsSeenWaitedForAndPlotted(t *testing.T) {
	t.Parallel()
	page, api, servers := world(t, 2, waking)
	page.WaitFor("#apis", "")
	page.Run(chromedp.Poll(`document.querySelector("#url").value !== ""`, nil))
	page.Run(chromedp.Click("#fill"))
	page.WaitFor("#outcome", "The key is filled in.")
	page.Run(chromedp.Click("#ask [type=submit]"))

	said := page.WaitFor("#outcome", "503 ModelStarting")
	assert.Contains(t, said, "as Retry-After says")
	page.WaitFor("#countdown", "Attempt 2 in")
	page.Run(chromedp.WaitVisible("#progress"))
	page.Run(chromedp.Poll(`document.querySelector("#progress").value > 0.2`, nil))
	page.Screenshot("waiting")
	page.WaitFor("#countdown", "Attempt 3 in")
	page.WaitFor("#outcome", "200: the model answered")

	var plotted struct{ Points, Rows, Visible int }
	page.Evaluate(`({
		points: document.querySelectorAll("#map circle").length,
		rows: document.querySelectorAll("#positions tbody tr").length,
		visible: document.querySelectorAll("#wait:not([hidden])").length,
	})`, &plotted)
	assert.Equal(t, 6, plotted.Points)
	assert.Equal(t, 6, plotted.Rows)
	assert.Zero(t, plotted.Visible, "the progress bar is gone")
	assert.Contains(t, page.WaitFor("#positions", "荒城の月 / 滝廉太郎"), "-0.520")
	assert.Contains(t, page.WaitFor("#map", "明るい"), "穏やか", "the ends of the axes are named")

	seen := api.seen()
	assert.Equal(t, "OPTIONS", seen[0], "the browser asks first, as on another origin")
	assert.Contains(t, seen, "POST")
	page.WaitFor("#requests tbody", "preflight")
	assert.NotContains(t, strings.Join(page.Requests(), "\n"), apiKey)
	page.Clean(servers...)
}

func TestRefusalsAreExplained(t *testing.T) {
	t.Parallel()
	page, _, servers := world(t, 0, waking)
	page.Run(chromedp.Poll(`document.querySelector("#url").value !== ""`, nil))
	page.Set("#key", "wrong")
	page.Run(chromedp.Click("#ask [type=submit]"))
	said := page.WaitFor("#outcome", "403 InvalidApiKey")
	assert.Contains(t, said, "The key is missing, wrong or disabled")
	assert.Contains(t, said, "Request r-1")
	var alert string
	page.Evaluate(`document.querySelector("#outcome").getAttribute("aria-live")`, &alert)
	assert.Equal(t, "polite", alert, "a screen reader is told")
	page.Clean(servers...)

	page.Set("#url", "http://127.0.0.1:1/live/infer")
	page.Run(chromedp.Click("#ask [type=submit]"))
	page.WaitFor("#outcome", "NoAnswer")
	page.Run(chromedp.Click("#stop"))
	page.WaitFor("#outcome", "Stopped.")

	page.Set("#url", "https://elsewhere.example/live/infer")
	page.Run(chromedp.Click("#ask [type=submit]"))
	page.WaitFor("#countdown", "Attempt")
	require.NotEmpty(t, page.Problems())
	assert.Contains(t, page.Problems()[0], "Content Security Policy", "the page calls this machine only")
}

// busy is a snapshot with something in every part of the page.
func busy() console.Snapshot {
	s := waking()
	s.Alarms = []console.Alarm{
		{Name: "music-mapping-model-local-no-capacity", State: "ALARM", Reason: "Threshold Crossed: 1 datapoint [1.0] was greater than or equal to the threshold (1.0).", Since: s.Now},
		{Name: "TargetTracking-AlarmLow", State: "OK", Reason: "90 datapoints were not below the threshold.", Since: s.Now, CreatedByAWS: true},
		{Name: "TargetTracking-AlarmHigh", State: "INSUFFICIENT_DATA", Reason: "Unchecked: Initial alarm creation", Since: s.Now, CreatedByAWS: true},
	}
	s.Activities = []console.Activity{{Time: s.Now, Cause: "alarm music-mapping-model-local-no-capacity", Description: "Setting desired copy count to 1."}}
	s.Functions, s.Routes = withFunctions().Functions, withFunctions().Routes
	s.Queues = []console.Queue{
		{Name: "music-mapping-jobs-local", Visible: 7, InFlight: 2, Delayed: 1, OldestSeconds: 93.4},
		{Name: "music-mapping-jobs-local-dead", Visible: 0},
	}
	s.Jobs = map[string]int{"waking": 10, "succeeded": 4}
	s.Faults = []string{"model-hang on music-mapping-model-local for 4m10s <script>alert(1)</script>"}
	return s
}

func TestEverythingIsShown(t *testing.T) {
	t.Parallel()
	page, _, servers := world(t, 0, busy)
	for selector, want := range map[string]string{
		"#clock":      "AWS time 2026-01-02 03:04:05, 60 times as fast as yours",
		"#faults":     "<script>alert(1)</script>",
		"#endpoints":  "copy 1 · InService · 3 requests",
		"#alarms":     "made by target tracking",
		"#activities": "Setting desired copy count to 1.",
		"#queue-rows": "93 s",
		"#job-rows":   "succeeded",
	} {
		page.WaitFor(selector, want)
	}
	page.WaitFor("#endpoints", "no instance yet")
	var charts []string
	page.Evaluate(`[...document.querySelectorAll("#capacity svg")].map((svg) => svg.getAttribute("aria-label"))`, &charts)
	assert.Equal(t, []string{
		"Instances over time; now 1 in service, 1 coming or going",
		"Copies over time; now 1 in service, 1 coming or going, 2 desired",
		"Environments over time; now 3 running, 3 ready or starting, 4 to be provisioned",
	}, charts)
	var unlabelled []string
	page.Evaluate(`[...document.querySelectorAll("input, textarea, progress")].filter((e) => e.labels.length === 0).map((e) => e.id)`, &unlabelled)
	assert.Empty(t, unlabelled, "every control has a label")
	page.Clean(servers...)
}

// TestContrast computes the contrast of all text with what lies behind it, in
// both colour schemes; WCAG 2.2 AA asks for 4.5.
func TestContrast(t *testing.T) {
	t.Parallel()
	page, _, _ := world(t, 1, busy)
	page.WaitFor("#alarms", "made by target tracking")
	page.Run(chromedp.Poll(`document.querySelector("#url").value !== ""`, nil))
	page.Run(chromedp.Click("#fill"))
	page.WaitFor("#outcome", "The key is filled in.")
	page.Run(chromedp.Click("#ask [type=submit]"))
	page.WaitFor("#outcome", "200")
	for _, scheme := range []string{"light", "dark"} {
		page.Run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}))
		var low []string
		page.Evaluate(contrastScript, &low)
		assert.Empty(t, low, scheme)
		page.Screenshot(scheme)
	}
}

// contrastScript lists the elements with text whose contrast is below 4.5.
const contrastScript = `(() => {
	const parse = (color) => color.match(/[\d.]+/g).map(Number);
	const light = (color) => parse(color).slice(0, 3).map((c) => c / 255)
		.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const color = getComputedStyle(e).backgroundColor;
			if ((parse(color)[3] ?? 1) > 0) return color;
		}
		return "rgb(255, 255, 255)";
	};
	const found = [];
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== "") || e.matches("input, textarea");
		if (!own || e.matches("noscript, title, option, .song-number") || e.getClientRects().length === 0) continue;
		const style = getComputedStyle(e);
		const [a, b] = [light(e instanceof SVGElement ? style.fill : style.color), light(behind(e))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) found.push(e.outerHTML.slice(0, 80) + " " + contrast.toFixed(2));
	}
	return found;
})()`

// TestTheScriptKeepsToTheCases runs the client kit's table, which its Go client
// is tested with too, against the script that the page uses.
func TestTheScriptKeepsToTheCases(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../examples/calling/testdata/cases.json")
	require.NoError(t, err)
	var cases []struct {
		Name  string
		Waits []float64
		Fails *struct {
			Status int
			Code   string
			Late   bool
		}
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	page, _, _ := world(t, 0, waking)
	var outcomes []struct {
		Waits  []float64
		Left   int
		Bodies []string
		Answer string
		Error  *struct {
			Name, Code string
			Status     int
		}
	}
	page.Evaluate("("+casesScript+")("+string(data)+")", &outcomes)
	require.Len(t, outcomes, len(cases))
	for i, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			got := outcomes[i]
			assert.Len(t, got.Waits, len(test.Waits))
			assert.InDeltaSlice(t, test.Waits, got.Waits, 1e-9)
			assert.Zero(t, got.Left, "not given up early")
			assert.Equal(t, []string{`{"songs":[]}`}, got.Bodies, "every attempt sends the same body")
			if test.Fails == nil {
				require.Nil(t, got.Error)
				assert.Equal(t, "m", got.Answer)
				return
			}
			require.NotNil(t, got.Error)
			assert.Equal(t, "InferError", got.Error.Name)
			assert.Equal(t, test.Fails.Status, got.Error.Status)
			switch {
			case test.Fails.Late:
				assert.Equal(t, "DeadlineExceeded", got.Error.Code)
			case test.Fails.Status == 0:
				assert.Equal(t, "NoAnswer", got.Error.Code)
			default:
				assert.Equal(t, test.Fails.Code, got.Error.Code)
			}
		})
	}
}

// casesScript runs every case with a clock that only its own waits move.
const casesScript = `async (cases) => {
	const { infer } = await import("/calling.js");
	const outcomes = [];
	for (const { within = 3600, atMostOnce = false, replies } of cases) {
		let time = Date.UTC(2000, 0, 1);
		const left = [...replies], waits = [], bodies = new Set();
		const fetch = async (url, { body }) => {
			bodies.add(body);
			const { status, retryAfter, code = "", body: text, breaks } = left.shift();
			if (breaks) throw new TypeError("Failed to fetch");
			const headers = new Headers();
			if (retryAfter) {
				const date = /^[+-]/.test(retryAfter) && new Date(time + Number(retryAfter) * 1000).toUTCString();
				headers.set("Retry-After", date || retryAfter);
			}
			return new Response(text ?? JSON.stringify({ message: "m", code, requestId: "r-1" }), { status, headers });
		};
		const outcome = {};
		try {
			const answer = await infer({
				url: "http://127.0.0.1/", key: "k", body: { songs: [] }, within: within * 1000, atMostOnce, fetch,
				random: () => 0.5, now: () => time, sleep: async (wait) => { time += wait; },
				onWait: ({ wait }) => waits.push(wait / 1000),
			});
			outcome.answer = answer.message;
		} catch ({ name, status, code }) {
			outcome.error = { name, status, code };
		}
		outcomes.push({ ...outcome, waits, left: left.length, bodies: [...bodies] });
	}
	return outcomes;
}`
