package provider_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

// What a metric filter counts are the lines of the access log, from its creation on, through an update and a restart,
// until its deletion.
func TestMetricFiltersCountTheAccessLog(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	group := c.create(provider.TypeLogGroup, props{"name": "/api/live"})
	api := c.create(provider.TypeRestAPI, props{"body": document("/a")})
	deployment := c.create(provider.TypeDeployment, props{"restApi": api.id})
	c.create(provider.TypeStage, props{
		"restApi": api.id, "deployment": deployment.id, "stageName": "live",
		"accessLogSettings": props{"destinationArn": c.text(group, "arn"), "format": `{"status":"$context.status","path":"$context.resourcePath"}`},
	})
	send := func(paths ...string) map[string][]float64 {
		c.counts.counted = map[string][]float64{}
		for _, path := range paths {
			answer, err := http.Get(c.api.URL + "/" + api.id + "/live" + path) //nolint:noctx // The test's own server.
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
		}
		return c.counts.counted
	}
	assert.Empty(t, send("/a"))

	inputs := props{"name": "served", "logGroupName": group.id, "pattern": `{ $.status = "2*" }`, "metricTransformation": counting(nil)}
	filter := c.create(provider.TypeLogMetricFilter, inputs)
	_, err := c.tryCreate(provider.TypeLogMetricFilter, "without", props{
		"logGroupName": group.id, "pattern": `{ $.path = "-" }`, "metricTransformation": props{"namespace": "API", "name": "Lost", "value": "2.5"},
	})
	require.NoError(t, err)
	assert.Equal(t, map[string][]float64{"API Failed": {1, 0, 1}, "API Lost": {2.5}}, send("/a", "/b", "/a"), "without a default nothing is counted")

	c = openCloud(t, state)
	assert.Equal(t, map[string][]float64{"API Failed": {1}}, send("/a"), "after a restart too")
	_, err = c.update(filter, recheck(c, filter, merged(inputs, props{"pattern": `{ $.status = "4*" }`})))
	require.NoError(t, err)
	assert.Equal(t, map[string][]float64{"API Failed": {0, 1}, "API Lost": {2.5}}, send("/a", "/b"))
	require.NoError(t, c.delete(filter))
	assert.Equal(t, map[string][]float64{"API Lost": {2.5}}, send("/a", "/b"))
}

func TestMetricFiltersAreRefused(t *testing.T) {
	c := newCloud(t)
	group := c.create(provider.TypeLogGroup, props{"name": "/api/live"})
	filter := props{"logGroupName": group.id, "pattern": `{ $.status = "5*" }`, "metricTransformation": counting(nil)}
	for name, test := range map[string]struct {
		inputs props
		want   string
	}{
		"of no group":     {props{"logGroupName": "/api/other"}, "ResourceNotFoundException: The specified log group does not exist: /api/other"},
		"of words":        {props{"pattern": "ERROR"}, `localcloud cannot read the filter pattern "ERROR"`},
		"of a field":      {props{"metricTransformation": counting(props{"value": "$.latency"})}, `metricTransformation.value must be one such as "1", but is "$.latency"`},
		"of no number":    {props{"metricTransformation": counting(props{"defaultValue": "none"})}, `defaultValue must be a number, but is "none"`},
		"with dimensions": {props{"metricTransformation": counting(props{"dimensions": props{"a": "$.a"}})}, "no dimensions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.tryCreate(provider.TypeLogMetricFilter, "refused", merged(filter, test.inputs))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestMethodsHaveMetricsOfTheirOwnWhereTheSettingsSay(t *testing.T) {
	c := newCloud(t)
	api := c.create(provider.TypeRestAPI, props{"name": "music", "body": document("/a")})
	deployment := c.create(provider.TypeDeployment, props{"restApi": api.id})
	c.create(provider.TypeStage, props{"restApi": api.id, "deployment": deployment.id, "stageName": "live"})
	settings := props{"restApi": api.id, "stageName": "live", "methodPath": "*/*", "settings": props{"metricsEnabled": false}}
	set := c.create(provider.TypeMethodSettings, settings)
	for _, want := range [][]string{nil, {"/a"}} {
		answer, err := http.Get(c.api.URL + "/" + api.id + "/live/a") //nolint:noctx // The test's own server.
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, want, c.counts.methods)
		_, err = c.update(set, recheck(c, set, merged(settings, props{"settings": props{"metricsEnabled": true}})))
		require.NoError(t, err)
	}
}
