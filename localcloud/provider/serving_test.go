package provider_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

// get asks the served stage for a path and returns the status.
func (c *cloud) get(url, key string) int {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, url, nil)
	require.NoError(c.t, err)
	if key != "" {
		request.Header.Set("x-api-key", key)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(c.t, err)
	require.NoError(c.t, response.Body.Close())
	return response.StatusCode
}

func TestAStageServesTheDeployedSnapshot(t *testing.T) {
	c := newCloud(t)
	api := c.create(provider.TypeRestAPI, props{"body": document("/a")})
	first := c.create(provider.TypeDeployment, props{"restApi": api.id, "triggers": props{"sha": "1"}})
	stage := c.create(provider.TypeStage, props{"restApi": api.id, "deployment": first.id, "stageName": "live"})
	url := c.text(stage, "invokeUrl")
	assert.Equal(t, c.api.URL+"/"+api.id+"/live", url)
	assert.Equal(t, 204, c.get(url+"/a", ""))

	_, err := c.update(api, recheck(c, api, props{"body": document("/b")}))
	require.NoError(t, err)
	assert.Equal(t, 204, c.get(url+"/a", ""), "a new body alone is not served")
	assert.Equal(t, 403, c.get(url+"/b", ""))

	second := c.create(provider.TypeDeployment, props{"restApi": api.id, "triggers": props{"sha": "2"}})
	assert.NotEqual(t, first.id, second.id)
	assert.Equal(t, 403, c.get(url+"/b", ""), "nor is a deployment that no stage points to")
	require.ErrorContains(t, c.delete(first), "Active stages pointing to this deployment must be moved or deleted")

	moved, err := c.update(stage, recheck(c, stage, props{"restApi": api.id, "deployment": second.id, "stageName": "live"}))
	require.NoError(t, err)
	assert.Equal(t, 204, c.get(url+"/b", ""))
	assert.Equal(t, 403, c.get(url+"/a", ""))
	require.NoError(t, c.delete(first), "the old deployment is free now")
	require.NoError(t, c.delete(moved))
	assert.NotEqual(t, 204, c.get(url+"/b", ""), "a deleted stage is gone")
}

func TestAStageWritesItsAccessLog(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeUsagePlanKey)
	group := c.create(provider.TypeLogGroup, props{"name": "/api/access"})
	stage := w[provider.TypeStage]
	settings := func(destination string) props {
		return merged(specifications(t)[13].inputs(w), props{"accessLogSettings": props{"destinationArn": destination, "format": "$context.httpMethod $context.status"}})
	}
	_, err := c.update(stage, recheck(c, stage, settings("arn:aws:s3:::bucket")))
	require.ErrorContains(t, err, "must be the ARN of a CloudWatch log group")
	url := c.text(stage, "invokeUrl") + "/a"
	assert.Equal(t, 403, c.get(url, ""), "a refused update has changed nothing")

	_, err = c.update(stage, recheck(c, stage, settings(c.text(group, "arn"))))
	require.NoError(t, err)
	assert.Equal(t, 403, c.get(url, ""))
	assert.Equal(t, 204, c.get(url, c.text(w[provider.TypeAPIKey], "value")))
	log, err := os.ReadFile(filepath.Join(c.logs, "api_access.access.log"))
	require.NoError(t, err)
	assert.Equal(t, "GET 403\nGET 204\n", string(log))
}

func TestWhatCannotBeStoredDoesNotRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Mkdir(dir, 0o700))
	c := openCloud(t, filepath.Join(dir, "state.json"))
	w := newWorld(c, provider.TypeModel)
	require.NoError(t, os.Rename(dir, dir+".away"))
	_, err := c.tryCreate(provider.TypeStack, "it", specifications(t)[6].inputs(w))
	require.ErrorContains(t, err, "cannot be written")
	assert.Empty(t, c.runtime.running)
}

func TestKeysWorkOnceAPlanCoversTheStage(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeUsagePlan)
	url, value := c.text(w[provider.TypeStage], "invokeUrl")+"/a", c.text(w[provider.TypeAPIKey], "value")
	assert.Regexp(t, `^[A-Za-z0-9]{40}$`, value)
	assert.True(t, c.decode(w[provider.TypeAPIKey].outputs)["value"].IsSecret(), "a key's value is a secret output")
	assert.Equal(t, 403, c.get(url, value), "the key is in no plan")

	member := c.create(provider.TypeUsagePlanKey, props{"keyId": w[provider.TypeAPIKey].id, "keyType": "API_KEY", "usagePlanId": w[provider.TypeUsagePlan].id})
	assert.Equal(t, 204, c.get(url, value))
	assert.Equal(t, 403, c.get(url, value+"x"))

	key := w[provider.TypeAPIKey]
	key, err := c.update(key, recheck(c, key, props{"enabled": false}))
	require.NoError(t, err)
	assert.Equal(t, 403, c.get(url, value), "a disabled key is refused")
	_, err = c.update(key, recheck(c, key, props{"enabled": true}))
	require.NoError(t, err)
	assert.Equal(t, 204, c.get(url, value), "and keeps its value")
	require.NoError(t, c.delete(member))
	assert.Equal(t, 403, c.get(url, value))
}

// A plan has two keys while callers change over from one to the other.
func TestAPlanServesTwoKeys(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeUsagePlanKey)
	url, old := c.text(w[provider.TypeStage], "invokeUrl")+"/a", w[provider.TypeAPIKey]
	second := c.create(provider.TypeAPIKey, props{"name": "second"})
	c.create(provider.TypeUsagePlanKey, props{"keyId": second.id, "keyType": "API_KEY", "usagePlanId": w[provider.TypeUsagePlan].id})
	value, secondValue := c.text(old, "value"), c.text(second, "value")
	require.NotEqual(t, value, secondValue)
	assert.Equal(t, []int{204, 204}, []int{c.get(url, value), c.get(url, secondValue)})

	disabled, err := c.update(old, recheck(c, old, props{"enabled": false}))
	require.NoError(t, err)
	assert.Equal(t, []int{403, 204}, []int{c.get(url, value), c.get(url, secondValue)})
	require.NoError(t, c.delete(w[provider.TypeUsagePlanKey]))
	require.NoError(t, c.delete(disabled))
	assert.Equal(t, []int{403, 204}, []int{c.get(url, value), c.get(url, secondValue)})
}

func TestStateSurvivesARestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	before := openCloud(t, state)
	w := newWorld(before, "")
	key := before.text(w[provider.TypeAPIKey], "value")
	path := "/" + w[provider.TypeRestAPI].id + "/live/a"
	require.Equal(t, 204, before.get(before.api.URL+path, key))
	info, err := os.Stat(state)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "the state holds keys")

	after := openCloud(t, state)
	assert.Equal(t, before.runtime.running, after.runtime.running, "every inference component runs again")
	assert.Equal(t, 204, after.get(after.api.URL+path, key), "every stage is served again")
	for typ, d := range w {
		assert.Equal(t, d.id, after.read(d).GetId(), typ)
	}
}

func TestRefusals(t *testing.T) {
	role := "arn:aws:iam::123456789012:role/role"
	target := specifications(t)[7].inputs(nil)
	tests := []struct {
		name, typ string
		inputs    func(w world) props
		want      string
	}{
		{"an API that API Gateway cannot import", provider.TypeRestAPI, fixed(props{"body": `{"openapi":"3.0.1"}`}), "BadRequestException: Errors found during import"},
		{"a merged API", provider.TypeRestAPI, fixed(props{"putRestApiMode": "merge"}), "overwrite only"},
		{"a deployment of no API", provider.TypeDeployment, fixed(props{"restApi": "nope"}), "Invalid API identifier specified 123456789012:nope"},
		{"a deployment that makes its own stage", provider.TypeDeployment, fixed(props{"restApi": "nope", "stageName": "s"}), "use a Stage"},
		{"a stage of another API's deployment", provider.TypeStage, func(w world) props {
			return props{"restApi": "other", "deployment": w[provider.TypeDeployment].id, "stageName": "s"}
		}, "Deployment id does not exist"},
		{"a stage with a bad name", provider.TypeStage, fixed(props{"restApi": "a", "deployment": "d", "stageName": "a b"}), "stageName must match"},
		{"a second stage of the same name", provider.TypeStage, func(w world) props {
			return specifications(t)[13].inputs(w)
		}, "already has a aws:apigateway/stage:Stage with this [restApi stageName]"},
		{"settings of no stage", provider.TypeMethodSettings, fixed(props{"restApi": "a", "stageName": "s", "methodPath": "*/*", "settings": props{}}), "API Stage not found: a:s"},
		{"a plan for no stage", provider.TypeUsagePlan, fixed(props{"apiStages": []any{props{"apiId": "a", "stage": "s"}}}), "API Stage not found: a:s"},
		{"a plan with an unknown period", provider.TypeUsagePlan, fixed(props{"quotaSettings": props{"limit": 1, "period": "YEAR"}}), "must be DAY, WEEK or MONTH"},
		{"no key in a plan", provider.TypeUsagePlanKey, fixed(props{"keyId": "k", "keyType": "API_KEY", "usagePlanId": "p"}), "Invalid API Key identifier"},
		{"a key in no plan", provider.TypeUsagePlanKey, func(w world) props {
			return props{"keyId": w[provider.TypeAPIKey].id, "keyType": "API_KEY", "usagePlanId": "p"}
		}, "Invalid Usage Plan ID"},
		{"a policy of no role", provider.TypeRolePolicy, fixed(props{"role": "nope", "policy": "{}"}), "The role with name nope cannot be found"},
		{"a second role of the same name", provider.TypeRole, fixed(props{"name": "role", "assumeRolePolicy": "{}"}), "already has a aws:iam/role:Role with this [name]"},
		{"a model whose role does not exist", provider.TypeModel, fixed(props{"executionRoleArn": role + "2", "primaryContainer": props{"image": image}}), "Could not assume role"},
		{"a model whose role is no ARN", provider.TypeModel, fixed(props{"executionRoleArn": "role", "primaryContainer": props{"image": image}}), "must be the ARN of an IAM role"},
		{"a model without an image", provider.TypeModel, fixed(props{"executionRoleArn": role, "primaryContainer": props{}}), "primaryContainer.image is required"},
		{"a model of several containers", provider.TypeModel, fixed(props{"executionRoleArn": role, "containers": []any{props{}}}), "one primaryContainer"},
		{"a target of no component", provider.TypeScalingTarget, fixed(merged(target, props{"resourceId": "inference-component/nope"})), "the resource inference-component/nope does not exist"},
		{"a target of something else", provider.TypeScalingTarget, fixed(merged(target, props{"serviceNamespace": "ecs"})), "localcloud scales inference components (serviceNamespace sagemaker"},
		{"a target from 3 to 2", provider.TypeScalingTarget, fixed(merged(target, props{"minCapacity": 3, "maxCapacity": 2, "resourceId": "inference-component/x"})), "ValidationException: Minimum capacity"},
		{"a policy of no target", provider.TypeScalingPolicy, fixed(props{"resourceId": "x", "scalableDimension": "y", "serviceNamespace": "z"}), "No scalable target registered"},
		{"a policy without its configuration", provider.TypeScalingPolicy, fixed(props{
			"resourceId":        target["resourceId"],
			"scalableDimension": target["scalableDimension"], "serviceNamespace": "sagemaker",
		}), "needs stepScalingPolicyConfiguration"},
		{"an alarm without a statistic", provider.TypeMetricAlarm, fixed(props{"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "metricName": "m"}), "one of statistic or extendedStatistic"},
		{"a lifecycle policy of no repository", provider.TypeLifecyclePolicy, fixed(props{"repository": "nope", "policy": "{}"}), "The repository with name 'nope' does not exist"},
		{"a template that is no template", provider.TypeStack, fixed(props{"templateBody": "{}"}), "At least one Resources member"},
	}
	c := newCloud(t)
	w := newWorld(c, "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(c.server.Resources(""))
			_, err := c.tryCreate(test.typ, "refused", test.inputs(w))
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "creating refused: ", "the message says what failed")
			assert.Len(t, c.server.Resources(""), before, "nothing is left behind")
		})
	}
	require.ErrorContains(t, c.delete(w[provider.TypeRole]), "DeleteConflict: Cannot delete entity, must delete policies first")
}

func fixed(inputs props) func(world) props { return func(world) props { return inputs } }

func TestAFailedStackLeavesNothingAndCanBeCreatedAgain(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeModel)
	inputs := specifications(t)[6].inputs(w)
	c.runtime.fail = errors.New("the container did not pass its health check")
	_, err := c.tryCreate(provider.TypeStack, "it", inputs)
	require.ErrorContains(t, err, "ROLLBACK_COMPLETE: CREATE_FAILED Component (AWS::SageMaker::InferenceComponent): the container did not pass its health check")
	assert.Empty(t, c.server.Resources(provider.TypeStack))

	c.runtime.fail = nil
	d := c.create(provider.TypeStack, inputs)
	assert.Equal(t, image, c.runtime.running["component"].Image)
	assert.Equal(t, "arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/endpoint", c.decode(d.outputs)["outputs"].ObjectValue()["EndpointArn"].StringValue())

	c.runtime.fail = errors.New("no")
	_, err = c.update(d, recheck(c, d, merged(inputs, props{"templateBody": template(2)})))
	require.ErrorContains(t, err, "updating it: UPDATE_ROLLBACK_COMPLETE: UPDATE_FAILED Component")
	assert.Equal(t, 1, c.runtime.running["component"].Copies, "what ran before still runs")
	checkRead(c, d)
}

func TestUpdatingWhatIsGoneSaysSo(t *testing.T) {
	c := newCloud(t)
	d := c.create(provider.TypeLogGroup, props{})
	require.NoError(t, c.delete(d))
	_, err := c.update(d, recheck(c, d, props{"retentionInDays": 30}))
	assert.ErrorContains(t, err, "run `pulumi refresh`")
}
