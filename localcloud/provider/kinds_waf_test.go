package provider_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

func visible(metric string) props {
	return props{"cloudwatchMetricsEnabled": true, "metricName": metric, "sampledRequestsEnabled": false}
}

// firewall is a web ACL with the rules.
func firewall(rules ...any) props {
	return props{
		"name": "songs", "scope": "REGIONAL", "defaultAction": props{"allow": props{}}, "rules": rules, "visibilityConfig": visible("songs"),
	}
}

// rateRule blocks addresses that send more than the limit.
func rateRule(limit int) props {
	return props{
		"name": "rate", "priority": 0, "action": props{"block": props{}}, "visibilityConfig": visible("rate"),
		"statement": props{"rateBasedStatement": props{"limit": limit, "aggregateKeyType": "IP"}},
	}
}

// managedRule is a rule group of AWS.
func managedRule(group string) props {
	return props{
		"name": group, "priority": 1, "overrideAction": props{"none": props{}}, "visibilityConfig": visible(group),
		"statement": props{"managedRuleGroupStatement": props{"vendorName": "AWS", "name": group, "ruleActionOverrides": []any{
			props{"name": "SizeRestrictions_BODY", "actionToUse": props{"count": props{}}},
		}}},
	}
}

func redacting(header string) props {
	return props{"redactedFields": []any{props{"singleHeader": props{"name": header}}}}
}

func TestWebACLOutputs(t *testing.T) {
	c := newCloud(t)
	d := c.create(provider.TypeWebACL, firewall(rateRule(100), managedRule("AWSManagedRulesCommonRuleSet")))
	assert.Equal(t, "arn:aws:wafv2:ap-northeast-1:123456789012:regional/webacl/songs/"+d.id, c.text(d, "arn"))
	assert.Equal(t, 702.0, c.decode(d.outputs)["capacity"].NumberValue(), "as AWS WAF counts")
	_, err := c.tryCreate(provider.TypeWebACL, "again", firewall())
	assert.ErrorContains(t, err, "already has a aws:wafv2/webAcl:WebAcl with this [name scope]")
}

func TestWebACLsAreRefusedAsOnAWS(t *testing.T) {
	const group = "AWSManagedRulesCommonRuleSet"
	rate := func(statement props) props {
		return merged(rateRule(100), props{"statement": props{"rateBasedStatement": statement}})
	}
	managed := func(statement props) props {
		return merged(managedRule(group), props{"statement": props{"managedRuleGroupStatement": statement}})
	}
	for _, test := range []struct {
		name   string
		inputs props
		want   string
	}{
		{"for CloudFront", merged(firewall(), props{"scope": "CLOUDFRONT"}), "scope REGIONAL"},
		{"blocking by default", merged(firewall(), props{"defaultAction": props{"block": props{}}}), "the defaultAction allow only"},
		{"two defaults", merged(firewall(), props{"defaultAction": props{"allow": props{}, "block": props{}}}), "the defaultAction allow only"},
		{"metric", merged(firewall(), props{"visibilityConfig": visible("a b")}), "metricName must match"},
		{"rule's metric", firewall(merged(rateRule(100), props{"visibilityConfig": visible("")})), "metricName must match"},
		{"rule's name", firewall(merged(rateRule(100), props{"name": "a.b"})), "name must match"},
		{"one name twice", firewall(rateRule(100), merged(rateRule(200), props{"priority": 1})), "WAFDuplicateItemException"},
		{"one priority twice", firewall(rateRule(100), merged(managedRule(group), props{"priority": 0})), "WAFDuplicateItemException"},
		{"no statement", firewall(merged(rateRule(100), props{"statement": props{}})), "give one of them"},
		{"another statement", firewall(merged(rateRule(100), props{"statement": props{"geoMatchStatement": props{"countryCodes": []any{"JP"}}}})), "give one of them"},
		{"a rate below AWS's least", firewall(rateRule(9)), "limit must be from 10 to 2000000000"},
		{"a rate above AWS's most", firewall(rateRule(2_000_000_001)), "limit must be from 10 to 2000000000"},
		{"another window", firewall(rate(props{"limit": 100, "evaluationWindowSec": 90})), "60, 120, 300 or 600"},
		{"another key", firewall(rate(props{"limit": 100, "aggregateKeyType": "CONSTANT"})), "aggregateKeyType IP only"},
		{"a rate that asks for a puzzle", firewall(merged(rateRule(100), props{"action": props{"captcha": props{}}})), "block and count"},
		{"a rate without an action", firewall(merged(rateRule(100), props{"action": nil})), "needs one action"},
		{"a group with an action", firewall(merged(managedRule(group), props{"action": props{"block": props{}}})), "takes no action"},
		{"a group without an override", firewall(merged(managedRule(group), props{"overrideAction": nil})), "needs an overrideAction"},
		{"a group that is not there", firewall(managedRule("AWSManagedRulesEverything")), "WAFNonexistentItemException"},
		{"somebody else's group", firewall(managed(props{"vendorName": "F5", "name": group})), "WAFNonexistentItemException"},
		{"an override to nothing", firewall(managed(props{
			"vendorName": "AWS", "name": group, "ruleActionOverrides": []any{props{"name": "a", "actionToUse": props{}}},
		})), "actionToUse needs one action"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newCloud(t).tryCreate(provider.TypeWebACL, "it", test.inputs)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestWebACLsGuardOneStage(t *testing.T) {
	c := newCloud(t)
	w := newWorld(c, provider.TypeWebACL)
	acl, stage, group := w.arn(t, provider.TypeWebACL), w.arn(t, provider.TypeStage), w.arn(t, provider.TypeLogGroup)
	guard := func(stage, acl string) props { return props{"resourceArn": stage, "webAclArn": acl} }
	log := func(acl string, more props, groups ...any) props {
		return merged(props{"resourceArn": acl, "logDestinationConfigs": groups}, more)
	}
	for _, test := range []struct {
		name, typ string
		inputs    props
		want      string
	}{
		{"no stage", provider.TypeWebACLAssociation, guard(stage+"2", acl), "doesn't exist: resourceArn"},
		{"no web ACL", provider.TypeWebACLAssociation, guard(stage, acl+"2"), "doesn't exist: webAclArn"},
		{"log of no web ACL", provider.TypeWebACLLogging, log(acl+"2", nil, group), "doesn't exist: resourceArn"},
		{"nowhere", provider.TypeWebACLLogging, log(acl, nil), "one destination"},
		{"twice", provider.TypeWebACLLogging, log(acl, nil, group, group), "one destination"},
		{"no group", provider.TypeWebACLLogging, log(acl, nil, group+"2"), "the log group aws-waf-logs-it2 does not exist"},
		{"another prefix", provider.TypeWebACLLogging, log(acl, nil, strings.Replace(group, "aws-waf-logs-", "/waf/", 1)), "begins with aws-waf-logs-"},
		{"a bucket", provider.TypeWebACLLogging, log(acl, nil, "arn:aws:s3:::aws-waf-logs-it"), "localcloud logs to log groups"},
		{"a header in capitals", provider.TypeWebACLLogging, log(acl, redacting("X-Api-Key"), group), "in lower case"},
		{"two parts at once", provider.TypeWebACLLogging, log(acl, props{"redactedFields": []any{
			props{"singleHeader": props{"name": "a"}, "method": props{}},
		}}, group), "one part of the request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.tryCreate(test.typ, "it", test.inputs)
			assert.ErrorContains(t, err, test.want)
		})
	}
	association := c.mustCreate(provider.TypeWebACLAssociation, "it", guard(stage, acl))
	_, err := c.tryCreate(provider.TypeWebACLAssociation, "again", guard(stage, acl))
	assert.ErrorContains(t, err, "with this [resourceArn]")
	assert.ErrorContains(t, c.delete(w[provider.TypeWebACL]), "WAFAssociatedItemException")
	require.NoError(t, c.delete(association))
	require.NoError(t, c.delete(w[provider.TypeWebACL]))
}

// The rate rule holds from the association on, through an update and a restart, until the association is gone.
func TestRateRuleIsEnforced(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	api := c.create(provider.TypeRestAPI, props{"body": document("/a")})
	deployment := c.create(provider.TypeDeployment, props{"restApi": api.id})
	stage := c.create(provider.TypeStage, props{"restApi": api.id, "deployment": deployment.id, "stageName": "live"})
	acl := c.create(provider.TypeWebACL, firewall(managedRule("AWSManagedRulesCommonRuleSet"), rateRule(10)))
	// let is how many of n requests get through.
	let := func(n int) int {
		passed := 0
		for range n {
			if c.get(c.api.URL+"/"+api.id+"/live/a", "") == http.StatusNoContent {
				passed++
			}
		}
		return passed
	}
	assert.Equal(t, 20, let(20), "a web ACL alone guards nothing")
	association := c.create(provider.TypeWebACLAssociation, props{"resourceArn": c.text(stage, "arn"), "webAclArn": c.text(acl, "arn")})
	assert.Equal(t, 10, let(20))
	counting := merged(rateRule(10), props{"action": props{"count": props{}}})
	acl, err := c.update(acl, recheck(c, acl, firewall(counting)))
	require.NoError(t, err)
	assert.Equal(t, 20, let(20), "who only counts blocks nobody")
	_, err = c.update(acl, recheck(c, acl, firewall(rateRule(15))))
	require.NoError(t, err)
	assert.Equal(t, 15, let(20))

	c = openCloud(t, state)
	assert.Equal(t, 15, let(20), "a restart guards the stage again")
	require.NoError(t, c.delete(association))
	assert.Equal(t, 20, let(20))
}
