package endpoint_test

import (
	"log/slog"
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
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/endpoint/endpointtest"
	"scaletozero/localcloud/faults"
)

// datum is a data point of a metric.
type datum struct {
	name       string
	dimensions map[string]string
	value      float64
}

// world is a runtime whose copies are in memory, inside a bubble of synctest.
type world struct {
	*endpoint.Runtime
	t        *testing.T
	clock    *clock.Clock
	launcher *endpointtest.Launcher
	faults   *faults.Faults

	mu   sync.Mutex
	data []datum
}

// inBubble runs the test with the endpoint music-endpoint, as change alters it.
func inBubble(t *testing.T, test func(t *testing.T, w *world), change ...func(*endpoint.Endpoint)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := clock.New(60)
		require.NoError(t, err)
		w := &world{t: t, clock: c, launcher: &endpointtest.Launcher{}, faults: faults.New(c, 1)}
		w.Runtime = endpoint.New(endpoint.Options{
			Clock: c, Launcher: w.launcher, Faults: w.faults, Logger: slog.New(slog.DiscardHandler),
			Metric: func(name string, dimensions map[string]string, value float64) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.data = append(w.data, datum{name, dimensions, value})
			},
		})
		defer func() {
			require.NoError(t, w.Close())
			assert.Empty(t, w.launcher.Running(), "Close leaves no process")
		}()
		require.NoError(t, w.ApplyEndpoint(t.Context(), musicEndpoint(change...)))
		test(t, w)
	})
}

// took is the AWS time that f takes.
func (w *world) took(f func()) time.Duration {
	before := w.clock.Now()
	f()
	return w.clock.Since(before).Round(time.Second)
}

// pass lets AWS time pass, and everything come to rest.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.clock.Sleep(w.t.Context(), d))
	synctest.Wait()
}

// instances are the states of the instances, by age.
func (w *world) instances() []string {
	states := []string{}
	for _, i := range w.State()[0].Instances {
		states = append(states, i.State)
	}
	return states
}

// copies are "state instance" of the copies of music, by number.
func (w *world) copies() []string {
	states := []string{}
	for _, c := range w.State()[0].Components[0].Copies {
		states = append(states, strings.TrimSpace(c.State+" "+c.Instance))
	}
	return states
}

// invoke sends one inference to the component music.
func (w *world) invoke() *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/endpoints/music-endpoint/invocations", strings.NewReader("{}"))
	request.Header.Set("X-Amzn-SageMaker-Inference-Component", "music")
	w.ServeHTTP(recorder, request)
	return recorder
}

// metric sums the values of a metric of the component music and forgets them.
func (w *world) metric(name string) (values []float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.data {
		if d.name == name && len(d.dimensions) == 1 && d.dimensions["InferenceComponentName"] == "music" {
			values = append(values, d.value)
		}
	}
	w.data = nil
	return values
}

func instanceType(name string) func(*endpoint.Endpoint) {
	return func(e *endpoint.Endpoint) { e.InstanceType = name }
}

func atMost(n int) func(*endpoint.Endpoint) {
	return func(e *endpoint.Endpoint) { e.MaxInstances = n }
}

func cores(n float64) func(*endpoint.Component) {
	return func(c *endpoint.Component) { c.Needs.CPUCores = n }
}

func memory(megabytes int) func(*endpoint.Component) {
	return func(c *endpoint.Component) { c.Needs.MemoryMB = megabytes }
}
