package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	roleToken       = "aws:iam/role:Role"
	rolePolicyToken = "aws:iam/rolePolicy:RolePolicy"
	attachmentToken = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
)

// allow is a statement, and policyText a document of statements as JSON.
func allow(action, on any) object { return object{"Effect": "Allow", "Action": action, "Resource": on} }

func policyText(t *testing.T, statements ...any) string {
	t.Helper()
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": statements})
	require.NoError(t, err)
	return string(text)
}

func TestIAMLeastPrivilege(t *testing.T) {
	const queue = "arn:aws:sqs:ap-northeast-1:123456789012:jobs"
	inNamespace := func(condition object) object {
		statement := allow("cloudwatch:PutMetricData", "*")
		statement["Condition"] = condition
		return statement
	}
	text := func(statements ...any) object { return object{"policy": policyText(t, statements...)} }
	one := func(name string, statement any, denied ...string) policyCase {
		return policyCase{name: name, token: rolePolicyToken, properties: text(statement), denied: denied}
	}
	runCases(t, "iam-least-privilege", []policyCase{
		one("exact", allow(list{"sqs:SendMessage", "sqs:ReceiveMessage"}, list{queue})),
		one("part of a name", allow("s3:Get*", "arn:aws:s3:::bucket/*")),
		one("streams of a group", allow("logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/f:*")),
		one("login", allow("ecr:GetAuthorizationToken", "*")),
		one("traces", allow(list{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, list{"*"})),
		one("interfaces", allow(list{"ec2:CreateNetworkInterface", "ec2:DescribeVpcs"}, "*")),
		one("metrics of a namespace", inNamespace(object{"StringEquals": object{"cloudwatch:namespace": list{"AWS/SageMaker"}}})),
		one("deny", object{"Effect": "Deny", "Action": "*", "Resource": "*"}),
		one("any action", allow("*", queue), `Statement[0]: Action is "*"; it must name actions, not all of a service`),
		one("a service", allow(list{"sqs:SendMessage", "sqs:*"}, queue), `Action is "sqs:*"`),
		one("every service's", allow("*:*", queue), `Action is "*:*"`),
		one("any resource", allow("sqs:SendMessage", "*"), `Resource is "*"; it must name resources`),
		one("any resource, with a sid", object{"Sid": "Send", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}, `Statement[0] "Send": Resource is`),
		one("all of a service", allow("sqs:SendMessage", "arn:aws:sqs:*:*:*"), "Resource is"),
		one("all buckets", allow("s3:GetObject", "arn:aws:s3:::*"), "Resource is"),
		one("any ARN", allow("s3:GetObject", "arn:*"), "Resource is"),
		one("login and more", allow(list{"ecr:GetAuthorizationToken", "ecr:BatchGetImage"}, "*"), "Resource is"),
		one("metrics of any namespace", allow("cloudwatch:PutMetricData", "*"), "cloudwatch:namespace"),
		one("metrics of every namespace", inNamespace(object{"StringLike": object{"cloudwatch:namespace": "*"}}), "cloudwatch:namespace"),
		one("metrics of another than", inNamespace(object{"StringNotEquals": object{"cloudwatch:namespace": "a"}}), "cloudwatch:namespace"),
		one("metrics under another condition", inNamespace(object{"StringEquals": object{"aws:SourceVpc": "v"}}), "cloudwatch:namespace"),
		one("NotAction", object{"Effect": "Allow", "NotAction": "iam:*", "Resource": queue}, `NotAction is "iam:*"`),
		one("NotResource", object{"Effect": "Allow", "Action": "sqs:SendMessage", "NotResource": queue}, "NotResource is"),
		one("no statement object", "x", "must hold objects; Statement[0] is none"),
		{name: "no JSON", token: rolePolicyToken, properties: object{"policy": "{"}, denied: []string{"Policy is unknown (it is not JSON"}},
		{name: "no statements", token: rolePolicyToken, properties: object{"policy": "{}"}, denied: []string{"must hold statements"}},
		{name: "not known", token: rolePolicyToken, properties: object{"policy": unknown}, pending: []string{"Policy is unknown"}},
		{name: "a document as an object", token: rolePolicyToken, properties: object{"policy": object{"Statement": allow("sqs:*", queue)}}, denied: []string{"Action"}},
		{name: "managed policy of one's own", token: "aws:iam/policy:Policy", properties: text(allow("*", "*")), denied: []string{"Action is", "Resource is"}},
		{name: "user's", token: "aws:iam/userPolicy:UserPolicy", properties: text(allow("sqs:*", queue)), denied: []string{"Action is"}},
		{name: "group's", token: "aws:iam/groupPolicy:GroupPolicy", properties: text(allow("sqs:*", queue)), denied: []string{"Action is"}},
		{
			name: "role's own", token: roleToken,
			properties: object{
				"inlinePolicies":    list{object{"name": "a", "policy": policyText(t, allow("sqs:*", queue))}, object{}},
				"managedPolicyArns": list{"arn:aws:iam::aws:policy/AdministratorAccess"},
			},
			denied: []string{"Policies[0], Statement[0]: Action is", `ManagedPolicyArns is "arn:aws:iam::aws:policy/AdministratorAccess"`},
		},
		{name: "role's own, not known", token: roleToken, properties: object{"inlinePolicies": list{unknown}}, pending: []string{"Policies[0]: the policy is unknown"}},
		{name: "all of the role's own, not known", token: roleToken, properties: object{"inlinePolicies": unknown}, pending: []string{"Policies is unknown"}},
		{
			name: "aws-native", token: "aws-native:iam:Role", denied: []string{"Policies[0], Statement[0]: Action is"},
			properties: object{"policies": list{object{"policyName": "a", "policyDocument": object{"Statement": list{allow("sqs:*", queue)}}}}},
		},
	})
}

func TestIAMAttachments(t *testing.T) {
	attach := func(arn any) object { return object{"role": "r", "policyArn": arn} }
	const managed = "arn:aws:iam::aws:policy/"
	runCases(t, "iam-least-privilege", []policyCase{
		{name: "logs of API Gateway", token: attachmentToken, properties: attach(managed + "service-role/AmazonAPIGatewayPushToCloudWatchLogs")},
		{name: "own", token: attachmentToken, properties: attach("arn:aws:iam::123456789012:policy/AdministratorAccess")},
		{name: "full access", token: attachmentToken, properties: attach(managed + "AmazonSageMakerFullAccess"), denied: []string{"it must not allow a whole service. To mend it, write a policy of your own"}},
		{name: "in China", token: attachmentToken, properties: attach("arn:aws-cn:iam::aws:policy/AmazonS3FullAccess"), denied: []string{"PolicyArn is"}},
		{name: "with a path", token: attachmentToken, properties: attach(managed + "job-function/SystemAdministrator"), denied: []string{"PolicyArn is"}},
		{name: "not known", token: attachmentToken, properties: attach(unknown), pending: []string{"PolicyArn is unknown"}},
		{
			name: "several", token: "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive", denied: []string{"PowerUserAccess"},
			properties: object{"roleName": "r", "policyArns": list{managed + "PowerUserAccess", "arn:aws:iam::123456789012:policy/a"}},
		},
	})
}

func TestIAMLeastPrivilegeTemplates(t *testing.T) {
	template := func(properties string) object {
		return object{"templateBody": "Parameters: {P: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue}, Own: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Statement: {Effect: Deny}}}}, " +
			"R: {Type: AWS::IAM::Role, Properties: {" + properties + "}}}", "parameters": object{"P": unknown}}
	}
	statement := func(text string) object {
		return template("Policies: [{PolicyName: p, PolicyDocument: {Statement: [{Effect: Allow, " + text + "}]}}]")
	}
	runCases(t, "iam-least-privilege", []policyCase{
		{name: "reference", token: stackToken, properties: statement("Action: sqs:SendMessage, Resource: !GetAtt Q.Arn")},
		{name: "built from pseudo parameters", token: stackToken, properties: statement("Action: sqs:SendMessage, Resource: !Sub 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:jobs'")},
		{name: "built, all of a service", token: stackToken, properties: statement("Action: s3:GetObject, Resource: !Sub 'arn:${AWS::Partition}:s3:::*'"), denied: []string{"Resource is unknown"}},
		{name: "by parameter", token: stackToken, properties: statement("Action: !Ref P, Resource: !Ref P"), pending: []string{"Action is unknown", "Resource is unknown"}},
		{name: "own managed policy", token: stackToken, properties: template("ManagedPolicyArns: [!Ref Own]")},
		{name: "AWS's, built", token: stackToken, properties: template("ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/IAMFullAccess']"), denied: []string{"ManagedPolicyArns"}},
		{name: "AWS's, chosen", token: stackToken, properties: template("ManagedPolicyArns: [!Select [0, ['arn:aws:iam::aws:policy/IAMFullAccess']]]"), denied: []string{"ManagedPolicyArns is unknown"}},
		{name: "AWS's, by parameter", token: stackToken, properties: template("ManagedPolicyArns: [!Sub 'arn:aws:iam::aws:policy/${P}']"), pending: []string{"ManagedPolicyArns is unknown"}},
		{name: "own, built", token: stackToken, properties: template("ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/IAMFullAccess']")},
		{name: "AWS's, built, narrow", token: stackToken, properties: template("ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole']")},
		{
			name: "desired state", token: cloudControlToken, denied: []string{"Action is"},
			properties: object{"typeName": "AWS::IAM::RolePolicy", "desiredState": `{"PolicyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-west-1:1:q"}}}`},
		},
	})
}
