package main

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/jobs"
)

func TestCallOf(t *testing.T) {
	var event events.APIGatewayProxyRequest
	require.NoError(t, json.Unmarshal([]byte(`{
		"resource": "/jobs/{id}", "path": "/jobs/a", "httpMethod": "GET",
		"headers": {"Content-Type": "application/json", "IDEMPOTENCY-KEY": "k"},
		"pathParameters": {"id": "a"}, "body": null, "isBase64Encoded": false,
		"requestContext": {"path": "/dev/jobs/a", "stage": "dev", "requestId": "r", "identity": {"apiKey": "secret", "apiKeyId": "key-id"}}
	}`), &event))
	assert.Equal(t, jobs.Call{
		Method: "GET", Path: "/dev/jobs/a", JobID: "a", Caller: "key-id", RequestID: "r",
		Header: map[string]string{"content-type": "application/json", "idempotency-key": "k"},
	}, callOf(event))

	assert.Equal(t, `{"n":1}`, callOf(events.APIGatewayProxyRequest{Body: "eyJuIjoxfQ==", IsBase64Encoded: true}).Body)
	assert.Equal(t, `{"n":1}`, callOf(events.APIGatewayProxyRequest{Body: `{"n":1}`}).Body)
}
