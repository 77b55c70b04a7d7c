// Package image holds a container image that is built from a folder and
// pushed to an ECR repository of its own.
package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	awsxecr "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:image:Image"

// buildType is the resource that awsx builds and pushes with.
const buildType = "docker-build:index:Image"

// keptImages is how many pushed images the repository keeps: enough to roll
// back, few enough not to be paid for.
const keptImages = 10

// Args says what is built and where it goes.
type Args struct {
	// RepositoryName is the physical name of the ECR repository.
	RepositoryName string
	// Context is the folder of the build, with a Dockerfile in it.
	Context string
	// Platform is what the image is built for, such as linux/amd64. It must be
	// that of the instance type or of the function.
	Platform string
	// Target is the Dockerfile's stage to build. Empty means the last one.
	Target string
	// Contexts are further folders that the Dockerfile takes files from, by its
	// names for them: those of lower-case letters, digits, dots, hyphens and
	// underscores (Docker's manual, "Build context", named contexts). Optional.
	Contexts map[string]string
}

// Image is the pushed image.
type Image struct {
	pulumi.ResourceState

	// URI is the image with its digest, known once it is pushed.
	URI pulumi.StringOutput
}

// New builds and pushes the image. It takes a Docker engine with BuildKit.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Image, error) {
	if args == nil || args.RepositoryName == "" || args.Platform == "" {
		return nil, fmt.Errorf("image %q: %w", name, errors.New("RepositoryName, Context and Platform are required"))
	}
	tag, err := contentTag(args)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	image := &Image{}
	if err := ctx.RegisterComponentResource(Type, name, image, opts...); err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	parent := pulumi.Parent(image)
	repository, err := awsxecr.NewRepository(ctx, name, &awsxecr.RepositoryArgs{
		Name:               pulumi.String(args.RepositoryName),
		ImageTagMutability: pulumi.String("IMMUTABLE"),
		// The images came from here and go with the stack; ECR deletes no
		// repository that has any otherwise.
		ForceDelete: pulumi.Bool(true),
		ImageScanningConfiguration: &ecr.RepositoryImageScanningConfigurationArgs{
			ScanOnPush: pulumi.Bool(true),
		},
		LifecyclePolicy: &awsxecr.LifecyclePolicyArgs{Rules: awsxecr.LifecyclePolicyRuleArray{
			&awsxecr.LifecyclePolicyRuleArgs{
				Description:           pulumi.String("keep what a roll-back may need"),
				TagStatus:             awsxecr.LifecycleTagStatusAny,
				MaximumNumberOfImages: pulumi.Float64(keptImages),
			},
		}},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", name, err)
	}
	pushed, err := awsxecr.NewImage(ctx, name, &awsxecr.ImageArgs{
		RepositoryUrl: repository.Url,
		Context:       pulumi.String(args.Context),
		Platform:      pulumi.String(args.Platform),
		Target:        args.target(),
		// The tag that awsx would make depends on the folder's name only, so
		// with immutable tags the second push would be refused.
		ImageTag: pulumi.String(tag),
	}, parent, pulumi.Transforms([]pulumi.ResourceTransform{args.build}))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	image.URI = pushed.ImageUri
	if err := ctx.RegisterResourceOutputs(image, pulumi.Map{"uri": image.URI}); err != nil {
		return nil, fmt.Errorf("image %q: %w", name, err)
	}
	return image, nil
}

func (a *Args) target() pulumi.StringPtrInput {
	if a.Target == "" {
		return nil
	}
	return pulumi.StringPtr(a.Target)
}

// build changes the build that awsx registers, which has no arguments for this.
//
// SageMaker takes images with Docker's manifest only, and BuildKit makes OCI's
// by default (aws/amazon-sagemaker-feedback#180, moby/buildkit#6824). Lambda takes
// either (Lambda developer guide, "Create a Lambda function using a container
// image").
//
// awsx names the build after the tag, so new content is a new resource, and the
// old one would be deleted from the registry with its image: the one to roll
// back to, or even the one in use, where the content changed and the image did
// not. The repository's lifecycle policy removes old images instead.
func (a *Args) build(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
	if args.Type != buildType {
		return nil
	}
	if len(a.Contexts) > 0 {
		named := pulumi.Map{}
		for name, folder := range a.Contexts {
			named[name] = pulumi.Map{"location": pulumi.String(folder)}
		}
		args.Props["context"] = pulumi.Map{"location": pulumi.String(a.Context), "named": named}
	}
	// The export pushes; push is required, and is another export when true.
	args.Props["push"] = pulumi.Bool(false)
	args.Props["exports"] = pulumi.Array{pulumi.Map{"registry": pulumi.Map{
		"ociMediaTypes": pulumi.Bool(false),
		"push":          pulumi.Bool(true),
	}}}
	args.Opts.RetainOnDelete = true
	return &pulumi.ResourceTransformResult{Props: args.Props, Opts: args.Opts}
}
