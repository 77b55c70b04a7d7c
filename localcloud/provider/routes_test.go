package provider_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/provider"
)

// deployRoutes puts a document into service whose operations all do the same, with
// some of them described, and returns the stage's URL.
func deployRoutes(t *testing.T, c *cloud, name string, paths map[string]map[string]props) string {
	t.Helper()
	var api props
	require.NoError(t, json.Unmarshal([]byte(document("/a")), &api))
	mock := api["paths"].(map[string]any)["/a"].(map[string]any)["get"].(map[string]any)
	described := props{}
	for path, operations := range paths {
		item := props{}
		for method, more := range operations {
			item[method] = merged(mock, more)
		}
		described[path] = item
	}
	api["paths"] = described
	body, err := json.Marshal(api)
	require.NoError(t, err)
	rest := c.create(provider.TypeRestAPI, props{"name": name, "body": string(body)})
	deployment := c.create(provider.TypeDeployment, props{"restApi": rest.id})
	return c.text(c.create(provider.TypeStage, props{"restApi": rest.id, "deployment": deployment.id, "stageName": "live"}), "invokeUrl")
}

func TestAPIsAreForAPersonToCall(t *testing.T) {
	c := newCloud(t)
	assert.Empty(t, c.server.APIs())
	parameter := props{"parameters": []any{props{"name": "id", "in": "path", "required": true, "schema": props{"type": "string"}}}}
	queued := deployRoutes(t, c, "queued", map[string]map[string]props{
		"/infer":     {"post": {"operationId": "infer", "summary": "Asks the model."}, "options": {}},
		"/jobs":      {"post": {}, "options": {}},
		"/jobs/{id}": {"get": parameter},
	})
	plain := deployRoutes(t, c, "plain", map[string]map[string]props{"/texts": {"put": {}, "get": {"operationId": "list"}}})
	assert.ElementsMatch(t, []provider.API{
		{URL: queued, Name: "queued", Stage: "live", JobsURL: queued + "/jobs", Operations: []gateway.Operation{
			{Method: "POST", Path: "/infer", ID: "infer", Summary: "Asks the model."},
			{Method: "POST", Path: "/jobs"},
			{Method: "GET", Path: "/jobs/{id}"},
		}},
		{URL: plain, Name: "plain", Stage: "live", Operations: []gateway.Operation{
			{Method: "GET", Path: "/texts", ID: "list"},
			{Method: "PUT", Path: "/texts"},
		}},
	}, c.server.APIs())
}

func TestAnAPIHasTheKeyThatWorks(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeUsagePlanKey)
	key := w[provider.TypeAPIKey]
	require.Len(t, c.server.APIs(), 1)
	assert.Equal(t, c.text(key, "value"), c.server.APIs()[0].Key)
	_, err := c.update(key, recheck(c, key, props{"enabled": false}))
	require.NoError(t, err)
	assert.Empty(t, c.server.APIs()[0].Key, "a disabled key is of no use")
}
