package provider_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

const (
	add           = pulumirpc.PropertyDiff_ADD
	deleted       = pulumirpc.PropertyDiff_DELETE
	updated       = pulumirpc.PropertyDiff_UPDATE
	updateReplace = pulumirpc.PropertyDiff_UPDATE_REPLACE
	addReplace    = pulumirpc.PropertyDiff_ADD_REPLACE
)

func TestDiff(t *testing.T) {
	role := "arn:aws:iam::123456789012:role/role"
	model := props{"executionRoleArn": role, "primaryContainer": props{"image": image}}
	tests := []struct {
		name, typ string
		old, next props
		want      map[string]pulumirpc.PropertyDiff_Kind
		// deleteFirst is what the engine is told about the order of a replacement.
		deleteFirst bool
	}{
		{
			"another image replaces a model", provider.TypeModel, model, merged(model, props{"primaryContainer": props{"image": "2"}}),
			map[string]pulumirpc.PropertyDiff_Kind{"primaryContainer.image": updateReplace},
			false,
		},
		{
			"and deletes it first if it has a given name", provider.TypeModel, merged(model, props{"name": "m"}),
			merged(model, props{"name": "m", "primaryContainer": props{"image": "2"}}),
			map[string]pulumirpc.PropertyDiff_Kind{"primaryContainer.image": updateReplace},
			true,
		},
		{
			"but not if the name changes as well", provider.TypeModel, merged(model, props{"name": "m"}), merged(model, props{"name": "n"}),
			map[string]pulumirpc.PropertyDiff_Kind{"name": updateReplace},
			false,
		},
		{
			"isolation replaces a model", provider.TypeModel, model, merged(model, props{"enableNetworkIsolation": true}),
			map[string]pulumirpc.PropertyDiff_Kind{"enableNetworkIsolation": addReplace},
			false,
		},
		{
			"tags do not", provider.TypeModel, merged(model, props{"tags": props{"a": "1", "b": "1"}}), merged(model, props{"tags": props{"a": "2"}}),
			map[string]pulumirpc.PropertyDiff_Kind{"tags.a": updated, "tags.b": deleted},
			false,
		},
		{
			"triggers replace a deployment, new before old", provider.TypeDeployment,
			props{"restApi": "a", "triggers": props{"sha": "1"}},
			props{"restApi": "a", "triggers": props{"sha": "2"}},
			map[string]pulumirpc.PropertyDiff_Kind{"triggers.sha": updateReplace},
			false,
		},
		{
			"a trigger that is not known yet counts as changed", provider.TypeDeployment,
			props{"restApi": "a", "triggers": props{"sha": "1"}},
			props{"restApi": "a", "triggers": props{"sha": unknown}},
			map[string]pulumirpc.PropertyDiff_Kind{"triggers.sha": updateReplace},
			false,
		},
		{
			"an API key keeps its value under another name", provider.TypeAPIKey,
			props{"name": "a"},
			props{"name": "b", "enabled": false},
			map[string]pulumirpc.PropertyDiff_Kind{"name": updated, "enabled": updated},
			false,
		},
		{
			"a stage moves to another deployment in place", provider.TypeStage,
			props{"restApi": "a", "stageName": "s", "deployment": "1"},
			props{"restApi": "a", "stageName": "s", "deployment": "2"},
			map[string]pulumirpc.PropertyDiff_Kind{"deployment": updated},
			false,
		},
		{
			"a lifecycle policy is deleted first", provider.TypeLifecyclePolicy,
			props{"repository": "r", "policy": `{"rules":[]}`},
			props{"repository": "r", "policy": `{"rules":[{}]}`},
			map[string]pulumirpc.PropertyDiff_Kind{"policy": updateReplace},
			true,
		},
		{
			"a body changes in place", provider.TypeRestAPI,
			props{"body": "{}"},
			props{"body": "{} "},
			map[string]pulumirpc.PropertyDiff_Kind{"body": updated},
			false,
		},
		{
			"a stack's parameter changes in place", provider.TypeStack,
			props{"parameters": props{}},
			props{"parameters": props{"A": "1"}},
			map[string]pulumirpc.PropertyDiff_Kind{"parameters.A": add},
			false,
		},
	}
	c := newCloud(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			olds, reasons := c.check(test.typ, "it", test.old, nil)
			require.Empty(t, reasons)
			news, reasons := c.check(test.typ, "it", test.next, olds)
			require.Empty(t, reasons)
			state := c.encode(props{"tagsAll": test.next["tags"]})
			diff := c.diff(deployed{urn: urn(test.typ, "it"), id: "id", inputs: olds, outputs: state}, news)
			got := map[string]pulumirpc.PropertyDiff_Kind{}
			for path, change := range diff.GetDetailedDiff() {
				got[path] = change.GetKind()
			}
			assert.Equal(t, test.want, got)
			for _, property := range diff.GetDiffs() {
				assert.NotContains(t, property, ".", "a preview sums up by properties of the resource")
			}
			assert.Equal(t, test.deleteFirst, diff.GetDeleteBeforeReplace())
		})
	}
}

func TestPreviewOfAnUpdateKeepsWhatStays(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeStack)
	stack := w[provider.TypeStack]
	news, _ := c.check(provider.TypeStack, "it", props{"onFailure": "DELETE", "templateBody": template(2), "parameters": unknown}, stack.inputs)
	answer, err := c.client.Update(t.Context(), &pulumirpc.UpdateRequest{
		Id: stack.id, Urn: stack.urn, Olds: stack.outputs, OldInputs: stack.inputs, News: news, Preview: true,
	})
	require.NoError(t, err)
	preview := c.decode(answer.GetProperties())
	assert.True(t, preview["outputs"].IsComputed(), "outputs may change with the template")
	assert.True(t, preview["parameters"].IsComputed())
	assert.Equal(t, c.decode(stack.outputs)["name"], preview["name"])
	assert.Equal(t, c.decode(stack.outputs)["tagsAll"], preview["tagsAll"])
	assert.Equal(t, 1, c.runtime.running["component"].Copies, "a preview changes nothing")
}

func TestDefaultTagsBelongToTheConnection(t *testing.T) {
	c := newCloud(t)
	c.configure(props{"region": "eu-west-1", "defaultTags": `{"tags":{"team":"a","env":"x"}}`})
	d := c.create(provider.TypeLogGroup, props{"tags": props{"env": "y"}})
	outputs := c.decode(d.outputs)
	assert.Equal(t, props{"team": "a", "env": "y"}, outputs["tagsAll"].Mappable())
	assert.Contains(t, c.text(d, "arn"), "arn:aws:logs:eu-west-1:123456789012:log-group:")

	c.configure(props{"region": "eu-west-1", "defaultTags": `{"tags":{"team":"b"}}`})
	diff := c.diff(d, recheck(c, d, props{"tags": props{"env": "y"}}))
	assert.Equal(t, []string{"tagsAll"}, diff.GetDiffs(), "new default tags change the resource")
}

func TestRegionIsRequired(t *testing.T) {
	c := newCloud(t)
	answer, err := c.client.CheckConfig(t.Context(), &pulumirpc.CheckRequest{
		Urn: urn("pulumi:providers:aws", "default"), News: c.encode(props{"version": "6.83.2"}),
	})
	require.NoError(t, err)
	require.Len(t, answer.GetFailures(), 1)
	assert.Contains(t, answer.GetFailures()[0].GetReason(), "pulumi config set aws:region")

	c.configure(props{})
	_, err = c.tryCreate(provider.TypeLogGroup, "it", props{})
	assert.ErrorContains(t, err, "the provider is not configured")
}

func TestFunctionsSayWhereTheProgramRuns(t *testing.T) {
	tests := []struct{ region, function, output, want string }{
		{"ap-northeast-1", "getCallerIdentity", "accountId", "123456789012"},
		{"ap-northeast-1", "getPartition", "partition", "aws"},
		{"cn-north-1", "getPartition", "dnsSuffix", "amazonaws.com.cn"},
		{"us-gov-west-1", "getPartition", "partition", "aws-us-gov"},
		{"ap-northeast-1", "getRegion", "name", "ap-northeast-1"},
	}
	c := newCloud(t)
	for _, test := range tests {
		c.configure(props{"region": test.region})
		answer, err := c.client.Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:index/" + test.function + ":" + test.function})
		require.NoError(t, err)
		assert.Equal(t, test.want, c.decode(answer.GetReturn())[resource.PropertyKey(test.output)].StringValue())
	}
}
