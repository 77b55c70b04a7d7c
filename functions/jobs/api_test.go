package jobs_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

const jobID = "00000000-0000-4000-8000-000000000000"

// TestReplies is every answer of the API, word for word.
func TestReplies(t *testing.T) {
	const shown = `"createdAt":"2026-01-02T03:04:05.000Z","updatedAt":"2026-01-02T03:04:05.000Z"`
	cors := map[string]string{
		"Access-Control-Allow-Origin":   "https://app.example.com",
		"Access-Control-Expose-Headers": "Location,Retry-After,x-amzn-RequestId",
		"Content-Type":                  "application/json",
	}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(cors)
		maps.Copy(all, more)
		return all
	}
	post := func(body string, headers map[string]string) jobs.Call {
		return jobs.Call{Method: "POST", Path: path, Body: body, Header: headers, Caller: caller, RequestID: "r"}
	}
	get := jobs.Call{Method: "GET", Path: path + "/" + jobID, JobID: jobID, RequestID: "r"}
	asJSON := map[string]string{"content-type": "application/json; charset=utf-8"}
	key := func(key string) map[string]string {
		return map[string]string{"content-type": "application/json", "idempotency-key": key}
	}
	row := func(status jobs.Status, outcome jobs.Outcome) *jobs.Job {
		return &jobs.Job{Status: status, Outcome: outcome, RequestHash: jobs.Hash(body)}
	}
	for _, test := range []struct {
		name   string
		call   jobs.Call
		row    *jobs.Job // that is there already
		broken string    // call of a port that fails
		want   jobs.Reply
	}{
		{"taken", post(body, asJSON), nil, "", jobs.Reply{
			Status: 202, Headers: with(map[string]string{"Location": path + "/" + jobID, "Retry-After": "5"}),
			Body: `{"id":"` + jobID + `","status":"queued",` + shown + `}`,
		}},
		{"no content type", post(body, nil), nil, "", jobs.Reply{
			Status: 415, Headers: cors, Body: `{"message":"Send the body as application/json.","code":"UnsupportedMediaType","requestId":"r"}`,
		}},
		{"not JSON", post("", asJSON), nil, "", jobs.Reply{
			Status: 400, Headers: cors, Body: `{"message":"The request body is not JSON.","code":"InvalidBody","requestId":"r"}`,
		}},
		{"no key in the key's header", post(body, key("")), nil, "", jobs.Reply{
			Status: 400, Headers: cors, Body: `{"message":"Idempotency-Key must be 1 to 255 printable ASCII characters.","code":"InvalidParameters","requestId":"r"}`,
		}},
		{"a key with a line feed", post(body, key("a\nb")), nil, "", jobs.Reply{
			Status: 400, Headers: cors, Body: `{"message":"Idempotency-Key must be 1 to 255 printable ASCII characters.","code":"InvalidParameters","requestId":"r"}`,
		}},
		{"too large", post(`"`+strings.Repeat("x", 262_100)+`"`, asJSON), nil, "", jobs.Reply{
			Status: 413, Headers: cors, Body: `{"message":"The request body is larger than the queue takes.","code":"RequestTooLarge","requestId":"r"}`,
		}},
		{"the table fails", post(body, asJSON), nil, "create", jobs.Reply{
			Status: 503, Headers: with(map[string]string{"Retry-After": "5"}),
			Body: `{"message":"The job could not be queued. Try again after the time in Retry-After.","code":"QueueUnavailable","requestId":"r"}`,
		}},
		{"the queue fails", post(body, asJSON), nil, "send", jobs.Reply{
			Status: 503, Headers: with(map[string]string{"Retry-After": "5"}),
			Body: `{"message":"The job could not be queued. Try again after the time in Retry-After.","code":"QueueUnavailable","requestId":"r"}`,
		}},
		{"another method", jobs.Call{Method: "PUT", RequestID: "r"}, nil, "", jobs.Reply{
			Status: 403, Headers: cors, Body: `{"message":"The API has no such method and path.","code":"NoSuchRoute","requestId":"r"}`,
		}},
		{"no such job", get, nil, "", jobs.Reply{
			Status: 404, Headers: cors, Body: `{"message":"There is no such job, or it has expired.","code":"NoSuchJob","requestId":"r"}`,
		}},
		{"the row cannot be read", get, nil, "get", jobs.Reply{
			Status: 503, Headers: with(map[string]string{"Retry-After": "5"}),
			Body: `{"message":"The job could not be read. Try again after the time in Retry-After.","code":"QueueUnavailable","requestId":"r"}`,
		}},
		{"waking", get, row(jobs.Waking, jobs.Outcome{}), "", jobs.Reply{
			Status: 200, Headers: with(map[string]string{"Retry-After": "30"}), Body: `{"id":"` + jobID + `","status":"waking",` + shown + `}`,
		}},
		{"running", get, row(jobs.Running, jobs.Outcome{}), "", jobs.Reply{
			Status: 200, Headers: with(map[string]string{"Retry-After": "5"}), Body: `{"id":"` + jobID + `","status":"running",` + shown + `}`,
		}},
		{"succeeded with JSON", get, row(jobs.Succeeded, jobs.Outcome{Result: `{"n":1}`, ContentType: "application/json"}), "", jobs.Reply{
			Status: 200, Headers: cors, Body: `{"id":"` + jobID + `","status":"succeeded",` + shown + `,"result":{"n":1}}`,
		}},
		{"succeeded with text", get, row(jobs.Succeeded, jobs.Outcome{Result: `plain`, ContentType: "text/plain"}), "", jobs.Reply{
			Status: 200, Headers: cors, Body: `{"id":"` + jobID + `","status":"succeeded",` + shown + `,"result":"plain"}`,
		}},
		{"succeeded with what is called JSON", get, row(jobs.Succeeded, jobs.Outcome{Result: `{`, ContentType: "application/json"}), "", jobs.Reply{
			Status: 200, Headers: cors, Body: `{"id":"` + jobID + `","status":"succeeded",` + shown + `,"result":"{"}`,
		}},
		{"failed", get, row(jobs.Failed, jobs.Outcome{ErrorCode: "ModelError", ErrorMessage: "why"}), "", jobs.Reply{
			Status: 200, Headers: cors, Body: `{"id":"` + jobID + `","status":"failed",` + shown + `,"error":{"code":"ModelError","message":"why"}}`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.row != nil {
				test.row.ID, test.row.CreatedAt, test.row.UpdatedAt, test.row.ExpiresAt = jobID, w.now, w.now, w.now.Add(time.Hour)
				w.rows[jobID] = *test.row
			}
			w.fault = func(call string) fault {
				if call == test.broken {
					return errorBefore
				}
				return ""
			}
			api := w.api()
			api.NewID = func() string { return jobID }
			assert.Equal(t, test.want, api.Answer(t.Context(), test.call))
			assert.Len(t, w.queue, map[bool]int{true: 1}[test.want.Status == 202], "only what is taken is sent")
		})
	}
}

// Every request counts against the key's quota, so the old are asked for less.
func TestCallersAreToldToWaitLongerForAnOlderJob(t *testing.T) {
	for _, test := range []struct {
		status jobs.Status
		age    time.Duration
		want   string
	}{
		{jobs.Queued, 0, "5"},
		{jobs.Queued, 40 * time.Second, "10"},
		{jobs.Running, time.Hour, "60"},
		{jobs.Waking, 40 * time.Second, "30"},
		{jobs.Waking, 3 * time.Minute, "45"},
		{jobs.Succeeded, time.Hour, ""},
	} {
		w := newWorld(t)
		id := w.submitted(1)[0]
		row := w.rows[id]
		row.Status, row.CreatedAt = test.status, w.now.Add(-test.age)
		w.rows[id] = row
		reply := w.api().Answer(t.Context(), jobs.Call{Method: "GET", Path: "/dev/jobs/" + id, JobID: id, RequestID: "r"})
		assert.Equal(t, 200, reply.Status)
		assert.Equal(t, test.want, reply.Headers["Retry-After"], "%s after %s", test.status, test.age)
	}
}

func TestAnExpiredJobIsGone(t *testing.T) {
	w := newWorld(t)
	first, _ := w.post(body, "key")
	require.Equal(t, 202, first.Status)
	var view struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(first.Body), &view))
	w.now = w.now.Add(24 * time.Hour)
	got := w.api().Answer(t.Context(), jobs.Call{Method: "GET", JobID: view.ID})
	assert.Equal(t, 404, got.Status)
	// Its message, which is late, is not taken for that of a new job.
	again, _ := w.post(`{"n":2}`, "key")
	require.Equal(t, 202, again.Status)
	assert.JSONEq(t, strings.ReplaceAll(first.Body, "2026-01-02", "2026-01-03"), again.Body)
	w.poll()
	assert.Empty(t, w.queue)
	assert.Equal(t, map[string]int{`{"n":2}`: 1}, w.started)
	assert.Equal(t, `{"echo":{"n":2}}`, w.rows[view.ID].Outcome.Result)
}

func TestAKeyIsForOneBody(t *testing.T) {
	w := newWorld(t)
	first, _ := w.post(body, "key")
	again, _ := w.post(body, "key")
	assert.Equal(t, first, again)
	other, _ := w.post(`{"n":2}`, "key")
	assert.Equal(t, 409, other.Status)
	assert.JSONEq(t, `{"message":"The Idempotency-Key was used with another body. Send a new key, or the same body.","code":"IdempotencyConflict","requestId":"request"}`, other.Body)
	w.settle()
	assert.Equal(t, map[string]int{body: 1}, w.started)
	again, _ = w.post(body, "key")
	assert.Equal(t, 202, again.Status)
	assert.Contains(t, again.Body, `"status":"succeeded"`)
	assert.Empty(t, again.Headers["Retry-After"])
	assert.Empty(t, w.queue, "what has ended is not sent again")
}

// A row that is deleted just when it stood in the way stands there no longer.
func TestARowThatVanishes(t *testing.T) {
	w := newWorld(t)
	_, whole := w.post(body, "key")
	require.True(t, whole)
	w.calls = nil
	w.during = func() {
		if len(w.calls) == 2 {
			clear(w.rows)
		}
	}
	reply, _ := w.post(body, "key")
	assert.Equal(t, 202, reply.Status)
	assert.Equal(t, []string{"create", "get", "create", "send"}, w.calls)
}

// A caller's key is its own: another key of the API has other jobs under it.
func TestKeysOfTwoCallers(t *testing.T) {
	w := newWorld(t)
	headers := map[string]string{"content-type": "application/json", "idempotency-key": "key"}
	for _, caller := range []string{"a", "b", "a"} {
		reply := w.api().Answer(t.Context(), jobs.Call{Method: "POST", Path: path, Header: headers, Body: body, Caller: caller})
		require.Equal(t, 202, reply.Status)
	}
	assert.Len(t, w.rows, 2)
}

func TestRandomIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := jobs.RandomID()
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		seen[id] = true
	}
	assert.Len(t, seen, 100)
}
