package jobs

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Reply is what a caller of the API gets.
type Reply struct {
	Status  int
	Headers map[string]string
	Body    string
}

// exposedHeaders may be read by browsers across origins.
const exposedHeaders = "Location,Retry-After,x-amzn-RequestId"

// Seconds that a caller is told to wait.
const (
	retryAfterQueued  = 5
	retryAfterWaking  = 30
	retryAfterLongest = 60
	retryAfterRefused = 5
)

// timeFormat is RFC 3339 to the millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// problem is an answer to a request that was not carried out.
type problem struct {
	status        int
	code, message string
	retryAfter    int
}

var (
	noSuchRoute   = problem{http.StatusForbidden, "NoSuchRoute", "The API has no such method and path.", 0}
	noSuchJob     = problem{http.StatusNotFound, "NoSuchJob", "There is no such job, or it has expired.", 0}
	notJSONType   = problem{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "Send the body as application/json.", 0}
	invalidBody   = problem{http.StatusBadRequest, "InvalidBody", "The request body is not JSON.", 0}
	invalidKey    = problem{http.StatusBadRequest, "InvalidParameters", "Idempotency-Key must be 1 to 255 printable ASCII characters.", 0}
	keyTaken      = problem{http.StatusConflict, "IdempotencyConflict", "The Idempotency-Key was used with another body. Send a new key, or the same body.", 0}
	bodyTooLarge  = problem{http.StatusRequestEntityTooLarge, "RequestTooLarge", "The request body is larger than the queue takes.", 0}
	notTaken      = problem{http.StatusServiceUnavailable, "QueueUnavailable", "The job could not be queued. Try again after the time in Retry-After.", retryAfterRefused}
	notReadNow    = problem{http.StatusServiceUnavailable, "QueueUnavailable", "The job could not be read. Try again after the time in Retry-After.", retryAfterRefused}
	jsonMediaType = "application/json"
)

// view is a job as a caller sees it.
type view struct {
	ID        string          `json:"id"`
	Status    Status          `json:"status"`
	CreatedAt string          `json:"createdAt"`
	UpdatedAt string          `json:"updatedAt"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *viewError      `json:"error,omitempty"`
}

type viewError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// viewOf shows a job without its outcome.
func viewOf(job Job) view {
	return view{ID: job.ID, Status: job.Status, CreatedAt: FormatTime(job.CreatedAt), UpdatedAt: FormatTime(job.UpdatedAt)}
}

// withOutcome adds what the job came to.
func (v view) withOutcome(o Outcome) view {
	switch v.Status {
	case Succeeded:
		v.Result = resultOf(o)
	case Failed:
		v.Error = &viewError{o.ErrorCode, o.ErrorMessage}
	case Queued, Waking, Running:
	}
	return v
}

// resultOf is the model's answer itself if it is JSON, and a string otherwise.
func resultOf(o Outcome) json.RawMessage {
	media, _, _ := mime.ParseMediaType(o.ContentType)
	if (media == jsonMediaType || strings.HasSuffix(media, "+json")) && json.Valid([]byte(o.Result)) {
		return json.RawMessage(o.Result)
	}
	return json.RawMessage(marshal(o.Result))
}

// FormatTime is a time as callers and rows have it.
func FormatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// reply is an answer with a body of JSON and the headers of all answers.
func (a *API) reply(status int, body any) Reply {
	return Reply{status, map[string]string{
		"Access-Control-Allow-Origin":   a.AllowOrigin,
		"Access-Control-Expose-Headers": exposedHeaders,
		"Content-Type":                  jsonMediaType,
	}, marshal(body)}
}

// refuse is the same shape as the errors of the gateway in front.
func (a *API) refuse(p problem, requestID string) Reply {
	reply := a.reply(p.status, struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}{p.message, p.code, requestID})
	reply.retryAfter(p.retryAfter)
	return reply
}

func (r *Reply) retryAfter(seconds int) {
	if seconds > 0 {
		r.Headers["Retry-After"] = strconv.Itoa(seconds)
	}
}

// patience is how long a caller who waits for the job should leave it alone, in
// seconds: the longer the older the job is, since every request counts against
// the key's quota.
func patience(job Job, now time.Time) int {
	least := retryAfterQueued
	switch job.Status {
	case Waking:
		least = retryAfterWaking
	case Succeeded, Failed:
		return 0
	case Queued, Running:
	}
	return min(max(least, int(now.Sub(job.CreatedAt).Seconds()/4)), retryAfterLongest)
}

func marshal(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		// Strings, and JSON that was found valid, always marshal.
		panic(fmt.Sprintf("answer: %v", err))
	}
	return string(text)
}
