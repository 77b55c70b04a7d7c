// Package model calls what runs the model: a SageMaker endpoint, and the control
// plane of its inference component, or a Lambda function.
package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"scaletozero/functions/jobs"
)

const jsonType = "application/json"

// Endpoint is a jobs.Model.
type Endpoint struct {
	name, component string
	client          *sagemakerruntime.Client
}

var _ jobs.Model = (*Endpoint)(nil)

// NewEndpoint returns the endpoint of that name, to be called for one of its
// inference components. It calls once: how often a request may reach the model
// is counted in the job's row, not hidden in a client.
func NewEndpoint(config aws.Config, name, component string) *Endpoint {
	return &Endpoint{name, component, sagemakerruntime.NewFromConfig(config, func(o *sagemakerruntime.Options) {
		o.Retryer = aws.NopRetryer{}
	})}
}

// Invoke is described at jobs.Model.
func (e *Endpoint) Invoke(ctx context.Context, body string) (jobs.Answer, error) {
	out, err := e.client.InvokeEndpoint(ctx, &sagemakerruntime.InvokeEndpointInput{
		EndpointName: &e.name, InferenceComponentName: &e.component,
		Body: []byte(body), ContentType: aws.String(jsonType), Accept: aws.String(jsonType),
	})
	if err != nil {
		return jobs.Answer{}, fmt.Errorf("invoking endpoint %q: %w", e.name, classify(err))
	}
	return jobs.Answer{Body: out.Body, ContentType: aws.ToString(out.ContentType)}, nil
}

// What the message of a request says that SageMaker finds invalid only for now:
// the component has no copies (AWS machine learning blog on scaling to zero), or
// the endpoint is being made or replaced, during which the API takes jobs already.
// The error's type and status are those of any invalid request.
var waits = []string{"has no capacity", "not found"}

// classify tells apart what a job waits for, what the model did, and the rest
// (errors of InvokeEndpoint in the SageMaker runtime API reference; throttling
// is in its common errors).
func classify(err error) error {
	var failure *types.ModelError
	if errors.As(err, &failure) {
		return &jobs.ModelFailure{Status: int(aws.ToInt32(failure.OriginalStatusCode)), Message: aws.ToString(failure.OriginalMessage)}
	}
	var status int
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var code, message string
	var answer smithy.APIError
	if errors.As(err, &answer) {
		code, message = answer.ErrorCode(), answer.ErrorMessage()
	}
	switch {
	case status == http.StatusBadRequest && slices.ContainsFunc(waits, func(part string) bool { return strings.Contains(message, part) }),
		status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable,
		code == "ModelNotReadyException", code == "ThrottlingException", code == "ServiceUnavailable":
		return fmt.Errorf("%w: %s", jobs.ErrNoCapacity, code)
	}
	return err
}

// Component is a jobs.Copies.
type Component struct {
	name   string
	client *sagemaker.Client
}

var _ jobs.Copies = (*Component)(nil)

// NewComponent returns the inference component of that name.
func NewComponent(config aws.Config, name string) *Component {
	return &Component{name, sagemaker.NewFromConfig(config)}
}

// Count is described at jobs.Copies.
func (c *Component) Count(ctx context.Context) (current, desired int, err error) {
	out, err := c.client.DescribeInferenceComponent(ctx, &sagemaker.DescribeInferenceComponentInput{InferenceComponentName: &c.name})
	if err != nil {
		return 0, 0, err
	}
	count := out.RuntimeConfig
	if count == nil || count.CurrentCopyCount == nil || count.DesiredCopyCount == nil {
		return 0, 0, errors.New("SageMaker did not say how many there are and shall be")
	}
	return int(*count.CurrentCopyCount), int(*count.DesiredCopyCount), nil
}

// Want is described at jobs.Copies.
func (c *Component) Want(ctx context.Context, count int) error {
	_, err := c.client.UpdateInferenceComponentRuntimeConfig(ctx, &sagemaker.UpdateInferenceComponentRuntimeConfigInput{
		InferenceComponentName: &c.name,
		DesiredRuntimeConfig:   &smtypes.InferenceComponentRuntimeConfig{CopyCount: aws.Int32(int32(count))}, //nolint:gosec // a number of copies is small
	})
	return err
}
