package queue_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
	"scaletozero/components/iampolicy"
	"scaletozero/components/queue"
	"scaletozero/internal/recorder"
)

const (
	queueToken    = "aws:sqs/queue:Queue"
	policyToken   = "aws:sqs/queuePolicy:QueuePolicy"
	redriveToken  = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
	tableToken    = "aws:dynamodb/table:Table"
	roleToken     = "aws:iam/role:Role"
	roleRules     = "aws:iam/rolePolicy:RolePolicy"
	groupToken    = "aws:cloudwatch/logGroup:LogGroup"
	functionToken = "aws:lambda/function:Function"
	aliasToken    = "aws:lambda/alias:Alias"
	mappingToken  = "aws:lambda/eventSourceMapping:EventSourceMapping"
)

func archive(program string) pulumi.Archive {
	return pulumi.NewAssetArchive(map[string]any{"bootstrap": pulumi.NewStringAsset(program)})
}

func args() *queue.Args {
	return &queue.Args{
		Scope:                  arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account},
		Name:                   "songs-jobs",
		EndpointName:           "songs-endpoint-dev",
		InferenceComponentName: "songs-dev",
		Submit:                 archive("submit"),
		Worker:                 archive("worker"),
		Architecture:           "arm64",
		MaxConcurrency:         4,
		MaxTries:               3,
		DirectWake:             true,
		JobTTLHours:            24,
		AllowOrigin:            "https://app.example.com",
		LogRetentionDays:       30,
	}
}

// functionArgs are those of a queue in front of a function.
func functionArgs() *queue.Args {
	a := args()
	a.EndpointName, a.InferenceComponentName, a.DirectWake = "", "", false
	a.FunctionAliasArn = a.Scope.FunctionAlias("songs-dev", "live")
	return a
}

func run(t *testing.T, args *queue.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := queue.New(ctx, "jobs", args)
		return err
	}, options...)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// named is the resource of the type with the logical name.
func named(t *testing.T, graph *recorder.Graph, token, name string) recorder.Resource {
	t.Helper()
	for _, r := range graph.OfType(token) {
		if r.Name == name {
			return r
		}
	}
	require.Failf(t, "not registered", "%s %s", token, name)
	return recorder.Resource{}
}

func text(t *testing.T, value resource.PropertyValue) map[string]any {
	t.Helper()
	var parsed map[string]any
	require.NoError(t, json.Unmarshal([]byte(value.StringValue()), &parsed))
	return parsed
}

func TestQueuesAreKnownAtPreview(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(), options...)
			jobs, dead := named(t, graph, queueToken, "jobs"), named(t, graph, queueToken, "jobs-dead-letter")
			assert.Equal(t, "songs-jobs", jobs.Inputs["name"].StringValue())
			assert.Equal(t, "songs-jobs-dead-letter", dead.Inputs["name"].StringValue())
			for _, q := range []recorder.Resource{jobs, dead} {
				assert.Equal(t, "alias/aws/sqs", q.Inputs["kmsMasterKeyId"].StringValue())
				assert.Equal(t, 262_144.0, q.Inputs["maxMessageSize"].NumberValue())
			}
			assert.Equal(t, 540.0, jobs.Inputs["visibilityTimeoutSeconds"].NumberValue(), "six times the worker's time-out")
			assert.Equal(t, 1_209_600.0, dead.Inputs["messageRetentionSeconds"].NumberValue())
			assert.Equal(t, map[string]any{
				"deadLetterTargetArn": "arn:aws:sqs:ap-northeast-1:123456789012:songs-jobs-dead-letter", "maxReceiveCount": 1000.0,
			}, text(t, jobs.Inputs["redrivePolicy"]))
			assert.Contains(t, strings.Join(jobs.DependsOn, " "), queueToken+"::jobs-dead-letter", "SQS refuses a dead-letter queue that does not exist")
			assert.Equal(t, map[string]any{
				"redrivePermission": "byQueue", "sourceQueueArns": []any{"arn:aws:sqs:ap-northeast-1:123456789012:songs-jobs"},
			}, text(t, graph.Only(t, redriveToken).Inputs["redriveAllowPolicy"]))
		})
	}
}

// A message that goes before its job's row leaves a job that waits for ever.
func TestMessagesLiveAsLongAsTheirJobs(t *testing.T) {
	for _, test := range []struct{ hours, seconds int }{{1, 345_600}, {96, 345_600}, {168, 604_800}, {336, 1_209_600}} {
		a := args()
		a.JobTTLHours = test.hours
		jobs := named(t, run(t, a), queueToken, "jobs")
		assert.Equal(t, float64(test.seconds), jobs.Inputs["messageRetentionSeconds"].NumberValue(), "%d hours", test.hours)
	}
}

func TestQueuesRefusePlainHTTP(t *testing.T) {
	graph := run(t, args(), recorder.Preview)
	for name, queueArn := range map[string]string{
		"jobs":             "arn:aws:sqs:ap-northeast-1:123456789012:songs-jobs",
		"jobs-dead-letter": "arn:aws:sqs:ap-northeast-1:123456789012:songs-jobs-dead-letter",
	} {
		var policy iampolicy.Document
		require.NoError(t, json.Unmarshal([]byte(named(t, graph, policyToken, name).Inputs["policy"].StringValue()), &policy))
		require.Len(t, policy.Statement, 1)
		statement := policy.Statement[0]
		assert.Equal(t, "Deny", statement.Effect)
		assert.Equal(t, []string{queueArn}, statement.Resource)
		assert.Equal(t, map[string]iampolicy.Condition{"Bool": {"aws:SecureTransport": {"false"}}}, statement.Condition)
	}
}

// One key for everything that is kept, where there is one.
func TestOwnKey(t *testing.T) {
	plain := run(t, args())
	for token, input := range map[string]resource.PropertyKey{functionToken: "kmsKeyArn", groupToken: "kmsKeyId"} {
		for _, r := range plain.OfType(token) {
			assert.NotContains(t, r.Inputs, input, "AWS's own key is not named")
		}
	}
	assert.NotContains(t, plain.Only(t, tableToken).Inputs["serverSideEncryption"].ObjectValue(), resource.PropertyKey("kmsKeyArn"))

	a := args()
	a.KMSKeyArn = ownKey
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a, options...)
			for token, input := range map[string]resource.PropertyKey{
				queueToken: "kmsMasterKeyId", functionToken: "kmsKeyArn", groupToken: "kmsKeyId",
			} {
				require.Len(t, graph.OfType(token), 2)
				for _, r := range graph.OfType(token) {
					assert.Equal(t, ownKey, r.Inputs[input].StringValue(), "%s %s", token, r.Name)
				}
			}
			encryption := graph.Only(t, tableToken).Inputs["serverSideEncryption"].ObjectValue()
			assert.Equal(t, map[string]any{"enabled": true, "kmsKeyArn": ownKey}, encryption.Mappable())
		})
	}
}

func TestTable(t *testing.T) {
	for name, kept := range map[string]bool{"to come and go": false, "to be kept": true} {
		t.Run(name, func(t *testing.T) {
			a := args()
			a.PointInTimeRecovery, a.DeletionProtection = kept, kept
			table := run(t, a).Only(t, tableToken).Inputs
			assert.Equal(t, "songs-jobs", table["name"].StringValue())
			assert.Equal(t, "PAY_PER_REQUEST", table["billingMode"].StringValue())
			assert.Equal(t, "id", table["hashKey"].StringValue())
			assert.Equal(t, "expiresAt", table["ttl"].ObjectValue()["attributeName"].StringValue())
			assert.True(t, table["ttl"].ObjectValue()["enabled"].BoolValue())
			assert.True(t, table["serverSideEncryption"].ObjectValue()["enabled"].BoolValue())
			assert.Equal(t, kept, table["pointInTimeRecovery"].ObjectValue()["enabled"].BoolValue())
			assert.Equal(t, kept, table["deletionProtectionEnabled"].BoolValue())
		})
	}
}

func TestOutputs(t *testing.T) {
	var urls [3]string
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		created, err := queue.New(ctx, "jobs", args())
		if err != nil {
			return err
		}
		pulumi.All(created.QueueURL, created.DeadLetterQueueURL, created.TableName).ApplyT(func(all []any) error {
			for i, value := range all {
				urls[i] = value.(string)
			}
			return nil
		})
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, [3]string{"https://sqs.example.com/jobs", "https://sqs.example.com/jobs-dead-letter", "songs-jobs"}, urls)
}

func TestQueueRefusesBadArgs(t *testing.T) {
	change := func(f func(*queue.Args)) *queue.Args {
		a := args()
		f(a)
		return a
	}
	changeFunction := func(f func(*queue.Args)) *queue.Args {
		a := functionArgs()
		f(a)
		return a
	}
	for name, test := range map[string]struct {
		args *queue.Args
		want []string
	}{
		"nil": {nil, []string{"args are required"}},
		"empty": {&queue.Args{}, []string{
			"Name", "Scope.AccountID", "EndpointName", "InferenceComponentName", "Submit or Worker",
			"Architecture", "MaxConcurrency", "MaxTries", "JobTTLHours", "AllowOrigin", "LogRetentionDays",
		}},
		"name too long": {change(func(a *queue.Args) { a.Name = strings.Repeat("j", queue.MaxNameLength+1) }), []string{"Name"}},
		"name":          {change(func(a *queue.Args) { a.Name = "songs.jobs" }), []string{"Name"}},
		"one function":  {change(func(a *queue.Args) { a.Worker = nil }), []string{"Submit or Worker"}},
		"architecture":  {change(func(a *queue.Args) { a.Architecture = "amd64" }), []string{"[arm64 x86_64]"}},
		"concurrency 1": {change(func(a *queue.Args) { a.MaxConcurrency = 1 }), []string{"MaxConcurrency is 1; it must be from 2 to 1000"}},
		"concurrency":   {change(func(a *queue.Args) { a.MaxConcurrency = 1001 }), []string{"MaxConcurrency"}},
		"time-out":      {change(func(a *queue.Args) { a.WorkerTimeoutSeconds = 60 }), []string{"WorkerTimeoutSeconds is 60; it must be from 61 to 900"}},
		"too long kept": {change(func(a *queue.Args) { a.JobTTLHours = 337 }), []string{"from 1 to 336"}},
		"two origins":   {change(func(a *queue.Args) { a.AllowOrigin = "https://a.example,https://b.example" }), []string{"AllowOrigin"}},
		"retention":     {change(func(a *queue.Args) { a.LogRetentionDays = 2 }), []string{"LogRetentionDays"}},
		"half a model":  {change(func(a *queue.Args) { a.EndpointName = "" }), []string{"EndpointName is empty, and so is FunctionAliasArn"}},
		"two models": {change(func(a *queue.Args) { a.FunctionAliasArn = aliasArn }), []string{
			`EndpointName is "songs-endpoint-dev" and InferenceComponentName is "songs-dev" beside FunctionAliasArn`, "DirectWake is set beside FunctionAliasArn",
		}},
		"no alias": {changeFunction(func(a *queue.Args) { a.FunctionAliasArn = a.Scope.Function("songs-dev") }), []string{
			`FunctionAliasArn is "arn:aws:lambda:ap-northeast-1:123456789012:function:songs-dev"`,
		}},
		"direct wake of a function": {changeFunction(func(a *queue.Args) { a.DirectWake = true }), []string{"DirectWake"}},
		"slow function": {changeFunction(func(a *queue.Args) { a.FunctionTimeoutSeconds = 71 }), []string{
			"WorkerTimeoutSeconds is 90; for a function that may take 71 seconds it must be at least 91",
		}},
		"worker in a hurry": {changeFunction(func(a *queue.Args) { a.FunctionTimeoutSeconds, a.WorkerTimeoutSeconds = 60, 79 }), []string{"at least 80"}},
		"function that outlasts any worker": {changeFunction(func(a *queue.Args) { a.FunctionTimeoutSeconds, a.WorkerTimeoutSeconds = 881, 900 }), []string{
			"FunctionTimeoutSeconds is 881; it must be from 1 to 880",
		}},
		"key's alias": {change(func(a *queue.Args) { a.KMSKeyArn = "alias/jobs" }), []string{"KMSKeyArn"}},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := queue.New(ctx, "jobs", test.args)
				return err
			})
			require.Error(t, err)
			assert.ErrorContains(t, err, `queue "jobs"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(queue.Type), "nothing may be registered")
		})
	}
}

func TestQueueNamesWhatFailed(t *testing.T) {
	for _, token := range []string{
		queueToken, policyToken, redriveToken, tableToken, roleToken, roleRules, groupToken, functionToken, aliasToken, mappingToken,
	} {
		t.Run(token, func(t *testing.T) {
			_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := queue.New(ctx, "jobs", args())
				return err
			}, recorder.Failing(token))
			assert.Regexp(t, `jobs(-dead-letter|-submit|-worker)? failed`, err)
		})
	}
}

func TestRoutesAreAnAPI(t *testing.T) {
	schema, err := gateway.ParseSchema([]byte(`{"type":"object"}`))
	require.NoError(t, err)
	scope := args().Scope
	doc, err := gateway.Document(&gateway.Args{
		Scope: scope, APIName: "songs", StageName: "dev", AllowOrigin: "*", CredentialsArn: scope.Role("songs"),
		APIKeys:   []gateway.APIKey{{Name: "a", Enabled: true}},
		RateLimit: 10, BurstLimit: 20, MonthlyQuota: 100, LogRetentionDays: 7,
		Routes: queue.Routes(scope.FunctionAlias(queue.SubmitFunction("songs-jobs"), function.AliasName), schema),
	})
	require.NoError(t, err)
	written, err := doc.MarshalJSON()
	require.NoError(t, err)
	assert.Contains(t, string(written), "arn:aws:lambda:ap-northeast-1:123456789012:function:songs-jobs-submit:live/invocations")
	read, err := openapi3.NewLoader().LoadFromData(written)
	require.NoError(t, err)
	require.NoError(t, read.Validate(context.Background()))
	for operation, statuses := range map[*openapi3.Operation][]int{
		read.Paths.Value("/jobs").Post:     {202, 400, 409, 413, 415, 503},
		read.Paths.Value("/jobs/{id}").Get: {200, 404, 503},
	} {
		assert.Equal(t, len(statuses), operation.Responses.Len())
		for _, status := range statuses {
			response := operation.Responses.Status(status)
			require.NotNil(t, response, "%s %d", operation.OperationID, status)
			want := "#/components/schemas/Error"
			if status < http.StatusBadRequest {
				want = "#/components/schemas/Job"
			}
			assert.Equal(t, want, response.Value.Content.Get("application/json").Schema.Ref)
		}
	}
	job := read.Components.Schemas["Job"].Value
	require.NoError(t, job.VisitJSON(map[string]any{
		"id": "j", "status": "succeeded", "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:01.000Z",
		"result": []any{1.0},
	}))
	assert.Error(t, job.VisitJSON(map[string]any{"id": "j", "status": "lost"}))
}
