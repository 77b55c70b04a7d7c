package provider_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/dynamodb"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
	"scaletozero/localcloud/sqs"
)

type props = map[string]any

// unknown is an input that a preview does not know yet.
var unknown = resource.MakeComputed(resource.NewProperty(""))

// fakeRuntime notes what runs, without processes.
type fakeRuntime struct {
	mu      sync.Mutex
	running map[string]endpoint.Component
	fail    error
	// during, if set, is what a component's start waits for.
	during func(ctx context.Context) error
}

func (f *fakeRuntime) ApplyEndpoint(context.Context, endpoint.Endpoint) error { return nil }

func (f *fakeRuntime) DeleteEndpoint(string) error { return nil }

func (f *fakeRuntime) Apply(ctx context.Context, c endpoint.Component) error {
	if f.during != nil {
		if err := f.during(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.running[c.Name] = c
	return nil
}

func (f *fakeRuntime) Delete(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, name)
	return nil
}

// fakeScaler keeps what was registered last.
type fakeScaler struct{ registered scaling.Registered }

func (f *fakeScaler) Register(r scaling.Registered) { f.registered = r }

// counter keeps what metric filters count, by namespace and name.
type counter struct {
	mu      sync.Mutex
	counted map[string][]float64
	// methods are the resources of the methods that the gateway counted for themselves.
	methods []string
}

// serve takes the gateway's metrics.
func (c *counter) serve(name string, dimensions map[string]string, _ float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if resource := dimensions["Resource"]; name == "Count" && resource != "" {
		c.methods = append(c.methods, resource)
	}
}

func (c *counter) put(namespace, name string, _ map[string]string, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted[namespace+" "+name] = append(c.counted[namespace+" "+name], value)
}

// cloud is a provider behind a real gRPC connection.
type cloud struct {
	t         *testing.T
	client    pulumirpc.ResourceProviderClient
	server    *provider.Server
	runtime   *fakeRuntime
	scaler    *fakeScaler
	queues    *sqs.Service
	tables    *dynamodb.Service
	functions *lambda.Runtime
	counts    *counter
	rpc       *grpc.Server
	api       *httptest.Server
	logs      string
}

func newCloud(t *testing.T) *cloud { return openCloud(t, filepath.Join(t.TempDir(), "state.json")) }

func openCloud(t *testing.T, state string) *cloud {
	t.Helper()
	store, err := provider.OpenStore(state)
	require.NoError(t, err)
	runtime := &fakeRuntime{running: map[string]endpoint.Component{}}
	awsTime, err := clock.New(1)
	require.NoError(t, err)
	counts := &counter{counted: map[string][]float64{}}
	served := gateway.New(gateway.Options{
		Services: map[string]http.Handler{"runtime.sagemaker": http.NotFoundHandler()}, Clock: awsTime, Metric: counts.serve,
	})
	api := httptest.NewServer(served)
	t.Cleanup(api.Close)
	scaler := &fakeScaler{}
	queues, err := sqs.New(sqs.Options{Clock: awsTime, Path: state + ".queues"})
	require.NoError(t, err)
	tables, err := dynamodb.New(dynamodb.Options{Clock: awsTime, Path: state + ".tables"})
	require.NoError(t, err)
	logs := t.TempDir()
	functions := lambda.New(lambda.Options{
		CodeDir: state + ".functions", LogDir: logs, Clock: awsTime, Queues: queues, Image: []string{"/bin/sh", "-c", "exit $STATUS"},
	})
	t.Cleanup(func() { require.NoError(t, functions.Close()) })
	server := provider.New(provider.Options{
		Store: store, Runtime: runtime, Gateway: served, Scaler: scaler, Queues: queues, Tables: tables, Functions: functions, URL: api.URL, LogDir: logs,
		Metric: counts.put,
		Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	require.NoError(t, server.Resume(t.Context()))
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	rpc := provider.NewGRPCServer(server)
	go func() { _ = rpc.Serve(listener) }()
	t.Cleanup(rpc.Stop)
	c := &cloud{
		t: t, server: server, runtime: runtime, scaler: scaler, queues: queues, tables: tables, functions: functions, counts: counts, rpc: rpc, api: api, logs: logs,
		client: connect(t, listener.Addr().String()),
	}
	c.configure(props{"region": "ap-northeast-1"})
	return c
}

func connect(t *testing.T, address string) pulumirpc.ResourceProviderClient {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	return pulumirpc.NewResourceProviderClient(connection)
}

func (c *cloud) configure(args props) {
	c.t.Helper()
	_, err := c.client.Configure(c.t.Context(), &pulumirpc.ConfigureRequest{
		Urn: new("urn:pulumi:test::test::pulumi:providers:aws::default"), Args: c.encode(args),
	})
	require.NoError(c.t, err)
}

func urn(typ, name string) string {
	return fmt.Sprintf("urn:pulumi:test::test::%s::%s", typ, name)
}

func (c *cloud) encode(values props) *structpb.Struct {
	c.t.Helper()
	out, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(values), plugin.MarshalOptions{KeepUnknowns: true})
	require.NoError(c.t, err)
	return out
}

// decode turns an answer into plain values; secrets and unknown values stay PropertyValues.
func (c *cloud) decode(s *structpb.Struct) resource.PropertyMap {
	c.t.Helper()
	out, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	require.NoError(c.t, err)
	return out
}

// deployed is a resource as the engine would know it.
type deployed struct {
	urn, id string
	inputs  *structpb.Struct
	outputs *structpb.Struct
}

func (c *cloud) check(typ, name string, inputs props, olds *structpb.Struct) (*structpb.Struct, []string) {
	c.t.Helper()
	answer, err := c.client.Check(c.t.Context(), &pulumirpc.CheckRequest{
		Urn: urn(typ, name), News: c.encode(inputs), Olds: olds, RandomSeed: []byte("seed"),
	})
	require.NoError(c.t, err)
	var reasons []string
	for _, failure := range answer.GetFailures() {
		reasons = append(reasons, failure.GetReason())
	}
	return answer.GetInputs(), reasons
}

func (c *cloud) tryCreate(typ, name string, inputs props) (deployed, error) {
	c.t.Helper()
	checked, reasons := c.check(typ, name, inputs, nil)
	require.Empty(c.t, reasons, "%s %s", typ, name)
	answer, err := c.client.Create(c.t.Context(), &pulumirpc.CreateRequest{Urn: urn(typ, name), Properties: checked})
	return deployed{urn(typ, name), answer.GetId(), checked, answer.GetProperties()}, err
}

// create makes a resource named "it".
func (c *cloud) create(typ string, inputs props) deployed {
	c.t.Helper()
	d, err := c.tryCreate(typ, "it", inputs)
	require.NoError(c.t, err)
	return d
}

func (c *cloud) diff(d deployed, news *structpb.Struct) *pulumirpc.DiffResponse {
	c.t.Helper()
	answer, err := c.client.Diff(c.t.Context(), &pulumirpc.DiffRequest{
		Id: d.id, Urn: d.urn, OldInputs: d.inputs, Olds: d.outputs, News: news,
	})
	require.NoError(c.t, err)
	return answer
}

func (c *cloud) update(d deployed, news *structpb.Struct) (deployed, error) {
	c.t.Helper()
	answer, err := c.client.Update(c.t.Context(), &pulumirpc.UpdateRequest{
		Id: d.id, Urn: d.urn, OldInputs: d.inputs, Olds: d.outputs, News: news,
	})
	return deployed{d.urn, d.id, news, answer.GetProperties()}, err
}

func (c *cloud) read(d deployed) *pulumirpc.ReadResponse {
	c.t.Helper()
	answer, err := c.client.Read(c.t.Context(), &pulumirpc.ReadRequest{Id: d.id, Urn: d.urn, Inputs: d.inputs, Properties: d.outputs})
	require.NoError(c.t, err)
	return answer
}

func (c *cloud) delete(d deployed) error {
	_, err := c.client.Delete(c.t.Context(), &pulumirpc.DeleteRequest{Id: d.id, Urn: d.urn, Properties: d.outputs, OldInputs: d.inputs})
	return err
}

// text is a string output.
func (c *cloud) text(d deployed, output string) string {
	c.t.Helper()
	value := c.decode(d.outputs)[resource.PropertyKey(output)]
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	require.True(c.t, value.IsString(), "output %s of %s", output, d.urn)
	return value.StringValue()
}
