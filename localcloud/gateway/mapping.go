package gateway

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// value yields what a parameter mapping sends; upstream is nil before the
// integration has answered. An empty string means that the header is left out.
type value func(x *exchange, upstream *answer) string

var (
	staticValue    = regexp.MustCompile(`^'([^']*)'$`)
	upstreamHeader = regexp.MustCompile(`^integration\.response\.header\.([A-Za-z0-9_-]+)$`)
)

// value compiles the source of a parameter mapping (AWS page "Parameter mapping
// source reference"). Of the sources there are, it knows a static value, the
// request id and, in a response, a header of the integration's.
func (i *importer) value(where, target, source string, fromUpstream bool) value {
	if static := staticValue.FindStringSubmatch(source); static != nil {
		return func(*exchange, *answer) string { return static[1] }
	}
	if source == "context.requestId" {
		return func(x *exchange, _ *answer) string { return x.requestID }
	}
	allowed := "'a static value' in single quotes or context.requestId"
	if fromUpstream {
		if header := upstreamHeader.FindStringSubmatch(source); header != nil {
			name := http.CanonicalHeaderKey(header[1])
			return func(_ *exchange, upstream *answer) string { return upstream.header.Get(name) }
		}
		allowed = "'a static value' in single quotes, context.requestId or integration.response.header.NAME"
	}
	i.problem(where, "invalid mapping expression specified for %s: %s is not served; use %s", target, source, allowed)
	return func(*exchange, *answer) string { return "" }
}

// template is a mapping template: either the request's body as it is, or text
// that is constant but for $context variables.
type template struct {
	isBody bool
	text   string
}

const bodyTemplate = "$input.body"

// variable is a reference in a template; VTL takes hyphens into names.
var variable = regexp.MustCompile(`\$context(?:\.[A-Za-z_][A-Za-z0-9_-]*)+`)

// template compiles a mapping template. API Gateway runs the Velocity Template
// Language; this gateway has no part of it but the named variables, and refuses
// everything else.
func (i *importer) template(where, text string, allowed []string) *template {
	if slices.Contains(allowed, bodyTemplate) && strings.TrimSpace(text) == bodyTemplate {
		return &template{isBody: true}
	}
	for _, name := range variable.FindAllString(text, -1) {
		if !slices.Contains(allowed, name) {
			i.problem(where, "the template uses %s: allowed are constant text and %s", name, join(allowed))
		}
	}
	if rest := variable.ReplaceAllString(text, ""); strings.ContainsAny(rest, "$#") {
		i.problem(where, "the template uses the Velocity Template Language: allowed are text without $ and #, and %s", join(allowed))
	}
	return &template{text: text}
}

// jsonTemplate compiles the template of a response. API Gateway chooses among
// several by media type; this gateway answers in JSON only. Without a template
// the result is nil.
func (i *importer) jsonTemplate(where string, templates map[string]string, allowed []string) *template {
	var compiled *template
	for _, mediaType := range sortedKeys(templates) {
		if mediaType != applicationJSON {
			i.problem(where, "response template for %q: only %s is served", mediaType, applicationJSON)
			continue
		}
		compiled = i.template(where, templates[mediaType], allowed)
	}
	return compiled
}

// render fills in the template; body is what $input.body stands for.
func (t *template) render(x *exchange, body []byte) []byte {
	if t.isBody {
		return body
	}
	return []byte(variable.ReplaceAllStringFunc(t.text, func(name string) string {
		return x.variable(strings.TrimPrefix(name, "$context."), nil)
	}))
}

// integrationResponse maps an answer of the integration to one for the caller.
type integrationResponse struct {
	// pattern is matched against the whole upstream status; nil is the default.
	pattern *regexp.Regexp
	status  int
	headers map[string]value
	// body is nil where the integration's body passes through.
	body *template
}

// render keeps nothing of the integration's headers but what is mapped, as API
// Gateway does; the content type is JSON unless it is mapped.
func (r *integrationResponse) render(x *exchange, upstream *answer) *answer {
	result := &answer{status: r.status, header: http.Header{}, body: upstream.body}
	result.header.Set("Content-Type", applicationJSON)
	for name, value := range r.headers {
		if content := value(x, upstream); content != "" {
			result.header.Set(name, content)
		}
	}
	if r.body != nil {
		result.body = r.body.render(x, nil)
	}
	return result
}
