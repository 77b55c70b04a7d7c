//go:build unix

package localcloud_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	components "scaletozero/components/gateway"
	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/endpoint/endpointtest"
	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

// life is a local cloud in a bubble: everything but processes and the network is real, and the time is fake.
type life struct {
	*testing.T
	clock   *clock.Clock
	runtime *endpoint.Runtime
	scaler  *scaling.Scaler
	gateway *gateway.Gateway
}

// startup is how long the model takes from its start to its first answer, in AWS time.
const startup = 15 * time.Second

const songsKey = "a-key-of-twenty-characters"

// newLife assembles what Start does. It is over with the bubble's context.
func newLife(t *testing.T, api *gateway.API) *life {
	t.Helper()
	awsTime, err := clock.New(clock.DefaultSpeed)
	require.NoError(t, err)
	store := metrics.New(awsTime)
	l := &life{T: t, clock: awsTime}
	l.runtime = endpoint.New(endpoint.Options{
		Launcher: &endpointtest.Launcher{StartTime: awsTime.Wall(startup)}, LogDir: t.TempDir(), Clock: awsTime,
		Metric: func(name string, dimensions map[string]string, value float64) {
			store.Put("AWS/SageMaker", name, dimensions, value)
		},
	})
	l.scaler = scaling.New(awsTime, store, scaling.Dimensions{scaling.CopyCount: scaling.Copies(l.runtime)})
	l.gateway = gateway.New(gateway.Options{Services: map[string]http.Handler{"runtime.sagemaker": l.runtime}, Clock: awsTime})
	l.gateway.Deploy("api", "live", gateway.Stage{API: api, Keys: []gateway.Key{{ID: "key", Value: songsKey, Enabled: true}}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.scaler.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		require.NoError(t, l.runtime.Close())
	})
	return l
}

// ask sends a request through the gateway.
func (l *life) ask() *http.Response {
	l.Helper()
	body := `{"xAxis": "a-b", "yAxis": "c-d", "songs": [{"id": "1", "title": "t", "artist": "u"}]}`
	request := httptest.NewRequestWithContext(l.Context(), http.MethodPost, "/api/live/infer", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Api-Key", songsKey)
	recorder := httptest.NewRecorder()
	l.gateway.ServeHTTP(recorder, request)
	return recorder.Result()
}

// persist asks as a well-behaved client does, honouring Retry-After on its own clock, until the model answers.
func (l *life) persist() {
	l.Helper()
	for {
		response := l.ask() //nolint:bodyclose // A recorded answer holds nothing open.
		if response.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(retryAfter(l.T, response)) //nolint:forbidigo // Time in a bubble is fake.
	}
}

func retryAfter(t *testing.T, refused *http.Response) time.Duration {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	seconds, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	require.NoError(t, err, "every 503 says when to come again")
	require.Positive(t, seconds)
	return time.Duration(seconds) * time.Second
}

// watch passes time until it is so.
func (l *life) watch(so func() bool) {
	l.Helper()
	for limit := l.clock.Now().Add(2 * time.Hour); !so(); {
		require.True(l, l.clock.Now().Before(limit), "it never came about: %+v %+v", l.runtime.State(), l.scaler.Alarms())
		require.NoError(l, l.clock.Sleep(l.Context(), time.Second))
		synctest.Wait()
	}
}

func (l *life) instances() int { return len(l.runtime.State()[0].Instances) }

func (l *life) desired() int {
	n, _ := l.runtime.DesiredCopies(componentName)
	return n
}

// alarm is the state of the alarm that wakes, the only one that the program registers itself.
func (l *life) alarm() string { return l.scaler.Alarms()[0].State }

// api is the program's own API.
func api(t *testing.T) *gateway.API {
	t.Helper()
	text, err := os.ReadFile("../model/schema.json")
	require.NoError(t, err)
	schema, err := components.ParseSchema(text)
	require.NoError(t, err)
	scope := arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: "123456789012"}
	document, err := components.Document(&components.Args{
		Scope: scope, APIName: "songs", StageName: "live", CredentialsArn: scope.Role("api"), AllowOrigin: "*",
		APIKeys: []components.APIKey{{Name: "a", Enabled: true}}, RateLimit: 10, BurstLimit: 20, MonthlyQuota: 10_000, LogRetentionDays: 30,
		Routes: []components.Route{{Method: http.MethodPost, Path: "/infer", OperationID: "infer", Request: schema, Endpoint: components.SageMaker{
			EndpointName: endpointName, InferenceComponentName: componentName,
		}}},
	})
	require.NoError(t, err)
	encoded, err := json.Marshal(document)
	require.NoError(t, err)
	imported, err := gateway.Import(encoded)
	require.NoError(t, err)
	return imported
}

// phase is a part of a life; takes is how long AWS takes for it, to a tenth, or 0 where that is not the question.
type phase struct {
	name  string
	takes time.Duration
	run   func()
}

func (l *life) live(phases []phase) {
	for _, p := range phases {
		began := l.clock.Now()
		p.run()
		synctest.Wait()
		took := l.clock.Since(began)
		l.Logf("%-60s %v", p.name, took.Round(time.Second))
		if p.takes > 0 {
			assert.InEpsilon(l, p.takes.Seconds(), took.Seconds(), 0.1, p.name)
		}
	}
}

// The times are AWS's: the machine learning blog's "Unlock cost savings with the new scale down to zero feature in
// SageMaker Inference" for sleeping and waking. Its five minutes from the first request to the first answer are one
// until the alarm, and the rest for an instance and the model's start.
func TestTheLifeOfAnEndpoint(t *testing.T) {
	deployed, imported := deployProgram(t), api(t)
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, imported)
		var refused time.Time
		l.live([]phase{
			{"an instance and a copy come", 4*time.Minute + startup, func() { l.create(deployed) }},
			{"busy", time.Hour, func() {
				for range 120 {
					require.Equal(t, http.StatusOK, l.ask().StatusCode) //nolint:bodyclose // A recorded answer holds nothing open.
					require.NoError(t, l.clock.Sleep(t.Context(), 30*time.Second))
				}
				require.Equal(t, 1, l.desired(), "a request now and then keeps one copy")
			}},
			{"idle, until no copy is left", 16 * time.Minute, func() { l.watch(func() bool { return l.desired() == 0 }) }},
			{"until no instance is left", 10 * time.Minute, func() { l.watch(func() bool { return l.instances() == 0 }) }},
			{"a night without a call", 0, func() {
				require.NoError(t, l.clock.Sleep(t.Context(), 8*time.Hour))
				require.Equal(t, [2]int{0, 0}, [2]int{l.instances(), l.desired()})
				// The alarm shall have the whole of its period before it.
				l.watch(func() bool { return l.clock.Now().Second() == 0 })
			}},
			{"a request is refused", 0, func() {
				refused = l.clock.Now()
				assert.Equal(t, time.Second, retryAfter(t, l.ask()), "a minute of AWS, in compressed time") //nolint:bodyclose // A recorded answer holds nothing open.
			}},
			{"the alarm runs the step", time.Minute, func() {
				l.watch(func() bool { return l.alarm() == scaling.InAlarm })
				require.Equal(t, 1, l.desired())
			}},
			{"an instance is provisioned, a copy starts, and answers", 4*time.Minute + startup, func() {
				l.watch(func() bool { return l.ask().StatusCode == http.StatusOK }) //nolint:bodyclose // A recorded answer holds nothing open.
				assert.InEpsilon(t, (5 * time.Minute).Seconds(), l.clock.Since(refused).Seconds(), 0.1, "from the first request on")
			}},
			{"the copy is idle again, and goes; so does its instance", 26 * time.Minute, func() {
				l.watch(func() bool { return l.desired() == 0 && l.instances() == 0 })
			}},
			{"a patient client is answered a Retry-After later at most", 0, func() {
				began := l.clock.Now()
				l.persist()
				assert.Less(t, l.clock.Since(began), 5*time.Minute+startup+time.Minute+time.Second)
			}},
		})
	})
}

// create deploys what the program registered.
func (l *life) create(p *program) {
	l.Helper()
	require.NoError(l, l.runtime.ApplyEndpoint(l.Context(), p.endpoint))
	require.NoError(l, l.runtime.Apply(l.Context(), p.component))
	l.scaler.Register(p.scaling)
}

// Mistakes that are easy to make, and that only show when the first caller of the day waits in vain.
func TestAnEndpointThatNeverWakes(t *testing.T) {
	imported := api(t)
	for _, test := range []struct {
		name     string
		requests int
		mistake  func(r *scaling.Registered)
		alarm    string
	}{
		{"the alarm wants more than one request", 1, func(r *scaling.Registered) {
			r.Alarms[0].ComparisonOperator = scaling.GreaterThanThreshold
		}, scaling.OK},
		{"there is no step policy", 200, func(r *scaling.Registered) {
			r.Policies = slices.DeleteFunc(r.Policies, func(p scaling.Policy) bool { return p.Step != nil })
		}, scaling.InAlarm},
	} {
		t.Run(test.name, func(t *testing.T) {
			deployed := deployProgram(t)
			test.mistake(&deployed.scaling)
			synctest.Test(t, func(t *testing.T) {
				l := newLife(t, imported)
				l.create(deployed)
				l.watch(func() bool { return l.desired() == 0 })
				for range 200 {
					if test.requests > 0 {
						require.Equal(t, http.StatusServiceUnavailable, l.ask().StatusCode) //nolint:bodyclose // A recorded answer holds nothing open.
						test.requests--
					}
					require.NoError(t, l.clock.Sleep(t.Context(), 30*time.Second))
				}
				assert.Zero(t, l.desired())
				assert.Equal(t, test.alarm, l.alarm())
			})
		})
	}
}
