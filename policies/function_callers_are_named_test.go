package main

import "testing"

const permissionToken = "aws:lambda/permission:Permission"

func TestFunctionCallersAreNamed(t *testing.T) {
	const api = "arn:aws:execute-api:ap-northeast-1:123456789012:abc123/*/POST/infer"
	gateway := object{"action": "lambda:InvokeFunction", "function": "songs", "qualifier": "live", "principal": apiGatewayService, "sourceArn": api}
	call := func(changes object) object { return with(gateway, changes) }
	template := func(properties string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nResources: {Api: {Type: AWS::ApiGateway::RestApi}, R: {Type: AWS::IAM::Role}, " +
				"C: {Type: AWS::Lambda::Permission, Properties: {FunctionName: songs, " + properties + "}}}",
			"parameters": object{"P": unknown},
		}
	}
	const service = "Principal: apigateway.amazonaws.com, "
	runCases(t, "function-callers-are-named", []policyCase{
		{name: "one API", token: permissionToken, properties: gateway},
		{name: "any API", token: permissionToken, properties: call(object{"sourceArn": nil}), denied: []string{`SourceArn is missing (any API of any account may call then)`}},
		{name: "any API of the account", token: permissionToken, properties: call(object{"sourceArn": "arn:aws:execute-api:ap-northeast-1:123456789012:*/*/POST/infer"}), denied: []string{"it must name the API"}},
		{name: "any API of the account, by account", token: permissionToken, properties: call(object{"sourceArn": nil, "sourceAccount": "123456789012"}), denied: []string{"SourceArn is missing"}},
		{name: "no ARN", token: permissionToken, properties: call(object{"sourceArn": "*"}), denied: []string{`SourceArn is "*"`}},
		{name: "API not known", token: permissionToken, properties: call(object{"sourceArn": unknown})},
		{name: "everybody", token: permissionToken, properties: call(object{"principal": "*", "sourceArn": nil}), denied: []string{`Principal is "*"; it must be known and not be everybody`}},
		{name: "an organization", token: permissionToken, properties: object{"principal": "*", "principalOrgId": "o-1"}},
		{name: "principal not known", token: permissionToken, properties: object{"principal": unknown}, pending: []string{"Principal is unknown"}},
		{name: "account", token: permissionToken, properties: object{"principal": "123456789012"}},
		{name: "role", token: permissionToken, properties: object{"principal": "arn:aws:iam::123456789012:role/caller"}},
		{name: "another service", token: permissionToken, properties: object{"principal": "events.amazonaws.com", "sourceArn": "arn:aws:events:ap-northeast-1:123456789012:rule/nightly"}},
		{name: "another service of the account", token: permissionToken, properties: object{"principal": "s3.amazonaws.com", "sourceAccount": unknown}},
		{name: "another service of anybody", token: permissionToken, properties: object{"principal": "sns.amazonaws.com"}, denied: []string{`Principal "sns.amazonaws.com": SourceArn is missing`}},
		{name: "another service of any account", token: permissionToken, properties: object{"principal": "sns.amazonaws.com", "sourceAccount": "*"}, denied: []string{"SourceArn is missing"}},
		{name: "a bucket of the account", token: permissionToken, properties: object{"principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::songs", "sourceAccount": "123456789012"}},
		{name: "a bucket of anybody", token: permissionToken, properties: object{"principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::songs"}, denied: []string{`Principal "s3.amazonaws.com": SourceAccount is missing`}},
		{name: "a bucket of any account", token: permissionToken, properties: object{"principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::songs", "sourceAccount": "*"}, denied: []string{`SourceAccount is "*"`}},
		{name: "URL for all", token: permissionToken, properties: object{"principal": "123456789012", "functionUrlAuthType": "NONE"}, denied: []string{`FunctionUrlAuthType is "NONE"; it must be AWS_IAM`}},
		{name: "URL", token: permissionToken, properties: object{"principal": "123456789012", "functionUrlAuthType": "AWS_IAM"}},
		{name: "URL not known", token: permissionToken, properties: object{"principal": "123456789012", "functionUrlAuthType": unknown}, pending: []string{"FunctionUrlAuthType is unknown"}},
		{name: "aws-native", token: "aws-native:lambda:Permission", properties: object{"functionName": "songs", "principal": "*", "principalOrgId": "o-1"}},
		{name: "aws-native, everybody", token: "aws-native:lambda:Permission", properties: object{"functionName": "songs", "principal": "*"}, denied: []string{"everybody"}},
		{name: "template", token: stackToken, properties: template(service + "SourceArn: !Sub 'arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/POST/infer'")},
		{name: "template, any API of the account", token: stackToken, properties: template(service + "SourceArn: !Sub 'arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*/*/POST/infer'"), denied: []string{"it must name the API"}},
		{name: "template, no source", token: stackToken, properties: template(service + "SourceArn: !Ref AWS::NoValue"), denied: []string{"SourceArn is missing"}},
		{name: "template, a role of its own", token: stackToken, properties: template("Principal: !GetAtt R.Arn")},
		{name: "template, principal by parameter", token: stackToken, properties: template("Principal: !Ref P"), pending: []string{"Principal is unknown"}},
		{name: "desired state", token: cloudControlToken, properties: object{"typeName": "AWS::Lambda::Permission", "desiredState": `{"Principal":"*","PrincipalOrgID":""}`}, denied: []string{"everybody"}},
		{name: "desired state, not known", token: cloudControlToken, properties: object{"typeName": "AWS::Lambda::Permission", "desiredState": unknown}, pending: []string{"properties is unknown"}},
	})
}
