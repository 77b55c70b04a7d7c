package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
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
