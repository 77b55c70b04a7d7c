package firewall

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The rules' names, and those of their metrics. Managed ones are called as AWS's
// rule groups.
const (
	ruleRate           = "RatePerAddress"
	groupCommon        = "AWSManagedRulesCommonRuleSet"
	groupKnownBadInput = "AWSManagedRulesKnownBadInputsRuleSet"
)

// sizeRule is the rule of the common rule set that blocks bodies over 8 KB (AWS
// WAF developer guide, "Baseline rule groups"). That is less than many a request
// to a model has: the endpoint takes 6 MB and the queue 256 KB. So it only counts.
// AWS WAF ignores an override in silence if the name is not exactly this
// (RuleActionOverride in the AWS WAF API reference).
//
// The other rules look at the first 16 KB of a body, which is as much as API
// Gateway hands over unless more is paid for ("Considerations for managing body
// inspection in AWS WAF"), and let the rest through.
const sizeRule = "SizeRestrictions_BODY"

// rateWindow is the time, in seconds, that the rate limit is for.
const rateWindow = 300

// rules are in the order of their evaluation: what needs no look at the body
// comes first.
func rules(args *Args) wafv2.WebAclRuleArray {
	return wafv2.WebAclRuleArray{
		&wafv2.WebAclRuleArgs{
			Name:     pulumi.String(ruleRate),
			Priority: pulumi.Int(0),
			Action:   &wafv2.WebAclRuleActionArgs{Block: &wafv2.WebAclRuleActionBlockArgs{}},
			Statement: &wafv2.WebAclRuleStatementArgs{
				RateBasedStatement: &wafv2.WebAclRuleStatementRateBasedStatementArgs{
					AggregateKeyType:    pulumi.String("IP"),
					EvaluationWindowSec: pulumi.Int(rateWindow),
					Limit:               pulumi.Int(args.RateLimit),
				},
			},
			VisibilityConfig: ruleVisibility(ruleRate),
		},
		managed(1, groupKnownBadInput, nil),
		managed(2, groupCommon, wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArray{
			&wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs{
				Name: pulumi.String(sizeRule),
				ActionToUse: &wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs{
					Count: &wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs{},
				},
			},
		}),
	}
}

// managed is a rule group of AWS, in its current version, with its own actions
// but for the overrides.
func managed(priority int, group string, overrides wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArrayInput) *wafv2.WebAclRuleArgs {
	return &wafv2.WebAclRuleArgs{
		Name:           pulumi.String(group),
		Priority:       pulumi.Int(priority),
		OverrideAction: &wafv2.WebAclRuleOverrideActionArgs{None: &wafv2.WebAclRuleOverrideActionNoneArgs{}},
		Statement: &wafv2.WebAclRuleStatementArgs{
			ManagedRuleGroupStatement: &wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs{
				VendorName:          pulumi.String("AWS"),
				Name:                pulumi.String(group),
				RuleActionOverrides: overrides,
			},
		},
		VisibilityConfig: ruleVisibility(group),
	}
}

// visibility turns the metrics on, and the samples off: a sample has the caller's
// key in it, since the log's redaction does not cover samples (AWS WAF developer
// guide, "Logging AWS WAF protection pack (web ACL) traffic").
func visibility(metric string) *wafv2.WebAclVisibilityConfigArgs {
	return &wafv2.WebAclVisibilityConfigArgs{
		CloudwatchMetricsEnabled: pulumi.Bool(true),
		MetricName:               pulumi.String(metric),
		SampledRequestsEnabled:   pulumi.Bool(false),
	}
}

// ruleVisibility is visibility for one rule, which the SDK has as another type.
func ruleVisibility(metric string) *wafv2.WebAclRuleVisibilityConfigArgs {
	return &wafv2.WebAclRuleVisibilityConfigArgs{
		CloudwatchMetricsEnabled: pulumi.Bool(true),
		MetricName:               pulumi.String(metric),
		SampledRequestsEnabled:   pulumi.Bool(false),
	}
}
