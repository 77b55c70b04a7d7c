//go:build unix

package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ServeHTTP answers POST /2015-03-31/functions/{name or ARN}/invocations, with or
// without ?Qualifier=, the wire form of Invoke for invocations that wait for their
// answer. Requests need no signature.
func (r *Runtime) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	result, err := r.serve(req)
	failed := new(Error)
	switch {
	case err == nil:
	case errors.As(err, &failed):
		fail(w, failed)
		return
	default: // The caller has left.
		fail(w, &Error{Status: http.StatusInternalServerError, Type: "ServiceException", Message: err.Error()})
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amzn-RequestId", result.RequestID)
	header.Set("X-Amz-Executed-Version", result.Version)
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	if _, err := w.Write(result.Payload); err != nil {
		r.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}

func (r *Runtime) serve(req *http.Request) (Result, error) {
	escaped, isInvoke := strings.CutPrefix(req.URL.EscapedPath(), "/2015-03-31/functions/")
	escaped, ends := strings.CutSuffix(escaped, "/invocations")
	name, err := url.PathUnescape(escaped)
	if !isInvoke || !ends || err != nil || req.Method != http.MethodPost {
		return Result{}, &Error{Status: http.StatusNotFound, Type: "UnknownOperationException", Message: fmt.Sprintf(
			"%s %s is no operation of this service: the only one is POST /2015-03-31/functions/{FunctionName}/invocations", req.Method, req.URL.Path)}
	}
	if kind := req.Header.Get("X-Amz-Invocation-Type"); kind != "" && kind != "RequestResponse" {
		return Result{}, &Error{Status: http.StatusBadRequest, Type: "InvalidParameterValueException", Message: fmt.Sprintf(
			"the invocation type %q is not served: localcloud implements RequestResponse", kind)}
	}
	payload, err := io.ReadAll(io.LimitReader(req.Body, maxRequest+1))
	if err != nil {
		return Result{}, &Error{Status: http.StatusBadRequest, Type: "InvalidRequestContentException", Message: "The body could not be read: " + err.Error()}
	}
	qualifier, err := qualify(name, req.URL.Query().Get("Qualifier"))
	if err != nil {
		return Result{}, err
	}
	return r.invoke(req.Context(), name, qualifier, payload)
}

// fail writes an error as the service's protocol, REST JSON, does.
func fail(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", e.Type)
	w.WriteHeader(e.Status)
	kind := "User"
	if e.Status >= http.StatusInternalServerError {
		kind = "Server"
	}
	// A caller that has left does not miss the answer.
	_ = json.NewEncoder(w).Encode(struct { //nolint:errchkjson // See above; strings can always be encoded.
		Reason  string `json:",omitempty"`
		Type    string
		Message string `json:"message"`
	}{e.Reason, kind, e.Message})
}
