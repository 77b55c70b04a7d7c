//go:build unix

package lambda

import (
	"bytes"
	"crypto/md5" //nolint:gosec // SQS tells the MD5 of a body, against transmission errors.
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"scaletozero/localcloud/sqs"
)

// event is what a function gets of a queue (developer guide, "Using Lambda with
// Amazon SQS").
type event struct {
	Records []record `json:"Records"`
}

type record struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes struct{}          `json:"messageAttributes"`
	MD5OfBody         string            `json:"md5OfBody"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	Region            string            `json:"awsRegion"`
}

func eventOf(batch []sqs.Message, queueARN, region string) []byte {
	e := event{Records: make([]record, len(batch))}
	for i, message := range batch {
		sum := md5.Sum([]byte(message.Body)) //nolint:gosec // See above.
		e.Records[i] = record{
			MessageID: message.ID, ReceiptHandle: message.ReceiptHandle, Body: message.Body, Attributes: message.Attributes,
			MD5OfBody: hex.EncodeToString(sum[:]), EventSource: "aws:sqs", EventSourceARN: queueARN, Region: region,
		}
	}
	content, err := json.Marshal(e)
	if err != nil {
		panic(err) // Strings can always be encoded.
	}
	return content
}

func everything(string) bool { return true }

func nothing(string) bool { return false }

// itemFailures reads a partial batch response: which messages failed. A response
// that is empty, null or without failures means that none did; one that does not
// say clearly which did, that all have (developer guide, "Handling errors for an
// SQS event source in Lambda"). An identifier of no message of the batch counts as
// unclear.
func itemFailures(response []byte, batch []sqs.Message) (failed func(id string) bool, err error) {
	if len(bytes.TrimSpace(response)) == 0 {
		return nothing, nil
	}
	var said struct {
		Failures []struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(response, &said); err != nil {
		return everything, errors.New("the function's response is no partial batch response")
	}
	ids := map[string]bool{}
	for _, item := range said.Failures {
		known := item.ID != nil && slices.ContainsFunc(batch, func(m sqs.Message) bool { return m.ID == *item.ID })
		if !known {
			return everything, fmt.Errorf("the function's partial batch response names no message of the batch in one of %d failures", len(said.Failures))
		}
		ids[*item.ID] = true
	}
	return func(id string) bool { return ids[id] }, nil
}
