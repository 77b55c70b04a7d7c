package jobs

import (
	"context"
	"fmt"
	"time"
)

// askAgain is how long one ask for a copy stands for all. A copy takes minutes
// to start, and each ask is a call to SageMaker's control plane.
const askAgain = 300 * time.Second

// Waker asks for a first copy of the model. It shortens a wake-up by the time
// that the alarm takes to notice; where it fails, the alarm still wakes.
type Waker struct {
	Table  Table
	Copies Copies
	// Component is the inference component's name.
	Component string
	Now       func() time.Time
}

// Ask asks for one copy, unless that was done lately or copies are on their way.
func (w *Waker) Ask(ctx context.Context) error {
	now := w.Now()
	first, err := w.Table.AskOnce(ctx, w.Component, now.Add(-askAgain), now)
	if err != nil || !first {
		return err
	}
	desired, err := w.Copies.Desired(ctx)
	if err != nil {
		return fmt.Errorf("copies of %q: %w", w.Component, err)
	}
	// More than none is somebody else's decision: autoscaling's, or a person's.
	if desired > 0 {
		return nil
	}
	if err := w.Copies.Want(ctx, 1); err != nil {
		return fmt.Errorf("asking for a copy of %q: %w", w.Component, err)
	}
	return nil
}
