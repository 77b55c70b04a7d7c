package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// A session is one provider resource of one engine: the engine opens a connection for each of them, also when it
// attaches to a running provider. The session holds that provider's configuration.
type session struct {
	mu          sync.Mutex
	engine      string
	host        *provider.HostClient
	region      string
	defaultTags map[string]string
	// canceled is closed by Cancel, and made anew when an engine attaches or configures.
	canceled chan struct{}
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session {
	if found, ok := ctx.Value(sessionKey{}).(*session); ok {
		return found
	}
	return &session{}
}

// sessions ties a session to each connection.
type sessions struct{}

func (sessions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, &session{})
}

func (sessions) HandleConn(ctx context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); ended {
		sessionOf(ctx).close()
	}
}

func (sessions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (sessions) HandleRPC(context.Context, stats.RPCStats)                       {}

// attach notes the engine's address, for logs and for Construct.
func (s *session) attach(engine string) {
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.canceled = engine, nil
}

// engineHost connects to the engine.
func (s *session) engineHost() (*provider.HostClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host != nil {
		return s.host, nil
	}
	if s.engine == "" {
		return nil, errors.New("no engine has attached to this connection")
	}
	var err error
	s.host, err = provider.NewHostClient(s.engine)
	return s.host, err
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host != nil {
		// The engine is gone, and with it whatever an error could be told to.
		_ = s.host.Close()
		s.host = nil
	}
}

// configure takes a provider's configuration. A value that is not a string arrives as its JSON.
func (s *session) configure(args resource.PropertyMap) error {
	config := plain(args)
	var tags struct {
		Tags map[string]string `json:"tags"`
	}
	switch value := config["defaultTags"].(type) {
	case string:
		if err := json.Unmarshal([]byte(value), &tags); err != nil {
			return status.Errorf(codes.InvalidArgument, "aws:defaultTags must be an object with tags: %v", err)
		}
	case map[string]any:
		tags.Tags = Properties(value).texts("tags")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.region, s.defaultTags, s.canceled = config.text("region"), tags.Tags, nil
	return nil
}

// apply gives a resource the region and the tags that the session's configuration wants for it.
func (s *session) apply(r *Resource) {
	r.Tags = s.allTags(r.Inputs)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Region = s.region
}

// allTags are the default tags with the resource's own tags over them.
func (s *session) allTags(inputs Properties) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	maps.Copy(all, s.defaultTags)
	maps.Copy(all, inputs.texts("tags"))
	return all
}

// isAWS tells the aws provider from awsx and docker-build, which need no configuration.
func isAWS(urn string) bool {
	return resource.URN(urn).Type() == "pulumi:providers:aws"
}

// CheckConfig wants the one setting that the local cloud needs.
func (s *Server) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	config, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{Inputs: req.GetNews()}
	if region := config["region"]; isAWS(req.GetUrn()) && !region.IsComputed() && (!region.IsString() || region.StringValue() == "") {
		response.Failures = []*pulumirpc.CheckFailure{{
			Property: "region", Reason: "region is missing: set it with `pulumi config set aws:region REGION` or AWS_REGION",
		}}
	}
	return response, nil
}

// DiffConfig reports a changed configuration, which never replaces the provider.
func (s *Server) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	news, olds, err := unmarshal2(req.GetNews(), req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	if olds.Diff(news) == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME}, nil
}

// Configure takes the provider's configuration. As aws and docker-build, the provider asks for plain values: the engine then marks every
// output as secret whose input of the same name is, so that none can be forgotten here. As awsx, whose components are
// made by the SDK, it takes whatever the engine has.
func (s *Server) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := unmarshal(req.GetArgs())
	if err != nil {
		return nil, err
	}
	if err := sessionOf(ctx).configure(args); err != nil {
		return nil, err
	}
	rich := resource.URN(req.GetUrn()).Type() == "pulumi:providers:awsx"
	return &pulumirpc.ConfigureResponse{SupportsPreview: true, AcceptSecrets: rich, AcceptResources: rich, AcceptOutputs: rich}, nil
}
