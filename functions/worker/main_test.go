package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/environment"
	"scaletozero/functions/jobs"
	"scaletozero/functions/model"
)

func TestBatchOf(t *testing.T) {
	var event events.SQSEvent
	require.NoError(t, json.Unmarshal([]byte(`{"Records": [
		{"messageId": "m1", "receiptHandle": "h1", "body": "b1", "attributes": {"ApproximateReceiveCount": "7"}},
		{"messageId": "m2", "receiptHandle": "h2", "body": "b2"}
	]}`), &event))
	deadline := time.Now().Add(time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	batch, err := batchOf(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "r"}), event)
	require.NoError(t, err)
	assert.Equal(t, jobs.Batch{RequestID: "r", Deadline: deadline, Messages: []jobs.Message{
		{ID: "m1", Receipt: "h1", Body: "b1", Receives: 7}, {ID: "m2", Receipt: "h2", Body: "b2"},
	}}, batch)

	_, err = batchOf(ctx, event)
	assert.ErrorContains(t, err, "no request id or no deadline")
	_, err = batchOf(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{}), event)
	assert.ErrorContains(t, err, "no request id or no deadline")
}

func TestResponseOf(t *testing.T) {
	for want, again := range map[string][]string{
		`{"batchItemFailures":[]}`: nil,
		`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`: {"a", "b"},
	} {
		text, err := json.Marshal(responseOf(again))
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
}

func TestModelOf(t *testing.T) {
	const endpoint, component, directWake, function = "ENDPOINT_NAME", "INFERENCE_COMPONENT_NAME", "DIRECT_WAKE", "MODEL_FUNCTION"
	for name, test := range map[string]struct {
		variables map[string]string
		want      target
		err       string
	}{
		"endpoint": {map[string]string{endpoint: "e", component: "c", directWake: "true"}, target{endpoint: "e", component: "c", directWake: true}, ""},
		"function": {map[string]string{function: "f:live"}, target{function: "f:live"}, ""},
		"neither": {nil, target{}, `the function's environment: ENDPOINT_NAME is not set
INFERENCE_COMPONENT_NAME is not set
DIRECT_WAKE is not set`},
		"both": {map[string]string{function: "f", endpoint: "e", component: "c", directWake: "false"}, target{function: "f"}, `the function's environment: MODEL_FUNCTION is set, and so is ENDPOINT_NAME; set one of them
MODEL_FUNCTION is set, and so is INFERENCE_COMPONENT_NAME; set one of them
MODEL_FUNCTION is set, and so is DIRECT_WAKE; set one of them`},
	} {
		t.Run(name, func(t *testing.T) {
			settings := environment.Read(func(name string) (string, bool) {
				value, found := test.variables[name]
				return value, found
			})
			assert.Equal(t, test.want, modelOf(settings))
			if test.err == "" {
				assert.NoError(t, settings.Err())
			} else {
				assert.EqualError(t, settings.Err(), test.err)
			}
		})
	}
}

func TestOnlyAnEndpointIsWokenDirectly(t *testing.T) {
	for name, test := range map[string]struct {
		target target
		want   jobs.Model
		waker  bool
	}{
		"function":             {target{function: "f:live"}, &model.Function{}, false},
		"endpoint":             {target{endpoint: "e", component: "c", directWake: true}, &model.Endpoint{}, true},
		"endpoint, left alone": {target{endpoint: "e", component: "c"}, &model.Endpoint{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			worker := &jobs.Worker{}
			test.target.set(worker, aws.Config{Region: "us-east-1"}, nil)
			assert.IsType(t, test.want, worker.Model)
			assert.Equal(t, test.waker, worker.Waker != nil)
		})
	}
}
