//go:build unix

package localcloud_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
	"scaletozero/functions/messages"
	clients "scaletozero/functions/model"
	"scaletozero/functions/table"
	"scaletozero/localcloud/dynamodb"
	"scaletozero/localcloud/sqs"
)

const (
	jobsName  = "jobs"
	queueURL  = "http://127.0.0.1/123456789012/jobs"
	queueARN  = "arn:aws:sqs:ap-northeast-1:123456789012:jobs"
	jobBody   = `{"xAxis": "a-b", "yAxis": "c-d", "songs": [{"id": "1", "title": "t", "artist": "u"}]}`
	workerCan = 2 * time.Minute // What an invocation of the worker may take.
)

// services answers the functions' SDK without a network.
type services map[string]http.Handler

func (s services) Do(request *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	name, _, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	s[name].ServeHTTP(recorder, request)
	return recorder.Result(), nil
}

// office is the queue of a life: its functions are the program's own, and run on AWS time.
type office struct {
	*life
	queues *sqs.Service
	tables *dynamodb.Service
	api    *jobs.API
	worker *jobs.Worker
}

func newOffice(l *life) *office {
	l.Helper()
	o := &office{life: l}
	log := slog.New(slog.DiscardHandler)
	var err error
	o.queues, err = sqs.New(sqs.Options{Clock: l.clock, Logger: log})
	require.NoError(l, err)
	require.NoError(l, o.queues.Create(sqs.Queue{
		ARN: queueARN, URL: queueURL, Name: jobsName, VisibilityTimeout: 6 * workerCan, Retention: 24 * time.Hour, MaxMessageSize: 1 << 18,
	}))
	o.tables, err = dynamodb.New(dynamodb.Options{Clock: l.clock, Logger: log})
	require.NoError(l, err)
	require.NoError(l, o.tables.Create(dynamodb.Table{Name: jobsName, HashKey: "id"}))
	config := aws.Config{
		Region: "ap-northeast-1", BaseEndpoint: aws.String("http://127.0.0.1"), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: services{"AmazonSQS": o.queues, "DynamoDB_20120810": o.tables, "SageMaker": l.runtime.Control(), "": l.runtime},
	}
	rows, queue := table.New(config, jobsName), messages.New(config, queueURL)
	o.api = &jobs.API{Table: rows, Queue: queue, TTL: 24 * time.Hour, AllowOrigin: "*", Now: l.clock.Now, NewID: jobs.RandomID, Log: log}
	o.worker = &jobs.Worker{
		Table: rows, Queue: queue, DeadLetters: queue, Model: clients.NewEndpoint(config, endpointName, componentName), MaxTries: 3,
		Waker: &jobs.Waker{Table: rows, Copies: clients.NewComponent(config, componentName), Component: componentName, Now: l.clock.Now},
		Now:   l.clock.Now, Random: func() float64 { return 0.5 }, Log: log,
	}
	return o
}

// submit hands a job in.
func (o *office) submit() {
	o.Helper()
	reply := o.api.Answer(o.Context(), jobs.Call{
		Method: http.MethodPost, Path: "/live/jobs", Header: map[string]string{"content-type": "application/json"}, Body: jobBody, RequestID: "r",
	})
	require.Equal(o, http.StatusAccepted, reply.Status, reply.Body)
}

// work does what there is to do now.
func (o *office) work() {
	o.Helper()
	received, err := o.queues.Receive(o.Context(), queueARN, sqs.Receive{})
	require.NoError(o, err)
	for _, m := range received {
		ctx, cancel := context.WithTimeout(o.Context(), workerCan)
		again := o.worker.Work(ctx, jobs.Batch{
			RequestID: m.ReceiptHandle, Deadline: o.clock.Now().Add(workerCan),
			Messages: []jobs.Message{{ID: m.ID, Receipt: m.ReceiptHandle, Body: m.Body, Receives: 1}},
		})
		cancel()
		if !slices.Contains(again, m.ID) {
			require.NoError(o, o.queues.Delete(queueARN, m.ReceiptHandle))
		}
	}
}

// pending counts the jobs that are not done.
func (o *office) pending() int {
	q := o.queues.State()[0]
	return q.Visible + q.InFlight + q.Delayed
}

// A job that wakes the model is done by the one copy that it asked for, whether the copy comes before the wake alarm
// could look or minutes later.
func TestAJobBringsOneCopy(t *testing.T) {
	deployed, imported := deployProgram(t), api(t)
	for _, test := range []struct {
		name   string
		asleep func(l *life) bool
		wakes  time.Duration
	}{
		{"an instance is still there", func(l *life) bool { return l.desired() == 0 }, 30 * time.Second},
		{"an instance has to come", func(l *life) bool { return l.desired() == 0 && l.instances() == 0 }, 6 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLife(t, imported)
				l.create(deployed)
				o := newOffice(l)
				l.watch(func() bool { return test.asleep(l) })
				// What the alarm watches begins with the job, so that it looks a minute later.
				l.watch(func() bool { return l.clock.Now().Second() == 0 })
				began := l.clock.Now()
				o.submit()
				most := 0
				l.watch(func() bool {
					o.work()
					most = max(most, l.desired())
					return o.pending() == 0
				})
				assert.Less(t, l.clock.Since(began), test.wakes)
				l.watch(func() bool {
					most = max(most, l.desired())
					return l.clock.Since(began) > test.wakes+10*time.Minute
				})
				assert.Equal(t, 1, most)
			})
		})
	}
}
