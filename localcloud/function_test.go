//go:build unix

package localcloud_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud"
	"scaletozero/localcloud/console"
	"scaletozero/localcloud/provider"
)

// modelDocument is a route to the alias of a function that holds the model.
const modelDocument = `{"openapi": "3.0.1", "info": {"title": "api", "version": "1"}, "paths": {"/infer": {"post": {
	"summary": "Asks.", "responses": {"200": {"description": "an answer"}},
	"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "credentials": "arn:aws:iam::123456789012:role/role",
		"uri": "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/` +
	`arn:aws:lambda:ap-northeast-1:123456789012:function:model:live/invocations"}}}}}`

// deployFunction makes an API in front of a model that is a function, of which one environment is kept, and returns the
// path of its route.
func deployFunction(e engine) string {
	e.t.Helper()
	_, role := e.create(provider.TypeRole, props{"name": "role", "assumeRolePolicy": "{}"})
	name, function := e.create(provider.TypeFunction, props{
		"name": "model", "role": role["arn"], "packageType": "Image", "publish": true, "timeout": 28,
		"imageUri":    "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/model:v1",
		"imageConfig": props{"entryPoints": []any{"/adapter"}, "commands": []any{"/model", "serve"}},
		"environment": props{"variables": props{"ALLOW_ORIGIN": "*"}},
	})
	e.create(provider.TypeAlias, props{"name": "live", "functionName": name, "functionVersion": function["version"]})
	e.create(provider.TypeScalingTarget, props{
		"resourceId": "function:model:live", "serviceNamespace": "lambda", "scalableDimension": "lambda:function:ProvisionedConcurrency",
		"minCapacity": 1, "maxCapacity": 2,
	})
	api, _ := e.create(provider.TypeRestAPI, props{"name": "songs", "body": modelDocument})
	deployment, _ := e.create(provider.TypeDeployment, props{"restApi": api})
	e.create(provider.TypeStage, props{"restApi": api, "deployment": deployment, "stageName": "live"})
	return "/" + api + "/live/infer"
}

// keptOne waits until the first scaling activity has given the function its environment.
func keptOne(t *testing.T, cloud *localcloud.Cloud) {
	t.Helper()
	require.Eventually(t, func() bool {
		activities := cloud.Activities()
		return len(activities) > 0 && !activities[0].End.IsZero()
	}, 30*time.Second, 10*time.Millisecond)
	assert.Equal(t, "Setting provisioned concurrency to 1.", cloud.Activities()[0].Description)
	assert.Empty(t, cloud.Activities()[0].Problem)
}

// stateOf is what the console shows.
func stateOf(t *testing.T, cloud *localcloud.Cloud) (now console.Snapshot) {
	t.Helper()
	response, err := http.Get(cloud.ConsoleURL() + "/state")
	require.NoError(t, err)
	require.NoError(t, errors.Join(json.NewDecoder(response.Body).Decode(&now), response.Body.Close()))
	return now
}

// The model of an endpoint, as a function: with the real adapter, through the gateway, kept ready, and again after a
// restart.
func TestAModelThatIsAFunction(t *testing.T) {
	dir := t.TempDir()
	o := options(filepath.Join(dir, "state"))
	o.Adapter = filepath.Join(dir, "adapter")
	out, err := exec.Command("go", "build", "-o", o.Adapter, "scaletozero/functions/adapter").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cloud := start(t, o)
	path := deployFunction(attach(t, cloud))
	keptOne(t, cloud)
	answer := infer(t, cloud.URL()+path)
	assert.Contains(t, answer, `"id":"1"`)
	shown := stateOf(t, cloud)
	assert.Empty(t, shown.APIs, "the form is for the operation infer, and this document names none")
	assert.Equal(t, []console.Route{{API: "songs", Method: http.MethodPost, URL: cloud.URL() + path, Summary: "Asks."}}, shown.Routes)
	require.Len(t, shown.Functions, 1)
	shown.Functions[0].Running, shown.Functions[0].Provisioned[0].InUse = 0, 0 // It may still be busy with its answer.
	assert.Equal(t, console.Function{
		Name: "model", Environments: 1, Inits: 1, Invocations: 1, Aliases: map[string]string{"live": "1"},
		Provisioned: []console.Provisioned{{Qualifier: "live", Requested: 1, Allocated: 1}},
	}, shown.Functions[0])
	with := cloud.Health().Origin
	require.NoError(t, cloud.Close())

	again := start(t, o)
	assert.Equal(t, "ok", again.Health().Status, again.Health().Problem)
	keptOne(t, again)
	assert.Equal(t, answer, infer(t, again.URL()+path))
	require.NoError(t, again.Close())

	o.Adapter = ""
	without := start(t, o)
	assert.Equal(t, "degraded", without.Health().Status)
	assert.Contains(t, without.Health().Problem, "start it with --adapter PROGRAM")
	assert.NotContains(t, without.Health().Problem, "Function not found", "what follows from it is not said")
	assert.Equal(t, "the adapter program", without.Health().Origin.Changed(with))
	require.NoError(t, without.Close())
}
