package main

import (
	"fmt"
	"slices"
	"strings"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// iamLeastPrivilege demands that roles, users and groups are allowed what they
// name and no more: no action or resource that is a wildcard as a whole, no
// NotAction and NotResource, which allow whatever AWS adds next, and none of
// AWS's own policies for a whole service. A part of a name may be a wildcard,
// such as s3:Get* or a log group's streams.
func iamLeastPrivilege() rule {
	inline := func(r *report, properties map[string]any) {
		judgePermissions(r, "", documentProperty(r, "Policy"), properties["PolicyDocument"])
	}
	return rule{
		name:        "iam-least-privilege",
		description: "An IAM policy must name the actions and resources that it allows.",
		judges: map[string]func(*report, map[string]any){
			"AWS::IAM::Group":               judgeIdentity,
			"AWS::IAM::GroupPolicy":         inline,
			"AWS::IAM::ManagedPolicy":       inline,
			"AWS::IAM::Policy":              inline,
			"AWS::IAM::Role":                judgeIdentity,
			"AWS::IAM::RolePolicy":          inline,
			"AWS::IAM::User":                judgeIdentity,
			"AWS::IAM::UserPolicy":          inline,
			registered.TypePolicyAttachment: judgeAttachment,
		},
	}
}

// documentProperty is how the form at hand calls the property with a document.
func documentProperty(r *report, native string) string {
	if r.resource.Native {
		return native
	}
	return "PolicyDocument"
}

// withoutResource are the actions that AWS takes no resource for (Service
// Authorization Reference, the tables "Actions defined by …"; for ec2 those
// that SageMaker and Lambda attach network interfaces with, of which some take
// a resource, but none that is known before the interface exists).
var withoutResource = []string{
	"ec2:AssignPrivateIpAddresses",
	"ec2:CreateNetworkInterface",
	"ec2:CreateNetworkInterfacePermission",
	"ec2:DeleteNetworkInterface",
	"ec2:DeleteNetworkInterfacePermission",
	"ec2:DescribeDhcpOptions",
	"ec2:DescribeNetworkInterfaces",
	"ec2:DescribeSecurityGroups",
	"ec2:DescribeSubnets",
	"ec2:DescribeVpcs",
	"ec2:UnassignPrivateIpAddresses",
	"ecr:GetAuthorizationToken", // a token is for a registry, not for a repository
	"translate:TranslateText",   // a text is no resource; a custom terminology would be one
	"xray:PutTelemetryRecords",  // X-Ray has no resource for what it records
	"xray:PutTraceSegments",     // the same
	"xray:GetSamplingRules",     // rules are asked for as a whole
	"xray:GetSamplingTargets",   // the same
	"cloudwatch:PutMetricData",  // and only with a condition on its namespace
}

const putMetricData = "cloudwatch:PutMetricData"

func judgeIdentity(r *report, properties map[string]any) {
	policies := properties["Policies"]
	list, ok := cfn.List(policies)
	if !ok && !cfn.IsMissing(policies) {
		judgePermissions(r, "", "Policies", policies)
	}
	for i, item := range list {
		where := fmt.Sprintf("Policies[%d]", i)
		policy, ok := cfn.Object(item)
		if !ok {
			judgePermissions(r, where, "the policy", item)
			continue
		}
		// A role without inline policies has one empty element in pulumi-aws.
		if document := policy["PolicyDocument"]; !cfn.IsMissing(document) {
			judgePermissions(r, where, documentProperty(r, "Policy"), document)
		}
	}
	judgeManaged(r, "ManagedPolicyArns", properties["ManagedPolicyArns"])
}

func judgeAttachment(r *report, properties map[string]any) {
	judgeManaged(r, "PolicyArn", properties["PolicyArn"])
	judgeManaged(r, "PolicyArns", properties["PolicyArns"])
}

// fullAccess are AWS-managed policies that allow a whole service or account.
var fullAccess = []string{
	"AdministratorAccess*", "*FullAccess*", "PowerUserAccess", "*PowerUser", "job-function/*Administrator", "AmazonSageMakerAdmin*",
}

func judgeManaged(r *report, property string, value any) {
	for _, item := range oneOrMany(value) {
		arn, known := cfn.Text(item)
		if u, ok := item.(cfn.Unknown); ok {
			arn = u.Outline
			known = strings.Contains(arn, ":policy/")
			// A policy that the program or the template makes is judged where
			// it is made.
			if !known && len(u.From) > 0 {
				continue
			}
		}
		_, name, isPolicy := strings.Cut(arn, ":aws:policy/")
		if known && (!isPolicy || !strings.Contains(name, "…") && !anyGlob(fullAccess, name)) {
			continue
		}
		r.check(expectation{
			property: property, value: item, must: "must not allow a whole service",
			code:     "a policy of your own with the actions and resources that are needed",
			template: "a policy of your own with the actions and resources that are needed",
		})
	}
}

func judgePermissions(r *report, where, property string, document any) {
	for _, s := range statements(r, where, property, document) {
		if cfn.IsText(s.elements["Effect"], "Deny") {
			continue
		}
		for _, element := range []string{"NotAction", "NotResource"} {
			if value := s.elements[element]; !cfn.IsMissing(value) {
				line := strings.TrimPrefix(element, "Not") + " with what is allowed, instead of " + element
				r.check(expectation{
					where: s.where, property: element, value: value, code: line, template: line,
					must: "must be left out, because it allows all there is but what it names, and what AWS adds later",
				})
			}
		}
		judgeActions(r, s)
		judgeResources(r, s)
	}
}

func judgeActions(r *report, s statement) {
	for _, action := range oneOrMany(s.elements["Action"]) {
		text, known := outline(action)
		if _, name, hasService := strings.Cut(text, ":"); known && !isWildcard(text) && (!hasService || !isWildcard(name)) {
			continue
		}
		const line = `the actions that are needed, such as "sagemaker:InvokeEndpoint"`
		r.check(expectation{
			where: s.where, property: "Action", value: action, code: line, template: line,
			must: "must name actions, not all of a service",
		})
	}
}

func judgeResources(r *report, s statement) {
	for _, resource := range oneOrMany(s.elements["Resource"]) {
		text, known := outline(resource)
		if known && !coversAll(text) || onlyWithoutResource(s) {
			continue
		}
		// A template's reference to a resource is its ARN or its name.
		if u, ok := resource.(cfn.Unknown); ok && len(u.From) > 0 {
			continue
		}
		const line = "the ARNs of the resources; the actions that take none belong in a statement of their own"
		r.check(expectation{
			where: s.where, property: "Resource", value: resource, code: line, template: line,
			must: "must name resources, because not every action of the statement is one that takes none" +
				" (cloudwatch:PutMetricData needs a condition on cloudwatch:namespace besides)",
		})
	}
}

// onlyWithoutResource says whether AWS takes nothing but * for every action.
func onlyWithoutResource(s statement) bool {
	actions := oneOrMany(s.elements["Action"])
	for _, action := range actions {
		text, _ := cfn.Text(action)
		same := func(allowed string) bool { return strings.EqualFold(allowed, text) }
		if !slices.ContainsFunc(withoutResource, same) || same(putMetricData) && !namesNamespace(s.elements["Condition"]) {
			return false
		}
	}
	return len(actions) > 0
}

func namesNamespace(condition any) bool {
	operators, _ := cfn.Object(condition)
	for _, operator := range []string{"StringEquals", "StringLike"} {
		keys, _ := cfn.Object(operators[operator])
		for key, values := range keys {
			if !strings.EqualFold(key, "cloudwatch:namespace") {
				continue
			}
			for _, value := range oneOrMany(values) {
				if text, known := outline(value); !known || isWildcard(text) {
					return false
				}
			}
			return true
		}
	}
	return false
}

// outline is a text, or as much of it as is known; known is false for nothing.
func outline(v any) (text string, known bool) {
	if u, ok := v.(cfn.Unknown); ok {
		return u.Outline, strings.Trim(u.Outline, "…*?:") != ""
	}
	return cfn.Text(v)
}

// isWildcard says whether a text names nothing at all.
func isWildcard(text string) bool { return strings.Trim(text, "*?") == "" && text != "" }

// coversAll says whether a resource is * or all of a service: an ARN without a
// name, arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME.
func coversAll(resource string) bool {
	if isWildcard(resource) {
		return true
	}
	parts := strings.SplitN(resource, ":", 6)
	return parts[0] == "arn" && (len(parts) < 6 && strings.HasSuffix(resource, "*") || len(parts) == 6 && isWildcard(parts[5]))
}
