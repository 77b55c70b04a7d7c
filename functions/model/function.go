package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"scaletozero/functions/jobs"
)

// Function is a jobs.Model behind functions/adapter.
type Function struct {
	name   string
	client *lambda.Client
}

var _ jobs.Model = (*Function)(nil)

// NewFunction returns the function with that name or ARN, which may be an
// alias'. It calls once, as NewEndpoint does and for its reason.
func NewFunction(config aws.Config, name string) *Function {
	return &Function{name, lambda.NewFromConfig(config, func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })}
}

// Invoke is described at jobs.Model. The function is asked as API Gateway would.
func (f *Function) Invoke(ctx context.Context, body string) (jobs.Answer, error) {
	answer, err := f.invoke(ctx, body)
	if err != nil {
		return jobs.Answer{}, fmt.Errorf("invoking function %q: %w", f.name, err)
	}
	return answer, nil
}

func (f *Function) invoke(ctx context.Context, body string) (jobs.Answer, error) {
	event, err := json.Marshal(events.APIGatewayProxyRequest{
		HTTPMethod: http.MethodPost, Headers: map[string]string{"Content-Type": jsonType}, Body: body,
	})
	if err != nil {
		return jobs.Answer{}, err
	}
	out, err := f.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, Payload: event})
	if err != nil {
		return jobs.Answer{}, classifyInvoke(err)
	}
	if out.FunctionError != nil {
		return jobs.Answer{}, ended(out.Payload)
	}
	var reply events.APIGatewayProxyResponse
	if err := json.Unmarshal(out.Payload, &reply); err != nil {
		return jobs.Answer{}, fmt.Errorf("its answer is not that of a proxy integration: %w", err)
	}
	return answerOf(reply)
}

// answerOf tells the adapter's answers apart.
func answerOf(reply events.APIGatewayProxyResponse) (jobs.Answer, error) {
	switch reply.StatusCode {
	case http.StatusOK:
		return jobs.Answer{Body: []byte(reply.Body), ContentType: reply.Headers["Content-Type"]}, nil
	case http.StatusServiceUnavailable:
		return jobs.Answer{}, fmt.Errorf("%w: the model is starting", jobs.ErrNoCapacity)
	case http.StatusBadGateway:
		// The adapter keeps the model's own status and words to itself.
		return jobs.Answer{}, &jobs.ModelFailure{}
	case http.StatusGatewayTimeout:
		// SageMaker calls this the model's error, too.
		return jobs.Answer{}, &jobs.ModelFailure{Message: "It did not answer in time."}
	default:
		return jobs.Answer{}, fmt.Errorf("it answered with status %d", reply.StatusCode)
	}
}

// ended is that the function gave no answer: it was stopped at its time-out, or
// ended by itself. Lambda says which (Lambda developer guide, "Function errors").
func ended(payload []byte) error {
	var said struct {
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return &jobs.ModelFailure{}
	}
	return &jobs.ModelFailure{Message: said.Message}
}

// passing are the errors of Invoke that pass by themselves: a limit on
// concurrency, Lambda's own trouble in placing the function, and a function that
// is being made or changed, during which the API takes jobs already. Errors of
// Invoke are of functions that did not run (Invoke in the Lambda API reference).
var passing = []string{
	"TooManyRequestsException", "ServiceException", "EC2ThrottledException", "ENINotReadyException",
	"CodeArtifactUserPendingException", "ResourceConflictException", "ResourceNotReadyException", "ResourceNotFoundException",
}

func classifyInvoke(err error) error {
	var status int
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var code string
	var answer smithy.APIError
	if errors.As(err, &answer) {
		code = answer.ErrorCode()
	}
	if slices.Contains(passing, code) || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s", jobs.ErrNoCapacity, code)
	}
	return err
}
