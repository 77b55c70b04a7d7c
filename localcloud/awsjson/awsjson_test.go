package awsjson_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"

	"scaletozero/localcloud/awsjson"
)

type input struct{ Name string }

func service() *awsjson.Service {
	fails := func(err error) awsjson.Operation {
		return awsjson.Of(func(context.Context, input) (any, error) { return nil, err })
	}
	return &awsjson.Service{
		Version: "1.1", Target: "Choir.", Namespace: "com.example#",
		Operations: map[string]awsjson.Operation{
			"Greet": awsjson.Of(func(_ context.Context, in input) (any, error) {
				return map[string]string{"Greeting": "Hello, " + in.Name}, nil
			}),
			"Refuse": fails(fmt.Errorf("the choir: %w", &awsjson.Error{Type: "OutOfTune", Code: "Choir.OutOfTune", Message: "Sing again."})),
			"Other":  fails(&smithy.GenericAPIError{Code: "NoVoice", Message: "Rest."}),
			"Fail":   fails(errors.New("the roof fell in")),
		},
		Others: "songs are made by composers", Logger: slog.New(slog.DiscardHandler),
	}
}

func ask(ctx context.Context, s *awsjson.Service, method, target, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, method, "/any/path", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", target)
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func TestAnswers(t *testing.T) {
	const none = "localcloud implements POST of Choir.X only, X being one of Fail, Greet, Other, Refuse; songs are made by composers"
	const unread = "the input of Greet cannot be read, or localcloud does not implement all of it: "
	tests := []struct {
		name, method, target, body string
		status                     int
		want                       string
		query                      string
	}{
		{"an operation", "POST", "Choir.Greet", `{"Name": "日本"}`, 200, `{"Greeting":"Hello, 日本"}`, ""},
		{"an empty input", "POST", "Choir.Greet", "{} \n", 200, `{"Greeting":"Hello, "}`, ""},
		{"no JSON", "POST", "Choir.Greet", "Name", 400, `{"__type":"com.example#SerializationException","message":"` + unread + `invalid character`, "InvalidParameterValue;Sender"},
		{"nothing", "POST", "Choir.Greet", "", 400, unread + "EOF", "InvalidParameterValue;Sender"},
		{"a field that is not implemented", "POST", "Choir.Greet", `{"Title": "Dr"}`, 400, `unknown field \"Title\"`, "InvalidParameterValue;Sender"},
		{"more than the input", "POST", "Choir.Greet", `{"Name": "a"} {}`, 400, unread + "there is more after it", "InvalidParameterValue;Sender"},
		{"too much", "POST", "Choir.Greet", `{"Name": "` + strings.Repeat("x", 8<<20) + `"}`, 400, unread + "http: request body too large", "InvalidParameterValue;Sender"},
		{"a refusal", "POST", "Choir.Refuse", "{}", 400, `{"__type":"com.example#OutOfTune","message":"Sing again."}`, "Choir.OutOfTune;Sender"},
		{"a refusal of the SDK's", "POST", "Choir.Other", "{}", 400, `{"__type":"com.example#NoVoice","message":"Rest."}`, "NoVoice;Sender"},
		{"a failure", "POST", "Choir.Fail", "{}", 500, `{"__type":"com.example#InternalFailure","message":"the roof fell in"}`, "InternalFailure;Receiver"},
		{"another operation", "POST", "Choir.Dance", "{}", 400, `{"__type":"com.example#UnknownOperationException","message":"POST with X-Amz-Target \"Choir.Dance\": ` + none, "InvalidAction;Sender"},
		{"another service", "POST", "Greet", "{}", 400, none, "InvalidAction;Sender"},
		{"no target", "POST", "", "{}", 400, none, "InvalidAction;Sender"},
		{"another method", "GET", "Choir.Greet", "{}", 400, "GET with X-Amz-Target", "InvalidAction;Sender"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := service()
			got := ask(t.Context(), s, test.method, test.target, test.body)
			assert.Equal(t, test.status, got.Code)
			assert.Contains(t, got.Body.String(), test.want)
			assert.Equal(t, "application/x-amz-json-1.1", got.Header().Get("Content-Type"))
			assert.NotEmpty(t, got.Header().Get("X-Amzn-RequestId"))
			assert.Empty(t, got.Header().Get("X-Amzn-Query-Error"), "a service that never spoke another protocol has no other codes")
			s.Query = true
			got = ask(t.Context(), s, test.method, test.target, test.body)
			assert.Equal(t, test.query, got.Header().Get("X-Amzn-Query-Error"))
		})
	}
}

// An operation that waits has to know when nobody waits for it any more.
func TestOperationsSeeThatTheCallerLeft(t *testing.T) {
	s := service()
	var seen error
	s.Operations["Wait"] = awsjson.Of(func(ctx context.Context, _ input) (any, error) {
		<-ctx.Done()
		seen = ctx.Err()
		return nil, seen
	})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	got := ask(ctx, s, http.MethodPost, "Choir.Wait", "{}")
	assert.Equal(t, context.Canceled, seen)
	assert.Equal(t, http.StatusInternalServerError, got.Code)
}

func TestChecksumIsThatOfTheBody(t *testing.T) {
	s := service()
	for _, operation := range []string{"Greet", "Refuse"} {
		assert.Empty(t, ask(t.Context(), s, http.MethodPost, "Choir."+operation, `{"Name":"Ada"}`).Header().Get("X-Amz-Crc32"))
	}
	s.Checksum = true
	for _, operation := range []string{"Greet", "Refuse"} {
		got := ask(t.Context(), s, http.MethodPost, "Choir."+operation, `{"Name":"Ada"}`)
		assert.Equal(t, strconv.Itoa(int(crc32.ChecksumIEEE(got.Body.Bytes()))), got.Header().Get("X-Amz-Crc32"), operation)
	}
}
