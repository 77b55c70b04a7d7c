package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // A schedule's time zone is checked on machines without a database of them, too.

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
)

// Backends: what runs the model.
const (
	backendSageMaker = "sagemaker"
	backendFunction  = "function"
)

// Function is the configuration of a model that runs as a Lambda function.
type Function struct {
	// Name is physical.
	Name string

	MemoryMB            int
	TimeoutSeconds      int
	ReservedConcurrency int
	// Command starts the model, as the image's own ENTRYPOINT and CMD do on
	// SageMaker.
	Command []string
	// Provisioned is nil where nothing is kept warm.
	Provisioned *function.Provisioned
}

// adapterEntryPoint is where the adapter is in an image, see model/Dockerfile.
var adapterEntryPoint = []string{"/adapter"}

// function reads the backend, and judges the function's values where there is
// none, too, for the reason that queue does.
func (r *reader) function(s *Settings) {
	f := &Function{
		MemoryMB:            r.integer("functionMemoryMb", function.DefaultImageMemoryMB, function.MinMemoryMB, function.MaxMemoryMB),
		TimeoutSeconds:      r.integer("functionTimeoutSeconds", function.DefaultTimeoutSeconds, 1, maxFunctionTimeout),
		ReservedConcurrency: r.integer("functionReservedConcurrency", 0, 0, maxConcurrency),
		Command:             r.command(),
		Provisioned:         r.provisioned(),
	}
	if f.Provisioned != nil && f.ReservedConcurrency > 0 && f.Provisioned.Max > f.ReservedConcurrency {
		r.refuse("functionProvisionedMax", f.Provisioned.Max, fmt.Sprintf("at most functionReservedConcurrency (%d)", f.ReservedConcurrency),
			fmt.Sprintf("functionProvisionedMax %d", f.ReservedConcurrency))
	}
	s.Build, s.Architecture = r.build("functionArchitecture", "arm64")
	backend, found := r.source("backend")
	switch {
	case !found || backend == backendSageMaker:
	case backend == backendFunction:
		s.Function = f
		r.asFunction(s)
	default:
		r.refuse("backend", backend, backendSageMaker+" or "+backendFunction, "backend "+backendSageMaker)
	}
}

// maxEnvironment is in bytes, of all names and values as JSON (Lambda developer
// guide, "Lambda quotas").
const maxEnvironment = 4096

// allowOrigin is what the adapter is told besides the model's own environment.
const allowOrigin = "ALLOW_ORIGIN"

// A name has a letter first and at least two characters (EnvironmentResponse in the
// Lambda API reference), and reserved are those that Lambda sets itself (Lambda
// developer guide, "Defined runtime environment variables").
var (
	lambdaVariable = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
	reserved       = regexp.MustCompile(`^(LAMBDA_(TASK_ROOT|RUNTIME_DIR)|AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|ACCESS_KEY|ACCESS_KEY_ID|` +
		`SECRET_ACCESS_KEY|SESSION_TOKEN|LAMBDA_(FUNCTION_[A-Z_]+|INITIALIZATION_TYPE|LOG_[A-Z_]+|RUNTIME_API)))$`)
)

// asFunction judges by Lambda's rules what an endpoint may have, too.
func (r *reader) asFunction(s *Settings) {
	if s.NetworkIsolation && len(s.SubnetIDs) == 0 {
		r.problems = append(r.problems, "networkIsolation is true, and a Lambda function has a network: it reaches the internet, or with a VPC what that reaches; "+
			"say that this will do with `pulumi config set networkIsolation false`, or set subnetIds and securityGroupIds of a VPC without a way out")
	}
	if strings.Contains(s.ImageURI, ".dkr.ecr-fips.") {
		r.refuse("imageUri", s.ImageURI, "at ECR's ordinary address, since Lambda takes no other", imageExample)
	}
	r.functionEnvironment(s)
}

// functionEnvironment judges the container's environment. A value may be a
// secret, so none is shown.
func (r *reader) functionEnvironment(s *Settings) {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if name == allowOrigin || reserved.MatchString(name) || !lambdaVariable.MatchString(name) {
			r.problems = append(r.problems, fmt.Sprintf(
				"environment has the name %q; Lambda takes names of two letters, digits and _ or more, with a letter first, and some are taken; remove it with `pulumi config rm --path 'environment[%q]'`", name, name))
		}
	}
	// A map of texts always marshals.
	if text, _ := json.Marshal(s.functionVariables()); len(text) > maxEnvironment { //nolint:errchkjson // see above
		r.problems = append(r.problems, fmt.Sprintf(
			"environment has %d bytes of names and values as JSON; Lambda takes %d at most; remove some with `pulumi config rm --path 'environment.NAME'`", len(text), maxEnvironment))
	}
}

// command is how the model is started.
func (r *reader) command() []string {
	command := r.list("functionCommand", anything, "a word of the command that starts the model")
	if len(command) == 0 {
		return []string{"/model", "serve"}
	}
	return command
}

var anything = regexp.MustCompile(`.`)

// The function has to answer before API Gateway gives up, and an account has a
// thousand concurrent invocations unless it asked for more.
const (
	maxFunctionTimeout = gateway.IntegrationLimit/1000 - 1
	maxConcurrency     = 1000
)

// provisioned is what is kept warm, or nil. Outside of a schedule it is
// functionProvisionedMin.
func (r *reader) provisioned() *function.Provisioned {
	p := &function.Provisioned{
		Min: r.integer("functionProvisionedMin", 0, 0, maxConcurrency),
		Max: r.integer("functionProvisionedMax", 0, 0, maxConcurrency),
	}
	if p.Min > p.Max {
		r.refuse("functionProvisionedMin", p.Min, fmt.Sprintf("at most functionProvisionedMax (%d)", p.Max), "functionProvisionedMin 0")
	}
	r.schedule(p)
	if p.Max == 0 {
		return nil
	}
	if p.Min == 0 && len(p.Schedules) == 0 {
		r.problems = append(r.problems, fmt.Sprintf(
			"functionProvisionedMax is %d, functionProvisionedMin 0 and there is no schedule, so nothing would ever be kept started; "+
				setHours+", "+
				"or `pulumi config set functionProvisionedMax 0`", p.Max))
	}
	return p
}

// Hours that are said for example.
const (
	exampleStart = "'cron(50 8 ? * MON-FRI *)'"
	exampleEnd   = "'cron(0 18 ? * MON-FRI *)'"
	setHours     = "set hours with `pulumi config set functionScheduleStart " + exampleStart + "` and `pulumi config set functionScheduleEnd " + exampleEnd + "`"
)

// cron reads a schedule, which is empty where there is none.
func (r *reader) cron(key, example string) string {
	value, found := r.source(key)
	if found && !function.ValidExpression(value) {
		r.refuse(key, value, "a schedule of six fields, of which one of the two days is ?", key+" "+example)
	}
	return value
}

// schedule adds the hours in which more is kept warm.
func (r *reader) schedule(p *function.Provisioned) {
	minimum := r.integer("functionScheduleMinimum", 1, 1, maxConcurrency)
	zone := r.checked("functionScheduleTimezone", "UTC", validZone, "a time zone such as Asia/Tokyo")
	start := r.cron("functionScheduleStart", exampleStart)
	end := r.cron("functionScheduleEnd", exampleEnd)
	switch {
	case start == "" && end == "":
		return
	case start == "" || end == "":
		r.problems = append(r.problems, "functionScheduleStart and functionScheduleEnd: one is set and the other is not; what is kept warm "+
			"has to end, too; "+setHours)
	case minimum > p.Max:
		r.refuse("functionScheduleMinimum", minimum, fmt.Sprintf("at most functionProvisionedMax (%d)", p.Max), "functionProvisionedMax "+fmt.Sprint(minimum))
	}
	p.Schedules = []function.Schedule{
		{Name: "start", Expression: start, Timezone: zone, Min: minimum, Max: p.Max},
		// Nothing that is above the maximum stays, which nobody's calls would
		// otherwise take away: see function.Provisioned.
		{Name: "end", Expression: end, Timezone: zone, Min: p.Min, Max: p.Min},
	}
}

func validZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

// architectures are those that Lambda runs, by Go's names for them.
var architectures = map[string]string{"arm64": "arm64", "amd64": "x86_64"}

// hostArchitecture stands for that of the machine that pulumi runs on, which is
// what runs the functions in the local cloud.
const hostArchitecture = "host"

func (r *reader) build(key, fallback string) (build, architecture string) {
	build, found := r.source(key)
	if !found {
		build = fallback
	}
	switch {
	case slices.Contains(function.Architectures, build):
		return build, build
	case build != hostArchitecture:
		r.refuse(key, build, fmt.Sprintf("one of %v, or %s for the local cloud", function.Architectures, hostArchitecture), key+" "+fallback)
	case architectures[runtime.GOARCH] == "":
		r.refuse(key, build, fmt.Sprintf("one of %v, since Lambda does not know this machine's %s", function.Architectures, runtime.GOARCH), key+" "+fallback)
	}
	return build, architectures[runtime.GOARCH]
}

// ModelFunction describes the function that runs the model of the stack, which
// has one.
func (s *Settings) ModelFunction(scope arn.Scope, imageURI pulumi.StringInput) *function.Args {
	return &function.Args{
		Scope:               scope,
		FunctionName:        s.Function.Name,
		Description:         "The model behind " + s.APIName,
		Image:               &function.Image{URI: imageURI, EntryPoint: adapterEntryPoint, Command: s.Function.Command},
		Architecture:        s.Architecture,
		MemoryMB:            s.Function.MemoryMB,
		TimeoutSeconds:      s.Function.TimeoutSeconds,
		ReservedConcurrency: s.Function.ReservedConcurrency,
		Provisioned:         s.Function.Provisioned,
		Environment:         s.secretly(s.functionVariables()),
		VPC:                 s.functionVPC(),
		LogRetentionDays:    s.LogRetentionDays,
		KMSKeyArn:           s.KMSKeyArn,
	}
}

// modelRoute is the API's route to the model, wherever it runs.
func (s *Settings) modelRoute(scope arn.Scope) gateway.Route {
	const operation, summary = "infer", "Asks the model."
	if s.Function != nil {
		return function.ModelRoute(s.RoutePath, operation, summary, s.functionAlias(scope), s.RequestSchema)
	}
	return gateway.Route{
		Method:      http.MethodPost,
		Path:        s.RoutePath,
		OperationID: operation,
		Summary:     summary,
		Request:     s.RequestSchema,
		Endpoint: gateway.SageMaker{
			EndpointName:           s.EndpointName,
			InferenceComponentName: s.InferenceComponentName,
		},
	}
}

// functionVariables are the container's environment, and what the adapter in
// front of the model needs besides.
func (s *Settings) functionVariables() map[string]string {
	variables := map[string]string{}
	maps.Copy(variables, s.Environment)
	variables[allowOrigin] = s.AllowOrigin
	return variables
}

func (s *Settings) functionVPC() *function.VPC {
	if len(s.SubnetIDs) == 0 {
		return nil
	}
	return &function.VPC{SubnetIDs: s.SubnetIDs, SecurityGroupIDs: s.SecurityGroupIDs}
}

// FunctionArns are the functions that API Gateway calls: the model's, and the
// one that takes jobs in, where the stack has them.
func (s *Settings) FunctionArns(scope arn.Scope) []string {
	var arns []string
	if s.Function != nil {
		arns = append(arns, s.functionAlias(scope))
	}
	if s.Queue != nil {
		arns = append(arns, s.submitAlias(scope))
	}
	return arns
}

// functionAlias is the ARN that the model's function is called by.
func (s *Settings) functionAlias(scope arn.Scope) string {
	return scope.FunctionAlias(s.Function.Name, function.AliasName)
}
