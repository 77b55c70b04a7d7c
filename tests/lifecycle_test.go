package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	modelType      = "aws:sagemaker/model:Model"
	stackType      = "aws:cloudformation/stack:Stack"
	apiType        = "aws:apigateway/restApi:RestApi"
	deploymentType = "aws:apigateway/deployment:Deployment"
	stageType      = "aws:apigateway/stage:Stage"
	anotherImage   = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/music-mapping-model@sha256:" +
		"1111111111111111111111111111111111111111111111111111111111111111"
)

// TestLifecycle is the life of a stack, as one story.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	s := newStack(t)

	// The caller during the new image's update keeps to no rate.
	s.set("rateLimit", "10000")
	s.set("burstLimit", "5000")
	out := s.must("preview", "--policy-pack", s.pack())
	assert.Contains(t, out, "+ 45 to create")
	assert.Empty(t, s.cloud.Resources(""), "a preview creates nothing")

	s.up()
	url, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	answered := call(t, url, key)
	assert.Equal(t, http.StatusOK, answered.status, answered.body)
	assert.Equal(t, "*", answered.header.Get("Access-Control-Allow-Origin"))
	assertMapped(t, answered.body)
	refused := call(t, url, "")
	assert.Equal(t, http.StatusForbidden, refused.status)
	assert.Contains(t, refused.body, "InvalidApiKey")

	t.Run("console", func(t *testing.T) { testConsole(t, s, url, key) })
	t.Run("outputs", func(t *testing.T) { testOutputs(t, s) })
	t.Run("the key is nowhere in plain text", func(t *testing.T) { testSecret(t, s, key) })
	t.Run("a second update changes nothing", func(t *testing.T) {
		assert.Empty(t, changed(s.up("--expect-no-changes")))
	})
	s.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
	t.Run("restart of the local cloud", func(t *testing.T) {
		s.restartCloud()
		assert.Empty(t, changed(s.up("--expect-no-changes")))
		assert.Equal(t, http.StatusOK, call(t, url, key).status)
	})
	t.Run("new image", func(t *testing.T) { testNewImage(t, s, url, key) })
	t.Run("new route", func(t *testing.T) { testNewRoute(t, s, url, key) })

	t.Run("new names", func(t *testing.T) { testNewNames(t, s, key) })

	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
	assert.Equal(t, http.StatusForbidden, call(t, url, key).status, "API Gateway answers 403 for what is not there")
}

func assertMapped(t *testing.T, body string) {
	t.Helper()
	var mapped struct {
		Songs []struct {
			ID   string
			X, Y float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &mapped), body)
	require.Len(t, mapped.Songs, 1)
	assert.Equal(t, "1", mapped.Songs[0].ID)
	assert.LessOrEqual(t, max(mapped.Songs[0].X, -mapped.Songs[0].X), 1.0)
	assert.LessOrEqual(t, max(mapped.Songs[0].Y, -mapped.Songs[0].Y), 1.0)
}

func testOutputs(t *testing.T, s *stack) {
	var outputs map[string]string
	require.NoError(t, json.Unmarshal([]byte(s.must("stack", "output", "--json")), &outputs))
	assert.Equal(t, "music-mapping-endpoint-local", outputs["sagemakerEndpointName"])
	assert.Equal(t, "arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/music-mapping-endpoint-local", outputs["sagemakerEndpointArn"])
	assert.Equal(t, "music-mapping-model-local", outputs["inferenceComponentName"])
	assert.Equal(t, s.cloud.URL()+"/"+outputs["apiGatewayId"]+"/local/infer", outputs["apiGatewayUrl"])
	assert.Equal(t, "arn:aws:iam::123456789012:role/music-mapping-endpoint-local-execution", outputs["sagemakerExecutionRoleArn"])
	assert.Equal(t, "arn:aws:iam::123456789012:role/music-mapping-api-local-gateway", outputs["apiGatewayRoleArn"])
	assert.NotEmpty(t, outputs["apiKeyId"])
	assert.Equal(t, "[secret]", outputs["apiKeyValue"])
	assert.Equal(t, s.cloud.URL()+"/"+outputs["apiGatewayId"]+"/local/jobs", outputs["jobsUrl"])
	assert.Equal(t, "https://sqs.ap-northeast-1.amazonaws.com/123456789012/music-mapping-api-local-jobs", outputs["jobsQueueUrl"])
	assert.Equal(t, outputs["jobsQueueUrl"]+"-dead-letter", outputs["jobsDeadLetterQueueUrl"])
	assert.Equal(t, "music-mapping-api-local-jobs", outputs["jobsTableName"])
	assert.Equal(t, "music-mapping-api-local", outputs["dashboardName"])
	assert.Len(t, outputs, 14)
}

// testSecret looks for the key in everything that a run leaves behind but the
// local cloud's own state, which has to know it, as AWS does.
func testSecret(t *testing.T, s *stack, key string) {
	require.Len(t, key, 40)
	var seen, leaking []string
	for _, dir := range []string{s.dir, filepath.Join(s.state, "logs")} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			seen = append(seen, entry.Name())
			if strings.Contains(read(t, path), key) {
				leaking = append(leaking, path)
			}
			return nil
		})
		require.NoError(t, err)
	}
	assert.Contains(t, seen, "local.json", "the state was not looked at")
	assert.Contains(t, strings.Join(seen, " "), ".log", "no log was looked at")
	assert.Empty(t, leaking)
}

// testNewImage changes the model under a running API: the API is not touched,
// callers are answered all along, and the old model goes after the new one is
// in use.
func testNewImage(t *testing.T, s *stack, url, key string) {
	ctx, stop := context.WithCancel(t.Context())
	refused, request := make(chan string, 1), songs(t)
	go func() {
		defer close(refused)
		for ctx.Err() == nil {
			answered, err := post(ctx, url, key, request)
			if ctx.Err() == nil && (err != nil || answered.status != http.StatusOK) {
				refused <- fmt.Sprint(err, answered)
				return
			}
		}
	}()
	s.set("imageUri", anotherImage)
	done := s.up()
	stop()
	assert.Empty(t, <-refused, "a caller was refused during the update")

	for _, step := range done {
		if strings.HasPrefix(step.Type, "aws:apigateway/") {
			assert.Equal(t, "same", step.Op, step.URN)
		}
	}
	ops := changed(done)
	created := slices.Index(ops, "create-replacement "+modelType)
	used := slices.Index(ops, "update "+stackType)
	deleted := slices.Index(ops, "delete-replaced "+modelType)
	assert.True(t, 0 <= created && created < used && used < deleted, "the order was %v", ops)
	models := s.cloud.Resources(modelType)
	require.Len(t, models, 1)
}

func testNewRoute(t *testing.T, s *stack, url, key string) {
	s.set("routePath", "/v2/infer")
	ops := changed(s.up())
	assert.Contains(t, ops, "create-replacement "+deploymentType)
	assert.Contains(t, ops, "update "+stageType)
	assert.NotContains(t, strings.Join(ops, " "), modelType)

	moved := s.output("apiGatewayUrl")
	assert.True(t, strings.HasSuffix(moved, "/v2/infer"), moved)
	assert.Equal(t, http.StatusOK, call(t, moved, key).status)
	assert.Equal(t, http.StatusForbidden, call(t, url, key).status, "the old route is gone")
}

// testNewNames renames what AWS cannot rename: the old must be gone before the
// new is made, since each keeps the other's names taken.
func testNewNames(t *testing.T, s *stack, key string) {
	s.set("endpointName", "songs-endpoint")
	ops := changed(s.up())
	deleted := slices.Index(ops, "delete-replaced "+stackType)
	created := slices.Index(ops, "create-replacement "+stackType)
	assert.True(t, 0 <= deleted && deleted < created, "the order was %v", ops)
	assert.Equal(t, http.StatusOK, call(t, s.output("apiGatewayUrl"), key).status)

	s.set("modelName", "songs-model")
	s.set("apiName", "songs-api")
	s.up()
	assert.Equal(t, "songs-model-local", s.output("inferenceComponentName"))
	assert.Equal(t, http.StatusOK, call(t, s.output("apiGatewayUrl"), s.output("apiKeyValue")).status)
	assert.Empty(t, changed(s.up("--expect-no-changes")))
}

// testConsole looks at what the page is told of a deployed stack. What the page
// does with it is tested in a browser, in localcloud/console.
func testConsole(t *testing.T, s *stack, url, key string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.cloud.ConsoleURL()+"/state", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for _, want := range []string{url, "music-mapping-endpoint-local", "music-mapping-model-local-wake"} {
		assert.Contains(t, string(text), want)
	}
	assert.NotContains(t, string(text), key, "the page asks for the key when somebody wants it")
}
