package sqs

import (
	"crypto/md5" //nolint:gosec // SQS's protocol has MD5 sums, against transmission errors.
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRequest is more than the largest message takes as JSON, in bytes.
const maxRequest = 8 << 20

// operations are what ServeHTTP answers. Each decodes its input with the given
// function and returns its output, which is encoded as JSON.
var operations = map[string]func(s *Service, r *http.Request, decode func(input any) error) (any, error){
	"ChangeMessageVisibility": changeMessageVisibility,
	"DeleteMessage":           deleteMessage,
	"GetQueueAttributes":      getQueueAttributes,
	"GetQueueUrl":             getQueueURL,
	"PurgeQueue":              purgeQueue,
	"ReceiveMessage":          receiveMessage,
	"SendMessage":             sendMessage,
}

// empty is the output of operations without one.
type empty struct{}

// ServeHTTP answers AWS JSON 1.0, whatever the path: POST with the operation in
// the header X-Amz-Target, as AmazonSQS.SendMessage. Requests need no signature.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	output, err := s.answer(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	if err := json.NewEncoder(w).Encode(output); err != nil {
		s.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	operation := operations[name]
	if !ok || operation == nil || r.Method != http.MethodPost {
		return nil, failure("InvalidAction", "UnsupportedOperation", fmt.Sprintf(
			"%s with X-Amz-Target %q: localcloud implements POST of AmazonSQS.X only, X being one of %s; queues are made by Pulumi",
			r.Method, r.Header.Get("X-Amz-Target"), strings.Join(operationNames(), ", ")))
	}
	return operation(s, r, func(input any) error {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		// What is not implemented must not look as if it were.
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(input); err != nil {
			return failure("InvalidParameterValue", "SerializationException", fmt.Sprintf("the input of %s cannot be read, or localcloud does not implement all of it: %v", name, err))
		}
		return nil
	})
}

func operationNames() []string {
	var names []string
	for name := range operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Service) refuse(w http.ResponseWriter, err error) {
	var refused *Error
	if !errors.As(err, &refused) {
		refused = failure("InternalFailure", "InternalFailure", err.Error())
	}
	// The SDKs take the code from here (Smithy, "AWS JSON 1.0 protocol",
	// awsQueryCompatible).
	w.Header().Set("X-Amzn-Query-Error", refused.Code+";Sender")
	w.WriteHeader(http.StatusBadRequest)
	body := map[string]string{"__type": "com.amazonaws.sqs#" + refused.Type, "message": refused.Message}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.options.Logger.Debug("the caller left before the answer", "error", err)
	}
}

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

func sendMessage(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL     string `json:"QueueUrl"`
		MessageBody  string
		DelaySeconds *int64
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
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

func receiveMessage(s *Service, r *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL            string `json:"QueueUrl"`
		MaxNumberOfMessages *int
		VisibilityTimeout   *int64
		WaitTimeSeconds     *int64
		// AttributeNames is the older name of MessageSystemAttributeNames.
		AttributeNames, MessageSystemAttributeNames []string
		// MessageAttributeNames may be asked for: no message has any.
		MessageAttributeNames []string
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
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
	messages, err := s.Receive(r.Context(), arn, want)
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

func deleteMessage(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL      string `json:"QueueUrl"`
		ReceiptHandle string
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.Delete(arn, input.ReceiptHandle)
}

func changeMessageVisibility(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL          string `json:"QueueUrl"`
		ReceiptHandle     string
		VisibilityTimeout int64
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.ChangeVisibility(arn, input.ReceiptHandle, *duration(&input.VisibilityTimeout))
}

func purgeQueue(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL string `json:"QueueUrl"`
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
	arn, err := s.arnOf(input.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, s.Purge(arn)
}

func getQueueURL(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct{ QueueName string }
	if err := decode(&input); err != nil {
		return nil, err
	}
	for _, q := range s.State() {
		if q.Name == input.QueueName {
			return map[string]string{"QueueUrl": q.URL}, nil
		}
	}
	return nil, errNoQueue
}

func getQueueAttributes(s *Service, _ *http.Request, decode func(any) error) (any, error) {
	var input struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}
	if err := decode(&input); err != nil {
		return nil, err
	}
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
