// Package settings is the stack's configuration as typed values: read,
// defaulted and judged as a whole before anything is registered.
package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"scaletozero/components/arn"
	"scaletozero/components/endpoint"
	"scaletozero/components/gateway"
)

// Settings is a stack's configuration. The names are physical: they carry the
// stack's name, so that stacks of one account do not meet.
type Settings struct {
	Stack  string
	Region string

	EndpointName           string
	InferenceComponentName string
	APIName                string
	RepositoryName         string
	ExecutionRoleName      string
	GatewayRoleName        string

	// Exactly one of ImageURI and ImageContext is set.
	ImageURI     string
	ImageContext string
	// ImageAccount, ImageRegion and ImageRepository are the parts of ImageURI.
	ImageAccount, ImageRegion, ImageRepository string

	InstanceType         string
	MinInstanceCount     int
	InitialInstanceCount int
	MaxInstanceCount     int

	CPUCores              float64
	MemoryMB              int
	Accelerators          int
	StartupTimeoutSeconds int
	Environment           map[string]string
	// SecretEnvironment says that a value in Environment was given as a secret.
	SecretEnvironment bool
	SubnetIDs         []string
	SecurityGroupIDs  []string
	// NetworkIsolation keeps the model's containers from any network.
	NetworkIsolation bool
	// KMSKeyArn encrypts what is kept; empty for AWS's own keys.
	KMSKeyArn string

	RoutePath     string
	RequestSchema *openapi3.Schema
	AllowOrigin   string
	APIKeys       []gateway.APIKey
	RateLimit     float64
	BurstLimit    int
	MonthlyQuota  int

	LogRetentionDays int
	ManageAccount    bool

	// Build is which of the builds of the functions to take: one of
	// function.Architectures, or the machine's own for the local cloud.
	// Architecture is what that is built for.
	Build, Architecture string

	// Function is nil where the model runs on an endpoint. The others are nil where
	// the stack has none.
	Function  *Function
	Queue     *Queue
	Firewall  *Firewall
	SLO       *SLO
	Dashboard *Dashboard
}

// Source reads one configuration value as Pulumi hands it to a program: text,
// and JSON for lists and objects. Keys are the project's own, or full ones
// such as aws:region.
type Source func(key string) (value string, found bool)

// set reads a value that is not empty. Pulumi demands a value for every key that
// Pulumi.yaml declares without a default, so an empty one stands for none.
func (s Source) set(key string) (string, bool) {
	value, found := s(key)
	return value, found && value != ""
}

// Load reads the configuration of the running stack.
func Load(ctx *pulumi.Context) (*Settings, error) {
	own, cloud := config.New(ctx, ""), config.New(ctx, "aws")
	s, err := Parse(ctx.Stack(), func(key string) (string, bool) {
		get := own.Try
		if name, ok := strings.CutPrefix(key, "aws:"); ok {
			key, get = name, cloud.Try
		}
		value, err := get(key)
		return value, err == nil
	})
	if err != nil {
		return nil, err
	}
	s.SecretEnvironment = ctx.IsConfigSecret(ctx.Project() + ":environment")
	return s, nil
}

// Parse reads the configuration of a stack from its source. The error lists
// every problem, each with the key, the value, what is allowed and the command
// that sets it.
func Parse(stack string, source Source) (*Settings, error) {
	r := &reader{source: source.set}
	s := &Settings{
		Stack:  stack,
		Region: r.text("aws:region", "ap-northeast-1", region, "a region's code such as ap-northeast-1"),

		InstanceType:         r.text("instanceType", "ml.m5.large", instanceType, "a SageMaker instance type such as ml.m5.large"),
		MinInstanceCount:     r.integer("minInstanceCount", 0, 0, maxInstances),
		InitialInstanceCount: r.integer("initialInstanceCount", 1, 1, maxInstances),
		MaxInstanceCount:     r.integer("maxInstanceCount", 3, 1, maxInstances),

		CPUCores:     r.number("cpuCores", 1, endpoint.MinCPUCores, maxCores),
		MemoryMB:     r.integer("memoryMb", 1024, endpoint.MinMemoryMB, maxMemoryMB),
		Accelerators: r.integer("accelerators", 0, 0, maxAccelerators),
		StartupTimeoutSeconds: r.integer("containerStartupHealthCheckTimeoutSeconds", endpoint.MaxStartupTimeoutSeconds,
			endpoint.MinStartupTimeoutSeconds, endpoint.MaxStartupTimeoutSeconds),
		Environment:      r.environment("environment"),
		SubnetIDs:        r.list("subnetIds", subnetID, "a subnet id such as subnet-0a1b2c3d"),
		SecurityGroupIDs: r.list("securityGroupIds", securityGroupID, "a security group id such as sg-0a1b2c3d"),
		NetworkIsolation: r.boolean("networkIsolation", true),
		KMSKeyArn:        r.checked("kmsKeyArn", "", arn.IsKey, "the ARN of a KMS key"),

		RateLimit:    r.number("rateLimit", 10, minRate, maxRate),
		BurstLimit:   r.integer("burstLimit", 20, 1, maxBurst),
		MonthlyQuota: r.integer("monthlyQuota", 10_000, 1, maxQuota),

		ManageAccount: r.boolean("manageApiGatewayAccount", false),
	}
	r.gateway(s)
	s.APIKeys = r.apiKeys()
	r.image(s)
	r.function(s)
	r.queue(s)
	r.firewall(s)
	r.slo(s)
	r.dashboard(s)
	r.names(s)
	r.together(s)
	if err := r.refusal(stack); err != nil {
		return nil, err
	}
	return s, nil
}

// Bounds that AWS has by default or that no sensible stack passes; they catch
// a slip of the finger, not a quota.
const (
	maxInstances    = 1000
	maxCores        = 192
	maxMemoryMB     = 2 * 1024 * 1024
	maxAccelerators = 16
	minRate         = 0.1
	maxRate         = 10_000
	maxBurst        = 5_000
	maxQuota        = 1_000_000_000
)

var (
	region          = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`)
	instanceType    = regexp.MustCompile(`^ml\.[a-z0-9-]+\.[a-z0-9-]+$`)
	subnetID        = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	securityGroupID = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
	graviton        = regexp.MustCompile(`^ml\.[a-z]+\d+g[a-z]*\.`)
)

// platforms are Docker's names for Lambda's architectures.
var platforms = map[string]string{"arm64": "linux/arm64", "x86_64": "linux/amd64"}

// Platform is what an image for the function's architecture or the instance type
// is built for.
func (s *Settings) Platform() string {
	if s.Function != nil {
		return platforms[s.Architecture]
	}
	if graviton.MatchString(s.InstanceType) {
		return "linux/arm64"
	}
	return "linux/amd64"
}

// ContainerEnvironment is the environment as the model gets it: secret as a
// whole if any of it was given as a secret.
func (s *Settings) ContainerEnvironment() pulumi.StringMapInput { return s.secretly(s.Environment) }

func (s *Settings) secretly(variables map[string]string) pulumi.StringMapInput {
	environment := pulumi.ToStringMap(variables)
	if !s.SecretEnvironment {
		return environment
	}
	return pulumi.ToSecret(environment).(pulumi.StringMapOutput) //nolint:errcheck // ToSecret keeps the type of its input.
}

// VPC is where the containers are, or nil for SageMaker's own network.
func (s *Settings) VPC() *endpoint.VPC {
	if len(s.SubnetIDs) == 0 {
		return nil
	}
	return &endpoint.VPC{SubnetIDs: s.SubnetIDs, SecurityGroupIDs: s.SecurityGroupIDs}
}

// together checks what no key can say alone.
func (r *reader) together(s *Settings) {
	r.keyRegion(s)
	if s.MinInstanceCount > s.MaxInstanceCount {
		r.refuse("minInstanceCount", s.MinInstanceCount, fmt.Sprintf("at most maxInstanceCount (%d)", s.MaxInstanceCount), "minInstanceCount 0")
	}
	if low := max(1, s.MinInstanceCount); s.InitialInstanceCount > s.MaxInstanceCount || s.InitialInstanceCount < low {
		r.refuse("initialInstanceCount", s.InitialInstanceCount,
			fmt.Sprintf("from %d to maxInstanceCount (%d)", low, s.MaxInstanceCount), "initialInstanceCount 1")
	}
	if (len(s.SubnetIDs) == 0) != (len(s.SecurityGroupIDs) == 0) {
		r.problems = append(r.problems, "subnetIds and securityGroupIds: one is set and the other is not; "+
			"a VPC needs both; set them with `pulumi config set --path 'subnetIds[0]' subnet-…` and `pulumi config set --path 'securityGroupIds[0]' sg-…`")
	}
}

// refusal is all that is wrong with the stack's configuration, or nil.
func (r *reader) refusal(stack string) error {
	if len(r.problems) == 0 {
		return nil
	}
	return fmt.Errorf("the configuration of stack %s has %s:\n  - %w", stack, count(len(r.problems)), joined(r.problems))
}

func count(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

func joined(problems []string) error {
	return errors.New(strings.Join(slices.Compact(problems), "\n  - "))
}
