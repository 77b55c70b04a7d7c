// Package calling is a client of an inference API that scales to zero: it waits
// while the model starts, backs off when it is told to, and gives up in time.
//
// calling.js does the same for browsers, and docs/calling.md says why. Both are
// meant to be copied into programs that call the API.
package calling

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// DefaultAttemptTimeout is a little more than API Gateway's own limit of 29
	// seconds, so that the API and not the client ends an attempt.
	DefaultAttemptTimeout = 35 * time.Second

	// Without a Retry-After, the wait is drawn from zero to a bound that starts
	// at firstBackOff and doubles up to maxBackOff ("full jitter").
	firstBackOff = time.Second
	maxBackOff   = 30 * time.Second
	// With one, up to this much is added, so that callers who were turned away
	// together do not come back together.
	maxSpread = 5 * time.Second
	// tries bounds the attempts in a row that end in trouble which more of the
	// same may not cure: a model that fails on this body fails on it again.
	tries = 3
)

// Client calls one route of an API. The zero values of all but URL and Key are
// fine. It is safe for concurrent use.
type Client struct {
	// URL is the route's, for example the stack's output apiGatewayUrl.
	URL string
	// Key is the API key; it is sent in x-api-key and never part of an error.
	Key string
	// AtMostOnce keeps from repeating what the model may have handled already:
	// 502, 504, 503 UpstreamError, and connections that break or time out. Inference may be
	// repeated, since the same body gets the same kind of answer and nothing is
	// stored; set this for a model where that is not so, or where a second run
	// costs more than an error.
	AtMostOnce bool
	// AttemptTimeout bounds one attempt; 0 means DefaultAttemptTimeout. How long
	// all of them may take is the deadline of Infer's context.
	AttemptTimeout time.Duration
	// Progress, if not nil, is told before every wait.
	Progress func(Wait)
	// Transport is for tests and proxies; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Random returns numbers from 0 to below 1; nil means rand.Float64.
	Random func() float64
}

// Wait is what happens after an attempt that will be repeated.
type Wait struct {
	// Attempt counts from 1.
	Attempt int
	// Reason is why the attempt failed.
	Reason error
	// For is how long it takes until the next one.
	For time.Duration
}

// Error is an answer of the API other than success.
type Error struct {
	Status int
	// Code, Message and RequestID are those of the API's error body; the first
	// two are empty where something else than the API answered.
	Code, Message, RequestID string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("the API answered %d %s", e.Status, cmp.Or(e.Code, http.StatusText(e.Status)))
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Infer sends a JSON body and returns the model's answer. It repeats attempts
// that were turned away (429 for the rate, 503) until the context ends, and
// those of uncertain outcome (502, 504, 503 UpstreamError, no answer) twice, unless AtMostOnce.
//
// Errors: an *Error for the last answer; what http.Client.Do returns where there
// was none. If time ran out, the error is a context.DeadlineExceeded as well.
// Infer does not start a wait that the context's deadline would cut short.
func (c *Client) Infer(ctx context.Context, body []byte) ([]byte, error) {
	got, err := c.repeat(ctx, call{
		method: http.MethodPost, url: c.URL, body: body, success: http.StatusOK, atMostOnce: c.AtMostOnce,
	})
	return got.body, err
}

// call is one request, which may take several attempts.
type call struct {
	method, url string
	body        []byte
	// idempotencyKey, if there is one, lets the API tell a repetition from a
	// second request.
	idempotencyKey string
	// job says that it hands in a job or asks for one.
	job        bool
	success    int
	atMostOnce bool
}

// answer is what the API said to a call that succeeded.
type answer struct {
	body       []byte
	retryAfter time.Duration
}

// repeat attempts the call for as long as that makes sense.
func (c *Client) repeat(ctx context.Context, request call) (answer, error) {
	uncertain := 0
	for attempt := 1; ; attempt++ {
		got, err := c.attempt(ctx, request)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("gave up during attempt %d: %w: %w", attempt, ctx.Err(), err)
		}
		switch request.judge(err) {
		case refused:
			return answer{}, err
		case turnedAway:
			uncertain = 0
		case unsure:
			if uncertain++; request.atMostOnce || uncertain == tries {
				return answer{}, err
			}
		}
		if err := c.pause(ctx, Wait{Attempt: attempt, Reason: err, For: c.wait(attempt, got.retryAfter)}); err != nil {
			return answer{}, err
		}
	}
}

// pause waits, unless that would end too late.
func (c *Client) pause(ctx context.Context, w Wait) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= w.For {
		return fmt.Errorf("gave up after attempt %d, since the next one would be too late: %w: %w",
			w.Attempt, context.DeadlineExceeded, w.Reason)
	}
	if c.Progress != nil {
		c.Progress(w)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("gave up after attempt %d: %w: %w", w.Attempt, ctx.Err(), w.Reason)
	case <-time.After(w.For):
		return nil
	}
}

// attempt asks once. The answer's Retry-After is there also where the call failed.
func (c *Client) attempt(ctx context.Context, asked call) (got answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.AttemptTimeout, DefaultAttemptTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, asked.method, asked.url, bytes.NewReader(asked.body))
	if err != nil {
		return answer{}, &requestError{err}
	}
	request.Header.Set("X-Api-Key", c.Key)
	if asked.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if asked.idempotencyKey != "" {
		request.Header.Set("Idempotency-Key", asked.idempotencyKey)
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		// The API never redirects, and a redirect would take the key elsewhere.
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	got.body, err = io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	got.retryAfter = retryAfter(response.Header.Get("Retry-After"))
	if response.StatusCode == asked.success {
		return got, nil
	}
	failure := &Error{Status: response.StatusCode, RequestID: response.Header.Get("X-Amzn-RequestId")}
	var told struct{ Message, Code, RequestID string }
	if json.Unmarshal(got.body, &told) == nil {
		failure.Message, failure.Code = told.Message, told.Code
		failure.RequestID = cmp.Or(told.RequestID, failure.RequestID)
	}
	return got, failure
}

// requestError is a request that cannot be sent at all, such as to a wrong URL.
type requestError struct{ error }

func (e *requestError) Error() string { return "the request cannot be made: " + e.error.Error() }
func (e *requestError) Unwrap() error { return e.error }

type verdict int

const (
	// refused will be refused again.
	refused verdict = iota
	// turnedAway has not reached the model and is welcome later.
	turnedAway
	// unsure may or may not have reached it.
	unsure
)

func (r call) judge(err error) verdict {
	if unsent := new(requestError); errors.As(err, &unsent) {
		return refused
	}
	answer := new(Error)
	if !errors.As(err, &answer) {
		return unsure
	}
	switch answer.Status {
	case http.StatusServiceUnavailable:
		// What answers may have begun before it failed.
		if answer.Code == "UpstreamError" {
			return unsure
		}
		return turnedAway
	case http.StatusTooManyRequests:
		// A used-up quota comes back with the next month, not with patience.
		if answer.Code == "QuotaExceeded" {
			return refused
		}
		return turnedAway
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return unsure
	case http.StatusInternalServerError:
		// What takes the jobs may have been busy. What asks the model has no such
		// excuse: there 500 is a mistake in the API.
		if r.job {
			return unsure
		}
		return refused
	default:
		return refused
	}
}

func (c *Client) wait(attempt int, retryAfter time.Duration) time.Duration {
	random := c.Random
	if random == nil {
		random = rand.Float64
	}
	if retryAfter > 0 {
		return retryAfter + time.Duration(random()*float64(min(retryAfter, maxSpread)))
	}
	bound := maxBackOff
	// Beyond a handful of doublings the bound is reached, and a shift would overflow.
	if attempt < 6 {
		bound = min(firstBackOff<<(attempt-1), maxBackOff)
	}
	return time.Duration(random() * float64(bound))
}

// retryAfter reads either form of the header, seconds or an HTTP date (RFC 9110,
// section 10.2.3). What is past, zero or unreadable is 0.
func retryAfter(header string) time.Duration {
	const most = 365 * 24 * time.Hour // more would overflow a Duration
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(most/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(time.Until(date), 0)
	}
	return 0
}
