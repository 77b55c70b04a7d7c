package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
)

const (
	loadSeed    = 1
	loadCallers = 8
	// loadTime is AWS time.
	loadTime = 10 * time.Minute
	// patience is how long a caller waits for an answer, on the wall clock.
	patience = 5 * time.Second
	// modelMemory, in bytes, is some five times what the sample model needs.
	modelMemory = 40 << 20
)

// question is one kind of request, with the statuses that its callers may get,
// besides 429, and the code in the body of each.
type question struct {
	name    string
	request func(url, key, body string) (*http.Request, error)
	answers map[int]string
}

func asked(method, path, contentType, key string, body ...string) func(url, ownKey, ownBody string) (*http.Request, error) {
	return func(url, ownKey, ownBody string) (*http.Request, error) {
		request, err := http.NewRequest(method, url+path, strings.NewReader(strings.Join(append(body, ownBody)[:1], "")))
		if err == nil {
			request.Header.Set("Content-Type", contentType)
			request.Header.Set("X-Api-Key", strings.ReplaceAll(key, "OWN", ownKey))
		}
		return request, err
	}
}

// questions: a good request comes twice, since it has the most to go through.
var questions = []question{
	{"good", asked(http.MethodPost, "", "application/json", "OWN"), fromModel},
	{"good", asked(http.MethodPost, "", "application/json", "OWN"), fromModel},
	{"wrong key", asked(http.MethodPost, "", "application/json", "not-OWN"), map[int]string{403: "InvalidApiKey"}},
	{"wrong body", asked(http.MethodPost, "", "application/json", "OWN", `{"songs":1}`), map[int]string{400: "InvalidBody"}},
	{"wrong media type", asked(http.MethodPost, "", "text/plain", "OWN"), map[int]string{415: "UnsupportedMediaType"}},
	{"no such route", asked(http.MethodPost, "/nope", "application/json", "OWN"), map[int]string{403: "NoSuchRoute"}},
	{"preflight", asked(http.MethodOptions, "", "", ""), map[int]string{204: ""}},
}

var fromModel = map[int]string{
	200: "", 500: "UpstreamError", 502: "ModelError", 503: "ModelStarting", 504: "UpstreamTimeout",
}

// TestLoad sends ten minutes of AWS time of mixed requests while faults come and
// go by chance. Each gets one answer of those that are documented; the deployed
// API works again afterwards; and nothing is left when the local cloud ends.
//
// Where a model hangs, the caller leaves before the gateway's 29 seconds, which
// pass on the wall clock, are over: what the gateway answers then is up to the
// tests of endpoint and gateway.
func TestLoad(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	s := newStack(t)
	s.set("rateLimit", "2")
	s.set("burstLimit", "20")
	s.up()
	l := &load{t: t, s: s, url: s.output("apiGatewayUrl"), key: s.output("apiKeyValue"), body: songs(t), seen: map[string]int{}}
	l.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadCallers}, Timeout: patience}

	began := s.cloud.Clock().Now()
	over := func() bool { return s.cloud.Clock().Since(began) > loadTime }
	var running sync.WaitGroup
	for i := range loadCallers {
		running.Go(func() { l.call(rand.New(rand.NewPCG(loadSeed, uint64(i))), over) })
	}
	running.Go(func() { l.breakThings(rand.New(rand.NewPCG(loadSeed, loadCallers)), over) })
	<-s.cloud.Clock().After(loadTime / 3)
	early := heap()
	running.Wait()
	late := heap()
	t.Logf("seed %d: %v, %d left without an answer, largest model %d KiB", loadSeed, l.seen, l.left, l.largest>>10)
	assert.Less(t, late, early+early/2+8<<20, "the heap must not grow with the requests")
	assert.NotZero(t, l.largest, "no model was seen")
	assert.Less(t, l.largest, modelMemory, "a model takes too much memory")
	assert.NotZero(t, l.left, "no model hung: the load is not what it is meant to be")
	assert.LessOrEqual(t, l.left, l.hangs, "only a model that hangs leaves a caller without an answer")
	for _, status := range []int{200, 204, 400, 403, 415, 429, 503} {
		assert.NotZero(t, l.statuses[status], "no request was answered %d: the load is not what it is meant to be", status)
	}

	s.cloud.Faults().Clear()
	require.Eventually(t, func() bool { return call(t, l.url, l.key).status == http.StatusOK }, time.Minute, 50*time.Millisecond,
		"the API works again once the faults are over")
	l.checkAccessLog()

	l.client.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, s.cloud.Close())
	assert.Empty(t, children(t), "a process is left")
	// One more asks here, and one starts the processes of the whole test run.
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+2 }, 10*time.Second, 20*time.Millisecond, "a goroutine is left")
	assert.Eventually(t, func() bool { return openFiles(t) <= files }, 10*time.Second, 20*time.Millisecond, "a file is open")
	leftovers, err := filepath.Glob(filepath.Join(s.state, "state.json.*"))
	require.NoError(t, err)
	assert.Empty(t, leftovers)
	s.startCloud() // newStack closes it once more.
}

// load is what all callers share.
type load struct {
	t              *testing.T
	s              *stack
	client         *http.Client
	url, key, body string

	mu       sync.Mutex
	statuses [600]int
	// seen counts answers by question and status, ids are those of all answers.
	seen map[string]int
	ids  []string
	// left is how many callers ran out of patience.
	left int

	// breakThings alone has the rest. hangs is how many requests were to hang,
	// largest the most memory, in bytes, that a model was seen to have.
	hangs, largest int
}

// call sends requests, one after the other, at most fifty a second.
func (l *load) call(random *rand.Rand, over func() bool) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for ; !over(); <-pace.C {
		l.ask(questions[random.IntN(len(questions))])
	}
}

func (l *load) ask(q question) {
	request, err := q.request(l.url, l.key, l.body)
	if !assert.NoError(l.t, err) {
		return
	}
	response, err := l.client.Do(request)
	if impatient := net.Error(nil); errors.As(err, &impatient) && impatient.Timeout() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.left++
		return
	}
	if !assert.NoError(l.t, err, "%s: every request has an answer", q.name) {
		return
	}
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	assert.NoError(l.t, err, q.name)
	id := response.Header.Get("X-Amzn-RequestId")
	l.check(q, response, body.Bytes(), id)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[response.StatusCode]++
	l.seen[fmt.Sprintf("%s %d", q.name, response.StatusCode)]++
	l.ids = append(l.ids, id)
}

func (l *load) check(q question, response *http.Response, body []byte, id string) {
	what := fmt.Sprintf("%s: %d %s", q.name, response.StatusCode, body)
	want, documented := q.answers[response.StatusCode]
	if response.StatusCode == http.StatusTooManyRequests && q.name != "wrong key" && q.name != "no such route" {
		want, documented = "TooManyRequests", true
	}
	assert.True(l.t, documented, "not a documented answer: %s", what)
	assert.Equal(l.t, "*", response.Header.Get("Access-Control-Allow-Origin"), what)
	if want == "" {
		return
	}
	var failure struct{ Message, Code, RequestID string }
	assert.NoError(l.t, json.Unmarshal(body, &failure), what)
	assert.Equal(l.t, want, failure.Code, what)
	assert.Equal(l.t, id, failure.RequestID, what)
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests {
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		assert.NoError(l.t, err, what)
		assert.Positive(l.t, seconds, what)
	}
}

// breakThings switches a fault on every twenty seconds of AWS time, and looks at
// the models before. Few of them live for more than some seconds, so that one that
// leaks is not told from one that does not; that none takes much is.
func (l *load) breakThings(random *rand.Rand, over func() bool) {
	clock := l.s.cloud.Clock()
	for ; !over(); <-clock.After(20 * time.Second) {
		for _, pid := range children(l.t) {
			l.largest = max(l.largest, resident(pid, filepath.Base(l.s.model[0])))
		}
		fault := faults.Fault{Kind: faults.Kinds[random.IntN(len(faults.Kinds))]}
		switch fault.Kind {
		case faults.ModelHang:
			l.hangs++
			fault.Count = 1
		case faults.Kill, faults.ModelCrash:
			fault.Count = 1
		default:
			fault.For, fault.Probability = 30*time.Second, 0.5
		}
		// There may be no process to kill.
		if err := l.s.cloud.Faults().Add(fault); err != nil && fault.Kind != faults.Kill {
			assert.NoError(l.t, err)
		}
	}
}

// checkAccessLog: each answer has one line in the access log, and one only.
func (l *load) checkAccessLog() {
	logs, err := filepath.Glob(filepath.Join(l.s.state, "logs", "*.access.log"))
	require.NoError(l.t, err)
	require.Len(l.t, logs, 1)
	logged := map[string]int{}
	for line := range strings.Lines(read(l.t, logs[0])) {
		var entry struct{ RequestID string }
		require.NoError(l.t, json.Unmarshal([]byte(line), &entry), line)
		logged[entry.RequestID]++
	}
	assert.NotContains(l.t, read(l.t, logs[0]), l.key)
	slices.Sort(l.ids)
	assert.Len(l.t, slices.Compact(slices.Clone(l.ids)), len(l.ids), "request ids are unique")
	for _, id := range l.ids {
		assert.Equal(l.t, 1, logged[id], "lines in the access log for %s", id)
	}
}

// heap is how many bytes are reachable.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// openFiles counts this process's.
func openFiles(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(open)
}

// children are the processes that this one has started and that still run.
func children(t testing.TB) []string {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	var found []string
	for _, list := range lists {
		// A thread may have ended in the meantime.
		if pids, err := os.ReadFile(list); err == nil {
			found = append(found, strings.Fields(string(pids))...)
		}
	}
	return found
}

// resident is how many bytes of memory the process has, or 0 where it has ended or
// is not the program yet: until then it has the memory of this one.
func resident(pid, program string) int {
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0
	}
	var name string
	var kilobytes int
	for line := range strings.Lines(string(status)) {
		switch key, value, _ := strings.Cut(line, ":"); key {
		case "Name":
			name = strings.TrimSpace(value)
		case "VmRSS":
			kilobytes, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	if err != nil || name != program {
		return 0
	}
	return kilobytes << 10
}
