package endpoint

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The operations of the control API.
const (
	controlTarget       = "SageMaker."
	describeComponent   = "DescribeInferenceComponent"
	updateRuntimeConfig = "UpdateInferenceComponentRuntimeConfig"
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
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Amzn-RequestId", rand.Text())
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		answer, failed := r.control(req)
		if failed != nil {
			w.WriteHeader(http.StatusBadRequest)
			answer = failed
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			r.options.Logger.Debug("the caller left before the answer", "error", err)
		}
	})
}

// controlError is an error as AWS JSON writes it; its status is 400.
type controlError struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func validationException(format string, args ...any) *controlError {
	return &controlError{"ValidationException", fmt.Sprintf(format, args...)}
}

// controlRequest has the fields of both operations.
type controlRequest struct {
	InferenceComponentName string
	DesiredRuntimeConfig   *struct{ CopyCount *int }
}

func (r *Runtime) control(req *http.Request) (any, *controlError) {
	operation, ok := strings.CutPrefix(req.Header.Get("X-Amz-Target"), controlTarget)
	if !ok || operation != describeComponent && operation != updateRuntimeConfig {
		return nil, &controlError{"UnknownOperationException", fmt.Sprintf("X-Amz-Target is %q: localcloud implements %s%s and %[2]s%[4]s",
			req.Header.Get("X-Amz-Target"), controlTarget, describeComponent, updateRuntimeConfig)}
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxPayload))
	var wanted controlRequest
	if err == nil {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		return nil, &controlError{"SerializationException", "the body could not be read: " + err.Error()}
	}
	if !validName(wanted.InferenceComponentName) {
		return nil, validationException("InferenceComponentName is %q: %s", wanted.InferenceComponentName, nameRule)
	}
	if operation == describeComponent {
		return r.describe(wanted.InferenceComponentName)
	}
	return r.updateCopies(wanted)
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

func (r *Runtime) describe(name string) (any, *controlError) {
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

// updateCopies asks for copies, as the autoscaler does. The service takes no 0,
// although its reference says so: only a scaling policy puts a component to sleep.
func (r *Runtime) updateCopies(wanted controlRequest) (any, *controlError) {
	name := wanted.InferenceComponentName
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
		return nil, &controlError{"ValidationException", strings.TrimPrefix(err.Error(), "ValidationException: ")}
	}
	return struct{ InferenceComponentArn string }{r.componentARN(name)}, nil
}

func (r *Runtime) noComponent(name string) *controlError {
	return validationException("Could not find inference component %q.", r.componentARN(name))
}

// epoch is a time as AWS JSON writes it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
