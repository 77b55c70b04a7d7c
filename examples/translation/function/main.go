// Function is the Lambda function behind the translation API.
//
// Environment: HISTORY_TABLE, HISTORY_TTL_SECONDS, ALLOW_ORIGIN.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"scaletozero/examples/translation/amazon"
	"scaletozero/examples/translation/translation"
	"scaletozero/functions/environment"
	"scaletozero/functions/proxy"
)

func main() {
	log := environment.Log()
	settings := environment.Read(os.LookupEnv)
	table, origin := settings.Text("HISTORY_TABLE"), settings.Text("ALLOW_ORIGIN")
	ttl := settings.Count("HISTORY_TTL_SECONDS")
	if err := settings.Err(); err != nil {
		environment.Exit(log, err)
	}
	config, err := environment.AWS(context.Background())
	if err != nil {
		environment.Exit(log, err)
	}
	// Made once, before the first call: later ones find the connections open.
	api := &translation.API{
		Translator: amazon.NewTranslator(config), History: amazon.NewHistory(config, table),
		TTL: time.Duration(ttl) * time.Second, AllowOrigin: origin,
		Now: time.Now, NewID: translation.NewID, Log: log,
	}
	lambda.Start(func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		reply := api.Answer(ctx, callOf(event))
		return events.APIGatewayProxyResponse{StatusCode: reply.Status, Headers: reply.Headers, Body: reply.Body}, nil
	})
}

// callOf is what the API needs of the event (API Gateway developer guide, "Lambda
// proxy integrations in API Gateway").
func callOf(event events.APIGatewayProxyRequest) translation.Call {
	return translation.Call{
		Route: event.HTTPMethod + " " + event.Resource, Header: proxy.Headers(event), Query: event.QueryStringParameters,
		Body: proxy.Body(event), Caller: event.RequestContext.Identity.APIKeyID, RequestID: event.RequestContext.RequestID,
	}
}
