package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
	"scaletozero/components/iampolicy"
	"scaletozero/examples/translation/amazon"
	"scaletozero/examples/translation/translation"
	"scaletozero/internal/recorder"
	"scaletozero/internal/settings"
)

type values = map[string]string

// configured is a stack's configuration file as the engine hands it over.
func configured(t *testing.T, stack string, changes values) recorder.Option {
	t.Helper()
	files, err := settings.Files(".", stack)
	require.NoError(t, err)
	full := values{}
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

// packaged stands for what `examples/translation/build` builds.
func packaged(string) (pulumi.Archive, error) {
	return pulumi.NewAssetArchive(map[string]any{"bootstrap": pulumi.NewStringAsset("translator")}), nil
}

func run(t *testing.T, stack string, changes values, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run(stack, program(packaged), append(options, configured(t, stack, changes))...)
	require.NoError(t, err)
	return graph
}

const alias = "arn:aws:lambda:ap-northeast-1:123456789012:function:translation-dev:live"

// policies are the statements of all roles.
func policies(t *testing.T, graph *recorder.Graph) map[string][]iampolicy.Statement {
	t.Helper()
	found := map[string][]iampolicy.Statement{}
	for _, r := range graph.OfType("aws:iam/rolePolicy:RolePolicy") {
		var document iampolicy.Document
		require.NoError(t, json.Unmarshal([]byte(r.Inputs["policy"].StringValue()), &document))
		found[r.Name] = document.Statement
	}
	return found
}

// What a preview shows is what there will be.
func TestEverythingIsKnownAtPreview(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, "dev", nil, options...)
			assert.Equal(t, []string{"aws:dynamodb/table:Table history"}, graph.Orphans(), "the table is this program's own")

			table := graph.Only(t, "aws:dynamodb/table:Table").Inputs
			assert.Equal(t, "translation-dev", table["name"].StringValue())
			assert.Equal(t, amazon.HashKey, table["hashKey"].StringValue())
			assert.Equal(t, amazon.RangeKey, table["rangeKey"].StringValue())
			assert.Equal(t, amazon.TTLAttribute, table["ttl"].ObjectValue()["attributeName"].StringValue())
			assert.True(t, table["serverSideEncryption"].ObjectValue()["enabled"].BoolValue())
			assert.True(t, table["pointInTimeRecovery"].ObjectValue()["enabled"].BoolValue())

			may := policies(t, graph)
			assert.Contains(t, may["translator"], iampolicy.Allow("Translate", []string{"translate:TranslateText"}, []string{"*"}))
			assert.Contains(t, may["translator"], iampolicy.Allow("History", []string{"dynamodb:PutItem", "dynamodb:Query"},
				[]string{"arn:aws:dynamodb:ap-northeast-1:123456789012:table/translation-dev"}))
			assert.Equal(t, []iampolicy.Statement{iampolicy.Allow("Function", []string{"lambda:InvokeFunction"}, []string{alias})}, may["roles-gateway"])

			body := graph.Only(t, "aws:apigateway/restApi:RestApi").Inputs["body"].StringValue()
			assert.Equal(t, 2, strings.Count(body, alias+"/invocations"), "both routes reach the function by its alias")
			assert.Contains(t, body, "arn:aws:iam::123456789012:role/translation-dev-gateway")
		})
	}
}

func TestTheFunctionKnowsItsSurroundings(t *testing.T) {
	function := run(t, "dev", nil).Only(t, "aws:lambda/function:Function").Inputs
	assert.Equal(t, "translation-dev", function["name"].StringValue())
	assert.Equal(t, []any{"arm64"}, function["architectures"].Mappable())
	assert.Equal(t, 20.0, function["timeout"].NumberValue(), "more than its steps, and less than API Gateway waits")
	assert.Equal(t, map[string]any{"variables": map[string]any{
		"HISTORY_TABLE": "translation-dev", "HISTORY_TTL_SECONDS": "604800", "ALLOW_ORIGIN": "*",
	}}, function["environment"].Mappable())
}

func TestTheAPIWaitsForWhatAnswers(t *testing.T) {
	waits := strings.Join(run(t, "dev", nil).Only(t, gateway.Type).DependsOn, " ")
	assert.Contains(t, waits, "aws:iam/rolePolicy:RolePolicy::roles-gateway")
	assert.Contains(t, waits, "aws:lambda/alias:Alias::translator")
}

// The function and the document say the same of requests and answers.
func TestRoutesAreTheFunctions(t *testing.T) {
	var served []string
	for _, route := range routes(alias) {
		served = append(served, route.Method+" "+route.Path)
	}
	assert.Equal(t, []string{translation.RouteTranslate, translation.RouteHistory}, served)

	sample, err := os.ReadFile("request.json")
	require.NoError(t, err)
	schema := requestSchema()
	for body, want := range map[string]bool{
		string(sample): true,
		`{"text":"犬"}`: true,
		`{"text":"犬","from":"zh-TW","to":"en"}`: true,
		`{"text":""}`:                    false,
		`{"text":"犬","to":"English"}`:    false,
		`{"text":"犬","from":"auto"}`:     false,
		`{"text":"犬","voice":"passive"}`: false,
		`{"to":"en"}`:                    false,
		`["犬"]`:                          false,
	} {
		var value any
		require.NoError(t, json.Unmarshal([]byte(body), &value))
		assert.Equal(t, want, schema.VisitJSON(value) == nil, body)
	}
}

func TestWrongConfigurationRegistersNothing(t *testing.T) {
	graph, err := recorder.Run("dev", program(packaged), configured(t, "dev", values{
		"aws:region": "", "historyDays": "0", "logRetentionDays": "2", "corsAllowOrigin": "example.com", "functionArchitecture": "mips",
	}))
	for _, problem := range []string{
		"aws:region is", `historyDays is "0"; it must be a whole number from 1 to 3650; set it with`, `logRetentionDays is "2"`,
		`corsAllowOrigin is "example.com"`, `functionArchitecture is "mips"`,
	} {
		assert.ErrorContains(t, err, problem)
	}
	for _, r := range graph.Resources {
		assert.Equal(t, "pulumi:pulumi:Stack", r.Type)
	}
}

func TestAMissingFunctionRegistersNothing(t *testing.T) {
	folder := t.TempDir()
	graph, err := recorder.Run("dev", program(built(folder)), configured(t, "dev", nil))
	assert.ErrorContains(t, err, filepath.Join(folder, "arm64", "translation.zip"))
	assert.ErrorContains(t, err, "run examples/translation/build")
	for _, r := range graph.Resources {
		assert.Equal(t, "pulumi:pulumi:Stack", r.Type)
	}
}

func TestFailuresAreTold(t *testing.T) {
	for _, token := range []string{
		"aws:dynamodb/table:Table", "aws:lambda/function:Function", "aws:iam/role:Role", "aws:apigateway/restApi:RestApi",
	} {
		_, err := recorder.Run("dev", program(packaged), configured(t, "dev", nil), recorder.Failing(token))
		assert.Error(t, err, token)
	}
}
