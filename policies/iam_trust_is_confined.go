package main

import (
	"slices"
	"strings"

	"scaletozero/policies/internal/cfn"
)

// iamTrustIsConfined demands that a role which an AWS service assumes can be
// borrowed for this account's resources only. Without a condition on
// aws:SourceAccount or aws:SourceArn, somebody else's resource may name the
// role and have the service use it (IAM guide, "The confused deputy problem").
func iamTrustIsConfined() rule {
	return rule{
		name:        "iam-trust-is-confined",
		description: "A role that an AWS service assumes must be confined to the resources of this account.",
		judges: map[string]func(*report, map[string]any){
			"AWS::IAM::Role": judgeTrust,
		},
	}
}

// confinable are the services whose own guide gives a trust policy with
// aws:SourceAccount or aws:SourceArn. A condition on a key that a service does
// not send refuses every call, so that a service is only here with its source.
//
// Lambda is not here: it sends neither key when it assumes an execution role
// (Lambda guide, "Using source function ARN": aws:SourceArn is for policies
// where the function is the target). Nor is API Gateway: its guide does not say
// what it sends with an integration's or the account's role.
var confinable = map[string]bool{
	"appstream.amazonaws.com":     true, // WorkSpaces Applications guide, "fleet machine role cross-service confused deputy prevention"
	"bedrock.amazonaws.com":       true, // Bedrock guide, "Create a service role for model customization"
	"events.amazonaws.com":        true, // EventBridge guide, "Use identity-based policies", confused deputy
	"personalize.amazonaws.com":   true, // Personalize guide, "Cross-service confused deputy prevention"
	"pipes.amazonaws.com":         true, // EventBridge guide, "Permissions for EventBridge Pipes"
	"sagemaker.amazonaws.com":     true, // SageMaker guide, "Cross-service confused deputy prevention"
	"scheduler.amazonaws.com":     true, // EventBridge Scheduler guide, "Confused deputy prevention"
	"states.amazonaws.com":        true, // Step Functions guide, "Creating an IAM role for your state machine"
	"transfer.amazonaws.com":      true, // Transfer Family guide, "Cross-service confused deputy prevention"
	"vpc-flow-logs.amazonaws.com": true, // VPC guide, "IAM role for publishing flow logs to CloudWatch Logs"
}

var sourceKeys = []string{"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"}

func judgeTrust(r *report, properties map[string]any) {
	property := "AssumeRolePolicyDocument"
	if r.resource.Native {
		property = "AssumeRolePolicy"
	}
	for _, s := range statements(r, "", property, properties["AssumeRolePolicyDocument"]) {
		if cfn.IsText(s.elements["Effect"], "Deny") {
			continue
		}
		if principal := s.elements["Principal"]; isEverybody(principal) {
			const line = "the service or the accounts that may assume the role"
			r.check(expectation{
				where: s.where, property: "Principal", value: principal, must: "must not be everybody", code: line, template: line,
			})
			continue
		}
		principal, ok := cfn.Object(s.elements["Principal"])
		if u, unknown := s.elements["Principal"].(cfn.Unknown); !ok && unknown {
			judgeService(r, s, u)
		}
		for _, service := range oneOrMany(principal["Service"]) {
			judgeService(r, s, service)
		}
		for _, account := range oneOrMany(principal["AWS"]) {
			judgeAccount(r, s, account)
		}
	}
}

// isEverybody says whether anyone in AWS is let in.
func isEverybody(principal any) bool {
	if cfn.IsText(principal, "*") {
		return true
	}
	object, _ := cfn.Object(principal)
	return slices.ContainsFunc(oneOrMany(object["AWS"]), func(v any) bool { return cfn.IsText(v, "*") })
}

// judgeAccount: what nothing is known of could be everybody. A template's
// reference to a resource is a role of its own.
func judgeAccount(r *report, s statement, account any) {
	u, unknown := account.(cfn.Unknown)
	if _, known := outline(account); !unknown || known || len(u.From) > 0 {
		return
	}
	const line = "the ARN of the account or the role, at least its beginning"
	r.check(expectation{
		where: s.where, property: "Principal", value: u, code: line, template: line,
		must: "must be known, because it could be everybody",
	})
}

func judgeService(r *report, s statement, service any) {
	name, known := cfn.Text(service)
	if known && !confinable[name] {
		return
	}
	confined, doubt := isConfined(s.elements["Condition"])
	if confined && doubt == nil {
		return
	}
	e := expectation{
		where: s.where, property: "Condition for " + cfn.Show(service), must: "must hold aws:SourceAccount or aws:SourceArn",
		absent: "anyone's resource may have the service assume the role",
		code:   `Condition {"StringEquals": {"aws:SourceAccount": the account's id}}`, template: `Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}`,
	}
	switch u, unknown := service.(cfn.Unknown); {
	case unknown:
		e.property, e.value, e.absent = "Principal", u, ""
		e.must = "must be known, or have a condition on aws:SourceAccount or aws:SourceArn"
	case doubt != nil:
		e.value = *doubt
	}
	r.check(e)
}

// isConfined looks for one of the keys under an operator that compares it for
// being something, not for being absent or something else. The value need not
// be known; that it is a wildcard is as good as no condition.
func isConfined(condition any) (bool, *cfn.Unknown) {
	if u, ok := condition.(cfn.Unknown); ok {
		return false, &u
	}
	operators, _ := cfn.Object(condition)
	for operator, comparison := range operators {
		// ForAllValues, too, holds where the key is absent (IAM guide,
		// "Multivalued context keys").
		if strings.HasSuffix(operator, "IfExists") || strings.Contains(operator, "Not") || strings.HasPrefix(operator, "Null") ||
			strings.HasPrefix(operator, "ForAllValues:") {
			continue
		}
		keys, _ := cfn.Object(comparison)
		for key, values := range keys {
			wild := func(v any) bool { text, _ := cfn.Text(v); return isWildcard(text) }
			if slices.Contains(sourceKeys, strings.ToLower(key)) && !slices.ContainsFunc(oneOrMany(values), wild) {
				return true, nil
			}
		}
	}
	return false, nil
}
