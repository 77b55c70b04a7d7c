package calling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/calling"
)

const (
	key  = "the-key-of-the-test"
	sent = `{"songs":[]}`
)

// testCase is one of testdata/cases.json, which the console's browser test runs
// against calling.js as well. Durations are in seconds, and Random is always ½.
type testCase struct {
	Name       string
	AtMostOnce bool
	// Within is how long it may take in all; 0 means an hour.
	Within  float64
	Replies []reply
	Waits   []float64
	// Fails is the final error; nil means success.
	Fails *struct {
		Status int
		Code   string
		Late   bool
	}
}

// reply is one answer of the API. A RetryAfter with a sign is a date, that many
// seconds from now.
type reply struct {
	Status                 int
	RetryAfter, Code, Body string
	Breaks                 bool
}

// api answers with one reply after the other.
type api struct {
	t       *testing.T
	replies []reply
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	assert.Equal(a.t, http.MethodPost, r.Method)
	assert.Equal(a.t, key, r.Header.Get("X-Api-Key"))
	assert.Equal(a.t, "application/json", r.Header.Get("Content-Type"))
	body, err := io.ReadAll(r.Body)
	require.NoError(a.t, err)
	assert.Equal(a.t, sent, string(body), "every attempt sends the same body")
	require.NotEmpty(a.t, a.replies, "one attempt too many")
	next := a.replies[0]
	a.replies = a.replies[1:]
	if next.Breaks {
		return nil, io.ErrUnexpectedEOF
	}
	header := http.Header{"X-Amzn-Requestid": {"r-1"}}
	if retryAfter := next.RetryAfter; retryAfter != "" {
		if strings.ContainsAny(retryAfter[:1], "+-") {
			seconds, err := strconv.Atoi(retryAfter)
			require.NoError(a.t, err)
			retryAfter = time.Now().Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)
		}
		header.Set("Retry-After", retryAfter)
	}
	text := next.Body
	if text == "" {
		text = fmt.Sprintf(`{"message":"m","code":%q,"requestId":"r-1"}`, next.Code)
	}
	return &http.Response{StatusCode: next.Status, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func TestInfer(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	var cases []testCase
	require.NoError(t, json.Unmarshal(data, &cases))
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t) })
		})
	}
}

func (c testCase) run(t *testing.T) {
	within := time.Hour
	if c.Within > 0 {
		within = time.Duration(c.Within * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	served := &api{t: t, replies: c.Replies}
	var waits []float64
	client := calling.Client{
		URL: "http://api.test/live/infer", Key: key, AtMostOnce: c.AtMostOnce, Transport: served,
		Random:   func() float64 { return 0.5 },
		Progress: func(w calling.Wait) { waits = append(waits, w.For.Seconds()) },
	}
	began := time.Now()
	answer, err := client.Infer(ctx, []byte(sent))
	total := 0.0
	for _, wait := range c.Waits {
		total += wait
	}
	assert.Equal(t, c.Waits, waits)
	assert.Equal(t, total, time.Since(began).Seconds(), "what is said to be waited is waited")
	assert.Empty(t, served.replies, "not given up early")
	if c.Fails == nil {
		require.NoError(t, err)
		assert.JSONEq(t, `{"message":"m","code":"","requestId":"r-1"}`, string(answer))
		return
	}
	require.Error(t, err)
	assert.NotContains(t, err.Error(), key)
	assert.Equal(t, c.Fails.Late, errors.Is(err, context.DeadlineExceeded))
	answered := new(calling.Error)
	require.Equal(t, c.Fails.Status != 0, errors.As(err, &answered), err)
	assert.Equal(t, c.Fails.Status, answered.Status)
	if !c.Fails.Late {
		assert.Equal(t, c.Fails.Code, answered.Code)
	}
	if c.Fails.Status != 0 {
		assert.Equal(t, "r-1", answered.RequestID)
	}
}

// silence never answers.
type silence struct{ attempts int }

func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.attempts++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAnAttemptDoesNotLastForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &silence{}
		client := calling.Client{URL: "http://api.test", Transport: hangs, Random: func() float64 { return 0.5 }}
		began := time.Now()
		_, err := client.Infer(t.Context(), nil)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3, hangs.attempts)
		assert.Equal(t, 3*35*time.Second+1500*time.Millisecond, time.Since(began))
	})
}

func TestTheContextEndsIt(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{
		"during an attempt": &silence{},
		"during a wait":     &api{t, []reply{{Status: 503, RetryAfter: "60"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(10*time.Second, cancel)
				began := time.Now()
				_, err := (&calling.Client{URL: "http://api.test", Key: key, Transport: transport}).Infer(ctx, []byte(sent))
				assert.ErrorIs(t, err, context.Canceled)
				assert.ErrorContains(t, err, "gave up")
				assert.Equal(t, 10*time.Second, time.Since(began))
			})
		})
	}
}

func TestAWrongURLIsNotTriedAgain(t *testing.T) {
	client := calling.Client{URL: "http://[", Progress: func(calling.Wait) { t.Error("it waits") }}
	_, err := client.Infer(t.Context(), nil)
	assert.ErrorContains(t, err, "the request cannot be made")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := roundTrip(func(r *http.Request) *http.Response {
		return &http.Response{
			StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"http://elsewhere.test/"}},
			Body: http.NoBody, Request: r,
		}
	})
	_, err := (&calling.Client{URL: "http://api.test", Key: key, Transport: elsewhere}).Infer(t.Context(), nil)
	assert.EqualError(t, err, "the API answered 307 Temporary Redirect")
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
