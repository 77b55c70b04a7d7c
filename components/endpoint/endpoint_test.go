package endpoint_test

import (
	"encoding/json"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/endpoint"
	"scaletozero/internal/recorder"
)

const (
	modelToken  = "aws:sagemaker/model:Model"
	stackToken  = "aws:cloudformation/stack:Stack"
	targetToken = "aws:appautoscaling/target:Target"
	policyToken = "aws:appautoscaling/policy:Policy"
	alarmToken  = "aws:cloudwatch/metricAlarm:MetricAlarm"
)

func args() *endpoint.Args {
	return &endpoint.Args{
		EndpointName:           "songs-endpoint-dev",
		InferenceComponentName: "songs-dev",
		ImageURI:               pulumi.String("123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/songs@sha256:abc"),
		Environment:            pulumi.StringMap{"LOG_LEVEL": pulumi.String("info")},
		ExecutionRoleArn:       pulumi.String("arn:aws:iam::123456789012:role/songs"),
		InstanceType:           "ml.m5.large",
		InitialInstanceCount:   1,
		MaxInstanceCount:       3,
		CPUCores:               0.5,
		MemoryMB:               1024,
		StartupTimeoutSeconds:  600,
		NetworkIsolation:       true,
	}
}

func run(t *testing.T, args *endpoint.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := endpoint.New(ctx, "songs-dev", args)
		return err
	}, options...)
	require.NoError(t, err)
	return graph
}

// template is the stack's template, of which the tests look at the parts that
// AWS is particular about.
type template struct {
	Parameters map[string]struct{ Type string }
	Resources  map[string]struct {
		Type       string
		Properties map[string]any
	}
}

func templateOf(t *testing.T, graph *recorder.Graph) template {
	t.Helper()
	var parsed template
	body := graph.Only(t, stackToken).Inputs["templateBody"].StringValue()
	require.NoError(t, json.Unmarshal([]byte(body), &parsed))
	return parsed
}

func ref(name string) map[string]any { return map[string]any{"Ref": name} }

func TestEndpointScalesFromZero(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(), options...)
			assert.Empty(t, graph.Orphans())

			parameters := graph.Only(t, stackToken).Inputs["parameters"].ObjectValue()
			assert.Equal(t, "0", parameters["MinInstanceCount"].StringValue())
			assert.Equal(t, "3", parameters["MaxInstanceCount"].StringValue())
			assert.Equal(t, "1", parameters["CopyCount"].StringValue())
			assert.Equal(t, "0.5", parameters["CpuCores"].StringValue())
			assert.Equal(t, "songs-endpoint-dev", parameters["EndpointName"].StringValue())

			target := graph.Only(t, targetToken)
			assert.Equal(t, 0.0, target.Inputs["minCapacity"].NumberValue())
			assert.Equal(t, 3.0, target.Inputs["maxCapacity"].NumberValue())
			assert.Equal(t, "inference-component/songs-dev", target.Inputs["resourceId"].StringValue())
			require.NotEmpty(t, target.DependsOn, "AWS registers only a component that exists")
			assert.Contains(t, target.DependsOn[0], stackToken)
			assert.Len(t, graph.OfType(policyToken), 2)
		})
	}
}

func TestEndpointVariantNamesNoModel(t *testing.T) {
	resources := templateOf(t, run(t, args())).Resources
	config := resources["EndpointConfig"].Properties
	assert.Equal(t, ref("ExecutionRoleArn"), config["ExecutionRoleArn"], "a configuration without a model needs the role")
	variants := config["ProductionVariants"].([]any)
	require.Len(t, variants, 1)
	variant := variants[0].(map[string]any)
	assert.NotContains(t, variant, "ModelName", "AWS refuses managed instance scaling on a variant that names a model")
	assert.Equal(t, map[string]any{
		"Status": "ENABLED", "MinInstanceCount": ref("MinInstanceCount"), "MaxInstanceCount": ref("MaxInstanceCount"),
	}, variant["ManagedInstanceScaling"])
	assert.NotContains(t, config, "EndpointConfigName", "CloudFormation does not replace what has a custom name")
	assert.Equal(t, true, resources["Endpoint"].Properties["RetainAllVariantProperties"])
	assert.Equal(t, ref("ModelName"), resources["InferenceComponent"].Properties["Specification"].(map[string]any)["ModelName"])
}

// With components it is the configuration that counts, and the model says the
// same.
func TestEndpointIsolatesItsContainers(t *testing.T) {
	for text, isolated := range map[string]bool{"true": true, "false": false} {
		t.Run(text, func(t *testing.T) {
			a := args()
			a.NetworkIsolation = isolated
			graph := run(t, a)
			assert.Equal(t, isolated, graph.Only(t, modelToken).Inputs["enableNetworkIsolation"].BoolValue())
			assert.Equal(t, text, graph.Only(t, stackToken).Inputs["parameters"].ObjectValue()["EnableNetworkIsolation"].StringValue())
			config := templateOf(t, graph).Resources["EndpointConfig"].Properties
			assert.Equal(t, ref("EnableNetworkIsolation"), config["EnableNetworkIsolation"])
		})
	}
}

func TestEndpointAlarmWakesOnOneRequest(t *testing.T) {
	graph := run(t, args())
	alarm := graph.Only(t, alarmToken).Inputs
	assert.Equal(t, "NoCapacityInvocationFailures", alarm["metricName"].StringValue())
	assert.Equal(t, "GreaterThanOrEqualToThreshold", alarm["comparisonOperator"].StringValue())
	assert.Equal(t, 1.0, alarm["threshold"].NumberValue())
	assert.Equal(t, 1.0, alarm["evaluationPeriods"].NumberValue())
	assert.Equal(t, "songs-dev", alarm["dimensions"].ObjectValue()["InferenceComponentName"].StringValue())
	assert.Len(t, alarm["dimensions"].ObjectValue(), 1, "another dimension would be another metric")
	assert.Equal(t, "arn:aws:mock:::songs-dev-wake", alarm["alarmActions"].ArrayValue()[0].StringValue())

	step := graph.OfType(policyToken)[1]
	require.Equal(t, "songs-dev-wake", step.Name)
	adjustment := step.Inputs["stepScalingPolicyConfiguration"].ObjectValue()["stepAdjustments"].ArrayValue()[0].ObjectValue()
	assert.Equal(t, 1.0, adjustment["scalingAdjustment"].NumberValue())
	assert.Equal(t, "0", adjustment["metricIntervalLowerBound"].StringValue())
}

func TestEndpointTemplateHasOptionalPartsOnlyWhereAsked(t *testing.T) {
	plain := run(t, args())
	for _, name := range []string{"AcceleratorDevices", "KmsKeyId", "SubnetIds", "SecurityGroupIds"} {
		assert.NotContains(t, templateOf(t, plain).Parameters, name)
	}
	assert.NotContains(t, plain.Only(t, modelToken).Inputs, resourceKey("vpcConfig"))

	a := args()
	a.Accelerators, a.KMSKeyArn = 1, "arn:aws:kms:ap-northeast-1:123456789012:key/k"
	a.VPC = &endpoint.VPC{SubnetIDs: []string{"subnet-2", "subnet-1"}, SecurityGroupIDs: []string{"sg-1"}}
	full := run(t, a)
	parsed := templateOf(t, full)
	config := parsed.Resources["EndpointConfig"].Properties
	assert.Equal(t, ref("KmsKeyId"), config["KmsKeyId"])
	assert.Equal(t, map[string]any{"SecurityGroupIds": ref("SecurityGroupIds"), "Subnets": ref("SubnetIds")}, config["VpcConfig"])
	needs := parsed.Resources["InferenceComponent"].Properties["Specification"].(map[string]any)["ComputeResourceRequirements"]
	assert.Equal(t, ref("AcceleratorDevices"), needs.(map[string]any)["NumberOfAcceleratorDevicesRequired"])

	parameters := full.Only(t, stackToken).Inputs["parameters"].ObjectValue()
	assert.Equal(t, "subnet-2,subnet-1", parameters["SubnetIds"].StringValue(), "SageMaker compares the order with the model's")
	subnets := full.Only(t, modelToken).Inputs["vpcConfig"].ObjectValue()["subnets"].ArrayValue()
	assert.Equal(t, "subnet-2", subnets[0].StringValue())
}

// Every parameter is given, used and declared: CloudFormation refuses a stack
// where one is missing, and a parameter that nothing uses is a setting that
// does nothing.
func TestEndpointParametersMatchTheTemplate(t *testing.T) {
	a := args()
	a.Accelerators, a.KMSKeyArn = 1, "arn:aws:kms:ap-northeast-1:123456789012:key/k"
	a.VPC = &endpoint.VPC{SubnetIDs: []string{"subnet-1"}, SecurityGroupIDs: []string{"sg-1"}}
	for name, a := range map[string]*endpoint.Args{"plain": args(), "full": a} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a)
			body := graph.Only(t, stackToken).Inputs["templateBody"].StringValue()
			given := graph.Only(t, stackToken).Inputs["parameters"].ObjectValue()
			declared := templateOf(t, graph).Parameters
			assert.Len(t, given, len(declared))
			for parameter := range declared {
				assert.Contains(t, given, resourceKey(parameter))
				assert.Contains(t, body, `{"Ref":"`+parameter+`"}`)
			}
		})
	}
}

func TestEndpointSurvivesAnUnknownImage(t *testing.T) {
	a := args()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		a.ImageURI = pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
		_, err := endpoint.New(ctx, "songs-dev", a)
		return err
	}, recorder.Preview)
	require.NoError(t, err)
	assert.Equal(t, "0", graph.Only(t, stackToken).Inputs["parameters"].ObjectValue()["MinInstanceCount"].StringValue(),
		"an unknown image hides nothing else")
}

func TestEndpointRefusesBadArgs(t *testing.T) {
	change := func(f func(*endpoint.Args)) *endpoint.Args {
		a := args()
		f(a)
		return a
	}
	for name, test := range map[string]struct {
		args *endpoint.Args
		want string
	}{
		"nil":                {nil, "args are required"},
		"name":               {change(func(a *endpoint.Args) { a.EndpointName = "-x" }), "EndpointName"},
		"component name":     {change(func(a *endpoint.Args) { a.InferenceComponentName = "a_b" }), "InferenceComponentName"},
		"no image":           {change(func(a *endpoint.Args) { a.ImageURI = nil }), "ImageURI"},
		"no role":            {change(func(a *endpoint.Args) { a.ExecutionRoleArn = nil }), "ExecutionRoleArn"},
		"no instance type":   {change(func(a *endpoint.Args) { a.InstanceType = "" }), "InstanceType"},
		"min below 0":        {change(func(a *endpoint.Args) { a.MinInstanceCount = -1 }), "MinInstanceCount"},
		"min above max":      {change(func(a *endpoint.Args) { a.MinInstanceCount = 4 }), "MinInstanceCount"},
		"initial 0":          {change(func(a *endpoint.Args) { a.InitialInstanceCount = 0 }), "InitialInstanceCount"},
		"initial below min":  {change(func(a *endpoint.Args) { a.MinInstanceCount = 2 }), "InitialInstanceCount"},
		"initial above max":  {change(func(a *endpoint.Args) { a.InitialInstanceCount = 4 }), "InitialInstanceCount"},
		"cores":              {change(func(a *endpoint.Args) { a.CPUCores = 0.1 }), "CPUCores"},
		"memory":             {change(func(a *endpoint.Args) { a.MemoryMB = 127 }), "MemoryMB"},
		"accelerators":       {change(func(a *endpoint.Args) { a.Accelerators = -1 }), "Accelerators"},
		"time-out too short": {change(func(a *endpoint.Args) { a.StartupTimeoutSeconds = 59 }), "StartupTimeoutSeconds"},
		"time-out too long":  {change(func(a *endpoint.Args) { a.StartupTimeoutSeconds = 3601 }), "StartupTimeoutSeconds"},
		"concurrency":        {change(func(a *endpoint.Args) { a.TargetConcurrency = -1 }), "TargetConcurrency"},
		"half a VPC":         {change(func(a *endpoint.Args) { a.VPC = &endpoint.VPC{SubnetIDs: []string{"s"}} }), "VPC"},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := endpoint.New(ctx, "songs-dev", test.args)
				return err
			})
			assert.ErrorContains(t, err, `inference endpoint "songs-dev"`)
			assert.ErrorContains(t, err, test.want)
			assert.Empty(t, graph.OfType(endpoint.Type), "nothing may be registered")
		})
	}
}

func TestEndpointNamesWhatFailed(t *testing.T) {
	for _, token := range []string{modelToken, stackToken, targetToken, policyToken, alarmToken} {
		t.Run(token, func(t *testing.T) {
			_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := endpoint.New(ctx, "songs-dev", args())
				return err
			}, recorder.Failing(token))
			assert.ErrorContains(t, err, "songs-dev")
		})
	}
}

func resourceKey(name string) resource.PropertyKey { return resource.PropertyKey(name) }
