package sqs_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/awsjson"
	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/sqs"
)

const (
	jobs = "arn:aws:sqs:ap-northeast-1:123456789012:jobs"
	dead = "arn:aws:sqs:ap-northeast-1:123456789012:dead"
)

func url(name string) string {
	return "https://sqs.ap-northeast-1.amazonaws.com/123456789012/" + name
}

// world is a Service with the queues jobs and dead, inside a bubble of synctest.
type world struct {
	*sqs.Service
	t      *testing.T
	clock  *clock.Clock
	faults *faults.Faults
	path   string

	mu   sync.Mutex
	data map[string][]float64
}

// jobsQueue hides for 30 seconds, keeps for an hour, and gives up after 3 receives.
func jobsQueue(change ...func(*sqs.Queue)) sqs.Queue {
	q := sqs.Queue{
		ARN: jobs, URL: url("jobs"), Name: "jobs", VisibilityTimeout: 30 * time.Second, Retention: time.Hour,
		MaxMessageSize: 262144, DeadLetterARN: dead, MaxReceives: 3,
	}
	for _, f := range change {
		f(&q)
	}
	return q
}

func deadQueue() sqs.Queue {
	return sqs.Queue{ARN: dead, URL: url("dead"), Name: "dead", VisibilityTimeout: 30 * time.Second, Retention: 2 * time.Hour, MaxMessageSize: 262144}
}

func inBubble(t *testing.T, test func(t *testing.T, w *world), change ...func(*sqs.Queue)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queues.json")
	synctest.Test(t, func(t *testing.T) {
		w := open(t, path)
		require.NoError(t, w.Create(deadQueue()))
		require.NoError(t, w.Create(jobsQueue(change...)))
		test(t, w)
	})
}

func open(t *testing.T, path string) *world {
	t.Helper()
	c, err := clock.New(60)
	require.NoError(t, err)
	w := &world{t: t, clock: c, faults: faults.New(c, 1), path: path, data: map[string][]float64{}}
	w.Service, err = sqs.New(sqs.Options{
		Clock: c, Path: path, Faults: w.faults, Logger: slog.New(slog.DiscardHandler),
		Metric: func(name string, dimensions map[string]string, value float64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			key := dimensions["QueueName"] + " " + name
			w.data[key] = append(w.data[key], value)
		},
	})
	require.NoError(t, err)
	return w
}

// pass lets AWS time pass, d and a little more: what is rounded down on the wall clock would be a little less.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.clock.Sleep(w.t.Context(), d+time.Microsecond))
}

func (w *world) send(body string) string {
	w.t.Helper()
	id, err := w.Send(jobs, body, nil)
	require.NoError(w.t, err)
	return id
}

// receive takes up to ten messages that are visible now.
func (w *world) receive(arn string) []sqs.Message {
	w.t.Helper()
	messages, err := w.Receive(w.t.Context(), arn, sqs.Receive{Max: 10})
	require.NoError(w.t, err)
	return messages
}

// bodies are what receive takes from jobs.
func (w *world) bodies() []string {
	bodies := []string{}
	for _, m := range w.receive(jobs) {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// counts are the visible, in-flight and delayed messages of a queue.
func (w *world) counts(name string) [3]int {
	for _, s := range w.State() {
		if s.Name == name {
			return [3]int{s.Visible, s.InFlight, s.Delayed}
		}
	}
	w.t.Fatalf("no queue %s", name)
	return [3]int{}
}

func (w *world) metric(name string) []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	values := w.data[name]
	delete(w.data, name)
	return values
}

// inMemory sends requests to a handler without a network.
type inMemory struct{ http.Handler }

func (m inMemory) Do(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	m.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// sdk is the real SDK's client.
func (w *world) sdk() *awssqs.Client {
	return awssqs.New(awssqs.Options{
		BaseEndpoint: aws.String("http://localhost/_localcloud/aws/sqs"), Region: "ap-northeast-1", HTTPClient: inMemory{w.Service},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), RetryMaxAttempts: 1,
	})
}

func code(t *testing.T, err error) string {
	t.Helper()
	var refused *awsjson.Error
	require.ErrorAs(t, err, &refused)
	return refused.Code
}

func seconds(n float64) *time.Duration { return new(time.Duration(n * float64(time.Second))) }

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestACallerThatLeftGetsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		got, err := w.Receive(canceled(), jobs, sqs.Receive{Wait: seconds(20)})
		require.NoError(t, err)
		assert.Empty(t, got)
	})
}
