package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/policies/internal/cfn"
)

// parsed is a document as the pack reads it, functions in their long form.
func parsed(t *testing.T, text string) object {
	t.Helper()
	document, err := cfn.Parse(text)
	require.NoError(t, err)
	content, ok := document.(object)
	require.True(t, ok, text)
	return content
}

// registered is a template as a program may register it: as a stack or a stack
// set, of either provider, by itself or inside another.
func (w *rewriter) registered(template any) registration {
	tags, given := object{"project": "songs"}, w.given
	if w.IntN(3) == 0 {
		inner := object{"Type": cfn.TypeStack, "Properties": object{"TemplateBody": template, "Parameters": given}}
		template, given = w.text(object{"Resources": object{"Inner": inner}}), object{}
	}
	r := registration{name: "it", properties: object{"templateBody": template, "tags": tags, "parameters": given}}
	switch w.IntN(5) {
	case 0:
		r.token = "aws:cloudformation/stackSet:StackSet"
	case 1, 2:
		r.token = stackToken
	case 3:
		r.token = "aws-native:cloudformation:Stack"
	case 4:
		r.token = cloudControlToken
		r.properties = object{"typeName": cfn.TypeStack, "desiredState": w.text(object{
			"TemplateBody": template, "Parameters": given, "Tags": list{object{"Key": "project", "Value": "songs"}},
		})}
	}
	return r
}

// FuzzTheSameInOtherWords: a template that passes goes on passing, and what a
// rule denies stays denied, in whatever words and whatever form it is said.
func FuzzTheSameInOtherWords(f *testing.F) {
	for i := range len(spoils) + 1 {
		f.Add(uint8(i), uint64(i), false)
		f.Add(uint8(i), uint64(i), true)
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, opaque bool) {
		template, denied := whole(t), ""
		if i := int(which) % (len(spoils) + 1); i < len(spoils) {
			template, denied = strings.Replace(template, spoils[i].old, spoils[i].new, 1), spoils[i].rule
		}
		w := newRewriter(t, seed)
		w.opaque = opaque
		body := w.text(w.template(parsed(t, template)))
		for _, dryRun := range []bool{true, false} {
			it := w.registered(body)
			for policy, messages := range judged(t, newRun(dryRun, "prod", today), []registration{it}, wholeConfig) {
				if policy == denied {
					assert.NotEmpty(t, messages, "%s lets pass:\n%s", policy, body)
				} else if !w.opaque {
					assert.Empty(t, messages, "%s denies:\n%s", policy, body)
				}
			}
		}
	})
}

// documents are what a text or an object of a resource says, each with a change
// that a rule denies. Both are JSON.
var documents = []struct {
	token, property, cfnType, cfnProperty string
	good, bad, rule                       string
}{
	{
		restAPIToken, "body", "AWS::ApiGateway::RestApi", "Body",
		`{"openapi":"3.0.1","paths":{"/infer":{"post":{"security":[{"api_key":[]}]},"options":{}},"/jobs/{id}":{"get":{"security":[{"api_key":[]}]}}},
		"components":{"securitySchemes":{"api_key":{"type":"apiKey","name":"x-api-key","in":"header"}}}}`,
		`{"openapi":"3.0.1","security":[{"api_key":[]}],"paths":{"/infer":{"post":{},"options":{}}},
		"components":{"securitySchemes":{"api_key":{"type":"apiKey","name":"x-api-key","in":"header"}}}}`,
		"api-requires-key",
	},
	{
		restAPIToken, "body", "AWS::ApiGateway::RestApi", "Body",
		`{"swagger":"2.0","paths":{"/":{"x-amazon-apigateway-any-method":{"security":[{"k":[]},{"k":[],"sigv4":[]}]}}},"securityDefinitions":{"k":{"type":"apiKey","name":"X-API-Key","in":"header"}}}`,
		`{"swagger":"2.0","paths":{"/":{"x-amazon-apigateway-any-method":{"security":[{"k":[]},{}]}}},"securityDefinitions":{"k":{"type":"apiKey","name":"X-API-Key","in":"header"}}}`,
		"api-requires-key",
	},
	{
		httpAPIToken, "body", "AWS::ApiGatewayV2::Api", "Body",
		`{"openapi":"3.0.1","paths":{"/":{"get":{"security":[{"s":[]}]}}},"components":{"securitySchemes":{"s":{"type":"apiKey","name":"Authorization","in":"header","x-amazon-apigateway-authtype":"awsSigv4"}}}}`,
		`{"openapi":"3.0.1","paths":{"/":{"get":{"security":[{"s":[]}]}}},"components":{"securitySchemes":{"s":{"type":"apiKey","name":"Authorization","in":"header"}}}}`,
		"api-requires-key",
	},
	{
		"aws:iam/rolePolicy:RolePolicy", "policy", "AWS::IAM::RolePolicy", "PolicyDocument",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::songs/*"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::songs/*"}}`,
		"iam-least-privilege",
	},
	{
		"aws:iam/rolePolicy:RolePolicy", "policy", "AWS::IAM::RolePolicy", "PolicyDocument",
		`{"Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"*"},{"Effect":"Allow","Action":["xray:PutTraceSegments"],"Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"*"},{"Effect":"Allow","Action":["xray:PutTraceSegments","s3:GetObject"],"Resource":"*"}]}`,
		"iam-least-privilege",
	},
	{
		roleToken, "assumeRolePolicy", "AWS::IAM::Role", "AssumeRolePolicyDocument",
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"sagemaker.amazonaws.com"},"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:sagemaker:*:123456789012:*"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"sagemaker.amazonaws.com"},"Condition":{"ArnNotLike":{"AWS:SourceArn":"arn:aws:sagemaker:*:123456789012:*"}}}}`,
		"iam-trust-is-confined",
	},
	{
		roleToken, "assumeRolePolicy", "AWS::IAM::Role", "AssumeRolePolicyDocument",
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::123456789012:root"}}}`,
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}`,
		"iam-trust-is-confined",
	},
}

// listed writes some single values of a policy document as lists of one, which
// IAM takes wherever it takes several.
func (w *rewriter) listed(v any) any {
	document, ok := v.(object)
	if list, isList := v.([]any); isList {
		for i := range list {
			list[i] = w.listed(list[i])
		}
	}
	for key, value := range document {
		value = w.listed(value)
		_, isList := value.(list)
		several := slices.Contains([]string{"Statement", "Action", "Resource", "NotAction", "Service", "AWS", "AWS:SourceArn"}, key)
		if document[key] = value; several && !isList && w.IntN(2) == 0 {
			document[key] = list{value}
		}
	}
	if ok {
		return document
	}
	return v
}

// forms are the ways to register a document.
func (w *rewriter) forms(token, property, cfnType, cfnProperty, text string) []registration {
	document := func() object { return w.listed(parsed(w.t, text)).(object) }
	state := object{cfnProperty: document()}
	resource := object{"Type": cfnType, "Properties": state}
	return []registration{
		{token: token, properties: object{property: w.text(document())}},
		{token: cloudControlToken, properties: object{"typeName": cfnType, "desiredState": w.text(state)}},
		{token: "aws-native:index:ExtensionResource", properties: object{"type": cfnType, "properties": state}},
		w.registered(w.text(w.template(object{"Parameters": object{}, "Resources": object{"It": resource}}))),
	}
}

// FuzzTheSameDocument: a document says the same as a text, as an object, as a
// desired state and in a template.
func FuzzTheSameDocument(f *testing.F) {
	for i := range documents {
		f.Add(uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64) {
		c := documents[int(which)%len(documents)]
		w := newRewriter(t, seed)
		for text, denied := range map[string]bool{c.good: false, c.bad: true} {
			for _, it := range w.forms(c.token, c.property, c.cfnType, c.cfnProperty, text) {
				it.name = "it"
				messages := judged(t, newRun(true, "prod", today), []registration{it}, nil)
				assert.Equal(t, denied, len(messages[c.rule]) > 0, "%s: %v\n%v", it.token, messages[c.rule], it.properties)
				assert.Empty(t, messages[c.rule+pendingSuffix])
			}
		}
	})
}

// FuzzConfiguration: whatever a configuration holds, each rule answers by
// itself, and an exemption holds only with all that it must have.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{
		`{"exemptions":[{"rule":"*","resource":"it","reason":"r","expires":"2026-03-31"}]}`,
		`{"exemptions":[{"rule":"logs-have-retention","resource":"*","reason":"r","expires":"2026-03-30"}]}`,
		`{"exemptions":[{"rule":"*","resource":"i?","reason":" ","expires":"2026-04-01"}, {"rule":"no","resource":"("}, 1, null]}`,
		`{"instanceTypes":["ml.m5.*"],"maxInstances":1,"digestStacks":["*"],"tags":["a"],"pointInTimeRecoveryStacks":["p?"]}`,
		`{"exemptions":{},"maxInstances":"1","instanceTypes":"*","tags":[1],"exemption":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var knobs object
		if json.Unmarshal([]byte(text), &knobs) != nil {
			return
		}
		config := map[string]object{exemptionsName: knobs}
		for _, rule := range rules() {
			config[rule.name] = knobs
		}
		logs := registration{token: "aws:cloudwatch/logGroup:LogGroup", name: "it", properties: object{}}
		whole := registration{token: stackToken, name: "whole", properties: object{"templateBody": whole(t)}}
		messages := judged(t, newRun(false, "prod", today), []registration{logs, whole}, config)
		for policy, found := range messages {
			assert.NotContains(t, strings.Join(found, "\n"), "could not be judged (", policy)
		}
		exempt := !strings.Contains(strings.Join(messages["logs-have-retention"], "\n"), `LogGroup "it"`)
		assert.Equal(t, holds(knobs["exemptions"]), exempt, text)
	})
}

// holds says whether one of the exemptions is good today and for it, a log group
// without retention.
func holds(exemptions any) bool {
	items, _ := exemptions.(list)
	return slices.ContainsFunc(items, func(item any) bool {
		fields, _ := item.(object)
		text := func(key string) string {
			value, _ := fields[key].(string)
			return strings.TrimSpace(value)
		}
		_, err := time.Parse(time.DateOnly, text("expires"))
		urn := registration{token: "aws:cloudwatch/logGroup:LogGroup", name: "it"}.urn()
		return err == nil && text("expires") >= "2026-03-31" && text("reason") != "" &&
			(text("rule") == "*" || text("rule") == "logs-have-retention") && (glob(text("resource"), "it") || glob(text("resource"), urn))
	})
}
