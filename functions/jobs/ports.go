package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Table keeps the jobs. Each method is one request, and atomic. Methods that
// return a bool refuse with false, not with an error, where their condition
// does not hold. A refusal can also mean that the same request was carried out
// already and only its answer was lost.
type Table interface {
	// Create writes a row unless there is one that has not expired.
	Create(ctx context.Context, job Job) (bool, error)
	// Get reads a row, consistently; false if there is none.
	Get(ctx context.Context, id string) (Job, bool, error)
	// Claim makes the claim's owner that of the job, counts a try, and returns
	// the row. It is refused unless the row holds the claim's request, has not
	// expired, and the job is queued, waking, or running under a lease that has
	// ended.
	Claim(ctx context.Context, claim Claim) (Job, bool, error)
	// Release gives a running job back, with the status and tries changed by
	// tries (0 or -1). It is refused unless owner has the job.
	Release(ctx context.Context, id, owner string, status Status, tries int, now time.Time) (bool, error)
	// Finish ends a running job. It is refused unless owner has the job, and
	// fails with ErrTooLarge if the row would be larger than a row may be.
	Finish(ctx context.Context, id, owner string, outcome Outcome, now time.Time) (bool, error)
	// AskOnce remembers that capacity was asked for. It is refused if that was
	// done for the same component after since.
	AskOnce(ctx context.Context, component string, since, now time.Time) (bool, error)
}

// Claim is who wants to run which job.
type Claim struct {
	ID, RequestHash string
	// Owner is of this delivery of this message and no other.
	Owner string
	// LeaseUntil is when the owner is dead for certain.
	LeaseUntil time.Time
	Now        time.Time
}

// Sender takes messages: the queue and the dead-letter queue.
type Sender interface {
	Send(ctx context.Context, body string) error
}

// Delayer sets when a message that was received is delivered again, in whole
// seconds from now.
type Delayer interface {
	Delay(ctx context.Context, receipt string, seconds int) error
}

// Model answers requests. An error is ErrNoCapacity, or a *ModelFailure, or
// that the endpoint could not be called; any of them may be wrapped.
type Model interface {
	Invoke(ctx context.Context, body string) (Answer, error)
}

// Answer is what the model said.
type Answer struct {
	Body        []byte
	ContentType string
}

// Copies are those of the inference component.
type Copies interface {
	// Count is how many there are, and how many the component is on the way to.
	Count(ctx context.Context) (current, desired int, err error)
	// Want sets the latter.
	Want(ctx context.Context, count int) error
}

// ErrNoCapacity is that the endpoint takes no request at the moment: it sleeps,
// wakes, or is busy. Nothing has reached the model.
var ErrNoCapacity = errors.New("the endpoint has no capacity at the moment")

// ErrTooLarge is that a row would be larger than the table takes.
var ErrTooLarge = errors.New("the row is too large")

// ModelFailure is that the model answered with an error.
type ModelFailure struct {
	// Status is the model's own, 0 if unknown.
	Status int
	// Message is the body of the model's answer; it may be empty.
	Message string
}

// Error is for logs and callers: one sentence, without the place of any log.
func (f *ModelFailure) Error() string {
	const most = 500 // characters of the model's own words
	text := "The model failed to answer this request"
	if f.Status != 0 {
		text = fmt.Sprintf("The model answered this request with status %d", f.Status)
	}
	if f.Message == "" {
		return text + "."
	}
	words := []rune(f.Message)
	if len(words) > most {
		words = append(words[:most], '…')
	}
	return text + ": " + string(words)
}
