// Package function holds a Lambda function behind an alias: its role, its log
// group, and, where wanted, environments that are kept started.
package function

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:function:Function"

// AliasName is the alias that callers call. It points at the newest version.
const AliasName = "live"

// How Lambda runs a package.
const (
	runtime = "provided.al2023"
	handler = "bootstrap"
)

// Function is the created function.
type Function struct {
	pulumi.ResourceState

	// Ready is what to depend on for the function to be callable by its alias; see
	// roles.Roles.
	Ready []pulumi.Resource
	// FunctionArn is the function's own ARN, without a version.
	FunctionArn pulumi.StringOutput
	// AliasArn is what to call. Whoever needs it at preview writes it with
	// arn.Scope.FunctionAlias, since both names are fixed.
	AliasArn pulumi.StringOutput
	// InvokeName is the same for the API and the command line: NAME:live.
	InvokeName pulumi.StringOutput
}

// New creates the function and publishes a version of it whenever its code or
// configuration changes.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Function, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("function %q: %w", name, err)
	}
	function := &Function{}
	if err := ctx.RegisterComponentResource(Type, name, function, opts...); err != nil {
		return nil, fmt.Errorf("function %q: %w", name, err)
	}
	parent := pulumi.Parent(function)

	created, err := newFunction(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	alias, err := lambda.NewAlias(ctx, name, &lambda.AliasArgs{
		Name:            pulumi.String(AliasName),
		Description:     pulumi.String("The version that callers get."),
		FunctionName:    created.Name,
		FunctionVersion: created.Version,
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("alias %q: %w", name, err)
	}
	function.Ready = []pulumi.Resource{alias}
	if args.Provisioned != nil {
		if err := newScaling(ctx, name, args, alias, parent); err != nil {
			return nil, err
		}
	}

	function.FunctionArn, function.AliasArn = created.Arn, alias.Arn
	function.InvokeName = pulumi.Sprintf("%s:%s", created.Name, alias.Name)
	err = ctx.RegisterResourceOutputs(function, pulumi.Map{
		"functionArn": function.FunctionArn,
		"aliasArn":    function.AliasArn,
		"invokeName":  function.InvokeName,
	})
	if err != nil {
		return nil, fmt.Errorf("function %q: %w", name, err)
	}
	return function, nil
}

// newFunction creates the function with a role and a log group of its own.
func newFunction(ctx *pulumi.Context, name string, args *Args, parent pulumi.ResourceOption) (*lambda.Function, error) {
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{
		Name:             pulumi.String(args.FunctionName),
		AssumeRolePolicy: pulumi.String(trust().String()),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("role %q: %w", name, err)
	}
	policy, err := iam.NewRolePolicy(ctx, name, &iam.RolePolicyArgs{
		Role:   role.Name,
		Policy: pulumi.String(rolePolicy(args).String()),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("policy of role %q: %w", name, err)
	}
	// Lambda would create this group by itself, to be kept for ever.
	group, err := cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(logGroup(args.FunctionName)),
		RetentionInDays: pulumi.Int(args.LogRetentionDays),
		KmsKeyId:        args.key(),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("log group %q: %w", name, err)
	}
	created, err := lambda.NewFunction(ctx, name, functionArgs(args, role), parent,
		pulumi.DependsOn([]pulumi.Resource{policy, group}))
	if err != nil {
		return nil, fmt.Errorf("function %q: %w", name, err)
	}
	return created, nil
}

func functionArgs(args *Args, role *iam.Role) *lambda.FunctionArgs {
	inputs := &lambda.FunctionArgs{
		Name:          pulumi.String(args.FunctionName),
		Role:          role.Arn,
		Architectures: pulumi.StringArray{pulumi.String(args.architecture())},
		MemorySize:    pulumi.Int(args.memory()),
		Timeout:       pulumi.Int(args.timeout()),
		// An alias points at a published version, and provisioned concurrency is
		// for those only.
		Publish:       pulumi.Bool(true),
		TracingConfig: &lambda.FunctionTracingConfigArgs{Mode: pulumi.String("Active")},
		// Lambda makes a grant on the key for itself, with the permissions of
		// whoever deploys (Lambda developer guide, "Securing Lambda environment
		// variables").
		KmsKeyArn: args.key(),
	}
	if args.Image != nil {
		config := &lambda.FunctionImageConfigArgs{EntryPoints: pulumi.ToStringArray(args.Image.EntryPoint)}
		if len(args.Image.Command) > 0 {
			config.Commands = pulumi.ToStringArray(args.Image.Command)
		}
		inputs.PackageType, inputs.ImageConfig = pulumi.String("Image"), config
		inputs.ImageUri = args.Image.URI.ToStringOutput()
	} else {
		inputs.Code = args.Package
		inputs.Runtime = pulumi.String(runtime)
		inputs.Handler = pulumi.String(handler)
	}
	if args.Description != "" {
		inputs.Description = pulumi.String(args.Description)
	}
	if args.ReservedConcurrency > 0 {
		inputs.ReservedConcurrentExecutions = pulumi.Int(args.ReservedConcurrency)
	}
	if args.Environment != nil {
		inputs.Environment = &lambda.FunctionEnvironmentArgs{Variables: args.Environment}
	}
	if args.VPC != nil {
		inputs.VpcConfig = &lambda.FunctionVpcConfigArgs{
			SubnetIds:        pulumi.ToStringArray(args.VPC.SubnetIDs),
			SecurityGroupIds: pulumi.ToStringArray(args.VPC.SecurityGroupIDs),
		}
	}
	return inputs
}

func logGroup(function string) string { return "/aws/lambda/" + function }
