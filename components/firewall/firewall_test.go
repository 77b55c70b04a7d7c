package firewall_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/firewall"
	"scaletozero/internal/recorder"
)

const (
	aclToken         = "aws:wafv2/webAcl:WebAcl"
	associationToken = "aws:wafv2/webAclAssociation:WebAclAssociation"
	loggingToken     = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
	groupToken       = "aws:cloudwatch/logGroup:LogGroup"

	stageArn = "arn:aws:apigateway:ap-northeast-1::/restapis/abc/stages/dev"
	keyArn   = "arn:aws:kms:ap-northeast-1:123456789012:key/k"
)

func args() *firewall.Args {
	return &firewall.Args{Name: "songs-api-dev", StageArn: pulumi.String(stageArn), RateLimit: 500, LogRetentionDays: 30}
}

func run(t *testing.T, args *firewall.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := firewall.New(ctx, "songs", args)
		return err
	}, options...)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// rule is what the web ACL's rule of the name says.
func rule(t *testing.T, graph *recorder.Graph, name string) map[string]any {
	t.Helper()
	for _, value := range graph.Only(t, aclToken).Inputs["rules"].ArrayValue() {
		if found := value.Mappable().(map[string]any); found["name"] == name {
			return found
		}
	}
	require.Failf(t, "no such rule", name)
	return nil
}

func TestRulesAreKnownAtPreview(t *testing.T) {
	for name, options := range map[string][]recorder.Option{"update": nil, "preview": {recorder.Preview}} {
		t.Run(name, func(t *testing.T) {
			graph := run(t, args(), options...)
			acl := graph.Only(t, aclToken).Inputs
			assert.Equal(t, "songs-api-dev", acl["name"].StringValue())
			assert.Equal(t, "REGIONAL", acl["scope"].StringValue(), "an API's stage is no CloudFront distribution")
			assert.Equal(t, map[string]any{"allow": map[string]any{}}, acl["defaultAction"].Mappable())
			require.Len(t, acl["rules"].ArrayValue(), 3)

			rate := rule(t, graph, "RatePerAddress")
			assert.Equal(t, map[string]any{"block": map[string]any{}}, rate["action"])
			assert.Equal(t, map[string]any{"rateBasedStatement": map[string]any{
				"aggregateKeyType": "IP", "limit": 500.0, "evaluationWindowSec": 300.0,
			}}, rate["statement"])
			for priority, group := range map[float64]string{
				1: "AWSManagedRulesKnownBadInputsRuleSet", 2: "AWSManagedRulesCommonRuleSet",
			} {
				managed := rule(t, graph, group)
				assert.Equal(t, priority, managed["priority"])
				assert.Equal(t, map[string]any{"none": map[string]any{}}, managed["overrideAction"], "the group's own actions hold")
				statement := managed["statement"].(map[string]any)["managedRuleGroupStatement"].(map[string]any)
				assert.Equal(t, []any{"AWS", group}, []any{statement["vendorName"], statement["name"]})
			}
		})
	}
}

// The common rule set blocks bodies over 8 KB, which models take.
func TestLargeBodiesAreCountedAndNothingElseIs(t *testing.T) {
	graph := run(t, args())
	overrides := func(group string) any {
		return rule(t, graph, group)["statement"].(map[string]any)["managedRuleGroupStatement"].(map[string]any)["ruleActionOverrides"]
	}
	assert.Equal(t, []any{map[string]any{
		"name": "SizeRestrictions_BODY", "actionToUse": map[string]any{"count": map[string]any{}},
	}}, overrides("AWSManagedRulesCommonRuleSet"))
	assert.Nil(t, overrides("AWSManagedRulesKnownBadInputsRuleSet"))
}

func TestKeysAreNeitherLoggedNorSampled(t *testing.T) {
	graph := run(t, args())
	logging := graph.Only(t, loggingToken).Inputs
	assert.Equal(t, []any{map[string]any{"singleHeader": map[string]any{"name": "x-api-key"}}}, logging["redactedFields"].Mappable())
	acl := graph.Only(t, aclToken).Inputs
	configs := []resource.PropertyValue{acl["visibilityConfig"]}
	for _, rule := range acl["rules"].ArrayValue() {
		configs = append(configs, rule.ObjectValue()["visibilityConfig"])
	}
	names := map[string]bool{}
	for _, config := range configs {
		config := config.ObjectValue()
		assert.False(t, config["sampledRequestsEnabled"].BoolValue(), "redaction does not cover samples")
		assert.True(t, config["cloudwatchMetricsEnabled"].BoolValue())
		names[config["metricName"].StringValue()] = true
	}
	assert.Len(t, names, len(configs), "each has a metric of its own")
}

func TestLogAndStage(t *testing.T) {
	for name, key := range map[string]string{"AWS's key": "", "own key": keyArn} {
		t.Run(name, func(t *testing.T) {
			a := args()
			if key != "" {
				a.LogKMSKeyArn = pulumi.StringPtr(key)
			}
			graph := run(t, a)
			group := graph.Only(t, groupToken).Inputs
			assert.Equal(t, "aws-waf-logs-songs-api-dev", group["name"].StringValue(), "AWS WAF takes no other prefix")
			assert.Equal(t, 30.0, group["retentionInDays"].NumberValue())
			if _, given := group["kmsKeyId"]; assert.Equal(t, key != "", given) && given {
				assert.Equal(t, key, group["kmsKeyId"].StringValue())
			}
			logging := graph.Only(t, loggingToken).Inputs
			assert.Equal(t, []any{"arn:aws:mock:::songs"}, logging["logDestinationConfigs"].Mappable())
			association := graph.Only(t, associationToken).Inputs
			assert.Equal(t, stageArn, association["resourceArn"].StringValue())
			assert.Equal(t, "arn:aws:mock:::songs", association["webAclArn"].StringValue())
		})
	}
}

// AWS deletes them by the ARN of what they belong to, the new one's as well.
func TestReplacementsAreDeletedFirst(t *testing.T) {
	graph := run(t, args())
	assert.True(t, graph.Only(t, associationToken).DeletedFirst)
	assert.True(t, graph.Only(t, loggingToken).DeletedFirst)
	assert.False(t, graph.Only(t, aclToken).DeletedFirst, "a web ACL with a stage cannot be deleted")
}

func TestFirewallSurvivesAnUnknownStage(t *testing.T) {
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		a := args()
		a.StageArn = pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
		_, err := firewall.New(ctx, "songs", a)
		return err
	}, recorder.Preview)
	require.NoError(t, err)
	assert.NotContains(t, graph.Only(t, associationToken).Inputs, resource.PropertyKey("resourceArn"))
	assert.Contains(t, graph.Only(t, aclToken).Inputs, resource.PropertyKey("rules"), "an unknown stage hides nothing else")
}

func TestOutputs(t *testing.T) {
	var outputs [2]string
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		created, err := firewall.New(ctx, "songs", args())
		if err != nil {
			return err
		}
		pulumi.All(created.WebACLArn, created.LogGroupName).ApplyT(func(all []any) error {
			outputs = [2]string{all[0].(string), all[1].(string)}
			return nil
		})
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, [2]string{"arn:aws:mock:::songs", "aws-waf-logs-songs-api-dev"}, outputs)
}

func TestFirewallRefusesBadArgs(t *testing.T) {
	change := func(f func(*firewall.Args)) *firewall.Args {
		a := args()
		f(a)
		return a
	}
	for name, test := range map[string]struct {
		args *firewall.Args
		want []string
	}{
		"nil":           {nil, []string{"args are required"}},
		"empty":         {&firewall.Args{}, []string{"Name", "StageArn", "RateLimit is 0; it must be from 10 to 2000000000", "LogRetentionDays"}},
		"name":          {change(func(a *firewall.Args) { a.Name = "songs.api" }), []string{"Name"}},
		"name too long": {change(func(a *firewall.Args) { a.Name = strings.Repeat("a", firewall.MaxNameLength+1) }), []string{"Name"}},
		"rate too low":  {change(func(a *firewall.Args) { a.RateLimit = 9 }), []string{"RateLimit is 9"}},
		"rate too high": {change(func(a *firewall.Args) { a.RateLimit = 2_000_000_001 }), []string{"RateLimit is 2000000001"}},
		"retention":     {change(func(a *firewall.Args) { a.LogRetentionDays = 2 }), []string{"LogRetentionDays"}},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := firewall.New(ctx, "songs", test.args)
				return err
			})
			require.Error(t, err)
			assert.ErrorContains(t, err, `firewall "songs"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(firewall.Type), "nothing may be registered")
		})
	}
}

func TestFirewallNamesWhatFailed(t *testing.T) {
	for _, token := range []string{aclToken, associationToken, loggingToken, groupToken} {
		t.Run(token, func(t *testing.T) {
			_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := firewall.New(ctx, "songs", args())
				return err
			}, recorder.Failing(token))
			assert.ErrorContains(t, err, "songs failed")
		})
	}
}
