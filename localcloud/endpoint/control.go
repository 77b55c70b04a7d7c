package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"scaletozero/localcloud/awsjson"
)

// The values of InferenceComponentStatus that a component can have here: one that
// failed to be created is gone, and so is one that is being deleted.
const (
	componentCreating  = "Creating"
	componentUpdating  = "Updating"
	componentInService = "InService"
)

// Control answers the part of SageMaker's control API with which a caller wakes a
// component itself: DescribeInferenceComponent and
// UpdateInferenceComponentRuntimeConfig, in the service's protocol, AWS JSON 1.1.
// Requests need no signature.
func (r *Runtime) Control() http.Handler {
	return &awsjson.Service{
		Version: "1.1", Target: "SageMaker.",
		Operations: map[string]awsjson.Operation{
			"DescribeInferenceComponent":            awsjson.Of(r.describe),
			"UpdateInferenceComponentRuntimeConfig": awsjson.Of(r.updateCopies),
		},
		Logger: r.options.Logger,
	}
}

func validationException(format string, args ...any) *awsjson.Error {
	return &awsjson.Error{Type: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

func checkName(component string) error {
	if !validName(component) {
		return validationException("InferenceComponentName is %q: %s", component, nameRule)
	}
	return nil
}

func (r *Runtime) componentARN(name string) string {
	return fmt.Sprintf("arn:aws:sagemaker:%s:%s:inference-component/%s", r.options.Region, r.options.Account, name)
}

// description is DescribeInferenceComponent's answer, without the specification.
type description struct {
	InferenceComponentName, InferenceComponentArn string
	EndpointName, EndpointArn, VariantName        string
	InferenceComponentStatus                      string
	// Times are seconds since 1970.
	CreationTime, LastModifiedTime float64
	RuntimeConfig                  struct{ DesiredCopyCount, CurrentCopyCount int }
}

type describeInput struct{ InferenceComponentName string }

func (r *Runtime) describe(_ context.Context, wanted describeInput) (any, error) {
	name := wanted.InferenceComponentName
	if err := checkName(name); err != nil {
		return nil, err
	}
	updating := r.Updating(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.components[name]
	if c == nil || c.spec == nil {
		return nil, r.noComponent(name)
	}
	d := description{
		InferenceComponentName: name, InferenceComponentArn: r.componentARN(name),
		EndpointName: c.spec.Endpoint, VariantName: variant, InferenceComponentStatus: componentInService,
		EndpointArn:  fmt.Sprintf("arn:aws:sagemaker:%s:%s:endpoint/%s", r.options.Region, r.options.Account, c.spec.Endpoint),
		CreationTime: epoch(c.created), LastModifiedTime: epoch(c.modified),
	}
	switch {
	case !c.complete:
		d.InferenceComponentStatus = componentCreating
	case updating:
		d.InferenceComponentStatus = componentUpdating
	}
	d.RuntimeConfig.DesiredCopyCount = c.desired
	for _, m := range c.copies {
		if m.healthy {
			d.RuntimeConfig.CurrentCopyCount++
		}
	}
	return d, nil
}

type updateInput struct {
	InferenceComponentName string
	DesiredRuntimeConfig   *struct{ CopyCount *int }
}

// updateCopies asks for copies, as the autoscaler does. The service takes no 0,
// although its reference says so: only a scaling policy puts a component to sleep.
func (r *Runtime) updateCopies(_ context.Context, wanted updateInput) (any, error) {
	name := wanted.InferenceComponentName
	if err := checkName(name); err != nil {
		return nil, err
	}
	if wanted.DesiredRuntimeConfig == nil || wanted.DesiredRuntimeConfig.CopyCount == nil {
		return nil, validationException("DesiredRuntimeConfig.CopyCount is missing")
	}
	count := *wanted.DesiredRuntimeConfig.CopyCount
	if count < 1 {
		return nil, validationException("CopyCount is %d: the service accepts only an integer larger than 0", count)
	}
	if _, ok := r.DesiredCopies(name); !ok {
		return nil, r.noComponent(name)
	}
	if r.Updating(name) {
		return nil, validationException("Cannot update in-progress inference component %q.", r.componentARN(name))
	}
	if err := r.SetDesiredCopies(name, count); err != nil {
		return nil, validationException("%s", strings.TrimPrefix(err.Error(), "ValidationException: "))
	}
	return struct{ InferenceComponentArn string }{r.componentARN(name)}, nil
}

func (r *Runtime) noComponent(name string) error {
	return validationException("Could not find inference component %q.", r.componentARN(name))
}

// epoch is a time as AWS JSON writes it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
