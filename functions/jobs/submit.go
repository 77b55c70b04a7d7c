package jobs

import (
	"context"
	"encoding/json"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"
)

// API answers the two routes: POST /jobs and GET /jobs/{id}.
type API struct {
	Table Table
	Queue Sender
	// TTL is how long a job is kept from its creation on.
	TTL time.Duration
	// AllowOrigin is the one origin that browsers may call from, or "*".
	AllowOrigin string
	Now         func() time.Time
	// NewID is RandomID, but for tests.
	NewID func() string
	Log   *slog.Logger
}

// Call is a request to the API.
type Call struct {
	Method string
	// Path is the whole path that was called, with the stage.
	Path string
	// JobID is the path's parameter; empty in POST.
	JobID string
	// Header holds the headers by their names in lower case.
	Header map[string]string
	Body   string
	// Caller is the id, not the value, of the API key.
	Caller string
	// RequestID is API Gateway's.
	RequestID string
}

// Answer carries a call out.
func (a *API) Answer(ctx context.Context, call Call) Reply {
	switch call.Method {
	case http.MethodPost:
		return a.submit(ctx, call)
	case http.MethodGet:
		return a.read(ctx, call)
	default:
		return a.refuse(noSuchRoute, call.RequestID)
	}
}

func (a *API) submit(ctx context.Context, call Call) Reply {
	id, problem := a.check(call)
	if problem != nil {
		return a.refuse(*problem, call.RequestID)
	}
	text := message{id, call.Body}.String()
	if len(text) > messageLimit {
		return a.refuse(bodyTooLarge, call.RequestID)
	}
	log := a.Log.With("job", id, "request", call.RequestID)
	job, err := a.create(ctx, id, Hash(call.Body))
	if err != nil {
		log.ErrorContext(ctx, "the job's row could not be written", "error", err)
		return a.refuse(notTaken, call.RequestID)
	}
	if job.RequestHash != Hash(call.Body) {
		return a.refuse(keyTaken, call.RequestID)
	}
	// A repeat is sent again while nobody has begun with it: the first message
	// may never have left. A second message of one job is harmless.
	if job.Status == Queued && job.Tries == 0 {
		if err := a.Queue.Send(ctx, text); err != nil {
			log.ErrorContext(ctx, "the job's message could not be sent; the row waits for a repeat of the request", "error", err)
			return a.refuse(notTaken, call.RequestID)
		}
	}
	log.InfoContext(ctx, "the job is taken in", "status", string(job.Status))
	reply := a.reply(http.StatusAccepted, viewOf(job))
	reply.Headers["Location"] = strings.TrimSuffix(call.Path, "/") + "/" + id
	reply.retryAfter(patience(job, a.Now()))
	return reply
}

// check returns the job's id, or what is wrong with the request. API Gateway
// has judged the body by the route's schema, but only if it came as JSON.
func (a *API) check(call Call) (string, *problem) {
	if media, _, err := mime.ParseMediaType(call.Header["content-type"]); err != nil || media != jsonMediaType {
		return "", &notJSONType
	}
	if !json.Valid([]byte(call.Body)) {
		return "", &invalidBody
	}
	key, given := call.Header["idempotency-key"]
	if !given {
		return a.NewID(), nil
	}
	if !validKey(key) {
		return "", &invalidKey
	}
	return derivedID(call.Caller, key), nil
}

func validKey(key string) bool {
	return len(key) >= 1 && len(key) <= 255 && strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// create returns the job of the id: a new one, or the one that is there.
func (a *API) create(ctx context.Context, id, hash string) (Job, error) {
	for {
		now := a.Now().UTC().Truncate(time.Millisecond)
		job := Job{
			ID: id, Status: Queued, CreatedAt: now, UpdatedAt: now, RequestHash: hash,
			ExpiresAt: now.Add(a.TTL).Truncate(time.Second),
		}
		created, err := a.Table.Create(ctx, job)
		if err != nil || created {
			return job, err
		}
		there, found, err := a.Table.Get(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if found {
			return there, nil
		}
		// It was deleted between the two requests, so the way is free now.
	}
}

func (a *API) read(ctx context.Context, call Call) Reply {
	if !validID(call.JobID) {
		return a.refuse(noSuchJob, call.RequestID)
	}
	job, found, err := a.Table.Get(ctx, call.JobID)
	if err != nil {
		a.Log.ErrorContext(ctx, "the job's row could not be read", "job", call.JobID, "request", call.RequestID, "error", err)
		return a.refuse(notReadNow, call.RequestID)
	}
	if !found || job.Expired(a.Now()) {
		return a.refuse(noSuchJob, call.RequestID)
	}
	reply := a.reply(http.StatusOK, viewOf(job).withOutcome(job.Outcome))
	reply.retryAfter(patience(job, a.Now()))
	return reply
}
