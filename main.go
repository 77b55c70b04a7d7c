// The program of one stack: an inference API in front of a SageMaker endpoint
// that scales to zero.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/endpoint"
	"scaletozero/components/gateway"
	"scaletozero/components/image"
	"scaletozero/components/roles"
	"scaletozero/internal/settings"
)

func main() { pulumi.Run(deploy) }

// deploy reads like the architecture: who may do what, what runs the model,
// what callers see. The logical names are constants, so that a changed physical
// name is a replacement, which the engine puts in order, and not a stranger that
// meets the old resource under its name.
func deploy(ctx *pulumi.Context) error {
	s, err := settings.Load(ctx)
	if err != nil {
		return err
	}
	scope, err := arn.Lookup(ctx, s.Region)
	if err != nil {
		return err
	}
	imageURI, repositoryArn, err := modelImage(ctx, s, scope)
	if err != nil {
		return err
	}

	granted, err := roles.New(ctx, "roles", &roles.Args{
		Scope:                  scope,
		ExecutionRoleName:      s.ExecutionRoleName,
		GatewayRoleName:        s.GatewayRoleName,
		RepositoryArn:          repositoryArn,
		EndpointName:           s.EndpointName,
		InferenceComponentName: s.InferenceComponentName,
		VPC:                    s.VPC() != nil,
		KMSKeyArn:              s.KMSKeyArn,
	})
	if err != nil {
		return err
	}
	afterRoles := pulumi.DependsOn([]pulumi.Resource{granted})

	inference, err := endpoint.New(ctx, "endpoint", &endpoint.Args{
		EndpointName:           s.EndpointName,
		InferenceComponentName: s.InferenceComponentName,
		ImageURI:               imageURI,
		Environment:            s.ContainerEnvironment(),
		ExecutionRoleArn:       granted.ExecutionRoleArn,
		InstanceType:           s.InstanceType,
		MinInstanceCount:       s.MinInstanceCount,
		InitialInstanceCount:   s.InitialInstanceCount,
		MaxInstanceCount:       s.MaxInstanceCount,
		CPUCores:               s.CPUCores,
		MemoryMB:               s.MemoryMB,
		Accelerators:           s.Accelerators,
		StartupTimeoutSeconds:  s.StartupTimeoutSeconds,
		VPC:                    s.VPC(),
		KMSKeyArn:              s.KMSKeyArn,
	}, afterRoles)
	if err != nil {
		return err
	}

	api, err := gateway.New(ctx, "gateway", s.API(scope), afterRoles)
	if err != nil {
		return err
	}

	export(ctx, s, granted, inference, api)
	return nil
}

// export is what people and scripts read of the stack.
func export(ctx *pulumi.Context, s *settings.Settings, granted *roles.Roles, inference *endpoint.InferenceEndpoint, api *gateway.Gateway) {
	ctx.Export("sagemakerEndpointName", pulumi.String(s.EndpointName))
	ctx.Export("sagemakerEndpointArn", inference.EndpointArn)
	ctx.Export("inferenceComponentName", pulumi.String(s.InferenceComponentName))
	ctx.Export("apiGatewayUrl", pulumi.Sprintf("%s%s", api.StageURL, s.RoutePath))
	ctx.Export("apiGatewayId", api.RestApiID)
	ctx.Export("sagemakerExecutionRoleArn", granted.ExecutionRoleArn)
	ctx.Export("apiGatewayRoleArn", granted.GatewayRoleArn)
	ctx.Export("apiKeyId", api.APIKeyID)
	ctx.Export("apiKeyValue", api.APIKeyValue)
}

// modelImage is the image to run and the repository that it is pulled from:
// the configured one, or one that is built and pushed here.
func modelImage(ctx *pulumi.Context, s *settings.Settings, scope arn.Scope) (pulumi.StringInput, string, error) {
	if s.ImageContext == "" {
		// The repository may belong to another account.
		scope.AccountID = s.ImageAccount
		return pulumi.String(s.ImageURI), scope.Repository(s.ImageRepository), nil
	}
	built, err := image.New(ctx, "image", &image.Args{
		RepositoryName: s.RepositoryName,
		Context:        s.ImageContext,
		Platform:       s.Platform(),
	})
	if err != nil {
		return nil, "", err
	}
	return built.URI, scope.Repository(s.RepositoryName), nil
}
