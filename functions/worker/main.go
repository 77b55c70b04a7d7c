// Worker is the Lambda function that runs jobs: it takes their messages from
// the queue, asks the model, and writes down what came of it.
//
// Environment: JOBS_TABLE, JOBS_QUEUE_URL, DEAD_LETTER_QUEUE_URL, MAX_TRIES; and
// for a model on an endpoint ENDPOINT_NAME, INFERENCE_COMPONENT_NAME and
// DIRECT_WAKE, or for one in a function MODEL_FUNCTION, the name or ARN of the
// function or its alias. The event source must report batch item failures.
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
	"github.com/aws/aws-sdk-go-v2/aws"

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
	maxTries, asked := settings.Count("MAX_TRIES"), modelOf(settings)
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
		MaxTries: maxTries, Now: time.Now, Random: rand.Float64, Log: log,
	}
	asked.set(worker, config, rows)
	lambda.Start(func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		batch, err := batchOf(ctx, event)
		if err != nil {
			return events.SQSEventResponse{}, err
		}
		return responseOf(worker.Work(ctx, batch)), nil
	})
}

// target is what the worker asks: a function, or the component on an endpoint.
type target struct {
	function            string
	endpoint, component string
	directWake          bool
}

// modelOf reads the one of the two forms that there is.
func modelOf(settings *environment.Settings) target {
	const function, endpoint, component, directWake = "MODEL_FUNCTION", "ENDPOINT_NAME", "INFERENCE_COMPONENT_NAME", "DIRECT_WAKE"
	if settings.Either(function, endpoint, component, directWake) {
		return target{function: settings.Text(function)}
	}
	return target{endpoint: settings.Text(endpoint), component: settings.Text(component), directWake: settings.Flag(directWake)}
}

// set gives the worker its model, and what wakes it where a call does not.
func (t target) set(worker *jobs.Worker, config aws.Config, rows *table.Table) {
	if t.function != "" {
		worker.Model = model.NewFunction(config, t.function)
		return
	}
	worker.Model = model.NewEndpoint(config, t.endpoint, t.component)
	if t.directWake {
		worker.Waker = &jobs.Waker{Table: rows, Copies: model.NewComponent(config, t.component), Component: t.component, Now: time.Now}
	}
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
