package provider_test

import (
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

func TestCheckRefusesWhatDoesNotFitTheSchema(t *testing.T) {
	target := props{"minCapacity": 0, "maxCapacity": 3, "resourceId": "r", "scalableDimension": "d", "serviceNamespace": "s"}
	alarm := props{"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1}
	tests := []struct {
		name, typ string
		inputs    props
		want      []string
	}{
		{"all is well", provider.TypeScalingTarget, target, nil},
		{"unknown values pass", provider.TypeScalingTarget, merged(target, props{"minCapacity": unknown, "tags": unknown}), nil},
		{"a null is as good as nothing", provider.TypeScalingTarget, merged(target, props{"roleArn": nil}), nil},
		{
			"an unknown property", provider.TypeRole,
			props{"assumeRolePolicy": "{}", "colour": "red"},
			[]string{"colour is not a property here; allowed are assumeRolePolicy, description"},
		},
		{"a missing scalar", provider.TypeUsagePlanKey, props{"keyId": "k", "keyType": "API_KEY"}, []string{"usagePlanId is required but missing"}},
		{"a missing any-typed input", provider.TypeDeployment, props{}, []string{"restApi is required but missing"}},
		{"a missing object", provider.TypeMethodSettings, props{"restApi": "a", "stageName": "s", "methodPath": "*/*"}, []string{"settings is required but missing"}},
		{
			"every missing input at once", provider.TypeScalingPolicy,
			props{},
			[]string{"resourceId is required", "scalableDimension is required", "serviceNamespace is required"},
		},
		{"a null for a required input", provider.TypeModel, props{"executionRoleArn": nil}, []string{"executionRoleArn is required but missing"}},
		{"a number for a string", provider.TypeModel, props{"executionRoleArn": 1}, []string{"executionRoleArn must be a string, but is a number"}},
		{"a string for a number", provider.TypeMetricAlarm, merged(alarm, props{"threshold": "1"}), []string{"threshold must be a number, but is a string"}},
		{"a string for a bool", provider.TypeAPIKey, props{"enabled": "true"}, []string{"enabled must be a bool, but is a string"}},
		{"a fraction for an integer", provider.TypeScalingTarget, merged(target, props{"minCapacity": 0.5}), []string{"minCapacity must be an integer, but is a number"}},
		{"a string for a list", provider.TypeMetricAlarm, merged(alarm, props{"alarmActions": "a"}), []string{"alarmActions must be a list, but is a string"}},
		{"a list for an object", provider.TypeStack, props{"parameters": []any{}}, []string{"parameters must be an object, but is a list"}},
		{"a wrong element", provider.TypeStack, props{"capabilities": []any{"a", true}}, []string{"capabilities[1] must be a string, but is a bool"}},
		{"a wrong entry", provider.TypeRole, props{"assumeRolePolicy": "{}", "tags": props{"a": 1}}, []string{"tags.a must be a string, but is a number"}},
		{
			"an unknown nested property", provider.TypeUsagePlan,
			props{"apiStages": []any{props{"apiId": "a", "stage": "s", "colour": "red"}}},
			[]string{"apiStages[0].colour is not a property here"},
		},
		{"a missing nested property", provider.TypeUsagePlan, props{"quotaSettings": props{"limit": 1}}, []string{"quotaSettings.period is required but missing"}},
		{"a document that is no JSON", provider.TypeRole, props{"assumeRolePolicy": "{"}, []string{"assumeRolePolicy must be a JSON document"}},
		{"a key value that is too short", provider.TypeAPIKey, props{"value": "short"}, []string{"value must have 20 to 128 characters"}},
		{"a retention that AWS does not have", provider.TypeLogGroup, props{"retentionInDays": 2}, []string{"retentionInDays must be one of"}},
		{"a failure mode that is not implemented", provider.TypeStack, props{"onFailure": "DO_NOTHING"}, []string{"onFailure must be one of [DELETE ROLLBACK]"}},
		{"a name that SageMaker refuses", provider.TypeModel, props{"executionRoleArn": "r", "name": "a_b"}, []string{"name must match"}},
	}
	c := newCloud(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, reasons := c.check(test.typ, "it", test.inputs, nil)
			require.Len(t, reasons, len(test.want), "%v", reasons)
			for i, want := range test.want {
				assert.Contains(t, reasons[i], want)
			}
		})
	}
}

func TestCheckNamesWithoutTheValue(t *testing.T) {
	c := newCloud(t)
	_, reasons := c.check(provider.TypeAPIKey, "it", props{"value": "hunter2", "enabled": "hunter2"}, nil)
	assert.NotEmpty(t, reasons)
	assert.NotContains(t, strings.Join(reasons, " "), "hunter2")
}

func TestAutomaticNames(t *testing.T) {
	c := newCloud(t)
	name := func(inputs, olds props) string {
		encoded := c.encode(olds)
		if olds == nil {
			encoded = nil
		}
		checked, reasons := c.check(provider.TypeLogGroup, "Logs", inputs, encoded)
		require.Empty(t, reasons)
		return c.decode(checked)["name"].StringValue()
	}
	assert.Regexp(t, `^Logs-[0-9a-f]{7}$`, name(props{}, nil), "the logical name and seven digits")
	assert.Equal(t, "mine", name(props{"name": "mine"}, nil), "a given name is taken as it is")
	assert.Equal(t, "Logs-0000000", name(props{}, props{"name": "Logs-0000000", "__defaults": []any{"name"}}), "an automatic name stays")
	assert.NotEqual(t, "mine", name(props{}, props{"name": "mine", "__defaults": []any{}}), "a given name that was taken away does not")

	repository, _ := c.check(provider.TypeRepository, "Upper", props{}, nil)
	assert.Regexp(t, `^upper-[0-9a-f]{7}$`, c.decode(repository)["name"].StringValue())
	_, reasons := c.check(provider.TypeModel, strings.Repeat("x", 60), props{"executionRoleArn": "r"}, nil)
	require.Len(t, reasons, 1)
	assert.Contains(t, reasons[0], "maximum length 63")
}

func TestDefaultsAreThoseOfTheRealProvider(t *testing.T) {
	c := newCloud(t)
	tests := []struct {
		typ    string
		inputs props
		want   props
	}{
		{provider.TypeAPIKey, props{}, props{"description": "Managed by Pulumi", "enabled": true}},
		{provider.TypeRole, props{"assumeRolePolicy": "{}"}, props{"maxSessionDuration": 3600.0, "path": "/", "forceDetachPolicies": false}},
		{
			provider.TypeMetricAlarm,
			props{"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1},
			props{"actionsEnabled": true, "treatMissingData": "missing"},
		},
		{provider.TypeAPIKey, props{"enabled": false}, props{"enabled": false}},
	}
	for _, test := range tests {
		checked, reasons := c.check(test.typ, "it", test.inputs, nil)
		require.Empty(t, reasons)
		assert.Subset(t, c.decode(checked).Mappable(), test.want, test.typ)
	}
}

func TestPolicyDocumentsMayBeObjectsAndSpelledDifferently(t *testing.T) {
	c := newCloud(t)
	d := c.create(provider.TypeRole, props{"assumeRolePolicy": props{"Version": "2012-10-17", "Statement": []any{}}})
	assert.JSONEq(t, trustPolicy, c.text(d, "assumeRolePolicy"))
	news, _ := c.check(provider.TypeRole, "it", props{"assumeRolePolicy": "{ \"Statement\": [], \"Version\": \"2012-10-17\" }"}, d.inputs)
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, c.diff(d, news).GetChanges())
}

func TestUnknownTypesAndFunctionsAreRefused(t *testing.T) {
	c := newCloud(t)
	_, err := c.client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn("aws:s3/bucket:Bucket", "it")})
	assert.ErrorContains(t, err, "localcloud does not implement aws:s3/bucket:Bucket; it implements [aws:apigateway/account:Account")
	_, err = c.client.Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:ec2/getVpc:getVpc"})
	assert.ErrorContains(t, err, "localcloud does not implement the function aws:ec2/getVpc:getVpc")
	_, err = c.client.Construct(t.Context(), &pulumirpc.ConstructRequest{Type: "awsx:ec2:Vpc"})
	assert.ErrorContains(t, err, "localcloud does not implement awsx:ec2:Vpc")
}
