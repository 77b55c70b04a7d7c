package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/gateway"
)

const secondKey = "second-key-0123456789abc"

// inMemory is a gateway in a synctest bubble: fake time, and requests without a
// network. Its clock runs at 50 times the bubble's, which divides a second without
// a remainder.
type inMemory struct {
	*testing.T
	*gateway.Gateway
	clock *clock.Clock
	api   *gateway.API
}

func newInMemory(t *testing.T, options gateway.Options) *inMemory {
	t.Helper()
	awsTime, err := clock.New(50)
	require.NoError(t, err)
	api, err := gateway.Import(document(t, "", nil))
	require.NoError(t, err)
	options.Clock = awsTime
	if options.Services == nil {
		options.Services = map[string]http.Handler{"runtime.sagemaker": upstream(200, "application/json", "{}")}
	}
	return &inMemory{t, gateway.New(options), awsTime, api}
}

// deploy puts the API into service with keys on plans of the same name.
func (m *inMemory) deploy(stage string, throttles map[string]gateway.Throttle, plans ...gateway.Plan) {
	s := gateway.Stage{API: m.api, Name: "music", Throttles: throttles}
	for i, plan := range plans {
		value := []string{goodKey, secondKey}[i]
		s.Keys = append(s.Keys, gateway.Key{ID: value[:4], Value: value, Enabled: true, Plan: plan})
	}
	m.Deploy("abc123", stage, s)
}

func (m *inMemory) send(c call) *httptest.ResponseRecorder {
	request := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	m.ServeHTTP(answer, request)
	return answer
}

// statuses sends the call n times.
func (m *inMemory) statuses(n int, c call) []int {
	statuses := make([]int, n)
	for i := range statuses {
		statuses[i] = m.send(c).Code
	}
	return statuses
}

// passing counts how many of n calls are not refused with 429.
func (m *inMemory) passing(n int, c call) int {
	refused := 0
	for _, status := range m.statuses(n, c) {
		if status == http.StatusTooManyRequests {
			refused++
		}
	}
	return n - refused
}

// wait lets AWS time pass.
func (m *inMemory) wait(d time.Duration) {
	m.Helper()
	require.NoError(m, m.clock.Sleep(m.Context(), d))
}

func bubble(t *testing.T, f func(t *testing.T, m *inMemory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newInMemory(t, gateway.Options{})) })
}

func TestThrottles(t *testing.T) {
	job := call{"GET", "/abc123/dev/v1/jobs/7?page=1", "", map[string]string{"X-Tenant": "a"}}
	preflight := call{"OPTIONS", inferURL, "", nil}
	other := infer(song, "x-api-key", secondKey)
	limit := func(rate float64, burst int) *gateway.Throttle {
		return &gateway.Throttle{RateLimit: rate, BurstLimit: burst}
	}
	// step is what passes of n calls, after some AWS time.
	type step struct {
		after   time.Duration
		n       int
		call    call
		passing int
	}
	tests := []struct {
		name   string
		stage  map[string]gateway.Throttle
		first  gateway.Plan
		second gateway.Plan
		steps  []step
	}{
		{name: "without limits all pass", steps: []step{{0, 200, infer(song), 200}}},
		{
			name: "a plan's burst, then its rate", first: gateway.Plan{Throttle: limit(2, 3)},
			steps: []step{{0, 5, infer(song), 3}, {time.Second, 5, infer(song), 2}, {time.Minute, 5, infer(song), 3}},
		},
		{
			name: "two keys on one plan do not share", first: gateway.Plan{ID: "p", Throttle: limit(1, 2)}, second: gateway.Plan{ID: "p", Throttle: limit(1, 2)},
			steps: []step{{0, 3, infer(song), 2}, {0, 3, other, 2}},
		},
		{
			name: "a method of a plan, inside the plan", first: gateway.Plan{Throttle: limit(1, 3), Methods: map[string]gateway.Throttle{"/v1/infer/POST": {RateLimit: 1, BurstLimit: 1}}},
			steps: []step{{0, 3, infer(song), 1}, {2 * time.Second, 3, infer(song), 1}},
		},
		{
			name: "another method's throttle is another's", first: gateway.Plan{Methods: map[string]gateway.Throttle{"/v1/jobs/POST": {RateLimit: 1, BurstLimit: 1}}},
			steps: []step{{0, 3, infer(song), 3}},
		},
		{
			name: "a limit of 0 lets nothing through", first: gateway.Plan{Throttle: limit(5, 0)},
			steps: []step{{time.Minute, 2, infer(song), 0}},
		},
		{
			name: "a stage's default holds over all callers", stage: map[string]gateway.Throttle{"*/*": {RateLimit: 1, BurstLimit: 2}},
			steps: []step{{0, 2, infer(song), 2}, {0, 2, other, 0}},
		},
		{
			name: "and for each method by itself", stage: map[string]gateway.Throttle{"*/*": {RateLimit: 1, BurstLimit: 1}},
			steps: []step{{0, 2, infer(song), 1}, {0, 2, preflight, 1}, {0, 2, job, 1}},
		},
		{
			name: "a method's own setting goes before the default", stage: map[string]gateway.Throttle{"*/*": {RateLimit: 1, BurstLimit: 1}, "v1/infer/POST": {RateLimit: 1, BurstLimit: 3}, "~1v1~1infer/OPTIONS": {RateLimit: 1, BurstLimit: 2}},
			steps: []step{{0, 4, infer(song), 3}, {0, 4, preflight, 2}},
		},
		{
			name: "a setting without limits leaves the account's", stage: map[string]gateway.Throttle{"*/*": {RateLimit: 1, BurstLimit: 1}, "v1/infer/POST": {RateLimit: -1, BurstLimit: -1}},
			steps: []step{{0, 100, infer(song), 100}},
		},
		{
			name: "one limit alone leaves the account's other", stage: map[string]gateway.Throttle{"v1/infer/POST": {RateLimit: -1, BurstLimit: 1}, "v1/infer/OPTIONS": {RateLimit: 0, BurstLimit: -1}},
			steps: []step{{0, 2, infer(song), 1}, {time.Millisecond, 2, infer(song), 1}, {0, 100, preflight, 100}},
		},
		{
			name:  "the account's own",
			steps: []step{{0, 5100, preflight, 5000}, {100 * time.Millisecond, 1100, preflight, 1000}},
		},
		{
			name: "what has no method or a wrong key costs nothing", first: gateway.Plan{Throttle: limit(1, 1)}, stage: map[string]gateway.Throttle{"*/*": {RateLimit: 1, BurstLimit: 1}},
			steps: []step{{0, 5, call{"GET", inferURL, "", nil}, 5}, {0, 5, infer(song, "x-api-key", "wrong"), 5}, {0, 2, infer(song), 1}},
		},
		{
			name: "what breaks the schema does cost", first: gateway.Plan{Throttle: limit(1, 2)},
			steps: []step{{0, 2, infer("{}"), 2}, {0, 1, infer(song), 0}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *inMemory) {
				m.deploy("dev", test.stage, test.first, test.second)
				for i, step := range test.steps {
					m.wait(step.after)
					assert.Equal(t, step.passing, m.passing(step.n, step.call), "step %d", i)
				}
			})
		})
	}
}

func TestQuotas(t *testing.T) {
	const day = 24 * time.Hour
	// The bubble's time begins on 2000-01-01, a Saturday, at midnight UTC.
	type step struct {
		after   time.Duration
		passing int
	}
	tests := []struct {
		name  string
		quota gateway.Quota
		steps []step
	}{
		{"a day", gateway.Quota{Limit: 3, Period: gateway.PeriodDay}, []step{{0, 3}, {23*time.Hour + 59*time.Minute, 0}, {time.Minute, 3}, {0, 0}}},
		{"a week begins on Sunday", gateway.Quota{Limit: 3, Period: gateway.PeriodWeek}, []step{{0, 3}, {day, 3}, {6 * day, 0}, {day, 3}}},
		{"a month", gateway.Quota{Limit: 3, Period: gateway.PeriodMonth}, []step{{30 * day, 3}, {0, 0}, {day, 3}, {28 * day, 0}, {day, 3}}},
		{"an offset counts once", gateway.Quota{Limit: 3, Offset: 2, Period: gateway.PeriodWeek}, []step{{0, 1}, {day, 3}, {7 * day, 3}}},
		{"none at all", gateway.Quota{Limit: 0, Period: gateway.PeriodDay}, []step{{0, 0}, {day, 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *inMemory) {
				m.deploy("dev", nil, gateway.Plan{ID: "p", Quota: &test.quota})
				for i, step := range test.steps {
					m.wait(step.after)
					assert.Equal(t, step.passing, m.passing(4, infer(song)), "step %d", i)
				}
			})
		})
	}
}

func TestWhatIsCountedOutlivesDeployments(t *testing.T) {
	bubble(t, func(t *testing.T, m *inMemory) {
		plan := gateway.Plan{ID: "p", Throttle: &gateway.Throttle{RateLimit: 0.001, BurstLimit: 11}, Quota: &gateway.Quota{Limit: 6, Period: gateway.PeriodMonth}}
		m.deploy("dev", nil, plan)
		require.Equal(t, 4, m.passing(4, infer(song)))
		m.deploy("dev", nil, plan)
		assert.Equal(t, 2, m.passing(4, infer(song)), "the quota goes on counting")
		m.Remove("abc123", "dev")
		m.deploy("dev", nil, plan)
		assert.Zero(t, m.passing(1, infer(song)), "even if the stage was away")

		prod := infer(song)
		prod.path = "/abc123/prod/v1/infer"
		m.deploy("prod", nil, plan)
		assert.Zero(t, m.passing(1, prod), "a plan's stages share it")
		m.deploy("prod", nil, gateway.Plan{ID: "q"})
		assert.Equal(t, 20, m.passing(20, prod), "another plan has its own")

		plan.Quota.Limit = 100
		m.deploy("dev", nil, plan)
		assert.Equal(t, 1, m.passing(4, infer(song)), "a larger quota helps at once; of eleven tokens ten are gone")
		plan.Throttle = nil
		m.deploy("dev", nil, plan)
		assert.Equal(t, 50, m.passing(50, infer(song)))
	})
}

func TestThrottledRequestsDoNotUseUpTheQuota(t *testing.T) {
	bubble(t, func(t *testing.T, m *inMemory) {
		m.deploy("dev", nil, gateway.Plan{Throttle: &gateway.Throttle{RateLimit: 1, BurstLimit: 1}, Quota: &gateway.Quota{Limit: 2, Period: gateway.PeriodDay}})
		require.Equal(t, 1, m.passing(50, infer(song)))
		m.wait(time.Second)
		assert.Equal(t, 1, m.passing(50, infer(song)))
		m.wait(time.Second)
		assert.Zero(t, m.passing(1, infer(song)))
	})
}

func TestWhatAThrottledCallerSees(t *testing.T) {
	bubble(t, func(t *testing.T, m *inMemory) {
		m.deploy("dev", nil, gateway.Plan{Throttle: &gateway.Throttle{}}, gateway.Plan{Quota: &gateway.Quota{Period: gateway.PeriodDay}})
		tests := []struct{ key, message, code, errorType string }{
			{goodKey, "Too Many Requests", "THROTTLED", "TooManyRequestsException"},
			{secondKey, "Limit Exceeded", "QUOTA_EXCEEDED", "LimitExceededException"},
		}
		for _, test := range tests {
			got := m.send(infer(song, "x-api-key", test.key))
			assert.Equal(t, http.StatusTooManyRequests, got.Code)
			assert.Contains(t, got.Body.String(), `"message":"`+test.message+`","code":"`+test.code+`"`)
			assert.Equal(t, test.errorType, got.Header().Get("X-Amzn-ErrorType"))
			assert.Equal(t, "*", got.Header().Get("Access-Control-Allow-Origin"), "a browser may read it")
		}
	})
}

// A Retry-After is in AWS seconds in the document.
func TestRetryAfterIsOnTheCallersClock(t *testing.T) {
	const at = "x-amazon-apigateway-gateway-responses INVALID_API_KEY"
	tests := []struct {
		speed       float64
		given, want string
	}{
		{1, "60", "60"},
		{60, "60", "1"},
		{60, "61", "2"},
		{60, "1", "1"},
		{100_000, "900", "1"},
		{60, "0", "0"},
		{7, "3600", "515"},
		{60, "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"},
	}
	for _, test := range tests {
		awsTime, err := clock.New(test.speed)
		require.NoError(t, err)
		api, err := gateway.Import(document(t, at, map[string]any{"responseParameters": map[string]any{"gatewayresponse.header.Retry-After": "'" + test.given + "'"}}))
		require.NoError(t, err)
		m := &inMemory{t, gateway.New(gateway.Options{Clock: awsTime}), awsTime, api}
		m.deploy("dev", nil)
		assert.Equal(t, test.want, m.send(infer(song)).Header().Get("Retry-After"), "%+v", test)
	}
}

func TestObserveAndMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []gateway.Request
		metrics := map[string][]float64{}
		slow := func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(20 * time.Millisecond)
			upstream(400, "application/json", "{}")(w, nil)
		}
		m := newInMemory(t, gateway.Options{
			Services: map[string]http.Handler{"runtime.sagemaker": http.HandlerFunc(slow)},
			Observe:  func(r gateway.Request) { seen = append(seen, r) },
			Metric: func(name string, dimensions map[string]string, value float64) {
				assert.Equal(t, map[string]string{"ApiName": "music", "Stage": "dev"}, dimensions)
				metrics[name] = append(metrics[name], value)
			},
		})
		m.deploy("dev", nil, gateway.Plan{Throttle: &gateway.Throttle{RateLimit: 0.001, BurstLimit: 1}})
		began := m.clock.Now()
		m.wait(time.Minute)
		assert.Equal(t, []int{503, 429}, m.statuses(2, infer(song)))
		m.send(infer(song, "x-api-key", "wrong-"+goodKey))
		m.send(call{"GET", "/abc123/dev/nope", "", nil})
		m.send(call{"GET", "/abc123/nope/v1/infer", "", nil})

		at, later := began.Add(time.Minute), began.Add(time.Minute+50*20*time.Millisecond)
		assert.Equal(t, []gateway.Request{
			{"abc123", "dev", "POST", "/v1/infer", "good", 503, "UpstreamType", 20 * time.Millisecond, at},
			{"abc123", "dev", "POST", "/v1/infer", "good", 429, "THROTTLED", 0, later},
			{"abc123", "dev", "POST", "/v1/infer", "", 403, "INVALID_API_KEY", 0, later},
			{"abc123", "dev", "GET", "", "", 403, "MISSING_AUTHENTICATION_TOKEN", 0, later},
			{"abc123", "nope", "GET", "", "", 403, "ACCESS_DENIED", 0, later},
		}, seen)
		assert.Equal(t, map[string][]float64{
			"Count": {1, 1, 1, 1}, "4XXError": {0, 1, 1, 1}, "5XXError": {1, 0, 0, 0},
			"Latency": {20, 0, 0, 0}, "IntegrationLatency": {20},
		}, metrics, "what reaches no stage is counted nowhere")
	})
}

func TestMethodsWithMetricsOfTheirOwn(t *testing.T) {
	of := func(method string) map[string]string {
		return map[string]string{"ApiName": "music", "Stage": "dev", "Method": method, "Resource": "/v1/infer"}
	}
	for name, test := range map[string]struct {
		detailed map[string]bool
		want     []map[string]string
	}{
		"none":        {nil, nil},
		"all":         {map[string]bool{"*/*": true}, []map[string]string{of("POST"), of("OPTIONS")}},
		"one":         {map[string]bool{"v1/infer/POST": true}, []map[string]string{of("POST")}},
		"all but one": {map[string]bool{"*/*": true, "~1v1~1infer/POST": false}, []map[string]string{of("OPTIONS")}},
	} {
		t.Run(name, func(t *testing.T) {
			var stage int
			var own []map[string]string
			m := newInMemory(t, gateway.Options{Metric: func(name string, dimensions map[string]string, _ float64) {
				switch {
				case name != "Count":
				case dimensions["Method"] == "":
					stage++
				default:
					own = append(own, dimensions)
				}
			}})
			m.Deploy("abc123", "dev", gateway.Stage{API: m.api, Name: "music", Detailed: test.detailed})
			m.send(infer(song, "x-api-key", "wrong"))
			m.send(call{"OPTIONS", inferURL, "", nil})
			m.send(call{"GET", "/abc123/dev/nope", "", nil})
			assert.Equal(t, test.want, own)
			assert.Equal(t, 3, stage, "the stage counts them all")
		})
	}
}

// Callers, and deployments that change the limits, at once: the race detector
// judges, and the number of those that pass.
func TestThrottlesUnderLoad(t *testing.T) {
	m := newInMemory(t, gateway.Options{})
	plan := gateway.Plan{ID: "p", Quota: &gateway.Quota{Limit: 100, Period: gateway.PeriodMonth}}
	m.deploy("dev", nil, plan)
	passed := make([]int, 8)
	var done sync.WaitGroup
	for i := range passed {
		done.Go(func() {
			passed[i] = m.passing(25, infer(song))
			m.deploy("dev", nil, plan)
		})
	}
	done.Wait()
	sum := 0
	for _, n := range passed {
		sum += n
	}
	assert.Equal(t, 100, sum)
}
