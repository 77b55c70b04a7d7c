package tests

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
)

func TestPackStopsAnEndpointThatDoesNotScaleToZero(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.set("minInstanceCount", "1")
	out := s.fails("preview", "--policy-pack", s.pack())
	assert.Contains(t, out, "sagemaker-scales-to-zero")
	assert.Contains(t, out, "MinInstanceCount")
	s.fails("up", "--yes", "--policy-pack", s.pack())
	assert.Empty(t, s.cloud.Resources(""))
}

// withoutKey takes the key requirement out of the document on its way to the
// engine, as a program that builds its own document could.
func withoutKey(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
	if args.Type != apiType {
		return nil
	}
	body := string(args.Props["body"].(pulumi.String))
	args.Props["body"] = pulumi.String(strings.Replace(body, `"security":[{"api_key":[]}],`, "", 1))
	return &pulumi.ResourceTransformResult{Props: args.Props, Opts: args.Opts}
}

func TestPackStopsARouteWithoutKey(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	schema, err := gateway.ParseSchema([]byte(`{"type":"object"}`))
	require.NoError(t, err)
	program := func(open bool) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			var options []pulumi.ResourceOption
			if open {
				options = append(options, pulumi.Transforms([]pulumi.ResourceTransform{withoutKey}))
			}
			_, err := gateway.New(ctx, "songs", &gateway.Args{
				Scope:   arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: "123456789012"},
				APIName: "songs", StageName: "test", AllowOrigin: "*",
				Routes: []gateway.Route{{
					Method: http.MethodPost, Path: "/infer", OperationID: "infer", Request: schema,
					Endpoint: gateway.SageMaker{EndpointName: "songs", InferenceComponentName: "songs"},
				}},
				CredentialsArn: "arn:aws:iam::123456789012:role/songs",
				APIKeys:        []gateway.APIKey{{Name: "a", Enabled: true}},
				RateLimit:      10, BurstLimit: 20, MonthlyQuota: 10_000, LogRetentionDays: 7,
			}, options...)
			return err
		}
	}
	ctx := t.Context()
	inline := func(open bool) auto.Stack {
		created, err := auto.UpsertStackInlineSource(ctx, "test", "routes", program(open),
			auto.WorkDir(t.TempDir()), auto.EnvVars(s.env()), auto.SecretsProvider("passphrase"))
		require.NoError(t, err)
		require.NoError(t, created.SetConfig(ctx, "aws:region", auto.ConfigValue{Value: "ap-northeast-1"}))
		return created
	}
	closed := inline(false)
	_, err = closed.Preview(ctx, optpreview.PolicyPacks(s.pack()))
	require.NoError(t, err)

	open := inline(true)
	result, err := open.Preview(ctx, optpreview.PolicyPacks(s.pack()))
	require.Error(t, err)
	assert.Contains(t, result.StdOut+err.Error(), "api-requires-key")
	assert.Contains(t, result.StdOut+err.Error(), "POST /infer")
}

func TestWrongConfigurationStopsBeforeAnything(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.set("imageUri", "docker.io/library/nginx:latest")
	s.set("imageContext", "./model")
	s.set("instanceType", "m5.large")
	s.set("rateLimit", "fast")
	out := s.fails("up", "--yes", "--policy-pack", s.pack())
	assert.Contains(t, out, "has 3 problems")
	for _, key := range []string{"imageUri", "instanceType", "rateLimit"} {
		assert.Contains(t, out, "- "+key)
	}
	assert.NotContains(t, out, "panic")
	assert.Empty(t, s.cloud.Resources(""))
}

// TestFailedCreateIsMended lets the model die at start, as an image with a bug
// does, and mends the configuration.
func TestFailedCreateIsMended(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	script := filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n[ -z \"$BROKEN\" ] || { echo 'no weights' >&2; exit 3; }\nexec "+built.model+" \"$@\"\n"), 0o700))
	s.model = []string{script}
	s.restartCloud()

	s.must("config", "set", "--path", "environment.BROKEN", "yes")
	out := s.fails("up", "--yes", "--skip-preview", "--policy-pack", s.pack())
	assert.Contains(t, out, "music-mapping-model-local")
	assert.NotEmpty(t, s.cloud.Resources("aws:iam/role:Role"), "what came before the failure is there")
	assert.Empty(t, s.cloud.Resources(stackType), "a stack that failed is deleted")

	s.must("config", "rm", "--path", "environment.BROKEN")
	s.up()
	answered := call(t, s.output("apiGatewayUrl"), s.output("apiKeyValue"))
	assert.Equal(t, http.StatusOK, answered.status, answered.body)
	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
}

// TestImageContext builds the image with awsx, whose place the local cloud takes.
func TestImageContext(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.write("model/Dockerfile", "FROM scratch\n")
	s.must("config", "rm", "imageUri")
	s.set("imageContext", filepath.Join(s.dir, "model"))
	s.up()
	answered := call(t, s.output("apiGatewayUrl"), s.output("apiKeyValue"))
	assert.Equal(t, http.StatusOK, answered.status, answered.body)

	s.write("model/weights.bin", "better")
	assert.Contains(t, changed(s.up()), "create-replacement "+modelType, "new content is a new image")
	assert.Empty(t, changed(s.up("--expect-no-changes")))
	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
}
