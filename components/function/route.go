package function

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"scaletozero/components/gateway"
)

// Names of headers in a model's answers.
const (
	retryAfter    = "Retry-After"
	upstreamError = "X-Upstream-Error"
)

// ModelRoute is the operation of a model that the program `adapter` stands in
// front of, with everything that it answers: a POST to path, named operationID for
// client generators. functionArn is the alias' ARN, of arn.Scope.FunctionAlias, and
// request is the schema of the body. What is wrong with any is said by gateway.New.
func ModelRoute(path, operationID, summary, functionArn string, request *openapi3.Schema) gateway.Route {
	return gateway.Route{
		Method: http.MethodPost, Path: path, OperationID: operationID, Summary: summary, Request: request,
		Function: &gateway.Lambda{
			FunctionArn: functionArn,
			Replies: []gateway.Reply{
				{Status: http.StatusOK, Description: "The model's own answer, in its own content type.", AnyBody: true},
				{Status: http.StatusUnsupportedMediaType, Description: "Send the body as application/json."},
				{Status: http.StatusBadGateway, Description: "The model failed to answer this request.", Headers: []string{upstreamError}},
				{Status: http.StatusServiceUnavailable, Description: "The model is starting. Try again after the time in Retry-After.", Headers: []string{retryAfter, upstreamError}},
				{Status: http.StatusGatewayTimeout, Description: "The model did not answer in time."},
			},
		},
	}
}
