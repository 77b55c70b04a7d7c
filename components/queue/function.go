package queue

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/function"
)

// submitTimeout is in seconds, well below the 29 that API Gateway waits.
const submitTimeout = 10

// batchSize is small, since the messages of one run share its time-out. A
// function may take all of that for one.
func (a *Args) batchSize() int {
	if a.FunctionAliasArn != "" {
		return 1
	}
	return 5
}

// SubmitFunction is the physical name of the function that takes jobs in, of the
// queue with the physical name. API Gateway's role and document name its alias,
// function.AliasName, before it exists.
func SubmitFunction(name string) string { return name + "-submit" }

func workerFunction(name string) string { return name + "-worker" }

// newFunctions returns what is there last.
func newFunctions(ctx *pulumi.Context, name string, args *Args, made *queues, table *dynamodb.Table, queue *Queue) ([]pulumi.Resource, error) {
	submit, err := newFunction(ctx, name+"-submit", args, function.Args{
		FunctionName: SubmitFunction(args.Name), Package: args.Submit, TimeoutSeconds: submitTimeout,
		Statements: submitStatements(args),
		Environment: pulumi.StringMap{
			"JOBS_TABLE":      table.Name,
			"JOBS_QUEUE_URL":  made.jobs.Url,
			"JOB_TTL_SECONDS": number(args.JobTTLHours * secondsPerHour),
			"ALLOW_ORIGIN":    pulumi.String(args.AllowOrigin),
		},
	}, queue)
	if err != nil {
		return nil, err
	}
	worker, err := newFunction(ctx, name+"-worker", args, function.Args{
		FunctionName: workerFunction(args.Name), Package: args.Worker, TimeoutSeconds: args.workerTimeout(),
		Statements:  workerStatements(args),
		Environment: workerEnvironment(args, made, table),
	}, queue)
	if err != nil {
		return nil, err
	}
	mapping, err := lambda.NewEventSourceMapping(ctx, name, &lambda.EventSourceMappingArgs{
		EventSourceArn: made.jobs.Arn,
		FunctionName:   worker.AliasArn,
		BatchSize:      pulumi.Int(args.batchSize()),
		// One job that has to wait does not send its neighbours round again.
		FunctionResponseTypes: pulumi.StringArray{pulumi.String("ReportBatchItemFailures")},
		ScalingConfig: &lambda.EventSourceMappingScalingConfigArgs{
			MaximumConcurrency: pulumi.Int(args.MaxConcurrency),
		},
	}, pulumi.Parent(queue))
	if err != nil {
		return nil, fmt.Errorf("event source mapping %q: %w", name, err)
	}
	return append(submit.Ready, mapping), nil
}

// workerEnvironment is described in functions/worker.
func workerEnvironment(args *Args, made *queues, table *dynamodb.Table) pulumi.StringMap {
	environment := pulumi.StringMap{
		"JOBS_TABLE":            table.Name,
		"JOBS_QUEUE_URL":        made.jobs.Url,
		"DEAD_LETTER_QUEUE_URL": made.deadLetter.Url,
		"MAX_TRIES":             number(args.MaxTries),
	}
	if args.FunctionAliasArn != "" {
		environment["MODEL_FUNCTION"] = pulumi.String(args.FunctionAliasArn)
		return environment
	}
	environment["ENDPOINT_NAME"] = pulumi.String(args.EndpointName)
	environment["INFERENCE_COMPONENT_NAME"] = pulumi.String(args.InferenceComponentName)
	environment["DIRECT_WAKE"] = pulumi.String(strconv.FormatBool(args.DirectWake))
	return environment
}

// newFunction creates one of the two functions: own is what they do not have in
// common.
func newFunction(ctx *pulumi.Context, name string, args *Args, own function.Args, queue *Queue) (*function.Function, error) {
	own.Scope, own.Architecture = args.Scope, args.Architecture
	own.LogRetentionDays, own.KMSKeyArn = args.LogRetentionDays, args.KMSKeyArn
	if args.KMSKeyArn != "" {
		own.Statements = append(own.Statements, keyStatement(args.KMSKeyArn))
	}
	return function.New(ctx, name, &own, pulumi.Parent(queue), formerly(queue))
}

// formerly has a stack keep the resources of a function from the time when they
// were the queue's own children: two of them cannot have one name.
func formerly(queue *Queue) pulumi.ResourceOption {
	return pulumi.Transformations([]pulumi.ResourceTransformation{
		func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
			if args.Type == function.Type {
				return nil
			}
			alias := pulumi.Aliases([]pulumi.Alias{{Parent: queue}})
			return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(args.Opts, alias)}
		},
	})
}

func number(n int) pulumi.String { return pulumi.String(strconv.Itoa(n)) }
