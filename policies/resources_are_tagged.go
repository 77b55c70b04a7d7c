package main

import (
	"fmt"

	"scaletozero/policies/internal/cfn"
)

// resourcesAreTagged demands the tags that the configuration names, of every
// resource of this pack's services that takes tags. It is quiet until it is
// configured. The default tags of the provider count, and those of a stack for
// the resources in its template: CloudFormation hands them on.
func resourcesAreTagged() rule {
	judges := map[string]func(*report, map[string]any){}
	for _, taggable := range []string{
		"AWS::ApiGateway::ApiKey", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::ApiGateway::UsagePlan",
		"AWS::ApiGatewayV2::Api", "AWS::CloudWatch::Alarm", "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::Lambda::Function",
		"AWS::Logs::LogGroup", "AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::InferenceComponent",
		"AWS::SageMaker::Model", "AWS::SQS::Queue",
	} {
		judges[taggable] = judgeTags
	}
	return rule{
		name:        "resources-are-tagged",
		description: "A resource must have the tags that the configuration names.",
		knobs:       map[string]map[string]any{"tags": textsKnob("The keys of the tags that every resource must have.")},
		judges:      judges,
	}
}

func judgeTags(r *report, properties map[string]any) {
	for _, key := range r.settings.texts("tags") {
		var doubt any
		tagged := false
		for _, tags := range []any{properties["Tags"], properties["TagsAll"], r.resource.DefaultTags} {
			if u, unknown := tags.(cfn.Unknown); unknown {
				doubt = u
			}
			// A value that is not known yet is one.
			tagged = tagged || !cfn.IsMissing(cfn.Tags(tags)[key])
		}
		if tagged {
			continue
		}
		r.check(expectation{
			property: "tag " + key, value: doubt, must: "must be set", absent: "the resource cannot be told apart on the bill",
			code: fmt.Sprintf("Tags: pulumi.StringMap{%q: …}, or defaultTags on the provider", key), template: fmt.Sprintf("Tags: [{Key: %s, Value: …}]", key),
		})
	}
}
