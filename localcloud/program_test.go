//go:build unix

package localcloud_test

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	components "scaletozero/components/endpoint"
	"scaletozero/internal/recorder"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

// program is what the program's own endpoint component registers, as the provider hands it on.
type program struct {
	endpoint  endpoint.Endpoint
	component endpoint.Component
	scaling   scaling.Registered
}

func (p *program) ApplyEndpoint(_ context.Context, e endpoint.Endpoint) error {
	p.endpoint = e
	return nil
}

func (p *program) Apply(_ context.Context, c endpoint.Component) error {
	p.component = c
	return nil
}

func (p *program) DeleteEndpoint(string) error          { return nil }
func (p *program) Delete(context.Context, string) error { return nil }
func (p *program) Deploy(_, _ string, _ gateway.Stage)  {}
func (p *program) Remove(_, _ string)                   {}
func (p *program) Register(r scaling.Registered)        { p.scaling = r }

const (
	endpointName  = "songs-endpoint"
	componentName = "songs"
)

// deployProgram runs the endpoint component against a recording engine, and deploys what it registered.
func deployProgram(t *testing.T) *program {
	t.Helper()
	p := &program{}
	e := p.attach(t)
	_, role := e.create(provider.TypeRole, props{"name": "songs", "assumeRolePolicy": "{}"})
	graph, err := recorder.Run("test", func(ctx *pulumi.Context) error {
		_, err := components.New(ctx, componentName, &components.Args{
			EndpointName: endpointName, InferenceComponentName: componentName,
			ImageURI: pulumi.String("image"), ExecutionRoleArn: pulumi.String(role["arn"].(string)),
			InstanceType: "ml.m5.large", InitialInstanceCount: 1, MaxInstanceCount: 3,
			CPUCores: 0.5, MemoryMB: 1024, StartupTimeoutSeconds: 600,
		})
		return err
	})
	require.NoError(t, err)

	// The recorder has made the names and ARNs up; the provider makes others.
	arns := map[any]any{}
	for _, token := range []string{
		provider.TypeModel, provider.TypeStack, provider.TypeScalingTarget, provider.TypeScalingPolicy, provider.TypeMetricAlarm,
	} {
		require.NotEmpty(t, graph.OfType(token), token)
		for _, recorded := range graph.OfType(token) {
			inputs := recorded.Inputs.Mappable()
			if token == provider.TypeModel {
				inputs["name"] = recorded.Name
			}
			if actions, ok := inputs["alarmActions"].([]any); ok {
				for i, action := range actions {
					actions[i] = arns[action]
				}
			}
			_, outputs := e.create(token, inputs)
			arns["arn:aws:mock:::"+recorded.Name] = outputs["arn"]
		}
	}
	return p
}

// attach serves a provider that hands everything to p.
func (p *program) attach(t *testing.T) engine {
	t.Helper()
	store, err := provider.OpenStore(filepath.Join(t.TempDir(), "state.json"))
	require.NoError(t, err)
	server := provider.New(provider.Options{Store: store, Runtime: p, Gateway: p, Scaler: p, LogDir: t.TempDir()})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	rpc := provider.NewGRPCServer(server)
	go func() { _ = rpc.Serve(listener) }()
	t.Cleanup(rpc.Stop)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	return attachTo(t, number)
}
