package judges

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/endpoint"
	"scaletozero/components/gateway"
	"scaletozero/components/queue"
	"scaletozero/components/roles"
	"scaletozero/internal/recorder"
)

// stacks are those whose graphs are kept in ../testdata, where a test of the
// program keeps them true.
var stacks = []string{"dev", "prod", "local"}

// everything is a graph besides: the endpoint, its roles and a queue with all that
// no stack of the project configures, a VPC, a key and accelerators.
const everything = "everything"

// registered is one resource of a graph. Documents in its inputs are objects,
// not text.
type registered struct {
	Type, Name, Parent string
	Inputs             map[string]any
}

type graph []registered

// graphs are all graphs, by stack.
func graphs(t *testing.T) map[string]graph {
	t.Helper()
	found := map[string]graph{everything: withEverything(t)}
	for _, stack := range stacks {
		var g graph
		readJSON(t, filepath.Join("..", "testdata", "graph."+stack+".golden.json"), &g)
		found[stack] = g
	}
	return found
}

func (g graph) ofType(token string) []registered {
	var found []registered
	for _, r := range g {
		if r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// only is the one resource of a type.
func (g graph) only(t *testing.T, token string) registered {
	t.Helper()
	found := g.ofType(token)
	require.Len(t, found, 1, token)
	return found[0]
}

func withEverything(t *testing.T) graph {
	t.Helper()
	const key = "arn:aws:kms:ap-northeast-1:" + recorder.Account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	scope := arn.Scope{Partition: recorder.Partition, Region: "ap-northeast-1", AccountID: recorder.Account}
	recorded, err := recorder.Run(everything, func(ctx *pulumi.Context) error {
		granted, err := roles.New(ctx, "guarded", &roles.Args{
			Scope:           scope,
			GatewayRoleName: "guarded-gateway",
			Endpoint: &roles.Endpoint{
				ExecutionRoleName: "guarded-execution", RepositoryArn: scope.Repository("guarded-model"),
				EndpointName: "guarded-endpoint", InferenceComponentName: "guarded-model",
				VPC: true, KMSKeyArn: key,
			},
		})
		if err != nil {
			return err
		}
		_, err = endpoint.New(ctx, "guarded", &endpoint.Args{
			EndpointName: "guarded-endpoint", InferenceComponentName: "guarded-model",
			ImageURI:         pulumi.String(recorder.Account + ".dkr.ecr.ap-northeast-1.amazonaws.com/guarded-model:v1"),
			ExecutionRoleArn: granted.ExecutionRoleArn,
			InstanceType:     "ml.g5.xlarge", InitialInstanceCount: 1, MaxInstanceCount: 2,
			CPUCores: 1.5, MemoryMB: 1024, Accelerators: 1, StartupTimeoutSeconds: 600,
			VPC:       &endpoint.VPC{SubnetIDs: []string{"subnet-1", "subnet-2"}, SecurityGroupIDs: []string{"sg-1"}},
			KMSKeyArn: key,
		})
		if err != nil {
			return err
		}
		_, err = queue.New(ctx, "guarded", &queue.Args{
			Scope: scope, Name: "guarded-jobs", EndpointName: "guarded-endpoint", InferenceComponentName: "guarded-model",
			Submit: pulumi.NewFileArchive("submit.zip"), Worker: pulumi.NewFileArchive("worker.zip"), Architecture: "arm64",
			MaxConcurrency: 2, MaxTries: 3, DirectWake: true, JobTTLHours: 168, AllowOrigin: "*", LogRetentionDays: 30,
			KMSKeyArn: key,
		})
		return err
	})
	require.NoError(t, err)
	return asGolden(recorded)
}

// withAccount is an API that sets the account's logging role, too.
func withAccount(t *testing.T) graph {
	t.Helper()
	schema, err := gateway.ParseSchema([]byte(`{"type":"object"}`))
	require.NoError(t, err)
	recorded, err := recorder.Run("account", func(ctx *pulumi.Context) error {
		_, err := gateway.New(ctx, "gateway", &gateway.Args{
			APIKeys: []gateway.APIKey{{Name: "a", Enabled: true}},
			Scope:   arn.Scope{Partition: recorder.Partition, Region: "ap-northeast-1", AccountID: recorder.Account},
			APIName: "api", StageName: "account",
			Routes: []gateway.Route{{
				Method: http.MethodPost, Path: "/infer", OperationID: "infer", Request: schema,
				Endpoint: gateway.SageMaker{EndpointName: "endpoint", InferenceComponentName: "model"},
			}},
			CredentialsArn: "arn:aws:iam::" + recorder.Account + ":role/api-gateway",
			AllowOrigin:    "*", RateLimit: 10, BurstLimit: 20, MonthlyQuota: 1000, LogRetentionDays: 30,
			ManageAccount: true,
		})
		return err
	})
	require.NoError(t, err)
	return asGolden(recorded)
}

// asGolden is a graph in the form of the golden files.
func asGolden(recorded *recorder.Graph) graph {
	var found graph
	for _, r := range recorded.Resources {
		inputs := resource.NewObjectProperty(r.Inputs).Mappable().(map[string]any)
		for name, value := range inputs {
			inputs[name] = unfolded(value)
		}
		found = append(found, registered{Type: r.Type, Name: r.Name, Inputs: inputs})
	}
	return found
}

// unfolded is the object that a text is, or else the value itself.
func unfolded(value any) any {
	var document map[string]any
	if text, ok := value.(string); ok && strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &document) == nil {
		return document
	}
	return value
}

// restAPIBody is the API's document as it is sent: what API Gateway keeps as
// text, its mapping templates, is text again.
func (g graph) restAPIBody(t *testing.T) map[string]any {
	t.Helper()
	body := g.only(t, "aws:apigateway/restApi:RestApi").Inputs["body"]
	foldTemplates(t, body)
	return body.(map[string]any)
}

func foldTemplates(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if templates, ok := inner.(map[string]any); ok && (name == "requestTemplates" || name == "responseTemplates") {
				for contentType, template := range templates {
					templates[contentType] = folded(t, template)
				}
				continue
			}
			foldTemplates(t, inner)
		}
	case []any:
		for _, inner := range value {
			foldTemplates(t, inner)
		}
	}
}

// folded is the text of an object, or else the value itself.
func folded(t *testing.T, value any) any {
	t.Helper()
	document, ok := value.(map[string]any)
	if !ok {
		return value
	}
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return string(text)
}

// copied is a document of its own, to be spoilt.
func copied(t *testing.T, document map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(document)
	require.NoError(t, err)
	var another map[string]any
	require.NoError(t, json.Unmarshal(text, &another))
	return another
}

// at goes down a document by keys. The test ends where there is no object.
func at(t *testing.T, document map[string]any, keys ...string) map[string]any {
	t.Helper()
	for _, key := range keys {
		inner, ok := document[key].(map[string]any)
		require.True(t, ok, "%s of %v is no object", key, keys)
		document = inner
	}
	return document
}
