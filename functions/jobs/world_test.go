package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

const (
	// What the worker's function and its event source are set to.
	invocation = 120 * time.Second
	visibility = 6 * invocation
	batchSize  = 5
	maxTries   = 3
	component  = "music"
	caller     = "key-id"
	path       = "/dev/jobs"
)

// What may happen to a call of a port. An error after means that the call was
// carried out and its answer was lost; a crash ends the function.
type fault string

const (
	errorBefore fault = "error before"
	errorAfter  fault = "error after"
	crashBefore fault = "crash before"
	crashAfter  fault = "crash after"
)

var faults = []fault{errorBefore, errorAfter, crashBefore, crashAfter}

var errFault = errors.New("injected")

type crash struct{}

// world is all ports in memory, under one clock that nothing but tests moves.
type world struct {
	t    *testing.T
	now  time.Time
	rand *rand.Rand

	rows  map[string]jobs.Job
	asked time.Time
	queue []*delivery
	dead  []string
	sent  int
	// copies is what the component is on the way to; there is none before awake, and
	// one from then on.
	copies int
	awake  time.Time

	// fault, if not nil, is asked before each call of a port; calls is their
	// list.
	fault func(call string) fault
	calls []string
	// during, if not nil, runs within each call of a port: what others do at
	// the same time.
	during func()
	// model answers what reaches it.
	model func(body string) (jobs.Answer, error)
	// ended and started count per job.
	ended, started map[string]int
}

// delivery is a message in the queue.
type delivery struct {
	id, body, receipt string
	visible           time.Time
	receives          int
	delays            []int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), rand: rand.New(rand.NewPCG(1, 2)),
		rows: map[string]jobs.Job{}, ended: map[string]int{}, started: map[string]int{},
	}
	w.model = echo
	return w
}

func echo(body string) (jobs.Answer, error) {
	return jobs.Answer{Body: []byte(`{"echo":` + body + `}`), ContentType: "application/json"}, nil
}

func (w *world) clock() time.Time { return w.now }

func (w *world) api() *jobs.API {
	return &jobs.API{
		Table: w, Queue: sender{w, "send", w.enqueue}, TTL: 24 * time.Hour, AllowOrigin: "https://app.example.com",
		Now: w.clock, NewID: jobs.RandomID, Log: slog.New(slog.DiscardHandler),
	}
}

func (w *world) worker() *jobs.Worker {
	return &jobs.Worker{
		Table: w, Queue: w, Model: w, MaxTries: maxTries,
		DeadLetters: sender{w, "bury", func(body string) { w.dead = append(w.dead, body) }},
		Waker:       &jobs.Waker{Table: w, Copies: w, Component: component, Now: w.clock},
		Now:         w.clock, Random: w.rand.Float64, Log: slog.New(slog.DiscardHandler),
	}
}

// call is one call of a port.
func (w *world) call(name string, carryOut func() error) error {
	w.calls = append(w.calls, name)
	var f fault
	if w.fault != nil {
		f = w.fault(name)
	}
	if w.during != nil {
		w.during()
	}
	switch f {
	case errorBefore:
		return errFault
	case crashBefore:
		panic(crash{})
	}
	err := carryOut()
	switch f {
	case errorAfter:
		return errFault
	case crashAfter:
		panic(crash{})
	}
	return err
}

// survive runs f as Lambda does: a crash ends it and nothing else. It says
// whether f came to its end.
func survive(f func()) (whole bool) {
	defer func() {
		if caught := recover(); caught != nil {
			if _, ours := caught.(crash); !ours {
				panic(caught)
			}
		}
	}()
	f()
	return true
}

func (w *world) Create(_ context.Context, job jobs.Job) (done bool, err error) {
	err = w.call("create", func() error {
		if there, found := w.rows[job.ID]; !found || there.Expired(job.CreatedAt) {
			w.rows[job.ID], done = job, true
		}
		return nil
	})
	return done, err
}

func (w *world) Get(_ context.Context, id string) (job jobs.Job, found bool, err error) {
	err = w.call("get", func() error {
		job, found = w.rows[id]
		return nil
	})
	return job, found, err
}

func (w *world) Claim(_ context.Context, c jobs.Claim) (job jobs.Job, done bool, err error) {
	err = w.call("claim", func() error {
		row, found := w.rows[c.ID]
		free := row.Status == jobs.Queued || row.Status == jobs.Waking || row.Status == jobs.Running && row.LeaseUntil.Before(c.Now)
		if !found || row.Expired(c.Now) || row.RequestHash != c.RequestHash || !free {
			return nil
		}
		row.Status, row.Owner, row.LeaseUntil, row.UpdatedAt = jobs.Running, c.Owner, c.LeaseUntil, c.Now
		row.Tries++
		w.rows[c.ID], job, done = row, row, true
		return nil
	})
	return job, done, err
}

// owned changes a row that the owner has.
func (w *world) owned(call, id, owner string, change func(*jobs.Job)) (done bool, err error) {
	err = w.call(call, func() error {
		row := w.rows[id]
		if row.Owner != owner || row.Status != jobs.Running {
			return nil
		}
		row.Owner, row.LeaseUntil = "", time.Time{}
		change(&row)
		w.rows[id], done = row, true
		return nil
	})
	return done, err
}

func (w *world) Release(_ context.Context, id, owner string, status jobs.Status, tries int, now time.Time) (bool, error) {
	return w.owned("release", id, owner, func(row *jobs.Job) {
		row.Status, row.UpdatedAt = status, now
		row.Tries += tries
	})
}

func (w *world) Finish(_ context.Context, id, owner string, outcome jobs.Outcome, now time.Time) (bool, error) {
	return w.owned("finish", id, owner, func(row *jobs.Job) {
		row.Status, row.Outcome, row.UpdatedAt = outcome.Status(), outcome, now
		w.ended[id]++
	})
}

func (w *world) AskOnce(_ context.Context, name string, since, now time.Time) (done bool, err error) {
	require.Equal(w.t, component, name)
	err = w.call("ask once", func() error {
		if done = w.asked.IsZero() || !w.asked.After(since); done {
			w.asked = now
		}
		return nil
	})
	return done, err
}

func (w *world) Count(context.Context) (current, desired int, err error) {
	err = w.call("count", func() error {
		if desired = w.copies; !w.now.Before(w.awake) {
			current, desired = 1, max(desired, 1)
		}
		return nil
	})
	return current, desired, err
}

func (w *world) Want(_ context.Context, count int) error {
	return w.call("want", func() error { w.copies = count; return nil })
}

// Invoke does as a real client does with a context that is over: nothing leaves.
func (w *world) Invoke(ctx context.Context, body string) (answer jobs.Answer, err error) {
	err = w.call("invoke", func() error {
		limit, bounded := ctx.Deadline()
		require.True(w.t, bounded, "the call of the model has no limit")
		if !w.now.Before(limit) {
			return context.DeadlineExceeded
		}
		answer, err = w.model(body)
		if !errors.Is(err, jobs.ErrNoCapacity) {
			w.started[body]++
		}
		return err
	})
	return answer, err
}

func (w *world) Delay(_ context.Context, receipt string, seconds int) error {
	return w.call("delay", func() error {
		for _, d := range w.queue {
			if d.receipt == receipt {
				d.visible = w.now.Add(time.Duration(seconds) * time.Second)
				d.delays = append(d.delays, seconds)
				return nil
			}
		}
		return errors.New("the receipt is of another delivery")
	})
}

type sender struct {
	w    *world
	call string
	take func(body string)
}

func (s sender) Send(_ context.Context, body string) error {
	return s.w.call(s.call, func() error { s.take(body); return nil })
}

func (w *world) enqueue(body string) {
	w.sent++
	w.queue = append(w.queue, &delivery{id: "m" + strconv.Itoa(w.sent), body: body, visible: w.now})
}

// receive takes what is visible, as an event source does.
func (w *world) receive() []jobs.Message {
	var taken []jobs.Message
	for _, d := range w.queue {
		if len(taken) == batchSize || d.visible.After(w.now) {
			continue
		}
		d.receives++
		d.receipt = fmt.Sprintf("%s-%d", d.id, d.receives)
		d.visible = w.now.Add(visibility)
		taken = append(taken, jobs.Message{ID: d.id, Receipt: d.receipt, Body: d.body, Receives: d.receives})
	}
	return taken
}

// remove deletes a delivery by its receipt.
func (w *world) remove(receipt string) {
	kept := w.queue[:0:0]
	for _, d := range w.queue {
		if d.receipt != receipt {
			kept = append(kept, d)
		}
	}
	w.queue = kept
}

// poll is one round of the event source; it says whether there was a message.
func (w *world) poll() bool {
	taken := w.receive()
	if len(taken) == 0 {
		return false
	}
	w.sent++
	batch := jobs.Batch{RequestID: "r" + strconv.Itoa(w.sent), Deadline: w.now.Add(invocation), Messages: taken}
	var again []string
	if !survive(func() { again = w.worker().Work(w.t.Context(), batch) }) {
		return true
	}
	for _, m := range taken {
		if !slices.Contains(again, m.ID) {
			w.remove(m.Receipt)
		}
	}
	return true
}

// settle polls until the queue is empty, moving the clock to what is next.
func (w *world) settle() {
	for range 10_000 {
		if w.poll() {
			continue
		}
		if len(w.queue) == 0 {
			return
		}
		next := w.queue[0].visible
		for _, d := range w.queue {
			if d.visible.Before(next) {
				next = d.visible
			}
		}
		w.now = next
	}
	w.t.Fatal("the queue does not become empty")
}

// post asks the API as a caller does; false if the function crashed.
func (w *world) post(body, key string) (reply jobs.Reply, whole bool) {
	headers := map[string]string{"content-type": "application/json"}
	if key != "" {
		headers["idempotency-key"] = key
	}
	whole = survive(func() {
		reply = w.api().Answer(w.t.Context(), jobs.Call{
			Method: "POST", Path: path, Header: headers, Body: body, Caller: caller, RequestID: "request",
		})
	})
	return reply, whole
}
