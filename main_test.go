package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
	"scaletozero/internal/recorder"
	"scaletozero/internal/settings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type values = map[string]string

// configured is a stack's configuration file as the engine hands it over.
func configured(t *testing.T, stack string, changes values) recorder.Option {
	t.Helper()
	files, err := settings.Files(".", stack)
	require.NoError(t, err)
	full := map[string]string{}
	for _, source := range []values{files, changes} {
		for key, value := range source {
			if !strings.Contains(key, ":") {
				key = recorder.Project + ":" + key
			}
			full[key] = value
		}
	}
	return recorder.Config(full)
}

// packaged stands for what `make functions` builds.
func packaged(string) (submit, worker pulumi.Archive, err error) {
	archive := func(program string) pulumi.Archive {
		return pulumi.NewAssetArchive(map[string]any{"bootstrap": pulumi.NewStringAsset(program)})
	}
	return archive("submit"), archive("worker"), nil
}

// The golden files are what each stack registers, for a reviewer to read as a
// change's effect.
func TestResourceGraphGolden(t *testing.T) {
	for _, stack := range []string{"dev", "prod", "local", "local-function"} {
		t.Run(stack, func(t *testing.T) {
			// Whatever machine the test runs on.
			graph, err := recorder.Run(stack, program(packaged), configured(t, stack, values{"functionArchitecture": "arm64"}))
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
	graph, err := recorder.Run("dev", program(packaged), configured(t, "dev", nil), recorder.Preview)
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
	files, err := settings.Files(".", "dev")
	require.NoError(t, err)
	full := values{"aws:region": files["aws:region"], recorder.Project + ":imageContext": "./model"}
	graph, err := recorder.Run("dev", program(packaged), recorder.Config(full))
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
	environment := values{"environment": `{"TOKEN":"hunter2"}`}
	key := recorder.Project + ":environment"
	for name, secret := range map[string][]string{"plain": nil, "secret": {key}} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", program(packaged), configured(t, "dev", environment), recorder.SecretKeys(secret...))
			require.NoError(t, err)
			container := graph.OfType("aws:sagemaker/model:Model")[0].Inputs["primaryContainer"]
			assert.Equal(t, secret != nil, container.ContainsSecrets(), "%v", container)
		})
	}
}

func TestWrongConfigurationRegistersNothing(t *testing.T) {
	graph, err := recorder.Run("dev", program(packaged), configured(t, "dev", values{
		"imageContext": "./model", "instanceType": "m5", "maxInstanceCount": "none",
	}))
	assert.ErrorContains(t, err, "has 3 problems")
	for _, r := range graph.Resources {
		assert.Equal(t, "pulumi:pulumi:Stack", r.Type)
	}
}

// The API must be on its way before its queue is: what it names is known.
func TestPreviewKnowsTheQueueAndItsRoutes(t *testing.T) {
	graph, err := recorder.Run("prod", program(packaged), configured(t, "prod", nil), recorder.Preview)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	body := graph.Only(t, "aws:apigateway/restApi:RestApi").Inputs["body"].StringValue()
	assert.Contains(t, body, `"/jobs/{id}"`)
	const function = "arn:aws:lambda:ap-northeast-1:123456789012:function:music-mapping-api-prod-jobs-submit:live"
	assert.Contains(t, body, function+"/invocations")
	for _, policy := range graph.OfType("aws:iam/rolePolicy:RolePolicy") {
		assert.Contains(t, policy.Inputs, resource.PropertyKey("policy"), policy.Name)
		if policy.Name == "roles-gateway" {
			assert.Contains(t, policy.Inputs["policy"].StringValue(), `"`+function+`"`)
		}
	}
}

func TestAPIWaitsForWhatAnswers(t *testing.T) {
	graph, err := recorder.Run("prod", program(packaged), configured(t, "prod", nil))
	require.NoError(t, err)
	waits := strings.Join(graph.Only(t, gateway.Type).DependsOn, " ")
	for _, answering := range []string{"aws:iam/rolePolicy:RolePolicy::roles-gateway", "aws:lambda/alias:Alias::queue-submit", "aws:lambda/eventSourceMapping:EventSourceMapping::queue"} {
		assert.Contains(t, waits, answering)
	}
}

// The same API, whatever runs the model: a preview shows all of it, and the API
// waits for the function, which is there in seconds.
func TestFunctionInPlaceOfTheEndpoint(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("prod", program(packaged), append(options, configured(t, "prod", values{"backend": "function", "networkIsolation": "false"}))...)
			require.NoError(t, err)
			assert.Empty(t, graph.Orphans())
			for _, r := range graph.Resources {
				assert.NotContains(t, r.Type, "sagemaker")
				assert.NotContains(t, r.Type, "cloudformation")
			}
			const alias = "arn:aws:lambda:ap-northeast-1:123456789012:function:music-mapping-model-prod:live"
			body := graph.Only(t, "aws:apigateway/restApi:RestApi").Inputs["body"].StringValue()
			assert.Contains(t, body, alias+"/invocations")
			assert.Contains(t, body, `"/jobs/{id}"`)
			for _, policy := range graph.OfType("aws:iam/rolePolicy:RolePolicy") {
				if policy.Name == "roles-gateway" || policy.Name == "queue-worker" {
					assert.Contains(t, policy.Inputs["policy"].StringValue(), `"`+alias+`"`)
				}
			}
			assert.Contains(t, strings.Join(graph.Only(t, gateway.Type).DependsOn, " "), "aws:lambda/alias:Alias::function")
		})
	}
}

// With a key of one's own, nothing is kept under another.
func TestOwnKeyEncryptsAllThatIsKept(t *testing.T) {
	const key = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	graph, err := recorder.Run("prod", program(packaged), configured(t, "prod", values{"kmsKeyArn": key}), recorder.Preview)
	require.NoError(t, err)
	for token, input := range map[string]resource.PropertyKey{
		"aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
		"aws:sqs/queue:Queue":              "kmsMasterKeyId",
		"aws:sns/topic:Topic":              "kmsMasterKeyId",
		"aws:lambda/function:Function":     "kmsKeyArn",
	} {
		require.NotEmpty(t, graph.OfType(token))
		for _, r := range graph.OfType(token) {
			assert.Equal(t, resource.NewStringProperty(key), r.Inputs[input], "%s %s", token, r.Name)
		}
	}
	encryption := graph.Only(t, "aws:dynamodb/table:Table").Inputs["serverSideEncryption"].ObjectValue()
	assert.Equal(t, key, encryption["kmsKeyArn"].StringValue())
	assert.Equal(t, key, graph.Only(t, "aws:cloudformation/stack:Stack").Inputs["parameters"].ObjectValue()["KmsKeyId"].StringValue())
}

func TestFirewallGuardsTheStage(t *testing.T) {
	graph, err := recorder.Run("prod", program(packaged), configured(t, "prod", nil))
	require.NoError(t, err)
	association := graph.Only(t, "aws:wafv2/webAclAssociation:WebAclAssociation").Inputs
	assert.Equal(t, "arn:aws:mock:::gateway", association["resourceArn"].StringValue(), "the stage's")
	assert.Equal(t, "arn:aws:mock:::firewall", association["webAclArn"].StringValue())

	open, err := recorder.Run("dev", program(packaged), configured(t, "dev", nil))
	require.NoError(t, err)
	assert.Empty(t, open.OfType("aws:wafv2/webAcl:WebAcl"))
}

func TestObjectivesWatchTheAPI(t *testing.T) {
	graph, err := recorder.Run("prod", program(packaged), configured(t, "prod", nil))
	require.NoError(t, err)
	access := ""
	for _, group := range graph.OfType("aws:cloudwatch/logGroup:LogGroup") {
		if group.Name == "gateway-access" {
			access = group.Inputs["name"].StringValue()
		}
	}
	filters := graph.OfType("aws:cloudwatch/logMetricFilter:LogMetricFilter")
	require.Len(t, filters, 2)
	for _, filter := range filters {
		assert.Equal(t, access, filter.Inputs["logGroupName"].StringValue())
	}
	require.Len(t, graph.OfType("aws:cloudwatch/compositeAlarm:CompositeAlarm"), 3)

	silent, err := recorder.Run("dev", program(packaged), configured(t, "dev", nil))
	require.NoError(t, err)
	assert.Empty(t, silent.OfType("aws:sns/topic:Topic"))
}

func TestMissingFunctionsRegisterNothing(t *testing.T) {
	folder := t.TempDir()
	graph, err := recorder.Run("prod", program(built(folder)), configured(t, "prod", nil))
	require.Error(t, err)
	assert.ErrorContains(t, err, filepath.Join(folder, "arm64", "submit.zip"))
	assert.ErrorContains(t, err, "run `make functions`")
	for _, r := range graph.Resources {
		assert.Equal(t, "pulumi:pulumi:Stack", r.Type)
	}
	_, err = recorder.Run("dev", program(built(folder)), configured(t, "dev", nil))
	assert.NoError(t, err, "a stack without a queue needs no functions")
}

func TestFunctionsAreThoseOfTheArchitecture(t *testing.T) {
	folder := t.TempDir()
	architectures := []string{"arm64", "x86_64"}
	for _, architecture := range architectures {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, architecture), 0o750))
		for _, name := range []string{"submit.zip", "worker.zip"} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, architecture, name), emptyZip, 0o600))
		}
	}
	for _, architecture := range architectures {
		t.Run(architecture, func(t *testing.T) {
			graph, err := recorder.Run("prod", program(built(folder)), configured(t, "prod", values{"functionArchitecture": architecture}))
			require.NoError(t, err)
			functions := graph.OfType("aws:lambda/function:Function")
			require.Len(t, functions, 2)
			for i, name := range []string{"submit.zip", "worker.zip"} {
				inputs := functions[i].Inputs
				assert.Equal(t, architecture, inputs["architectures"].ArrayValue()[0].StringValue())
				assert.Equal(t, filepath.Join(folder, architecture, name), inputs["code"].ArchiveValue().Path)
			}
		})
	}
}

// emptyZip is the end of a zip archive, which is all that an empty one has.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)
