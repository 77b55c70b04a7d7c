package jobs_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

// asleepUntil is a model that has no copy before a time.
func (w *world) asleepUntil(until time.Time) func(string) (jobs.Answer, error) {
	w.awake = until
	return w.busyUntil(until)
}

// busyUntil is a model that has no capacity before a time.
func (w *world) busyUntil(until time.Time) func(string) (jobs.Answer, error) {
	return func(body string) (jobs.Answer, error) {
		if w.now.Before(until) {
			return jobs.Answer{}, jobs.ErrNoCapacity
		}
		return echo(body)
	}
}

func failing(string) (jobs.Answer, error) {
	return jobs.Answer{}, &jobs.ModelFailure{Status: 500, Message: "boom"}
}

func unreachable(string) (jobs.Answer, error) { return jobs.Answer{}, errFault }

// scenarios are what a job can meet.
var scenarios = []struct {
	name string
	// model is set up in a world.
	model func(w *world) func(string) (jobs.Answer, error)
	want  jobs.Status
	// codes are those that it may end with: that of its last try, to which the
	// fault may have happened.
	codes []string
}{
	{"answered at once", func(*world) func(string) (jobs.Answer, error) { return echo }, jobs.Succeeded, []string{""}},
	{"asleep for minutes", func(w *world) func(string) (jobs.Answer, error) { return w.asleepUntil(w.now.Add(5 * time.Minute)) }, jobs.Succeeded, []string{""}},
	{"busy for minutes", func(w *world) func(string) (jobs.Answer, error) { return w.busyUntil(w.now.Add(5 * time.Minute)) }, jobs.Succeeded, []string{""}},
	{"a model that fails", func(*world) func(string) (jobs.Answer, error) { return failing }, jobs.Failed, []string{jobs.CodeModelError, jobs.CodeUpstreamError, jobs.CodeWorkerFailed}},
	{"an endpoint that cannot be called", func(*world) func(string) (jobs.Answer, error) { return unreachable }, jobs.Failed, []string{jobs.CodeUpstreamError, jobs.CodeWorkerFailed}},
}

const body = `{"n":1}`

// submitUntilTaken is a caller who repeats the request until it gets a 202.
func (w *world) submitUntilTaken(key string) string {
	for range 10 {
		reply, whole := w.post(body, key)
		if !whole || reply.Status == 503 {
			continue
		}
		require.Equal(w.t, 202, reply.Status, reply.Body)
		var view struct{ ID string }
		require.NoError(w.t, json.Unmarshal([]byte(reply.Body), &view))
		return view.ID
	}
	w.t.Fatal("the job is never taken")
	return ""
}

// TestAnyStepMayFail goes through every scenario once to learn its calls, and
// then again for each call and each way in which it can fail. Whatever fails,
// the job ends once, as it would have, and never runs after it has succeeded.
func TestAnyStepMayFail(t *testing.T) {
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			clean := newWorld(t)
			clean.model = scenario.model(clean)
			clean.submitUntilTaken("key")
			clean.settle()
			require.NotEmpty(t, clean.calls)
			for at, call := range clean.calls {
				for _, kind := range faults {
					t.Run(fmt.Sprintf("%s %d %s", call, at, kind), func(t *testing.T) {
						w := newWorld(t)
						inner := scenario.model(w)
						w.model = func(body string) (jobs.Answer, error) {
							assert.Empty(t, w.ended, "the model is asked after the job's end")
							return inner(body)
						}
						count := -1
						w.fault = func(string) fault {
							if count++; count == at {
								return kind
							}
							return ""
						}
						id := w.submitUntilTaken("key")
						w.settle()
						row := w.rows[id]
						assert.Equal(t, scenario.want, row.Status)
						assert.Contains(t, scenario.codes, row.Outcome.ErrorCode)
						assert.Equal(t, map[string]int{id: 1}, w.ended)
						assert.Empty(t, row.Owner)
						assert.Equal(t, row.Outcome.ErrorCode == jobs.CodeWorkerFailed, len(w.dead) > 0, "what nobody could finish is kept for people")
						// One fault costs one run at most: that whose answer it lost.
						assert.LessOrEqual(t, w.started[body], clean.started[body]+1)
					})
				}
			}
		})
	}
}

// A worker that dies in every try ends the job all the same, and its message is
// kept before the row says so.
func TestAJobWhoseWorkersDieIsGivenUp(t *testing.T) {
	for _, kind := range append([]fault{""}, faults...) {
		t.Run("bury "+string(kind), func(t *testing.T) {
			w := newWorld(t)
			failed := false
			w.fault = func(call string) fault {
				switch {
				case call == "invoke":
					return crashAfter
				case call == "bury" && !failed:
					failed = true
					return kind
				}
				return ""
			}
			id := w.submitUntilTaken("")
			w.settle()
			assert.Equal(t, jobs.Failed, w.rows[id].Status)
			assert.Equal(t, jobs.CodeWorkerFailed, w.rows[id].Outcome.ErrorCode)
			assert.Equal(t, maxTries, w.started[body])
			assert.Equal(t, map[string]int{id: 1}, w.ended)
			require.NotEmpty(t, w.dead)
			assert.Contains(t, w.dead[0], id)
		})
	}
}
