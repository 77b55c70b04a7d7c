package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
)

const (
	jobCount   = 1000
	jobSeed    = 1
	jobCallers = 8
)

// jobRun hands jobs in to a stack whose model sleeps, while everything that can
// fail on the way does so at times, and fetches their answers.
type jobRun struct {
	t    testing.TB
	s    *stack
	runs string
	url  string
	key  string
	// jobs are in the order of their numbers.
	jobs  []*handedIn
	began time.Time
	took  time.Duration
	// killed is how many functions were killed.
	killed int
}

// handedIn is a job and how it ended.
type handedIn struct {
	ID, Status string
	UpdatedAt  time.Time
	Result     struct{ Answer string }
	Error      struct{ Code, Message string }
}

// newJobRun deploys a stack with a queue, and with a model that says what reaches
// it, and waits until it sleeps.
func newJobRun(t testing.TB, count int, directWake bool) *jobRun {
	t.Helper()
	model := filepath.Join(t.TempDir(), "model")
	build := exec.Command("go", "build", "-o", model, "./tests/testdata/countingmodel")
	build.Dir = built.root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	r := &jobRun{t: t, runs: filepath.Join(t.TempDir(), "runs"), jobs: make([]*handedIn, count)}
	r.s = newStackRunning(t, 0, model)
	r.s.set("rateLimit", "10000")
	r.s.set("burstLimit", "5000")
	r.s.set("monthlyQuota", "1000000")
	r.s.set("queueMaxConcurrency", "8")
	// The faults below are frequent enough to use up three.
	r.s.set("queueMaxTries", "20")
	r.s.set("queueDirectWake", strconv.FormatBool(directWake))
	r.s.must("config", "set", "--path", "environment.RUNS", r.runs)
	r.s.up()
	r.url, r.key = r.s.output("jobsUrl"), r.s.output("apiKeyValue")
	r.asleep()
	return r
}

// asleep waits until there is no instance.
func (r *jobRun) asleep() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return len(r.s.cloud.Endpoints()[0].Instances) == 0 }, 2*time.Minute, 10*time.Millisecond)
}

// run hands all jobs in and returns when all of them have ended.
func (r *jobRun) run() {
	r.t.Helper()
	// The alarm judges whole minutes. Begun with one, runs can be compared, and the
	// alarm takes as long as it can.
	now := r.s.cloud.Clock().Now()
	<-r.s.cloud.Clock().After(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
	r.began = time.Now()
	ended := make(chan struct{})
	var running, breaking sync.WaitGroup
	breaking.Go(func() { r.breakThings(ended) })
	for caller := range jobCallers {
		running.Go(func() {
			for number := caller; number < len(r.jobs); number += jobCallers {
				r.jobs[number] = r.handIn(number)
			}
			for number := caller; number < len(r.jobs); number += jobCallers {
				r.fetch(number)
			}
		})
	}
	running.Wait()
	close(ended)
	breaking.Wait()
	r.took = time.Since(r.began)
}

// ask sends a request until it is answered as wanted; every other answer has to
// be one that a caller may repeat.
func (r *jobRun) ask(method, url, idempotencyKey, body string, want int) *handedIn {
	for {
		request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
		if !assert.NoError(r.t, err) {
			return &handedIn{}
		}
		request.Header.Set("X-Api-Key", r.key)
		request.Header.Set("Content-Type", "application/json")
		if idempotencyKey != "" {
			request.Header.Set("Idempotency-Key", idempotencyKey)
		}
		response, err := http.DefaultClient.Do(request)
		if !assert.NoError(r.t, err) {
			return &handedIn{}
		}
		job := &handedIn{}
		err = json.NewDecoder(response.Body).Decode(job)
		_ = response.Body.Close()
		if response.StatusCode == want {
			assert.NoError(r.t, err)
			return job
		}
		if !assert.Contains(r.t, []int{500, 502, 503, 504}, response.StatusCode, "%s %s", method, url) {
			return &handedIn{}
		}
	}
}

func (r *jobRun) handIn(number int) *handedIn {
	body := fmt.Sprintf(`{"xAxis":"a-b","yAxis":"c-d","songs":[{"id":"%d","title":"t","artist":"a"}]}`, number)
	return r.ask(http.MethodPost, r.url, fmt.Sprintf("job-%d", number), body, http.StatusAccepted)
}

// fetch asks for a job until it has ended.
func (r *jobRun) fetch(number int) {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for ; !r.t.Failed(); <-pace.C {
		job := r.ask(http.MethodGet, r.url+"/"+r.jobs[number].ID, "", "", http.StatusOK)
		if job.Status == "succeeded" || job.Status == "failed" {
			r.jobs[number] = job
			return
		}
	}
}

// breakThings switches one fault after the other on, by chance, and kills a
// function's process, whatever it is doing.
func (r *jobRun) breakThings(ended <-chan struct{}) {
	random := rand.New(rand.NewPCG(jobSeed, 0))
	// None outlasts the next one: else they would gather, and all fall on the last
	// jobs.
	const lasts = 20 * time.Second
	kinds := []faults.Fault{
		{Kind: faults.FunctionCrash, Count: 1, For: lasts},
		{Kind: faults.FunctionThrottling, Probability: 0.5, For: lasts},
		{Kind: faults.Service5xx, Probability: 0.3, For: lasts},
		{Kind: faults.Throttling, Probability: 0.3, For: lasts},
		{Kind: faults.ModelCrash, Count: 1, For: lasts},
		{Kind: faults.QueueDuplicate, Probability: 0.3, For: lasts},
	}
	clock := r.s.cloud.Clock()
	for {
		assert.NoError(r.t, r.s.cloud.Faults().Add(kinds[random.IntN(len(kinds))]))
		r.killed += r.killOne(random)
		select {
		case <-ended:
			r.s.cloud.Faults().Clear()
			return
		case <-clock.After(lasts):
		}
	}
}

// killOne kills one of the stack's function processes, if there are any, and
// returns how many that were.
func (r *jobRun) killOne(random *rand.Rand) int {
	var functions []int
	for _, child := range children(r.t) {
		// One that has just ended has no program any more.
		if program, err := os.Readlink(filepath.Join("/proc", child, "exe")); err == nil && strings.HasPrefix(program, r.s.state) {
			pid, err := strconv.Atoi(child)
			assert.NoError(r.t, err)
			functions = append(functions, pid)
		}
	}
	if len(functions) == 0 || syscall.Kill(functions[random.IntN(len(functions))], syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}

// modelRuns are the times at which each job's request reached the model.
func (r *jobRun) modelRuns() map[string][]time.Time {
	seen := map[string][]time.Time{}
	for line := range strings.Lines(read(r.t, r.runs)) {
		at, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		nanoseconds, err := strconv.ParseInt(at, 10, 64)
		require.NoError(r.t, err, line)
		seen[id] = append(seen[id], time.Unix(0, nanoseconds))
	}
	return seen
}

// firstAnswer is how long the first answer took from the first request, in AWS
// time.
func (r *jobRun) firstAnswer() time.Duration {
	first := r.jobs[0].UpdatedAt
	for _, job := range r.jobs {
		if job.UpdatedAt.Before(first) {
			first = job.UpdatedAt
		}
	}
	return time.Duration(float64(first.Sub(r.began)) * r.s.cloud.Clock().Speed())
}

// logOf is what the functions wrote about a job.
func (r *jobRun) logOf(id string) string {
	logs, err := filepath.Glob(filepath.Join(r.s.state, "logs", "*-worker.log"))
	require.NoError(r.t, err)
	var lines strings.Builder
	for _, log := range logs {
		for line := range strings.Lines(read(r.t, log)) {
			if strings.Contains(line, id) {
				lines.WriteString(line)
			}
		}
	}
	return lines.String()
}

// check says what became of the jobs.
func (r *jobRun) check() {
	r.t.Helper()
	runs := r.modelRuns()
	assert.NotZero(r.t, r.killed, "no function was killed: the run is not what it is meant to be")
	again := 0
	for number, job := range r.jobs {
		id := strconv.Itoa(number)
		assert.Equal(r.t, "succeeded", job.Status, "job %d: %+v\n%s", number, job.Error, r.logOf(job.ID))
		assert.Equal(r.t, id, job.Result.Answer, "job %d has its own answer", number)
		for _, at := range runs[id] {
			// The row's time is to the millisecond.
			assert.False(r.t, at.After(job.UpdatedAt.Add(time.Millisecond)), "job %d ran again after its success", number)
		}
		again += len(runs[id]) - 1
	}
	r.t.Logf("%d jobs ended in %s, the first after %s of AWS time; %d functions were killed, %d runs were lost and done again",
		len(r.jobs), r.took.Round(time.Millisecond), r.firstAnswer().Round(time.Second), r.killed, again)
}
