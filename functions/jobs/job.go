// Package jobs is the queue's logic: how a job is taken in, run once, given
// back while the model sleeps, and ended. It knows nothing of AWS: what it needs
// of tables, queues and models are the small interfaces in ports.go.
//
// Messages are delivered at least once, and functions die at any point. The
// rules that keep a job from being lost, and from running again once it has
// succeeded, are few:
//
//   - The row is written before the message is sent, so no message is without
//     a row, and a caller was promised nothing before both are there.
//   - A message is only given up (deleted) once the row says that the job has
//     ended, or is gone.
//   - Who runs a job has claimed it in one conditional write, which nobody can
//     do to a job that has ended. The claim is a lease that ends with the
//     invocation: a worker that died blocks its job no longer than it could
//     have run itself.
//   - Every later write names the owner of the claim, so a worker that was
//     overtaken changes nothing.
package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Status is where a job is.
type Status string

// The statuses. The first three are on the way, the last two are ends.
const (
	// Queued: no worker has it, or it waits for another try.
	Queued Status = "queued"
	// Waking: it was tried, and the model had no capacity.
	Waking Status = "waking"
	// Running: a worker has it, until the row's lease ends.
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
)

// Ended says that a job with this status never changes again.
func (s Status) Ended() bool { return s == Succeeded || s == Failed }

// Codes of a failed job.
const (
	// CodeModelError: the model answered with an error, in every try.
	CodeModelError = "ModelError"
	// CodeUpstreamError: the endpoint could not be called, in every try.
	CodeUpstreamError = "UpstreamError"
	// CodeWorkerFailed: no try came to an end.
	CodeWorkerFailed = "WorkerFailed"
	// CodeResultTooLarge: the answer does not fit into a row.
	CodeResultTooLarge = "ResultTooLarge"
)

// Job is one row of the table.
type Job struct {
	ID     string
	Status Status
	// CreatedAt and UpdatedAt are to the millisecond, in UTC.
	CreatedAt, UpdatedAt time.Time
	// ExpiresAt is to the second. From then on the row counts as gone, though
	// DynamoDB may take days to delete it (DynamoDB developer guide, "Time to
	// Live").
	ExpiresAt time.Time
	// RequestHash is Hash of the body.
	RequestHash string
	// Tries counts claims, but for those that were given back because the model
	// had no capacity.
	Tries int
	// LeaseUntil and Owner are those of the claim while the job runs, and zero
	// otherwise.
	LeaseUntil time.Time
	Owner      string
	// Outcome is zero until the job has ended.
	Outcome Outcome
}

// Outcome is how a job ended: with a result, or with a code and a message.
type Outcome struct {
	// Result is the model's answer, UTF-8, and ContentType its media type.
	Result, ContentType string
	// ErrorCode is one of the codes, and empty if the job succeeded.
	ErrorCode string
	// ErrorMessage is one sentence for the caller.
	ErrorMessage string
}

// Status is Succeeded or Failed.
func (o Outcome) Status() Status {
	if o.ErrorCode == "" {
		return Succeeded
	}
	return Failed
}

// Expired says that the row counts as gone.
func (j Job) Expired(now time.Time) bool { return !now.Before(j.ExpiresAt) }

// Hash is the SHA-256 of a request's body, in hexadecimal.
func Hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

const (
	// rowLimit is the largest item that DynamoDB takes, in bytes, names and
	// values of all attributes counted (DynamoDB developer guide, "Quotas").
	rowLimit = 400 * 1024
	// rowRest is more than everything in a row but the result and its content
	// type takes: 14 names, and values of which the longest are the id, the
	// hash and the owner.
	rowRest = 1024
)

// fits says whether the row can hold the outcome.
func (o Outcome) fits() bool {
	return len(o.Result)+len(o.ContentType)+rowRest <= rowLimit
}
