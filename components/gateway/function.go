package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Lambda is a function that gets the whole request and gives the whole answer,
// CORS headers included (API Gateway developer guide, "Lambda proxy integrations
// in API Gateway"). API Gateway checks a body against the route's schema only
// where Content-Type is JSON, and cannot refuse other types in front of a proxy
// integration, so the function has to answer 415 itself.
type Lambda struct {
	// FunctionArn is the ARN of a function or of an alias of it. It is a plain
	// string for the reason that Args.CredentialsArn is; make it with
	// arn.Scope.Function or arn.Scope.FunctionAlias.
	FunctionArn string
	// Query are the names of optional query parameters that it reads, for client
	// generators. API Gateway hands over others, too.
	Query []string
	// Headers are the names of optional request headers that it reads, for
	// browsers and client generators.
	Headers []string
	// Replies are what it answers, for those who call it. At least one.
	Replies []Reply
}

// Reply is one status that a function answers with.
type Reply struct {
	// Status is an HTTP status.
	Status      int
	Description string
	// Body is what the body looks like; nil for the API's error body of
	// message, code and requestId.
	Body *Model
	// AnyBody says that the body is whatever the function gives, in whatever
	// content type. Body is nil then.
	AnyBody bool
	// Headers are the names of response headers besides those of CORS.
	Headers []string
}

// Model is a named schema of the document. The name is of letters and digits,
// as API Gateway demands of its models.
type Model struct {
	Name   string
	Schema *openapi3.Schema
}

var (
	// The account may be missing: the document for clients does without. What
	// has digits only is a version and no alias.
	functionArn   = regexp.MustCompile(`^arn:[a-z-]+:lambda:[a-z0-9-]+:(\d{12})?:function:[a-zA-Z0-9_-]{1,64}(:\d*[a-zA-Z_-][a-zA-Z0-9_-]*)?$`)
	queryName     = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	headerName    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*$`)
	modelName     = regexp.MustCompile(`^[a-zA-Z0-9]+$`)
	pathParameter = regexp.MustCompile(`\{(\w+)\}`)
)

func (f *Lambda) problems() []string {
	var problems []string
	if !functionArn.MatchString(f.FunctionArn) {
		problems = append(problems, fmt.Sprintf("Function.FunctionArn is %q; give the ARN of a function or of its alias", f.FunctionArn))
	}
	headers := slices.Clone(f.Headers)
	if len(f.Replies) == 0 {
		problems = append(problems, "Function.Replies is empty; give at least one, for those who call it")
	}
	seen := map[int]bool{}
	for _, reply := range f.Replies {
		if http.StatusText(reply.Status) == "" || seen[reply.Status] {
			problems = append(problems, fmt.Sprintf("Function.Replies has status %d; give each HTTP status once", reply.Status))
		}
		seen[reply.Status] = true
		if reply.Body != nil && (!modelName.MatchString(reply.Body.Name) || reply.Body.Schema == nil) {
			problems = append(problems, fmt.Sprintf("Function.Replies[%d].Body needs a schema and a name of letters and digits", reply.Status))
		}
		if reply.Body != nil && reply.AnyBody {
			problems = append(problems, fmt.Sprintf("Function.Replies[%d] has Body and AnyBody; give one of them", reply.Status))
		}
		headers = append(headers, reply.Headers...)
	}
	for _, parameter := range f.Query {
		if !queryName.MatchString(parameter) {
			problems = append(problems, fmt.Sprintf("Function has the query parameter %q; give letters, digits, dots, hyphens and underscores", parameter))
		}
	}
	for _, header := range headers {
		if !headerName.MatchString(header) {
			problems = append(problems, fmt.Sprintf("Function has the header %q; give letters, digits and hyphens", header))
		}
	}
	return problems
}

// functionOperation hands requests to the route's function as they are. The
// credentials are the API's role: see roles.Args.FunctionArns.
func functionOperation(args *Args, route Route) (map[string]*openapi3.ResponseRef, integration) {
	declared := map[string]*openapi3.ResponseRef{}
	for _, reply := range route.Function.Replies {
		headers := corsHeaders(methodHeader, args.AllowOrigin)
		for _, name := range reply.Headers {
			headers[methodHeader+name] = ""
		}
		model := errorModel
		switch {
		case reply.Body != nil:
			model = reply.Body.Name
		case reply.AnyBody:
			model = ""
		}
		declared[fmt.Sprint(reply.Status)] = response(reply.Description, model, headers)
	}
	return declared, integration{
		Type: "aws_proxy",
		URI: fmt.Sprintf("arn:%s:apigateway:%s:lambda:path/2015-03-31/functions/%s/invocations",
			args.Scope.Partition, args.Scope.Region, route.Function.FunctionArn),
		// Lambda's Invoke is a POST, whatever the route's own method is.
		HTTPMethod:          http.MethodPost,
		Credentials:         args.CredentialsArn,
		PassthroughBehavior: "when_no_match",
		TimeoutInMillis:     IntegrationLimit,
	}
}

// parameters are what the route's path and its function take. API Gateway
// checks only that required ones are there.
func parameters(route Route) openapi3.Parameters {
	declared := pathParameters(route.Path)
	if route.Function == nil {
		return declared
	}
	for _, name := range route.Function.Headers {
		declared = append(declared, &openapi3.ParameterRef{
			Value: openapi3.NewHeaderParameter(name).WithSchema(openapi3.NewStringSchema()),
		})
	}
	for _, name := range route.Function.Query {
		declared = append(declared, &openapi3.ParameterRef{
			Value: openapi3.NewQueryParameter(name).WithSchema(openapi3.NewStringSchema()),
		})
	}
	return declared
}

func pathParameters(path string) openapi3.Parameters {
	var declared openapi3.Parameters
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		declared = append(declared, &openapi3.ParameterRef{
			Value: openapi3.NewPathParameter(match[1]).WithSchema(openapi3.NewStringSchema()),
		})
	}
	return declared
}

// allowedHeaders are those that browsers may send to a path.
func allowedHeaders(args *Args, path string) string {
	allowed := []string{"content-type", "x-api-key"}
	for _, route := range args.Routes {
		if route.Path == path && route.Function != nil {
			for _, name := range route.Function.Headers {
				allowed = append(allowed, strings.ToLower(name))
			}
		}
	}
	slices.Sort(allowed)
	return strings.Join(slices.Compact(allowed), ",")
}
