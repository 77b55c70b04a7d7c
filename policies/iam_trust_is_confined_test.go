package main

import "testing"

func TestIAMTrustIsConfined(t *testing.T) {
	trust := func(principal, condition any) object {
		statement := object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
		if condition != nil {
			statement["Condition"] = condition
		}
		return object{"assumeRolePolicy": policyText(t, statement)}
	}
	service := func(names ...any) object { return object{"Service": names} }
	account := object{"StringEquals": object{"aws:SourceAccount": "123456789012"}}
	native := func(statement any) object {
		return object{"assumeRolePolicyDocument": object{"Statement": list{statement}}}
	}
	const nativeRole = "aws-native:iam:Role"
	template := func(condition string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nResources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Statement: " +
				"[{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: sagemaker.amazonaws.com}, Condition: " + condition + "}]}}}}",
			"parameters": object{"P": unknown},
		}
	}
	principal := func(principal string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nResources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Statement: " +
				"[{Effect: Allow, Action: sts:AssumeRole, Principal: {" + principal + "}}]}}}}",
			"parameters": object{"P": unknown},
		}
	}
	runCases(t, "iam-trust-is-confined", []policyCase{
		{name: "account", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), account)},
		{name: "ARN", token: roleToken, properties: trust(service("events.amazonaws.com"), object{"ArnLike": object{"AWS:SourceArn": "arn:aws:events:*:123456789012:*"}})},
		{name: "Lambda sends none", token: roleToken, properties: trust(service("lambda.amazonaws.com"), nil)},
		{name: "API Gateway documents none", token: roleToken, properties: trust(service("apigateway.amazonaws.com"), nil)},
		{name: "an account", token: roleToken, properties: trust(object{"AWS": "arn:aws:iam::123456789012:root"}, nil)},
		{
			name: "no condition", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), nil),
			denied: []string{`Statement[0]: Condition for "sagemaker.amazonaws.com" is missing (anyone's resource may have the service assume the role); it must hold aws:SourceAccount or aws:SourceArn`},
		},
		{name: "each service", token: roleToken, properties: trust(service("lambda.amazonaws.com", "states.amazonaws.com", "scheduler.amazonaws.com"), nil), denied: []string{"states", "scheduler"}},
		{name: "if it is there", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), object{"StringEqualsIfExists": object{"aws:SourceAccount": "1"}}), denied: []string{"Condition"}},
		{name: "another than", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), object{"StringNotEquals": object{"aws:SourceAccount": "1"}}), denied: []string{"Condition"}},
		{name: "any account", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), object{"StringLike": object{"aws:SourceAccount": "*"}}), denied: []string{"Condition"}},
		{name: "another key", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), object{"StringEquals": object{"sts:ExternalId": "1"}}), denied: []string{"Condition"}},
		{name: "everybody", token: roleToken, properties: trust("*", nil), denied: []string{`Principal is "*"; it must not be everybody`}},
		{name: "every account", token: roleToken, properties: trust(object{"AWS": list{"*"}}, account), denied: []string{"Principal is"}},
		{name: "where there is one", token: roleToken, properties: trust(service("sagemaker.amazonaws.com"), object{"ForAllValues:StringEquals": object{"aws:SourceAccount": "1"}}), denied: []string{"Condition"}},
		{name: "account chosen", token: stackToken, properties: principal("AWS: !Select [0, ['*']]"), denied: []string{"Principal is unknown"}},
		{name: "account by parameter", token: stackToken, properties: principal("AWS: [!Ref P]"), pending: []string{"Principal is unknown"}},
		{name: "account built", token: stackToken, properties: principal("AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'")},
		{name: "a role of the template", token: stackToken, properties: principal("AWS: !GetAtt R.Arn")},
		{name: "document not known", token: roleToken, properties: object{"assumeRolePolicy": unknown}, pending: []string{"AssumeRolePolicy is unknown"}},
		{name: "account not known", token: nativeRole, properties: native(object{"Effect": "Allow", "Principal": service("sagemaker.amazonaws.com"), "Condition": object{"StringEquals": object{"aws:SourceAccount": unknown}}})},
		{name: "condition not known", token: nativeRole, properties: native(object{"Effect": "Allow", "Principal": service("sagemaker.amazonaws.com"), "Condition": unknown}), pending: []string{"Condition for"}},
		{name: "service not known", token: nativeRole, properties: native(object{"Effect": "Allow", "Principal": service(unknown)}), pending: []string{"Principal is unknown"}},
		{name: "service not known, confined", token: nativeRole, properties: native(object{"Effect": "Allow", "Principal": service(unknown), "Condition": account})},
		{name: "principal not known", token: nativeRole, properties: native(object{"Effect": "Allow", "Principal": unknown}), pending: []string{"Principal is unknown"}},
		{name: "deny", token: nativeRole, properties: native(object{"Effect": "Deny", "Principal": "*"})},
		{name: "template", token: stackToken, properties: template("{StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}")},
		{name: "template, none", token: stackToken, properties: template("{}"), denied: []string{"Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}"}},
		{name: "template, by parameter", token: stackToken, properties: template("!Ref P"), pending: []string{"Condition for"}},
		{
			name: "desired state", token: cloudControlToken, denied: []string{"Condition for"},
			properties: object{"typeName": "AWS::IAM::Role", "desiredState": `{"AssumeRolePolicyDocument":{"Statement":{"Effect":"Allow","Principal":{"Service":"pipes.amazonaws.com"}}}}`},
		},
	})
}
