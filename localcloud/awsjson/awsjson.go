// Package awsjson is the wire protocol that several services of the local cloud
// speak: AWS JSON 1.0 and 1.1 (Smithy, "AWS JSON 1.0 protocol" and "AWS JSON 1.1
// protocol"). Every request is a POST, whatever the path, with the operation in
// the header X-Amz-Target and the input as JSON. Requests need no signature.
package awsjson

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"
)

// maxRequest is more than the largest input of a service takes as JSON, in bytes.
const maxRequest = 8 << 20

// Operation runs one operation: it reads its input with decode, whose error it
// returns as it is, and returns the output, which is encoded as JSON. An error
// that is a smithy.APIError, such as Error or one of the SDK's types, is answered
// with its name and message; any other is an InternalFailure.
type Operation func(ctx context.Context, decode func(input any) error) (output any, err error)

// Of makes an Operation of a function that takes its input decoded. An input with
// a field that Input does not have is refused, since what is not implemented must
// not look as if it were.
func Of[Input any](run func(context.Context, Input) (any, error)) Operation {
	return func(ctx context.Context, decode func(any) error) (any, error) {
		var input Input
		if err := decode(&input); err != nil {
			return nil, err
		}
		return run(ctx, input)
	}
}

// Service answers the operations of one service.
type Service struct {
	// Version is the protocol's, "1.0" or "1.1".
	Version string
	// Target is what precedes the operation's name in X-Amz-Target, as
	// "AmazonSQS.".
	Target string
	// Namespace precedes an error's name, as "com.amazonaws.sqs#"; empty where the
	// service writes the name alone.
	Namespace string
	// Query tells that errors also carry the code of the service's older protocol
	// (Smithy, "awsQueryCompatible trait").
	Query bool
	// Checksum tells that answers carry their CRC-32, which the SDK of DynamoDB
	// looks for and complains about where it is missing.
	Checksum bool
	// Operations are what is answered, by name.
	Operations map[string]Operation
	// Others says what to do in place of every other operation, as "queues are made
	// by Pulumi"; empty: nothing is said.
	Others string
	// Logger takes what goes wrong; required.
	Logger *slog.Logger
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	w.Header().Set("Content-Type", "application/x-amz-json-"+s.Version)
	status := http.StatusOK
	output, err := s.answer(w, r)
	if err != nil {
		status, output = s.refuse(w, err)
	}
	body, err := json.Marshal(output)
	if err != nil {
		s.Logger.Error("an answer cannot be written as JSON", "error", err)
		status, body = http.StatusInternalServerError, nil
	}
	if s.Checksum {
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.Logger.Debug("the caller left before the answer", "error", err)
	}
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, s.Target)
	operation := s.Operations[name]
	if !ok || operation == nil || r.Method != http.MethodPost {
		message := fmt.Sprintf("%s with X-Amz-Target %q: localcloud implements POST of %sX only, X being one of %s",
			r.Method, target, s.Target, strings.Join(slices.Sorted(maps.Keys(s.Operations)), ", "))
		if s.Others != "" {
			message += "; " + s.Others
		}
		return nil, &Error{Type: "UnknownOperationException", Code: "InvalidAction", Message: message}
	}
	return operation(r.Context(), func(input any) error {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(input)
		if err == nil {
			if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
				err = errors.New("there is more after it")
			}
		}
		if err != nil {
			return &Error{Type: "SerializationException", Code: "InvalidParameterValue", Message: fmt.Sprintf(
				"the input of %s cannot be read, or localcloud does not implement all of it: %v", name, err)}
		}
		return nil
	})
}

// refuse sets the header of an error and returns its status and body.
func (s *Service) refuse(w http.ResponseWriter, err error) (status int, body any) {
	status, fault := http.StatusBadRequest, "Sender"
	var known smithy.APIError
	if !errors.As(err, &known) {
		known = &Error{Type: "InternalFailure", Message: err.Error()}
		status, fault = http.StatusInternalServerError, "Receiver"
	}
	if s.Query {
		code := known.ErrorCode()
		if refused := new(Error); errors.As(known, &refused) && refused.Code != "" {
			code = refused.Code
		}
		w.Header().Set("X-Amzn-Query-Error", code+";"+fault)
	}
	return status, map[string]string{"__type": s.Namespace + known.ErrorCode(), "message": known.ErrorMessage()}
}
