package calling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/calling"
)

// jobCase is one of testdata/jobs.json, which the console's browser test runs
// against calling.js as well. Durations are in seconds, and Random is always ½.
type jobCase struct {
	Name    string
	Within  float64
	Replies []jobReply
	Waits   []float64
	Fails   *struct {
		Status int
		Code   string
		Late   bool
	}
}

// jobReply is one answer of the API; Asks is the request that it is for, with the
// last part of its path where that is a job.
type jobReply struct {
	Asks             string
	Status           int
	RetryAfter, Code string
	Job              json.RawMessage
	Breaks           bool
}

// jobs answers with one reply after the other.
type jobs struct {
	t       *testing.T
	replies []jobReply
	keys    map[string]bool
}

func (j *jobs) RoundTrip(r *http.Request) (*http.Response, error) {
	assert.Equal(j.t, key, r.Header.Get("X-Api-Key"))
	require.NotEmpty(j.t, j.replies, "one attempt too many")
	next := j.replies[0]
	j.replies = j.replies[1:]
	asks := strings.TrimSpace(r.Method + " " + strings.Trim(strings.TrimPrefix(r.URL.Path, "/live/jobs"), "/"))
	assert.Equal(j.t, next.Asks, asks)
	if r.Method == http.MethodPost {
		j.keys[r.Header.Get("Idempotency-Key")] = true
		body, err := io.ReadAll(r.Body)
		require.NoError(j.t, err)
		assert.Equal(j.t, sent, string(body))
		assert.Equal(j.t, "application/json", r.Header.Get("Content-Type"))
	}
	if next.Breaks {
		return nil, io.ErrUnexpectedEOF
	}
	text := string(next.Job)
	if text == "" {
		text = fmt.Sprintf(`{"message":"m","code":%q,"requestId":"r-1"}`, next.Code)
	}
	header := http.Header{}
	if next.RetryAfter != "" {
		header.Set("Retry-After", next.RetryAfter)
	}
	return &http.Response{StatusCode: next.Status, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func TestJob(t *testing.T) {
	data, err := os.ReadFile("testdata/jobs.json")
	require.NoError(t, err)
	var cases []jobCase
	require.NoError(t, json.Unmarshal(data, &cases))
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t) })
		})
	}
}

func (c jobCase) run(t *testing.T) {
	ctx := t.Context()
	if c.Within > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(c.Within*float64(time.Second)))
		defer cancel()
		ctx = limited
	}
	served := &jobs{t: t, replies: c.Replies, keys: map[string]bool{}}
	var waits []float64
	client := calling.Client{
		URL: "http://api.test/live/jobs", Key: key, AtMostOnce: true, Transport: served,
		Random:   func() float64 { return 0.5 },
		Progress: func(w calling.Wait) { waits = append(waits, w.For.Seconds()) },
	}
	answer, err := client.Job(ctx, []byte(sent))
	assert.Equal(t, c.Waits, waits)
	assert.Empty(t, served.replies, "not given up early")
	assert.Len(t, served.keys, 1, "one job, however often it is handed in")
	assert.NotContains(t, served.keys, "")
	if c.Fails == nil {
		require.NoError(t, err)
		assert.JSONEq(t, `{"songs":[]}`, string(answer))
		return
	}
	require.Error(t, err)
	assert.Equal(t, c.Fails.Late, errors.Is(err, context.DeadlineExceeded))
	failed, refused := new(calling.JobError), new(calling.Error)
	switch {
	case c.Fails.Late:
		assert.Contains(t, err.Error(), "job j-1 is waking", "it can still be asked for")
	case c.Fails.Status == http.StatusOK:
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, calling.JobError{ID: "j-1", Code: c.Fails.Code, Message: "m"}, *failed)
	default:
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, c.Fails.Status, refused.Status)
		assert.Equal(t, c.Fails.Code, refused.Code)
	}
}
