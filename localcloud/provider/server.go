// Package provider is the side of the local cloud that Pulumi talks to: the resource provider protocol of the packages
// aws and awsx, for the resource types that a scale-to-zero inference API is made of. It checks inputs as the real
// provider does, keeps the resources in a state file, and makes them real: inference components as processes, stages
// as routes of the local gateway.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/gateway"
)

// awsVersion is the version of pulumi-aws whose behaviour this provider has.
const awsVersion = "6.83.2"

// Runtime runs endpoints and inference components; endpoint.Runtime is the real one.
type Runtime interface {
	ApplyEndpoint(ctx context.Context, e endpoint.Endpoint) error
	DeleteEndpoint(name string) error
	Apply(ctx context.Context, c endpoint.Component) error
	Delete(ctx context.Context, name string) error
}

// Gateway serves stages; gateway.Gateway is the real one.
type Gateway interface {
	Deploy(apiID, stage string, s gateway.Stage)
	Remove(apiID, stage string)
}

// Metric takes one sample of a CloudWatch metric; metrics.Store.Put is the real one.
type Metric func(namespace, name string, dimensions map[string]string, value float64)

// Options are what a Server works with. All are required but Now, which defaults to time.Now.
type Options struct {
	Store   *Store
	Runtime Runtime
	Gateway Gateway
	Scaler  Scaler
	Queues  Queues
	Tables  Tables
	// Functions runs what is fed by queues and by the gateway.
	Functions Functions
	// Metric takes what metric filters count of the access logs.
	Metric Metric
	// URL is where the gateway is served, without a slash at the end.
	URL string
	// LogDir is an existing directory for access logs, one file per log group.
	LogDir string
	Now    func() time.Time
}

// Server implements Pulumi's resource provider protocol. Register it with NewGRPCServer, which tells its connections
// apart.
type Server struct {
	pulumirpc.UnimplementedResourceProviderServer

	options Options
	store   *Store

	// registering keeps an older state from being registered last.
	registering sync.Mutex

	publishing sync.Mutex
	published  map[publishedStage]gateway.Stage
	logs       map[string]*accessLog

	problems problems
}

// New makes a Server. Resume it before it is used.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Server{options: options, store: options.Store, logs: map[string]*accessLog{}}
}

// NewGRPCServer returns a gRPC server on which s is registered.
func NewGRPCServer(s *Server) *grpc.Server {
	const largest = 400 << 20 // The limit that Pulumi's own plugins use.
	server := grpc.NewServer(grpc.StatsHandler(sessions{}), grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(largest),
		// Stop returns when no call is under way any more: what a call changes must not outlive the lock on the state.
		grpc.WaitForHandlers(true))
	pulumirpc.RegisterResourceProviderServer(server, s)
	return server
}

// Attach is sent by engines that found the provider through PULUMI_DEBUG_PROVIDERS. (There is no Handshake: it would
// have to promise what Configure promises before the engine has said which of the two packages it means.)
func (s *Server) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	sessionOf(ctx).attach(req.GetAddress())
	return &emptypb.Empty{}, nil
}

// GetPluginInfo names the version that is stood in for.
func (s *Server) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: awsVersion}, nil
}

// Cancel ends every change that is under way over this connection, and those that follow until Configure or Attach.
func (s *Server) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	sessionOf(ctx).cancel()
	return &emptypb.Empty{}, nil
}

// Check refuses inputs that do not fit the type's schema, and fills in the automatic name and the defaults.
func (s *Server) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	urn, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, olds, err := unmarshal2(req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	failures := k.checkInputs(inputs)
	if len(failures) == 0 {
		if err := k.applyDefaults(inputs, olds, urn.Name(), req.GetRandomSeed()); err != nil {
			failures = append(failures, &pulumirpc.CheckFailure{Property: "name", Reason: err.Error()})
		}
		failures = append(failures, k.checkRules(inputs)...)
	}
	out, err := marshal(inputs)
	return &pulumirpc.CheckResponse{Inputs: out, Failures: failures}, err
}

// Create makes the resource, or says in a preview what it would look like.
func (s *Server) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	_, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	r := s.newResource(ctx, req.GetUrn(), inputs)
	if req.GetPreview() {
		out, err := marshal(previewOutputs(inputs, k.computed(s, r).propertyMap(), nil))
		return &pulumirpc.CreateResponse{Properties: out}, err
	}
	ctx, cancel := operation(ctx, req.GetTimeout())
	defer cancel()
	if err := s.create(ctx, k, r); err != nil {
		return nil, s.failedChange(ctx, "creating", k, r, err)
	}
	out, err := s.marshalOutputs(k, r)
	return &pulumirpc.CreateResponse{Id: r.ID, Properties: out}, err
}

var errNotConfigured = errors.New("the provider is not configured: the engine sent no region over this connection")

func (s *Server) newResource(ctx context.Context, urn string, inputs resource.PropertyMap) *Resource {
	now := s.options.Now().UTC().Truncate(time.Second)
	r := &Resource{Type: string(resource.URN(urn).Type()), URN: urn, Created: now, Updated: now, Inputs: plain(inputs)}
	sessionOf(ctx).apply(r)
	return r
}

func (s *Server) create(ctx context.Context, k *kind, r *Resource) error {
	if r.Region == "" && !k.noRegion {
		return errNotConfigured
	}
	release, err := s.claim(k, r)
	if err != nil {
		return err
	}
	defer release()
	r.ID = k.id(s, r)
	if k.check != nil {
		if err := k.check(s, r); err != nil {
			return err
		}
	}
	if k.run != nil {
		if err := k.run(ctx, s, nil, r); err != nil {
			return err
		}
	}
	err = s.commit(nil, r)
	if err != nil && k.remove != nil {
		// What runs but is not stored could never be deleted.
		err = errors.Join(err, k.remove(ctx, s, r))
	}
	return err
}

// Update changes the resource in place.
func (s *Server) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	_, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, olds, err := unmarshal2(req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	r := s.newResource(ctx, req.GetUrn(), inputs)
	r.ID = req.GetId()
	if req.GetPreview() {
		out, err := marshal(k.withSecrets(s.previewUpdate(k, r, inputs, olds)))
		return &pulumirpc.UpdateResponse{Properties: out}, err
	}
	old := s.store.Find(r.Type, req.GetId(), req.GetUrn())
	if old == nil {
		return nil, failed("updating", req.GetUrn(), missing(r))
	}
	r.Created, r.Data = old.Created, old.Data
	ctx, cancel := operation(ctx, req.GetTimeout())
	defer cancel()
	if err := s.update(ctx, k, old, r); err != nil {
		return nil, s.failedChange(ctx, "updating", k, r, err)
	}
	out, err := s.marshalOutputs(k, r)
	return &pulumirpc.UpdateResponse{Properties: out}, err
}

func missing(r *Resource) error {
	if r.Type == TypeStack {
		return fmt.Errorf("ValidationError: Stack [%s] does not exist: run `pulumi refresh`", r.Inputs.text("name"))
	}
	return fmt.Errorf("the local cloud has no %s with ID %s: run `pulumi refresh`", r.Type, r.ID)
}

func (s *Server) update(ctx context.Context, k *kind, old, r *Resource) error {
	if r.Region == "" && !k.noRegion {
		return errNotConfigured
	}
	if k.check != nil {
		if err := k.check(s, r); err != nil {
			return err
		}
	}
	if k.run != nil {
		if err := k.run(ctx, s, old, r); err != nil {
			return err
		}
	}
	return s.commit(old, r)
}

// Read returns the resource as it is kept, or nothing if it is gone.
func (s *Server) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	urn, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	r := s.store.Find(string(urn.Type()), req.GetId(), req.GetUrn())
	if r == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	known, err := unmarshal(req.GetInputs())
	if err != nil {
		return nil, err
	}
	inputs := r.Inputs.propertyMap()
	inputs[defaultsKey] = resource.NewProperty([]resource.PropertyValue{})
	if known[defaultsKey].IsArray() {
		inputs[defaultsKey] = known[defaultsKey]
	}
	in, err := marshal(inputs)
	if err != nil {
		return nil, err
	}
	out, err := s.marshalOutputs(k, r)
	return &pulumirpc.ReadResponse{Id: r.ID, Inputs: in, Properties: out}, err
}

// Delete removes the resource; one that is gone already is no error.
func (s *Server) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	urn, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	r := s.store.Find(string(urn.Type()), req.GetId(), req.GetUrn())
	if r == nil {
		return &emptypb.Empty{}, nil
	}
	ctx, cancel := operation(ctx, req.GetTimeout())
	defer cancel()
	if k.remove != nil {
		if err := k.remove(ctx, s, r); err != nil {
			return nil, failed("deleting", req.GetUrn(), whyEnded(ctx, err))
		}
	}
	if err := s.commit(r, nil); err != nil {
		return nil, failed("deleting", req.GetUrn(), err)
	}
	return &emptypb.Empty{}, nil
}

// Resources returns the resources of a type, oldest first; all of them if token is empty.
func (s *Server) Resources(token string) []*Resource { return s.store.Resources(token) }

// claim refuses a resource whose identity another one has, and reserves it.
func (s *Server) claim(k *kind, r *Resource) (release func(), err error) {
	identity := k.identityOf(r)
	if identity == "" {
		return func() {}, nil
	}
	for _, other := range s.store.Resources(r.Type) {
		if k.identityOf(other) == identity {
			return nil, fmt.Errorf("the local cloud already has a %s with this %v (%s): choose another one, or delete it first", r.Type, k.identity, other.URN)
		}
	}
	release, free := s.store.Reserve(r.Type + identity)
	if !free {
		return nil, fmt.Errorf("another %s with this %v is being created: choose another one", r.Type, k.identity)
	}
	return release, nil
}

// identityOf joins the inputs that make a resource unique in its region; it is empty if none of them is given.
func (k *kind) identityOf(r *Resource) string {
	values, given := []string{r.Region}, false
	for _, input := range k.identity {
		values = append(values, r.Inputs.text(input))
		given = given || r.Inputs.text(input) != ""
	}
	if !given {
		return ""
	}
	encoded, err := json.Marshal(values)
	if err != nil {
		panic(err) // Strings can always be encoded.
	}
	return string(encoded)
}

func kindOf(text string) (resource.URN, *kind, error) {
	urn, err := resource.ParseURN(text)
	if err != nil {
		return "", nil, status.Errorf(codes.InvalidArgument, "not a resource URN: %v", err)
	}
	k := kinds[string(urn.Type())]
	if k == nil {
		return "", nil, status.Errorf(codes.Unimplemented,
			"localcloud does not implement %s; it implements %v", urn.Type(), Types())
	}
	return urn, k, nil
}

func failed(doing, urn string, err error) error {
	return status.Errorf(codes.Unknown, "%s %s: %v", doing, resource.URN(urn).Name(), err)
}

func (s *Server) marshalOutputs(k *kind, r *Resource) (*structpb.Struct, error) {
	return marshal(k.withSecrets(k.outputsOf(s, r).propertyMap()))
}

func marshal(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
}

func unmarshal(m *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true})
}

func unmarshal2(a, b *structpb.Struct) (first, second resource.PropertyMap, err error) {
	first, errFirst := unmarshal(a)
	second, errSecond := unmarshal(b)
	return first, second, errors.Join(errFirst, errSecond)
}
