package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
	"scaletozero/internal/recorder"
)

const jobsFunction = "arn:aws:lambda:ap-northeast-1:123456789012:function:songs-jobs-submit"

// withFunction adds two routes that one function answers.
func withFunction(t *testing.T) *gateway.Args {
	t.Helper()
	a := args(t)
	job := &gateway.Model{Name: "Job", Schema: openapi3.NewObjectSchema().WithProperty("id", openapi3.NewStringSchema())}
	a.Routes = append(a.Routes,
		gateway.Route{
			Method: http.MethodPost, Path: "/jobs", OperationID: "submitJob", Request: a.Routes[0].Request,
			Function: &gateway.Lambda{
				FunctionArn: jobsFunction,
				Headers:     []string{"Idempotency-Key"},
				Replies: []gateway.Reply{
					{Status: http.StatusAccepted, Description: "Taken in.", Body: job, Headers: []string{"Location"}},
					{Status: http.StatusConflict, Description: "The key was used with another body."},
				},
			},
		},
		gateway.Route{
			Method: http.MethodGet, Path: "/jobs/{id}", OperationID: "getJob",
			Function: &gateway.Lambda{
				FunctionArn: jobsFunction,
				Replies: []gateway.Reply{
					{Status: http.StatusOK, Description: "The job.", Body: job, Headers: []string{"Retry-After"}},
					{Status: http.StatusNotFound, Description: "No such job."},
				},
			},
		})
	return a
}

func TestFunctionDocumentsGolden(t *testing.T) {
	doc, err := gateway.Document(withFunction(t))
	require.NoError(t, err)
	golden(t, "testdata/function.golden.json", doc)
	doc, err = gateway.ClientDocument(withFunction(t))
	require.NoError(t, err)
	golden(t, "testdata/function-client.golden.json", doc)
}

func TestFunctionGetsRequestsAsTheyAre(t *testing.T) {
	doc, err := gateway.Document(withFunction(t))
	require.NoError(t, err)
	for name, operation := range map[string]*openapi3.Operation{
		"POST": doc.Paths.Value("/jobs").Post, "GET": doc.Paths.Value("/jobs/{id}").Get,
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(operation.Extensions["x-amazon-apigateway-integration"])
			require.NoError(t, err)
			assert.JSONEq(t, `{
				"type": "aws_proxy",
				"uri": "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/`+jobsFunction+`/invocations",
				"httpMethod": "POST",
				"credentials": "arn:aws:iam::123456789012:role/songs-api-dev-gateway",
				"passthroughBehavior": "when_no_match",
				"timeoutInMillis": 29000
			}`, string(text))
			require.NotNil(t, operation.Security)
			assert.Equal(t, openapi3.SecurityRequirements{{"api_key": []string{}}}, *operation.Security)
			for status, response := range operation.Responses.Map() {
				assert.Contains(t, response.Value.Headers, "Access-Control-Allow-Origin", status)
				assert.Contains(t, response.Value.Headers, "Access-Control-Expose-Headers", status)
			}
		})
	}
}

func TestFunctionRoutesDeclareWhatTheyTake(t *testing.T) {
	doc, err := gateway.Document(withFunction(t))
	require.NoError(t, err)
	submit, get := doc.Paths.Value("/jobs"), doc.Paths.Value("/jobs/{id}")

	assert.False(t, submit.Post.Parameters.GetByInAndName("header", "Idempotency-Key").Required)
	assert.NotNil(t, submit.Post.Responses.Value("202").Value.Headers["Location"])
	assert.Equal(t, "#/components/schemas/InferRequest", submit.Post.RequestBody.Value.Content.Get("application/json").Schema.Ref,
		"routes with one schema share its model")

	assert.Nil(t, get.Get.RequestBody)
	for method, operation := range get.Operations() {
		require.NotNil(t, operation.Parameters.GetByInAndName("path", "id"), method)
		assert.True(t, operation.Parameters.GetByInAndName("path", "id").Required, method)
	}
	for path, want := range map[string]string{
		"/infer": "'content-type,x-api-key'", "/jobs": "'content-type,idempotency-key,x-api-key'", "/jobs/{id}": "'content-type,x-api-key'",
	} {
		preflight := mappingOf(t, doc.Paths.Value(path).Options).Responses["default"].ResponseParameters
		assert.Equal(t, want, preflight["method.response.header.Access-Control-Allow-Headers"], path)
		assert.Contains(t, preflight["method.response.header.Access-Control-Expose-Headers"], "Location", path)
	}
}

func TestClientsAreNotToldOfBodiesWhereThereIsNone(t *testing.T) {
	doc, err := gateway.ClientDocument(withFunction(t))
	require.NoError(t, err)
	assert.NotNil(t, doc.Paths.Value("/jobs").Post.Responses.Value("415"))
	get := doc.Paths.Value("/jobs/{id}").Get.Responses
	assert.Nil(t, get.Value("415"))
	assert.NotNil(t, get.Value("403"))
	assert.Equal(t, "No such job.", *get.Value("404").Value.Description, "the function's own words")
}

// Whatever the routes are, the stage's settings and its plan hold for all.
func TestFunctionRoutesAreThrottledAsTheOthers(t *testing.T) {
	graph := run(t, withFunction(t), recorder.Preview)
	assert.Equal(t, "*/*", graph.Only(t, settingsToken).Inputs["methodPath"].StringValue())
	stages := graph.Only(t, planToken).Inputs["apiStages"].ArrayValue()
	require.Len(t, stages, 1)
	assert.NotContains(t, stages[0].ObjectValue(), "throttles", "no route has limits of its own")
	assert.Contains(t, graph.Only(t, apiToken).Inputs["body"].StringValue(), jobsFunction, "known at preview")
}

func TestFunctionIsCalledByItsAlias(t *testing.T) {
	a := withFunction(t)
	a.Routes[2].Function.FunctionArn += ":live"
	doc, err := gateway.Document(a)
	require.NoError(t, err)
	text, err := json.Marshal(doc.Paths.Value("/jobs/{id}").Get.Extensions["x-amazon-apigateway-integration"])
	require.NoError(t, err)
	assert.Contains(t, string(text), "/functions/"+jobsFunction+":live/invocations")
}

func TestFunctionDeclaresItsQueryAndAnyBody(t *testing.T) {
	a := withFunction(t)
	a.Routes[2].Function.Query = []string{"limit"}
	a.Routes[2].Function.Replies[0] = gateway.Reply{Status: http.StatusOK, Description: "The model's own.", AnyBody: true}
	doc, err := gateway.ClientDocument(a)
	require.NoError(t, err)
	get := doc.Paths.Value("/jobs/{id}").Get
	parameter := get.Parameters.GetByInAndName("query", "limit")
	require.NotNil(t, parameter)
	assert.False(t, parameter.Required)
	assert.Empty(t, get.Responses.Status(http.StatusOK).Value.Content)
	assert.Contains(t, get.Responses.Status(http.StatusNotFound).Value.Content, "application/json")
}

func TestFunctionRoutesRefuseBadArgs(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*gateway.Route)
		want   string
	}{
		"two answer":     {func(r *gateway.Route) { r.Endpoint = gateway.SageMaker{EndpointName: "e"} }, "either Endpoint or Function"},
		"none answers":   {func(r *gateway.Route) { r.Function = nil }, "either Endpoint or Function"},
		"no body":        {func(r *gateway.Route) { r.Request = nil }, "Request is missing"},
		"body of a GET":  {func(r *gateway.Route) { r.Method = http.MethodGet }, "has no body"},
		"open brace":     {func(r *gateway.Route) { r.Path = "/jobs/{id" }, "Path must be"},
		"half a segment": {func(r *gateway.Route) { r.Path = "/jobs/a{id}" }, "Path must be"},
		"greedy":         {func(r *gateway.Route) { r.Path = "/jobs/{id+}" }, "Path must be"},
		"a name":         {func(r *gateway.Route) { r.Function.FunctionArn = "submit" }, "FunctionArn"},
		"a version":      {func(r *gateway.Route) { r.Function.FunctionArn += ":3" }, "FunctionArn"},
		"any function": {func(r *gateway.Route) {
			r.Function.FunctionArn = strings.Replace(jobsFunction, "songs-jobs-submit", "*", 1)
		}, "FunctionArn"},
		"no replies":        {func(r *gateway.Route) { r.Function.Replies = nil }, "Replies is empty"},
		"no such status":    {func(r *gateway.Route) { r.Function.Replies[0].Status = 99 }, "status 99"},
		"status twice":      {func(r *gateway.Route) { r.Function.Replies[0].Status = http.StatusConflict }, "status 409"},
		"model's name":      {func(r *gateway.Route) { r.Function.Replies[0].Body = &gateway.Model{Name: "a-b"} }, "letters and digits"},
		"request header":    {func(r *gateway.Route) { r.Function.Headers = []string{"a,b"} }, `"a,b"`},
		"body and any body": {func(r *gateway.Route) { r.Function.Replies[0].AnyBody = true }, "Body and AnyBody"},
		"query parameter":   {func(r *gateway.Route) { r.Function.Query = []string{"a&b"} }, `"a&b"`},
		"response header":   {func(r *gateway.Route) { r.Function.Replies[0].Headers = []string{"a b"} }, `"a b"`},
	} {
		t.Run(name, func(t *testing.T) {
			a := withFunction(t)
			test.change(&a.Routes[1])
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := gateway.New(ctx, "songs-api-dev", a)
				return err
			})
			assert.ErrorContains(t, err, "Routes[1]")
			assert.ErrorContains(t, err, test.want)
			assert.Empty(t, graph.OfType(gateway.Type), "nothing may be registered")
		})
	}
}
