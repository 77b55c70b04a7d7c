//go:build unix

package localcloud_test

import (
	"archive/zip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/provider"
)

// function builds one of the program's functions and returns its archive.
func function(t *testing.T, name string) *archive.Archive {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", program, "scaletozero/functions/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(dir, name+".zip"))
	require.NoError(t, err)
	writer := zip.NewWriter(file)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	header.SetMode(0o755)
	entry, err := writer.CreateHeader(header)
	require.NoError(t, err)
	_, err = entry.Write(content)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.NoError(t, file.Close())
	packed, err := archive.FromPath(file.Name())
	require.NoError(t, err)
	return packed
}

// proxy is an operation that the function submit answers.
const proxy = `{"responses": {"200": {"description": "a job"}}, "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST",
	"credentials": "arn:aws:iam::123456789012:role/role", "uri": "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/` +
	`arn:aws:lambda:ap-northeast-1:123456789012:function:submit/invocations"}}`

// queueDocument has the routes of the queue, beside one that answers at once.
const queueDocument = `{"openapi": "3.0.1", "info": {"title": "api", "version": "1"}, "paths": {
	"/infer": {"post": {"operationId": "infer", "responses": {"204": {"description": "nothing"}}, "x-amazon-apigateway-integration": {
		"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 204}"}, "responses": {"default": {"statusCode": "204"}}}}},
	"/jobs": {"post": ` + proxy + `},
	"/jobs/{id}": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}], "get": ` + proxy + `}}}`

// deployQueue puts a queue in front of the endpoint's component, and returns the URL of its route.
func deployQueue(t *testing.T, e engine) (url string) {
	t.Helper()
	_, dead := e.create(provider.TypeQueue, props{"name": "dead"})
	queueURL, queue := e.create(provider.TypeQueue, props{
		"name": "jobs", "visibilityTimeoutSeconds": 1800, "redrivePolicy": `{"deadLetterTargetArn":"` + dead["arn"].(string) + `","maxReceiveCount":1000}`,
	})
	table, _ := e.create(provider.TypeTable, props{
		"name": "jobs", "billingMode": "PAY_PER_REQUEST", "hashKey": "id", "attributes": []any{props{"name": "id", "type": "S"}},
		"ttl": props{"enabled": true, "attributeName": "expiresAt"},
	})
	for name, variables := range map[string]props{
		"submit": {"JOBS_TABLE": table, "JOBS_QUEUE_URL": queueURL, "JOB_TTL_SECONDS": "604800", "ALLOW_ORIGIN": "*"},
		"worker": {
			"JOBS_TABLE": table, "JOBS_QUEUE_URL": queueURL, "DEAD_LETTER_QUEUE_URL": dead["url"], "ENDPOINT_NAME": "endpoint",
			"INFERENCE_COMPONENT_NAME": "component", "MAX_TRIES": "3", "DIRECT_WAKE": "true",
		},
	} {
		e.create(provider.TypeFunction, props{
			"name": name, "role": "arn:aws:iam::123456789012:role/role", "runtime": "provided.al2023", "handler": "bootstrap", "timeout": 60,
			"architectures": []any{lambda.Architecture()}, "code": function(t, name), "environment": props{"variables": variables},
		})
	}
	e.create(provider.TypeEventSourceMapping, props{
		"eventSourceArn": queue["arn"], "functionName": "worker", "functionResponseTypes": []any{"ReportBatchItemFailures"},
		"scalingConfig": props{"maximumConcurrency": 2},
	})
	api, _ := e.create(provider.TypeRestAPI, props{"name": "queue", "body": queueDocument})
	deployment, _ := e.create(provider.TypeDeployment, props{"restApi": api})
	_, stage := e.create(provider.TypeStage, props{"restApi": api, "deployment": deployment, "stageName": "live"})
	url, ok := stage["invokeUrl"].(string)
	require.True(t, ok)
	return url + "/jobs"
}

// job is what the API tells of one.
type job struct {
	ID, Status string
	Result     json.RawMessage
	Error      json.RawMessage
}

// ask sends a request about jobs.
func ask(t *testing.T, method, url, body string) (status int, answer job) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, json.Unmarshal(content, &answer), "%d %s", response.StatusCode, content)
	return response.StatusCode, answer
}

// finished waits until the job is done.
func finished(t *testing.T, url, id string) job {
	t.Helper()
	var now job
	require.Eventually(t, func() bool {
		_, now = ask(t, http.MethodGet, url+"/"+id, "")
		return now.Status == "succeeded" || now.Status == "failed"
	}, 30*time.Second, 20*time.Millisecond)
	return now
}

// A job is done although the model sleeps, the functions crash and the local cloud restarts. Nothing wakes the model but
// the function itself.
func TestAJobWaitsForASleepingModel(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { logFunctions(t, dir) })
	cloud := start(t, options(dir))
	deploy(t, cloud)
	e := attach(t, cloud)
	of := func(more props) props {
		more["resourceId"], more["serviceNamespace"] = "inference-component/component", "sagemaker"
		more["scalableDimension"] = "sagemaker:inference-component:DesiredCopyCount"
		return more
	}
	e.create(provider.TypeScalingTarget, of(props{"minCapacity": 0, "maxCapacity": 1}))
	e.create(provider.TypeScalingPolicy, of(props{
		"policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": props{"targetValue": 5, "predefinedMetricSpecification": props{
			"predefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
		}},
	}))
	url := deployQueue(t, e)
	require.Eventually(t, func() bool { return cloud.Endpoints()[0].Components[0].Desired == 0 }, 30*time.Second, 10*time.Millisecond)

	require.NoError(t, cloud.Faults().Add(faults.Fault{Kind: faults.FunctionCrash, Component: "worker"}))
	const question = `{"xAxis": "a-b", "yAxis": "c-d", "songs": [{"id": "1", "title": "t", "artist": "u"}]}`
	status, accepted := ask(t, http.MethodPost, url, question)
	require.Equal(t, http.StatusAccepted, status)
	done := finished(t, url, accepted.ID)
	assert.Equal(t, "succeeded", done.Status, "%s", done.Error)
	assert.Contains(t, string(done.Result), `"id":"1"`)
	status, _ = ask(t, http.MethodGet, url+"/other", "")
	assert.Equal(t, http.StatusNotFound, status)
	require.NoError(t, cloud.Close())

	again := start(t, options(dir))
	t.Cleanup(func() { require.NoError(t, again.Close()) })
	require.Equal(t, "ok", again.Health().Status, again.Health().Problem)
	url = strings.Replace(url, cloud.URL(), again.URL(), 1)
	_, kept := ask(t, http.MethodGet, url+"/"+accepted.ID, "")
	assert.Equal(t, "succeeded", kept.Status, "jobs are kept")
	_, accepted = ask(t, http.MethodPost, url, question)
	assert.Equal(t, "succeeded", finished(t, url, accepted.ID).Status)
	checkConsole(t, again, url)
}

// logFunctions shows what the functions said, where a test has failed.
func logFunctions(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"submit", "worker"} {
		content, err := os.ReadFile(filepath.Join(dir, "logs", "aws_lambda_"+name+".log"))
		if t.Failed() && err == nil {
			t.Logf("%s\n%s", name, content)
		}
	}
}

// checkConsole expects the page's data to tell of the queue, whose route has the URL.
func checkConsole(t *testing.T, cloud *localcloud.Cloud, url string) {
	t.Helper()
	var content []byte
	// A job's row is written before its message is deleted.
	require.Eventually(t, func() bool {
		response, err := http.Get(cloud.ConsoleURL() + "/state")
		require.NoError(t, err)
		content, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return strings.Contains(string(content), `{"name":"jobs","visible":0,"inFlight":0,"delayed":0,"oldestSeconds":0}`)
	}, 30*time.Second, 10*time.Millisecond)
	assert.Contains(t, string(content), `"jobs":{"succeeded":2}`)
	assert.Contains(t, string(content), `"url":"`+strings.TrimSuffix(url, "/jobs")+`/infer","name":"queue","stage":"live","jobsUrl":"`+url+`"`)
	assert.NotContains(t, string(content), `{"url":"`+url+`"`, "the route of the queue is no API of its own")
}

// A website must not reach the services that functions reach.
func TestAWSServicesAreForFunctions(t *testing.T) {
	cloud := start(t, options(t.TempDir()))
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	tests := []struct {
		name, path, host, origin string
		status                   int
	}{
		{"a function", "sqs", "", "", http.StatusBadRequest},
		{"a model's service", "runtime.sagemaker", "", "", http.StatusNotFound},
		{"a page of another origin", "sqs", "", "https://evil.example", http.StatusForbidden},
		{"a name that was made to point here", "dynamodb", "evil.example:4510", "", http.StatusForbidden},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, cloud.URL()+"/_localcloud/aws/"+test.path+"/", strings.NewReader("{}"))
			require.NoError(t, err)
			request.Host = test.host
			if test.origin != "" {
				request.Header.Set("Origin", test.origin)
			}
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, test.status, response.StatusCode)
		})
	}
}
