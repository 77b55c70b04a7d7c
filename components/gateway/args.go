package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
)

// Args describes a REST API in front of SageMaker endpoints and Lambda
// functions.
type Args struct {
	// Scope is the account and region of the API and of what answers.
	Scope arn.Scope
	// APIName is the REST API's physical name.
	APIName string
	// StageName is the stage's name and the first part of the URL's path:
	// letters, digits, "_" and "-".
	StageName string
	// Routes are the operations; at least one. All of them require a key.
	Routes []Route
	// CredentialsArn is the role that API Gateway calls the endpoints and the
	// functions with. It is a plain string so that a preview, and the policies
	// that judge it, see the whole document; make it with arn.Scope.Role and let
	// the component depend on the role.
	CredentialsArn string
	// AllowOrigin is the origin that browsers may call from: "*" or one
	// origin such as https://app.example.com. API Gateway answers with a
	// fixed value, so there can be only one.
	AllowOrigin string

	// APIKeys are the keys that open the API, oldest first: one, or MaxAPIKeys
	// while callers change over. At least one is enabled.
	APIKeys []APIKey
	// RateLimit is in requests per second and BurstLimit in requests, per key
	// and for the stage as a whole.
	RateLimit  float64
	BurstLimit int
	// MonthlyQuota is in requests per key and calendar month.
	MonthlyQuota int

	// LogRetentionDays is one of CloudWatch's retention times.
	LogRetentionDays int
	// LogKMSKeyArn encrypts the log groups. Optional.
	LogKMSKeyArn pulumi.StringPtrInput
	// ManageAccount also sets the role that API Gateway logs with, which is
	// one per account and region and shared by every API there. It is kept
	// when the stack is destroyed.
	ManageAccount bool
}

// Route is one operation of the API.
type Route struct {
	// Method is an HTTP method but OPTIONS, which is answered for every path.
	Method string
	// Path begins with "/". A segment in braces is a parameter: /jobs/{id}.
	Path string
	// OperationID names the operation for client generators.
	OperationID string
	Summary     string
	// Request is the schema of the JSON body; see ParseSchema. Routes that share
	// a schema share a model. GET, HEAD and DELETE of a function have no body.
	Request *openapi3.Schema
	// Either Endpoint or Function answers.
	Endpoint SageMaker
	Function *Lambda
}

// SageMaker is an endpoint with an inference component.
type SageMaker struct {
	EndpointName           string
	InferenceComponentName string
}

// LogRetentionDays are the retention times that CloudWatch Logs takes
// (PutRetentionPolicy in its API reference). "Never" is left out on purpose.
var LogRetentionDays = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

var (
	stageName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	routePath = regexp.MustCompile(`^(/([a-zA-Z0-9._-]+|\{[a-zA-Z][a-zA-Z0-9]*\}))+$`)
	origin    = regexp.MustCompile(`^(\*|https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?)$`)
	methods   = []string{
		http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut,
	}
)

// ValidPath says whether a route may have the path, parameters such as {id}
// included. API Gateway keeps /ping and /sping for its own health check.
func ValidPath(path string) bool {
	return routePath.MatchString(path) && path != "/ping" && path != "/sping"
}

// ValidOrigin says whether CORS can be configured with the origin.
func ValidOrigin(value string) bool { return origin.MatchString(value) }

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if a.APIName == "" {
		refuse("APIName is empty; give the API's name")
	}
	if !stageName.MatchString(a.StageName) {
		refuse("StageName is %q; API Gateway takes letters, digits, _ and -", a.StageName)
	}
	if a.CredentialsArn == "" {
		refuse("CredentialsArn is empty; give the role that may invoke what answers")
	}
	if !ValidOrigin(a.AllowOrigin) {
		refuse("AllowOrigin is %q; give \"*\" or one origin such as https://app.example.com", a.AllowOrigin)
	}
	if a.RateLimit <= 0 || a.BurstLimit < 1 || a.MonthlyQuota < 1 {
		refuse("RateLimit is %g, BurstLimit %d and MonthlyQuota %d; each must be above 0", a.RateLimit, a.BurstLimit, a.MonthlyQuota)
	}
	if !slices.Contains(LogRetentionDays, a.LogRetentionDays) {
		refuse("LogRetentionDays is %d; CloudWatch takes one of %v", a.LogRetentionDays, LogRetentionDays)
	}
	for _, problem := range keyProblems(a.APIKeys) {
		refuse("%s", problem)
	}
	if len(a.Routes) == 0 {
		refuse("Routes is empty; give at least one")
	}
	seen := map[string]bool{}
	for i, route := range a.Routes {
		key := route.Method + " " + route.Path
		if seen[key] {
			refuse("Routes[%d] is %s, which another route has already", i, key)
		}
		seen[key] = true
		for _, problem := range route.problems() {
			refuse("Routes[%d] (%s): %s", i, key, problem)
		}
	}
	return errors.Join(problems...)
}

func (r Route) problems() []string {
	var problems []string
	if !slices.Contains(methods, r.Method) {
		problems = append(problems, "Method must be one of "+strings.Join(methods, ", "))
	}
	if !ValidPath(r.Path) {
		problems = append(problems, "Path must be segments that each begin with / and are letters, digits and ._-, or a parameter such as {id}, and not /ping or /sping")
	}
	if r.OperationID == "" {
		problems = append(problems, "OperationID is empty; client generators name the call by it")
	}
	bodyless := r.Function != nil && slices.Contains([]string{http.MethodDelete, http.MethodGet, http.MethodHead}, r.Method)
	switch {
	case bodyless && r.Request != nil:
		problems = append(problems, "Request is given, but the method has no body; leave it out")
	case !bodyless && r.Request == nil:
		problems = append(problems, "Request is missing; without a schema any body reaches the model")
	}
	hasEndpoint := r.Endpoint != (SageMaker{})
	switch {
	case hasEndpoint == (r.Function != nil):
		problems = append(problems, "either Endpoint or Function must answer; give one of them: Endpoint needs both EndpointName and InferenceComponentName")
	case r.Function != nil:
		problems = append(problems, r.Function.problems()...)
	case r.Endpoint.EndpointName == "" || r.Endpoint.InferenceComponentName == "":
		problems = append(problems, "Endpoint needs both EndpointName and InferenceComponentName")
	}
	return problems
}
