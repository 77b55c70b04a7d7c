package main

import (
	"strings"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// apiStageObserved demands of every stage of a REST API an access log, X-Ray,
// a throttle on its methods and no data trace, which would write callers'
// bodies into the log (API Gateway guide, "Set up CloudWatch logging", "Throttle
// requests"). A limit of -1 is how API Gateway says that there is none.
func apiStageObserved() rule {
	return rule{
		name:        "api-stage-observed",
		description: "A stage of a REST API must have an access log, X-Ray and a throttle, and must not log callers' data.",
		judgeStack: func(s *stack) {
			s.each(func(r *report, properties map[string]any) { judgeStage(s, r, properties) }, stageTypes...)
		},
	}
}

func judgeStage(s *stack, r *report, properties map[string]any) {
	if r.resource.Type == "AWS::ApiGateway::Deployment" {
		if cfn.IsMissing(properties["StageName"]) {
			return
		}
		properties, _ = cfn.Object(properties["StageDescription"])
	}
	accessLog := properties["AccessLogSetting"]
	settings, ok := cfn.Object(accessLog)
	if ok {
		accessLog = settings["DestinationArn"]
	}
	// A destination that is not known yet is one.
	if _, unknown := accessLog.(cfn.Unknown); cfn.IsMissing(accessLog) || unknown && !ok {
		r.check(expectation{
			property: "the access log", value: accessLog, must: "must have a destination", absent: "nobody can tell who called",
			code:     "AccessLogSettings: &apigateway.StageAccessLogSettingsArgs{DestinationArn: logGroup.Arn, Format: …}",
			template: "AccessLogSetting: {DestinationArn: !GetAtt LogGroup.Arn, Format: …}",
		})
	}
	if tracing := properties["TracingEnabled"]; !cfn.IsTrue(tracing) {
		r.check(expectation{
			property: "X-Ray tracing", value: tracing, must: "must be enabled", absent: "the default is false",
			code: "XrayTracingEnabled: pulumi.Bool(true)", template: "TracingEnabled: true",
		})
	}
	judgeMethodSettings(r, methodSettings(s, r.resource, properties))
}

// setting is the settings of the methods that path stands for; */* is all.
type setting struct {
	path   string
	values map[string]any
	doubt  *cfn.Unknown
}

// methodSettings are those in the stage itself and those that pulumi-aws
// declares on their own.
func methodSettings(s *stack, stage cfn.Resource, properties map[string]any) (settings []setting) {
	list := properties["MethodSettings"]
	if u, ok := list.(cfn.Unknown); ok {
		return []setting{{doubt: &u}}
	}
	for _, item := range oneOrMany(list) {
		values, ok := cfn.Object(item)
		if u, unknown := item.(cfn.Unknown); !ok && unknown {
			settings = append(settings, setting{doubt: &u})
			continue
		}
		// CloudFormation writes resources with a leading slash, and ~1 for the
		// other slashes.
		path, _ := cfn.Text(values["ResourcePath"])
		method, _ := cfn.Text(values["HttpMethod"])
		settings = append(settings, setting{path: strings.TrimPrefix(path, "/") + "/" + method, values: values})
	}
	for _, resource := range s.of(registered.TypeMethodSettings) {
		api, unsure := sameOrMeans(refer(resource, "RestApiId"), refer(stage, "RestApiId"), stage)
		name, unsureName := sameOrMeans(refer(resource, "StageName"), refer(stage, "StageName"), stage)
		if unsure == nil && !api || unsureName == nil && !name {
			continue
		}
		if unsure == nil {
			unsure = unsureName
		}
		path, _ := cfn.Text(get(resource, "MethodPath"))
		values := get(resource, "Settings")
		if u, unknown := values.(cfn.Unknown); unknown {
			unsure = &u
		}
		object, _ := cfn.Object(values)
		settings = append(settings, setting{path: path, values: object, doubt: unsure})
	}
	return settings
}

func judgeMethodSettings(r *report, settings []setting) {
	limits := map[string]any{"ThrottlingRateLimit": nil, "ThrottlingBurstLimit": nil}
	for _, set := range settings {
		if trace := set.values["DataTraceEnabled"]; !cfn.IsMissing(trace) && !cfn.IsText(trace, "false") {
			r.check(expectation{
				where: "methods " + set.path, property: "DataTraceEnabled", value: trace,
				must: "must be false, because the log would hold callers' bodies",
				code: "DataTraceEnabled: pulumi.Bool(false)", template: "DataTraceEnabled: false",
			})
		}
		for name := range limits {
			switch {
			case set.doubt != nil && limits[name] == nil:
				limits[name] = *set.doubt
			case set.path == "*/*" && set.doubt == nil:
				limits[name] = set.values[name]
			}
		}
	}
	for _, name := range []string{"ThrottlingRateLimit", "ThrottlingBurstLimit"} {
		if limit, ok := number(limits[name]); ok && limit >= 0 {
			continue
		}
		r.check(expectation{
			where: "methods */*", property: name, value: limits[name], must: "must be set, to 0 or more",
			absent: "only the account's limit holds, which all its APIs share",
			code:   `an apigateway.MethodSettings with MethodPath "*/*" and ` + name, template: "MethodSettings: [{HttpMethod: '*', ResourcePath: '/*', " +
				"ThrottlingRateLimit: 10, ThrottlingBurstLimit: 20}]",
		})
	}
}
