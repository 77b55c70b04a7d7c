package queue

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/iampolicy"
)

// The functions as Lambda runs them. Memory is in MiB, and Lambda gives CPU by
// it; the submit function's time-out, in seconds, is well below the 29 that API
// Gateway waits.
const (
	runtime       = "provided.al2023"
	handler       = "bootstrap"
	memory        = 256
	submitTimeout = 10
	// A small batch, since the messages of one run share its time-out.
	batchSize = 5
)

// SubmitFunction is the physical name of the function that takes jobs in, of the
// queue with the physical name. API Gateway's role and document name it before
// it exists.
func SubmitFunction(name string) string { return name + "-submit" }

func workerFunction(name string) string { return name + "-worker" }

// function is what differs between the two.
type function struct {
	// logical and physical are its names, and those of its role and log group.
	logical, physical string
	code              pulumi.Archive
	timeout           int
	policy            iampolicy.Document
	environment       pulumi.StringMap
}

// newFunctions returns what is there last.
func newFunctions(ctx *pulumi.Context, name string, args *Args, made *queues, table *dynamodb.Table, parent pulumi.ResourceOption) ([]pulumi.Resource, error) {
	submit, err := newFunction(ctx, args, function{
		logical: name + "-submit", physical: SubmitFunction(args.Name),
		code: args.Submit, timeout: submitTimeout, policy: submitPolicy(args),
		environment: pulumi.StringMap{
			"JOBS_TABLE":      table.Name,
			"JOBS_QUEUE_URL":  made.jobs.Url,
			"JOB_TTL_SECONDS": number(args.JobTTLHours * secondsPerHour),
			"ALLOW_ORIGIN":    pulumi.String(args.AllowOrigin),
		},
	}, parent)
	if err != nil {
		return nil, err
	}
	worker, err := newFunction(ctx, args, function{
		logical: name + "-worker", physical: workerFunction(args.Name),
		code: args.Worker, timeout: args.workerTimeout(), policy: workerPolicy(args),
		environment: pulumi.StringMap{
			"JOBS_TABLE":               table.Name,
			"JOBS_QUEUE_URL":           made.jobs.Url,
			"DEAD_LETTER_QUEUE_URL":    made.deadLetter.Url,
			"ENDPOINT_NAME":            pulumi.String(args.EndpointName),
			"INFERENCE_COMPONENT_NAME": pulumi.String(args.InferenceComponentName),
			"MAX_TRIES":                number(args.MaxTries),
			"DIRECT_WAKE":              pulumi.String(strconv.FormatBool(args.DirectWake)),
		},
	}, parent)
	if err != nil {
		return nil, err
	}
	mapping, err := lambda.NewEventSourceMapping(ctx, name, &lambda.EventSourceMappingArgs{
		EventSourceArn: made.jobs.Arn,
		FunctionName:   worker.Arn,
		BatchSize:      pulumi.Int(batchSize),
		// One job that has to wait does not send its neighbours round again.
		FunctionResponseTypes: pulumi.StringArray{pulumi.String("ReportBatchItemFailures")},
		ScalingConfig: &lambda.EventSourceMappingScalingConfigArgs{
			MaximumConcurrency: pulumi.Int(args.MaxConcurrency),
		},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("event source mapping %q: %w", name, err)
	}
	return []pulumi.Resource{submit, mapping}, nil
}

// newFunction creates a function with a role and a log group of its own.
func newFunction(ctx *pulumi.Context, args *Args, f function, parent pulumi.ResourceOption) (*lambda.Function, error) {
	role, err := iam.NewRole(ctx, f.logical, &iam.RoleArgs{
		Name:             pulumi.String(f.physical),
		AssumeRolePolicy: pulumi.String(trust().String()),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("role %q: %w", f.logical, err)
	}
	policy, err := iam.NewRolePolicy(ctx, f.logical, &iam.RolePolicyArgs{
		Role:   role.Name,
		Policy: pulumi.String(f.policy.String()),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("policy of role %q: %w", f.logical, err)
	}
	// Lambda would create this group by itself, to be kept for ever.
	group, err := cloudwatch.NewLogGroup(ctx, f.logical, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(logGroup(f.physical)),
		RetentionInDays: pulumi.Int(args.LogRetentionDays),
		KmsKeyId:        args.key(),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("log group %q: %w", f.logical, err)
	}
	created, err := lambda.NewFunction(ctx, f.logical, &lambda.FunctionArgs{
		Name:          pulumi.String(f.physical),
		Role:          role.Arn,
		Runtime:       pulumi.String(runtime),
		Handler:       pulumi.String(handler),
		Architectures: pulumi.StringArray{pulumi.String(args.Architecture)},
		Code:          f.code,
		MemorySize:    pulumi.Int(memory),
		Timeout:       pulumi.Int(f.timeout),
		TracingConfig: &lambda.FunctionTracingConfigArgs{Mode: pulumi.String("Active")},
		Environment:   &lambda.FunctionEnvironmentArgs{Variables: f.environment},
		// Lambda makes a grant on the key for itself, with the permissions of
		// whoever deploys (Lambda developer guide, "Securing Lambda environment
		// variables").
		KmsKeyArn: args.key(),
	}, parent, pulumi.DependsOn([]pulumi.Resource{policy, group}))
	if err != nil {
		return nil, fmt.Errorf("function %q: %w", f.logical, err)
	}
	return created, nil
}

func logGroup(function string) string { return "/aws/lambda/" + function }

func number(n int) pulumi.String { return pulumi.String(strconv.Itoa(n)) }
