package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"scaletozero/policies/internal/cfn"
)

// functionIsSafe demands of a Lambda function that nobody reaches it round the
// API, that X-Ray traces it, that its runtime still gets security updates, and
// that no secret stands in its environment, which whoever may read the
// function's configuration can read.
//
// Reserved concurrency and an event source's MaximumConcurrency are not
// demanded: the first takes its share away from every other function of the
// account, down to a refusal where the account's limit is small, and how many
// calls a model stands depends on the model.
func functionIsSafe() rule {
	return rule{
		name:        "function-is-safe",
		description: "A Lambda function must have no URL, be traced, run on a supported runtime and hold no secret in its environment.",
		judges: map[string]func(*report, map[string]any){
			"AWS::Lambda::Function": judgeFunction,
			"AWS::Lambda::Url": func(r *report, properties map[string]any) {
				const line = "a route of the API that calls the function, instead of the URL"
				r.check(expectation{
					property: "the function URL of " + cfn.Show(properties["FunctionName"]), value: "declared",
					must: "must be left out, because it has no keys, no plan and no quota", code: line, template: line,
				})
			},
		},
	}
}

// unsupported are the runtimes past their deprecation date (Lambda guide,
// "Lambda runtimes"). One that this list does not know is taken for a new one:
// Lambda itself refuses what it never had.
var unsupported = []string{
	"dotnet5.0", "dotnet6", "dotnet7", "dotnet8", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
	"go1.x", "java8",
	"nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
	"nodejs16.x", "nodejs18.x", "nodejs20.x",
	"provided", "python2.7", "python3.6", "python3.7", "python3.8", "python3.9",
	"ruby2.5", "ruby2.7", "ruby3.2",
}

func judgeFunction(r *report, properties map[string]any) {
	tracing := properties["TracingConfig"]
	if config, ok := cfn.Object(tracing); ok {
		tracing = config["Mode"]
	}
	if !cfn.IsText(tracing, "Active") {
		r.check(expectation{
			property: "TracingConfig.Mode", value: tracing, must: "must be Active", absent: "the default is PassThrough",
			code: `TracingConfig: &lambda.FunctionTracingConfigArgs{Mode: pulumi.String("Active")}`, template: "TracingConfig: {Mode: Active}",
		})
	}
	judgeRuntime(r, properties)
	judgeEnvironment(r, properties["Environment"])
}

func judgeRuntime(r *report, properties map[string]any) {
	runtime := properties["Runtime"]
	if cfn.IsText(properties["PackageType"], "Image") || cfn.IsMissing(runtime) {
		return // an image brings its own, and Lambda refuses an archive without one
	}
	if _, known := cfn.Text(runtime); known && !cfn.IsText(runtime, unsupported...) {
		return
	}
	r.check(expectation{
		property: "Runtime", value: runtime, must: "must be one that still gets security updates",
		code: `Runtime: pulumi.String("provided.al2023"), or the newest of the language`, template: "Runtime: provided.al2023, or the newest of the language",
	})
}

var (
	// secretName is a name with a word for a secret in it: MAX_TOKENS has none.
	secretName = regexp.MustCompile(`(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)(_|$)`)
	// aboutSecret is a name for where a secret is, or for how long it holds.
	aboutSecret = regexp.MustCompile(`_(ARN|NAME|ID|URL|URI|PATH|TTL|SECONDS|MINUTES|HEADER|COUNT|LIMIT)$`)
	lowerUpper  = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

func judgeEnvironment(r *report, environment any) {
	const line = "the secret's ARN or name there, and have the function read the secret from Secrets Manager or Systems Manager"
	if _, unknown := environment.(cfn.Unknown); unknown {
		r.check(expectation{
			property: "Environment", value: environment, must: "must hold no secret", code: "the variables as a literal map",
			template: "the variables as a literal map",
		})
		return
	}
	object, _ := cfn.Object(environment)
	variables, _ := cfn.Object(object["Variables"])
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		upper := strings.ToUpper(lowerUpper.ReplaceAllString(name, "${1}_$2"))
		if !secretName.MatchString(upper) || aboutSecret.MatchString(upper) || isReferenceText(variables[name]) {
			continue
		}
		value := variables[name]
		if _, unknown := value.(cfn.Unknown); !unknown && !cfn.IsMissing(value) {
			// Whatever it is, it is not for a log.
			value = cfn.MarkSecret(value)
		}
		r.check(expectation{
			where: "Environment", property: name, value: value, must: "must not be a secret itself", code: line, template: line,
		})
	}
}

// isReferenceText says whether a value only tells where a secret is. An ARN
// that a template works out is one too.
func isReferenceText(v any) bool {
	if cfn.IsMissing(v) {
		return true
	}
	if u, ok := v.(cfn.Unknown); ok {
		return strings.HasPrefix(u.Outline, "arn:") || u.Final && len(u.From) > 0
	}
	text, _ := cfn.Text(v)
	return strings.HasPrefix(text, "arn:")
}
