package queue

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
)

// Limits. Those of the names leave room for the longest suffix within the 64
// characters that Lambda and IAM allow. Concurrency is that of ScalingConfig in
// the Lambda API reference. Messages live 14 days at most (SQS developer guide,
// "Amazon SQS message quotas"), and a job does not outlive its message.
const (
	MaxNameLength           = 57
	MinConcurrency          = 2
	MaxConcurrency          = 1000
	MaxTries                = 100
	MaxJobTTLHours          = 14 * 24
	MinWorkerTimeoutSeconds = 61
	MaxWorkerTimeoutSeconds = 900
)

// FunctionMarginSeconds is by how much the worker's time-out exceeds that of a
// function that it asks: the 10 seconds of a function's init phase, which its own
// time-out leaves out (Lambda developer guide, "Understanding the Lambda execution
// environment lifecycle"), and the rows and messages around the call.
const FunctionMarginSeconds = 20

// DefaultWorkerTimeoutSeconds is the worker's time-out where
// Args.WorkerTimeoutSeconds is 0: SageMaker gives a model 60 seconds to answer
// (InvokeEndpoint in the SageMaker runtime API reference), and the rest is for
// the rows and messages around it.
const DefaultWorkerTimeoutSeconds = 90

// Args describes a queue of inference jobs in front of a model.
type Args struct {
	// Scope is the account and region of the queue and of the model.
	Scope arn.Scope
	// Name is the physical name of queue and table, and what the names of the
	// dead-letter queue, the functions and their roles begin with: 3 to
	// MaxNameLength letters, digits, hyphens and underscores.
	Name string
	// EndpointName and InferenceComponentName are what the worker asks of a model
	// on an endpoint; with FunctionAliasArn both are empty.
	EndpointName           string
	InferenceComponentName string
	// FunctionAliasArn is what the worker asks of a model in a function that
	// answers as function.ModelRoute says: the ARN of an alias, a plain string since
	// it is known before there is one; make it with arn.Scope.FunctionAlias.
	FunctionAliasArn string
	// FunctionTimeoutSeconds is that function's time-out. 0 means
	// function.DefaultTimeoutSeconds.
	FunctionTimeoutSeconds int

	// Submit and Worker are the functions' packages: zip archives with the
	// program `bootstrap` at the root.
	Submit, Worker pulumi.Archive
	// Architecture is what both are built for, one of function.Architectures.
	Architecture string
	// WorkerTimeoutSeconds is how long one run of the worker may take, from
	// MinWorkerTimeoutSeconds to MaxWorkerTimeoutSeconds, and at least
	// FunctionMarginSeconds more than a function that it asks. 0 means
	// DefaultWorkerTimeoutSeconds.
	WorkerTimeoutSeconds int
	// MaxConcurrency is how many workers run at once, from 2 to 1000.
	MaxConcurrency int
	// MaxTries is how often the model is asked before a job fails, from 1 to
	// 100. Waiting for the model is no try.
	MaxTries int
	// DirectWake says that the worker starts a copy of a sleeping model itself
	// instead of leaving it to the wake alarm. A function wakes by being asked, and
	// takes none of it.
	DirectWake bool

	// JobTTLHours is how long a job and its result are kept, in hours from 1 to
	// MaxJobTTLHours.
	JobTTLHours int
	// PointInTimeRecovery keeps the table's history of 35 days.
	PointInTimeRecovery bool
	// DeletionProtection makes AWS refuse to delete the table.
	DeletionProtection bool

	// AllowOrigin is the origin that browsers may call from, or "*".
	AllowOrigin string
	// LogRetentionDays is one of gateway.LogRetentionDays.
	LogRetentionDays int
	// KMSKeyArn encrypts messages, rows, logs and the functions' environment.
	// Optional: AWS's own keys do without. The key's policy has to let the roles
	// decide, and CloudWatch Logs use it; see docs/kms.md.
	KMSKeyArn string
}

var (
	physicalName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{3,}$`)
	functionAliasArn = regexp.MustCompile(`^arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9_-]{1,64}:[a-zA-Z0-9_-]{1,128}$`)
)

func (a *Args) workerTimeout() int {
	return cmp.Or(a.WorkerTimeoutSeconds, DefaultWorkerTimeoutSeconds)
}

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if !physicalName.MatchString(a.Name) || len(a.Name) > MaxNameLength {
		refuse("Name is %q; give 3 to %d letters, digits, hyphens and underscores", a.Name, MaxNameLength)
	}
	for _, field := range []struct{ name, value string }{
		{"Scope.Partition", a.Scope.Partition},
		{"Scope.Region", a.Scope.Region},
		{"Scope.AccountID", a.Scope.AccountID},
	} {
		if field.value == "" {
			refuse("%s is empty; without it the roles could not name what they may touch", field.name)
		}
	}
	problems = append(problems, a.modelProblems()...)
	if a.Submit == nil || a.Worker == nil {
		refuse("Submit or Worker is missing; give the packages of both functions")
	}
	if !slices.Contains(function.Architectures, a.Architecture) {
		refuse("Architecture is %q; Lambda runs %v", a.Architecture, function.Architectures)
	}
	for _, field := range []struct {
		name             string
		value, low, high int
	}{
		{"WorkerTimeoutSeconds", a.workerTimeout(), MinWorkerTimeoutSeconds, MaxWorkerTimeoutSeconds},
		{"MaxConcurrency", a.MaxConcurrency, MinConcurrency, MaxConcurrency},
		{"MaxTries", a.MaxTries, 1, MaxTries},
		{"JobTTLHours", a.JobTTLHours, 1, MaxJobTTLHours},
	} {
		if field.value < field.low || field.value > field.high {
			refuse("%s is %d; it must be from %d to %d", field.name, field.value, field.low, field.high)
		}
	}
	if !gateway.ValidOrigin(a.AllowOrigin) {
		refuse("AllowOrigin is %q; give \"*\" or one origin such as https://app.example.com", a.AllowOrigin)
	}
	if !slices.Contains(gateway.LogRetentionDays, a.LogRetentionDays) {
		refuse("LogRetentionDays is %d; CloudWatch takes one of %v", a.LogRetentionDays, gateway.LogRetentionDays)
	}
	if a.KMSKeyArn != "" && !arn.IsKey(a.KMSKeyArn) {
		refuse("KMSKeyArn is %q; give the ARN of a key, not of an alias, or leave it empty", a.KMSKeyArn)
	}
	return errors.Join(problems...)
}

// modelProblems are those of what the worker asks.
func (a *Args) modelProblems() []error {
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if a.FunctionAliasArn == "" {
		for _, field := range []struct{ name, value string }{
			{"EndpointName", a.EndpointName},
			{"InferenceComponentName", a.InferenceComponentName},
		} {
			if field.value == "" {
				refuse("%s is empty, and so is FunctionAliasArn; without either the worker has no model to ask", field.name)
			}
		}
		return problems
	}
	if !functionAliasArn.MatchString(a.FunctionAliasArn) {
		refuse("FunctionAliasArn is %q; give the ARN of an alias, as arn.Scope.FunctionAlias makes it", a.FunctionAliasArn)
	}
	if a.EndpointName != "" || a.InferenceComponentName != "" {
		refuse("EndpointName is %q and InferenceComponentName is %q beside FunctionAliasArn; the worker asks one model, so leave them empty, or it",
			a.EndpointName, a.InferenceComponentName)
	}
	if a.DirectWake {
		refuse("DirectWake is set beside FunctionAliasArn; a function wakes by being asked, so leave it out")
	}
	limit := cmp.Or(a.FunctionTimeoutSeconds, function.DefaultTimeoutSeconds)
	if most := MaxWorkerTimeoutSeconds - FunctionMarginSeconds; limit < 1 || limit > most {
		refuse("FunctionTimeoutSeconds is %d; it must be from 1 to %d, since the worker waits for the function", limit, most)
	} else if least := limit + FunctionMarginSeconds; a.workerTimeout() < least {
		refuse("WorkerTimeoutSeconds is %d; for a function that may take %d seconds it must be at least %d", a.workerTimeout(), limit, least)
	}
	return problems
}
