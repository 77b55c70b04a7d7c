package settings

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/endpoint"
	"scaletozero/components/roles"
)

// Roles describes who may do what in the stack. repositoryArn is where the model's
// image is pulled from.
func (s *Settings) Roles(scope arn.Scope, repositoryArn string) *roles.Args {
	args := &roles.Args{
		Scope:           scope,
		GatewayRoleName: s.GatewayRoleName,
		FunctionArns:    s.FunctionArns(scope),
	}
	if s.Function == nil {
		args.Endpoint = &roles.Endpoint{
			ExecutionRoleName:      s.ExecutionRoleName,
			RepositoryArn:          repositoryArn,
			EndpointName:           s.EndpointName,
			InferenceComponentName: s.InferenceComponentName,
			VPC:                    s.VPC() != nil,
			KMSKeyArn:              s.KMSKeyArn,
		}
	}
	return args
}

// Endpoint describes the endpoint of the stack, which has one: what runs, and on
// what.
func (s *Settings) Endpoint(imageURI, executionRoleArn pulumi.StringInput) *endpoint.Args {
	return &endpoint.Args{
		EndpointName:           s.EndpointName,
		InferenceComponentName: s.InferenceComponentName,
		ImageURI:               imageURI,
		Environment:            s.ContainerEnvironment(),
		ExecutionRoleArn:       executionRoleArn,
		InstanceType:           s.InstanceType,
		MinInstanceCount:       s.MinInstanceCount,
		InitialInstanceCount:   s.InitialInstanceCount,
		MaxInstanceCount:       s.MaxInstanceCount,
		CPUCores:               s.CPUCores,
		MemoryMB:               s.MemoryMB,
		Accelerators:           s.Accelerators,
		StartupTimeoutSeconds:  s.StartupTimeoutSeconds,
		NetworkIsolation:       s.NetworkIsolation,
		VPC:                    s.VPC(),
		KMSKeyArn:              s.KMSKeyArn,
	}
}
