package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker-build/sdk/go/dockerbuild"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
)

type xImage struct {
	pulumi.ResourceState

	ImageUri pulumi.StringOutput `pulumi:"imageUri"`
}

// xImageArgs are awsx's arguments, once they are known.
type xImageArgs struct {
	Args           map[string]string `json:"args"`
	BuilderVersion string            `json:"builderVersion"`
	CacheFrom      []string          `json:"cacheFrom"`
	Context        string            `json:"context"`
	Dockerfile     string            `json:"dockerfile"`
	ImageName      string            `json:"imageName"`
	ImageTag       string            `json:"imageTag"`
	Platform       string            `json:"platform"`
	RegistryID     string            `json:"registryId"`
	RepositoryURL  string            `json:"repositoryUrl"`
	Target         string            `json:"target"`
}

// constructImage makes the build that pushes the image, as awsx does: once all of its arguments are known, so that a
// preview in which the repository is new does not have it.
func constructImage(ctx *pulumi.Context, typ, name string, inputs provider.ConstructInputs,
	options pulumi.ResourceOption,
) (*provider.ConstructResult, error) {
	component := &xImage{}
	if err := ctx.RegisterComponentResource(typ, name, component, options); err != nil {
		return nil, err
	}
	given, err := inputs.Map()
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", typ, err)
	}
	component.ImageUri, err = text(given.ToMapOutput().ApplyT(func(values map[string]any) (pulumi.StringOutput, error) {
		var args xImageArgs
		content, err := json.Marshal(values)
		if err == nil {
			decoder := json.NewDecoder(bytes.NewReader(content))
			decoder.DisallowUnknownFields()
			err = decoder.Decode(&args)
		}
		if err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("the arguments of %s %s: %w", typ, name, err)
		}
		return args.build(ctx, component)
	}))
	if err != nil {
		return nil, err
	}
	if err := ctx.RegisterResourceOutputs(component, pulumi.Map{"imageUri": component.ImageUri}); err != nil {
		return nil, err
	}
	return provider.NewConstructResult(component)
}

// build registers the build and returns the image's reference, which has the digest and no tag.
func (a xImageArgs) build(ctx *pulumi.Context, component *xImage) (pulumi.StringOutput, error) {
	note := "localcloud does not build the image: the model program that localcloud was started with stands in for it"
	if err := ctx.Log.Info(note, &pulumi.LogArgs{Resource: component}); err != nil {
		return pulumi.StringOutput{}, err
	}
	name := a.name(ctx.Stack())
	tagged := a.RepositoryURL + ":" + name
	registry, err := a.registry(ctx, component)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if len(a.CacheFrom) == 0 {
		a.CacheFrom = []string{tagged}
	}
	var caches dockerbuild.CacheFromArray
	for _, cache := range a.CacheFrom {
		caches = append(caches, dockerbuild.CacheFromArgs{Registry: dockerbuild.CacheFromRegistryArgs{Ref: pulumi.String(cache)}})
	}
	platforms := dockerbuild.PlatformArray{}
	if a.Platform != "" {
		platforms = append(platforms, dockerbuild.Platform(a.Platform))
	}
	image, err := dockerbuild.NewImage(ctx, name, &dockerbuild.ImageArgs{
		Tags:       pulumi.StringArray{pulumi.String(tagged)},
		BuildArgs:  pulumi.ToStringMap(a.Args),
		CacheFrom:  caches,
		CacheTo:    dockerbuild.CacheToArray{dockerbuild.CacheToArgs{Inline: dockerbuild.CacheToInlineArgs{}}},
		Context:    dockerbuild.BuildContextArgs{Location: pulumi.String(a.location())},
		Dockerfile: dockerbuild.DockerfileArgs{Location: optional(a.Dockerfile)},
		Platforms:  platforms,
		Target:     optional(a.Target),
		Push:       pulumi.Bool(true),
		Registries: dockerbuild.RegistryArray{registry},
	}, pulumi.Parent(component))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return text(image.Digest.ApplyT(func(digest string) string { return a.RepositoryURL + "@" + digest }))
}

// name is the logical name of the build and the image's tag. Without one that is given, it follows from where the
// build's files are, not from what is in them.
func (a xImageArgs) name(stack string) string {
	switch {
	case a.ImageName != "":
		return a.ImageName
	case a.ImageTag != "":
		return a.ImageTag
	default:
		return fmt.Sprintf("%s-container", token(40, a.location(), a.Dockerfile, fmt.Sprint(a.Args), stack))
	}
}

func (a xImageArgs) location() string {
	if a.Context == "" {
		return "."
	}
	return a.Context
}

// registry are the credentials of the repository's registry, whose ID is the first part of its host name.
func (a xImageArgs) registry(ctx *pulumi.Context, component *xImage) (dockerbuild.RegistryInput, error) {
	id := a.RegistryID
	if id == "" {
		id, _, _ = strings.Cut(strings.TrimPrefix(a.RepositoryURL, "https://"), ".")
	}
	token, err := ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenArgs{RegistryId: &id}, pulumi.Parent(component))
	if err != nil {
		return nil, err
	}
	password, ok := pulumi.ToSecret(pulumi.String(token.Password)).(pulumi.StringOutput)
	if !ok {
		return nil, fmt.Errorf("the password of registry %s cannot be made a secret", id)
	}
	return dockerbuild.RegistryArgs{
		Address: pulumi.String(token.ProxyEndpoint), Username: pulumi.String(token.UserName), Password: password,
	}, nil
}

func optional(value string) pulumi.StringPtrInput {
	if value == "" {
		return nil
	}
	return pulumi.String(value)
}
