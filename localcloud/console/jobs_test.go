package console_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAJobIsHandedInWaitedForAndPlotted(t *testing.T) {
	t.Parallel()
	page, api, servers := world(t, 2, waking)
	page.Run(chromedp.Poll(`document.querySelector("#url").value !== ""`, nil))
	page.Run(chromedp.Click("#fill"))
	page.WaitFor("#outcome", "The key is filled in.")
	page.Run(chromedp.Click("#as-job"), chromedp.Click("#ask [type=submit]"))
	said := page.WaitFor("#outcome", "Job j-1 is waking.")
	assert.Contains(t, said, "as Retry-After says")
	page.WaitFor("#countdown", "Attempt 3 in")
	page.WaitFor("#outcome", "after the job was handed in")
	var points int
	page.Evaluate(`document.querySelectorAll("#map circle").length`, &points)
	assert.Equal(t, 6, points)
	assert.Equal(t, []string{"OPTIONS", "POST", "OPTIONS", "GET"}, api.seen()[:4], "the browser asks for each path first")
	page.Clean(servers...)

	page.Set("#url", "http://127.0.0.1:1/elsewhere")
	page.Run(chromedp.WaitNotVisible("#job-choice"))
}

// TestTheScriptKeepsToTheJobCases runs the client kit's table of jobs against the
// script that the page uses.
func TestTheScriptKeepsToTheJobCases(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../examples/calling/testdata/jobs.json")
	require.NoError(t, err)
	var cases []struct {
		Name    string
		Replies []struct{ Asks string }
		Waits   []float64
		Fails   *struct {
			Status int
			Code   string
			Late   bool
		}
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	page, _, _ := world(t, 0, waking)
	var outcomes []struct {
		Waits  []float64
		Asked  []string
		Keys   []string
		Answer json.RawMessage
		Error  *struct {
			Name, Code string
			Status     int
		}
	}
	page.Evaluate("("+jobsScript+")("+string(data)+")", &outcomes)
	require.Len(t, outcomes, len(cases))
	for i, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			got := outcomes[i]
			assert.Len(t, got.Waits, len(test.Waits))
			assert.InDeltaSlice(t, test.Waits, got.Waits, 1e-9)
			var asks []string
			for _, reply := range test.Replies {
				asks = append(asks, reply.Asks)
			}
			assert.Equal(t, asks, got.Asked)
			assert.Len(t, got.Keys, 1, "one job, however often it is handed in")
			if test.Fails == nil {
				require.Nil(t, got.Error)
				assert.JSONEq(t, `{"songs":[]}`, string(got.Answer))
				return
			}
			require.NotNil(t, got.Error)
			assert.Equal(t, "InferError", got.Error.Name)
			assert.Equal(t, test.Fails.Status, got.Error.Status)
			if test.Fails.Late {
				assert.Equal(t, "DeadlineExceeded", got.Error.Code)
			} else {
				assert.Equal(t, test.Fails.Code, got.Error.Code)
			}
		})
	}
}

// jobsScript runs every case with a clock that only its own waits move.
const jobsScript = `async (cases) => {
	const { runJob } = await import("/calling.js");
	const outcomes = [];
	for (const { within = 3600, replies } of cases) {
		let time = Date.UTC(2000, 0, 1);
		const left = [...replies], waits = [], asked = [], keys = new Set();
		const fetch = async (url, { method, headers }) => {
			asked.push((method + " " + url.slice("http://127.0.0.1/jobs/".length)).trim());
			if (method === "POST") keys.add(headers["Idempotency-Key"]);
			const { status, retryAfter, code = "", job, breaks } = left.shift();
			if (breaks) throw new TypeError("Failed to fetch");
			const sent = new Headers();
			if (retryAfter) sent.set("Retry-After", retryAfter);
			return new Response(JSON.stringify(job ?? { message: "m", code, requestId: "r-1" }), { status, headers: sent });
		};
		const outcome = {};
		try {
			outcome.answer = await runJob({
				url: "http://127.0.0.1/jobs", key: "k", body: { songs: [] }, within: within * 1000, fetch,
				random: () => 0.5, now: () => time, sleep: async (wait) => { time += wait; },
				onWait: ({ wait }) => waits.push(wait / 1000),
			});
		} catch ({ name, status, code }) {
			outcome.error = { name, status, code };
		}
		outcomes.push({ ...outcome, waits, asked, keys: [...keys].map(String) });
	}
	return outcomes;
}`
