package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	awsx "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The components of awsx that the local cloud implements.
const (
	TypeXRepository = "awsx:ecr:Repository"
	TypeXImage      = "awsx:ecr:Image"
)

// Construct makes the components of awsx.
func (s *Server) Construct(ctx context.Context, req *pulumirpc.ConstructRequest) (*pulumirpc.ConstructResponse, error) {
	construct, known := map[string]provider.ConstructFunc{
		TypeXRepository: constructRepository, TypeXImage: constructImage,
	}[req.GetType()]
	if !known {
		return nil, status.Errorf(codes.Unimplemented,
			"localcloud does not implement %s; it implements %s and %s", req.GetType(), TypeXRepository, TypeXImage)
	}
	engine, err := sessionOf(ctx).engineHost()
	if err != nil {
		return nil, err
	}
	return provider.Construct(ctx, req, engine.EngineConn(), construct)
}

type xRepository struct {
	pulumi.ResourceState

	LifecyclePolicy ecr.LifecyclePolicyOutput `pulumi:"lifecyclePolicy"`
	Repository      ecr.RepositoryOutput      `pulumi:"repository"`
	Url             pulumi.StringOutput       `pulumi:"url"`
}

// xRepositoryArgs are awsx's arguments; the SDK's own type has no tags that arguments could be copied by.
type xRepositoryArgs struct {
	EncryptionConfigurations   ecr.RepositoryEncryptionConfigurationArrayInput  `pulumi:"encryptionConfigurations"`
	ForceDelete                pulumi.BoolPtrInput                              `pulumi:"forceDelete"`
	ImageScanningConfiguration ecr.RepositoryImageScanningConfigurationPtrInput `pulumi:"imageScanningConfiguration"`
	ImageTagMutability         pulumi.StringPtrInput                            `pulumi:"imageTagMutability"`
	LifecyclePolicy            awsx.LifecyclePolicyPtrInput                     `pulumi:"lifecyclePolicy"`
	Name                       pulumi.StringPtrInput                            `pulumi:"name"`
	Tags                       pulumi.StringMapInput                            `pulumi:"tags"`
}

// constructRepository makes a repository and its lifecycle policy, as awsx does.
func constructRepository(ctx *pulumi.Context, typ, name string, inputs provider.ConstructInputs,
	options pulumi.ResourceOption,
) (*provider.ConstructResult, error) {
	var args xRepositoryArgs
	if err := inputs.CopyTo(&args); err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", typ, err)
	}
	component := &xRepository{}
	if err := ctx.RegisterComponentResource(typ, name, component, options); err != nil {
		return nil, err
	}
	repository, err := ecr.NewRepository(ctx, strings.ToLower(name), &ecr.RepositoryArgs{
		EncryptionConfigurations:   args.EncryptionConfigurations,
		ForceDelete:                args.ForceDelete,
		ImageScanningConfiguration: args.ImageScanningConfiguration,
		ImageTagMutability:         args.ImageTagMutability,
		Name:                       args.Name,
		Tags:                       args.Tags,
	}, pulumi.Parent(component))
	if err != nil {
		return nil, err
	}
	component.Repository, component.Url = repository.ToRepositoryOutput(), repository.RepositoryUrl
	var rules awsx.LifecyclePolicyPtrInput = awsx.LifecyclePolicyArgs{}
	if args.LifecyclePolicy != nil {
		rules = args.LifecyclePolicy
	}
	policy, err := text(rules.ToLifecyclePolicyPtrOutput().ApplyT(lifecycleDocument))
	if err != nil {
		return nil, err
	}
	lifecycle, err := ecr.NewLifecyclePolicy(ctx, strings.ToLower(name), &ecr.LifecyclePolicyArgs{
		Repository: repository.Name,
		Policy:     policy,
	}, pulumi.Parent(component))
	if err != nil {
		return nil, err
	}
	component.LifecyclePolicy = lifecycle.ToLifecyclePolicyOutput()
	if err := ctx.RegisterResourceOutputs(component, pulumi.Map{
		"lifecyclePolicy": component.LifecyclePolicy, "repository": component.Repository, "url": component.Url,
	}); err != nil {
		return nil, err
	}
	return provider.NewConstructResult(component)
}

// text is the output of an ApplyT whose function returns a string.
func text(o pulumi.Output) (pulumi.StringOutput, error) {
	out, ok := o.(pulumi.StringOutput)
	if !ok {
		return out, fmt.Errorf("a string output was expected, but %T was made", o)
	}
	return out, nil
}

type lifecycleRule struct {
	RulePriority int               `json:"rulePriority"`
	Description  string            `json:"description,omitempty"`
	Selection    map[string]any    `json:"selection"`
	Action       map[string]string `json:"action"`
}

// lifecycleDocument is ECR's document for awsx's rules; without rules, one untagged image is kept.
func lifecycleDocument(policy *awsx.LifecyclePolicy) (string, error) {
	if policy.Skip != nil && *policy.Skip {
		return "", errors.New("localcloud does not implement lifecyclePolicy.skip")
	}
	rules := slices.Clone(policy.Rules)
	if len(rules) == 0 {
		description, count := "remove untagged images", 1.0
		rules = []awsx.LifecyclePolicyRule{{Description: &description, TagStatus: awsx.LifecycleTagStatusUntagged, MaximumNumberOfImages: &count}}
	}
	// ECR wants the rule for any tag to have the highest priority number.
	slices.SortStableFunc(rules, func(a, b awsx.LifecyclePolicyRule) int {
		return anyTag(a) - anyTag(b)
	})
	document := struct {
		Rules []lifecycleRule `json:"rules"`
	}{}
	for i, rule := range rules {
		selection := map[string]any{"tagStatus": rule.TagStatus}
		switch {
		case rule.MaximumNumberOfImages != nil:
			selection["countType"], selection["countNumber"] = "imageCountMoreThan", *rule.MaximumNumberOfImages
		case rule.MaximumAgeLimit != nil:
			selection["countType"], selection["countUnit"], selection["countNumber"] = "sinceImagePushed", "days", *rule.MaximumAgeLimit
		default:
			return "", fmt.Errorf("lifecycle rule %d needs maximumNumberOfImages or maximumAgeLimit", i)
		}
		if len(rule.TagPrefixList) > 0 {
			selection["tagPrefixList"] = rule.TagPrefixList
		}
		converted := lifecycleRule{RulePriority: i + 1, Selection: selection, Action: map[string]string{"type": "expire"}}
		if rule.Description != nil {
			converted.Description = *rule.Description
		}
		document.Rules = append(document.Rules, converted)
	}
	content, err := json.Marshal(document)
	return string(content), err
}

func anyTag(rule awsx.LifecyclePolicyRule) int {
	if rule.TagStatus == awsx.LifecycleTagStatusAny {
		return 1
	}
	return 0
}
