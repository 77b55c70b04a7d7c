package messages_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/functions/messages"
)

func TestWhatIsSent(t *testing.T) {
	var target string
	var sent map[string]any
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, sent = r.Header.Get("X-Amz-Target"), nil
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&sent))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		// The MD5 of "text", which the client checks.
		_, err := w.Write([]byte(`{"MessageId":"m","MD5OfMessageBody":"1cb251ec0d568de6a929b520c4aed8d1"}`))
		assert.NoError(t, err)
	}))
	defer server.Close()
	queue := messages.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, "https://sqs/jobs")

	require.NoError(t, queue.Send(t.Context(), "text"))
	assert.Equal(t, "AmazonSQS.SendMessage", target)
	assert.Equal(t, map[string]any{"QueueUrl": "https://sqs/jobs", "MessageBody": "text"}, sent)

	for seconds, want := range map[int]float64{0: 0, 300: 300, 100_000: 43_200} {
		require.NoError(t, queue.Delay(t.Context(), "receipt", seconds))
		assert.Equal(t, "AmazonSQS.ChangeMessageVisibility", target)
		assert.Equal(t, map[string]any{"QueueUrl": "https://sqs/jobs", "ReceiptHandle": "receipt", "VisibilityTimeout": want}, sent)
	}

	status = http.StatusBadRequest
	assert.ErrorContains(t, queue.Send(t.Context(), "text"), "sending to https://sqs/jobs")
	assert.ErrorContains(t, queue.Delay(t.Context(), "receipt", 1), "delaying a message of https://sqs/jobs")
}
