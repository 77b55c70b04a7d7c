package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// lambdaService is the service behind an aws_proxy integration.
const lambdaService = "lambda"

// functionARN takes the URI of a Lambda integration apart: the group is the path
// with its leading slash. The function may have an alias or a version behind it.
var functionARN = regexp.MustCompile(
	`^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path(/2015-03-31/functions/arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]{1,64}(?::(?:\$LATEST|[A-Za-z0-9_-]{1,128}))?/invocations)$`)

// proxy compiles an aws_proxy integration: the function gets the whole request
// and gives the whole response (AWS page "Lambda proxy integrations in API
// Gateway").
func (i *importer) proxy(where string, document integrationDocument) backend {
	result := &awsBackend{service: lambdaService, httpMethod: http.MethodPost}
	if parts := functionARN.FindStringSubmatch(document.URI); parts == nil {
		i.problem(where, "uri is %q: an aws_proxy integration reaches a function only, "+
			"as arn:PARTITION:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations, with or without an alias or a version behind the ARN", document.URI)
	} else {
		result.path = parts[1]
	}
	if document.HTTPMethod != http.MethodPost {
		i.problem(where, "httpMethod is %q: an aws_proxy integration needs POST, whatever the method of the operation is", document.HTTPMethod)
	}
	if !roleARN.MatchString(document.Credentials) {
		i.problem(where, "credentials is %q: it must be the ARN of the role that API Gateway assumes to invoke the function, arn:PARTITION:iam::ACCOUNT:role/NAME; "+
			"permissions of the function itself are not served", document.Credentials)
	}
	if len(document.RequestParameters) > 0 || len(document.RequestTemplates) > 0 || len(document.Responses) > 0 {
		i.problem(where, "API Gateway ignores requestParameters, requestTemplates and responses of an aws_proxy integration: leave them out")
	}
	result.timeout = i.timeout(where, document)
	return result
}

// proxyEvent is what a function gets (AWS page "Input format of a Lambda function
// for proxy integration"). What a request does not have is null.
type proxyEvent struct {
	Resource                   string              `json:"resource"`
	Path                       string              `json:"path"`
	HTTPMethod                 string              `json:"httpMethod"`
	Headers                    map[string]string   `json:"headers"`
	MultiValueHeaders          map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters      map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParam map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters             map[string]string   `json:"pathParameters"`
	StageVariables             map[string]string   `json:"stageVariables"`
	RequestContext             proxyContext        `json:"requestContext"`
	Body                       *string             `json:"body"`
	IsBase64Encoded            bool                `json:"isBase64Encoded"`
}

type proxyContext struct {
	ResourcePath      string        `json:"resourcePath"`
	HTTPMethod        string        `json:"httpMethod"`
	ExtendedRequestID string        `json:"extendedRequestId"`
	RequestTime       string        `json:"requestTime"`
	RequestTimeEpoch  int64         `json:"requestTimeEpoch"`
	Path              string        `json:"path"`
	AccountID         string        `json:"accountId"`
	Protocol          string        `json:"protocol"`
	Stage             string        `json:"stage"`
	DomainPrefix      string        `json:"domainPrefix"`
	DomainName        string        `json:"domainName"`
	RequestID         string        `json:"requestId"`
	APIID             string        `json:"apiId"`
	Identity          proxyIdentity `json:"identity"`
}

// proxyIdentity has the members that are null where, as here, no caller is signed
// in. APIKey is the key's value, which AWS gives to the function too; nothing here
// logs an event.
type proxyIdentity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	APIKey                        string  `json:"apiKey,omitempty"`
	APIKeyID                      string  `json:"apiKeyId,omitempty"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	UserAgent                     *string `json:"userAgent"`
	User                          *string `json:"user"`
}

// proxyEvent describes the request to a function. The body is text: this gateway
// serves no binary media types.
func (x *exchange) proxyEvent(body []byte) []byte {
	header := x.request.Header.Clone()
	header.Set("Host", x.request.Host)
	source := x.variable("identity.sourceIp", nil)
	header.Set("X-Forwarded-For", strings.TrimPrefix(header.Get("X-Forwarded-For")+", "+source, ", "))
	query := x.request.URL.Query()
	event := proxyEvent{
		Resource: x.method.path, Path: x.path, HTTPMethod: x.request.Method,
		Headers: lastOf(header), MultiValueHeaders: header,
		QueryStringParameters: lastOf(query), PathParameters: x.pathParameters(),
		RequestContext: x.proxyContext(source),
	}
	if len(query) > 0 {
		event.MultiValueQueryStringParam = query
	}
	if len(body) > 0 {
		text := string(body)
		event.Body = &text
	}
	content, err := json.Marshal(event)
	if err != nil {
		panic(err) // Text can always be encoded.
	}
	return content
}

func (x *exchange) proxyContext(source string) proxyContext {
	described := proxyContext{
		ResourcePath: x.method.path, HTTPMethod: x.request.Method, Path: "/" + x.stage + x.path,
		RequestTime: x.variable("requestTime", nil), RequestTimeEpoch: x.began.UnixMilli(),
		Protocol: x.request.Proto, Stage: x.stage, APIID: x.apiID, RequestID: x.requestID, ExtendedRequestID: x.extendedRequestID,
		DomainName: x.request.Host, DomainPrefix: x.apiID,
		Identity: proxyIdentity{SourceIP: source, APIKeyID: x.keyID},
	}
	if backend, ok := x.method.integration.backend.(*awsBackend); ok {
		described.AccountID = functionAccount.FindString(backend.path)
	}
	if x.keyID != "" {
		described.Identity.APIKey = x.request.Header.Get(apiKeyHeader)
	}
	if agent := x.request.UserAgent(); agent != "" {
		described.Identity.UserAgent = &agent
	}
	return described
}

var functionAccount = regexp.MustCompile(`\d{12}`)

// lastOf keeps the last value of each name, as API Gateway does where there is
// room for one; without any name the result is nil.
func lastOf(all map[string][]string) map[string]string {
	var last map[string]string
	for name, values := range all {
		if len(values) == 0 {
			continue
		}
		if last == nil {
			last = map[string]string{}
		}
		last[name] = values[len(values)-1]
	}
	return last
}

// pathParameters are the parts of the path that the resource names, decoded.
func (x *exchange) pathParameters() map[string]string {
	var parameters map[string]string
	values := strings.Split(x.path, "/")
	for n, segment := range strings.Split(x.method.path, "/") {
		name, isParameter := strings.CutPrefix(segment, "{")
		value, err := url.PathUnescape(values[n])
		if !isParameter || err != nil { // A path that cannot be decoded has matched nothing.
			continue
		}
		if parameters == nil {
			parameters = map[string]string{}
		}
		parameters[strings.TrimSuffix(name, "}")] = value
	}
	return parameters
}

// proxyResponse is what a function must answer (AWS page "Output format of a
// Lambda function for proxy integration"). isBase64Encoded is read and, as on AWS
// where an API has no binary media types, changes nothing.
type proxyResponse struct {
	StatusCode        json.Number      `json:"statusCode"`
	Headers           map[string]any   `json:"headers"`
	MultiValueHeaders map[string][]any `json:"multiValueHeaders"`
	Body              *string          `json:"body"`
	IsBase64Encoded   *bool            `json:"isBase64Encoded"`
}

// remapped are the headers of a function's that reach the caller under another
// name, since they are the gateway's own (AWS page "Amazon API Gateway important
// notes").
var remapped = map[string]bool{
	"Authorization": true, "Connection": true, "Content-Length": true, "Content-Md5": true, "Date": true, "Host": true, "Server": true,
	"Trailer": true, "Upgrade": true, "Www-Authenticate": true,
}

// proxyAnswer maps what Lambda answered to an answer for the caller.
func (x *exchange) proxyAnswer(got *answer) (*answer, *failure) {
	kind := got.header.Get("X-Amzn-ErrorType")
	switch {
	case got.status != http.StatusOK:
		// A throttled function too. The type's status is 504 in the reference, and 500
		// in practice (localstack/localstack#11183).
		return nil, &failure{response: integrationFailure, status: http.StatusInternalServerError, integration: "Lambda answered " + strconv.Itoa(got.status) + " " + kind}
	case got.header.Get("X-Amz-Function-Error") != "":
		// In the access log AWS calls it so (DataBiosphere/azul#6624).
		return nil, &failure{response: integrationFailure, status: http.StatusBadGateway, integration: "Lambda Customer Function Error:" + functionError(got.body)}
	}
	var response proxyResponse
	err := json.Unmarshal(got.body, &response)
	status, statusErr := strconv.Atoi(string(response.StatusCode))
	result := &answer{status: status, header: http.Header{}}
	if err != nil || statusErr != nil || status < 100 || status > 599 || !result.addHeaders(response) {
		return nil, &failure{response: apiConfigurationError, status: http.StatusBadGateway, integration: "Malformed Lambda proxy response"}
	}
	if response.Body != nil {
		result.body = []byte(*response.Body)
	}
	if result.header.Get("Content-Type") == "" {
		result.header.Set("Content-Type", applicationJSON)
	}
	x.integration.function = status
	return result, nil
}

// functionError is what a function says of its failure.
func functionError(payload []byte) string {
	var said struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(payload, &said) != nil {
		return ""
	}
	return said.Message
}

// addHeaders adds a function's headers; it is false where one has no value that
// fits. A name in multiValueHeaders counts more than one in headers.
func (a *answer) addHeaders(response proxyResponse) bool {
	for name, value := range response.Headers {
		text, ok := scalar(value)
		if !ok {
			return false
		}
		a.header.Set(headerName(name), text)
	}
	for name, values := range response.MultiValueHeaders {
		a.header.Del(headerName(name))
		for _, value := range values {
			text, ok := scalar(value)
			if !ok {
				return false
			}
			a.header.Add(headerName(name), text)
		}
	}
	return true
}

func headerName(name string) string {
	canonical := http.CanonicalHeaderKey(name)
	if remapped[canonical] {
		return "X-Amzn-Remapped-" + canonical
	}
	return canonical
}

// scalar is a header's value as text.
func scalar(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	}
	return "", false
}
