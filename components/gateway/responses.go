package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// RetryAfterWake is how many seconds a caller of a sleeping model is told to
// wait. A copy takes minutes to start, and a request a minute keeps the wake-up
// going without crowding the throttle.
const RetryAfterWake = 60

// The same for a caller over the rate, and for one whose call did not come
// through.
const (
	retryAfterThrottle = 1
	retryAfterFailure  = 5
)

// exposedHeaders are those that browsers may read across origins.
const exposedHeaders = "Location,Retry-After,X-Upstream-Error,x-amzn-RequestId"

// answer is an error as a caller sees it: a status, and a body of message,
// code and requestId.
type answer struct {
	status        int
	code, message string
	retryAfter    int
}

// upstream is what an endpoint's status becomes. pattern is matched against
// the whole status. API Gateway keeps one integration response per status that
// it answers with (PutIntegrationResponse is addressed by it), so no two
// entries may share a status.
type upstream struct {
	pattern string
	answer
}

// defaultPattern is what API Gateway calls the response for everything else.
const defaultPattern = "default"

// upstreamErrors are SageMaker's statuses (InvokeEndpoint in the SageMaker
// runtime API reference). No capacity is a 400 like any other validation
// error. What a caller can get wrong has been refused before it came this far,
// so what is left of 400 is an endpoint that sleeps or wakes.
var upstreamErrors = []upstream{
	{"400|429|503", answer{503, "ModelStarting", "The model is starting. Try again after the time in Retry-After.", RetryAfterWake}},
	{"413", answer{413, "RequestTooLarge", "The request body is larger than the model's endpoint takes.", 0}},
	{"424", answer{502, "ModelError", "The model failed to answer this request.", 0}},
	{defaultPattern, answer{500, "UpstreamError", "The model's endpoint could not be called.", 0}},
}

// gatewayErrors are the responses that API Gateway gives by itself, by its
// names for them. Status 0 leaves API Gateway's own: on the two defaults a
// status would rewrite every 4xx and 5xx. REQUEST_TOO_LARGE is not among them,
// because API Gateway does not let it be changed (developer guide, "Important
// notes for REST APIs"): a body over 10 MB gets AWS's own answer.
//
// INTEGRATION_FAILURE is whatever kept a call from coming through, and most of it
// passes: Lambda answers 429 where no environment is free, and refuses the first
// calls of a function that nobody has called for weeks (Lambda developer guide,
// "Lambda function states"). API Gateway's own status for it would be a 500.
var gatewayErrors = map[string]answer{
	"DEFAULT_4XX":                  {0, "BadRequest", "The request was refused.", 0},
	"DEFAULT_5XX":                  {0, "InternalError", "The API failed to handle the request.", 0},
	"API_CONFIGURATION_ERROR":      {500, "UpstreamError", "The model's endpoint could not be called.", 0},
	"BAD_REQUEST_BODY":             {400, "InvalidBody", "The request body does not match the request schema.", 0},
	"BAD_REQUEST_PARAMETERS":       {400, "InvalidParameters", "The request's parameters do not match the API's.", 0},
	"INTEGRATION_FAILURE":          {503, "UpstreamError", "What answers this route failed. Try again after the time in Retry-After.", retryAfterFailure},
	"INTEGRATION_TIMEOUT":          {504, "UpstreamTimeout", "The model did not answer in time.", 0},
	"INVALID_API_KEY":              {403, "InvalidApiKey", "The x-api-key header is missing or holds no valid key.", 0},
	"MISSING_AUTHENTICATION_TOKEN": {403, "NoSuchRoute", "The API has no such method and path.", 0},
	"QUOTA_EXCEEDED":               {429, "QuotaExceeded", "The key's quota for this month is used up.", 0},
	"THROTTLED":                    {429, "TooManyRequests", "Too many requests. Try again after the time in Retry-After.", retryAfterThrottle},
	"UNSUPPORTED_MEDIA_TYPE":       {415, "UnsupportedMediaType", "Send the body as application/json.", 0},
	"WAF_FILTERED":                 {403, "Blocked", "The API's firewall blocked the request.", 0},
}

// body is the error's JSON. Its text is constant but for the request's id,
// which API Gateway fills in: templates with logic are neither portable nor
// testable.
func (a answer) body() string {
	text, err := json.Marshal(struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}{a.message, a.code, "$context.requestId"})
	if err != nil {
		// Three strings always marshal.
		panic(fmt.Sprintf("error body: %v", err))
	}
	return string(text)
}

// headers are the mapped headers of the answer, under the prefix that API
// Gateway wants for its own responses or for a method's.
func (a answer) headers(prefix, allowOrigin string) map[string]string {
	headers := corsHeaders(prefix, allowOrigin)
	if a.retryAfter > 0 {
		headers[prefix+"Retry-After"] = constant(strconv.Itoa(a.retryAfter))
	}
	return headers
}

func corsHeaders(prefix, allowOrigin string) map[string]string {
	return map[string]string{
		prefix + "Access-Control-Allow-Origin":   constant(allowOrigin),
		prefix + "Access-Control-Expose-Headers": constant(exposedHeaders),
	}
}

// constant is a fixed value in API Gateway's parameter mappings.
func constant(value string) string { return "'" + value + "'" }
