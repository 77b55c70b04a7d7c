package calling

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// JobError is the end of a job that failed.
type JobError struct {
	// ID is the job's, Code and Message say why it failed.
	ID, Code, Message string
}

func (e *JobError) Error() string {
	return fmt.Sprintf("job %s failed with %s: %s", e.ID, e.Code, e.Message)
}

// job is how the API describes one.
type job struct {
	ID, Status string
	Result     json.RawMessage
	Error      struct{ Code, Message string }
}

// Job hands a JSON body in as a job and returns the model's answer once there is
// one. It is for callers who can wait: no matter in what state the endpoint is,
// the API takes the job at once, and its queue waits for the model. URL is that of
// the jobs, for example the stack's output jobsUrl.
//
// Handing in is repeated as Infer repeats, but under one Idempotency-Key, so that
// however often it is sent it is one job; AtMostOnce therefore does not matter.
//
// Errors: those of Infer; a *JobError where the job failed. When time runs out the
// job goes on; the error names it, and GET URL/ID has its answer.
func (c *Client) Job(ctx context.Context, body []byte) ([]byte, error) {
	got, err := c.repeat(ctx, call{
		method: http.MethodPost, url: c.URL, body: body, idempotencyKey: rand.Text(), job: true, success: http.StatusAccepted,
	})
	for polled := 1; err == nil; polled++ {
		var known job
		if err := json.Unmarshal(got.body, &known); err != nil {
			return nil, fmt.Errorf("the API's description of a job cannot be read: %w", err)
		}
		switch known.Status {
		case "succeeded":
			return known.Result, nil
		case "failed":
			return nil, &JobError{ID: known.ID, Code: known.Error.Code, Message: known.Error.Message}
		}
		wait := Wait{Attempt: polled, Reason: fmt.Errorf("job %s is %s", known.ID, known.Status), For: c.wait(polled, got.retryAfter)}
		if err := c.pause(ctx, wait); err != nil {
			return nil, err
		}
		got, err = c.repeat(ctx, call{
			method: http.MethodGet, url: c.URL + "/" + url.PathEscape(known.ID), job: true, success: http.StatusOK,
		})
	}
	return nil, err
}
