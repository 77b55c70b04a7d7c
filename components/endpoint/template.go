package endpoint

import (
	"encoding/json"
	"fmt"
)

// The template's logical ids.
const (
	configID    = "EndpointConfig"
	endpointID  = "Endpoint"
	componentID = "InferenceComponent"
)

// Names of the template's parameters. Everything that varies between stacks or
// over time is a parameter, so that a preview shows the one line that changes
// and an unknown value hides nothing else.
const (
	paramAccelerators      = "AcceleratorDevices"
	paramCopyCount         = "CopyCount"
	paramCPUCores          = "CpuCores"
	paramEndpointName      = "EndpointName"
	paramExecutionRoleArn  = "ExecutionRoleArn"
	paramComponentName     = "InferenceComponentName"
	paramInitialInstances  = "InitialInstanceCount"
	paramInstanceType      = "InstanceType"
	paramIsolation         = "EnableNetworkIsolation"
	paramKMSKeyID          = "KmsKeyId"
	paramMaxInstances      = "MaxInstanceCount"
	paramMemory            = "MemoryInMb"
	paramMinInstances      = "MinInstanceCount"
	paramModelName         = "ModelName"
	paramSecurityGroupIDs  = "SecurityGroupIds"
	paramStartupTimeout    = "ContainerStartupHealthCheckTimeoutInSeconds"
	paramSubnetIDs         = "SubnetIds"
	outputEndpointArn      = "EndpointArn"
	templateFormat         = "2010-09-09"
	routeLeastOutstanding  = "LEAST_OUTSTANDING_REQUESTS"
	managedScalingEnabled  = "ENABLED"
	typeEndpointConfig     = "AWS::SageMaker::EndpointConfig"
	typeEndpoint           = "AWS::SageMaker::Endpoint"
	typeInferenceComponent = "AWS::SageMaker::InferenceComponent"
)

// The structs below are the parts of CloudFormation's SageMaker types that are
// used here, in the spelling of the CloudFormation template reference.
type (
	template struct {
		AWSTemplateFormatVersion string               `json:"AWSTemplateFormatVersion"`
		Description              string               `json:"Description"`
		Parameters               map[string]parameter `json:"Parameters"`
		Resources                map[string]resource  `json:"Resources"`
		Outputs                  map[string]output    `json:"Outputs"`
	}
	parameter struct {
		Type string `json:"Type"`
	}
	resource struct {
		Type       string `json:"Type"`
		Properties any    `json:"Properties"`
	}
	output struct {
		Value any `json:"Value"`
	}

	ref struct {
		Ref string `json:"Ref"`
	}
	getAtt struct {
		GetAtt [2]string `json:"Fn::GetAtt"`
	}

	endpointConfig struct {
		ExecutionRoleArn       ref
		EnableNetworkIsolation ref
		KmsKeyID               *ref `json:"KmsKeyId,omitempty"`
		ProductionVariants     []productionVariant
		VpcConfig              *vpcConfig `json:",omitempty"`
	}
	productionVariant struct {
		VariantName                                 string
		InstanceType                                ref
		InitialInstanceCount                        ref
		ContainerStartupHealthCheckTimeoutInSeconds ref
		ManagedInstanceScaling                      managedInstanceScaling
		RoutingConfig                               routingConfig
	}
	managedInstanceScaling struct {
		Status           string
		MinInstanceCount ref
		MaxInstanceCount ref
	}
	routingConfig struct {
		RoutingStrategy string
	}
	vpcConfig struct {
		SecurityGroupIDs ref `json:"SecurityGroupIds"`
		Subnets          ref
	}
	endpoint struct {
		EndpointName               ref
		EndpointConfigName         getAtt
		RetainAllVariantProperties bool
	}
	inferenceComponent struct {
		InferenceComponentName ref
		EndpointName           getAtt
		VariantName            string
		Specification          specification
		RuntimeConfig          runtimeConfig
	}
	specification struct {
		ModelName                   ref
		StartupParameters           startupParameters
		ComputeResourceRequirements computeResourceRequirements
	}
	startupParameters struct {
		ContainerStartupHealthCheckTimeoutInSeconds ref
	}
	computeResourceRequirements struct {
		MinMemoryRequiredInMb              ref
		NumberOfCPUCoresRequired           ref  `json:"NumberOfCpuCoresRequired"`
		NumberOfAcceleratorDevicesRequired *ref `json:",omitempty"`
	}
	runtimeConfig struct {
		CopyCount ref
	}
)

// shape is what changes the template itself rather than a parameter's value.
type shape struct {
	accelerators, kms, vpc bool
}

// newTemplate is the CloudFormation template that holds what pulumi-aws v6
// cannot make: an endpoint configuration without a model and an inference
// component (pulumi/pulumi-aws#4940).
//
// The configuration has no name of its own, because every change replaces it
// and CloudFormation does not replace what has a custom name. The endpoint and
// the component have names, because callers and scaling policies use them.
func newTemplate(s shape) string {
	config := endpointConfig{
		ExecutionRoleArn: ref{paramExecutionRoleArn},
		// The model says it, too. Of an endpoint with components, the
		// configuration is where SageMaker takes it (CreateEndpointConfig in the
		// SageMaker API reference; hashicorp/terraform-provider-aws#48738).
		EnableNetworkIsolation: ref{paramIsolation},
		ProductionVariants: []productionVariant{{
			VariantName:          VariantName,
			InstanceType:         ref{paramInstanceType},
			InitialInstanceCount: ref{paramInitialInstances},
			ContainerStartupHealthCheckTimeoutInSeconds: ref{paramStartupTimeout},
			ManagedInstanceScaling: managedInstanceScaling{
				Status:           managedScalingEnabled,
				MinInstanceCount: ref{paramMinInstances},
				MaxInstanceCount: ref{paramMaxInstances},
			},
			RoutingConfig: routingConfig{RoutingStrategy: routeLeastOutstanding},
		}},
	}
	component := inferenceComponent{
		InferenceComponentName: ref{paramComponentName},
		EndpointName:           getAtt{[2]string{endpointID, "EndpointName"}},
		VariantName:            VariantName,
		Specification: specification{
			ModelName:         ref{paramModelName},
			StartupParameters: startupParameters{ref{paramStartupTimeout}},
			ComputeResourceRequirements: computeResourceRequirements{
				MinMemoryRequiredInMb:    ref{paramMemory},
				NumberOfCPUCoresRequired: ref{paramCPUCores},
			},
		},
		RuntimeConfig: runtimeConfig{CopyCount: ref{paramCopyCount}},
	}
	parameters := commonParameters()
	if s.accelerators {
		component.Specification.ComputeResourceRequirements.NumberOfAcceleratorDevicesRequired = &ref{paramAccelerators}
		parameters[paramAccelerators] = parameter{Type: "Number"}
	}
	if s.kms {
		config.KmsKeyID = &ref{paramKMSKeyID}
		parameters[paramKMSKeyID] = parameter{Type: "String"}
	}
	if s.vpc {
		config.VpcConfig = &vpcConfig{SecurityGroupIDs: ref{paramSecurityGroupIDs}, Subnets: ref{paramSubnetIDs}}
		parameters[paramSecurityGroupIDs] = parameter{Type: "CommaDelimitedList"}
		parameters[paramSubnetIDs] = parameter{Type: "CommaDelimitedList"}
	}
	return marshal(template{
		AWSTemplateFormatVersion: templateFormat,
		Description:              "A SageMaker endpoint with one inference component that scales to zero instances.",
		Parameters:               parameters,
		Resources: map[string]resource{
			configID: {Type: typeEndpointConfig, Properties: config},
			endpointID: {Type: typeEndpoint, Properties: endpoint{
				EndpointName:       ref{paramEndpointName},
				EndpointConfigName: getAtt{[2]string{configID, "EndpointConfigName"}},
				// An update must keep the instances that autoscaling has
				// chosen; AWS refuses the update of an endpoint with
				// components otherwise.
				RetainAllVariantProperties: true,
			}},
			componentID: {Type: typeInferenceComponent, Properties: component},
		},
		// Ref of an endpoint is its ARN (CloudFormation template reference).
		Outputs: map[string]output{outputEndpointArn: {Value: ref{endpointID}}},
	})
}

// commonParameters are those that every shape has.
func commonParameters() map[string]parameter {
	parameters := map[string]parameter{}
	for _, name := range []string{
		paramEndpointName, paramExecutionRoleArn, paramComponentName, paramInstanceType, paramIsolation, paramModelName,
	} {
		parameters[name] = parameter{Type: "String"}
	}
	for _, name := range []string{
		paramCopyCount, paramCPUCores, paramInitialInstances, paramMaxInstances, paramMemory, paramMinInstances, paramStartupTimeout,
	} {
		parameters[name] = parameter{Type: "Number"}
	}
	return parameters
}

func marshal(t template) string {
	text, err := json.Marshal(t)
	if err != nil {
		// The structs hold strings and booleans only, which always marshal.
		panic(fmt.Sprintf("endpoint template: %v", err))
	}
	return string(text)
}
