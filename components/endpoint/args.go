package endpoint

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Limits of SageMaker's API: ProductionVariant,
// InferenceComponentComputeResourceRequirements and CreateEndpoint in the
// SageMaker API reference.
const (
	MinStartupTimeoutSeconds = 60
	MaxStartupTimeoutSeconds = 3600
	MinMemoryMB              = 128
	MinCPUCores              = 0.25
	MaxNameLength            = 63
)

// DefaultTargetConcurrency is the number of requests in flight per copy that
// target tracking keeps to when Args.TargetConcurrency is 0. It is the value
// of AWS's announcement of scaling to zero (AWS machine learning blog, "Unlock
// cost savings with the new scale down to zero feature in SageMaker
// Inference").
const DefaultTargetConcurrency = 5

// Args describes a real-time endpoint with one inference component.
type Args struct {
	// EndpointName and InferenceComponentName are physical names, up to 63
	// letters, digits and hyphens. Callers, roles and scaling policies refer
	// to them, so they are plain strings that a preview knows.
	EndpointName           string
	InferenceComponentName string

	// ImageURI is the model's container image in ECR, by digest where a new
	// push must be noticed.
	ImageURI pulumi.StringInput
	// Environment is handed to the container. Optional.
	Environment pulumi.StringMapInput
	// ExecutionRoleArn is the role that SageMaker pulls and runs the image with.
	ExecutionRoleArn pulumi.StringInput

	// InstanceType is a SageMaker instance type, such as ml.m5.large.
	InstanceType string
	// MinInstanceCount is the number of instances, and of copies, that stay
	// when nobody calls. 0 is what this component is for.
	MinInstanceCount int
	// InitialInstanceCount is how many instances and copies the endpoint
	// starts with. AWS refuses 0, so creation always bills one instance for a
	// while.
	InitialInstanceCount int
	// MaxInstanceCount is the upper bound of instances and of copies.
	MaxInstanceCount int

	// CPUCores, MemoryMB and Accelerators are reserved for each copy of the
	// model. Cores may be fractions from 0.25; memory is in MiB from 128 and
	// is a reservation, not a cap; accelerators are left out when 0.
	CPUCores     float64
	MemoryMB     int
	Accelerators int

	// StartupTimeoutSeconds is how long a container may take until /ping
	// answers, from 60 to 3600.
	StartupTimeoutSeconds int

	// TargetConcurrency is the number of requests in flight per copy above
	// which copies are added. 0 means DefaultTargetConcurrency.
	TargetConcurrency float64

	// NetworkIsolation keeps the containers from any network: they can call
	// nobody, not even in the VPC, and get no AWS credentials. Requests and logs
	// still pass, since SageMaker carries them outside of the container (AWS
	// re:Post, "How does my SageMaker container access Amazon S3 data and push
	// logs to CloudWatch when I turn on network isolation?").
	NetworkIsolation bool
	// VPC connects the model's containers to a VPC. Optional.
	VPC *VPC
	// KMSKeyArn encrypts the instances' storage volumes. Optional; instance
	// types with local NVMe storage refuse it (SageMaker API reference,
	// CreateEndpointConfig, KmsKeyId).
	KMSKeyArn string
}

// VPC is where the containers' network interfaces are.
type VPC struct {
	SubnetIDs        []string
	SecurityGroupIDs []string
}

var resourceName = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`)

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	for _, field := range []struct{ name, value string }{
		{"EndpointName", a.EndpointName}, {"InferenceComponentName", a.InferenceComponentName},
	} {
		if len(field.value) > MaxNameLength || !resourceName.MatchString(field.value) {
			refuse("%s is %q; SageMaker takes 1 to %d letters, digits and hyphens, with no hyphen first or last",
				field.name, field.value, MaxNameLength)
		}
	}
	if a.ImageURI == nil {
		refuse("ImageURI is missing; give the model's container image in ECR")
	}
	if a.ExecutionRoleArn == nil {
		refuse("ExecutionRoleArn is missing; AWS demands it where an endpoint names no model")
	}
	if a.InstanceType == "" {
		refuse("InstanceType is missing; give a SageMaker instance type such as ml.m5.large")
	}
	if a.MinInstanceCount < 0 || a.MinInstanceCount > a.MaxInstanceCount {
		refuse("MinInstanceCount is %d; it must be from 0 to MaxInstanceCount (%d)", a.MinInstanceCount, a.MaxInstanceCount)
	}
	if low := max(1, a.MinInstanceCount); a.InitialInstanceCount < low || a.InitialInstanceCount > a.MaxInstanceCount {
		refuse("InitialInstanceCount is %d; it must be from %d to MaxInstanceCount (%d)", a.InitialInstanceCount, low, a.MaxInstanceCount)
	}
	if a.CPUCores < MinCPUCores {
		refuse("CPUCores is %g; a copy needs at least %g", a.CPUCores, MinCPUCores)
	}
	if a.MemoryMB < MinMemoryMB {
		refuse("MemoryMB is %d; a copy needs at least %d", a.MemoryMB, MinMemoryMB)
	}
	if a.Accelerators < 0 {
		refuse("Accelerators is %d; give 0 for none", a.Accelerators)
	}
	if a.StartupTimeoutSeconds < MinStartupTimeoutSeconds || a.StartupTimeoutSeconds > MaxStartupTimeoutSeconds {
		refuse("StartupTimeoutSeconds is %d; it must be from %d to %d", a.StartupTimeoutSeconds, MinStartupTimeoutSeconds, MaxStartupTimeoutSeconds)
	}
	if a.TargetConcurrency < 0 {
		refuse("TargetConcurrency is %g; give the requests in flight per copy, or 0 for %d", a.TargetConcurrency, DefaultTargetConcurrency)
	}
	if a.VPC != nil && (len(a.VPC.SubnetIDs) == 0 || len(a.VPC.SecurityGroupIDs) == 0) {
		refuse("VPC has %d subnets and %d security groups; it needs at least one of each", len(a.VPC.SubnetIDs), len(a.VPC.SecurityGroupIDs))
	}
	return errors.Join(problems...)
}
