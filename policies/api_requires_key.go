package main

import (
	"strings"

	"scaletozero/policies/internal/cfn"
)

// apiRequiresKey demands an API key of every method of a REST API but OPTIONS,
// which browsers send without one, and closes the ways round it: HTTP and
// WebSocket API routes without an authorizer, and Lambda function URLs that
// anyone may call.
func apiRequiresKey() rule {
	return rule{
		name:        "api-requires-key",
		gate:        true,
		description: "Every method of an API but OPTIONS must require an API key, and nothing may go round it.",
		judges: map[string]func(*report, map[string]any){
			"AWS::ApiGateway::Method":  judgeMethod,
			"AWS::ApiGateway::RestApi": judgeRestAPI,
			"AWS::ApiGatewayV2::Api":   judgeHTTPAPI,
			"AWS::ApiGatewayV2::Route": judgeRoute,
			"AWS::Lambda::Url":         judgeFunctionURL,
		},
	}
}

const optionsMethod = "OPTIONS"

func judgeMethod(r *report, properties map[string]any) {
	method, required := properties["HttpMethod"], properties["ApiKeyRequired"]
	if cfn.IsText(method, optionsMethod) || cfn.IsTrue(required) {
		return
	}
	e := expectation{
		where: "HttpMethod " + cfn.Show(method), property: "ApiKeyRequired", value: required,
		must: "must be true", absent: "the default is false",
		code: "ApiKeyRequired: pulumi.Bool(true)", template: "ApiKeyRequired: true",
	}
	if _, unknown := method.(cfn.Unknown); unknown {
		e.where = ""
		e.property, e.value = "HttpMethod", method
		e.must = "must be OPTIONS where ApiKeyRequired is not true"
	}
	r.check(e)
}

func judgeRestAPI(r *report, properties map[string]any) {
	judgeElsewhere(r, properties, "BodyS3Location", "CloneFrom")
	judgeOpenAPI(r, properties["Body"], guard{
		accepts: isAPIKeyScheme,
		must: "must hold at least one alternative, and each of them a scheme of type apiKey in the header x-api-key " +
			"(API Gateway ignores security at the root of the document)",
		line: "security: [{api_key: []}] and, under securitySchemes, api_key: {type: apiKey, name: x-api-key, in: header}",
	})
}

// judgeHTTPAPI: an HTTP API knows no API keys, so its operations need an
// authorizer or a signature. Quick create (Target) makes a route without.
func judgeHTTPAPI(r *report, properties map[string]any) {
	if target := properties["Target"]; !cfn.IsMissing(target) {
		const line = "an integration and a route with AuthorizationType instead of Target"
		r.check(expectation{
			property: "Target", value: target, code: line, template: line,
			must: "must be left out, because quick create makes a route that anyone may call",
		})
	}
	judgeElsewhere(r, properties, "BodyS3Location")
	judgeOpenAPI(r, properties["Body"], guard{
		accepts: isAuthorizerScheme,
		must: "must hold at least one alternative, and each of them a scheme with x-amazon-apigateway-authorizer or with " +
			"x-amazon-apigateway-authtype awsSigv4, because an HTTP API has no API keys",
		line: "security: [{sigv4: []}] and, under securitySchemes, " +
			"sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}",
	})
}

// judgeElsewhere: methods that come from another place cannot be read here.
func judgeElsewhere(r *report, properties map[string]any, names ...string) {
	for _, name := range names {
		if value := properties[name]; !cfn.IsMissing(value) {
			const line = "the OpenAPI document into Body instead"
			r.check(expectation{
				property: name, value: value, code: line, template: line,
				must: "must be left out, because a policy cannot read the methods behind it",
			})
		}
	}
}

// judgeRoute: a route key is "METHOD /path" in an HTTP API, a name such as
// $connect in a WebSocket API, and $default in either. Only a WebSocket API
// takes ApiKeyRequired. Nobody calls $disconnect: API Gateway itself runs it.
func judgeRoute(r *report, properties map[string]any) {
	routeKey, authorization := properties["RouteKey"], properties["AuthorizationType"]
	key, _ := cfn.Text(routeKey)
	method, _, isHTTP := strings.Cut(key, " ")
	if method == optionsMethod || key == "$disconnect" || cfn.IsText(authorization, "AWS_IAM", "JWT", "CUSTOM") {
		return
	}
	if !isHTTP && key != "" && cfn.IsTrue(properties["ApiKeyRequired"]) {
		return
	}
	e := expectation{
		where: "route " + cfn.Show(routeKey), property: "AuthorizationType", value: authorization,
		must: "must be AWS_IAM, JWT or CUSTOM", absent: "the default is NONE",
		code: `AuthorizationType: pulumi.String("AWS_IAM")`, template: "AuthorizationType: AWS_IAM",
	}
	required, keyUnknown := properties["ApiKeyRequired"].(cfn.Unknown)
	_, routeUnknown := routeKey.(cfn.Unknown)
	switch {
	case routeUnknown:
		e.where = ""
		e.property, e.value = "RouteKey", routeKey
		e.must = "must be known, because AuthorizationType is " + cfn.Show(authorization)
	case !isHTTP && keyUnknown:
		e.property, e.value = "ApiKeyRequired", required
		e.must = "must be true where AuthorizationType is " + cfn.Show(authorization)
	}
	r.check(e)
}

func judgeFunctionURL(r *report, properties map[string]any) {
	if authorization := properties["AuthType"]; !cfn.IsText(authorization, "AWS_IAM") {
		property := "AuthType"
		if r.resource.Native {
			property = "AuthorizationType"
		}
		r.check(expectation{
			property: property, value: authorization,
			must: "must be AWS_IAM, because anyone may call the function round the API otherwise",
			code: `AuthorizationType: pulumi.String("AWS_IAM")`, template: "AuthType: AWS_IAM",
		})
	}
}
