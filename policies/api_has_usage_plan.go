package main

import (
	"scaletozero/policies/internal/cfn"
)

// apiHasUsagePlan demands that every stage of a REST API is in a usage plan
// with a throttle, a quota and a key that works. A method that requires a key
// answers nobody without a plan, and a plan without limits lets one caller
// spend everybody's capacity (API Gateway guide, "Usage plans and API keys for
// REST APIs").
func apiHasUsagePlan() rule {
	return rule{
		name:        "api-has-usage-plan",
		description: "Every stage of a REST API must be covered by a usage plan with throttle, quota and an enabled key.",
		judgeStack: func(s *stack) {
			judged := map[string]bool{}
			s.each(func(r *report, properties map[string]any) {
				// A stage may be in several plans: a caller's key decides which
				// one counts, so that each has to have its limits.
				for _, plan := range stagePlans(s, r, properties) {
					if !judged[plan.ID()] {
						judgePlan(s, s.report(plan))
					}
					judged[plan.ID()] = true
				}
			}, stageTypes...)
		},
	}
}

// stageTypes are those that make a stage; a deployment does if it names one.
var stageTypes = []string{"AWS::ApiGateway::Stage", "AWS::ApiGateway::Deployment"}

// stagePlans are the usage plans that hold the stage; it is a finding if there
// is none.
func stagePlans(s *stack, r *report, properties map[string]any) []cfn.Resource {
	if r.resource.Type == "AWS::ApiGateway::Deployment" && cfn.IsMissing(properties["StageName"]) {
		return nil
	}
	plans := s.matching(func(plan cfn.Resource) (bool, *cfn.Unknown) { return covers(plan, r.resource) },
		"AWS::ApiGateway::UsagePlan")
	if len(plans.found) == 0 {
		r.check(expectation{
			where: "stage " + cfn.Show(properties["StageName"]), property: "the usage plan", value: plans.value(),
			must:   "must hold this stage, with throttle, quota and a key",
			absent: "no usage plan of the stack names the stage",
			code:   "an apigateway.UsagePlan with ApiStages {ApiId, Stage}, ThrottleSettings and QuotaSettings, and an apigateway.UsagePlanKey",
			template: "an AWS::ApiGateway::UsagePlan with ApiStages: [{ApiId, Stage}], Throttle and Quota, " +
				"and an AWS::ApiGateway::UsagePlanKey",
		})
	}
	return plans.found
}

// covers says whether one of the plan's stages is the given one.
func covers(plan, stage cfn.Resource) (yes bool, doubt *cfn.Unknown) {
	value := get(plan, "ApiStages")
	if _, ok := value.(cfn.Unknown); ok {
		return refer(plan, "ApiStages").Means(stage)
	}
	stages, _ := cfn.List(value)
	for _, item := range stages {
		if u, ok := item.(cfn.Unknown); ok {
			doubt = &u
			continue
		}
		object, _ := cfn.Object(item)
		api, unsure := sameOrMeans(plan.Reference("ApiStages", object["ApiId"]), refer(stage, "RestApiId"), stage)
		if unsure == nil && !api {
			continue
		}
		name, unsureName := sameOrMeans(plan.Reference("ApiStages", object["Stage"]), refer(stage, "StageName"), stage)
		switch {
		case unsureName == nil && !name:
		case unsure != nil:
			doubt = unsure
		case unsureName != nil:
			doubt = unsureName
		default:
			return true, nil
		}
	}
	return false, doubt
}

func judgePlan(s *stack, r *report) {
	properties, ok := r.properties()
	if !ok {
		return
	}
	judgePlanLimits(r, properties)
	keys := s.matching(func(link cfn.Resource) (bool, *cfn.Unknown) { return refer(link, "UsagePlanId").Means(r.resource) },
		"AWS::ApiGateway::UsagePlanKey")
	if len(keys.found) == 0 {
		r.check(expectation{
			property: "the key", value: keys.value(), must: "must be joined to the plan by a UsagePlanKey",
			absent:   "no UsagePlanKey of the stack names the plan, so that nobody can call",
			code:     "an apigateway.ApiKey and an apigateway.UsagePlanKey with UsagePlanId: plan.ID()",
			template: "an AWS::ApiGateway::ApiKey and an AWS::ApiGateway::UsagePlanKey with UsagePlanId: !Ref Plan",
		})
		return
	}
	judgeKeys(s, keys.found)
}

// judgeKeys: one key that works is enough. A key that the stack does not hold
// cannot be looked at, and counts as one.
func judgeKeys(s *stack, links []cfn.Resource) {
	var disabled *cfn.Resource
	for _, link := range links {
		outside := true
		for _, key := range s.of("AWS::ApiGateway::ApiKey") {
			if means, _ := refer(link, "KeyId").Means(key); !means {
				continue
			}
			outside = false
			if cfn.IsTrue(get(key, "Enabled")) {
				return
			}
			disabled = &key
		}
		if outside {
			return
		}
	}
	s.report(*disabled).check(expectation{
		property: "Enabled", value: get(*disabled, "Enabled"), must: "must be true, because the plan has no other key that works",
		absent: "the default is false",
		code:   "Enabled: pulumi.Bool(true)", template: "Enabled: true",
	})
}

func judgePlanLimits(r *report, properties map[string]any) {
	goName := map[string]string{"Throttle": "ThrottleSettings", "Quota": "QuotaSettings"}
	for _, limit := range []struct{ property, key, code, template string }{
		{"Throttle", "RateLimit", "ThrottleSettings: &apigateway.UsagePlanThrottleSettingsArgs{RateLimit: pulumi.Float64(10), BurstLimit: pulumi.Int(20)}", "Throttle: {RateLimit: 10, BurstLimit: 20}"},
		{"Throttle", "BurstLimit", "BurstLimit: pulumi.Int(20) in ThrottleSettings", "Throttle: {RateLimit: 10, BurstLimit: 20}"},
		{"Quota", "Limit", `QuotaSettings: &apigateway.UsagePlanQuotaSettingsArgs{Limit: pulumi.Int(10000), Period: pulumi.String("MONTH")}`, "Quota: {Limit: 10000, Period: MONTH}"},
	} {
		value := properties[limit.property]
		property := limit.property
		if r.resource.Native {
			property = goName[property]
		}
		if settings, ok := cfn.Object(value); ok {
			value = settings[limit.key]
			property += "." + limit.key
		} else if limit.key == "BurstLimit" {
			continue // said once, for the rate
		}
		if n, ok := number(value); ok && n > 0 {
			continue
		}
		r.check(expectation{
			property: property, value: value, must: "must be above 0", absent: "there is no limit then",
			code: limit.code, template: limit.template,
		})
	}
}
