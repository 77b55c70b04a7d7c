package main

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/translation/translation"
)

func TestCallOf(t *testing.T) {
	var event events.APIGatewayProxyRequest
	require.NoError(t, json.Unmarshal([]byte(`{
		"resource": "/history", "path": "/history", "httpMethod": "GET", "headers": {"ACCEPT": "application/json"},
		"queryStringParameters": {"limit": "2"}, "body": null, "isBase64Encoded": false,
		"requestContext": {"path": "/dev/history", "stage": "dev", "requestId": "r", "identity": {"apiKey": "secret", "apiKeyId": "key-id"}}
	}`), &event))
	assert.Equal(t, translation.Call{
		Route: translation.RouteHistory, Header: map[string]string{"accept": "application/json"},
		Query: map[string]string{"limit": "2"}, Caller: "key-id", RequestID: "r",
	}, callOf(event))

	posted := events.APIGatewayProxyRequest{HTTPMethod: "POST", Resource: "/translate", Body: `{"text":"a"}`}
	assert.Equal(t, translation.RouteTranslate, callOf(posted).Route)
	assert.Equal(t, `{"text":"a"}`, callOf(posted).Body)
	posted.Body, posted.IsBase64Encoded = "eyJ0ZXh0IjoiYSJ9", true
	assert.Equal(t, `{"text":"a"}`, callOf(posted).Body)
}
