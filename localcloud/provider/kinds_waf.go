package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"

	"scaletozero/localcloud/gateway"
)

// A web ACL is checked as a whole, and of its rules those are enforced that limit what one source address may send.
// Managed rules are not: what is in AWS's rule groups is AWS's, so nothing here looks into a request for attacks.

// managedGroups are AWS's free rule groups by their price in capacity units (AWS WAF developer guide, "AWS Managed
// Rules rule groups list").
var managedGroups = map[string]float64{
	"AWSManagedRulesCommonRuleSet": 700, "AWSManagedRulesAdminProtectionRuleSet": 100,
	"AWSManagedRulesKnownBadInputsRuleSet": 200, "AWSManagedRulesSQLiRuleSet": 200,
	"AWSManagedRulesLinuxRuleSet": 200, "AWSManagedRulesUnixRuleSet": 100, "AWSManagedRulesWindowsRuleSet": 200,
	"AWSManagedRulesPHPRuleSet": 100, "AWSManagedRulesWordPressRuleSet": 100,
	"AWSManagedRulesAmazonIpReputationList": 25, "AWSManagedRulesAnonymousIpList": 50,
}

// rateRuleCapacity is what a rate-based rule over addresses costs.
const rateRuleCapacity = 2

// Limits of RateBasedStatement in the AWS WAF API reference.
const (
	lowestRateLimit  = 10
	highestRateLimit = 2_000_000_000
	defaultWindow    = 300.0
)

var (
	rateWindows = map[float64]bool{60: true, 120: true, defaultWindow: true, 600: true}
	wafName     = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
)

var webACLKind = &kind{
	inputs:    schemaOf(&wafv2.WebAclArgs{}),
	nameLimit: 128,
	rules: map[string]rule{
		"name":  matching(`^[0-9A-Za-z_-]+$`, 128),
		"scope": oneOf("CLOUDFRONT", "REGIONAL"),
	},
	replaceOn: []string{"name", "namePrefix", "scope"},
	identity:  []string{"name", "scope"},
	id:        func(_ *Server, r *Resource) string { return uuid(r.URN, r.Created.String()) },
	check:     func(_ *Server, r *Resource) error { return checkWebACL(r) },
	remove: func(_ context.Context, s *Server, r *Resource) error {
		for _, association := range s.store.Resources(TypeWebACLAssociation) {
			if association.Inputs.text("webAclArn") == webACLARN(r) {
				return errors.New("WAFAssociatedItemException: AWS WAF couldn't perform the operation because your resource is being used by another resource")
			}
		}
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": webACLARN(r), "applicationIntegrationUrl": "", "capacity": capacityOf(r), "lockToken": uuid(r.URN, r.Updated.String()), "namePrefix": "",
		}
	},
	volatile: []string{"capacity", "lockToken"},
}

func webACLARN(r *Resource) string {
	return arn(r, "wafv2", r.Region, accountID, fmt.Sprintf("regional/webacl/%s/%s", r.Inputs.text("name"), r.ID))
}

func capacityOf(r *Resource) float64 {
	capacity := 0.0
	for _, rule := range r.Inputs.objects("rules") {
		statement := rule.object("statement")
		capacity += managedGroups[statement.object("managedRuleGroupStatement").text("name")]
		if statement.object("rateBasedStatement") != nil {
			capacity += rateRuleCapacity
		}
	}
	return capacity
}

// checkWebACL holds CreateWebACL's rules, and refuses what the local cloud has not.
func checkWebACL(r *Resource) error {
	if r.Inputs.text("scope") != "REGIONAL" || r.Inputs.text("ruleJson") != "" || r.Inputs.text("namePrefix") != "" {
		return errors.New("localcloud implements web ACLs of scope REGIONAL with a name and rules: neither namePrefix nor ruleJson")
	}
	if action := r.Inputs.object("defaultAction"); len(action) != 1 || action["allow"] == nil {
		return errors.New("localcloud implements the defaultAction allow only: give that and no other")
	}
	if err := checkVisibility("visibilityConfig", r.Inputs.object("visibilityConfig")); err != nil {
		return err
	}
	names, priorities := map[string]bool{}, map[float64]bool{}
	for _, rule := range r.Inputs.objects("rules") {
		name, priority := rule.text("name"), rule.number("priority")
		if names[name] || priorities[priority] {
			return fmt.Errorf("WAFDuplicateItemException: rule %q: another rule has its name or its priority %v", name, priority)
		}
		names[name], priorities[priority] = true, true
		if err := checkFirewallRule(rule); err != nil {
			return fmt.Errorf("rule %q: %w", name, err)
		}
	}
	return nil
}

func checkFirewallRule(rule Properties) error {
	if !wafName.MatchString(rule.text("name")) {
		return invalidWAF("RULE", "name must match "+wafName.String())
	}
	statement := rule.object("statement")
	managed, rate := statement.object("managedRuleGroupStatement"), statement.object("rateBasedStatement")
	if len(statement) != 1 || managed == nil && rate == nil {
		return errors.New("localcloud implements the statements managedRuleGroupStatement and rateBasedStatement: give one of them")
	}
	if err := checkVisibility("RULE", rule.object("visibilityConfig")); err != nil {
		return err
	}
	// A rule group brings actions of its own, which can only be overridden.
	own, override := len(rule.object("action")), len(rule.object("overrideAction"))
	if managed != nil {
		if own != 0 || override != 1 {
			return invalidWAF("RULE", "a rule with a rule group needs an overrideAction, none or count, and takes no action")
		}
		return checkManaged(managed)
	}
	if own != 1 || override != 0 {
		return invalidWAF("RULE", "a rule without a rule group needs one action and takes no overrideAction")
	}
	return checkRate(rule, rate)
}

// checkManaged does not look at the names in overrides: AWS WAF ignores those that it does not know (RuleActionOverride
// in the AWS WAF API reference).
func checkManaged(statement Properties) error {
	if _, known := managedGroups[statement.text("name")]; !known || statement.text("vendorName") != "AWS" {
		return fmt.Errorf("WAFNonexistentItemException: localcloud knows no rule group %s of vendor %s", statement.text("name"), statement.text("vendorName"))
	}
	if statement.object("scopeDownStatement") != nil {
		return errors.New("localcloud does not implement scopeDownStatement")
	}
	for _, override := range statement.objects("ruleActionOverrides") {
		if len(override.object("actionToUse")) != 1 {
			return invalidWAF("RULE_ACTION_OVERRIDE", "actionToUse needs one action")
		}
	}
	return nil
}

func checkRate(rule, statement Properties) error {
	if rule.object("action")["block"] == nil && rule.object("action")["count"] == nil {
		return errors.New("localcloud implements the actions block and count of a rule about a rate")
	}
	if kind := statement.text("aggregateKeyType"); kind != "" && kind != "IP" || statement.object("scopeDownStatement") != nil {
		return errors.New("localcloud implements aggregateKeyType IP only, and no scopeDownStatement")
	}
	if limit := statement.number("limit"); limit < lowestRateLimit || limit > highestRateLimit {
		return invalidWAF("RATE_BASED_STATEMENT", fmt.Sprintf("limit must be from %d to %d, but is %v", lowestRateLimit, highestRateLimit, limit))
	}
	if !rateWindows[windowOf(statement)] {
		return invalidWAF("RATE_BASED_STATEMENT", "evaluationWindowSec must be 60, 120, 300 or 600")
	}
	return nil
}

// windowOf is the time that a rate is for, in seconds.
func windowOf(statement Properties) float64 {
	if window, given := statement["evaluationWindowSec"].(float64); given {
		return window
	}
	return defaultWindow
}

func checkVisibility(field string, config Properties) error {
	if !wafName.MatchString(config.text("metricName")) {
		return invalidWAF(field, "metricName must match "+wafName.String())
	}
	return nil
}

func invalidWAF(field, reason string) error {
	return fmt.Errorf("WAFInvalidParameterException: Error reason: %s, field: %s", reason, field)
}

// webACLAssociationKind is unique by the resource, which has one web ACL at most. AWS would replace another one
// without a word, and the deletion of the old association would then take the new one away.
var webACLAssociationKind = &kind{
	inputs:    schemaOf(&wafv2.WebAclAssociationArgs{}),
	replaceOn: []string{"resourceArn", "webAclArn"},
	identity:  []string{"resourceArn"},
	id: func(_ *Server, r *Resource) string {
		return r.Inputs.text("webAclArn") + "," + r.Inputs.text("resourceArn")
	},
	check: func(s *Server, r *Resource) error {
		if s.webACL(r.Inputs.text("webAclArn")) == nil {
			return nonexistent("webAclArn", r)
		}
		for _, stage := range s.store.Resources(TypeStage) {
			if stageARN(stage) == r.Inputs.text("resourceArn") {
				return nil
			}
		}
		return nonexistent("resourceArn", r)
	},
}

func nonexistent(input string, r *Resource) error {
	return fmt.Errorf("WAFNonexistentItemException: AWS WAF couldn't perform the operation because your resource doesn't exist: %s %s", input, r.Inputs.text(input))
}

func (s *Server) webACL(arn string) *Resource {
	for _, acl := range s.store.Resources(TypeWebACL) {
		if webACLARN(acl) == arn {
			return acl
		}
	}
	return nil
}

// logPrefix is what the name of a log group for AWS WAF begins with.
const logPrefix = "aws-waf-logs-"

var redactedHeader = regexp.MustCompile(`^[0-9a-z_-]{1,40}$`)

// webACLLoggingKind keeps where a web ACL logs. Nothing is logged here: what the gateway blocks is in the stage's access
// log.
var webACLLoggingKind = &kind{
	inputs:    schemaOf(&wafv2.WebAclLoggingConfigurationArgs{}),
	required:  []string{"logDestinationConfigs"},
	replaceOn: []string{"resourceArn", "logDestinationConfigs"},
	identity:  []string{"resourceArn"},
	id:        inputAsID("resourceArn"),
	check: func(s *Server, r *Resource) error {
		if s.webACL(r.Inputs.text("resourceArn")) == nil {
			return nonexistent("resourceArn", r)
		}
		for _, redacted := range r.Inputs.objects("redactedFields") {
			header := redacted.object("singleHeader")
			if len(redacted) != 1 || header != nil && !redactedHeader.MatchString(header.text("name")) {
				return invalidWAF("REDACTED_FIELD", "a redacted field is one part of the request, and a header is in lower case")
			}
		}
		return s.checkLogDestination(r)
	},
}

func (s *Server) checkLogDestination(r *Resource) error {
	destinations := r.Inputs.list("logDestinationConfigs")
	if len(destinations) != 1 {
		return invalidWAF("LOG_DESTINATION", "a web ACL has one destination")
	}
	_, name, isGroup := strings.Cut(destinations[0], ":log-group:")
	if !isGroup || !strings.HasPrefix(name, logPrefix) {
		return invalidWAF("LOG_DESTINATION", fmt.Sprintf("The ARN isn't valid: %s; localcloud logs to log groups, whose name begins with %s", destinations[0], logPrefix))
	}
	if s.store.Find(TypeLogGroup, name, "") == nil {
		return fmt.Errorf("WAFLogDestinationPermissionIssueException: Unable to deliver logs to the configured destination: the log group %s does not exist", name)
	}
	return nil
}

// rateRulesFor are the rules that limit addresses in front of the stage.
func (s *Server) rateRulesFor(stage *Resource) []gateway.RateRule {
	var limits []gateway.RateRule
	for _, association := range s.store.Resources(TypeWebACLAssociation) {
		acl := s.webACL(association.Inputs.text("webAclArn"))
		if acl == nil || association.Inputs.text("resourceArn") != stageARN(stage) {
			continue
		}
		for _, rule := range acl.Inputs.objects("rules") {
			statement := rule.object("statement").object("rateBasedStatement")
			if statement != nil && rule.object("action")["block"] != nil {
				limits = append(limits, gateway.RateRule{
					Limit: int(statement.number("limit")), Window: time.Duration(windowOf(statement)) * time.Second,
				})
			}
		}
	}
	return limits
}
