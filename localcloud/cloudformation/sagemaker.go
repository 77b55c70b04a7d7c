package cloudformation

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"scaletozero/localcloud/endpoint"
)

// The resource types that this package implements.
const (
	TypeEndpointConfig     = "AWS::SageMaker::EndpointConfig"
	TypeEndpoint           = "AWS::SageMaker::Endpoint"
	TypeInferenceComponent = "AWS::SageMaker::InferenceComponent"
)

// resourceType is what CloudFormation's registry says about a type.
type resourceType struct {
	// nameProperty is the property with the physical name; arnPart stands before it in the ARN.
	nameProperty, arnPart string
	// createOnly are the properties whose change replaces the resource; "*" stands for all.
	createOnly []string
	// check refuses what the service refuses, in resolved properties. old is nil at creation.
	check func(d *deployment, r, old *Resource) error
}

var types = map[string]*resourceType{
	TypeEndpointConfig: {
		nameProperty: "EndpointConfigName", arnPart: "endpoint-config", createOnly: []string{"*"}, check: checkEndpointConfig,
	},
	TypeEndpoint: {
		nameProperty: "EndpointName", arnPart: "endpoint", createOnly: []string{"EndpointName"}, check: checkEndpoint,
	},
	// The schema of the inference component declares no create-only property, but UpdateInferenceComponent takes
	// neither a name, nor an endpoint, nor a variant.
	TypeInferenceComponent: {
		nameProperty: "InferenceComponentName", arnPart: "inference-component",
		createOnly: []string{"InferenceComponentName", "EndpointName", "VariantName"}, check: checkInferenceComponent,
	},
}

func typeNames() []string { return sortedKeys(types) }

// attributes are what Fn::GetAtt gives: EndpointName and EndpointArn, for example.
func (t *resourceType) attributes(r *Resource) map[string]string {
	return map[string]string{t.nameProperty: r.Name, strings.TrimSuffix(t.nameProperty, "Name") + "Arn": r.ARN}
}

// replaces tells whether the change from old to next needs a new physical resource.
func (t *resourceType) replaces(old, next map[string]any) bool {
	for key := range union(old, next) {
		if !equal(old[key], next[key]) && (slices.Contains(t.createOnly, key) || t.createOnly[0] == "*") {
			return true
		}
	}
	return false
}

type endpointConfig struct {
	EndpointConfigName     string
	ExecutionRoleArn       string
	ProductionVariants     []productionVariant
	KmsKeyId               string
	EnableNetworkIsolation boolean
	VpcConfig              *vpcConfig
	Tags                   []tag
}

type productionVariant struct {
	VariantName                                 string
	ModelName                                   string
	InstanceType                                string
	InitialInstanceCount                        *integer
	InitialVariantWeight                        *number
	ContainerStartupHealthCheckTimeoutInSeconds *integer
	ModelDataDownloadTimeoutInSeconds           *integer
	InferenceAmiVersion                         string
	VolumeSizeInGB                              *integer
	EnableSSMAccess                             *boolean
	RoutingConfig                               *struct{ RoutingStrategy string }
	ManagedInstanceScaling                      *managedInstanceScaling
}

type managedInstanceScaling struct {
	Status                             string
	MinInstanceCount, MaxInstanceCount *integer
	ScaleInPolicy                      json.RawMessage
}

// The statuses of managed instance scaling.
const (
	scalingEnabled  = "ENABLED"
	scalingDisabled = "DISABLED"
)

type vpcConfig struct{ SecurityGroupIds, Subnets []string }

type tag struct{ Key, Value string }

type endpointProperties struct {
	EndpointName                     string
	EndpointConfigName               string
	RetainAllVariantProperties       boolean
	ExcludeRetainedVariantProperties []struct{ VariantPropertyType string }
	RetainDeploymentConfig           boolean
	DeploymentConfig                 json.RawMessage
	Tags                             []tag
}

type inferenceComponent struct {
	InferenceComponentName string
	EndpointName           string
	VariantName            string
	Specification          *componentSpecification
	RuntimeConfig          *struct{ CopyCount *integer }
	DeploymentConfig       json.RawMessage
	Tags                   []tag
}

type componentSpecification struct {
	ModelName         string
	Container         *componentContainer
	StartupParameters *struct {
		ContainerStartupHealthCheckTimeoutInSeconds *integer
		ModelDataDownloadTimeoutInSeconds           *integer
	}
	ComputeResourceRequirements *struct {
		MinMemoryRequiredInMb              *integer
		MaxMemoryRequiredInMb              *integer
		NumberOfCpuCoresRequired           *number
		NumberOfAcceleratorDevicesRequired *number
	}
}

type componentContainer struct {
	Image, ArtifactUrl string
	Environment        map[string]string
}

func checkEndpointConfig(_ *deployment, r, _ *Resource) error {
	var c endpointConfig
	if err := r.decode(&c); err != nil {
		return err
	}
	if len(c.ProductionVariants) == 0 {
		return errors.New("ProductionVariants must have at least one variant")
	}
	for _, v := range c.ProductionVariants {
		if err := v.check(c.ExecutionRoleArn); err != nil {
			return fmt.Errorf("variant %q: %w", v.VariantName, err)
		}
	}
	return nil
}

// check holds CreateEndpointConfig's rules for a variant (API_ProductionVariant and
// API_ProductionVariantManagedInstanceScaling in the SageMaker API reference).
func (v productionVariant) check(executionRole string) error {
	scaling := v.ManagedInstanceScaling
	switch {
	case !namePattern.MatchString(v.VariantName):
		return fmt.Errorf("VariantName must match %s", namePattern)
	case v.ModelName != "" && scaling != nil:
		return errors.New("ManagedInstanceScaling is only supported for inference component endpoints: " +
			"a variant with ManagedInstanceScaling must not specify a ModelName")
	case v.ModelName != "":
		return errors.New("localcloud runs inference components only: leave ModelName out of the variant")
	case executionRole == "":
		return errors.New("ExecutionRoleArn is required for an endpoint config whose variant specifies no ModelName")
	case v.InstanceType == "":
		return errors.New("InstanceType is required for a variant without a ModelName")
	case v.InitialInstanceCount == nil || *v.InitialInstanceCount < 1:
		return errors.New("InitialInstanceCount must be a value greater than or equal to 1")
	}
	for name, seconds := range map[string]*integer{
		"ContainerStartupHealthCheckTimeoutInSeconds": v.ContainerStartupHealthCheckTimeoutInSeconds,
		"ModelDataDownloadTimeoutInSeconds":           v.ModelDataDownloadTimeoutInSeconds,
	} {
		if seconds != nil && (*seconds < 60 || *seconds > 3600) {
			return fmt.Errorf("%s must be between 60 and 3600, but is %d", name, *seconds)
		}
	}
	if v.RoutingConfig != nil && !slices.Contains([]string{"LEAST_OUTSTANDING_REQUESTS", "RANDOM"}, v.RoutingConfig.RoutingStrategy) {
		return errors.New("RoutingStrategy must be LEAST_OUTSTANDING_REQUESTS or RANDOM")
	}
	return scaling.check(int(*v.InitialInstanceCount))
}

// limits are the least and the most instances. Without managed instance scaling
// there are always as many as at first.
func (m *managedInstanceScaling) limits(initial int) (lowest, highest int) {
	if m == nil || m.Status != scalingEnabled {
		return initial, initial
	}
	lowest, highest = 1, initial
	if m.MinInstanceCount != nil {
		lowest = int(*m.MinInstanceCount)
	}
	if m.MaxInstanceCount != nil {
		highest = int(*m.MaxInstanceCount)
	}
	return lowest, highest
}

func (m *managedInstanceScaling) check(initial int) error {
	if m == nil {
		return nil
	}
	if m.Status != scalingEnabled && m.Status != scalingDisabled {
		return fmt.Errorf("ManagedInstanceScaling.Status must be %s or %s", scalingEnabled, scalingDisabled)
	}
	lowest, highest := m.limits(initial)
	switch {
	case lowest < 0:
		return errors.New("MinInstanceCount must be a value greater than or equal to 0")
	case highest < 1:
		return errors.New("MaxInstanceCount must be a value greater than or equal to 1")
	case lowest > highest:
		return fmt.Errorf("MinInstanceCount (%d) must not be greater than MaxInstanceCount (%d)", lowest, highest)
	case initial > highest:
		return fmt.Errorf("InitialInstanceCount (%d) must not be greater than MaxInstanceCount (%d)", initial, highest)
	}
	return nil
}

func checkEndpoint(d *deployment, r, old *Resource) error {
	var e endpointProperties
	if err := r.decode(&e); err != nil {
		return err
	}
	variants, err := d.variants(e.EndpointConfigName)
	if err != nil {
		return err
	}
	if len(variants) > 1 {
		return fmt.Errorf("endpoint configuration %q has %d variants: localcloud runs endpoints with one", e.EndpointConfigName, len(variants))
	}
	initial := int(*variants[0].InitialInstanceCount)
	lowest, highest := variants[0].ManagedInstanceScaling.limits(initial)
	r.Endpoint = &endpoint.Endpoint{
		Name: r.Name, InstanceType: variants[0].InstanceType, InitialInstances: initial, MinInstances: lowest, MaxInstances: highest,
	}
	if old != nil && !equal(old.Properties["EndpointConfigName"], r.Properties["EndpointConfigName"]) && !bool(e.RetainAllVariantProperties) {
		return errors.New("UpdateEndpoint of an endpoint with inference components needs RetainAllVariantProperties: " +
			"otherwise the new InitialInstanceCount must equal the number of running instances")
	}
	return nil
}

func checkInferenceComponent(d *deployment, r, _ *Resource) error {
	var c inferenceComponent
	if err := r.decode(&c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := d.checkVariant(c.EndpointName, c.VariantName); err != nil {
		return err
	}
	container := endpoint.Component{
		Name: r.Name, Endpoint: c.EndpointName, Copies: int(*c.RuntimeConfig.CopyCount), StartupTimeout: c.startupTimeout(),
		Needs: c.Specification.needs(),
	}
	if c.Specification.Container != nil {
		container.Image, container.Environment = c.Specification.Container.Image, c.Specification.Container.Environment
	} else {
		image, environment, ok := d.cloud.Model(c.Specification.ModelName)
		if !ok {
			return fmt.Errorf("ValidationException: Could not find model %q", c.Specification.ModelName)
		}
		container.Image, container.Environment = image, environment
	}
	r.Component = &container
	return nil
}

// check holds CreateInferenceComponent's rules.
func (c *inferenceComponent) check() error {
	switch {
	case c.VariantName == "":
		return errors.New("VariantName is required")
	case c.Specification == nil:
		return errors.New("Specification is required")
	case (c.Specification.ModelName == "") == (c.Specification.Container == nil):
		return errors.New("Specification must have either a ModelName or a Container")
	case c.Specification.Container != nil && c.Specification.Container.Image == "":
		return errors.New("Specification.Container.Image is required")
	case c.Specification.ComputeResourceRequirements == nil:
		return errors.New("Specification.ComputeResourceRequirements is required")
	case c.RuntimeConfig == nil || c.RuntimeConfig.CopyCount == nil || *c.RuntimeConfig.CopyCount < 1:
		return errors.New("RuntimeConfig.CopyCount: specify for the copy count an integer larger than 0")
	}
	if timeout := c.startupTimeout(); timeout != 0 && (timeout < time.Minute || timeout > time.Hour) {
		return errors.New("ContainerStartupHealthCheckTimeoutInSeconds must be between 60 and 3600")
	}
	needs := c.Specification.ComputeResourceRequirements
	switch {
	case needs.MinMemoryRequiredInMb == nil || *needs.MinMemoryRequiredInMb < 128:
		return errors.New("MinMemoryRequiredInMb is required and must be at least 128")
	case needs.NumberOfCpuCoresRequired != nil && *needs.NumberOfCpuCoresRequired < 0.25:
		return errors.New("NumberOfCpuCoresRequired must be at least 0.25")
	case needs.NumberOfAcceleratorDevicesRequired != nil && *needs.NumberOfAcceleratorDevicesRequired < 1:
		return errors.New("NumberOfAcceleratorDevicesRequired must be at least 1: leave it out for CPU instances")
	}
	return nil
}

func (s *componentSpecification) needs() endpoint.Requirements {
	declared := s.ComputeResourceRequirements
	needs := endpoint.Requirements{MemoryMB: int(*declared.MinMemoryRequiredInMb)}
	if declared.NumberOfCpuCoresRequired != nil {
		needs.CPUCores = float64(*declared.NumberOfCpuCoresRequired)
	}
	if declared.NumberOfAcceleratorDevicesRequired != nil {
		needs.Accelerators = float64(*declared.NumberOfAcceleratorDevicesRequired)
	}
	return needs
}

func (c *inferenceComponent) startupTimeout() time.Duration {
	if c.Specification.StartupParameters == nil || c.Specification.StartupParameters.ContainerStartupHealthCheckTimeoutInSeconds == nil {
		return 0
	}
	return time.Duration(*c.Specification.StartupParameters.ContainerStartupHealthCheckTimeoutInSeconds) * time.Second
}

// checkVariant refuses an inference component on an endpoint or variant that does not exist.
func (d *deployment) checkVariant(endpointName, variant string) error {
	e := d.find(TypeEndpoint, endpointName)
	if e == nil {
		return fmt.Errorf("ValidationException: Could not find endpoint %q", endpointName)
	}
	name, _ := e.Properties["EndpointConfigName"].(string)
	variants, err := d.variants(name)
	if err != nil {
		return err
	}
	for _, v := range variants {
		if v.VariantName == variant {
			return nil
		}
	}
	return fmt.Errorf("endpoint %q has no variant %q", endpointName, variant)
}

// variants are those of a living endpoint configuration.
func (d *deployment) variants(configName string) ([]productionVariant, error) {
	config := d.find(TypeEndpointConfig, configName)
	if config == nil {
		return nil, fmt.Errorf("ValidationException: Could not find endpoint configuration %q", configName)
	}
	var c endpointConfig
	err := config.decode(&c)
	return c.ProductionVariants, err
}

// namePattern is SageMaker's pattern of physical names; their length is at most 63.
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`)

func checkName(property, name string) error {
	if len(name) > 63 || !namePattern.MatchString(name) {
		return fmt.Errorf("%s is %q: it must have at most 63 characters and match %s", property, name, namePattern)
	}
	return nil
}
