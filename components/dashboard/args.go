package dashboard

import (
	"errors"
	"fmt"
	"regexp"

	"scaletozero/components/arn"
	"scaletozero/components/slo"
)

// MaxNameLength is PutDashboard's (CloudWatch API reference).
const MaxNameLength = 255

// Args describes the dashboard of one stack. A section that is nil is left out;
// all of them name what they show by plain strings, so that a preview has the
// whole dashboard.
type Args struct {
	// Scope is where the stack lives, and its metrics and alarms.
	Scope arn.Scope
	// Name is physical, 1 to MaxNameLength letters, digits, hyphens and
	// underscores. Dashboards have one namespace for all regions of an account.
	Name string

	// API is the route that callers use. The other sections are about what is
	// behind it.
	API *API
	// Objectives are what its callers are promised.
	Objectives *Objectives
	// Endpoint or Function runs the model.
	Endpoint *Endpoint
	Function *Function
	// Queue takes jobs for it.
	Queue *Queue
	// Cost needs what it has prices of: API, Endpoint or Function.
	Cost *Cost
}

// API is one route of a REST API whose stage has detailed metrics.
type API struct {
	APIName, StageName, Method, Path string
}

// Objectives are those that slo.New watches, with the same values.
type Objectives struct {
	slo.Objectives
	// Name is slo.Args.Name, which its metrics and alarms are named after.
	Name string
	// CountColdStarts is slo.Args.CountColdStarts.
	CountColdStarts bool
}

// Endpoint is a SageMaker endpoint with one inference component.
type Endpoint struct {
	EndpointName, VariantName, InferenceComponentName string
	// MaxInstances is the upper bound of instances and of copies, at least 1.
	MaxInstances int
	// WakeAlarm is the name of the alarm that starts the first copy.
	WakeAlarm string
}

// Function is a Lambda function that callers reach by an alias.
type Function struct {
	FunctionName, Alias string
	// MemoryMB is what the function is billed by, in MiB.
	MemoryMB int
	// Provisioned says that environments are kept ready.
	Provisioned bool
	// ReservedConcurrency is how many environments there may be. 0 means that
	// there is no bound but the account's.
	ReservedConcurrency int
}

// Queue is an SQS queue of jobs.
type Queue struct {
	QueueName, DeadLetterQueueName string
}

// Cost are prices in US dollars. Only those of sections that are there count.
type Cost struct {
	// RequestUSD is for one call of the API.
	RequestUSD float64
	// InstanceHourUSD is for an hour of one of the endpoint's instances.
	InstanceHourUSD float64
	// FunctionRequestUSD is for one invocation, FunctionGBSecondUSD for running a
	// second with a GiB of memory.
	FunctionRequestUSD, FunctionGBSecondUSD float64
	// Source says in one sentence what the prices rest on; the dashboard shows it.
	Source string
}

var physicalName = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if a.Scope.AccountID == "" || a.Scope.Region == "" || a.Scope.Partition == "" {
		refuse("Scope is incomplete; give what arn.Lookup returns")
	}
	if !physicalName.MatchString(a.Name) || len(a.Name) > MaxNameLength {
		refuse("Name is %q; give 1 to %d letters, digits, hyphens and underscores", a.Name, MaxNameLength)
	}
	if a.API == nil && a.Endpoint == nil && a.Function == nil && a.Queue == nil {
		refuse("API, Endpoint, Function and Queue are all nil; give at least one, or there is nothing to show")
	}
	if a.Endpoint != nil && a.Function != nil {
		refuse("Endpoint and Function are both given; give the one that runs the model")
	}
	if a.Objectives != nil && a.API == nil {
		refuse("Objectives are given without API; give the route that they are about")
	}
	for _, field := range a.names() {
		if field.value == "" {
			refuse("%s is empty; without it there are no metrics to show", field.name)
		}
	}
	problems = append(problems, a.numberProblems()...)
	return errors.Join(problems...)
}

type field struct{ name, value string }

// names are what no section that is there may leave empty.
func (a *Args) names() (fields []field) {
	if a.API != nil {
		fields = append(fields, field{"API.APIName", a.API.APIName}, field{"API.StageName", a.API.StageName},
			field{"API.Method", a.API.Method}, field{"API.Path", a.API.Path})
	}
	if a.Objectives != nil {
		fields = append(fields, field{"Objectives.Name", a.Objectives.Name})
	}
	if a.Endpoint != nil {
		fields = append(fields, field{"Endpoint.EndpointName", a.Endpoint.EndpointName}, field{"Endpoint.VariantName", a.Endpoint.VariantName},
			field{"Endpoint.InferenceComponentName", a.Endpoint.InferenceComponentName}, field{"Endpoint.WakeAlarm", a.Endpoint.WakeAlarm})
	}
	if a.Function != nil {
		fields = append(fields, field{"Function.FunctionName", a.Function.FunctionName}, field{"Function.Alias", a.Function.Alias})
	}
	if a.Queue != nil {
		fields = append(fields, field{"Queue.QueueName", a.Queue.QueueName}, field{"Queue.DeadLetterQueueName", a.Queue.DeadLetterQueueName})
	}
	if a.Cost != nil {
		fields = append(fields, field{"Cost.Source", a.Cost.Source})
	}
	return fields
}

func (a *Args) numberProblems() (problems []error) {
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if a.Endpoint != nil && a.Endpoint.MaxInstances < 1 {
		refuse("Endpoint.MaxInstances is %d; it must be at least 1", a.Endpoint.MaxInstances)
	}
	if a.Function != nil && a.Function.ReservedConcurrency < 0 {
		refuse("Function.ReservedConcurrency is %d; give 0 for none", a.Function.ReservedConcurrency)
	}
	if a.Function != nil && a.Function.MemoryMB < 1 {
		refuse("Function.MemoryMB is %d; give the function's memory in MiB", a.Function.MemoryMB)
	}
	if a.Objectives != nil {
		for _, problem := range a.Objectives.Problems() {
			refuse("Objectives: %w", problem)
		}
	}
	if a.Cost == nil {
		return problems
	}
	for _, price := range []struct {
		name   string
		needed bool
		usd    float64
	}{
		{"RequestUSD", a.API != nil, a.Cost.RequestUSD},
		{"InstanceHourUSD", a.Endpoint != nil, a.Cost.InstanceHourUSD},
		{"FunctionRequestUSD", a.Function != nil, a.Cost.FunctionRequestUSD},
		{"FunctionGBSecondUSD", a.Function != nil, a.Cost.FunctionGBSecondUSD},
	} {
		if price.needed && !(price.usd > 0) {
			refuse("Cost.%s is %g; give a price above 0, or no Cost", price.name, price.usd)
		}
	}
	if a.API == nil && a.Endpoint == nil && a.Function == nil {
		refuse("Cost is given without API, Endpoint and Function; there is nothing to charge for")
	}
	return problems
}
