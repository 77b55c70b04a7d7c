//go:build unix

package lambda

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// maxResponse is the largest answer of a function, in bytes (developer guide,
// "Lambda quotas").
const maxResponse = 6291556

const errorTypeTrailer = "Lambda-Runtime-Function-Error-Type"

// api is the Lambda runtime API, version 2018-06-01, for the program of the
// environment (developer guide, "Using the Lambda runtime API for custom
// runtimes").
func (e *environment) api() http.Handler {
	const root = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"invocation/next", e.next)
	mux.HandleFunc("POST "+root+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		e.answer(w, r, func(inv *invocation, body []byte) *Result { return &Result{RequestID: inv.id, Payload: body} })
	})
	mux.HandleFunc("POST "+root+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		e.answer(w, r, (*invocation).failed)
	})
	mux.HandleFunc("POST "+root+"init/error", e.initError)
	return mux
}

// next hands out the next invocation, as soon as there is one.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	select {
	case e.asked <- struct{}{}:
	default: // The program has asked before and left.
	}
	var inv *invocation
	select {
	case inv = <-e.handover:
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	e.current = inv
	e.mu.Unlock()
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
	header.Set("Lambda-Runtime-Trace-Id", inv.trace)
	// A program that does not read it ends, or runs into its timeout.
	_, _ = w.Write(inv.payload)
}

// answer takes the program's answer to its invocation.
func (e *environment) answer(w http.ResponseWriter, r *http.Request, result func(*invocation, []byte) *Result) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return // The program has gone; its end says the rest.
	}
	e.mu.Lock()
	inv := e.current
	if inv != nil && inv.id == r.PathValue("id") {
		e.current = nil
	} else {
		inv = nil
	}
	e.mu.Unlock()
	switch {
	case inv == nil:
		reply(w, http.StatusBadRequest, errorPayload{"InvalidRequestID", "Invalid request ID"})
	case len(body) > maxResponse:
		reply(w, http.StatusRequestEntityTooLarge, errorPayload{"RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes)."})
		inv.answered <- *inv.error("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
	case r.Trailer.Get(errorTypeTrailer) != "":
		// A stream that broke off: the reason comes after what there is of it.
		reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
		inv.answered <- *inv.error(r.Trailer.Get(errorTypeTrailer), "the function's response broke off")
	default:
		reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
		inv.answered <- *result(inv, body)
	}
}

// initError takes the program's word that it cannot start.
func (e *environment) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse))
	if err != nil {
		return
	}
	select {
	case e.broken <- body:
	default: // It has said so before.
	}
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// errorPayload is an error as the runtime API and function errors write it.
type errorPayload struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller that has left does not miss the answer.
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // See above; strings can always be encoded.
}
