package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

// responseType names a gateway response (AWS page "Gateway response types for
// API Gateway").
type responseType string

const (
	default4XX                 responseType = "DEFAULT_4XX"
	default5XX                 responseType = "DEFAULT_5XX"
	accessDenied               responseType = "ACCESS_DENIED"
	apiConfigurationError      responseType = "API_CONFIGURATION_ERROR"
	badRequestBody             responseType = "BAD_REQUEST_BODY"
	badRequestParameters       responseType = "BAD_REQUEST_PARAMETERS"
	integrationFailure         responseType = "INTEGRATION_FAILURE"
	integrationTimeout         responseType = "INTEGRATION_TIMEOUT"
	invalidAPIKey              responseType = "INVALID_API_KEY"
	missingAuthenticationToken responseType = "MISSING_AUTHENTICATION_TOKEN"
	quotaExceeded              responseType = "QUOTA_EXCEEDED"
	requestTooLarge            responseType = "REQUEST_TOO_LARGE"
	throttled                  responseType = "THROTTLED"
	unsupportedMediaType       responseType = "UNSUPPORTED_MEDIA_TYPE"
	wafFiltered                responseType = "WAF_FILTERED"
)

// standardResponses are the types with AWS's status and message. A type without
// a message may be configured, but nothing that this gateway serves answers
// with it.
var standardResponses = map[responseType]struct {
	status             int
	message, errorType string
}{
	default4XX:                       {},
	default5XX:                       {},
	accessDenied:                     {403, "Forbidden", "ForbiddenException"},
	apiConfigurationError:            {500, "Internal server error", "InternalServerErrorException"},
	"AUTHORIZER_CONFIGURATION_ERROR": {status: 500},
	"AUTHORIZER_FAILURE":             {status: 500},
	badRequestBody:                   {400, "Invalid request body", "BadRequestException"},
	badRequestParameters:             {400, "Missing required request parameters", "BadRequestException"},
	"EXPIRED_TOKEN":                  {status: 403},
	integrationFailure:               {504, "Internal server error", "InternalServerErrorException"},
	integrationTimeout:               {504, "Endpoint request timed out", "InternalServerErrorException"},
	invalidAPIKey:                    {403, "Forbidden", "ForbiddenException"},
	"INVALID_SIGNATURE":              {status: 403},
	missingAuthenticationToken:       {403, "Missing Authentication Token", "MissingAuthenticationTokenException"},
	quotaExceeded:                    {429, "Limit Exceeded", "LimitExceededException"},
	requestTooLarge:                  {413, "HTTP content length exceeded 10485760 bytes.", "RequestEntityTooLargeException"},
	"RESOURCE_NOT_FOUND":             {status: 404},
	throttled:                        {429, "Too Many Requests", "TooManyRequestsException"},
	"UNAUTHORIZED":                   {status: 401},
	unsupportedMediaType:             {415, "Unsupported Media Type", "UnsupportedMediaTypeException"},
	wafFiltered:                      {403, "Forbidden", "ForbiddenException"},
}

// defaultTemplate is the body of a gateway response that has no template.
const defaultTemplate = `{"message":$context.error.messageString}`

// errorVariables are what a gateway response's template may use.
var errorVariables = []string{
	"$context.requestId", "$context.error.message", "$context.error.messageString",
	"$context.error.responseType", "$context.error.validationErrorString",
}

// gatewayResponses are an API's own; nil stands for none.
type gatewayResponses map[responseType]gatewayResponse

type gatewayResponse struct {
	// status is 0 where the document sets none.
	status  int
	headers map[string]value
	body    *template
}

// message is the standard text for the exchange's failure.
func (x *exchange) message() string {
	if x.failure.response == badRequestParameters {
		return x.failure.validation
	}
	return standardResponses[x.failure.response].message
}

// render answers for the gateway itself. A type that the document does not
// configure takes DEFAULT_4XX or DEFAULT_5XX as a whole; one that it does
// configure takes nothing of them but a status it does not set itself.
func (g *gatewayResponses) render(x *exchange) *answer {
	standard := standardResponses[x.failure.response]
	result := &answer{status: cmp.Or(x.failure.status, standard.status), header: http.Header{}}
	body := &template{text: defaultTemplate}
	if g != nil {
		fallback := (*g)[default4XX]
		if standard.status >= 500 {
			fallback = (*g)[default5XX]
		}
		own, configured := (*g)[x.failure.response]
		if !configured {
			own = fallback
		}
		for _, status := range []int{fallback.status, own.status} {
			if status != 0 {
				result.status = status
			}
		}
		for name, value := range own.headers {
			result.header.Set(name, value(x, nil))
		}
		if own.body != nil {
			body = own.body
		}
	}
	result.body = body.render(x, nil)
	if result.header.Get("Content-Type") == "" {
		result.header.Set("Content-Type", applicationJSON)
	}
	result.header.Set(errorTypeHeader, standard.errorType)
	return result
}

// gatewayResponseDocument is x-amazon-apigateway-gateway-responses.gatewayResponse.
type gatewayResponseDocument struct {
	StatusCode         statusCode        `json:"statusCode"`
	ResponseParameters map[string]string `json:"responseParameters"`
	ResponseTemplates  map[string]string `json:"responseTemplates"`
}

func (i *importer) gatewayResponses(extension any) *gatewayResponses {
	var documents map[responseType]any
	if !i.decode(gatewayResponsesExtension, extension, &documents) {
		return nil
	}
	responses := gatewayResponses{}
	for _, name := range sortedKeys(documents) {
		where := gatewayResponsesExtension + "." + string(name)
		if _, known := standardResponses[name]; !known {
			i.problem(where, "there is no gateway response of this type: the types are %s", join(sortedKeys(standardResponses)))
			continue
		}
		var document gatewayResponseDocument
		if !i.decode(where, documents[name], &document) {
			continue
		}
		response := gatewayResponse{status: int(document.StatusCode), headers: map[string]value{}}
		for _, target := range sortedKeys(document.ResponseParameters) {
			header, ok := strings.CutPrefix(target, "gatewayresponse.header.")
			if !ok {
				i.problem(where, "response parameter %q must be gatewayresponse.header.NAME", target)
				continue
			}
			response.headers[http.CanonicalHeaderKey(header)] = i.value(where, target, document.ResponseParameters[target], false)
		}
		response.body = i.jsonTemplate(where, document.ResponseTemplates, errorVariables)
		responses[name] = response
	}
	return &responses
}

// statusCode reads "204" and 204 alike, as API Gateway does.
type statusCode int

func (s *statusCode) UnmarshalJSON(data []byte) error {
	var code int
	if _, err := fmt.Sscanf(strings.Trim(string(data), `"`), "%3d", &code); err != nil || code < 100 || code > 599 {
		return fmt.Errorf("statusCode is %s: it must be an HTTP status from 100 to 599", data)
	}
	*s = statusCode(code)
	return nil
}
