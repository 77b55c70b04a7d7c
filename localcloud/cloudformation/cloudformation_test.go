package cloudformation_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/cloudformation"
	"scaletozero/localcloud/endpoint"
)

type object = map[string]any

// fakeCloud has the model "model" and notes what runs.
type fakeCloud struct {
	endpoints map[string]endpoint.Endpoint
	running   map[string]endpoint.Component
	calls     []string
	// fail names the component whose Apply fails.
	fail  string
	other *cloudformation.Resource
}

func newFakeCloud() *fakeCloud {
	return &fakeCloud{endpoints: map[string]endpoint.Endpoint{}, running: map[string]endpoint.Component{}}
}

func (f *fakeCloud) Model(name string) (string, map[string]string, bool) {
	return "image-of-" + name, map[string]string{"A": "1"}, strings.HasPrefix(name, "model")
}

func (f *fakeCloud) Deployed(resourceType, name, _ string) *cloudformation.Resource {
	if f.other != nil && f.other.Type == resourceType && f.other.Name == name {
		return f.other
	}
	return nil
}

func (f *fakeCloud) ApplyEndpoint(_ context.Context, e endpoint.Endpoint) error {
	f.calls = append(f.calls, "apply endpoint "+e.Name+" "+e.InstanceType)
	f.endpoints[e.Name] = e
	return nil
}

func (f *fakeCloud) DeleteEndpoint(name string) error {
	f.calls = append(f.calls, "delete endpoint "+name)
	delete(f.endpoints, name)
	return nil
}

func (f *fakeCloud) Apply(_ context.Context, c endpoint.Component) error {
	f.calls = append(f.calls, "apply "+c.Name+" "+c.Image)
	if c.Name == f.fail {
		return errors.New("the container did not become healthy")
	}
	f.running[c.Name] = c
	return nil
}

func (f *fakeCloud) Delete(_ context.Context, name string) error {
	f.calls = append(f.calls, "delete "+name)
	delete(f.running, name)
	return nil
}

// good is a template that deploys; each call returns a new copy.
func good() object {
	return object{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Parameters": object{
			"Model":  object{"Type": "String", "Default": "model"},
			"Copies": object{"Type": "Number", "Default": 1, "MinValue": 1, "MaxValue": 9},
			"Groups": object{"Type": "CommaDelimitedList", "Default": "sg-1, sg-2"},
		},
		"Resources": object{
			"Component": resource("InferenceComponent", object{
				"InferenceComponentName": "component", "VariantName": "AllTraffic",
				"EndpointName": object{"Fn::GetAtt": []any{"Endpoint", "EndpointName"}},
				"Specification": object{
					"ModelName":                   object{"Ref": "Model"},
					"StartupParameters":           object{"ContainerStartupHealthCheckTimeoutInSeconds": 90},
					"ComputeResourceRequirements": object{"MinMemoryRequiredInMb": 1024, "NumberOfCpuCoresRequired": 1},
				},
				"RuntimeConfig": object{"CopyCount": object{"Ref": "Copies"}},
			}),
			"Config": resource("EndpointConfig", object{
				"ExecutionRoleArn": object{"Ref": "AWS::AccountId"},
				"KmsKeyId":         object{"Ref": "AWS::NoValue"},
				"VpcConfig":        object{"SecurityGroupIds": object{"Ref": "Groups"}, "Subnets": []any{"subnet-1"}},
				"ProductionVariants": []any{object{
					"VariantName": "AllTraffic", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1,
					"ManagedInstanceScaling": object{"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3},
				}},
			}),
			"Endpoint": resource("Endpoint", object{
				"EndpointName": "endpoint", "EndpointConfigName": object{"Fn::GetAtt": "Config.EndpointConfigName"}, "RetainAllVariantProperties": "true",
			}),
		},
		"Outputs": object{
			"Arn":   object{"Value": object{"Ref": "Endpoint"}, "Description": "the endpoint"},
			"Name":  object{"Value": object{"Fn::GetAtt": []any{"Component", "InferenceComponentName"}}},
			"Place": object{"Value": object{"Ref": "AWS::Region"}},
		},
	}
}

func resource(kind string, properties object) object {
	return object{"Type": "AWS::SageMaker::" + kind, "Properties": properties}
}

// at changes one value of a template: the path's last element is set, or removed by a nil value.
func at(t *testing.T, template object, path string, value any) object {
	t.Helper()
	steps := strings.Fields(path)
	var node any = template
	for _, step := range steps[:len(steps)-1] {
		if list, ok := node.([]any); ok {
			node = list[0]
			require.Equal(t, "0", step)
			continue
		}
		require.Contains(t, node, step, path)
		node = node.(object)[step]
	}
	if last := steps[len(steps)-1]; value == nil {
		delete(node.(object), last)
	} else {
		node.(object)[last] = value
	}
	return template
}

func deploy(t *testing.T, cloud *fakeCloud, template object, parameters map[string]string, previous *cloudformation.Stack) (*cloudformation.Stack, error) {
	t.Helper()
	body, err := json.Marshal(template)
	require.NoError(t, err)
	return cloudformation.Deploy(t.Context(), cloud, cloudformation.Request{
		ID: "arn:aws:cloudformation:eu-west-1:123456789012:stack/stack/1", Name: "stack", Region: "eu-west-1", AccountID: "123456789012",
		Partition: "aws", URLSuffix: "amazonaws.com", Body: string(body), Parameters: parameters, Previous: previous,
	})
}

func TestDeployResolvesAndRuns(t *testing.T) {
	cloud := newFakeCloud()
	stack, err := deploy(t, cloud, good(), map[string]string{"Copies": "2"}, nil)
	require.NoError(t, err)

	assert.Equal(t, map[string]string{
		"Arn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/endpoint", "Name": "component", "Place": "eu-west-1",
	}, stack.Outputs)
	running := cloud.running["component"]
	assert.Equal(t, "image-of-model", running.Image)
	assert.Equal(t, "endpoint", running.Endpoint)
	assert.Equal(t, 2, running.Copies, "a Number parameter is a string that counts as a number")
	assert.InDelta(t, 90, running.StartupTimeout.Seconds(), 0)
	assert.Equal(t, endpoint.Requirements{CPUCores: 1, MemoryMB: 1024}, running.Needs)
	assert.Equal(t, endpoint.Endpoint{Name: "endpoint", InstanceType: "ml.g5.xlarge", InitialInstances: 1, MaxInstances: 3}, cloud.endpoints["endpoint"])
	config := stack.Resources["Config"]
	assert.Regexp(t, `^Config-[A-Z2-7]{12}$`, config.Name, "a name is generated where none is given")
	assert.Equal(t, config.Name, stack.Resources["Endpoint"].Properties["EndpointConfigName"])
	assert.Equal(t, []any{"sg-1", "sg-2"}, config.Properties["VpcConfig"].(object)["SecurityGroupIds"], "a list parameter")
	assert.NotContains(t, config.Properties, "KmsKeyId", "AWS::NoValue leaves the property out")
	assert.Equal(t, "123456789012", config.Properties["ExecutionRoleArn"])
}

func TestParametersAndTemplatesAreRefused(t *testing.T) {
	tests := []struct {
		name, path string
		value      any
		parameters map[string]string
		want       string
	}{
		{"a parameter that does not exist", "Description", "x", map[string]string{"Nope": "1"}, "Parameters: [Nope] do not exist in the template"},
		{"a parameter without a value", "Parameters Model Default", nil, nil, "Parameters: [Model] must have values"},
		{"a number that is none", "Description", "x", map[string]string{"Copies": "many"}, "Parameter 'Copies' must be a number"},
		{"a number too small", "Description", "x", map[string]string{"Copies": "0"}, "must be a number not less than 1"},
		{"a number too large", "Description", "x", map[string]string{"Copies": "10"}, "must be a number not greater than 9"},
		{"a value that is not allowed", "Parameters Model AllowedValues", []any{"model2"}, nil, "Parameter 'Model' must be one of AllowedValues"},
		{"a value that does not match", "Parameters Model AllowedPattern", "[0-9]+", nil, "Parameter 'Model' must match pattern"},
		{"a value too short", "Parameters Model MinLength", 10, nil, "has a length outside MinLength and MaxLength"},
		{"a parameter type", "Parameters Model Type", "AWS::SSM::Parameter::Value<String>", nil, "localcloud knows String, Number and CommaDelimitedList"},
		{"a pattern that does not compile", "Parameters Model AllowedPattern", "[", nil, "AllowedPattern of parameter Model"},
		{"a section", "Conditions", object{}, nil, ".Conditions is not known here"},
		{"a section in lower case", "resources", object{}, nil, ".resources is not known here"},
		{"no resource", "Resources", object{}, nil, "At least one Resources member must be defined"},
		{"a resource type", "Resources Component Type", "AWS::S3::Bucket", nil, `resource Component has type "AWS::S3::Bucket", but localcloud implements AWS::SageMaker::Endpoint`},
		{"a resource attribute", "Resources Component Condition", "x", nil, ".Resources.Component.Condition is not known here"},
		{"a deletion policy", "Resources Component DeletionPolicy", "Retain", nil, "but localcloud knows Delete"},
		{"a reference to nothing", "Resources Config Properties ExecutionRoleArn", object{"Ref": "Nope"}, nil, "Unresolved resource dependencies [Nope]"},
		{"a circle", "Resources Config DependsOn", "Endpoint", nil, "Circular dependency between resources"},
		{"a function", "Resources Config Properties ExecutionRoleArn", object{"Fn::Sub": "x"}, nil, "localcloud does not implement Fn::Sub"},
		{"an attribute", "Resources Component Properties EndpointName", object{"Fn::GetAtt": []any{"Endpoint", "Colour"}}, nil, "does not support attribute type Colour"},
		{"properties that are a reference", "Resources Config Properties", object{"Ref": "Model"}, nil, "Properties must be an object"},
		{"an output of nothing", "Outputs Arn Value", object{"Ref": "Nope"}, nil, "output Arn: "},
		{"an output that is an object", "Outputs Arn Value", object{"a": "b"}, nil, "Output Arn must evaluate to a string"},
		{"an export", "Outputs Arn Export", object{"Name": "x"}, nil, ".Outputs.Arn.Export is not known here"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cloud := newFakeCloud()
			_, err := deploy(t, cloud, at(t, good(), test.path, test.value), test.parameters, nil)
			require.ErrorContains(t, err, test.want)
			assert.Empty(t, cloud.running, "nothing is left running")
			assert.Empty(t, cloud.endpoints)
		})
	}
	_, err := cloudformation.Parse("Resources: {}")
	assert.ErrorContains(t, err, "localcloud reads JSON")
}

func TestSageMakerRefusals(t *testing.T) {
	const (
		variant   = "Resources Config Properties ProductionVariants 0 "
		component = "Resources Component Properties "
	)
	tests := []struct {
		name, path string
		value      any
		want       string
	}{
		{"scaling to zero with a model", variant + "ModelName", "model", "ManagedInstanceScaling is only supported for inference component endpoints"},
		{"no first instance", variant + "InitialInstanceCount", 0, "InitialInstanceCount must be a value greater than or equal to 1"},
		{"no role", "Resources Config Properties ExecutionRoleArn", nil, "ExecutionRoleArn is required"},
		{"more at least than at most", variant + "ManagedInstanceScaling MinInstanceCount", 4, "MinInstanceCount (4) must not be greater than MaxInstanceCount (3)"},
		{"at most none", variant + "ManagedInstanceScaling MaxInstanceCount", 0, "MaxInstanceCount must be a value greater than or equal to 1"},
		{"less than none", variant + "ManagedInstanceScaling MinInstanceCount", -1, "MinInstanceCount must be a value greater than or equal to 0"},
		{"more at first than at most", variant + "InitialInstanceCount", 4, "InitialInstanceCount (4) must not be greater than MaxInstanceCount (3)"},
		{"an unknown scaling status", variant + "ManagedInstanceScaling Status", "ON", "Status must be ENABLED or DISABLED"},
		{"no instance type", variant + "InstanceType", nil, "InstanceType is required"},
		{"no variant name", variant + "VariantName", nil, "VariantName must match"},
		{"an impatient variant", variant + "ContainerStartupHealthCheckTimeoutInSeconds", 59, "must be between 60 and 3600, but is 59"},
		{"an unknown routing", variant + "RoutingConfig", object{"RoutingStrategy": "BEST"}, "must be LEAST_OUTSTANDING_REQUESTS or RANDOM"},
		{"two variants", "Resources Config Properties ProductionVariants", []any{variantNamed("A"), variantNamed("B")}, "localcloud runs endpoints with one"},
		{"no variants", "Resources Config Properties ProductionVariants", []any{}, "at least one variant"},
		{"an unknown property", variant + "Colour", "red", ".ProductionVariants[0].Colour is not known here"},
		{"a property in the wrong case", variant + "instanceType", "x", ".ProductionVariants[0].instanceType is not known here"},
		{"a word for a number", variant + "InitialInstanceCount", "one", "is not an integer"},
		{"a bad endpoint name", "Resources Endpoint Properties EndpointName", "a_b", `EndpointName is "a_b": it must have at most 63 characters`},
		{"a long endpoint name", "Resources Endpoint Properties EndpointName", strings.Repeat("a", 64), "it must have at most 63 characters"},
		{"no such config", "Resources Endpoint Properties EndpointConfigName", "nope", `Could not find endpoint configuration "nope"`},
		{"a bad component name", component + "InferenceComponentName", "-a", `InferenceComponentName is "-a"`},
		{"no such endpoint", component + "EndpointName", "nope", `Could not find endpoint "nope"`},
		{"no such variant", component + "VariantName", "Blue", `endpoint "endpoint" has no variant "Blue"`},
		{"no variant", component + "VariantName", nil, "VariantName is required"},
		{"no such model", component + "Specification ModelName", "nope", `Could not find model "nope"`},
		{"neither model nor container", component + "Specification ModelName", nil, "either a ModelName or a Container"},
		{"no specification", component + "Specification", nil, "Specification is required"},
		{"no copy", component + "RuntimeConfig CopyCount", 0, "specify for the copy count an integer larger than 0"},
		{"no copy count", component + "RuntimeConfig", nil, "specify for the copy count an integer larger than 0"},
		{"an impatient component", component + "Specification StartupParameters ContainerStartupHealthCheckTimeoutInSeconds", 3601, "must be between 60 and 3600"},
		{"no memory", component + "Specification ComputeResourceRequirements MinMemoryRequiredInMb", nil, "MinMemoryRequiredInMb is required and must be at least 128"},
		{"a tenth of a core", component + "Specification ComputeResourceRequirements NumberOfCpuCoresRequired", 0.1, "must be at least 0.25"},
		{"no accelerator, said aloud", component + "Specification ComputeResourceRequirements NumberOfAcceleratorDevicesRequired", 0, "leave it out for CPU instances"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cloud := newFakeCloud()
			_, err := deploy(t, cloud, at(t, good(), test.path, test.value), nil, nil)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "ROLLBACK_COMPLETE: CREATE_FAILED ")
			assert.Empty(t, cloud.running)
			assert.Empty(t, cloud.endpoints)
		})
	}
}

func variantNamed(name string) object {
	return object{"VariantName": name, "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
}

func TestInstanceCounts(t *testing.T) {
	tests := []struct {
		name                     string
		scaling                  any
		initial, lowest, highest int
	}{
		{"no managed instance scaling", nil, 2, 2, 2},
		{"managed instance scaling that is off", object{"Status": "DISABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}, 2, 2, 2},
		{"managed instance scaling", object{"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}, 2, 0, 3},
		{"managed instance scaling without limits", object{"Status": "ENABLED"}, 2, 1, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cloud := newFakeCloud()
			template := at(t, good(), "Resources Config Properties ProductionVariants 0 InitialInstanceCount", test.initial)
			_, err := deploy(t, cloud, at(t, template, "Resources Config Properties ProductionVariants 0 ManagedInstanceScaling", test.scaling), nil, nil)
			require.NoError(t, err)
			got := cloud.endpoints["endpoint"]
			assert.Equal(t, []int{test.initial, test.lowest, test.highest}, []int{got.InitialInstances, got.MinInstances, got.MaxInstances})
		})
	}
}

func TestUpdate(t *testing.T) {
	tests := []struct {
		name, path string
		value      any
		parameters map[string]string
		calls      []string
		err        string
	}{
		{"nothing changed", "Description", "x", nil, nil, ""},
		{"another model", "Description", "x", map[string]string{"Model": "model2"}, []string{"apply component image-of-model2"}, ""},
		{"another instance type", "Resources Config Properties ProductionVariants 0 InstanceType", "ml.m5.large", nil, []string{"apply endpoint endpoint ml.m5.large"}, ""},
		{"another instance type without retaining", "Resources Endpoint Properties RetainAllVariantProperties", false, map[string]string{"Groups": "sg-3"}, nil, "needs RetainAllVariantProperties"},
		{"another component name", "Resources Component Properties InferenceComponentName", "renamed", nil, []string{"apply renamed image-of-model", "delete component"}, ""},
		{"another endpoint name under the same component", "Resources Endpoint Properties EndpointName", "renamed", nil, []string{"apply endpoint renamed ml.g5.xlarge", "delete endpoint renamed"}, "Rename component and update the stack again"},
		{"no component", "Resources Component", nil, nil, []string{"delete component"}, ""},
		{"a broken model", "Resources Component Properties RuntimeConfig CopyCount", 0, nil, nil, "UPDATE_ROLLBACK_COMPLETE: UPDATE_FAILED Component"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cloud := newFakeCloud()
			before, err := deploy(t, cloud, good(), nil, nil)
			require.NoError(t, err)
			running := maps.Clone(cloud.running)
			cloud.calls = nil
			template := at(t, good(), test.path, test.value)
			if test.name == "no component" {
				template = at(t, template, "Outputs Name", nil)
			}
			_, err = deploy(t, cloud, template, test.parameters, before)
			assert.Equal(t, test.calls, cloud.calls)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.err)
			assert.Equal(t, running, cloud.running, "what ran before still runs")
		})
	}
}

// twoComponents adds a second component after the first.
func twoComponents(t *testing.T) object {
	t.Helper()
	template := good()
	second := good()["Resources"].(object)["Component"].(object)
	second["DependsOn"] = []any{"Component"}
	second["Properties"].(object)["InferenceComponentName"] = "second"
	return at(t, template, "Resources Second", second)
}

func TestAFailureTakesBackWhatWasDone(t *testing.T) {
	cloud := newFakeCloud()
	cloud.fail = "second"
	_, err := deploy(t, cloud, twoComponents(t), nil, nil)
	require.ErrorContains(t, err, "ROLLBACK_COMPLETE: CREATE_FAILED Second (AWS::SageMaker::InferenceComponent): the container did not become healthy")
	assert.Empty(t, cloud.running, "a failed creation leaves nothing")

	cloud.fail = ""
	before, err := deploy(t, cloud, twoComponents(t), nil, nil)
	require.NoError(t, err)
	cloud.fail = "second"
	_, err = deploy(t, cloud, twoComponents(t), map[string]string{"Model": "model2"}, before)
	require.ErrorContains(t, err, "UPDATE_ROLLBACK_COMPLETE")
	assert.Equal(t, "image-of-model", cloud.running["component"].Image, "a failed update goes back")
	assert.Equal(t, "image-of-model", cloud.running["second"].Image)

	again := newFakeCloud()
	cloudformation.Resume(t.Context(), again, before, func(name string, err error) { require.NoError(t, err, name) })
	assert.Equal(t, []string{"apply endpoint endpoint ml.g5.xlarge"}, again.calls[:1], "components need their endpoint")
	assert.Equal(t, cloud.endpoints, again.endpoints)
	assert.Equal(t, cloud.running, again.running)
	cloud.calls = nil
	require.NoError(t, cloudformation.Delete(t.Context(), cloud, before))
	assert.Equal(t, []string{"delete component", "delete second", "delete endpoint endpoint"}, cloud.calls, "an endpoint must be empty")
	assert.Empty(t, cloud.running)
}

func TestNamesAreUniqueAmongStacks(t *testing.T) {
	cloud := newFakeCloud()
	cloud.other = &cloudformation.Resource{Type: cloudformation.TypeInferenceComponent, Name: "component"}
	_, err := deploy(t, cloud, good(), nil, nil)
	assert.ErrorContains(t, err, `Cannot create already existing inference-component "component"`)
}
