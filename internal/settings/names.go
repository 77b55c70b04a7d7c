package settings

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode"

	"scaletozero/components/dashboard"
	"scaletozero/components/endpoint"
	"scaletozero/components/firewall"
	"scaletozero/components/function"
	"scaletozero/components/gateway"
	"scaletozero/components/queue"
	"scaletozero/components/slo"
)

// baseName is lower case only: SageMaker's ARNs are in lower case whatever the
// name is, and a role that names an ARN must match it.
var baseName = regexp.MustCompile(`^[a-z0-9](-*[a-z0-9])*$`)

// Longest physical names, from the API references of IAM and API Gateway, and
// what Pulumi adds to the name of a resource that it replaces, such as the
// SageMaker model: a hyphen and seven random digits.
const (
	maxRoleName   = 64
	maxAPIName    = 1024
	maxStageName  = 128
	autoNameExtra = 8
)

// names makes the physical names and checks them with the stack's name on.
func (r *reader) names(s *Settings) {
	const allowed = "lower-case letters, digits and hyphens, with no hyphen first or last"
	model := r.text("modelName", "music-mapping-model", baseName, allowed)
	endpointName := r.text("endpointName", "music-mapping-endpoint", baseName, allowed)
	api := r.text("apiName", "music-mapping-api", baseName, allowed)
	if !baseName.MatchString(s.Stack) || len(s.Stack) > maxStageName {
		r.problems = append(r.problems, fmt.Sprintf(
			"the stack's name is %q; it becomes part of physical names and must be %s; start one with `pulumi stack init dev`", s.Stack, allowed))
	}
	s.InferenceComponentName = r.physical("modelName", model, s.Stack, "", endpoint.MaxNameLength-autoNameExtra)
	s.EndpointName = r.physical("endpointName", endpointName, s.Stack, "", endpoint.MaxNameLength)
	s.APIName = r.physical("apiName", api, s.Stack, "", maxAPIName)
	s.RepositoryName = s.InferenceComponentName
	s.ExecutionRoleName = r.physical("endpointName", endpointName, s.Stack, "-execution", maxRoleName)
	s.GatewayRoleName = r.physical("apiName", api, s.Stack, "-gateway", maxRoleName)
	if s.Function != nil {
		s.Function.Name = r.physical("modelName", model, s.Stack, "", function.MaxNameLength)
	}
	if s.Queue != nil {
		s.Queue.Name = r.physical("apiName", api, s.Stack, "-jobs", queue.MaxNameLength)
	}
	if s.Firewall != nil {
		s.Firewall.Name = r.physical("apiName", api, s.Stack, "", firewall.MaxNameLength)
	}
	if s.Dashboard != nil {
		s.Dashboard.Name = r.physical("apiName", api, s.Stack, "", dashboard.MaxNameLength)
	}
	if s.SLO != nil {
		s.SLO.Name = r.physical("apiName", api, s.Stack, "-slo", slo.MaxNameLength)
	}
}

// physical is the name with the stack's on, where it is short enough.
func (r *reader) physical(key, base, stack, suffix string, longest int) string {
	name := base + "-" + stack + suffix
	if len(name) > longest {
		r.problems = append(r.problems, fmt.Sprintf(
			"%s is %q, which becomes %q, %d characters long; there is room for %d; shorten it with `pulumi config set %s NAME` (%d characters at most)",
			key, base, name, len(name), longest, key, max(0, len(base)-len(name)+longest)))
	}
	return name
}

// gateway reads what the API looks like from outside.
func (r *reader) gateway(s *Settings) {
	s.RoutePath = r.checked("routePath", "/infer", validRoutePath, "a path such as /infer, without parameters")
	s.AllowOrigin = r.checked("corsAllowOrigin", "*", gateway.ValidOrigin, "* or one origin such as https://app.example.com")
	s.LogRetentionDays = r.retention("logRetentionDays", 30)
	file, _ := r.source("requestSchema")
	file = cmp.Or(file, "model/schema.json")
	text, err := os.ReadFile(file)
	if err != nil {
		r.refuse("requestSchema", file, "a JSON schema file that can be read from the project's folder", "requestSchema model/schema.json")
		return
	}
	if s.RequestSchema, err = gateway.ParseSchema(text); err != nil {
		r.problems = append(r.problems, fmt.Sprintf("requestSchema is %q, which API Gateway cannot check requests with: %s; mend the file, or name another with `pulumi config set requestSchema FILE`", file, oneLine(err)))
	}
}

// oneLine is an error that may be several, or quote a file, as part of a
// sentence.
func oneLine(err error) string {
	lines := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, lines)
}

// validRoutePath leaves out parameters, which a model would know nothing of.
func validRoutePath(path string) bool {
	return gateway.ValidPath(path) && !strings.Contains(path, "{")
}

func (r *reader) checked(key, fallback string, valid func(string) bool, allowed string) string {
	value, found := r.source(key)
	if !found {
		return fallback
	}
	if !valid(value) {
		r.refuse(key, value, allowed, key+" '"+cmp.Or(fallback, "VALUE")+"'")
	}
	return value
}

func (r *reader) retention(key string, fallback int) int {
	days := r.integer(key, fallback, 1, gateway.LogRetentionDays[len(gateway.LogRetentionDays)-1])
	for _, allowed := range gateway.LogRetentionDays {
		if days == allowed {
			return days
		}
	}
	r.refuse(key, days, fmt.Sprintf("one of CloudWatch's retention times, %v", gateway.LogRetentionDays), key+" 30")
	return days
}
