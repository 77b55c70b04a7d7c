package jobs

import (
	"context"
	"fmt"
	"time"
)

const (
	// askAgain is how long one ask for a copy stands for all: until those who look
	// see that a copy is on its way.
	askAgain = 15 * time.Second
	// lookAgain is how long an answer of the model stands for a look. Busy workers
	// would call SageMaker's control plane for each job otherwise. Autoscaling takes
	// the last copy after a quarter of an hour without a request; the local cloud's
	// hours are short, and these seconds are not.
	lookAgain = 5 * time.Second
	// wakeLimit is what looking and asking may take of an invocation, so that a
	// control plane that hangs leaves the model its time.
	wakeLimit = 5 * time.Second
	// overdue is the age of a job from which a copy that is on its way is not
	// believed any more: a wake-up takes minutes, and one that has failed for good
	// may look the same. From then on the model is asked, and its refusals reach the
	// alarm.
	overdue = 30 * time.Minute
)

// Waker asks for a first copy of the model. It shortens a wake-up by the time
// that the alarm takes to notice; where it fails, the alarm still wakes.
//
// It looks for a copy before the model is asked. A request that finds none counts
// for the alarm, and the alarm's step policy adds one copy to those that it finds
// when it comes: where the copy that was asked for here is among them, a second.
//
// A Waker is of one worker, and not for concurrent use.
type Waker struct {
	Table  Table
	Copies Copies
	// Component is the inference component's name.
	Component string
	Now       func() time.Time

	// answered is when the model answered, zero if it did not the last time.
	answered time.Time
}

// Wake tells whether there is a copy that can be asked. Where there is none, and
// none is on its way, it asks for one, unless that was done just now.
func (w *Waker) Wake(ctx context.Context) (awake bool, err error) {
	now := w.Now()
	if now.Sub(w.answered) < lookAgain {
		return true, nil
	}
	current, desired, err := w.Copies.Count(ctx)
	if err != nil {
		return false, fmt.Errorf("copies of %q: %w", w.Component, err)
	}
	// More than none is somebody else's decision: autoscaling's, or a person's.
	if current > 0 || desired > 0 {
		return current > 0, nil
	}
	first, err := w.Table.AskOnce(ctx, w.Component, now.Add(-askAgain), now)
	if err != nil || !first {
		return false, err
	}
	if err := w.Copies.Want(ctx, 1); err != nil {
		return false, fmt.Errorf("asking for a copy of %q: %w", w.Component, err)
	}
	return false, nil
}

// note remembers whether the model answered.
func (w *Waker) note(answered bool) {
	w.answered = time.Time{}
	if answered {
		w.answered = w.Now()
	}
}
