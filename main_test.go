package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/internal/recorder"
	"scaletozero/internal/settings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// configured is a stack's configuration file as the engine hands it over.
func configured(t *testing.T, stack string, changes map[string]string) recorder.Option {
	t.Helper()
	values, err := settings.Files(".", stack)
	require.NoError(t, err)
	full := map[string]string{}
	for _, source := range []map[string]string{values, changes} {
		for key, value := range source {
			if !strings.Contains(key, ":") {
				key = recorder.Project + ":" + key
			}
			full[key] = value
		}
	}
	return recorder.Config(full)
}

// The golden files are what each stack registers, for a reviewer to read as a
// change's effect.
func TestResourceGraphGolden(t *testing.T) {
	for _, stack := range []string{"dev", "prod", "local"} {
		t.Run(stack, func(t *testing.T) {
			graph, err := recorder.Run(stack, deploy, configured(t, stack, nil))
			require.NoError(t, err)
			assert.Empty(t, graph.Orphans())
			got, err := json.MarshalIndent(shown(graph), "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')

			file := filepath.Join("tests", "testdata", "graph."+stack+".golden.json")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
				require.NoError(t, os.WriteFile(file, got, 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got), "run the test with -update if the change is meant")
		})
	}
}

// shown is the graph as people read it: JSON inside strings unfolded.
func shown(graph *recorder.Graph) []map[string]any {
	var resources []map[string]any
	for _, r := range graph.Resources {
		resources = append(resources, map[string]any{
			"type":   r.Type,
			"name":   r.Name,
			"parent": r.Parent[strings.LastIndex(r.Parent, ":")+1:],
			"inputs": unfolded(resource.NewObjectProperty(r.Inputs).Mappable()),
		})
	}
	return resources
}

func unfolded(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			value[key] = unfolded(inner)
		}
	case []any:
		for i, inner := range value {
			value[i] = unfolded(inner)
		}
	case string:
		var inner any
		if strings.HasPrefix(value, "{") && json.Unmarshal([]byte(value), &inner) == nil {
			return unfolded(inner)
		}
	}
	return value
}

func TestPreviewKnowsTheAPIAndTheScaling(t *testing.T) {
	graph, err := recorder.Run("dev", deploy, configured(t, "dev", nil), recorder.Preview)
	require.NoError(t, err)
	for token, input := range map[string]resource.PropertyKey{
		"aws:apigateway/restApi:RestApi":         "body",
		"aws:cloudformation/stack:Stack":         "templateBody",
		"aws:appautoscaling/target:Target":       "resourceId",
		"aws:cloudwatch/metricAlarm:MetricAlarm": "dimensions",
	} {
		found := graph.OfType(token)
		require.Len(t, found, 1, token)
		assert.Contains(t, found[0].Inputs, input, token)
	}
}

func TestImageIsBuiltWhereAFolderIsConfigured(t *testing.T) {
	values, err := settings.Files(".", "dev")
	require.NoError(t, err)
	full := map[string]string{"aws:region": values["aws:region"], recorder.Project + ":imageContext": "./model"}
	graph, err := recorder.Run("dev", deploy, recorder.Config(full))
	require.NoError(t, err)
	require.Len(t, graph.OfType("awsx:ecr:Image"), 1)
	model := graph.OfType("aws:sagemaker/model:Model")[0].Inputs
	assert.Contains(t, model["primaryContainer"].ObjectValue()["image"].StringValue(), "@sha256:", "the model runs the pushed digest")
	for _, policy := range graph.OfType("aws:iam/rolePolicy:RolePolicy") {
		if strings.HasSuffix(policy.Name, "-execution") {
			assert.Contains(t, policy.Inputs["policy"].StringValue(), ":123456789012:repository/music-mapping-model-dev")
		}
	}
}

func TestSecretEnvironmentStaysSecret(t *testing.T) {
	environment := map[string]string{"environment": `{"TOKEN":"hunter2"}`}
	key := recorder.Project + ":environment"
	for name, secret := range map[string][]string{"plain": nil, "secret": {key}} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", deploy, configured(t, "dev", environment), recorder.SecretKeys(secret...))
			require.NoError(t, err)
			container := graph.OfType("aws:sagemaker/model:Model")[0].Inputs["primaryContainer"]
			assert.Equal(t, secret != nil, container.ContainsSecrets(), "%v", container)
		})
	}
}

func TestWrongConfigurationRegistersNothing(t *testing.T) {
	graph, err := recorder.Run("dev", deploy, configured(t, "dev", map[string]string{
		"imageContext": "./model", "instanceType": "m5", "maxInstanceCount": "none",
	}))
	assert.ErrorContains(t, err, "has 3 problems")
	for _, r := range graph.Resources {
		assert.Equal(t, "pulumi:pulumi:Stack", r.Type)
	}
}
