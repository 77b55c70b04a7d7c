// Worker is the Lambda function that runs jobs: it takes their messages from
// the queue, asks the model, and writes down what came of it.
//
// Environment: JOBS_TABLE, JOBS_QUEUE_URL, DEAD_LETTER_QUEUE_URL, ENDPOINT_NAME,
// INFERENCE_COMPONENT_NAME, MAX_TRIES, DIRECT_WAKE. The event source must report
// batch item failures.
package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"scaletozero/functions/environment"
	"scaletozero/functions/jobs"
	"scaletozero/functions/messages"
	"scaletozero/functions/model"
	"scaletozero/functions/table"
)

func main() {
	log := environment.Log()
	settings := environment.Read(os.LookupEnv)
	tableName, queueURL, deadLetterURL := settings.Text("JOBS_TABLE"), settings.Text("JOBS_QUEUE_URL"), settings.Text("DEAD_LETTER_QUEUE_URL")
	endpoint, component := settings.Text("ENDPOINT_NAME"), settings.Text("INFERENCE_COMPONENT_NAME")
	maxTries, directWake := settings.Count("MAX_TRIES"), settings.Flag("DIRECT_WAKE")
	if err := settings.Err(); err != nil {
		environment.Exit(log, err)
	}
	config, err := environment.AWS(context.Background())
	if err != nil {
		environment.Exit(log, err)
	}
	rows := table.New(config, tableName)
	worker := &jobs.Worker{
		Table: rows, Queue: messages.New(config, queueURL), DeadLetters: messages.New(config, deadLetterURL),
		Model: model.NewEndpoint(config, endpoint, component), MaxTries: maxTries,
		Now: time.Now, Random: rand.Float64, Log: log,
	}
	if directWake {
		worker.Waker = &jobs.Waker{Table: rows, Copies: model.NewComponent(config, component), Component: component, Now: time.Now}
	}
	lambda.Start(func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		batch, err := batchOf(ctx, event)
		if err != nil {
			return events.SQSEventResponse{}, err
		}
		return responseOf(worker.Work(ctx, batch)), nil
	})
}

// batchOf is what the worker needs of an invocation (Lambda developer guide,
// "Using Lambda with Amazon SQS").
func batchOf(ctx context.Context, event events.SQSEvent) (jobs.Batch, error) {
	invocation, known := lambdacontext.FromContext(ctx)
	deadline, bounded := ctx.Deadline()
	if !known || !bounded {
		return jobs.Batch{}, errors.New("the invocation has no request id or no deadline, so no lease can be taken")
	}
	batch := jobs.Batch{RequestID: invocation.AwsRequestID, Deadline: deadline}
	for _, record := range event.Records {
		// Without a count the message is taken for a new one.
		receives, _ := strconv.Atoi(record.Attributes["ApproximateReceiveCount"])
		batch.Messages = append(batch.Messages, jobs.Message{
			ID: record.MessageId, Receipt: record.ReceiptHandle, Body: record.Body, Receives: receives,
		})
	}
	return batch, nil
}

// responseOf names the messages that the queue is to deliver again. The others
// are deleted.
func responseOf(again []string) events.SQSEventResponse {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, id := range again {
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return response
}
