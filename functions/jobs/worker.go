package jobs

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"
	"unicode/utf8"
)

const (
	// writeMargin is the time kept at the end of an invocation for writing down
	// what the model answered; the model's call is cut off before.
	writeMargin = 5 * time.Second
	// callLimit is the longest that SageMaker lets a model take for an answer
	// (InvokeEndpoint in the SageMaker runtime API reference).
	callLimit = 60 * time.Second
	// soon is the wait after trouble with the table or the queue.
	soon = 5 * time.Second
	// lastReceive is the delivery after which a message is not put back again.
	// SQS moves it to the dead-letter queue after the 1000th, its largest
	// maxReceiveCount, and would leave a row behind that says "waking" for ever.
	lastReceive = 990
)

// Worker runs the jobs whose messages it is given.
type Worker struct {
	Table       Table
	Queue       Delayer
	DeadLetters Sender
	Model       Model
	// Waker looks for a copy and asks for one where there is none; nil leaves that
	// to the alarm.
	Waker *Waker
	// MaxTries is after how many failed tries a job has failed, from 1.
	MaxTries int
	Now      func() time.Time
	// Random returns numbers from 0 to below 1.
	Random func() float64
	Log    *slog.Logger
}

// Batch is what one invocation gets.
type Batch struct {
	// RequestID is the invocation's.
	RequestID string
	// Deadline is when the invocation is ended from outside.
	Deadline time.Time
	Messages []Message
}

// Message is one delivery of a message.
type Message struct {
	ID, Receipt, Body string
	// Receives counts the deliveries, this one included.
	Receives int
}

// verdict is what becomes of a message.
type verdict struct {
	// again puts the message back, to be delivered after this time; done is the
	// opposite: the message is deleted.
	again time.Duration
	done  bool
	// left has it come back when the queue's own visibility timeout ends.
	left bool
	// asleep says that the model takes no requests at the moment. The job has
	// waited so far for it.
	asleep bool
	waited time.Duration
}

var (
	done = verdict{done: true}
	left = verdict{left: true}
)

func later(after time.Duration) verdict { return verdict{again: after} }

// Work handles the messages one after the other and returns the ids of those
// that are to be delivered again. One after the other, so that the event
// source's MaximumConcurrency is the number of requests that the model has at
// once, and so that a sleeping model is found out by one look of a batch and not
// by all. What a slow model leaves no time for goes back at once, to a
// worker that has.
func (w *Worker) Work(ctx context.Context, batch Batch) []string {
	again := []string{}
	var asleep *verdict
	for i, m := range batch.Messages {
		var v verdict
		switch {
		case asleep != nil && m.Receives < lastReceive:
			v = later(waitBackOff(asleep.waited, w.Random()))
		case i > 0 && batch.Deadline.Sub(w.Now()) < callLimit+writeMargin:
			v = later(0)
		default:
			v = w.handle(ctx, batch, m)
		}
		if v.done {
			continue
		}
		if !v.left {
			// Where the delay cannot be set the message is left.
			if err := w.Queue.Delay(ctx, m.Receipt, seconds(v.again)); err != nil {
				w.Log.WarnContext(ctx, "the message's delay could not be set", "message", m.ID, "error", err)
			}
		}
		again = append(again, m.ID)
		if v.asleep && asleep == nil {
			asleep = &v
		}
	}
	return again
}

// seconds are whole and not too few: a message that comes back before a lease
// has ended has come for nothing.
func seconds(d time.Duration) int { return int(math.Ceil(max(d, 0).Seconds())) }

// try is one claim of a job, on behalf of one message.
type try struct {
	*Worker
	log     *slog.Logger
	claim   Claim
	text    string // the message's, as it came
	request string // the body for the model
	job     Job
}

func (w *Worker) handle(ctx context.Context, batch Batch, m Message) verdict {
	request, err := parseMessage(m.Body)
	if err != nil {
		w.Log.ErrorContext(ctx, "the message cannot be read and goes to the dead-letter queue", "message", m.ID, "error", err)
		return w.bury(ctx, m.Body)
	}
	t := &try{
		Worker: w, log: w.Log.With("job", request.ID, "message", m.ID), text: m.Body, request: request.Body,
		claim: Claim{
			ID: request.ID, RequestHash: Hash(request.Body), Owner: batch.RequestID + "/" + m.ID,
			LeaseUntil: batch.Deadline, Now: w.Now(),
		},
	}
	job, claimed, err := w.Table.Claim(ctx, t.claim)
	if err != nil {
		return t.trouble(ctx, "the job could not be claimed", err)
	}
	if !claimed {
		there, v := t.refused(ctx)
		if there == nil {
			return v
		}
		job = *there
	}
	t.job = job
	switch {
	case job.Tries > w.MaxTries:
		return t.giveUp(ctx, Outcome{ErrorCode: CodeWorkerFailed, ErrorMessage: "No try came to an end: the worker was stopped each time."})
	case m.Receives >= lastReceive:
		return t.giveUp(ctx, Outcome{ErrorCode: CodeUpstreamError, ErrorMessage: "The model had no capacity for as long as the job could wait."})
	}
	return t.run(ctx, batch.Deadline.Add(-writeMargin))
}

// refused finds out why the row did not take a write. It returns the job only
// if it is this try that has it: then a claim was carried out, and its answer
// was lost.
func (t *try) refused(ctx context.Context) (*Job, verdict) {
	job, found, err := t.Table.Get(ctx, t.claim.ID)
	now := t.Now()
	switch {
	case err != nil:
		return nil, t.trouble(ctx, "the job could not be read", err)
	case !found || job.Expired(now):
		t.log.WarnContext(ctx, "the job has expired; its message is dropped")
		return nil, done
	case job.RequestHash != t.claim.RequestHash:
		t.log.WarnContext(ctx, "the message is of an earlier job with the same key, which has expired; it is dropped")
		return nil, done
	case job.Status.Ended():
		t.log.InfoContext(ctx, "the job has ended already; the message is dropped", "status", string(job.Status))
		return nil, done
	case job.Status == Running && job.Owner == t.claim.Owner:
		return &job, verdict{}
	case job.Status == Running && job.LeaseUntil.After(now):
		// The visibility timeout is longer than any lease, so that the message
		// comes back to a job that has ended or is free. To come back sooner
		// would only use up receives.
		t.log.InfoContext(ctx, "another worker has the job", "until", FormatTime(job.LeaseUntil))
		return nil, left
	default:
		// It has changed since the write was refused.
		return nil, later(time.Second)
	}
}

// awake tells whether the model is to be asked. Where the waker fails it is: if it
// sleeps, the alarm has to learn of it.
func (t *try) awake(ctx context.Context) bool {
	if t.Waker == nil {
		return true
	}
	brief, cancel := context.WithTimeout(ctx, wakeLimit)
	defer cancel()
	awake, err := t.Waker.Wake(brief)
	if err != nil {
		t.log.WarnContext(ctx, "no copy could be asked for; the alarm will", "error", err)
		return true
	}
	if waited := t.Now().Sub(t.job.CreatedAt); !awake && waited >= overdue {
		t.log.WarnContext(ctx, "no copy has come; the model is asked all the same, for the alarm to know", "waited", waited.String())
		return true
	}
	return awake
}

// run asks the model, until the limit, and writes down what came of it.
func (t *try) run(ctx context.Context, limit time.Time) verdict {
	call, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	if !t.awake(call) {
		return t.wait(ctx)
	}
	answer, err := t.Model.Invoke(call, t.request)
	if t.Waker != nil {
		t.Waker.note(err == nil)
	}
	var failure *ModelFailure
	switch {
	case err == nil:
		return t.finish(ctx, outcomeOf(answer))
	case errors.Is(err, ErrNoCapacity):
		return t.wait(ctx)
	case errors.As(err, &failure):
		t.log.WarnContext(ctx, "the model failed", "tries", t.job.Tries, "status", failure.Status)
		return t.failed(ctx, Outcome{ErrorCode: CodeModelError, ErrorMessage: failure.Error()}, modelRetry)
	default:
		t.log.ErrorContext(ctx, "the endpoint could not be called", "tries", t.job.Tries, "error", err)
		return t.failed(ctx, Outcome{ErrorCode: CodeUpstreamError, ErrorMessage: "The model's endpoint could not be called."}, upstreamRetry)
	}
}

var tooLarge = Outcome{ErrorCode: CodeResultTooLarge, ErrorMessage: "The model's answer is too large to be kept: a job holds nearly 400 KB."}

func outcomeOf(answer Answer) Outcome {
	if !utf8.Valid(answer.Body) {
		return Outcome{ErrorCode: CodeModelError, ErrorMessage: "The model's answer is not text."}
	}
	outcome := Outcome{Result: string(answer.Body), ContentType: answer.ContentType}
	if !outcome.fits() {
		return tooLarge
	}
	return outcome
}

// wait gives the try back: waiting for a model is not a failure.
func (t *try) wait(ctx context.Context) verdict {
	now := t.Now()
	if _, err := t.Table.Release(ctx, t.claim.ID, t.claim.Owner, Waking, -1, now); err != nil {
		// The lease will end by itself, at the cost of the try.
		t.log.ErrorContext(ctx, "the job could not be given back", "error", err)
	}
	waited := now.Sub(t.job.CreatedAt)
	v := verdict{again: waitBackOff(waited, t.Random()), asleep: true, waited: waited}
	t.log.InfoContext(ctx, "the model has no capacity; the job waits", "waited", waited.String(), "again", v.again.String())
	return v
}

// failed ends the job if that was its last try, and gives it back otherwise, to
// be tried again after the time for a first retry, or a multiple of it.
func (t *try) failed(ctx context.Context, outcome Outcome, retry time.Duration) verdict {
	if t.job.Tries >= t.MaxTries {
		return t.finish(ctx, outcome)
	}
	if _, err := t.Table.Release(ctx, t.claim.ID, t.claim.Owner, Queued, 0, t.Now()); err != nil {
		t.log.ErrorContext(ctx, "the job could not be given back", "error", err)
	}
	return later(retryBackOff(retry, t.job.Tries, t.Random()))
}

// giveUp ends the job without asking the model, and keeps its message for
// people to look at. The message first: what is there twice does no harm.
func (t *try) giveUp(ctx context.Context, outcome Outcome) verdict {
	t.log.ErrorContext(ctx, "the job is given up; its message goes to the dead-letter queue", "code", outcome.ErrorCode, "tries", t.job.Tries)
	if v := t.bury(ctx, t.text); !v.done {
		return v
	}
	return t.finish(ctx, outcome)
}

func (t *try) finish(ctx context.Context, outcome Outcome) verdict {
	written, err := t.Table.Finish(ctx, t.claim.ID, t.claim.Owner, outcome, t.Now())
	if errors.Is(err, ErrTooLarge) && outcome.ErrorCode == "" {
		return t.finish(ctx, tooLarge)
	}
	if err != nil {
		// Whether it was written is not known, so the message has to come back,
		// and nobody can claim the job before the lease has ended.
		v := t.trouble(ctx, "the job's end could not be written", err)
		v.again = max(t.claim.LeaseUntil.Sub(t.Now()), soon)
		return v
	}
	if !written {
		_, v := t.refused(ctx)
		return v
	}
	t.log.InfoContext(ctx, "the job has ended", "status", string(outcome.Status()), "code", outcome.ErrorCode, "tries", t.job.Tries)
	return done
}

// bury sends a message to the dead-letter queue. Unless that succeeds the
// message has to come back.
func (w *Worker) bury(ctx context.Context, text string) verdict {
	if err := w.DeadLetters.Send(ctx, text); err != nil {
		w.Log.ErrorContext(ctx, "the dead-letter queue did not take the message", "error", err)
		return later(soon)
	}
	return done
}

func (t *try) trouble(ctx context.Context, what string, err error) verdict {
	t.log.ErrorContext(ctx, what, "error", err)
	return later(soon)
}
