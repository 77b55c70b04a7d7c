package provider_test

import (
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

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
	f.registered[req.GetType()] = req.GetObject()
	outputs := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	maps.Copy(outputs.Fields, req.GetObject().GetFields())
	response := &pulumirpc.RegisterResourceResponse{Urn: urn(req.GetType(), req.GetName()), Object: outputs}
	if req.GetCustom() {
		response.Id = req.GetName()
		outputs.Fields["repositoryUrl"] = structpb.NewStringValue("registry/" + req.GetName())
		outputs.Fields["name"] = structpb.NewStringValue(req.GetName())
	}
	return response, nil
}

func (f *fakeEngine) RegisterResourceOutputs(context.Context, *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// construct attaches an engine to the provider and asks for a component.
func (c *cloud) construct(typ string, inputs props) (*fakeEngine, *pulumirpc.ConstructResponse, error) {
	c.t.Helper()
	engine := &fakeEngine{registered: map[string]*structpb.Struct{}}
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

func TestAnImageIsNamedByItsContext(t *testing.T) {
	c := newCloud(t)
	dir := t.TempDir()
	image := func(arguments props) string {
		engine, answer, err := c.construct(provider.TypeXImage, merged(props{"repositoryUrl": "registry/it", "context": dir}, arguments))
		require.NoError(t, err)
		assert.Equal(t, []string{"localcloud does not build the image: the model program that localcloud was started with stands in for it"}, engine.logs)
		uri, ok := answer.GetState().AsMap()["imageUri"].(string)
		require.True(t, ok)
		return uri
	}
	first := image(nil)
	assert.Regexp(t, `^registry/it@sha256:[0-9a-f]{64}$`, first)
	assert.Equal(t, first, image(nil))
	assert.NotEqual(t, first, image(props{"platform": "linux/arm64"}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch"), 0o600))
	assert.NotEqual(t, first, image(nil), "another context is another image")

	_, _, err := c.construct(provider.TypeXImage, props{"repositoryUrl": "registry/it", "context": filepath.Join(dir, "missing")})
	assert.ErrorContains(t, err, "missing")
}
