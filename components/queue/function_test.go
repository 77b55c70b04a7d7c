package queue_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/queue"
	"scaletozero/internal/recorder"
)

func TestFunctions(t *testing.T) {
	a := args()
	a.DirectWake, a.WorkerTimeoutSeconds, a.Architecture = false, 120, "x86_64"
	graph := run(t, a)
	for name, want := range map[string]struct {
		timeout     float64
		environment map[string]any
	}{
		"submit": {10, map[string]any{
			"JOBS_TABLE": "songs-jobs", "JOBS_QUEUE_URL": "https://sqs.example.com/jobs",
			"JOB_TTL_SECONDS": "86400", "ALLOW_ORIGIN": "https://app.example.com",
		}},
		"worker": {120, map[string]any{
			"JOBS_TABLE": "songs-jobs", "JOBS_QUEUE_URL": "https://sqs.example.com/jobs",
			"DEAD_LETTER_QUEUE_URL": "https://sqs.example.com/jobs-dead-letter",
			"ENDPOINT_NAME":         "songs-endpoint-dev", "INFERENCE_COMPONENT_NAME": "songs-dev",
			"MAX_TRIES": "3", "DIRECT_WAKE": "false",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inputs := named(t, graph, functionToken, "jobs-"+name).Inputs
			assert.Equal(t, "songs-jobs-"+name, inputs["name"].StringValue())
			assert.Equal(t, "x86_64", inputs["architectures"].ArrayValue()[0].StringValue())
			code := inputs["code"].ArchiveValue().Assets["bootstrap"].(*asset.Asset)
			assert.Equal(t, name, code.Text)
			assert.Equal(t, want.timeout, inputs["timeout"].NumberValue())
			assert.Equal(t, want.environment, inputs["environment"].ObjectValue()["variables"].ObjectValue().Mappable())

			group := named(t, graph, groupToken, "jobs-"+name).Inputs
			assert.Equal(t, "/aws/lambda/songs-jobs-"+name, group["name"].StringValue())
			assert.Equal(t, 30.0, group["retentionInDays"].NumberValue())
		})
	}
	assert.Equal(t, 720.0, named(t, graph, queueToken, "jobs").Inputs["visibilityTimeoutSeconds"].NumberValue())
}

func TestEventSourceMapping(t *testing.T) {
	registered := run(t, args()).Only(t, mappingToken)
	mapping := registered.Inputs
	assert.Equal(t, "arn:aws:mock:::jobs", mapping["eventSourceArn"].StringValue())
	assert.Equal(t, "arn:aws:mock:::jobs-worker", mapping["functionName"].StringValue())
	assert.Contains(t, strings.Join(registered.DependsOn, " "), aliasToken+"::jobs-worker", "that is the alias' ARN, not the function's")
	assert.Equal(t, 5.0, mapping["batchSize"].NumberValue())
	assert.Equal(t, 4.0, mapping["scalingConfig"].ObjectValue()["maximumConcurrency"].NumberValue())
	assert.Equal(t, []any{"ReportBatchItemFailures"}, mapping["functionResponseTypes"].Mappable())
}

func TestWorkerOfAFunction(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, functionArgs(), options...)
			worker := named(t, graph, functionToken, "jobs-worker").Inputs
			variables := worker["environment"].ObjectValue()["variables"].ObjectValue()
			assert.Equal(t, aliasArn, variables["MODEL_FUNCTION"].StringValue())
			for _, other := range []resource.PropertyKey{"ENDPOINT_NAME", "INFERENCE_COMPONENT_NAME", "DIRECT_WAKE"} {
				assert.NotContains(t, variables, other)
			}
			assert.Equal(t, "3", variables["MAX_TRIES"].StringValue())
			mapping := graph.Only(t, mappingToken).Inputs
			assert.Equal(t, 1.0, mapping["batchSize"].NumberValue(), "each call may take the whole time-out")
		})
	}
}

func TestLongestFunction(t *testing.T) {
	a := functionArgs()
	a.FunctionTimeoutSeconds, a.WorkerTimeoutSeconds = 880, 900
	worker := named(t, run(t, a), functionToken, "jobs-worker").Inputs
	assert.Equal(t, 900.0, worker["timeout"].NumberValue())
}

// formerParents records the parents that resources may have had.
type formerParents struct {
	recorder.Graph
	mu sync.Mutex
	of map[string][]string
}

func (f *formerParents) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	f.mu.Lock()
	for _, alias := range args.RegisterRPC.GetAliases() {
		name := args.TypeToken + " " + args.Name
		f.of[name] = append(f.of[name], alias.GetSpec().GetParentUrn())
	}
	f.mu.Unlock()
	return f.Graph.NewResource(args)
}

// A stack from the time when the queue made its functions itself keeps them, and
// their roles and log groups, whose names cannot be there twice.
func TestFunctionsWereTheQueuesOwn(t *testing.T) {
	former := &formerParents{of: map[string][]string{}}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, err := queue.New(ctx, "jobs", args())
		return err
	}, pulumi.WithMocks(recorder.Project, "dev", former))
	require.NoError(t, err)
	want := map[string][]string{}
	for _, token := range []string{roleToken, roleRules, groupToken, functionToken, aliasToken} {
		for _, name := range []string{"jobs-submit", "jobs-worker"} {
			want[token+" "+name] = []string{"urn:pulumi:dev::" + recorder.Project + "::" + queue.Type + "::jobs"}
		}
	}
	assert.Equal(t, want, former.of)
}
