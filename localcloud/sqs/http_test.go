package sqs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheSDKSendsReceivesAndDeletes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		client, queue := w.sdk(), aws.String(url("jobs"))
		sent, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String(`{"id":"日本"}`)})
		require.NoError(t, err, "the SDK checks the MD5 sum")
		got, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 20, VisibilityTimeout: 100,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		})
		require.NoError(t, err)
		require.Len(t, got.Messages, 1)
		m := got.Messages[0]
		assert.Equal(t, *sent.MessageId, *m.MessageId)
		assert.Equal(t, `{"id":"日本"}`, *m.Body)
		assert.Equal(t, map[string]string{"ApproximateReceiveCount": "1"}, m.Attributes)

		_, err = client.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 7})
		require.NoError(t, err)
		begun := w.clock.Now()
		got, err = client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
		require.NoError(t, err)
		assert.Equal(t, 7*time.Second, w.clock.Since(begun).Round(10*time.Millisecond), "the timeout of the change counts")
		_, err = client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: got.Messages[0].ReceiptHandle})
		require.NoError(t, err)
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"))

		for range 3 {
			_, err = client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("x"), DelaySeconds: 5})
			require.NoError(t, err)
		}
		_, err = client.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: queue})
		require.NoError(t, err)
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"))
	})
}

func TestTheSDKReadsAttributes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		client := w.sdk()
		found, err := client.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
		require.NoError(t, err)
		assert.Equal(t, url("jobs"), *found.QueueUrl)
		w.send("a")
		w.send("b")
		w.bodies()
		w.send("c")
		all, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: found.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		require.NoError(t, err)
		delete(all.Attributes, "CreatedTimestamp")
		assert.Equal(t, map[string]string{
			"QueueArn": jobs, "ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "2", "ApproximateNumberOfMessagesDelayed": "0",
			"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "3600", "ReceiveMessageWaitTimeSeconds": "0",
			"MaximumMessageSize": "262144", "RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":3}`,
		}, all.Attributes)
		one, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: found.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"QueueArn": jobs}, one.Attributes)
	})
}

func TestTheSDKKnowsTheErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		client, queue := w.sdk(), aws.String(url("jobs"))
		var gone *types.QueueDoesNotExist
		_, err := client.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("none")})
		require.ErrorAs(t, err, &gone)
		_, err = client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: aws.String(url("none")), MessageBody: aws.String("x")})
		require.ErrorAs(t, err, &gone)

		apiError := func(err error) string {
			var failed smithy.APIError
			require.ErrorAs(t, err, &failed)
			return failed.ErrorCode() + " " + failed.ErrorMessage()
		}
		_, err = client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String(strings.Repeat("x", 262145))})
		assert.Equal(t, "InvalidParameterValue One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.", apiError(err))
		_, err = client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 11})
		assert.Contains(t, apiError(err), "InvalidParameterValue Value 11")
		var handle *types.ReceiptHandleIsInvalid
		_, err = client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: aws.String("x")})
		require.ErrorAs(t, err, &handle)

		_, err = client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("mine")})
		assert.Contains(t, apiError(err), "queues are made by Pulumi")
		_, err = client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: queue, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("b")}},
		})
		assert.Contains(t, apiError(err), "localcloud does not implement all of it")
		assert.Equal(t, [3]int{0, 0, 0}, w.counts("jobs"), "nothing was sent")
	})
}

func TestOnlyTheProtocolIsAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, request := range []*http.Request{
			httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody),
			httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?Action=ListQueues", http.NoBody),
		} {
			recorder := httptest.NewRecorder()
			w.ServeHTTP(recorder, request)
			assert.Equal(t, http.StatusBadRequest, recorder.Code)
			assert.Equal(t, "InvalidAction;Sender", recorder.Header().Get("X-Amzn-Query-Error"))
			assert.Contains(t, recorder.Body.String(), "one of ChangeMessageVisibility, DeleteMessage, GetQueueAttributes")
		}
	})
}
