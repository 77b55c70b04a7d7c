package dashboard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/dashboard"
	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
)

// stage is a store of metrics that a test plays into.
type stage struct {
	*testing.T
	clock *clock.Driven
	store *metrics.Store
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c := clock.NewDriven(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	return &stage{t, c, metrics.New(c)}
}

func (s *stage) pass(d time.Duration) { s.clock.Move(s.clock.Now().Add(d)) }

func (s *stage) put(namespace, name string, dimensions map[string]string, values ...float64) {
	for _, value := range values {
		s.store.Put(namespace, name, dimensions, value)
	}
}

// requests puts answers of the route, by status, with one latency.
func (s *stage) requests(latency float64, statuses map[int]int) {
	route := map[string]string{"ApiName": "songs", "Stage": "dev", "Method": "POST", "Resource": "/infer"}
	for status, count := range statuses {
		for range count {
			s.put("AWS/ApiGateway", "Count", route, 1)
			s.put("AWS/ApiGateway", "4XXError", route, map[bool]float64{true: 1}[status/100 == 4])
			s.put("AWS/ApiGateway", "5XXError", route, map[bool]float64{true: 1}[status/100 == 5])
			s.put("AWS/ApiGateway", "Latency", route, latency)
			s.put("AWS/ApiGateway", "IntegrationLatency", route, latency-5)
		}
	}
}

// newest are the newest values of a graph's lines, by their labels.
func (s *stage) newest(args *dashboard.Args, title string) map[string]float64 {
	s.Helper()
	data := graphOf(s.T, read(s.T, args), title).Evaluate(s.store, s.clock.Now())
	require.Empty(s, data.Problem, title)
	found := map[string]float64{}
	for _, line := range data.Lines {
		for _, value := range line.Values {
			if value != nil {
				found[line.Label] = *value
			}
		}
	}
	return found
}

func TestEveryGraphCanBeEvaluatedWithAndWithoutData(t *testing.T) {
	for name, args := range map[string]*dashboard.Args{"endpoint": full(), "function": onLambda()} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			for _, w := range read(t, args).Widgets {
				if w.Graph == nil {
					continue
				}
				data := w.Graph.Evaluate(s.store, s.clock.Now())
				assert.Empty(t, data.Problem, w.Graph.Title)
				assert.NotEmpty(t, data.Lines, w.Graph.Title)
			}
		})
	}
}

// Of 100 requests 2 are refused, 3 find the model asleep and 2 fail for other reasons.
func TestWhatTheGraphsOfCallersSay(t *testing.T) {
	s := newStage(t)
	s.requests(40, map[int]int{200: 93, 403: 2, 503: 3, 502: 2})
	s.put("SLO/songs-slo", "ModelStarting", nil, 1, 1, 1)
	s.put("SLO/songs-slo", "ServerErrors", nil, 1, 1)
	s.put("AWS/SageMaker", "NoCapacityInvocationFailures", map[string]string{"InferenceComponentName": "songs-model"}, 1, 1, 1, 1)
	s.pass(time.Minute)

	answers := map[string]float64{"2xx answered": 93, "4xx refused": 2, "503 asleep": 3, "5xx failed": 2}
	assert.Equal(t, answers, s.newest(full(), "Answers a minute"))
	assert.Equal(t, map[string]float64{"2xx answered": 93, "4xx refused": 2, "5xx failed": 5}, s.newest(onLambda(), "Answers a minute"), "nothing counts those apart")
	noObjectives := changed(func(a *dashboard.Args) { a.Objectives = nil })
	assert.Equal(t, map[string]float64{"2xx answered": 93, "4xx refused": 2, "503 asleep": 4, "5xx failed": 1}, s.newest(noObjectives, "Answers a minute"),
		"SageMaker counts the worker's too")
	assert.Equal(t, map[string]float64{"in the time shown": 100}, s.newest(full(), "Requests"))
	assert.Equal(t, map[string]float64{"p50": 40, "p95": 40, "p99": 40, "p95 behind the gateway": 35}, s.newest(full(), "Latency"))
	// 2 failed of 95, without those that were refused or found the model asleep, and 0.1 % may.
	assert.InDelta(t, 100*(1-2.0/95/0.001), s.newest(full(), "Error budget left")["% of 28 days"], 1e-4)
	assert.InDelta(t, 100*(1-5.0/98/0.001), s.newest(onLambda(), "Error budget left")["% of 28 days"], 1e-4)
}

// The log's count is behind API Gateway's, or ahead of it: nothing becomes negative, and the parts stay the whole.
func TestAnswersAddUpWhereOneCountIsLate(t *testing.T) {
	for name, starting := range map[string]int{"nothing logged yet": 0, "all logged": 3, "logged more": 5} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.requests(10, map[int]int{200: 4, 503: 3})
			for range starting {
				s.put("SLO/songs-slo", "ModelStarting", nil, 1)
			}
			s.pass(time.Minute)
			got, sum := s.newest(full(), "Answers a minute"), 0.0
			for label, value := range got {
				assert.GreaterOrEqual(t, value, 0.0, label)
				sum += value
			}
			assert.InDelta(t, 7, sum, 0)
			assert.InDelta(t, min(starting, 3), got["503 asleep"], 0)
		})
	}
}

func TestTheErrorBudgetIsWholeAsLongAsNobodyValidCalls(t *testing.T) {
	s := newStage(t)
	assert.Empty(t, s.newest(full(), "Error budget left"))
	s.requests(10, map[int]int{503: 2})
	s.put("SLO/songs-slo", "ModelStarting", nil, 1, 1)
	assert.Equal(t, map[string]float64{"% of 28 days": 100}, s.newest(full(), "Error budget left"))
}

// run is so many minutes of copies and instances, with a sample of each every minute.
func (s *stage) run(minutes, copies, instances int) {
	for range minutes {
		s.put("/aws/sagemaker/Endpoints", "CPUUtilization", map[string]string{"EndpointName": "songs-endpoint", "VariantName": "AllTraffic"},
			make([]float64, instances)...)
		s.put("/aws/sagemaker/InferenceComponents", "CPUUtilizationNormalized", map[string]string{"InferenceComponentName": "songs-model"},
			make([]float64, copies)...)
		s.pass(time.Minute)
	}
}

// Two instances with three copies for an hour; then all sleep.
func TestCopiesInstancesAndTheirCost(t *testing.T) {
	s := newStage(t)
	s.run(60, 3, 2)
	assert.Equal(t, map[string]float64{"copies": 3, "instances": 2}, s.newest(full(), "Copies and instances"))
	assert.Equal(t, map[string]float64{"copies, in the last 10 minutes": 3, "instances": 2}, s.newest(full(), "Running now"))
	assert.InDelta(t, 2*0.149, s.newest(full(), "Estimated cost of an hour like this")["instances"], 1e-6)
	s.requests(10, map[int]int{200: 1000})
	s.pass(20 * time.Minute)
	assert.Equal(t, map[string]float64{"copies": 0, "instances": 0}, s.newest(full(), "Copies and instances"))
	assert.Equal(t, map[string]float64{"copies, in the last 10 minutes": 0, "instances": 0}, s.newest(full(), "Running now"))
	assert.InDelta(t, 2*0.149+1000*0.00000425, s.newest(full(), "Estimated cost")["USD in the time shown"], 1e-6)
}

// SageMaker's samples come two minutes late, and a copy that runs stays one, at every minute of a period.
func TestLateSamplesHideNoCopy(t *testing.T) {
	for running, minutes := range map[int]string{1: "5", 2: "10", 3: "10", 4: "15", 10: "35"} {
		args := changed(func(a *dashboard.Args) { a.Endpoint.MaxInstances = running })
		for phase := range 35 {
			s := newStage(t)
			s.run(80+phase, running, running)
			s.pass(2 * time.Minute)
			n := float64(running)
			assert.Equal(t, map[string]float64{"copies": n, "instances": n}, s.newest(args, "Copies and instances"), phase)
			assert.Equal(t, map[string]float64{"copies, in the last " + minutes + " minutes": n, "instances": n}, s.newest(args, "Running now"), phase)
		}
	}
	s := newStage(t)
	s.run(1, 1, 1)
	assert.Equal(t, map[string]float64{"copies, in the last 10 minutes": 1, "instances": 1}, s.newest(full(), "Running now"), "as soon as one reports")
}

// What a function is asked at once is late too, and an hour after the last request it is nothing.
func TestAFunctionRunsForAsLongAsItIsAsked(t *testing.T) {
	s := newStage(t)
	s.put("AWS/Lambda", "ConcurrentExecutions", map[string]string{"FunctionName": "songs-model"}, 7, 4)
	s.pass(3 * time.Minute)
	assert.Equal(t, map[string]float64{"requests at once, in the last 5 minutes": 7}, s.newest(onLambda(), "Running now"))
	s.pass(time.Hour)
	assert.Equal(t, map[string]float64{"requests at once, in the last 5 minutes": 0}, s.newest(onLambda(), "Running now"))
}

// Two jobs wait for a worker and five for the model, which SQS counts with those that a worker has.
func TestJobsThatWaitForTheModelAreNotHidden(t *testing.T) {
	s := newStage(t)
	jobs := map[string]string{"QueueName": "songs-jobs"}
	s.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", jobs, 2)
	s.put("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", jobs, 5)
	s.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", map[string]string{"QueueName": "songs-jobs-dead-letter"}, 1)
	s.put("AWS/SQS", "NumberOfMessagesDeleted", jobs, 1, 1, 1)
	s.pass(time.Minute)
	assert.Equal(t, map[string]float64{"not finished": 7, "given up": 1}, s.newest(full(), "Jobs now"))
	assert.Equal(t, map[string]float64{"waiting": 2, "with a worker, or waiting for the model": 5}, s.newest(full(), "Jobs in the queue"))
	assert.Equal(t, map[string]float64{"ended": 3, "given up, in all": 1}, s.newest(full(), "Jobs a minute"))
	s.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", jobs, 2)
	s.pass(time.Minute)
	assert.InDelta(t, 2, s.newest(full(), "Jobs now")["not finished"], 0, "SQS reports no messages with a worker where there are none")
}

// Two failures of two requests are 1,000 times the budget and ring nothing; three are three.
func TestTheBurnRateIsDrawnApartWhereItCannotRing(t *testing.T) {
	for failed, want := range map[int]map[string]float64{
		2: {"burn rate over 5 minutes": 0, "of fewer than 3 failures, which alone ring nothing": 1000},
		3: {"burn rate over 5 minutes": 1000, "of fewer than 3 failures, which alone ring nothing": 0},
	} {
		for _, args := range []*dashboard.Args{full(), onLambda()} {
			s := newStage(t)
			s.requests(10, map[int]int{500: failed})
			s.put("SLO/songs-slo", "ServerErrors", nil, make([]float64, failed-1)...)
			s.put("SLO/songs-slo", "ServerErrors", nil, float64(failed))
			s.pass(5 * time.Minute)
			assert.Equal(t, want, s.newest(args, burnTitle))
			graph := graphOf(t, read(t, args), burnTitle)
			require.NotNil(t, graph.Axis.Max)
			assert.InDelta(t, 28.8, *graph.Axis.Max, 1e-9, "so that the lines of the alarms can be read")
		}
	}
}

// 1,000 invocations of half a second with 2 GiB in five minutes.
func TestTheCostOfAFunction(t *testing.T) {
	s := newStage(t)
	for range 1000 {
		s.put("AWS/Lambda", "Duration", map[string]string{"FunctionName": "songs-model"}, 500)
		s.put("AWS/Lambda", "Invocations", map[string]string{"FunctionName": "songs-model"}, 1)
	}
	s.pass(5 * time.Minute)
	once := 1000*0.5*2*0.0000166667 + 1000*0.0000002
	assert.InDelta(t, once, s.newest(onLambda(), "Estimated cost")["USD in the time shown"], 1e-6)
	assert.InDelta(t, 12*once, s.newest(onLambda(), "Estimated cost of an hour like this")["function"], 1e-6)
}

func TestColdStartsAreWhatCallersWaitForBeyondTheFunction(t *testing.T) {
	s := newStage(t)
	s.requests(2105, map[int]int{200: 1})
	s.put("AWS/Lambda", "Duration", map[string]string{"FunctionName": "songs-model"}, 300)
	s.put("AWS/Lambda", "ProvisionedConcurrencyUtilization", map[string]string{"FunctionName": "songs-model", "Resource": "songs-model:live"}, 0.5)
	s.pass(time.Minute)
	assert.Equal(t, map[string]float64{"a new environment": 1800, "the function": 300},
		s.newest(onLambda(), "Cold starts: what the slowest callers waited for"))
	assert.Equal(t, map[string]float64{"% in use": 50}, s.newest(onLambda(), "Environments kept ready"))
}

// The window of the budget begins before the time that the rest of the page shows.
func TestTheBudgetHasAWindowOfItsOwn(t *testing.T) {
	s := newStage(t)
	s.requests(10, map[int]int{200: 999, 500: 1})
	s.put("SLO/songs-slo", "ServerErrors", nil, 1)
	s.pass(100 * time.Hour)
	assert.InDelta(t, 0, s.newest(full(), "Error budget left")["% of 28 days"], 1e-4, "one in a thousand is all of it")
	assert.Empty(t, s.newest(full(), "Requests"), "the page shows three hours")
	graph := graphOf(t, read(t, full()), "Error budget left")
	assert.Equal(t, 28*24*time.Hour, graph.Range)
}
