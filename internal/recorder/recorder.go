// Package recorder runs a Pulumi program against a mocked engine and records
// what it registers, as an update, where outputs are known, or as a preview,
// where they are not.
package recorder

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Project is the name of the mocked project.
const Project = "scale-to-zero-inference"

// The account that the mocked provider works in.
const (
	Account   = "123456789012"
	Partition = "aws"
)

// Resource is one registered resource.
type Resource struct {
	Type, Name string
	// Parent is the URN of the parent.
	Parent string
	// Inputs are what the program gave. An input that depends on an output
	// which a preview does not know is missing.
	Inputs resource.PropertyMap
	// Secrets are the outputs that the engine must keep secret.
	Secrets []string
	// DependsOn are URNs.
	DependsOn []string
	// Retained says that the resource outlives the stack.
	Retained bool
	// DeletedFirst says that a replacement is created after the old one is gone.
	DeletedFirst bool
	// CreateTimeout is as the program gave it, such as "120m".
	CreateTimeout string
}

// Graph is what a program registered.
type Graph struct {
	mu        sync.Mutex
	preview   bool
	failing   string
	config    map[string]string
	secrets   []string
	Resources []Resource
}

// Option changes a run.
type Option func(*Graph)

// Preview makes the outputs of resources unknown.
func Preview(g *Graph) { g.preview = true }

// Failing makes the creation of resources of a type fail.
func Failing(token string) Option { return func(g *Graph) { g.failing = token } }

// Config gives the stack configuration, by full key.
func Config(values map[string]string) Option { return func(g *Graph) { g.config = values } }

// SecretKeys says which configuration values were given as secrets.
func SecretKeys(keys ...string) Option { return func(g *Graph) { g.secrets = keys } }

// Run runs the program in the stack.
func Run(stack string, program pulumi.RunFunc, options ...Option) (*Graph, error) {
	g := &Graph{}
	for _, option := range options {
		option(g)
	}
	err := pulumi.RunErr(program,
		pulumi.WithMocks(Project, stack, g),
		func(info *pulumi.RunInfo) {
			info.DryRun, info.Config, info.ConfigSecretKeys = g.preview, g.config, g.secrets
		})
	slices.SortFunc(g.Resources, func(a, b Resource) int {
		return strings.Compare(a.Type+" "+a.Name, b.Type+" "+b.Name)
	})
	return g, err
}

// NewResource records a resource and invents what its provider would answer.
func (g *Graph) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if args.TypeToken == g.failing {
		return "", nil, fmt.Errorf("%s failed", args.Name)
	}
	recorded := Resource{Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs}
	if rpc := args.RegisterRPC; rpc != nil {
		recorded.Parent = rpc.GetParent()
		recorded.Secrets = rpc.GetAdditionalSecretOutputs()
		recorded.DependsOn = rpc.GetDependencies()
		recorded.Retained = rpc.GetRetainOnDelete()
		recorded.DeletedFirst = rpc.GetDeleteBeforeReplace()
		recorded.CreateTimeout = rpc.GetCustomTimeouts().GetCreate()
	}
	g.Resources = append(g.Resources, recorded)
	outputs := args.Inputs.Copy()
	for name, value := range computed(args) {
		if _, given := outputs[name]; given {
			continue
		}
		if g.preview {
			value = resource.MakeComputed(resource.NewStringProperty(""))
		}
		outputs[name] = value
	}
	if g.preview || !args.Custom {
		return "", outputs, nil
	}
	return args.Name + "-id", outputs, nil
}

// computed are the outputs that this project's resources use.
func computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	name := resource.NewStringProperty(args.Name)
	outputs := resource.PropertyMap{"arn": resource.NewStringProperty("arn:aws:mock:::" + args.Name), "name": name}
	switch args.TypeToken {
	case "aws:apigateway/stage:Stage":
		outputs["invokeUrl"] = resource.NewStringProperty("https://api.example.com/" + args.Inputs["stageName"].StringValue())
	case "aws:apigateway/apiKey:ApiKey":
		outputs["value"] = resource.NewStringProperty("the-key")
	case "aws:cloudformation/stack:Stack":
		outputs["outputs"] = resource.NewObjectProperty(resource.PropertyMap{
			"EndpointArn": resource.NewStringProperty("arn:aws:sagemaker:mock"),
		})
	case "aws:sqs/queue:Queue":
		outputs["url"] = resource.NewStringProperty("https://sqs.example.com/" + args.Name)
	case "awsx:ecr:Repository":
		outputs["url"] = resource.NewStringProperty("registry.example.com/" + args.Name)
	case "awsx:ecr:Image":
		outputs["imageUri"] = resource.NewStringProperty("registry.example.com/" + args.Name + "@sha256:abc")
	}
	return outputs
}

// Call answers the functions that the program calls, and no others.
func (g *Graph) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	switch args.Token {
	case "aws:index/getCallerIdentity:getCallerIdentity":
		return resource.PropertyMap{"accountId": resource.NewStringProperty(Account)}, nil
	case "aws:index/getPartition:getPartition":
		return resource.PropertyMap{"partition": resource.NewStringProperty(Partition)}, nil
	}
	return nil, fmt.Errorf("the program called %s, which is not expected", args.Token)
}

// OfType are the recorded resources of a type, by name.
func (g *Graph) OfType(token string) []Resource {
	var found []Resource
	for _, r := range g.Resources {
		if r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// Only is the one resource of a type; the test ends if there are none or more.
func (g *Graph) Only(t testing.TB, token string) Resource {
	t.Helper()
	found := g.OfType(token)
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s are registered; want 1", len(found), token)
	}
	return found[0]
}

// Orphans are the resources that descend from no component of the project:
// what registers beside its component cannot be found, moved or deleted with it.
func (g *Graph) Orphans() []string {
	var orphans []string
	for _, r := range g.Resources {
		if !strings.HasPrefix(r.Type, "scaletozero:") && r.Type != "pulumi:pulumi:Stack" &&
			!strings.Contains(r.Parent, "::scaletozero:") && !strings.Contains(r.Parent, "$") {
			orphans = append(orphans, r.Type+" "+r.Name)
		}
	}
	return orphans
}
