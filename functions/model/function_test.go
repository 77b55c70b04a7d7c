package model_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
	"scaletozero/functions/model"
)

const alias = "arn:aws:lambda:us-east-1:123456789012:function:music:live"

func TestInvokeFunction(t *testing.T) {
	s := &service{status: 200, body: `{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{\"n\":1}"}`}
	answer, err := model.NewFunction(s.config(t), alias).Invoke(t.Context(), `{"track":1}`)
	require.NoError(t, err)
	assert.Equal(t, jobs.Answer{Body: []byte(`{"n":1}`), ContentType: "application/json"}, answer)
	require.Len(t, s.requests, 1)
	assert.Equal(t, "/2015-03-31/functions/"+alias+"/invocations", s.requests[0].URL.Path)
	var event map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.bodies[0]), &event))
	assert.Equal(t, "POST", event["httpMethod"])
	assert.Equal(t, map[string]any{"Content-Type": "application/json"}, event["headers"])
	assert.JSONEq(t, `{"track":1}`, event["body"].(string))
	assert.Equal(t, 0.0, event["requestContext"].(map[string]any)["requestTimeEpoch"], "no gateway gives up on the answer")
}

func TestFunctionErrors(t *testing.T) {
	for _, test := range []struct {
		name       string
		status     int
		code, body string
		failed     string // X-Amz-Function-Error
		waits      bool
		failure    *jobs.ModelFailure
		says       string
	}{
		{name: "starting", status: 200, body: `{"statusCode":503}`, waits: true},
		{name: "the model's error", status: 200, body: `{"statusCode":502,"body":"{\"code\":\"ModelError\"}"}`, failure: &jobs.ModelFailure{}},
		{name: "slow", status: 200, body: `{"statusCode":504}`, failure: &jobs.ModelFailure{Message: "It did not answer in time."}},
		{
			name: "stopped", status: 200, failed: "Unhandled", body: `{"errorMessage":"Task timed out after 28.00 seconds"}`,
			failure: &jobs.ModelFailure{Message: "Task timed out after 28.00 seconds"},
		},
		{name: "ended without words", status: 200, failed: "Unhandled", body: `null`, failure: &jobs.ModelFailure{}},
		{name: "ended with strange words", status: 200, failed: "Unhandled", body: `[1]`, failure: &jobs.ModelFailure{}},
		{name: "refused", status: 200, body: `{"statusCode":415}`, says: "it answered with status 415"},
		{name: "no adapter", status: 200, body: `"hello"`, says: "is not that of a proxy integration"},
		{name: "no capacity", status: 429, code: "TooManyRequestsException", body: `{"Reason":"ConcurrentInvocationLimitExceeded"}`, waits: true},
		{name: "throttled by another name", status: 429, code: "Throttled", body: `{}`, waits: true},
		{name: "unavailable, from a proxy", status: 503, body: `busy`, waits: true},
		{name: "Lambda's own trouble", status: 500, code: "ServiceException", body: `{}`, waits: true},
		{name: "no network yet", status: 502, code: "EC2ThrottledException", body: `{}`, waits: true},
		{name: "no network interface yet", status: 502, code: "ENINotReadyException", body: `{}`, waits: true},
		{name: "pending", status: 409, code: "ResourceConflictException", body: `{"message":"The function is currently in the following state: Pending"}`, waits: true},
		{name: "inactive", status: 502, code: "ResourceNotReadyException", body: `{}`, waits: true},
		{name: "its image is being made ready", status: 502, code: "CodeArtifactUserPendingException", body: `{}`, waits: true},
		{name: "not made yet", status: 404, code: "ResourceNotFoundException", body: `{"Message":"Function not found"}`, waits: true},
		{name: "not allowed", status: 403, code: "AccessDeniedException", body: `{"Message":"no"}`, says: "AccessDeniedException"},
		{name: "a key that is gone", status: 502, code: "KMSNotFoundException", body: `{"Message":"no"}`, says: "KMSNotFoundException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &service{status: test.status, code: test.code, failed: test.failed, body: test.body}
			_, err := model.NewFunction(s.config(t), alias).Invoke(t.Context(), `1`)
			require.ErrorContains(t, err, `invoking function "`+alias+`"`)
			assert.ErrorContains(t, err, test.says)
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
