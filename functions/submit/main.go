// Submit is the Lambda function behind the API's job routes: it takes jobs in,
// and tells how they are.
//
// Environment: JOBS_TABLE, JOBS_QUEUE_URL, JOB_TTL_SECONDS, ALLOW_ORIGIN.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"scaletozero/functions/environment"
	"scaletozero/functions/jobs"
	"scaletozero/functions/messages"
	"scaletozero/functions/proxy"
	"scaletozero/functions/table"
)

func main() {
	log := environment.Log()
	settings := environment.Read(os.LookupEnv)
	tableName, queueURL := settings.Text("JOBS_TABLE"), settings.Text("JOBS_QUEUE_URL")
	ttl, origin := settings.Count("JOB_TTL_SECONDS"), settings.Text("ALLOW_ORIGIN")
	if err := settings.Err(); err != nil {
		environment.Exit(log, err)
	}
	config, err := environment.AWS(context.Background())
	if err != nil {
		environment.Exit(log, err)
	}
	api := &jobs.API{
		Table: table.New(config, tableName), Queue: messages.New(config, queueURL),
		TTL: time.Duration(ttl) * time.Second, AllowOrigin: origin,
		Now: time.Now, NewID: jobs.RandomID, Log: log,
	}
	lambda.Start(func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		reply := api.Answer(ctx, callOf(event))
		return events.APIGatewayProxyResponse{StatusCode: reply.Status, Headers: reply.Headers, Body: reply.Body}, nil
	})
}

// callOf is what the API needs of the event (API Gateway developer guide, "Set
// up Lambda proxy integrations in API Gateway").
func callOf(event events.APIGatewayProxyRequest) jobs.Call {
	return jobs.Call{
		Method: event.HTTPMethod, Path: event.RequestContext.Path, JobID: event.PathParameters["id"],
		Header: proxy.Headers(event), Body: proxy.Body(event),
		Caller: event.RequestContext.Identity.APIKeyID, RequestID: event.RequestContext.RequestID,
	}
}
