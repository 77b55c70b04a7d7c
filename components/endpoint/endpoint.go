// Package endpoint holds a SageMaker real-time endpoint that scales to zero:
// a model, an endpoint with one inference component, and the scaling that
// takes it down when nobody calls and brings it back when somebody does.
package endpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudformation"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:endpoint:InferenceEndpoint"

// VariantName is the endpoint's one production variant.
const VariantName = "AllTraffic"

// stackTimeout covers what CloudFormation waits for at most: an instance, the
// pull of a large image and an hour of start-up. The provider's own default of
// 30 minutes is too short for that.
const stackTimeout = "120m"

// InferenceEndpoint is the created endpoint.
type InferenceEndpoint struct {
	pulumi.ResourceState

	// EndpointArn is known once the endpoint is in service.
	EndpointArn pulumi.StringOutput
	// ModelName is the SageMaker model's physical name. It changes with the
	// image: each image is a model of its own.
	ModelName pulumi.StringOutput
}

// New creates the endpoint and waits until its first copy serves, which takes
// minutes on AWS.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*InferenceEndpoint, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("inference endpoint %q: %w", name, err)
	}
	endpoint := &InferenceEndpoint{}
	if err := ctx.RegisterComponentResource(Type, name, endpoint, opts...); err != nil {
		return nil, fmt.Errorf("inference endpoint %q: %w", name, err)
	}
	parent := pulumi.Parent(endpoint)

	model, err := newModel(ctx, args, parent)
	if err != nil {
		return nil, err
	}
	stack, err := newStack(ctx, name, args, model, parent)
	if err != nil {
		return nil, err
	}
	if err := newScaling(ctx, name, args, stack, parent); err != nil {
		return nil, err
	}

	endpoint.EndpointArn = stack.Outputs.MapIndex(pulumi.String(outputEndpointArn))
	endpoint.ModelName = model.Name
	err = ctx.RegisterResourceOutputs(endpoint, pulumi.Map{
		"endpointArn": endpoint.EndpointArn,
		"modelName":   endpoint.ModelName,
	})
	if err != nil {
		return nil, fmt.Errorf("inference endpoint %q: %w", name, err)
	}
	return endpoint, nil
}

// newModel leaves the model's name to Pulumi: everything in a model but its
// tags replaces it, and the new one must exist before the component lets go of
// the old one.
func newModel(ctx *pulumi.Context, args *Args, parent pulumi.ResourceOption) (*sagemaker.Model, error) {
	modelArgs := &sagemaker.ModelArgs{
		ExecutionRoleArn:       args.ExecutionRoleArn,
		EnableNetworkIsolation: pulumi.Bool(args.NetworkIsolation),
		PrimaryContainer: &sagemaker.ModelPrimaryContainerArgs{
			Image:       args.ImageURI.ToStringOutput(),
			Environment: args.Environment,
		},
	}
	if args.VPC != nil {
		modelArgs.VpcConfig = &sagemaker.ModelVpcConfigArgs{
			Subnets:          pulumi.ToStringArray(args.VPC.SubnetIDs),
			SecurityGroupIds: pulumi.ToStringArray(args.VPC.SecurityGroupIDs),
		}
	}
	// The logical name is what Pulumi makes the physical one of.
	model, err := sagemaker.NewModel(ctx, args.InferenceComponentName, modelArgs, parent)
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", args.InferenceComponentName, err)
	}
	return model, nil
}

func newStack(ctx *pulumi.Context, name string, args *Args, model *sagemaker.Model, parent pulumi.ResourceOption) (*cloudformation.Stack, error) {
	parameters := pulumi.StringMap{
		paramCopyCount:        number(args.InitialInstanceCount),
		paramCPUCores:         pulumi.String(strconv.FormatFloat(args.CPUCores, 'f', -1, 64)),
		paramEndpointName:     pulumi.String(args.EndpointName),
		paramExecutionRoleArn: args.ExecutionRoleArn,
		paramComponentName:    pulumi.String(args.InferenceComponentName),
		paramInitialInstances: number(args.InitialInstanceCount),
		paramInstanceType:     pulumi.String(args.InstanceType),
		paramMaxInstances:     number(args.MaxInstanceCount),
		paramMemory:           number(args.MemoryMB),
		paramMinInstances:     number(args.MinInstanceCount),
		paramModelName:        model.Name,
		paramIsolation:        pulumi.String(strconv.FormatBool(args.NetworkIsolation)),
		paramStartupTimeout:   number(args.StartupTimeoutSeconds),
	}
	if args.Accelerators > 0 {
		parameters[paramAccelerators] = number(args.Accelerators)
	}
	if args.KMSKeyArn != "" {
		parameters[paramKMSKeyID] = pulumi.String(args.KMSKeyArn)
	}
	if args.VPC != nil {
		// The order must be the model's: SageMaker compares the two lists as they are.
		parameters[paramSubnetIDs] = pulumi.String(strings.Join(args.VPC.SubnetIDs, ","))
		parameters[paramSecurityGroupIDs] = pulumi.String(strings.Join(args.VPC.SecurityGroupIDs, ","))
	}
	stack, err := cloudformation.NewStack(ctx, name, &cloudformation.StackArgs{
		// CloudFormation wants a letter first, which SageMaker does not.
		Name: pulumi.String("inference-" + args.EndpointName),
		TemplateBody: pulumi.String(newTemplate(shape{
			accelerators: args.Accelerators > 0,
			kms:          args.KMSKeyArn != "",
			vpc:          args.VPC != nil,
		})),
		Parameters: parameters,
		// A stack whose creation failed cannot be updated, only deleted. With
		// this it is deleted at once, a refresh notices, and the next update
		// starts afresh.
		OnFailure: pulumi.String("DELETE"),
	}, parent,
		// UpdateInferenceComponent takes no other endpoint and no other name, and
		// the names are taken until the old stack is gone.
		pulumi.ReplaceOnChanges([]string{"parameters." + paramEndpointName, "parameters." + paramComponentName}),
		pulumi.DeleteBeforeReplace(true),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: stackTimeout, Update: stackTimeout, Delete: stackTimeout}))
	if err != nil {
		return nil, fmt.Errorf("stack %q: %w", name, err)
	}
	return stack, nil
}

func number(n int) pulumi.String { return pulumi.String(strconv.Itoa(n)) }
