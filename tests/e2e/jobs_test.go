package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAJobIsAnswered(t *testing.T) {
	s := newStack(t)
	motoAnswers(t, `{"songs":[{"id":"1"}]}`)
	got := s.post(`{"track":"<&>"}`, "")
	require.Equal(t, http.StatusAccepted, got.status)
	assert.Equal(t, "queued", got.body.Status)
	assert.Equal(t, "/dev/jobs/"+got.body.ID, got.headers["Location"])
	assert.NotEmpty(t, got.headers["Retry-After"])
	_, err := time.Parse(time.RFC3339, got.body.CreatedAt)
	require.NoError(t, err)

	row := s.row(got.body.ID)
	assert.Equal(t, "queued", row["status"])
	assert.Equal(t, "0", row["tries"])
	expires, err := strconv.ParseInt(row["expiresAt"], 10, 64)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(ttl*time.Second), time.Unix(expires, 0), time.Minute)

	waiting := s.receive(s.queue)
	require.Len(t, waiting, 1)
	assert.JSONEq(t, `{"id":"`+got.body.ID+`","body":"{\"track\":\"<&>\"}"}`, *waiting[0].Body)
	assert.Empty(t, s.work(waiting))

	got = s.get(got.body.ID)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "succeeded", got.body.Status)
	assert.JSONEq(t, `{"songs":[{"id":"1"}]}`, string(got.body.Result))
	assert.Empty(t, got.headers["Retry-After"])
	row = s.row(got.body.ID)
	assert.Equal(t, "1", row["tries"])
	assert.NotContains(t, row, "owner")
	assert.NotContains(t, row, "leaseUntil")

	// Delivered again after its success: nothing reaches the endpoint.
	before, _, _, _ := s.aws.counts()
	assert.Empty(t, s.work(waiting))
	after, _, _, _ := s.aws.counts()
	assert.Equal(t, before, after)
	assert.Equal(t, row, s.row(got.body.ID))
}

func TestRepeatedRequests(t *testing.T) {
	s := newStack(t)
	first := s.post(s.n(1), "key 1")
	require.Equal(t, http.StatusAccepted, first.status)
	again := s.post(s.n(1), "key 1")
	assert.Equal(t, http.StatusAccepted, again.status)
	assert.Equal(t, first.body.ID, again.body.ID)
	assert.Equal(t, first.body.CreatedAt, again.body.CreatedAt)
	other := s.post(s.n(2), "key 1")
	assert.Equal(t, http.StatusConflict, other.status)
	assert.Equal(t, "IdempotencyConflict", other.body.Code)
	assert.Equal(t, "request-1", other.body.RequestID)
	assert.NotEqual(t, first.body.ID, s.post(s.n(3), "key 2").body.ID)

	// The repeat was sent again, since nobody had begun; it runs once.
	motoAnswers(t, `1`, `2`)
	waiting := s.receive(s.queue)
	require.Len(t, waiting, 3)
	assert.Empty(t, s.work(waiting))
	_, answered, _, _ := s.aws.counts()
	assert.Equal(t, 2, answered)

	// Once it has run, a repeat is told so, and sends nothing.
	again = s.post(s.n(1), "key 1")
	assert.Equal(t, "succeeded", again.body.Status)
	assert.Empty(t, s.receive(s.queue))

	// An expired job is gone, and its key free for any body.
	s.set(first.body.ID, "SET expiresAt = :past", map[string]ddbtypes.AttributeValue{":past": &ddbtypes.AttributeValueMemberN{Value: "1"}}, nil)
	assert.Equal(t, http.StatusNotFound, s.get(first.body.ID).status)
	other = s.post(s.n(2), "key 1")
	assert.Equal(t, http.StatusAccepted, other.status)
	assert.Equal(t, first.body.ID, other.body.ID)
	// A late copy of the first message does not run in its place.
	assert.Empty(t, s.work(waiting[:1]))
	assert.Equal(t, "queued", s.get(first.body.ID).body.Status)
}

func TestWhatTheAPIRefuses(t *testing.T) {
	s := newStack(t)
	for _, test := range []struct {
		name string
		got  reply
		want int
		code string
	}{
		{"an unknown job", s.get("00000000-0000-4000-8000-000000000000"), http.StatusNotFound, "NoSuchJob"},
		{"what is no id", s.get("wake#" + component), http.StatusNotFound, "NoSuchJob"},
		{"a body over what SQS takes", s.post(`"`+strings.Repeat("x", 262_144)+`"`, ""), http.StatusRequestEntityTooLarge, "RequestTooLarge"},
		{"what is not JSON", s.post(`{`, ""), http.StatusBadRequest, "InvalidBody"},
		{"a key that is too long", s.post(`{}`, strings.Repeat("k", 256)), http.StatusBadRequest, "InvalidParameters"},
	} {
		assert.Equal(t, test.want, test.got.status, test.name)
		assert.Equal(t, test.code, test.got.body.Code, test.name)
		assert.NotEmpty(t, test.got.body.Message, test.name)
	}
	assert.Empty(t, s.receive(s.queue))
}

// TestNoCapacity is what waking looks like. moto's endpoint always answers, so
// the refusals are the front's.
func TestNoCapacity(t *testing.T) {
	for _, test := range []struct {
		name   string
		copies int // before
		asked  int
		// refusals are what the model's callers get, who are none where it sleeps.
		refusals []refusal
	}{
		{"asleep", 0, 1, nil},
		{"falling asleep", 1, 0, []refusal{noCapacity}},
		{"loading", 1, 0, []refusal{notReady}},
		{"throttled", 1, 0, []refusal{throttled}},
		{"overloaded", 1, 0, []refusal{overloaded}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStack(t)
			ids := []string{s.taken(s.n(1)), s.taken(s.n(2))}
			s.aws.scale(test.copies)
			s.aws.refuse(test.refusals...)
			waiting := s.receive(s.queue)
			require.Len(t, waiting, 2)
			assert.Len(t, s.work(waiting), 2, "both go back")

			invoked, _, asked, copies := s.aws.counts()
			assert.Len(t, test.refusals, invoked, "the rest of the batch is not sent to the model")
			assert.Equal(t, test.asked, asked)
			assert.Equal(t, 1, copies)
			var states []string
			for _, id := range ids {
				row := s.row(id)
				assert.Equal(t, "0", row["tries"], "waiting is no try")
				assert.NotContains(t, row, "owner")
				states = append(states, row["status"])
			}
			assert.ElementsMatch(t, []string{"waking", "queued"}, states)
			assert.Empty(t, s.receive(s.queue), "the messages wait")
			delays := s.aws.noted()
			assert.Len(t, delays, 2)
			for _, seconds := range delays {
				// The shortest wait, 12.5 s, and a fifth more or less.
				assert.GreaterOrEqual(t, seconds, 10)
				assert.LessOrEqual(t, seconds, 15)
			}

			// Awake: both are answered, and nobody asks for a copy again.
			s.aws.scale(1)
			motoAnswers(t, `1`, `2`)
			for _, message := range waiting {
				s.show(message)
			}
			assert.Empty(t, s.work(s.receive(s.queue)))
			for _, id := range ids {
				assert.Equal(t, "succeeded", s.get(id).body.Status)
				assert.Equal(t, "1", s.row(id)["tries"])
			}
			_, _, asked, _ = s.aws.counts()
			assert.Equal(t, test.asked, asked)
		})
	}
}

func TestAModelThatFails(t *testing.T) {
	for _, test := range []struct {
		refused refusal
		code    string
		message string
	}{
		{modelError, "ModelError", "The model answered this request with status 500: boom"},
		{notAllowed, "UpstreamError", "The model's endpoint could not be called."},
	} {
		t.Run(test.code, func(t *testing.T) {
			s := newStack(t)
			id := s.taken(s.n(1))
			for range maxTries - 1 {
				s.aws.refuse(test.refused)
				waiting := s.receive(s.queue)
				require.Len(t, s.work(waiting), 1)
				assert.Equal(t, "queued", s.get(id).body.Status)
				assert.Empty(t, s.receive(s.queue), "the message waits")
				require.Len(t, s.aws.noted(), 1)
				s.show(waiting[0])
			}
			s.aws.refuse(test.refused)
			assert.Empty(t, s.work(s.receive(s.queue)))
			got := s.get(id)
			assert.Equal(t, "failed", got.body.Status)
			require.NotNil(t, got.body.Error)
			assert.Equal(t, test.code, got.body.Error.Code)
			assert.Equal(t, test.message, got.body.Error.Message)
			assert.NotContains(t, s.worker.Log(), s.n(1), "requests are not logged")
		})
	}
}

func TestAResultThatDoesNotFit(t *testing.T) {
	s := newStack(t)
	large := fmt.Sprintf("%q", strings.Repeat("x", 409_600-2))
	// moto draws the line at 405 000 bytes, DynamoDB at 409 600.
	fits := fmt.Sprintf("%q", strings.Repeat("y", 404_000))
	motoAnswers(t, large, fits)
	over := s.taken(s.n(1))
	assert.Empty(t, s.work(s.receive(s.queue)))
	require.NotNil(t, s.get(over).body.Error)
	assert.Equal(t, "ResultTooLarge", s.get(over).body.Error.Code)
	under := s.taken(s.n(2))
	assert.Empty(t, s.work(s.receive(s.queue)))
	assert.Equal(t, fits, string(s.get(under).body.Result))
}

func TestWhatEndsInTheDeadLetterQueue(t *testing.T) {
	s := newStack(t)
	_, err := s.messages.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: ptr("no job")})
	require.NoError(t, err)
	assert.Empty(t, s.work(s.receive(s.queue)))
	dead := s.receive(s.dead)
	require.Len(t, dead, 1)
	assert.Equal(t, "no job", *dead[0].Body)

	// A job whose workers died in all its tries.
	id := s.taken(s.n(1))
	s.set(id, "SET tries = :all", map[string]ddbtypes.AttributeValue{":all": &ddbtypes.AttributeValueMemberN{Value: strconv.Itoa(maxTries)}}, nil)
	assert.Empty(t, s.work(s.receive(s.queue)))
	require.NotNil(t, s.get(id).body.Error)
	assert.Equal(t, "WorkerFailed", s.get(id).body.Error.Code)
	dead = s.receive(s.dead)
	require.Len(t, dead, 1)
	var kept struct{ ID, Body string }
	require.NoError(t, json.Unmarshal([]byte(*dead[0].Body), &kept))
	assert.Equal(t, id, kept.ID)
	assert.Equal(t, s.n(1), kept.Body)
	invoked, _, _, _ := s.aws.counts()
	assert.Zero(t, invoked)
}

// TestALeaseKeepsOthersOut is a second delivery while a worker has the job, and
// one after that worker's end.
func TestALeaseKeepsOthersOut(t *testing.T) {
	s := newStack(t)
	id := s.taken(s.n(1))
	lease := func(until time.Time) {
		s.set(id, "SET #s = :running, #o = :somebody, leaseUntil = :until", map[string]ddbtypes.AttributeValue{
			":running": &ddbtypes.AttributeValueMemberS{Value: "running"}, ":somebody": &ddbtypes.AttributeValueMemberS{Value: "somebody"},
			":until": &ddbtypes.AttributeValueMemberN{Value: strconv.FormatInt(until.UnixMilli(), 10)},
		}, map[string]string{"#s": "status", "#o": "owner"})
	}
	lease(time.Now().Add(time.Minute))
	waiting := s.receive(s.queue)
	require.Len(t, s.work(waiting), 1)
	assert.Equal(t, "somebody", s.row(id)["owner"])
	assert.Empty(t, s.receive(s.queue))
	assert.Empty(t, s.aws.noted(), "the queue's own visibility timeout is longer than the lease")
	invoked, _, _, _ := s.aws.counts()
	assert.Zero(t, invoked)

	lease(time.Now().Add(-time.Second))
	motoAnswers(t, `1`)
	s.show(waiting[0])
	assert.Empty(t, s.work(s.receive(s.queue)))
	assert.Equal(t, "succeeded", s.get(id).body.Status)
}

// TestAWorkerIsKilled while the model works, as Lambda does with a function that
// needs too much memory.
func TestAWorkerIsKilled(t *testing.T) {
	s := newStack(t)
	id := s.taken(s.n(1))
	waiting := s.receive(s.queue)
	held := s.aws.hold()
	ended := make(chan error, 1)
	go func() {
		_, err := s.worker.Invoke(t.Context(), s.event(waiting), timeout)
		ended <- err
	}()
	<-held
	require.NoError(t, s.worker.Close())
	require.ErrorContains(t, <-ended, "the function ended during the invocation")
	row := s.row(id)
	assert.Equal(t, "running", row["status"])
	assert.NotEmpty(t, row["owner"])

	// Until the lease ends nobody knows that the worker is dead.
	s.worker = s.startWorker()
	s.show(waiting[0])
	waiting = s.receive(s.queue)
	require.Len(t, s.work(waiting), 1)
	s.set(id, "SET leaseUntil = :past", map[string]ddbtypes.AttributeValue{":past": &ddbtypes.AttributeValueMemberN{Value: "1"}}, nil)
	motoAnswers(t, `1`)
	s.show(waiting[0])
	assert.Empty(t, s.work(s.receive(s.queue)))
	assert.Equal(t, "succeeded", s.get(id).body.Status)
	assert.Equal(t, "2", s.row(id)["tries"])
	invoked, answered, _, _ := s.aws.counts()
	assert.Equal(t, []int{2, 1}, []int{invoked, answered})
}

func ptr(text string) *string { return &text }
