package sqs

import (
	"context"
	"crypto/md5" //nolint:gosec // SQS's protocol has MD5 sums, against transmission errors.
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"scaletozero/localcloud/awsjson"
)

// empty is the output of operations without one.
type empty struct{}

// protocol is SQS's, with the operations that are implemented.
func (s *Service) protocol() http.Handler {
	return &awsjson.Service{
		Version: "1.0", Target: "AmazonSQS.", Namespace: "com.amazonaws.sqs#", Query: true,
		Operations: map[string]awsjson.Operation{
			"ChangeMessageVisibility": awsjson.Of(s.changeMessageVisibility),
			"DeleteMessage":           awsjson.Of(s.deleteMessage),
			"GetQueueAttributes":      awsjson.Of(s.getQueueAttributes),
			"GetQueueUrl":             awsjson.Of(s.getQueueURL),
			"PurgeQueue":              awsjson.Of(s.purgeQueue),
			"ReceiveMessage":          awsjson.Of(s.receiveMessage),
			"SendMessage":             awsjson.Of(s.sendMessage),
		},
		Others: "queues are made by Pulumi", Logger: s.options.Logger,
	}
}

// ServeHTTP answers AWS JSON 1.0, whatever the path. Requests need no signature.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.served.ServeHTTP(w, r) }

// arnOf finds the queue with the URL.
func (s *Service) arnOf(url string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn, q := range s.queues {
		if q.URL == url {
			return arn, nil
		}
	}
	return "", errNoQueue
}

func duration(seconds *int64) *time.Duration {
	if seconds == nil {
		return nil
	}
	return new(time.Duration(*seconds) * time.Second)
}

type sendMessageInput struct {
	QueueURL     string `json:"QueueUrl"`
	MessageBody  string
	DelaySeconds *int64
}

func (s *Service) sendMessage(_ context.Context, input sendMessageInput) (any, error) {
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	id, err := s.Send(arn, input.MessageBody, duration(input.DelaySeconds))
	return map[string]string{"MessageId": id, "MD5OfMessageBody": md5Of(input.MessageBody)}, err
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body)) //nolint:gosec // See the import.
	return hex.EncodeToString(sum[:])
}

type receiveMessageInput struct {
	QueueURL            string `json:"QueueUrl"`
	MaxNumberOfMessages *int
	VisibilityTimeout   *int64
	WaitTimeSeconds     *int64
	// AttributeNames is the older name of MessageSystemAttributeNames.
	AttributeNames, MessageSystemAttributeNames []string
	// MessageAttributeNames may be asked for: no message has any.
	MessageAttributeNames []string
}

func (s *Service) receiveMessage(ctx context.Context, input receiveMessageInput) (any, error) {
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	want := Receive{Max: 1, Wait: duration(input.WaitTimeSeconds), Visibility: duration(input.VisibilityTimeout)}
	if input.MaxNumberOfMessages != nil {
		want.Max = *input.MaxNumberOfMessages
		if want.Max < 1 {
			return nil, invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", want.Max, MaxReceive)
		}
	}
	messages, err := s.Receive(ctx, arn, want)
	return received(messages, append(input.AttributeNames, input.MessageSystemAttributeNames...)), err
}

// receivedMessage is a message of ReceiveMessage's output.
type receivedMessage struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	MD5OfBody     string
	Attributes    map[string]string `json:",omitempty"`
}

func received(messages []Message, wanted []string) any {
	var output struct {
		Messages []receivedMessage `json:",omitempty"`
	}
	for _, m := range messages {
		output.Messages = append(output.Messages, receivedMessage{
			MessageID: m.ID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, MD5OfBody: m.MD5OfBody, Attributes: selected(m.Attributes, wanted),
		})
	}
	return output
}

// selected are the attributes that are asked for, by name or as All.
func selected(attributes map[string]string, wanted []string) map[string]string {
	out := map[string]string{}
	for name, value := range attributes {
		if slices.Contains(wanted, name) || slices.Contains(wanted, "All") {
			out[name] = value
		}
	}
	return out
}

type deleteMessageInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
}

func (s *Service) deleteMessage(_ context.Context, input deleteMessageInput) (any, error) {
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.Delete(arn, input.ReceiptHandle)
}

type changeMessageVisibilityInput struct {
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout int64
}

func (s *Service) changeMessageVisibility(_ context.Context, input changeMessageVisibilityInput) (any, error) {
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.ChangeVisibility(arn, input.ReceiptHandle, *duration(&input.VisibilityTimeout))
}

type purgeQueueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) purgeQueue(_ context.Context, input purgeQueueInput) (any, error) {
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.Purge(arn)
}

type getQueueURLInput struct{ QueueName string }

func (s *Service) getQueueURL(_ context.Context, input getQueueURLInput) (any, error) {
	for _, q := range s.State() {
		if q.Name == input.QueueName {
			return map[string]string{"QueueUrl": q.URL}, nil
		}
	}
	return nil, errNoQueue
}

type getQueueAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

func (s *Service) getQueueAttributes(_ context.Context, input getQueueAttributesInput) (any, error) {
	for _, q := range s.State() {
		if q.URL == input.QueueURL {
			return map[string]any{"Attributes": selected(attributesOf(q), input.AttributeNames)}, nil
		}
	}
	return nil, errNoQueue
}

func attributesOf(q State) map[string]string {
	attributes := map[string]string{
		"QueueArn":                              q.ARN,
		"CreatedTimestamp":                      strconv.FormatInt(q.Created.Unix(), 10),
		"ApproximateNumberOfMessages":           strconv.Itoa(q.Visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(q.InFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(q.Delayed),
		"VisibilityTimeout":                     strconv.FormatInt(seconds(q.VisibilityTimeout), 10),
		"DelaySeconds":                          strconv.FormatInt(seconds(q.Delay), 10),
		"MessageRetentionPeriod":                strconv.FormatInt(seconds(q.Retention), 10),
		"ReceiveMessageWaitTimeSeconds":         strconv.FormatInt(seconds(q.ReceiveWait), 10),
		"MaximumMessageSize":                    strconv.Itoa(q.MaxMessageSize),
	}
	if q.DeadLetterARN != "" {
		attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, q.DeadLetterARN, q.MaxReceives)
	}
	return attributes
}
