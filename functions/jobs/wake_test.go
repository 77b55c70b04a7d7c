package jobs_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

// A sleeping model is looked at once a batch, asked for a copy once a wake-up, and never asked to answer, or the alarm
// would wake it too.
func TestASleepingModelIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	ids := w.submitted(4)
	w.model = w.asleepUntil(w.now.Add(time.Hour))
	w.calls = nil
	w.poll()
	assert.Equal(t, []string{"claim", "count", "ask once", "want", "release", "delay", "delay", "delay", "delay"}, w.calls)
	assert.Equal(t, 1, w.copies)
	assert.Equal(t, jobs.Waking, w.rows[ids[0]].Status)
	for _, d := range w.queue {
		require.Len(t, d.delays, 1)
		assert.True(t, d.delays[0] >= 10 && d.delays[0] <= 15, d.delays[0])
	}
	for _, id := range ids {
		assert.Zero(t, w.rows[id].Tries)
	}

	for _, next := range []struct {
		name   string
		after  time.Duration
		copies int // before, and wanted after
		wanted int
		calls  []string
	}{
		{"the copy is on its way", 7 * time.Second, 1, 1, []string{"claim", "count", "release"}},
		{"it cannot be seen yet", 7 * time.Second, 0, 0, []string{"claim", "count", "ask once", "release"}},
		{"it has gone again", time.Second, 0, 1, []string{"claim", "count", "ask once", "want", "release"}},
		{"copies that somebody else asked for are on their way", time.Minute, 2, 2, []string{"claim", "count", "release"}},
	} {
		w.now = w.now.Add(next.after)
		w.copies = next.copies
		w.calls = nil
		for _, d := range w.queue {
			d.visible = w.now
		}
		w.poll()
		assert.Equal(t, append(next.calls, "delay", "delay", "delay", "delay"), w.calls, next.name)
		assert.Equal(t, next.wanted, w.copies, next.name)
	}
}

// Where nobody can look or ask, the model is asked: a request that it refuses trips the alarm.
func TestTheAlarmWakesWhereTheWorkerCannot(t *testing.T) {
	for _, failing := range []string{"count", "ask once", "want"} {
		w := newWorld(t)
		id := w.submitted(1)[0]
		w.model = w.asleepUntil(w.now.Add(time.Minute))
		w.fault = func(call string) fault {
			if call == failing {
				return errorBefore
			}
			return ""
		}
		w.poll()
		assert.Contains(t, w.calls, "invoke", failing)
		assert.Zero(t, w.copies, failing)
		assert.Equal(t, jobs.Waking, w.rows[id].Status, failing)
		w.settle()
		assert.Equal(t, jobs.Succeeded, w.rows[id].Status, failing)
	}
}

// A copy may be on its way that never comes. Then the model is asked, for the alarm
// to learn of it, and whoever listens to it.
func TestACopyThatNeverComesIsNotWaitedForQuietly(t *testing.T) {
	w := newWorld(t)
	w.submitted(1)
	w.copies, w.model = 1, w.asleepUntil(w.now.Add(time.Hour))
	for _, next := range []struct {
		after time.Duration
		asked bool
	}{{time.Minute, false}, {28 * time.Minute, false}, {2 * time.Minute, true}} {
		w.now = w.now.Add(next.after)
		w.queue[0].visible = w.now
		w.calls = nil
		w.poll()
		assert.Equal(t, next.asked, slices.Contains(w.calls, "invoke"), "after %s more", next.after)
	}
	w.settle()
	for _, row := range w.rows {
		assert.Equal(t, jobs.Succeeded, row.Status)
		assert.Equal(t, 1, row.Tries, "waiting is no try")
	}
}

// The control plane has seconds, so that a call of it that hangs leaves the model
// its time.
func TestALookThatHangsIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now() // A context's deadline is real.
	id := w.submitted(1)[0]
	worker, copies := w.worker(), &hanging{Copies: w}
	worker.Waker.Copies = copies
	worker.Work(t.Context(), jobs.Batch{RequestID: "run", Deadline: w.now.Add(invocation), Messages: w.receive()})
	assert.LessOrEqual(t, copies.had, 5*time.Second)
	assert.Equal(t, jobs.Succeeded, w.rows[id].Status)
}

// hanging are copies whose count comes to nothing; had is how long it was waited for.
type hanging struct {
	jobs.Copies
	had time.Duration
}

func (h *hanging) Count(ctx context.Context) (current, desired int, err error) {
	deadline, _ := ctx.Deadline()
	h.had = time.Until(deadline)
	return 0, 0, context.DeadlineExceeded
}

// A model that has just answered is not looked at for the next job.
func TestAnAnswerSavesALook(t *testing.T) {
	w := newWorld(t)
	worker := w.worker()
	looks := func(after time.Duration) (looks int) {
		w.now = w.now.Add(after)
		w.submitted(1)
		w.calls = nil
		messages := w.receive()
		worker.Work(t.Context(), jobs.Batch{RequestID: w.now.String(), Deadline: w.now.Add(invocation), Messages: messages})
		for _, m := range messages {
			w.remove(m.Receipt)
		}
		for _, call := range w.calls {
			if call == "count" {
				looks++
			}
		}
		return looks
	}
	assert.Equal(t, 1, looks(0), "it may be asleep")
	assert.Equal(t, 0, looks(time.Second))
	assert.Equal(t, 0, looks(4999*time.Millisecond))
	assert.Equal(t, 1, looks(5*time.Second), "it may be asleep again")
	w.model = w.busyUntil(w.now.Add(time.Hour))
	assert.Equal(t, 0, looks(time.Second))
	assert.Equal(t, 1, looks(time.Second), "it did not answer")
}
