// The program of one stack: an inference API in front of a model that scales to
// zero, on a SageMaker endpoint or in a Lambda function.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/dashboard"
	"scaletozero/components/endpoint"
	"scaletozero/components/firewall"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
	"scaletozero/components/image"
	"scaletozero/components/queue"
	"scaletozero/components/roles"
	"scaletozero/components/slo"
	"scaletozero/internal/settings"
)

func main() { pulumi.Run(program(built(".build/functions"))) }

// packages are the packages of the queue's functions in one of their builds.
type packages func(build string) (submit, worker pulumi.Archive, err error)

// built are the packages that `make functions` leaves in a folder. They are
// looked at before anything is registered, and named by their whole path: who
// reads them may run in another folder.
func built(folder string) packages {
	return func(build string) (pulumi.Archive, pulumi.Archive, error) {
		var archives [2]pulumi.Archive
		for i, name := range []string{"submit.zip", "worker.zip"} {
			file, err := filepath.Abs(filepath.Join(folder, build, name))
			if err == nil {
				_, err = os.Stat(file)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%s, a function of the queue, cannot be read; run `make functions`", file)
			}
			archives[i] = pulumi.NewFileArchive(file)
		}
		return archives[0], archives[1], nil
	}
}

// program is deploy with the functions' packages.
func program(code packages) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error { return deploy(ctx, code) }
}

// deploy reads like the architecture: who may do what, what runs the model,
// what takes jobs for it, what callers see, who guards the door, and who is told
// when callers do not get what they were promised. The logical
// names are constants, so that a changed physical name is a replacement, which the
// engine puts in order, and not a stranger that meets the old resource under its
// name.
func deploy(ctx *pulumi.Context, code packages) error {
	s, err := settings.Load(ctx)
	if err != nil {
		return err
	}
	scope, err := arn.Lookup(ctx, s.Region)
	if err != nil {
		return err
	}
	jobsArgs, err := jobsOf(s, scope, code)
	if err != nil {
		return err
	}
	imageURI, repositoryArn, err := modelImage(ctx, s, scope)
	if err != nil {
		return err
	}

	granted, err := roles.New(ctx, "roles", s.Roles(scope, repositoryArn))
	if err != nil {
		return err
	}
	answering, err := runModel(ctx, s, scope, imageURI, granted)
	if err != nil {
		return err
	}
	behindAPI := slices.Concat(granted.Ready, answering)

	var jobs *queue.Queue
	if jobsArgs != nil {
		if jobs, err = queue.New(ctx, "queue", jobsArgs); err != nil {
			return err
		}
		behindAPI = append(behindAPI, jobs.Ready...)
	}

	api, err := gateway.New(ctx, "gateway", s.API(scope), pulumi.DependsOn(behindAPI))
	if err != nil {
		return err
	}

	if err := guard(ctx, s, api); err != nil {
		return err
	}
	export(ctx, s, granted, api)
	exportJobs(ctx, jobs, api)
	return watch(ctx, s, scope, api)
}

// runModel puts the model on an endpoint or into a function, and returns what the
// API has to wait for: nothing of an endpoint, which comes up in minutes, and by
// names that are known.
func runModel(ctx *pulumi.Context, s *settings.Settings, scope arn.Scope, imageURI pulumi.StringInput, granted *roles.Roles) ([]pulumi.Resource, error) {
	if s.Function != nil {
		model, err := function.New(ctx, "function", s.ModelFunction(scope, imageURI))
		if err != nil {
			return nil, err
		}
		ctx.Export("functionName", pulumi.String(s.Function.Name))
		ctx.Export("functionArn", model.AliasArn)
		return model.Ready, nil
	}
	inference, err := endpoint.New(ctx, "endpoint", s.Endpoint(imageURI, granted.ExecutionRoleArn), pulumi.DependsOn(granted.Ready))
	if err != nil {
		return nil, err
	}
	ctx.Export("sagemakerEndpointName", pulumi.String(s.EndpointName))
	ctx.Export("sagemakerEndpointArn", inference.EndpointArn)
	ctx.Export("inferenceComponentName", pulumi.String(s.InferenceComponentName))
	ctx.Export("sagemakerExecutionRoleArn", granted.ExecutionRoleArn)
	return nil, nil
}

// guard puts the firewall in front of the API, where the stack has one.
func guard(ctx *pulumi.Context, s *settings.Settings, api *gateway.Gateway) error {
	if s.Firewall == nil {
		return nil
	}
	_, err := firewall.New(ctx, "firewall", s.WebACL(api.StageArn))
	return err
}

// watch has somebody told when the API's objectives are in danger, and shows people
// how it does, where the stack has that.
func watch(ctx *pulumi.Context, s *settings.Settings, scope arn.Scope, api *gateway.Gateway) error {
	if s.SLO != nil {
		watched, err := slo.New(ctx, "slo", s.Watched(scope, api.AccessLogGroup))
		if err != nil {
			return err
		}
		ctx.Export("sloTopicArn", watched.TopicArn)
	}
	if s.Dashboard == nil {
		return nil
	}
	shown, err := s.Shown(scope)
	if err != nil {
		return err
	}
	if _, err := dashboard.New(ctx, "dashboard", shown); err != nil {
		return err
	}
	ctx.Export("dashboardName", pulumi.String(s.Dashboard.Name))
	return nil
}

// jobsOf is the queue with its functions' packages, or nil for none.
func jobsOf(s *settings.Settings, scope arn.Scope, code packages) (*queue.Args, error) {
	if s.Queue == nil {
		return nil, nil
	}
	submit, worker, err := code(s.Build)
	if err != nil {
		return nil, err
	}
	return s.Jobs(scope, submit, worker), nil
}

// export is what people and scripts read of the stack, whatever runs the model.
func export(ctx *pulumi.Context, s *settings.Settings, granted *roles.Roles, api *gateway.Gateway) {
	ctx.Export("apiGatewayUrl", pulumi.Sprintf("%s%s", api.StageURL, s.RoutePath))
	ctx.Export("apiGatewayId", api.RestApiID)
	ctx.Export("apiGatewayRoleArn", granted.GatewayRoleArn)
	ctx.Export("apiKeyId", api.APIKeyID)
	ctx.Export("apiKeyValue", api.APIKeyValue)
}

// exportJobs is what a stack with a queue has besides; jobs is nil without one.
func exportJobs(ctx *pulumi.Context, jobs *queue.Queue, api *gateway.Gateway) {
	if jobs == nil {
		return
	}
	ctx.Export("jobsUrl", pulumi.Sprintf("%s%s", api.StageURL, queue.Path))
	ctx.Export("jobsQueueUrl", jobs.QueueURL)
	ctx.Export("jobsDeadLetterQueueUrl", jobs.DeadLetterQueueURL)
	ctx.Export("jobsTableName", jobs.TableName)
}

// modelImage is the image to run and the repository that it is pulled from:
// the configured one, or one that is built and pushed here.
func modelImage(ctx *pulumi.Context, s *settings.Settings, scope arn.Scope) (pulumi.StringInput, string, error) {
	if s.ImageContext == "" {
		// The repository may belong to another account.
		scope.AccountID = s.ImageAccount
		return pulumi.String(s.ImageURI), scope.Repository(s.ImageRepository), nil
	}
	built, err := image.New(ctx, "image", s.Image())
	if err != nil {
		return nil, "", err
	}
	return built.URI, scope.Repository(s.RepositoryName), nil
}
