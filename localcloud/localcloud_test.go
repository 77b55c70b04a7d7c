//go:build unix

package localcloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"scaletozero/localcloud"
	"scaletozero/localcloud/provider"
)

type props = map[string]any

// model is the sample model server, built once.
var model string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "localcloud")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // A leftover in the temporary folder is no failure.
		model = filepath.Join(dir, "model")
		if out, err := exec.Command("go", "build", "-o", model, "scaletozero/model").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

func options(dir string) localcloud.Options {
	return localcloud.Options{StateDir: dir, Addr: "127.0.0.1:0", ProviderAddr: "127.0.0.1:0", ConsoleAddr: "127.0.0.1:0", Model: []string{model}, Speed: 1000}
}

func start(t *testing.T, options localcloud.Options) *localcloud.Cloud {
	t.Helper()
	cloud, err := localcloud.Start(t.Context(), options)
	require.NoError(t, err)
	return cloud
}

// engine creates resources as Pulumi's engine does.
type engine struct {
	t      *testing.T
	client pulumirpc.ResourceProviderClient
}

func attach(t *testing.T, cloud *localcloud.Cloud) engine { return attachTo(t, cloud.ProviderPort()) }

func attachTo(t *testing.T, port int) engine {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	e := engine{t, pulumirpc.NewResourceProviderClient(connection)}
	args, err := plugin.MarshalProperties(resource.PropertyMap{"region": resource.NewProperty("ap-northeast-1")}, plugin.MarshalOptions{})
	require.NoError(t, err)
	_, err = e.client.Configure(t.Context(), &pulumirpc.ConfigureRequest{Urn: new("urn:pulumi:t::t::pulumi:providers:aws::default"), Args: args})
	require.NoError(t, err)
	return e
}

func (e engine) create(typ string, inputs props) (id string, outputs props) {
	e.t.Helper()
	urn := "urn:pulumi:t::t::" + typ + "::it"
	news, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(inputs), plugin.MarshalOptions{})
	require.NoError(e.t, err)
	checked, err := e.client.Check(e.t.Context(), &pulumirpc.CheckRequest{Urn: urn, News: news})
	require.NoError(e.t, err)
	require.Empty(e.t, checked.GetFailures())
	created, err := e.client.Create(e.t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: checked.GetInputs()})
	require.NoError(e.t, err)
	decoded, err := plugin.UnmarshalProperties(created.GetProperties(), plugin.MarshalOptions{})
	require.NoError(e.t, err)
	return created.GetId(), decoded.Mappable()
}

// update gives a stack another template.
func (e engine) update(stack *provider.Resource, body string) {
	e.t.Helper()
	inputs := maps.Clone(stack.Inputs)
	inputs["templateBody"] = body
	news, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(inputs), plugin.MarshalOptions{})
	require.NoError(e.t, err)
	_, err = e.client.Update(e.t.Context(), &pulumirpc.UpdateRequest{Id: stack.ID, Urn: stack.URN, News: news})
	require.NoError(e.t, err)
}

// template is an endpoint with one inference component.
const template = `{"Parameters": {"Model": {"Type": "String"}, "Role": {"Type": "String"}}, "Resources": {
	"Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ExecutionRoleArn": {"Ref": "Role"}, "ProductionVariants": [
		{"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
		"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}}]}},
	"Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": {
		"EndpointName": "endpoint", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}},
	"Component": {"Type": "AWS::SageMaker::InferenceComponent", "Properties": {"InferenceComponentName": "component",
		"EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}, "VariantName": "AllTraffic", "RuntimeConfig": {"CopyCount": 1},
		"Specification": {"ModelName": {"Ref": "Model"}, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}}}}}}`

// document is a route to the endpoint's inference component.
const document = `{"openapi": "3.0.1", "info": {"title": "api", "version": "1"}, "paths": {"/infer": {"post": {
	"responses": {"200": {"description": "an answer"}},
	"x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "credentials": "arn:aws:iam::123456789012:role/role",
		"uri": "arn:aws:apigateway:ap-northeast-1:runtime.sagemaker:path/endpoints/endpoint/invocations",
		"requestParameters": {"integration.request.header.X-Amzn-SageMaker-Inference-Component": "'component'",
			"integration.request.header.Content-Type": "'application/json'"},
		"requestTemplates": {"application/json": "$input.body"}, "passthroughBehavior": "never",
		"responses": {"default": {"statusCode": "200"}}}}}}}`

// deploy makes an API in front of a model, and returns the URL of its route.
func deploy(t *testing.T, cloud *localcloud.Cloud) string {
	t.Helper()
	e := attach(t, cloud)
	_, role := e.create(provider.TypeRole, props{"name": "role", "assumeRolePolicy": "{}"})
	name, _ := e.create(provider.TypeModel, props{"executionRoleArn": role["arn"], "primaryContainer": props{"image": "image"}})
	e.create(provider.TypeStack, props{"templateBody": template, "parameters": props{"Model": name, "Role": role["arn"]}})
	api, _ := e.create(provider.TypeRestAPI, props{"body": document})
	deployment, _ := e.create(provider.TypeDeployment, props{"restApi": api})
	_, stage := e.create(provider.TypeStage, props{"restApi": api, "deployment": deployment, "stageName": "live"})
	url, ok := stage["invokeUrl"].(string)
	require.True(t, ok)
	require.Equal(t, cloud.URL()+"/"+api+"/live", url)
	return "/" + api + "/live/infer"
}

// infer sends one song and returns the model's answer.
func infer(t *testing.T, url string) string {
	t.Helper()
	const question = `{"xAxis": "a-b", "yAxis": "c-d", "songs": [{"id": "1", "title": "t", "artist": "u"}]}`
	response, err := http.Post(url, "application/json", bytes.NewBufferString(question))
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode, "%s", answer)
	return string(answer)
}

func TestARequestReachesARealModelAndStillDoesAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	cloud := start(t, options(dir))
	path := deploy(t, cloud)
	answer := infer(t, cloud.URL()+path)
	assert.Contains(t, answer, `"id":"1"`)
	assert.Len(t, cloud.Resources(""), 6)
	assert.Len(t, cloud.Resources(provider.TypeModel), 1)
	require.NoError(t, cloud.Close())

	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	again := start(t, options(dir))
	assert.Equal(t, answer, infer(t, again.URL()+path))
	assert.Equal(t, "ok", again.Health().Status)
	require.NoError(t, again.Close())

	broken := options(dir)
	broken.Model = []string{"false"}
	degraded := start(t, broken)
	assert.Equal(t, "degraded", degraded.Health().Status, "what cannot run again can still be destroyed")
	assert.Contains(t, degraded.Health().Problem, "component")
	runs, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, degraded.Close())
	_, err = localcloud.Start(runs, options(dir))
	require.ErrorContains(t, err, "interrupted")

	// The same template again is no change for a stack; another count of copies is.
	script := filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexit 1\n"), 0o700))
	mended := options(dir)
	mended.Model = []string{script}
	cloud = start(t, mended)
	require.Equal(t, "degraded", cloud.Health().Status)
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexec "+model+" \"$@\"\n"), 0o700))
	stack := cloud.Resources(provider.TypeStack)[0]
	attach(t, cloud).update(stack, strings.Replace(template, `"CopyCount": 1`, `"CopyCount": 2`, 1))
	assert.Equal(t, "ok", cloud.Health().Status, "what is mended is no problem any more")
	assert.Empty(t, cloud.Health().Problem)
	require.NoError(t, cloud.Close())
}

func TestAPortOfAnotherLocalCloud(t *testing.T) {
	other := start(t, options(filepath.Join(t.TempDir(), "the other")))
	second := options(t.TempDir())
	second.Addr = strings.TrimPrefix(other.URL(), "http://")
	_, err := localcloud.Start(t.Context(), second)
	dir := other.Health().StateDir
	assert.True(t, filepath.IsAbs(dir), dir)
	require.ErrorContains(t, err, fmt.Sprintf("is in use by another localcloud (pid %d, state directory %s): "+
		"stop it with `localcloud stop --state '%[2]s'`, or choose another port with --addr 127.0.0.1:PORT (LOCALCLOUD_ADDR)", os.Getpid(), dir))
	require.NoError(t, other.Close())
}

func TestHealth(t *testing.T) {
	cloud := start(t, options(t.TempDir()))
	response, err := http.Get(cloud.URL() + localcloud.HealthPath)
	require.NoError(t, err)
	var health localcloud.Health
	require.NoError(t, json.NewDecoder(response.Body).Decode(&health))
	require.NoError(t, response.Body.Close())
	assert.Equal(t, cloud.Health(), health)
	assert.Equal(t, os.Getpid(), health.PID)
	require.NoError(t, cloud.Close())
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	tests := []struct {
		name   string
		change func(o *localcloud.Options)
		want   string
	}{
		{"no state directory", func(o *localcloud.Options) { o.StateDir = "" }, "set --state DIR"},
		{"no model", func(o *localcloud.Options) { o.Model = []string{""} }, "set --model PATH"},
		{"a model that does not exist", func(o *localcloud.Options) { o.Model = []string{"/nowhere/model"} }, `the model program "/nowhere/model" cannot be run`},
		{"an adapter that does not exist", func(o *localcloud.Options) { o.Adapter = "/nowhere/adapter" }, `the adapter program "/nowhere/adapter" cannot be run`},
		{"every interface", func(o *localcloud.Options) { o.Addr = "0.0.0.0:0" }, `--addr "0.0.0.0:0" is not on loopback: use 127.0.0.1:0`},
		{"every interface, said shorter", func(o *localcloud.Options) { o.Addr = ":4510" }, "is not on loopback"},
		{"another machine's name", func(o *localcloud.Options) { o.ProviderAddr = "example.com:1" }, `--provider-addr "example.com:1" is not on loopback`},
		{"no port", func(o *localcloud.Options) { o.Addr = "127.0.0.1" }, "is not an address of the form 127.0.0.1:PORT"},
		{"a port in use", func(o *localcloud.Options) { o.Addr = taken.Addr().String() }, "port " + port + " of 127.0.0.1 is in use: stop what listens there, or choose another port with --addr"},
		{"a provider port in use", func(o *localcloud.Options) { o.ProviderAddr = taken.Addr().String() }, "choose another port with --provider-addr 127.0.0.1:PORT (LOCALCLOUD_PROVIDER_ADDR)"},
		{"a corrupt state", func(o *localcloud.Options) {
			require.NoError(t, os.WriteFile(filepath.Join(o.StateDir, "state.json"), []byte("{"), 0o600))
		}, "is not valid JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := options(t.TempDir())
			test.change(&o)
			_, err := localcloud.Start(t.Context(), o)
			require.ErrorContains(t, err, test.want)
			if o.StateDir != "" {
				_, running, err := localcloud.Running(o.StateDir)
				require.NoError(t, err)
				assert.False(t, running, "the lock is free again")
			}
		})
	}
}

func TestOneStateDirectoryHasOneCloud(t *testing.T) {
	dir := t.TempDir()
	cloud := start(t, options(dir))
	_, err := localcloud.Start(t.Context(), options(dir))
	require.ErrorIs(t, err, localcloud.ErrRunning)
	health, running, err := localcloud.Running(dir)
	require.NoError(t, err)
	assert.True(t, running)
	assert.Equal(t, cloud.Health(), health, "the second one has not touched the first one's file")
	require.NoError(t, cloud.Close())
	require.NoError(t, localcloud.WaitStopped(t.Context(), dir))
}
