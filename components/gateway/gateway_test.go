package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/internal/recorder"
)

const (
	apiToken        = "aws:apigateway/restApi:RestApi"
	deploymentToken = "aws:apigateway/deployment:Deployment"
	stageToken      = "aws:apigateway/stage:Stage"
	settingsToken   = "aws:apigateway/methodSettings:MethodSettings"
	keyToken        = "aws:apigateway/apiKey:ApiKey"
	planToken       = "aws:apigateway/usagePlan:UsagePlan"
	planKeyToken    = "aws:apigateway/usagePlanKey:UsagePlanKey"
	accountToken    = "aws:apigateway/account:Account"
	groupToken      = "aws:cloudwatch/logGroup:LogGroup"
)

func args(t *testing.T) *gateway.Args {
	t.Helper()
	schema, err := gateway.ParseSchema([]byte(`{"type":"object","required":["songs"],"properties":{"songs":{"type":"array","items":{"type":"object"}}}}`))
	require.NoError(t, err)
	return &gateway.Args{
		Scope:     arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account},
		APIName:   "songs-api-dev",
		StageName: "dev",
		Routes: []gateway.Route{{
			Method: http.MethodPost, Path: "/infer", OperationID: "infer", Request: schema,
			Endpoint: gateway.SageMaker{EndpointName: "songs-endpoint-dev", InferenceComponentName: "songs-dev"},
		}},
		CredentialsArn:   "arn:aws:iam::123456789012:role/songs-api-dev-gateway",
		AllowOrigin:      "https://app.example.com",
		APIKeys:          []gateway.APIKey{{Name: "a", Enabled: true}},
		RateLimit:        10,
		BurstLimit:       20,
		MonthlyQuota:     10_000,
		LogRetentionDays: 30,
	}
}

func run(t *testing.T, args *gateway.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := gateway.New(ctx, "songs-api-dev", args)
		return err
	}, options...)
	require.NoError(t, err)
	return graph
}

func TestGatewayIsKnownAtPreview(t *testing.T) {
	known, preview := run(t, args(t)), run(t, args(t), recorder.Preview)
	body := preview.Only(t, apiToken).Inputs["body"]
	require.True(t, body.IsString(), "the pack judges the document at preview")
	assert.Equal(t, known.Only(t, apiToken).Inputs["body"], body)
	assert.Empty(t, known.Orphans())
	assert.Empty(t, preview.Orphans())
	assert.Len(t, preview.Resources, len(known.Resources))
}

func TestGatewayRedeploysWithTheDocument(t *testing.T) {
	graph := run(t, args(t))
	api := graph.Only(t, apiToken).Inputs
	assert.Equal(t, "overwrite", api["putRestApiMode"].StringValue())
	assert.True(t, api["failOnWarnings"].BoolValue(), "API Gateway swallows what it does not understand otherwise")

	digest := sha256.Sum256([]byte(api["body"].StringValue()))
	deployment := graph.Only(t, deploymentToken).Inputs
	assert.Equal(t, hex.EncodeToString(digest[:]), deployment["triggers"].ObjectValue()["document"].StringValue())
	assert.NotContains(t, deployment, "stageName", "replacing the deployment would take the stage away")

	changed := args(t)
	changed.Routes[0].Path = "/v2/infer"
	assert.NotEqual(t, deployment["triggers"], run(t, changed).Only(t, deploymentToken).Inputs["triggers"])
}

func TestGatewayStage(t *testing.T) {
	graph := run(t, args(t))
	stage := graph.Only(t, stageToken).Inputs
	assert.True(t, stage["xrayTracingEnabled"].BoolValue())
	access := stage["accessLogSettings"].ObjectValue()
	var format map[string]string
	require.NoError(t, json.Unmarshal([]byte(access["format"].StringValue()), &format))
	assert.Equal(t, "$context.identity.apiKeyId", format["apiKeyId"])
	assert.NotContains(t, access["format"].StringValue(), "identity.apiKey\"", "the key itself is never logged")

	settings := graph.Only(t, settingsToken).Inputs["settings"].ObjectValue()
	assert.False(t, settings["dataTraceEnabled"].BoolValue())
	assert.True(t, settings["metricsEnabled"].BoolValue())
	assert.Equal(t, 10.0, settings["throttlingRateLimit"].NumberValue())
	assert.Equal(t, 20.0, settings["throttlingBurstLimit"].NumberValue())

	groups := graph.OfType(groupToken)
	require.Len(t, groups, 2)
	for _, group := range groups {
		assert.Equal(t, 30.0, group.Inputs["retentionInDays"].NumberValue())
	}
	assert.Equal(t, "API-Gateway-Execution-Logs_songs-api-dev-id/dev", groups[1].Inputs["name"].StringValue())
}

func TestGatewayAccountIsManagedOnlyWhereAskedAndKept(t *testing.T) {
	assert.Empty(t, run(t, args(t)).OfType(accountToken))

	managed := args(t)
	managed.ManageAccount = true
	graph := run(t, managed)
	assert.True(t, graph.Only(t, accountToken).Retained)
	assert.True(t, graph.Only(t, "aws:iam/role:Role").Retained, "without its role the setting is dead")
	assert.True(t, graph.Only(t, "aws:iam/rolePolicyAttachment:RolePolicyAttachment").Retained)
	assert.Contains(t, strings.Join(graph.Only(t, stageToken).DependsOn, " "),
		accountToken, "a stage with logs is refused before the role is set")
}

func TestGatewayRefusesBadArgs(t *testing.T) {
	change := func(f func(*gateway.Args)) *gateway.Args {
		a := args(t)
		f(a)
		return a
	}
	for name, test := range map[string]struct {
		args *gateway.Args
		want string
	}{
		"nil":             {nil, "args are required"},
		"no name":         {change(func(a *gateway.Args) { a.APIName = "" }), "APIName"},
		"stage":           {change(func(a *gateway.Args) { a.StageName = "a/b" }), "StageName"},
		"no role":         {change(func(a *gateway.Args) { a.CredentialsArn = "" }), "CredentialsArn"},
		"two origins":     {change(func(a *gateway.Args) { a.AllowOrigin = "https://a.example,https://b.example" }), "AllowOrigin"},
		"quoted origin":   {change(func(a *gateway.Args) { a.AllowOrigin = "https://a'.example" }), "AllowOrigin"},
		"rate":            {change(func(a *gateway.Args) { a.RateLimit = 0 }), "RateLimit"},
		"burst":           {change(func(a *gateway.Args) { a.BurstLimit = 0 }), "BurstLimit"},
		"no key":          {change(func(a *gateway.Args) { a.APIKeys = nil }), "APIKeys has 0 keys"},
		"three keys":      {change(func(a *gateway.Args) { a.APIKeys = make([]gateway.APIKey, 3) }), "APIKeys has 3 keys"},
		"key's name":      {change(func(a *gateway.Args) { a.APIKeys[0].Name = "key-a" }), "APIKeys[0].Name"},
		"one key twice":   {change(func(a *gateway.Args) { a.APIKeys = append(a.APIKeys, a.APIKeys[0]) }), "another key"},
		"no enabled key":  {change(func(a *gateway.Args) { a.APIKeys[0].Enabled = false }), "no enabled key"},
		"quota":           {change(func(a *gateway.Args) { a.MonthlyQuota = 0 }), "MonthlyQuota"},
		"retention":       {change(func(a *gateway.Args) { a.LogRetentionDays = 2 }), "LogRetentionDays"},
		"no routes":       {change(func(a *gateway.Args) { a.Routes = nil }), "Routes"},
		"same route":      {change(func(a *gateway.Args) { a.Routes = append(a.Routes, a.Routes[0]) }), "another route"},
		"own OPTIONS":     {change(func(a *gateway.Args) { a.Routes[0].Method = http.MethodOptions }), "Method"},
		"path":            {change(func(a *gateway.Args) { a.Routes[0].Path = "infer" }), "Path"},
		"no operation id": {change(func(a *gateway.Args) { a.Routes[0].OperationID = "" }), "OperationID"},
		"no schema":       {change(func(a *gateway.Args) { a.Routes[0].Request = nil }), "Request"},
		"no component":    {change(func(a *gateway.Args) { a.Routes[0].Endpoint.InferenceComponentName = "" }), "InferenceComponentName"},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := gateway.New(ctx, "songs-api-dev", test.args)
				return err
			})
			assert.ErrorContains(t, err, `gateway "songs-api-dev"`)
			assert.ErrorContains(t, err, test.want)
			assert.Empty(t, graph.OfType(gateway.Type), "nothing may be registered")
		})
	}
}

func TestGatewayNamesWhatFailed(t *testing.T) {
	for _, token := range []string{apiToken, deploymentToken, stageToken, settingsToken, keyToken, planToken, planKeyToken, groupToken, accountToken} {
		t.Run(token, func(t *testing.T) {
			managed := args(t)
			managed.ManageAccount = true
			_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := gateway.New(ctx, "songs-api-dev", managed)
				return err
			}, recorder.Failing(token))
			assert.ErrorContains(t, err, "songs-api-dev")
		})
	}
}

func TestParseSchema(t *testing.T) {
	for name, test := range map[string]struct {
		schema string
		want   []string
	}{
		"draft 4":          {`{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","properties":{"default":{"type":"string"}}}`, nil},
		"not JSON":         {`{`, []string{"not a JSON object"}},
		"not an object":    {`[]`, []string{"not a JSON object"}},
		"all at once":      {`{"default":1,"properties":{"a":{"readOnly":true}}}`, []string{`/default`, `/properties/a/readOnly`}},
		"not checked":      {`{"type":"array","items":{},"minItems":1}`, []string{"/minItems"}},
		"inside items":     {`{"items":{"exclusiveMinimum":true}}`, []string{"/items/exclusiveMinimum"}},
		"inside anyOf":     {`{"anyOf":[{},{"example":1}]}`, []string{"/anyOf/1/example"}},
		"closed object":    {`{"additionalProperties":false}`, nil},
		"typed additional": {`{"additionalProperties":{"discriminator":{}}}`, []string{"/additionalProperties/discriminator"}},
		"array of nothing": {`{"type":"array"}`, []string{"items"}},
		"wrong kind":       {`{"type":"object","minLength":"x"}`, []string{"not a JSON schema"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gateway.ParseSchema([]byte(test.schema))
			if test.want == nil {
				require.NoError(t, err)
			}
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestSampleSchemaIsServable(t *testing.T) {
	text, err := os.ReadFile("../../model/schema.json")
	require.NoError(t, err)
	_, err = gateway.ParseSchema(text)
	require.NoError(t, err)
}
