package provider_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

const (
	workerARN     = "arn:aws:lambda:ap-northeast-1:123456789012:function:worker"
	invokePrefix  = "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/"
	functionImage = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/music/model@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// imageFunction is the function worker in a container image, whose program ends with the status.
func imageFunction(status string, change ...props) props {
	inputs := props{
		"name": "worker", "role": executionRole, "packageType": "Image", "imageUri": functionImage, "publish": true,
		"imageConfig": props{"entryPoints": []any{"/adapter"}, "commands": []any{"/model", "serve"}},
		"environment": props{"variables": props{"STATUS": status}},
	}
	for _, c := range change {
		inputs = merged(inputs, c)
	}
	return inputs
}

// change updates a resource.
func (c *cloud) change(d deployed, inputs props) deployed {
	c.t.Helper()
	next, err := c.update(d, recheck(c, d, inputs))
	require.NoError(c.t, err)
	return next
}

// foresees tells whether a preview of the update knows the output.
func (c *cloud) foresees(d deployed, inputs props, output string) bool {
	c.t.Helper()
	answer, err := c.client.Update(c.t.Context(), &pulumirpc.UpdateRequest{
		Id: d.id, Urn: d.urn, OldInputs: d.inputs, Olds: d.outputs, News: recheck(c, d, inputs), Preview: true,
	})
	require.NoError(c.t, err)
	return !c.decode(answer.GetProperties())[resource.PropertyKey(output)].ContainsUnknowns()
}

func live(version string) props {
	return props{"name": "live", "functionName": "worker", "functionVersion": version}
}

func TestVersionsOfAFunction(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	c.newRole()
	f := c.create(provider.TypeFunction, imageFunction("3"))
	assert.Equal(t, "1", c.text(f, "version"))
	assert.Equal(t, workerARN+":1", c.text(f, "qualifiedArn"))
	assert.Equal(t, invokePrefix+workerARN+":1/invocations", c.text(f, "qualifiedInvokeArn"))
	assert.Equal(t, workerARN, c.text(f, "arn"))
	assert.Equal(t, "0123456789abcdef", c.text(f, "codeSha256")[:16], "the digest of the image")
	alias := c.create(provider.TypeAlias, live("1"))
	assert.Equal(t, workerARN+":live", alias.id)
	assert.Equal(t, workerARN+":live", c.text(alias, "arn"))
	assert.Equal(t, invokePrefix+workerARN+":live/invocations", c.text(alias, "invokeArn"))

	for name, same := range map[string]props{"tags": {"tags": props{"a": "b"}}, "reserved": {"reservedConcurrentExecutions": 5}} {
		assert.True(t, c.foresees(f, imageFunction("3", same), "version"), name)
		f = c.change(f, imageFunction("3", same))
		assert.Equal(t, "1", c.text(f, "version"), "%s are the function's, and no version's", name)
	}
	assert.False(t, c.foresees(f, imageFunction("4"), "version"))
	assert.True(t, c.foresees(f, imageFunction("4", props{"publish": false}), "version"))
	f = c.change(f, imageFunction("4"))
	assert.Equal(t, "2", c.text(f, "version"))
	assert.Equal(t, []string{"3", "4", "4"}, []string{c.exits("worker:live"), c.exits("worker"), c.exits("worker:2")}, "the alias still names the first")
	f = c.change(f, imageFunction("4", props{"publish": false}))
	assert.Equal(t, "2", c.text(f, "version"))
	f = c.change(f, imageFunction("4"))
	assert.Equal(t, "2", c.text(f, "version"), "nothing has changed since it was published")

	require.NoError(t, c.functions.Close())
	again := openCloud(t, state)
	assert.Equal(t, []string{"3", "4"}, []string{again.exits("worker:live"), again.exits("worker:2")}, "after a restart too")
	alias = again.change(alias, live("2"))
	assert.Equal(t, "4", again.exits("worker:live"))
	again.change(f, imageFunction("5"))
	_, err := again.update(alias, recheck(again, alias, live("1")))
	require.ErrorContains(t, err, "Function not found: "+workerARN+":1: publish the function, and give its version")
	require.NoError(t, again.delete(alias))
	assert.Empty(t, again.functions.State()[0].Aliases)
}

func TestAliasesThatAreRefused(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	c.create(provider.TypeFunction, imageFunction("3"))
	byARN := c.create(provider.TypeAlias, merged(live("1"), props{"functionName": workerARN}))
	assert.Empty(t, c.diff(byARN, recheck(c, byARN, live("1"))).GetDiffs(), "the name and the ARN are the same")
	for name, test := range map[string]struct {
		change props
		want   string
	}{
		"a number for a name":  {props{"name": "7"}, "name must match"},
		"weights":              {props{"routingConfig": props{"additionalVersionWeights": props{"1": 0.5}}}, "routingConfig is not implemented by localcloud"},
		"no such function":     {props{"functionName": "other"}, "ResourceNotFoundException: Function not found: other"},
		"no such version":      {props{"functionVersion": "2"}, "Function not found: " + workerARN + ":2"},
		"a version's ARN":      {props{"functionName": workerARN + ":1"}, "functionName must name the function alone"},
		"a version of letters": {props{"functionVersion": "one"}, "functionVersion must match"},
	} {
		t.Run(name, func(t *testing.T) {
			checked, reasons := c.check(provider.TypeAlias, "it", merged(merged(live("1"), props{"name": "other"}), test.change), nil)
			got := strings.Join(reasons, "\n")
			if got == "" {
				_, err := c.tryCreate(provider.TypeAlias, "it", c.decode(checked).Mappable())
				require.Error(t, err)
				got = err.Error()
			}
			assert.Contains(t, got, test.want)
		})
	}
}

func TestImagesOfFunctionsThatAreRefused(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	repository := c.create(provider.TypeRepository, props{"name": "here"})
	for name, test := range map[string]struct {
		change props
		want   string
	}{
		"a handler":           {props{"handler": "bootstrap"}, "handler is not for a function with the packageType Image"},
		"a runtime":           {props{"runtime": "provided.al2023"}, "runtime is not for a function with the packageType Image"},
		"no image":            {props{"imageUri": nil}, "Source image  is not valid. Provide a valid source image: imageUri must be in ECR in the function's region"},
		"no tag":              {props{"imageUri": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/model"}, "as ACCOUNT.dkr.ecr.ap-northeast-1.amazonaws.com/REPOSITORY with :TAG or @sha256:DIGEST"},
		"another region":      {props{"imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:1"}, "is not valid"},
		"another registry":    {props{"imageUri": "public.ecr.aws/lambda/provided:al2023"}, "is not valid"},
		"half a digest":       {props{"imageUri": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/model@sha256:12"}, "is not valid"},
		"what nobody pushed":  {props{"imageUri": c.text(repository, "repositoryUrl") + ":1"}, "does not exist. Provide a valid source image"},
		"reserved variables":  {props{"environment": props{"variables": props{"AWS_REGION": "a"}}}, "Reserved keys used in this request: AWS_REGION"},
		"a VPC of no subnets": {props{"vpcConfig": props{"securityGroupIds": []any{"sg-1"}, "subnetIds": []any{}}}, "vpcConfig must have at least one of subnetIds"},
	} {
		t.Run(name, func(t *testing.T) {
			checked, reasons := c.check(provider.TypeFunction, "it", imageFunction("3", test.change), nil)
			got := strings.Join(reasons, "\n")
			if got == "" {
				_, err := c.tryCreate(provider.TypeFunction, "it", c.decode(checked).Mappable())
				require.Error(t, err)
				got = err.Error()
			}
			assert.Contains(t, got, test.want)
			assert.Empty(t, c.functions.State())
		})
	}
	network := props{"securityGroupIds": []any{"sg-1"}, "subnetIds": []any{"subnet-1"}}
	tagged := props{"imageUri": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/model:v1", "vpcConfig": network, "architectures": []any{"arm64"}}
	f := c.create(provider.TypeFunction, imageFunction("6", tagged))
	assert.Equal(t, "6", c.exits("worker"), "the image's architecture is not this machine's")
	assert.Equal(t, network, c.decode(f.outputs).Mappable()["vpcConfig"])
}

func TestProvisionedConcurrencyOfAnAlias(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	c.create(provider.TypeFunction, imageFunction("3"))
	place := props{"resourceId": "function:worker:live", "scalableDimension": "lambda:function:ProvisionedConcurrency", "serviceNamespace": "lambda"}
	bounds := merged(place, props{"minCapacity": 0, "maxCapacity": 3})
	_, err := c.tryCreate(provider.TypeScalingTarget, "early", bounds)
	require.ErrorContains(t, err, "the resource function:worker:live does not exist: give the ID of one that does, as function:NAME:ALIAS")
	c.create(provider.TypeAlias, live("1"))
	target := c.create(provider.TypeScalingTarget, bounds)
	assert.Equal(t, "arn:aws:iam::123456789012:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/"+
		"AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency", c.text(target, "roleArn"))
	half := func(metric string) props {
		return merged(place, props{"name": "half", "policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": props{
			"targetValue": 0.5, "predefinedMetricSpecification": props{"predefinedMetricType": metric},
		}})
	}
	_, err = c.tryCreate(provider.TypeScalingPolicy, "other", half("SageMakerInferenceComponentInvocationsPerCopy"))
	require.ErrorContains(t, err, "localcloud follows the metrics LambdaProvisionedConcurrencyUtilization for lambda:function:ProvisionedConcurrency")
	_, err = c.tryCreate(provider.TypeScalingPolicy, "steps", merged(stepPolicy(nil), place))
	require.ErrorContains(t, err, "Unsupported policy type StepScaling for lambda")
	policy := c.create(provider.TypeScalingPolicy, half("LambdaProvisionedConcurrencyUtilization"))

	of := scaling.Resource{Dimension: scaling.ProvisionedConcurrency, ID: "function:worker:live"}
	registered := c.scaler.registered
	assert.Equal(t, []scaling.Target{{Resource: of, Min: 0, Max: 3}}, registered.Targets)
	require.Len(t, registered.Policies, 1)
	tracked := registered.Policies[0].Tracking
	assert.Equal(t, []string{c.text(policy, "arn"), "half"}, []string{registered.Policies[0].ARN, registered.Policies[0].Name})
	assert.Equal(t, &scaling.Tracking{
		Metric: scaling.Metric{
			Namespace: "AWS/Lambda", Name: "ProvisionedConcurrencyUtilization", Statistic: "Average", Period: time.Minute,
			Dimensions: map[string]string{"FunctionName": "worker", "Resource": "worker:live"},
		},
		Target: 0.5, AlarmHigh: tracked.AlarmHigh, AlarmLow: tracked.AlarmLow,
	}, tracked, "without cooldowns, unlike SageMaker's")
}

func TestMappingsOfAnAlias(t *testing.T) {
	c := newCloud(t)
	c.newRole()
	c.create(provider.TypeFunction, imageFunction("3", props{"timeout": 30}))
	queue := c.create(provider.TypeQueue, props{"name": "jobs"})
	inputs := props{"eventSourceArn": c.text(queue, "arn"), "functionName": "worker:live"}
	_, err := c.tryCreate(provider.TypeEventSourceMapping, "it", inputs)
	require.ErrorContains(t, err, "ResourceNotFoundException: Function not found: worker:live")
	c.create(provider.TypeAlias, live("1"))
	m := c.create(provider.TypeEventSourceMapping, inputs)
	assert.Equal(t, workerARN+":live", c.text(m, "functionArn"))
	assert.Equal(t, "worker:live", c.functions.Mappings()[0].Function)
	assert.Empty(t, c.diff(m, recheck(c, m, merged(inputs, props{"functionName": workerARN + ":live"}))).GetDiffs())
	assert.Equal(t, []string{"functionName"}, c.diff(m, recheck(c, m, merged(inputs, props{"functionName": "worker"}))).GetDiffs())
}

// A function that could not run after a restart has its aliases again once it can.
func TestAliasesOfAFunctionThatIsMended(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	c.newRole()
	f := c.create(provider.TypeFunction, imageFunction("3"))
	c.create(provider.TypeAlias, live("1"))
	require.NoError(t, c.functions.Close())

	again := openCloud(t, state)
	again.functions.Delete("worker")
	_, err := again.functions.Invoke(t.Context(), "worker:live", nil)
	require.ErrorContains(t, err, "Function not found")
	again.change(f, imageFunction("3", props{"reservedConcurrentExecutions": 5}))
	assert.Equal(t, "3", again.exits("worker:live"))
}
