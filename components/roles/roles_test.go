package roles_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/iampolicy"
	"scaletozero/components/roles"
	"scaletozero/internal/recorder"
)

func args() *roles.Args {
	return &roles.Args{
		Scope:           arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account},
		GatewayRoleName: "songs-api-dev-gateway",
		Endpoint: &roles.Endpoint{
			ExecutionRoleName:      "songs-endpoint-dev-execution",
			RepositoryArn:          "arn:aws:ecr:ap-northeast-1:999999999999:repository/songs",
			EndpointName:           "songs-endpoint-dev",
			InferenceComponentName: "songs-dev",
		},
	}
}

func run(t *testing.T, args *roles.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := roles.New(ctx, "songs", args)
		return err
	}, options...)
	require.NoError(t, err)
	return graph
}

// policyOf is the inline policy of the role with the logical name.
func policyOf(t *testing.T, graph *recorder.Graph, name string) iampolicy.Document {
	t.Helper()
	for _, policy := range graph.OfType("aws:iam/rolePolicy:RolePolicy") {
		if policy.Name == name {
			var document iampolicy.Document
			require.NoError(t, json.Unmarshal([]byte(policy.Inputs["policy"].StringValue()), &document))
			return document
		}
	}
	require.Failf(t, "no policy", "role %s has none", name)
	return iampolicy.Document{}
}

func statements(document iampolicy.Document) map[string]iampolicy.Statement {
	bySid := map[string]iampolicy.Statement{}
	for _, statement := range document.Statement {
		bySid[statement.Sid] = statement
	}
	return bySid
}

func TestRolesNameExactlyWhatTheyTouch(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(), options...)
			assert.Empty(t, graph.Orphans())
			require.Len(t, graph.OfType("aws:iam/role:Role"), 2)

			gateway := policyOf(t, graph, "songs-gateway")
			require.Len(t, gateway.Statement, 1)
			assert.Equal(t, []string{"sagemaker:InvokeEndpoint"}, gateway.Statement[0].Action)
			assert.Equal(t, []string{
				"arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/songs-endpoint-dev",
				"arn:aws:sagemaker:ap-northeast-1:123456789012:inference-component/songs-dev",
			}, gateway.Statement[0].Resource)

			execution := statements(policyOf(t, graph, "songs-execution"))
			assert.Equal(t, []string{args().Endpoint.RepositoryArn}, execution["Pull"].Resource)
			assert.Equal(t, []string{
				"arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/Endpoints/songs-endpoint-dev",
				"arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/Endpoints/songs-endpoint-dev:*",
				"arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/InferenceComponents/songs-dev",
				"arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/InferenceComponents/songs-dev:*",
			}, execution["Logs"].Resource)
			assert.NotEmpty(t, execution["Metrics"].Condition, "PutMetricData takes no resource, so a condition must hold it")
		})
	}
}

// The statements whose resource is "*", because AWS takes nothing else there.
var unscoped = map[string]bool{"Login": true, "Metrics": true, "Network": true}

func TestRolesHaveNoWildcardAndNoS3(t *testing.T) {
	withAll := args()
	withAll.Endpoint.VPC, withAll.Endpoint.KMSKeyArn = true, "arn:aws:kms:ap-northeast-1:123456789012:key/k"
	withAll.FunctionArns = []string{withAll.Scope.Function("songs-jobs-submit")}
	for name, a := range map[string]*roles.Args{"plain": args(), "with VPC and KMS": withAll} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a)
			for _, role := range []string{"songs-execution", "songs-gateway"} {
				for _, statement := range policyOf(t, graph, role).Statement {
					assert.Equal(t, unscoped[statement.Sid], assert.ObjectsAreEqual([]string{"*"}, statement.Resource), statement.Sid)
					for _, action := range statement.Action {
						assert.NotContains(t, action, "*")
						assert.NotContains(t, action, "s3:")
					}
				}
			}
		})
	}
}

func TestRolesAddNetworkAndKeyOnlyWhereUsed(t *testing.T) {
	plain := statements(policyOf(t, run(t, args()), "songs-execution"))
	assert.NotContains(t, plain, "Network")
	assert.NotContains(t, plain, "Volume")

	a := args()
	a.Endpoint.VPC, a.Endpoint.KMSKeyArn = true, "arn:aws:kms:ap-northeast-1:123456789012:key/k"
	extended := statements(policyOf(t, run(t, a), "songs-execution"))
	assert.Contains(t, extended["Network"].Action, "ec2:CreateNetworkInterface")
	assert.Equal(t, []string{a.Endpoint.KMSKeyArn}, extended["Volume"].Resource)
}

func TestGatewayInvokesFunctionsOnlyWhereThereAreSome(t *testing.T) {
	assert.NotContains(t, statements(policyOf(t, run(t, args()), "songs-gateway")), "Function")

	a := args()
	a.FunctionArns = []string{a.Scope.FunctionAlias("songs", "live"), a.Scope.Function("songs-jobs-submit")}
	function := statements(policyOf(t, run(t, a), "songs-gateway"))["Function"]
	assert.Equal(t, []string{"lambda:InvokeFunction"}, function.Action)
	assert.Equal(t, []string{
		"arn:aws:lambda:ap-northeast-1:123456789012:function:songs:live",
		"arn:aws:lambda:ap-northeast-1:123456789012:function:songs-jobs-submit",
	}, function.Resource)
}

func TestNoEndpointNoExecutionRole(t *testing.T) {
	a := args()
	a.Endpoint, a.FunctionArns = nil, []string{a.Scope.Function("songs")}
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, a, options...)
			assert.Empty(t, graph.Orphans())
			assert.Equal(t, "songs-gateway", graph.Only(t, "aws:iam/role:Role").Name)
			assert.NotContains(t, statements(policyOf(t, graph, "songs-gateway")), "Invoke")
		})
	}
}

func TestRolesTrust(t *testing.T) {
	for _, role := range run(t, args()).OfType("aws:iam/role:Role") {
		var trust iampolicy.Document
		require.NoError(t, json.Unmarshal([]byte(role.Inputs["assumeRolePolicy"].StringValue()), &trust))
		require.Len(t, trust.Statement, 1)
		switch role.Name {
		case "songs-execution":
			assert.Equal(t, map[string]string{"Service": "sagemaker.amazonaws.com"}, trust.Statement[0].Principal)
			assert.Equal(t, []string{recorder.Account}, trust.Statement[0].Condition["StringEquals"]["aws:SourceAccount"])
		case "songs-gateway":
			assert.Equal(t, map[string]string{"Service": "apigateway.amazonaws.com"}, trust.Statement[0].Principal)
		default:
			assert.Failf(t, "unexpected role", "%s", role.Name)
		}
	}
}

// Who depends on what is ready waits for the policies, too: the endpoint
// would otherwise start without them and, on destroy, outlive them.
func TestRolesGiveTheirPoliciesToTheirDependents(t *testing.T) {
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		granted, err := roles.New(ctx, "songs", args())
		if err != nil {
			return err
		}
		_, err = iam.NewRole(ctx, "dependent", &iam.RoleArgs{AssumeRolePolicy: pulumi.String("{}")},
			pulumi.DependsOn(granted.Ready))
		return err
	})
	require.NoError(t, err)
	for _, role := range graph.OfType("aws:iam/role:Role") {
		if role.Name == "dependent" {
			waits := strings.Join(role.DependsOn, " ")
			for _, policy := range []string{"songs-execution", "songs-gateway"} {
				assert.Contains(t, waits, "aws:iam/rolePolicy:RolePolicy::"+policy)
			}
		}
	}
}

func TestRolesRefuseBadArgs(t *testing.T) {
	for name, test := range map[string]struct {
		args *roles.Args
		want []string
	}{
		"nil":   {nil, []string{"args are required"}},
		"empty": {&roles.Args{}, []string{"GatewayRoleName", "Scope.AccountID", "Endpoint and FunctionArns are empty"}},
		"empty endpoint": {
			&roles.Args{Endpoint: &roles.Endpoint{}, FunctionArns: []string{""}},
			[]string{"ExecutionRoleName", "RepositoryArn", "EndpointName", "InferenceComponentName", "FunctionArns[0]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := roles.New(ctx, "songs", test.args)
				return err
			})
			require.Error(t, err)
			assert.ErrorContains(t, err, `roles "songs"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(roles.Type), "nothing may be registered")
		})
	}
}

func TestRolesNameTheRoleThatFailed(t *testing.T) {
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := roles.New(ctx, "songs", args())
		return err
	}, recorder.Failing("aws:iam/role:Role"))
	// Both fail, in any order.
	assert.Regexp(t, "songs-(execution|gateway) failed", err)
}
