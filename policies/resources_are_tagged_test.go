package main

import "testing"

func TestResourcesAreTagged(t *testing.T) {
	config := object{"tags": list{"project", "owner"}}
	both := object{"project": "songs", "owner": "ml"}
	run := func(name, token string, properties object, denied, pending []string) policyCase {
		return policyCase{name: name, token: token, properties: properties, config: config, denied: denied, pending: pending}
	}
	provided := func(defaultTags any) []registration {
		return []registration{{
			token: queueToken, name: "it", properties: object{"tags": object{"owner": "ml"}}, provider: object{"region": "eu-west-1", "defaultTags": defaultTags},
		}}
	}
	template := func(tags object, own string) object {
		return object{"tags": tags, "templateBody": "Resources: {L: {Type: AWS::Logs::LogGroup, Properties: {" + own + "}}}"}
	}
	runCases(t, "resources-are-tagged", []policyCase{
		{name: "quiet until configured", token: queueToken, properties: object{}},
		run("tagged", queueToken, object{"tags": both}, nil, nil),
		run("not taggable", attachmentToken, object{}, nil, nil),
		run("by the provider, as the engine shows it", queueToken, object{"tagsAll": both}, nil, nil),
		run("one missing", queueToken, object{"tags": object{"owner": "ml"}}, []string{"tag project is missing (the resource cannot be told apart on the bill)"}, nil),
		run("empty", queueToken, object{"tags": object{"owner": "", "project": "songs"}}, []string{"tag owner"}, nil),
		run("tags not known", queueToken, object{"tags": unknown}, nil, []string{"tag project is unknown", "tag owner is unknown"}),
		run("value not known", queueToken, object{"tags": object{"owner": unknown, "project": "songs"}}, nil, nil),
		{name: "default tags", config: config, resources: provided(object{"tags": object{"project": "songs"}})},
		{name: "default tags as JSON", config: config, resources: provided(`{"tags":{"project":"songs"}}`)},
		{name: "other default tags", config: config, resources: provided(`{"tags":{"team":"songs"}}`), denied: []string{"tag project"}},
		{name: "default tags that are no JSON", config: config, resources: provided("{"), denied: []string{"tag project"}},
		run("aws-native", "aws-native:sqs:Queue", object{"tags": list{object{"key": "project", "value": "a"}, object{"key": "owner", "value": "b"}}}, nil, nil),
		run("template", stackToken, template(nil, "Tags: [{Key: project, Value: a}, {Key: owner, Value: !Ref AWS::StackName}]"), nil, nil),
		run("template, by the stack", stackToken, template(both, ""), nil, nil),
		run("template, one missing", stackToken, template(object{"owner": "ml"}, ""), []string{"tag project is missing"}, nil),
		run("desired state", cloudControlToken, object{"typeName": "AWS::SQS::Queue", "desiredState": `{"Tags":[{"Key":"owner","Value":"a"}]}`}, []string{"tag project"}, nil),
	})
}
