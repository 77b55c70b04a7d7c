package provider_test

import (
	"context"
	"maps"
	"net"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"scaletozero/localcloud/provider"
)

// fakeEngine is the part of Pulumi's engine that Construct talks to: it takes logs and registrations.
type fakeEngine struct {
	pulumirpc.UnimplementedEngineServer
	pulumirpc.UnimplementedResourceMonitorServer

	mu         sync.Mutex
	logs       []string
	registered map[string]*structpb.Struct
	names      map[string]string
}

// Invoke gives away the only thing that a component asks for: the credentials of a registry.
func (f *fakeEngine) Invoke(_ context.Context, req *pulumirpc.ResourceInvokeRequest) (*pulumirpc.ResourceInvokeResponse, error) {
	id := req.GetArgs().GetFields()["registryId"].GetStringValue()
	token, err := structpb.NewStruct(props{"proxyEndpoint": "https://" + id + ".dkr.ecr.x", "userName": "AWS", "password": "token"})
	return &pulumirpc.ResourceInvokeResponse{Return: token}, err
}

func (f *fakeEngine) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, req.GetMessage())
	return &emptypb.Empty{}, nil
}

func (f *fakeEngine) SupportsFeature(context.Context, *pulumirpc.SupportsFeatureRequest) (*pulumirpc.SupportsFeatureResponse, error) {
	return &pulumirpc.SupportsFeatureResponse{}, nil
}

func (f *fakeEngine) RegisterResource(_ context.Context, req *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registered[req.GetType()], f.names[req.GetType()] = req.GetObject(), req.GetName()
	outputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	maps.Copy(outputs.Fields, req.GetObject().GetFields())
	response := &pulumirpc.RegisterResourceResponse{Urn: urn(req.GetType(), req.GetName()), Object: outputs}
	if req.GetCustom() {
		response.Id = req.GetName()
		outputs.Fields["repositoryUrl"] = structpb.NewStringValue("registry/" + req.GetName())
		outputs.Fields["name"] = structpb.NewStringValue(req.GetName())
		outputs.Fields["digest"] = structpb.NewStringValue("sha256:abc")
	}
	return response, nil
}

func (f *fakeEngine) RegisterResourceOutputs(context.Context, *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// construct attaches an engine to the provider and asks for a component.
func (c *cloud) construct(typ string, inputs props) (*fakeEngine, *pulumirpc.ConstructResponse, error) {
	c.t.Helper()
	engine := &fakeEngine{registered: map[string]*structpb.Struct{}, names: map[string]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	rpc := grpc.NewServer()
	pulumirpc.RegisterEngineServer(rpc, engine)
	pulumirpc.RegisterResourceMonitorServer(rpc, engine)
	go func() { _ = rpc.Serve(listener) }()
	c.t.Cleanup(rpc.Stop)
	address := listener.Addr().String()
	_, err = c.client.Attach(c.t.Context(), &pulumirpc.PluginAttach{Address: address})
	require.NoError(c.t, err)
	answer, err := c.client.Construct(c.t.Context(), &pulumirpc.ConstructRequest{
		Project: "p", Stack: "s", Type: typ, Name: "It", MonitorEndpoint: address, Inputs: c.encode(inputs),
	})
	return engine, answer, err
}

func TestARepositoryHasALifecyclePolicy(t *testing.T) {
	c := newCloud(t)
	engine, answer, err := c.construct(provider.TypeXRepository, props{
		"imageTagMutability": "IMMUTABLE", "name": "named", "forceDelete": true, "tags": props{"a": "b"},
		"imageScanningConfiguration": props{"scanOnPush": true},
		"encryptionConfigurations":   []any{props{"encryptionType": "KMS"}},
		"lifecyclePolicy":            props{"rules": []any{props{"tagStatus": "any", "maximumNumberOfImages": 10}}},
	})
	require.NoError(t, err)
	assert.Equal(t, "registry/it", answer.GetState().AsMap()["url"])
	assert.Equal(t, props{
		"imageTagMutability": "IMMUTABLE", "name": "named", "forceDelete": true, "tags": props{"a": "b"},
		"imageScanningConfiguration": props{"scanOnPush": true},
		"encryptionConfigurations":   []any{props{"encryptionType": "KMS"}},
	}, engine.registered[provider.TypeRepository].AsMap())
	policy := engine.registered[provider.TypeLifecyclePolicy].AsMap()
	assert.Equal(t, "it", policy["repository"])
	assert.Contains(t, policy["policy"], `"countNumber":10`)
}

func TestAnImageIsABuildThatTransformsCanReach(t *testing.T) {
	c := newCloud(t)
	construct := func(arguments props) (props, string, string) {
		engine, answer, err := c.construct(provider.TypeXImage, merged(props{"repositoryUrl": "123456789012.dkr.ecr.x.amazonaws.com/it", "context": "some/folder"}, arguments))
		require.NoError(t, err)
		assert.Equal(t, []string{"localcloud does not build the image: the model program that localcloud was started with stands in for it"}, engine.logs)
		uri, ok := answer.GetState().AsMap()["imageUri"].(string)
		require.True(t, ok)
		build := engine.registered[provider.TypeImage]
		require.NotNil(t, build)
		return build.AsMap(), uri, engine.names[provider.TypeImage]
	}
	secret := func(value string) props { return props{resource.SigKey: resource.SecretSig, "value": value} }
	build, uri, name := construct(props{"imageTag": "tag", "platform": "linux/arm64", "args": props{"A": "b"}})
	assert.Equal(t, "tag", name)
	assert.Equal(t, "123456789012.dkr.ecr.x.amazonaws.com/it@sha256:abc", uri)
	assert.Equal(t, props{
		"tags":      []any{"123456789012.dkr.ecr.x.amazonaws.com/it:tag"},
		"buildArgs": props{"A": "b"}, "platforms": []any{"linux/arm64"},
		"context": props{"location": "some/folder"}, "dockerfile": props{},
		"cacheFrom":  []any{props{"registry": props{"ref": "123456789012.dkr.ecr.x.amazonaws.com/it:tag"}}},
		"cacheTo":    []any{props{"inline": props{}}},
		"push":       true,
		"registries": []any{props{"address": "https://123456789012.dkr.ecr.x", "username": "AWS", "password": secret("token")}},
		// The SDK's own defaults.
		"buildOnPreview": true, "network": "default",
	}, build)

	build, _, name = construct(props{"dockerfile": "d", "target": "t", "cacheFrom": []any{"c"}})
	assert.Regexp(t, `^[0-9a-z]{40}-container$`, name)
	assert.Equal(t, props{"location": "d"}, build["dockerfile"])
	assert.Equal(t, "t", build["target"])
	assert.Equal(t, []any{props{"registry": props{"ref": "c"}}}, build["cacheFrom"])
	_, _, other := construct(props{"context": "another"})
	assert.NotEqual(t, name, other)

	_, _, err := c.construct(provider.TypeXImage, props{"repositoryUrl": "registry/it", "context": 1})
	assert.ErrorContains(t, err, "cannot unmarshal number")
}
