package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/gateway"
)

type object = map[string]any

const functionURI = "arn:aws:apigateway:ap-northeast-1:lambda:path/2015-03-31/functions/arn:aws:lambda:ap-northeast-1:123456789012:function:submit/invocations"

// proxied is an API with a key that hands POST /jobs and GET /jobs/{id} to a
// function; the changes are made to both integrations.
func proxied(t *testing.T, change object) []byte {
	t.Helper()
	integration := object{
		"type": "aws_proxy", "uri": functionURI, "httpMethod": "POST", "credentials": "arn:aws:iam::123456789012:role/gateway",
		"timeoutInMillis": 29000,
	}
	maps.Copy(integration, change)
	maps.DeleteFunc(integration, func(_ string, value any) bool { return value == nil })
	operation := func(body any) object {
		o := object{
			"security":  []any{object{"api_key": []any{}}},
			"responses": object{"200": object{"description": "answered"}}, "x-amazon-apigateway-integration": integration,
		}
		if body != nil {
			o["requestBody"] = body
		}
		return o
	}
	get := operation(nil)
	get["parameters"] = []any{object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string"}}}
	content, err := json.Marshal(object{
		"openapi": "3.0.1", "info": object{"title": "jobs", "version": "1"},
		"x-amazon-apigateway-request-validators": object{"all": object{"validateRequestBody": true, "validateRequestParameters": true}},
		"x-amazon-apigateway-request-validator":  "all",
		"x-amazon-apigateway-gateway-responses":  object{"DEFAULT_5XX": object{"responseParameters": object{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}},
		"components":                             object{"securitySchemes": object{"api_key": object{"type": "apiKey", "name": "x-api-key", "in": "header"}}},
		"paths": object{
			"/jobs":      object{"post": operation(object{"content": object{"application/json": object{"schema": object{"type": "object", "required": []any{"songs"}}}}})},
			"/jobs/{id}": object{"get": get},
		},
	})
	require.NoError(t, err)
	return content
}

// function is a Lambda whose one function gives the answer.
func function(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name, value, found := strings.Cut(header, ": "); found {
			w.Header().Set(name, value)
		}
		w.Header().Set("X-Amzn-RequestId", "of-the-invocation")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// serveFunction deploys the API over the function.
func serveFunction(t *testing.T, content []byte, lambda http.Handler, change ...func(*gateway.Stage)) string {
	t.Helper()
	api, err := gateway.Import(content)
	require.NoError(t, err)
	g := gateway.New(gateway.Options{Services: map[string]http.Handler{"lambda": lambda}, Clock: realTime(t)})
	stage := gateway.Stage{API: api, Keys: []gateway.Key{{ID: "key1", Value: goodKey, Enabled: true}}}
	for _, f := range change {
		f(&stage)
	}
	g.Deploy("abc123", "dev", stage)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return server.URL
}

func job(method, path, body string) call {
	return call{method, "/abc123/dev" + path, body, map[string]string{"x-api-key": goodKey, "Content-Type": "application/json"}}
}

func TestWhatAFunctionGets(t *testing.T) {
	var path, event string
	lambda := func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		path, event = r.URL.Path, string(content)
		_, _ = io.WriteString(w, `{"statusCode":200}`)
	}
	base := serveFunction(t, proxied(t, nil), http.HandlerFunc(lambda))
	changing := regexp.MustCompile(`"(requestTime|extendedRequestId|requestId|domainName|Host|User-Agent|userAgent)":("[^"]*"|\["[^"]*"\])|"requestTimeEpoch":\d+`)
	host := strings.TrimPrefix(base, "http://")
	tests := []struct {
		name string
		call call
		want string
	}{
		{"a job", job("POST", "/jobs", `{"songs":[]}`), `{"resource":"/jobs","path":"/jobs","httpMethod":"POST",
			"headers":{"Accept-Encoding":"gzip","Content-Length":"12","Content-Type":"application/json","X-Api-Key":"good-key-0123456789abcdef","X-Forwarded-For":"127.0.0.1"},
			"multiValueHeaders":{"Accept-Encoding":["gzip"],"Content-Length":["12"],"Content-Type":["application/json"],"X-Api-Key":["good-key-0123456789abcdef"],"X-Forwarded-For":["127.0.0.1"]},
			"queryStringParameters":null,"multiValueQueryStringParameters":null,"pathParameters":null,"stageVariables":null,
			"requestContext":{"resourcePath":"/jobs","httpMethod":"POST","path":"/dev/jobs","accountId":"123456789012","protocol":"HTTP/1.1","stage":"dev","domainPrefix":"abc123","apiId":"abc123",
			"identity":{"cognitoIdentityPoolId":null,"accountId":null,"cognitoIdentityId":null,"caller":null,"apiKey":"good-key-0123456789abcdef","apiKeyId":"key1","sourceIp":"127.0.0.1",
			"principalOrgId":null,"accessKey":null,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null,"userArn":null,"user":null}},
			"body":"{\"songs\":[]}","isBase64Encoded":false}`},
		{"a question", job("GET", "/jobs/a%2Fb%20c?page=1&page=2", ""), `{"resource":"/jobs/{id}","path":"/jobs/a%2Fb%20c","httpMethod":"GET",
			"headers":{"Accept-Encoding":"gzip","Content-Type":"application/json","X-Api-Key":"good-key-0123456789abcdef","X-Forwarded-For":"127.0.0.1"},
			"multiValueHeaders":{"Accept-Encoding":["gzip"],"Content-Type":["application/json"],"X-Api-Key":["good-key-0123456789abcdef"],"X-Forwarded-For":["127.0.0.1"]},
			"queryStringParameters":{"page":"2"},"multiValueQueryStringParameters":{"page":["1","2"]},"pathParameters":{"id":"a/b c"},"stageVariables":null,
			"requestContext":{"resourcePath":"/jobs/{id}","httpMethod":"GET","path":"/dev/jobs/a%2Fb%20c","accountId":"123456789012","protocol":"HTTP/1.1","stage":"dev","domainPrefix":"abc123","apiId":"abc123",
			"identity":{"cognitoIdentityPoolId":null,"accountId":null,"cognitoIdentityId":null,"caller":null,"apiKey":"good-key-0123456789abcdef","apiKeyId":"key1","sourceIp":"127.0.0.1",
			"principalOrgId":null,"accessKey":null,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null,"userArn":null,"user":null}},
			"body":null,"isBase64Encoded":false}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.call.send(t, base)
			require.Equal(t, 200, got.status, got.body)
			assert.Equal(t, "/2015-03-31/functions/arn:aws:lambda:ap-northeast-1:123456789012:function:submit/invocations", path)
			assert.Contains(t, event, `"requestId":"`+got.header.Get("X-Amzn-RequestId")+`"`)
			assert.Contains(t, event, `"domainName":"`+host+`"`)
			assert.Contains(t, event, `"userAgent":"Go-http-client/1.1"`)
			plain := changing.ReplaceAllString(event, "")
			plain = regexp.MustCompile(`,(,|})`).ReplaceAllString(regexp.MustCompile(`,+`).ReplaceAllString(plain, ","), "$1")
			assert.JSONEq(t, test.want, strings.ReplaceAll(plain, "{,", "{"))
		})
	}
}

func TestWhatAFunctionAnswers(t *testing.T) {
	const broken = `{"message":"Internal server error"}`
	tests := []struct {
		name   string
		lambda http.HandlerFunc
		status int
		body   string
		header map[string]string
	}{
		{
			"the whole", function(200, "", `{"statusCode":202,"headers":{"Location":"/dev/jobs/1","X-Count":3,"X-Yes":true},"body":"{}","isBase64Encoded":false}`), 202, `{}`,
			map[string]string{"Location": "/dev/jobs/1", "X-Count": "3", "X-Yes": "true", "Content-Type": "application/json", "Access-Control-Allow-Origin": ""},
		},
		{"nothing but a status", function(200, "", `{"statusCode":204}`), 204, ``, nil},
		{"a status as text", function(200, "", `{"statusCode":"404","body":null,"headers":null}`), 404, ``, nil},
		{"a type", function(200, "", `{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"a"}`), 200, `a`, map[string]string{"Content-Type": "text/plain"}},
		{"headers of several values", function(200, "", `{"statusCode":200,"headers":{"x-a":"1"},"multiValueHeaders":{"X-A":["2","3"]}}`), 200, ``, map[string]string{"X-A": "2, 3"}},
		{
			"headers that are the gateway's", function(200, "", `{"statusCode":200,"headers":{"content-length":"9","Server":"mine"},"body":"ab"}`), 200, `ab`,
			map[string]string{"X-Amzn-Remapped-Content-Length": "9", "X-Amzn-Remapped-Server": "mine", "Server": ""},
		},
		{"Base64 stays without binary media types", function(200, "", `{"statusCode":200,"body":"YQ==","isBase64Encoded":true}`), 200, `YQ==`, nil},

		{"no JSON", function(200, "", `done`), 502, broken, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"null", function(200, "", `null`), 502, broken, nil},
		{"no status", function(200, "", `{"body":"{}"}`), 502, broken, nil},
		{"a status that is none", function(200, "", `{"statusCode":99}`), 502, broken, nil},
		{"a body that is no text", function(200, "", `{"statusCode":200,"body":{}}`), 502, broken, nil},
		{"a header that is no value", function(200, "", `{"statusCode":200,"headers":{"a":{}}}`), 502, broken, nil},
		{"one of several values that is none", function(200, "", `{"statusCode":200,"multiValueHeaders":{"a":[[]]}}`), 502, broken, nil},
		{"a function that failed", function(200, "X-Amz-Function-Error: Unhandled", `{"errorMessage":"secret"}`), 502, broken, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"a function that is throttled", function(429, "X-Amzn-ErrorType: TooManyRequestsException", `{}`), 500, broken, nil},
		{"a function that is not there", function(404, "X-Amzn-ErrorType: ResourceNotFoundException", `{}`), 500, broken, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := job("GET", "/jobs/1", "").send(t, serveFunction(t, proxied(t, nil), test.lambda))
			assert.Equal(t, test.status, got.status)
			assert.Equal(t, test.body, got.body)
			for name, value := range test.header {
				assert.Equal(t, value, strings.Join(got.header.Values(name), ", "), name)
			}
		})
	}
}

func TestAFunctionIsGuardedAsOtherRoutes(t *testing.T) {
	called := 0
	lambda := func(w http.ResponseWriter, r *http.Request) {
		called++
		if called == 2 {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, `{"statusCode":200}`)
	}
	base := serveFunction(t, proxied(t, object{"timeoutInMillis": 50}), http.HandlerFunc(lambda), func(s *gateway.Stage) {
		s.Throttles = map[string]gateway.Throttle{"jobs/POST": {RateLimit: 0.001, BurstLimit: 1}}
	})
	noKey := job("POST", "/jobs", `{"songs":[]}`)
	noKey.header = nil
	assert.Equal(t, 403, noKey.send(t, base).status)
	assert.Equal(t, 200, job("POST", "/jobs", `{"songs":[]}`).send(t, base).status)
	assert.Equal(t, 429, job("POST", "/jobs", `{"songs":[]}`).send(t, base).status)
	assert.Equal(t, 403, job("GET", "/jobs/", "").send(t, base).status, "an empty parameter is no parameter")
	assert.Equal(t, 504, job("GET", "/jobs/1", "").send(t, base).status)
	assert.Equal(t, 2, called)

	invalid := serveFunction(t, proxied(t, nil), http.HandlerFunc(lambda))
	assert.Equal(t, 400, job("POST", "/jobs", `{}`).send(t, invalid).status)
	assert.Equal(t, 2, called)
}

func TestAFunctionInTheAccessLog(t *testing.T) {
	var log bytes.Buffer
	base := serveFunction(t, proxied(t, nil), function(200, "", `{"statusCode":404}`), func(s *gateway.Stage) {
		s.AccessLog = &log
		s.AccessLogFormat = "$context.status $context.integration.status $context.integration.integrationStatus $context.integrationStatus " +
			"$context.integration.requestId $context.identity.apiKeyId $context.identity.apiKey $context.integration.error"
	})
	job("GET", "/jobs/1", "").send(t, base)
	assert.Equal(t, "404 404 200 200 of-the-invocation key1 - -\n", log.String())

	log.Reset()
	base = serveFunction(t, proxied(t, nil), function(200, "X-Amz-Function-Error: Unhandled", `{"errorMessage":"refused"}`), func(s *gateway.Stage) {
		s.AccessLog = &log
		s.AccessLogFormat = "$context.status $context.integration.status $context.integration.error"
	})
	job("GET", "/jobs/1", "").send(t, base)
	assert.Equal(t, "502 200 Lambda Customer Function Error:refused\n", log.String())
}

// What is invoked is the function, or its alias or version.
func TestAQualifiedFunction(t *testing.T) {
	for _, qualifier := range []string{":live", ":7", ":$LATEST"} {
		var path string
		lambda := func(w http.ResponseWriter, r *http.Request) {
			path = r.URL.Path
			_, _ = io.WriteString(w, `{"statusCode":200}`)
		}
		uri := strings.Replace(functionURI, ":submit/", ":submit"+qualifier+"/", 1)
		base := serveFunction(t, proxied(t, object{"uri": uri}), http.HandlerFunc(lambda))
		job("GET", "/jobs/1", "").send(t, base)
		assert.Equal(t, "/2015-03-31/functions/arn:aws:lambda:ap-northeast-1:123456789012:function:submit"+qualifier+"/invocations", path)
	}
}

func TestImportRefusesOfFunctions(t *testing.T) {
	tests := []struct {
		name   string
		change object
		want   string
	}{
		{"another service", object{"uri": "arn:aws:apigateway:ap-northeast-1:runtime.sagemaker:path/endpoints/a/invocations"}, "an aws_proxy integration reaches a function only"},
		{"two qualifiers", object{"uri": strings.Replace(functionURI, ":submit/", ":submit:live:1/", 1)}, "with or without an alias or a version behind the ARN"},
		{"another method", object{"httpMethod": "GET"}, `httpMethod is "GET": an aws_proxy integration needs POST`},
		{"no role", object{"credentials": nil}, "permissions of the function itself are not served"},
		{"a template", object{"requestTemplates": object{"application/json": "$input.body"}}, "leave them out"},
		{"responses", object{"responses": object{"default": object{"statusCode": "200"}}}, "leave them out"},
		{"a timeout", object{"timeoutInMillis": 49}, "timeoutInMillis is 49"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := gateway.Import(proxied(t, test.change))
			invalid := new(gateway.ImportError)
			require.ErrorAs(t, err, &invalid)
			require.Len(t, invalid.Problems, 2, "one for each operation")
			assert.Contains(t, invalid.Problems[0], "POST /jobs: ")
			assert.Contains(t, invalid.Problems[0], test.want)
		})
	}
}
