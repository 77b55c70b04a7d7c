//go:build unix

package lambda_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/sqs"
)

const queueARN = "arn:aws:sqs:ap-northeast-1:123456789012:jobs"

// fakeQueue hands out the batches that a test gives it.
type fakeQueue struct {
	batches chan []sqs.Message
	broken  chan error

	mu      sync.Mutex
	asked   sqs.Receive
	deleted []string
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{batches: make(chan []sqs.Message), broken: make(chan error)}
}

func (q *fakeQueue) Receive(ctx context.Context, _ string, want sqs.Receive) ([]sqs.Message, error) {
	q.mu.Lock()
	q.asked = want
	q.mu.Unlock()
	select {
	case batch := <-q.batches:
		return batch, nil
	case err := <-q.broken:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *fakeQueue) Delete(_, handle string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deleted = append(q.deleted, handle)
	return nil
}

func messages(n int) []sqs.Message {
	batch := make([]sqs.Message, n)
	for i := range batch {
		id := strconv.Itoa(i + 1)
		batch[i] = sqs.Message{ID: "m" + id, Body: "body " + id, ReceiptHandle: "h" + id, Attributes: map[string]string{"ApproximateReceiveCount": "2"}}
	}
	return batch
}

func mapping(change ...func(*lambda.Mapping)) lambda.Mapping {
	m := lambda.Mapping{
		ID: "uuid", Function: "worker", QueueARN: queueARN, Region: "ap-northeast-1", BatchSize: 3, MaximumConcurrency: 2,
		ReportFailures: true, Enabled: true,
	}
	for _, f := range change {
		f(&m)
	}
	return m
}

// done waits until the deliveries of n messages are over.
func (w *world) done(n int) lambda.MappingState {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		state := w.Mappings()[0]
		return state.Succeeded+state.Failed == n
	}, 10*time.Second, time.Millisecond)
	return w.Mappings()[0]
}

func TestBatches(t *testing.T) {
	all := []string{"h1", "h2", "h3"}
	tests := []struct {
		name, answer string
		change       func(*lambda.Mapping)
		deleted      []string
		result       string
	}{
		{"none failed", `{"batchItemFailures":[]}`, nil, all, "OK"},
		{"no list", `{}`, nil, all, "OK"},
		{"a list of null", `{"batchItemFailures":null}`, nil, all, "OK"},
		{"null", `null`, nil, all, "OK"},
		{"one failed", `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`, nil, []string{"h1", "h3"}, "OK"},
		{"all failed", `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m3"},{"itemIdentifier":"m2"}]}`, nil, nil, "OK"},
		{"an empty identifier", `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil, nil, "PROBLEM: the function's partial batch response names no message"},
		{"a null identifier", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, nil, "PROBLEM: the function's partial"},
		{"another key", `{"batchItemFailures":[{"messageId":"m1"}]}`, nil, nil, "PROBLEM: the function's partial"},
		{"an unknown identifier", `{"batchItemFailures":[{"itemIdentifier":"m9"}]}`, nil, nil, "PROBLEM: the function's partial"},
		{"no object", `"done"`, nil, nil, "PROBLEM: the function's response is no partial batch response"},
		{"an error", `fail`, nil, nil, "PROBLEM: Function call failed"},
		{"no report is asked for", `"done"`, func(m *lambda.Mapping) { m.ReportFailures = false }, all, "OK"},
		{"no function", `{}`, func(m *lambda.Mapping) { m.Function = "other" }, nil, "PROBLEM: ResourceNotFoundException: Function not found: other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(variable("ANSWER", test.answer))
			m := mapping()
			if test.change != nil {
				test.change(&m)
			}
			w.ApplyMapping(m)
			w.queue.batches <- messages(3)
			state := w.done(3)
			assert.Equal(t, test.deleted, w.queue.deleted)
			assert.Equal(t, len(test.deleted), state.Succeeded)
			assert.Contains(t, state.LastResult, test.result)
		})
	}
}

func TestEvent(t *testing.T) {
	w := newWorld(t)
	kept := filepath.Join(t.TempDir(), "records")
	w.apply(func(f *lambda.Function) {
		f.Environment = map[string]string{"TEST_FUNCTION": "works", "ANSWER": "{}", "KEEP": kept}
	})
	w.ApplyMapping(mapping())
	w.queue.batches <- messages(1)
	w.done(1)
	records, err := os.ReadFile(kept)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"messageId":"m1","receiptHandle":"h1","body":"body 1","attributes":{"ApproximateReceiveCount":"2"},
		"messageAttributes":{},"md5OfBody":"744d6dbfdbed0707e1db5a0d9967710f","eventSource":"aws:sqs",
		"eventSourceARN":"arn:aws:sqs:ap-northeast-1:123456789012:jobs","awsRegion":"ap-northeast-1"}]`, string(records))
	wait := sqs.MaxWait
	assert.Equal(t, sqs.Receive{Max: 3, Wait: &wait}, w.queue.asked)
}

// No more batches are received than may be worked on.
func TestMaximumConcurrency(t *testing.T) {
	w := newWorld(t)
	signal := filepath.Join(t.TempDir(), "go on")
	w.apply(func(f *lambda.Function) {
		f.Environment = map[string]string{"TEST_FUNCTION": "works", "HOLD": signal, "ANSWER": "{}"}
	})
	w.ApplyMapping(mapping())
	for range 2 {
		w.queue.batches <- messages(1)
	}
	require.Eventually(t, func() bool { return w.State()[0].Running == 2 }, 10*time.Second, time.Millisecond)
	select {
	case w.queue.batches <- messages(1):
		t.Fatal("a third batch was received")
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, os.WriteFile(signal, nil, 0o600))
	w.queue.batches <- messages(1)
	w.done(3)
	assert.LessOrEqual(t, w.State()[0].Inits, 2)
}

func TestMappingsComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.apply(variable("ANSWER", "{}"))
	received := func() bool {
		select {
		case w.queue.batches <- messages(1):
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	w.ApplyMapping(mapping(func(m *lambda.Mapping) { m.Enabled = false }))
	assert.False(t, received(), "one that is not enabled")
	w.ApplyMapping(mapping())
	assert.True(t, received())
	w.done(1)
	w.ApplyMapping(mapping())
	assert.Equal(t, 1, w.Mappings()[0].Succeeded, "an update that changes nothing stops nothing")
	w.ApplyMapping(mapping(func(m *lambda.Mapping) { m.MaximumConcurrency = 0 }))
	assert.True(t, received())
	w.done(1)
	require.NoError(t, w.Drain(t.Context()))
	assert.False(t, received(), "one that was stopped")
	w.DeleteMapping("uuid")
	w.DeleteMapping("uuid")
	assert.Empty(t, w.Mappings())
}

func TestAQueueThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.apply()
	w.ApplyMapping(mapping())
	w.queue.broken <- errors.New("no such queue")
	require.Eventually(t, func() bool { return w.Mappings()[0].LastResult == "PROBLEM: no such queue" }, 10*time.Second, time.Millisecond)
	require.NoError(t, w.Close(), "the pause ends with it")
}
