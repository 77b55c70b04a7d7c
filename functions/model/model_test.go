package model_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
	"scaletozero/functions/model"
)

// service answers every request the same way and keeps them.
type service struct {
	status     int
	code, body string
	failed     string // a function's error
	requests   []*http.Request
	bodies     []string
}

func (s *service) config(t *testing.T) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
		w.Header().Set("Content-Type", "application/json")
		if s.code != "" {
			w.Header().Set("X-Amzn-ErrorType", s.code)
		}
		if s.failed != "" {
			w.Header().Set("X-Amz-Function-Error", s.failed)
		}
		w.WriteHeader(s.status)
		_, err = io.WriteString(w, s.body)
		assert.NoError(t, err)
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

func TestInvoke(t *testing.T) {
	s := &service{status: 200, body: `{"n":1}`}
	answer, err := model.NewEndpoint(s.config(t), "endpoint", "music").Invoke(t.Context(), `{"track":1}`)
	require.NoError(t, err)
	assert.Equal(t, jobs.Answer{Body: []byte(`{"n":1}`), ContentType: "application/json"}, answer)
	require.Len(t, s.requests, 1)
	assert.Equal(t, "/endpoints/endpoint/invocations", s.requests[0].URL.Path)
	assert.Equal(t, "music", s.requests[0].Header.Get("X-Amzn-SageMaker-Inference-Component"))
	assert.Equal(t, "application/json", s.requests[0].Header.Get("Content-Type"))
	assert.Equal(t, "application/json", s.requests[0].Header.Get("Accept"))
	assert.Equal(t, []string{`{"track":1}`}, s.bodies)
}

func TestErrors(t *testing.T) {
	const asleep = `{"Message":"Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress."}`
	for _, test := range []struct {
		name       string
		status     int
		code, body string
		waits      bool
		failure    *jobs.ModelFailure
	}{
		{"asleep", 400, "ValidationError", asleep, true, nil},
		{"loading", 429, "ModelNotReadyException", `{"Message":"wait"}`, true, nil},
		{"throttled", 400, "ThrottlingException", `{"message":"Rate exceeded"}`, true, nil},
		{"throttled by another name", 429, "TooManyRequestsException", `{}`, true, nil},
		{"unavailable", 503, "ServiceUnavailable", `{"Message":"try again"}`, true, nil},
		{"unavailable, from a proxy", 503, "", `busy`, true, nil},
		{"no such endpoint", 400, "ValidationError", `{"Message":"Endpoint endpoint of account 123456789012 not found."}`, true, nil},
		{"invalid otherwise", 400, "ValidationError", `{"Message":"Accept is malformed."}`, false, nil},
		{"not allowed", 403, "AccessDeniedException", `{"Message":"no"}`, false, nil},
		{"a failure inside", 500, "InternalFailure", `{"Message":"oops"}`, false, nil},
		{
			"the model's error", 424, "ModelError", `{"Message":"See https://console","OriginalStatusCode":500,"OriginalMessage":"boom"}`, false,
			&jobs.ModelFailure{Status: 500, Message: "boom"},
		},
		{
			"the model's error, though it speaks of capacity", 424, "ModelError", `{"OriginalStatusCode":503,"OriginalMessage":"has no capacity"}`, false,
			&jobs.ModelFailure{Status: 503, Message: "has no capacity"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &service{status: test.status, code: test.code, body: test.body}
			_, err := model.NewEndpoint(s.config(t), "endpoint", "music").Invoke(t.Context(), `1`)
			require.ErrorContains(t, err, `invoking endpoint "endpoint"`)
			assert.Len(t, s.requests, 1, "the queue retries, not the client")
			assert.Equal(t, test.waits, isNoCapacity(err))
			var failure *jobs.ModelFailure
			if test.failure == nil {
				assert.NotErrorAs(t, err, &failure)
			} else if assert.ErrorAs(t, err, &failure) {
				assert.Equal(t, test.failure, failure)
			}
		})
	}
}

func isNoCapacity(err error) bool { return errors.Is(err, jobs.ErrNoCapacity) }

func TestCopies(t *testing.T) {
	s := &service{status: 200, body: `{"InferenceComponentName":"music","RuntimeConfig":{"DesiredCopyCount":2,"CurrentCopyCount":1}}`}
	component := model.NewComponent(s.config(t), "music")
	current, desired, err := component.Count(t.Context())
	require.NoError(t, err)
	assert.Equal(t, [2]int{1, 2}, [2]int{current, desired})
	for _, silent := range []string{``, `,"RuntimeConfig":{"DesiredCopyCount":0}`, `,"RuntimeConfig":{"CurrentCopyCount":0}`} {
		s.body = `{"InferenceComponentName":"music"` + silent + `}`
		_, _, err = component.Count(t.Context())
		assert.ErrorContains(t, err, "SageMaker did not say how many")
	}

	s.requests, s.bodies = nil, nil
	require.NoError(t, component.Want(t.Context(), 1))
	require.Len(t, s.requests, 1)
	assert.Equal(t, "SageMaker.UpdateInferenceComponentRuntimeConfig", s.requests[0].Header.Get("X-Amz-Target"))
	var sent map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.bodies[0]), &sent))
	assert.Equal(t, map[string]any{"InferenceComponentName": "music", "DesiredRuntimeConfig": map[string]any{"CopyCount": 1.0}}, sent)
}
