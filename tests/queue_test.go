package tests

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/calling"
	"scaletozero/internal/browser"
)

// TestNoJobIsLost hands in a thousand jobs at zero capacity while functions are
// killed and throttled, the endpoint fails, and messages come twice: each is
// answered, and none runs again once it has been.
func TestNoJobIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes: a job whose worker was killed waits for the end of its lease")
	}
	t.Parallel()
	r := newJobRun(t, jobCount, true)
	r.run()
	r.check()
}

// TestQueue is the life of a stack's queue: on, off, on again.
func TestQueue(t *testing.T) {
	t.Parallel()
	s := newStackAt(t, 600)
	s.up()
	infer, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	jobs := s.output("jobsUrl")
	assert.Equal(t, "music-mapping-api-local-jobs", s.output("jobsTableName"))
	client := calling.Client{URL: jobs, Key: key}
	answer, err := client.Job(t.Context(), []byte(songs(t)))
	require.NoError(t, err)
	assertMapped(t, string(answer))

	t.Run("a restart of the local cloud keeps the jobs", func(t *testing.T) { testKeptJob(t, s, jobs, key) })
	t.Run("console", func(t *testing.T) { testJobInConsole(t, s) })
	t.Run("without a key", func(t *testing.T) {
		assert.Equal(t, http.StatusForbidden, call(t, jobs, "").status)
	})
	t.Run("a second update changes nothing", func(t *testing.T) {
		assert.Empty(t, changed(s.up("--expect-no-changes")))
	})

	s.set("queueEnabled", "false")
	s.up()
	assert.Empty(t, s.cloud.Resources("aws:sqs/queue:Queue"))
	assert.Empty(t, s.cloud.Resources("aws:lambda/function:Function"))
	assert.Empty(t, s.cloud.Resources("aws:dynamodb/table:Table"))
	assert.Equal(t, http.StatusForbidden, call(t, jobs, key).status, "API Gateway answers 403 for a route that is not there")
	assert.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, call(t, infer, key).status)

	s.set("queueEnabled", "true")
	s.up()
	answer, err = client.Job(t.Context(), []byte(songs(t)))
	require.NoError(t, err)
	assertMapped(t, string(answer))
}

// testKeptJob hands a job in and restarts the local cloud before it can be
// answered.
func testKeptJob(t *testing.T, s *stack, jobs, key string) {
	r := &jobRun{t: t, s: s, url: jobs, key: key, jobs: make([]*handedIn, 1)}
	r.asleep()
	r.jobs[0] = r.handIn(0)
	s.restartCloud()
	r.fetch(0)
	assert.Equal(t, "succeeded", r.jobs[0].Status)
}

// testJobInConsole sends a job from the page.
func testJobInConsole(t *testing.T, s *stack) {
	page := browser.Open(t, s.cloud.ConsoleURL())
	page.Run(chromedp.WaitVisible("#as-job"), chromedp.Click("#fill"))
	page.WaitFor("#outcome", "The key is filled in.")
	page.Run(chromedp.Click("#as-job"), chromedp.Click("#ask [type=submit]"))
	page.WaitFor("#outcome", "after the job was handed in")
	page.WaitFor("#job-rows", "succeeded")
	page.WaitFor("#queue-rows", "music-mapping-api-local-jobs")
	page.Screenshot("jobs")
}

// TestAJobWakesTheModel: nothing but the job asks for a copy, and it need not wait
// for the alarm.
func TestAJobWakesTheModel(t *testing.T) {
	t.Parallel()
	s := newStackAt(t, 120)
	s.up()
	jobs, key := s.output("jobsUrl"), s.output("apiKeyValue")
	r := &jobRun{t: t, s: s, url: jobs, key: key, jobs: make([]*handedIn, 1)}
	r.asleep()
	began := s.cloud.Clock().Now()
	r.jobs[0] = r.handIn(0)
	require.Eventually(t, func() bool { return s.cloud.Endpoints()[0].Components[0].Desired == 1 }, 10*time.Second, time.Millisecond)
	assert.Less(t, s.cloud.Clock().Since(began), 2*time.Minute)
	for _, activity := range s.cloud.Activities() {
		assert.True(t, activity.Start.Before(began), "the alarm's policy came first: %s", activity.Cause)
	}
	r.fetch(0)
	assert.Equal(t, "succeeded", r.jobs[0].Status)
}

// TestQueueKeepsItsFunctionsOfBefore is a stack from the time when the queue made its
// functions without a component: an update must not meet their names with others.
func TestQueueKeepsItsFunctionsOfBefore(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.up()
	const queue, function = "scaletozero:queue:Queue", "$scaletozero:function:Function"
	before := strings.ReplaceAll(s.must("stack", "export"), queue+function+"$", queue+"$")
	for _, name := range []string{"queue-submit", "queue-worker"} {
		component := `"parent": "urn:pulumi:local::scale-to-zero-inference::` + queue + function + "::" + name + `"`
		require.Equal(t, 5, strings.Count(before, component))
		before = strings.ReplaceAll(before, component, `"parent": "urn:pulumi:local::scale-to-zero-inference::`+queue+`::queue"`)
	}
	s.write("before.json", before)
	s.must("stack", "import", "--file", "before.json")
	assert.Empty(t, changed(s.up()))
}
