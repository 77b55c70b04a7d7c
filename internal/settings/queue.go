package settings

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/function"
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
}

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
	if !r.boolean("queueEnabled", false) {
		return
	}
	if s.RoutePath == queue.Path {
		r.refuse("routePath", s.RoutePath, "another path than the jobs', where queueEnabled is true", "routePath /infer")
	}
	s.Queue = q
}

// submitAlias is the ARN that the function that takes jobs in is called by.
func (s *Settings) submitAlias(scope arn.Scope) string {
	return scope.FunctionAlias(queue.SubmitFunction(s.Queue.Name), function.AliasName)
}

// Jobs describes the queue of the stack, which has one, and the packages of its
// functions.
func (s *Settings) Jobs(scope arn.Scope, submit, worker pulumi.Archive) *queue.Args {
	args := &queue.Args{
		Scope:               scope,
		Name:                s.Queue.Name,
		Submit:              submit,
		Worker:              worker,
		Architecture:        s.Architecture,
		MaxConcurrency:      s.Queue.MaxConcurrency,
		MaxTries:            s.Queue.MaxTries,
		JobTTLHours:         s.Queue.JobTTLHours,
		PointInTimeRecovery: s.Queue.PointInTimeRecovery,
		DeletionProtection:  s.Queue.DeletionProtection,
		AllowOrigin:         s.AllowOrigin,
		LogRetentionDays:    s.LogRetentionDays,
		KMSKeyArn:           s.KMSKeyArn,
	}
	if s.Function != nil {
		// A function wakes by being called.
		args.FunctionAliasArn, args.FunctionTimeoutSeconds = s.functionAlias(scope), s.Function.TimeoutSeconds
		return args
	}
	args.EndpointName, args.InferenceComponentName = s.EndpointName, s.InferenceComponentName
	args.DirectWake = s.Queue.DirectWake
	return args
}
