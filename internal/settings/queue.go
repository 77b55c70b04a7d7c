package settings

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/queue"
)

// Queue is the configuration of the queue of jobs.
type Queue struct {
	// Name is physical, and what other physical names begin with.
	Name string

	MaxConcurrency int
	MaxTries       int
	JobTTLHours    int
	DirectWake     bool

	PointInTimeRecovery bool
	DeletionProtection  bool

	// Build is which of the builds of the functions to take: one of
	// queue.Architectures, or the machine's own for the local cloud. Architecture
	// is what that is built for.
	Build, Architecture string
}

// architectures are those that Lambda runs, by Go's names for them.
var architectures = map[string]string{"arm64": "arm64", "amd64": "x86_64"}

// hostArchitecture stands for that of the machine that pulumi runs on, which is
// what runs the functions in the local cloud.
const hostArchitecture = "host"

// queue reads the queue, and judges its values where there is none, too: they
// would otherwise be found wrong on the day that it is turned on.
func (r *reader) queue(s *Settings) {
	q := &Queue{
		MaxConcurrency:      r.integer("queueMaxConcurrency", queue.MinConcurrency, queue.MinConcurrency, queue.MaxConcurrency),
		MaxTries:            r.integer("queueMaxTries", 3, 1, queue.MaxTries),
		JobTTLHours:         r.integer("queueJobTtlHours", 7*24, 1, queue.MaxJobTTLHours),
		DirectWake:          r.boolean("queueDirectWake", true),
		PointInTimeRecovery: r.boolean("queuePointInTimeRecovery", false),
		DeletionProtection:  r.boolean("queueDeletionProtection", false),
	}
	q.Build, q.Architecture = r.build("functionArchitecture", "arm64")
	if !r.boolean("queueEnabled", false) {
		return
	}
	if s.RoutePath == queue.Path {
		r.refuse("routePath", s.RoutePath, "another path than the jobs', where queueEnabled is true", "routePath /infer")
	}
	s.Queue = q
}

func (r *reader) build(key, fallback string) (build, architecture string) {
	build, found := r.source(key)
	if !found {
		build = fallback
	}
	switch {
	case slices.Contains(queue.Architectures, build):
		return build, build
	case build != hostArchitecture:
		r.refuse(key, build, fmt.Sprintf("one of %v, or %s for the local cloud", queue.Architectures, hostArchitecture), key+" "+fallback)
	case architectures[runtime.GOARCH] == "":
		r.refuse(key, build, fmt.Sprintf("one of %v, since Lambda does not know this machine's %s", queue.Architectures, runtime.GOARCH), key+" "+fallback)
	}
	return build, architectures[runtime.GOARCH]
}

// FunctionArn is the function that API Gateway calls; empty where the stack has
// no queue.
func (s *Settings) FunctionArn(scope arn.Scope) string {
	if s.Queue == nil {
		return ""
	}
	return scope.Function(queue.SubmitFunction(s.Queue.Name))
}

// Jobs describes the queue of the stack, which has one, and the packages of its
// functions.
func (s *Settings) Jobs(scope arn.Scope, submit, worker pulumi.Archive) *queue.Args {
	return &queue.Args{
		Scope:                  scope,
		Name:                   s.Queue.Name,
		EndpointName:           s.EndpointName,
		InferenceComponentName: s.InferenceComponentName,
		Submit:                 submit,
		Worker:                 worker,
		Architecture:           s.Queue.Architecture,
		MaxConcurrency:         s.Queue.MaxConcurrency,
		MaxTries:               s.Queue.MaxTries,
		DirectWake:             s.Queue.DirectWake,
		JobTTLHours:            s.Queue.JobTTLHours,
		PointInTimeRecovery:    s.Queue.PointInTimeRecovery,
		DeletionProtection:     s.Queue.DeletionProtection,
		AllowOrigin:            s.AllowOrigin,
		LogRetentionDays:       s.LogRetentionDays,
		KMSKeyArn:              s.KMSKeyArn,
	}
}
