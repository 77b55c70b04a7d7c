package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

// submitted puts that many jobs into the queue, whose bodies are 0, 1, 2 and on.
func (w *world) submitted(count int) []string {
	w.t.Helper()
	var ids []string
	for n := range count {
		before := len(w.queue)
		reply, _ := w.post(string(rune('0'+n)), "")
		require.Equal(w.t, 202, reply.Status)
		require.Len(w.t, w.queue, before+1)
		ids = append(ids, strings.Split(reply.Body, `"`)[3])
	}
	return ids
}

// The longer a job waits, the longer the next wait, with all bounds kept.
func TestWaitsGrow(t *testing.T) {
	w := newWorld(t)
	w.submitted(1)
	begin := w.now
	w.model = w.asleepUntil(begin.Add(6 * time.Hour))
	w.settle()
	assert.Less(t, w.now.Sub(begin), 6*time.Hour+5*time.Minute+time.Second)
	waits := 0
	for _, call := range w.calls {
		if call == "delay" {
			waits++
		}
	}
	assert.Less(t, waits, 150, "waiting for six hours costs little")
}

func TestBackOff(t *testing.T) {
	for _, test := range []struct {
		waited   time.Duration
		from, to int // seconds
	}{
		{0, 10, 15},
		{time.Minute, 12, 18},
		{10 * time.Minute, 120, 180},
		{time.Hour, 200, 300},
		{100 * time.Hour, 200, 300},
	} {
		least, most := 1000, 0
		for _, random := range []float64{0, 0.5, 0.999999} {
			w := newWorld(t)
			w.submitted(1)
			w.model = w.asleepUntil(w.now.Add(1000 * time.Hour))
			w.rows[firstID(w)] = older(w.rows[firstID(w)], test.waited)
			worker := w.worker()
			worker.Random = func() float64 { return random }
			messages := w.receive()
			worker.Work(t.Context(), jobs.Batch{RequestID: "r", Deadline: w.now.Add(invocation), Messages: messages})
			require.Len(t, w.queue[0].delays, 1)
			least, most = min(least, w.queue[0].delays[0]), max(most, w.queue[0].delays[0])
		}
		assert.Equal(t, test.from, least, test.waited)
		assert.Equal(t, test.to, most, test.waited)
	}
}

func firstID(w *world) string {
	for id := range w.rows {
		return id
	}
	return ""
}

func older(job jobs.Job, by time.Duration) jobs.Job {
	job.CreatedAt = job.CreatedAt.Add(-by)
	return job
}

// A message is put back unless there is time for a whole call of the model; the
// first one always has its chance, or nothing would ever be done.
func TestTimeRunsOut(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes time.Duration
		want  int
	}{
		{"quick", time.Second, 4},
		{"slow", 30 * time.Second, 2},
		{"as slow as can be", 59 * time.Second, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.submitted(4)
			w.model = func(body string) (jobs.Answer, error) {
				w.now = w.now.Add(test.takes)
				return echo(body)
			}
			w.poll()
			assert.Len(t, w.ended, test.want)
			for _, d := range w.queue {
				assert.Equal(t, []int{0}, d.delays, "back at once, for a worker that has time")
			}
		})
	}
}

// The model's call is cut off in time to write down that it was.
func TestAnAnswerThatTakesTooLong(t *testing.T) {
	w := newWorld(t)
	w.submitted(1)
	worker := w.worker()
	worker.Model = invokeFunc(func(ctx context.Context, _ string) (jobs.Answer, error) {
		limit, _ := ctx.Deadline()
		assert.Equal(t, w.now.Add(invocation-5*time.Second), limit)
		w.now = limit
		return jobs.Answer{}, context.DeadlineExceeded
	})
	again := worker.Work(t.Context(), jobs.Batch{RequestID: "r", Deadline: w.now.Add(invocation), Messages: w.receive()})
	assert.Equal(t, []string{"m1"}, again)
	job := w.rows[firstID(w)]
	assert.Equal(t, jobs.Queued, job.Status)
	assert.Equal(t, 1, job.Tries)
}

type invokeFunc func(context.Context, string) (jobs.Answer, error)

func (f invokeFunc) Invoke(ctx context.Context, body string) (jobs.Answer, error) {
	return f(ctx, body)
}

// What another worker has comes back once that worker must have ended.
func TestALeasedJobIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	id := w.submitted(1)[0]
	row := w.rows[id]
	row.Status, row.Owner, row.LeaseUntil = jobs.Running, "somebody", w.now.Add(77*time.Second)
	w.rows[id] = row
	w.poll()
	require.Len(t, w.queue, 1)
	assert.Empty(t, w.queue[0].delays, "the queue's own visibility timeout is longer than the lease")
	assert.Equal(t, row, w.rows[id])
	w.settle()
	assert.Equal(t, jobs.Succeeded, w.rows[id].Status)
}

// A client that repeats a request whose answer was lost is refused by its own
// first one. The job goes on all the same, and ends at once.
func TestOwnWritesAreKnown(t *testing.T) {
	w := newWorld(t)
	id := w.submitted(1)[0]
	worker := w.worker()
	worker.Table = forgetfulTable{w}
	assert.Empty(t, worker.Work(t.Context(), jobs.Batch{RequestID: "r", Deadline: w.now.Add(invocation), Messages: w.receive()}))
	assert.Equal(t, jobs.Succeeded, w.rows[id].Status)
	assert.Equal(t, 1, w.rows[id].Tries)
}

// forgetfulTable carries everything out and refuses it afterwards.
type forgetfulTable struct{ *world }

func (f forgetfulTable) Claim(ctx context.Context, claim jobs.Claim) (jobs.Job, bool, error) {
	_, _, err := f.world.Claim(ctx, claim)
	return jobs.Job{}, false, err
}

func (f forgetfulTable) Finish(ctx context.Context, id, owner string, outcome jobs.Outcome, now time.Time) (bool, error) {
	_, err := f.world.Finish(ctx, id, owner, outcome, now)
	return false, err
}

func TestOutcomes(t *testing.T) {
	answer := func(body string) func(string) (jobs.Answer, error) {
		return func(string) (jobs.Answer, error) {
			return jobs.Answer{Body: []byte(body), ContentType: "text/plain"}, nil
		}
	}
	failure := func(status int, message string) func(string) (jobs.Answer, error) {
		return func(string) (jobs.Answer, error) {
			return jobs.Answer{}, &jobs.ModelFailure{Status: status, Message: message}
		}
	}
	for _, test := range []struct {
		name  string
		model func(string) (jobs.Answer, error)
		want  jobs.Outcome
		runs  int
	}{
		{"nothing", answer(""), jobs.Outcome{ContentType: "text/plain"}, 1},
		{"the largest", answer(strings.Repeat("x", 408_500)), jobs.Outcome{Result: strings.Repeat("x", 408_500), ContentType: "text/plain"}, 1},
		{"too large", answer(strings.Repeat("x", 409_000)), jobs.Outcome{
			ErrorCode: "ResultTooLarge", ErrorMessage: "The model's answer is too large to be kept: a job holds nearly 400 KB.",
		}, 1},
		{"no text", answer("\xff"), jobs.Outcome{ErrorCode: "ModelError", ErrorMessage: "The model's answer is not text."}, 1},
		{"a failure without words", failure(0, ""), jobs.Outcome{ErrorCode: "ModelError", ErrorMessage: "The model failed to answer this request."}, maxTries},
		{"a failure with many words", failure(422, strings.Repeat("é", 501)), jobs.Outcome{
			ErrorCode: "ModelError", ErrorMessage: "The model answered this request with status 422: " + strings.Repeat("é", 500) + "…",
		}, maxTries},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.model = test.model
			id := w.submitted(1)[0]
			w.settle()
			assert.Equal(t, test.want, w.rows[id].Outcome)
			assert.Equal(t, test.runs, w.started["0"])
		})
	}
}

// A table whose limit is lower than was thought gets the shorter truth.
func TestARowThatTheTableRefuses(t *testing.T) {
	w := newWorld(t)
	id := w.submitted(1)[0]
	worker := w.worker()
	worker.Table = smallTable{w}
	again := worker.Work(t.Context(), jobs.Batch{RequestID: "r", Deadline: w.now.Add(invocation), Messages: w.receive()})
	assert.Empty(t, again)
	assert.Equal(t, jobs.CodeResultTooLarge, w.rows[id].Outcome.ErrorCode)
}

type smallTable struct{ *world }

func (s smallTable) Finish(ctx context.Context, id, owner string, outcome jobs.Outcome, now time.Time) (bool, error) {
	if outcome.Result != "" {
		return false, jobs.ErrTooLarge
	}
	return s.world.Finish(ctx, id, owner, outcome, now)
}

func TestUnreadableMessages(t *testing.T) {
	for _, text := range []string{"", "no JSON", `{}`, `{"id":"wake#music","body":"1"}`} {
		w := newWorld(t)
		w.enqueue(text)
		w.settle()
		assert.Equal(t, []string{text}, w.dead)
		assert.Equal(t, []string{"bury"}, w.calls)
	}
}

// SQS would take a message that was received 1000 times away; before, its job
// has to end.
func TestAModelThatNeverWakes(t *testing.T) {
	w := newWorld(t)
	ids := w.submitted(2)
	w.model = w.asleepUntil(w.now.Add(10_000 * time.Hour))
	for id, row := range w.rows {
		row.ExpiresAt = w.now.Add(10_000 * time.Hour)
		w.rows[id] = row
	}
	w.settle()
	for _, id := range ids {
		assert.Equal(t, jobs.CodeUpstreamError, w.rows[id].Outcome.ErrorCode)
	}
	assert.Len(t, w.dead, 2)
}

// What every Unicode character becomes on its way through the queue.
func TestBodiesPassUnchanged(t *testing.T) {
	w := newWorld(t)
	text := "\"<&> \u2028 \ufffe \uffff \U0001F3B5 \x7f\""
	var got string
	w.model = func(body string) (jobs.Answer, error) {
		got = body
		return echo(body)
	}
	reply, _ := w.post(text, "")
	require.Equal(t, 202, reply.Status, reply.Body)
	assert.NotContains(t, w.queue[0].body, "\ufffe", "SQS refuses it")
	assert.NotContains(t, w.queue[0].body, "\uffff", "SQS refuses it")
	assert.Contains(t, w.queue[0].body, "<&>", "escaped, it would weigh six times as much")
	w.settle()
	assert.Equal(t, text, got)
}
