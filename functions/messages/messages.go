// Package messages sends and delays messages of SQS queues.
package messages

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"scaletozero/functions/jobs"
)

// longestDelay is the longest visibility timeout in seconds, 12 hours
// (ChangeMessageVisibility in the SQS API reference).
const longestDelay = 43_200

// Queue is a jobs.Sender and a jobs.Delayer.
type Queue struct {
	url    string
	client *sqs.Client
}

var (
	_ jobs.Sender  = (*Queue)(nil)
	_ jobs.Delayer = (*Queue)(nil)
)

// New returns the queue with that URL.
func New(config aws.Config, url string) *Queue {
	return &Queue{url, sqs.NewFromConfig(config)}
}

// Send is described at jobs.Sender.
func (q *Queue) Send(ctx context.Context, body string) error {
	if _, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
		return fmt.Errorf("sending to %s: %w", q.url, err)
	}
	return nil
}

// Delay is described at jobs.Delayer. More than 12 hours become 12.
func (q *Queue) Delay(ctx context.Context, receipt string, seconds int) error {
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.url, ReceiptHandle: &receipt, VisibilityTimeout: int32(min(seconds, longestDelay)), //nolint:gosec // bounded above, and no wait is negative
	})
	if err != nil {
		return fmt.Errorf("delaying a message of %s: %w", q.url, err)
	}
	return nil
}
