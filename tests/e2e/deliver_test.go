package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reply is what a caller of the API would see.
type reply struct {
	status  int
	headers map[string]string
	body    struct {
		ID, Status, CreatedAt, UpdatedAt string
		Result                           json.RawMessage
		Error                            *struct{ Code, Message string }
		Code, Message, RequestID         string
	}
}

// call has the function submit answer a request, as API Gateway does.
func (s *stack) call(method, id, body, key string) reply {
	s.t.Helper()
	event := events.APIGatewayProxyRequest{
		Resource: "/jobs", Path: "/jobs", HTTPMethod: method, Body: body,
		Headers: map[string]string{"Content-Type": "application/json"},
		RequestContext: events.APIGatewayProxyRequestContext{
			Path: "/dev/jobs", Stage: "dev", RequestID: "request-1",
			Identity: events.APIGatewayRequestIdentity{APIKeyID: keyID},
		},
	}
	if key != "" {
		event.Headers["Idempotency-Key"] = key
	}
	if id != "" {
		event.Resource, event.Path, event.RequestContext.Path = "/jobs/{id}", "/jobs/"+id, "/dev/jobs/"+id
		event.PathParameters = map[string]string{"id": id}
	}
	text, err := json.Marshal(event)
	require.NoError(s.t, err)
	answer, err := s.submit.Invoke(s.t.Context(), text, timeout)
	require.NoError(s.t, err)
	var proxied events.APIGatewayProxyResponse
	require.NoError(s.t, json.Unmarshal(answer, &proxied))
	got := reply{status: proxied.StatusCode, headers: proxied.Headers}
	require.NoError(s.t, json.Unmarshal([]byte(proxied.Body), &got.body), proxied.Body)
	assert.Equal(s.t, origin, got.headers["Access-Control-Allow-Origin"])
	assert.Contains(s.t, got.headers["Access-Control-Expose-Headers"], "Location,Retry-After")
	assert.Equal(s.t, "application/json", got.headers["Content-Type"])
	return got
}

func (s *stack) post(body, key string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, "", body, key)
}

func (s *stack) get(id string) reply { s.t.Helper(); return s.call(http.MethodGet, id, "", "") }

// n is a request of this stack and no other: moto gives the same answer to the
// same body, whatever the endpoint.
func (s *stack) n(n int) string { return fmt.Sprintf(`{"n":%d,"of":%q}`, n, s.table) }

// taken submits a job and returns its id.
func (s *stack) taken(body string) string {
	s.t.Helper()
	got := s.post(body, "")
	require.Equal(s.t, http.StatusAccepted, got.status, got.body.Message)
	return got.body.ID
}

// work gives messages to the worker as the event source does, deletes those
// that it is done with, and returns the ids of the others.
func (s *stack) work(messages []sqstypes.Message) (again []string) {
	s.t.Helper()
	answer, err := s.worker.Invoke(s.t.Context(), s.event(messages), timeout)
	require.NoError(s.t, err)
	var response events.SQSEventResponse
	require.NoError(s.t, json.Unmarshal(answer, &response))
	require.Contains(s.t, string(answer), "batchItemFailures")
	failed := map[string]bool{}
	for _, failure := range response.BatchItemFailures {
		failed[failure.ItemIdentifier] = true
		again = append(again, failure.ItemIdentifier)
	}
	for _, message := range messages {
		if !failed[*message.MessageId] {
			_, err := s.messages.DeleteMessage(s.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &s.queue, ReceiptHandle: message.ReceiptHandle})
			require.NoError(s.t, err)
		}
	}
	return again
}

// event is what the event source makes of messages.
func (s *stack) event(messages []sqstypes.Message) []byte {
	s.t.Helper()
	var event events.SQSEvent
	for _, message := range messages {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: *message.MessageId, ReceiptHandle: *message.ReceiptHandle, Body: *message.Body,
			Attributes: message.Attributes, EventSource: "aws:sqs", AWSRegion: region,
		})
	}
	text, err := json.Marshal(event)
	require.NoError(s.t, err)
	return text
}

// show makes a message that waits visible again, instead of waiting for it.
func (s *stack) show(message sqstypes.Message) {
	s.t.Helper()
	_, err := s.messages.ChangeMessageVisibility(s.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &s.queue, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
	})
	require.NoError(s.t, err)
}

// row is a row of the table, as plain text.
func (s *stack) row(id string) map[string]string {
	s.t.Helper()
	out, err := s.rows.GetItem(s.t.Context(), &dynamodb.GetItemInput{
		TableName: &s.table, Key: map[string]ddbtypes.AttributeValue{"id": &ddbtypes.AttributeValueMemberS{Value: id}},
		ConsistentRead: aws.Bool(true),
	})
	require.NoError(s.t, err)
	row := map[string]string{}
	for name, value := range out.Item {
		switch value := value.(type) {
		case *ddbtypes.AttributeValueMemberS:
			row[name] = value.Value
		case *ddbtypes.AttributeValueMemberN:
			row[name] = value.Value
		default:
			s.t.Fatalf("%s is a %T", name, value)
		}
	}
	return row
}

// set changes attributes of a row behind the functions' backs.
func (s *stack) set(id, change string, values map[string]ddbtypes.AttributeValue, names map[string]string) {
	s.t.Helper()
	_, err := s.rows.UpdateItem(s.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: map[string]ddbtypes.AttributeValue{"id": &ddbtypes.AttributeValueMemberS{Value: id}},
		UpdateExpression: &change, ExpressionAttributeValues: values, ExpressionAttributeNames: names,
	})
	require.NoError(s.t, err)
}
