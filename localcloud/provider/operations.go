package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"scaletozero/localcloud/cloudformation"
)

var errCanceled = errors.New("canceled by the engine")

// operation bounds a change by the resource's custom timeout, in seconds (0 means the real provider's longest default),
// and by the session: Cancel ends it.
func operation(ctx context.Context, seconds float64) (context.Context, context.CancelFunc) {
	timeout := 30 * time.Minute
	if seconds > 0 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	canceled := sessionOf(ctx).cancellation()
	ctx, stop := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("timeout of %s while waiting", timeout))
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-canceled:
			cancel(errCanceled)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		stop()
	}
}

// whyEnded puts the reason in front of an error that came of the operation's end.
func whyEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// cancellation returns the channel that Cancel closes.
func (s *session) cancellation() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.canceled == nil {
		s.canceled = make(chan struct{})
	}
	return s.canceled
}

// cancel ends the operations of the session.
func (s *session) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.canceled == nil {
		s.canceled = make(chan struct{})
	}
	select {
	case <-s.canceled:
	default:
		close(s.canceled)
	}
}

// failedChange returns the error of a failed create or update. terraform-provider-aws gives a stack its ID before it
// waits for it, and records the new inputs whatever comes of an update; the engine then keeps the resource, marked as
// failed, and updates it again the next time. What is left of it only a Read tells.
func (s *Server) failedChange(ctx context.Context, doing string, k *kind, r *Resource, err error) error {
	var rolledBack *cloudformation.RolledBack
	accepted := errors.As(err, &rolledBack)
	err = whyEnded(ctx, err)
	if !accepted {
		return failed(doing, r.URN, err)
	}
	properties, problem := s.marshalOutputs(k, r)
	if problem != nil {
		return failed(doing, r.URN, errors.Join(err, problem))
	}
	reason := fmt.Sprintf("%s %s: %v", doing, resource.URN(r.URN).Name(), err)
	detailed, problem := status.New(codes.Unknown, reason).WithDetails(&pulumirpc.ErrorResourceInitFailed{
		Id: r.ID, Properties: properties, Reasons: []string{reason},
	})
	if problem != nil {
		return failed(doing, r.URN, errors.Join(err, problem))
	}
	return detailed.Err()
}
