package main

import (
	"strings"

	"scaletozero/policies/internal/cfn"
)

// functionCallersAreNamed demands that a permission to call a Lambda function
// says who may. API Gateway asks for the key, so a function that other APIs or
// everybody may call is a route without one. Without SourceArn or SourceAccount
// somebody else's resource of the same service may call it (CloudFormation
// template reference, AWS::Lambda::Permission).
func functionCallersAreNamed() rule {
	return rule{
		name:        "function-callers-are-named",
		description: "A permission to call a Lambda function must name the caller, and for API Gateway the API.",
		judges:      map[string]func(*report, map[string]any){"AWS::Lambda::Permission": judgePermission},
	}
}

// The ARN of a bucket, unlike others, names no account.
const (
	apiGatewayService = "apigateway.amazonaws.com"
	bucketService     = "s3.amazonaws.com"
)

func judgePermission(r *report, properties map[string]any) {
	if auth := properties["FunctionUrlAuthType"]; !cfn.IsMissing(auth) && !cfn.IsText(auth, "AWS_IAM") {
		r.check(expectation{
			property: "FunctionUrlAuthType", value: auth,
			must: "must be AWS_IAM, because anyone may call the function's URL otherwise",
			code: `FunctionUrlAuthType: pulumi.String("AWS_IAM")`, template: "FunctionUrlAuthType: AWS_IAM",
		})
	}
	principal := properties["Principal"]
	name, known := outline(principal)
	u, unknown := principal.(cfn.Unknown)
	switch {
	case isWildcard(name) || unknown && !known && len(u.From) == 0:
		judgeEverybody(r, principal, properties["PrincipalOrgID"])
	case name == apiGatewayService:
		judgeSourceAPI(r, properties["SourceArn"])
	case name == bucketService && !names(properties, "SourceAccount"):
		const line = "SourceAccount: the account that owns the bucket"
		r.check(expectation{
			where: "Principal " + cfn.Show(principal), property: "SourceAccount", value: properties["SourceAccount"],
			must: "must be the account that owns the bucket, because a bucket's name may be somebody else's one day", code: line, template: line,
			absent: "a bucket's name may be somebody else's one day",
		})
	case strings.HasSuffix(name, ".amazonaws.com") && !names(properties, "SourceArn", "SourceAccount"):
		r.check(expectation{
			where: "Principal " + cfn.Show(principal), property: "SourceArn", value: properties["SourceArn"],
			must: "must be the ARN of what calls, or SourceAccount must be given", absent: "resources of other accounts may call then",
			code: "SourceArn: the ARN of the resource that calls", template: "SourceArn: !GetAtt of the resource that calls",
		})
	}
}

// judgeEverybody: an organization may be let in as a whole.
func judgeEverybody(r *report, principal, organization any) {
	if !cfn.IsMissing(organization) {
		return
	}
	const line = "the service, the account or the role that calls"
	r.check(expectation{
		property: "Principal", value: principal, must: "must be known and not be everybody", code: line, template: line,
	})
}

// names says whether one of the properties says whose resource calls. The value
// need not be known; that it is a wildcard is as good as none.
func names(properties map[string]any, which ...string) bool {
	for _, property := range which {
		text, _ := outline(properties[property])
		if value := properties[property]; !cfn.IsMissing(value) && !isWildcard(text) {
			return true
		}
	}
	return false
}

// judgeSourceAPI: arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH.
// Stage, method and path may be wildcards, as all of an API's methods ask for
// the key. An ARN that only the update knows is taken for one of an API: nothing
// but writing it by hand gives a wildcard for the API's id.
func judgeSourceAPI(r *report, source any) {
	text, known := outline(source)
	parts := strings.SplitN(text, ":", 6)
	if _, unknown := source.(cfn.Unknown); unknown && (!known || len(parts) < 6) {
		return
	}
	if len(parts) == 6 {
		if api, _, _ := strings.Cut(parts[5], "/"); api != "" && !strings.ContainsAny(api, "*?") {
			return
		}
	}
	r.check(expectation{
		where: `Principal "` + apiGatewayService + `"`, property: "SourceArn", value: source,
		must:     "must name the API, because another one, which asks for no key, may call the function otherwise",
		absent:   "any API of any account may call then",
		code:     `SourceArn: pulumi.Sprintf("%s/*/POST/infer", api.ExecutionArn)`,
		template: "SourceArn: !Sub arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/POST/infer",
	})
}
