package dynamodb

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
)

// maxRequest is more than the largest item takes as JSON, in bytes.
const maxRequest = 8 << 20

const targetPrefix = "DynamoDB_20120810."

// ServeHTTP answers AWS JSON 1.0, whatever the path: POST with the operation in
// the header X-Amz-Target, which is GetItem, PutItem or UpdateItem. Requests need
// no signature.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	output, err := s.answer(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	if err := json.NewEncoder(w).Encode(output); err != nil {
		s.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	operation, _ := strings.CutPrefix(target, targetPrefix)
	if r.Method != http.MethodPost {
		operation = ""
	}
	switch operation {
	case "PutItem":
		return call(w, r, s.put)
	case "GetItem":
		return call(w, r, s.get)
	case "UpdateItem":
		return call(w, r, s.update)
	default:
		return nil, &smithy.GenericAPIError{Code: "UnknownOperationException", Message: fmt.Sprintf(
			"%s with X-Amz-Target %q: localcloud implements POST of %sX only, X being GetItem, PutItem or UpdateItem; tables are made by Pulumi",
			r.Method, target, targetPrefix)}
	}
}

// call decodes the input of an operation and runs it.
func call[Input any](w http.ResponseWriter, r *http.Request, operation func(Input) (any, error)) (any, error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	// What is not implemented must not look as if it were.
	decoder.DisallowUnknownFields()
	var input Input
	if err := decoder.Decode(&input); err != nil {
		return nil, &smithy.GenericAPIError{Code: "SerializationException", Message: fmt.Sprintf(
			"the input cannot be read, or localcloud does not implement all of it: %v", err)}
	}
	return operation(input)
}

func (s *Service) refuse(w http.ResponseWriter, err error) {
	body := map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": err.Error()}
	status := http.StatusInternalServerError
	var known smithy.APIError
	if errors.As(err, &known) {
		status = http.StatusBadRequest
		body["__type"], body["message"] = "com.amazonaws.dynamodb.v20120810#"+known.ErrorCode(), known.ErrorMessage()
	}
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}
