package queue

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"scaletozero/components/gateway"
)

// Path is where an API takes jobs; that of one job follows it.
const Path = "/jobs"

// Names in the answers of the submit function.
const (
	idempotencyKey = "Idempotency-Key"
	location       = "Location"
	retryAfter     = "Retry-After"
)

// Routes are the two operations that the submit function answers: handing a job
// in, whose body is what the model is asked, and asking for it.
func Routes(functionArn string, request *openapi3.Schema) []gateway.Route {
	job := &gateway.Model{Name: "Job", Schema: jobSchema()}
	return []gateway.Route{
		{
			Method: http.MethodPost, Path: Path, OperationID: "submitJob", Request: request,
			Summary: "Hands in a job that waits for the model.",
			Function: &gateway.Lambda{
				FunctionArn: functionArn,
				Headers:     []string{idempotencyKey},
				Replies: []gateway.Reply{
					{Status: http.StatusAccepted, Description: "The job is in the queue, or was already under this Idempotency-Key. Location is where to ask for it.", Body: job, Headers: []string{location, retryAfter}},
					{Status: http.StatusBadRequest, Description: "The request body does not match the request schema, or the Idempotency-Key is not 1 to 255 printable ASCII characters."},
					{Status: http.StatusConflict, Description: "The Idempotency-Key was used with another body."},
					{Status: http.StatusRequestEntityTooLarge, Description: "The request body is larger than the queue takes."},
					{Status: http.StatusUnsupportedMediaType, Description: "Send the body as application/json."},
					{Status: http.StatusServiceUnavailable, Description: "The queue did not take the job. Try again after the time in Retry-After, under the same Idempotency-Key.", Headers: []string{retryAfter}},
				},
			},
		},
		{
			Method: http.MethodGet, Path: Path + "/{id}", OperationID: "getJob",
			Summary: "Says how a job is getting on, and its result.",
			Function: &gateway.Lambda{
				FunctionArn: functionArn,
				Replies: []gateway.Reply{
					{Status: http.StatusOK, Description: "The job as it is now. Retry-After is there while it is not finished.", Body: job, Headers: []string{retryAfter}},
					{Status: http.StatusNotFound, Description: "There is no such job, or it has expired."},
					{Status: http.StatusServiceUnavailable, Description: "The job could not be read. Try again after the time in Retry-After.", Headers: []string{retryAfter}},
				},
			},
		},
	}
}

func jobSchema() *openapi3.Schema {
	text := openapi3.NewStringSchema
	time := text().WithFormat("date-time")
	failure := openapi3.NewObjectSchema().
		WithProperty("code", text()).
		WithProperty("message", text()).
		WithRequired([]string{"code", "message"})
	failure.Description = "Why the job failed; there if it did."
	result := openapi3.NewSchema()
	result.Description = "The model's own answer; there once the job has succeeded."
	return openapi3.NewObjectSchema().
		WithProperty("id", text()).
		WithProperty("status", text().WithEnum("queued", "waking", "running", "succeeded", "failed")).
		WithProperty("createdAt", time).
		WithProperty("updatedAt", time).
		WithProperty("result", result).
		WithProperty("error", failure).
		WithRequired([]string{"id", "status", "createdAt", "updatedAt"})
}
