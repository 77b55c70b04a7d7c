package judges

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const jsonType = "application/json"

// The kinds of facts about an API.
const (
	keySource           = "key source"
	keyRequired         = "key required"
	requestModel        = "request model"
	requestParameters   = "request parameters"
	validator           = "validator"
	response            = "response"
	responseHeaders     = "headers of response"
	responseModel       = "model of response"
	integration         = "integration"
	credentials         = "credentials"
	mapping             = "mapping"
	integrationResponse = "integration response"
	modelSchema         = "schema"
	gatewayResponse     = "gateway response"
)

// inLocalStack and inMoto are the facts that each emulator keeps of a document.
// LocalStack's free edition leaves the integrations' roles out; moto has little
// but the integrations.
var (
	inLocalStack = []string{
		keySource, keyRequired, requestModel, requestParameters, validator, response, responseHeaders, responseModel,
		integration, mapping, integrationResponse, modelSchema, gatewayResponse,
	}
	inMoto = []string{response, integration, credentials, mapping, integrationResponse}
)

// fact is one thing that can be said of an API: its kind and what it is about,
// such as "POST /infer".
type fact struct{ kind, about string }

type facts map[fact]any

// differences are the facts of the kinds that are not as wanted.
func differences(want, got facts, kinds []string) []string {
	var found []string
	both := maps.Clone(want)
	maps.Copy(both, got)
	for key := range both {
		if slices.Contains(kinds, key.kind) && !assert.ObjectsAreEqual(want[key], got[key]) {
			found = append(found, fmt.Sprintf("%s of %s is %v; the document says %v", key.kind, key.about, got[key], want[key]))
		}
	}
	slices.Sort(found)
	return found
}

// The parts of a document that API Gateway imports.
type (
	apiDocument struct {
		KeySource  string                              `json:"x-amazon-apigateway-api-key-source"`
		Validator  string                              `json:"x-amazon-apigateway-request-validator"`
		Validators map[string]validation               `json:"x-amazon-apigateway-request-validators"`
		Responses  map[string]gatewayReply             `json:"x-amazon-apigateway-gateway-responses"`
		Paths      map[string]map[string]documentRoute `json:"paths"`
		Components struct{ Schemas map[string]any }
	}
	validation struct {
		Body       bool `json:"validateRequestBody"`
		Parameters bool `json:"validateRequestParameters"`
	}
	documentRoute struct {
		Security    []map[string][]string
		Parameters  []documentParameter
		RequestBody struct{ Content map[string]mediaType }
		Responses   map[string]struct {
			Headers map[string]any
			Content map[string]mediaType
		}
		Integration struct {
			integrationFacts
			TimeoutInMillis int
			Responses       map[string]integrationReply
		} `json:"x-amazon-apigateway-integration"`
	}
	documentParameter struct {
		In, Name string
		Required bool
	}
	mediaType struct {
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
	integrationFacts struct {
		Type, URI, HTTPMethod, PassthroughBehavior, Credentials string
		RequestParameters, RequestTemplates                     map[string]string
	}
	integrationReply struct {
		StatusCode, SelectionPattern          string
		ResponseParameters, ResponseTemplates map[string]string
	}
	gatewayReply struct {
		StatusCode                            string
		ResponseParameters, ResponseTemplates map[string]string
	}
)

func (m mediaType) model() string { return m.Schema.Ref[strings.LastIndex(m.Schema.Ref, "/")+1:] }

// defaultTimeout is API Gateway's own, in milliseconds.
const defaultTimeout = 29000

// standardStatus is what API Gateway gives a response that states none (developer
// guide, "Gateway response types for API Gateway"); the default ones have none.
var standardStatus = map[string]string{"INTEGRATION_FAILURE": "504"}

var pathParameter = regexp.MustCompile(`\{(\w+)\}$`)

// ofDocument are the facts that a document states.
func ofDocument(t *testing.T, document map[string]any) facts {
	t.Helper()
	text, err := json.Marshal(document)
	require.NoError(t, err)
	var api apiDocument
	require.NoError(t, json.Unmarshal(text, &api))
	found := facts{{keySource, "the API"}: api.KeySource}
	for path, routes := range api.Paths {
		for name, route := range routes {
			about := strings.ToUpper(name) + " " + path
			parameters := map[string]bool{}
			for _, p := range route.Parameters {
				parameters["method.request."+p.In+"."+p.Name] = p.Required
			}
			// API Gateway declares the last segment's parameter by itself.
			for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
				parameters["method.request.path."+match[1]] = true
			}
			found[fact{keyRequired, about}] = len(route.Security) > 0
			found[fact{requestModel, about}] = route.RequestBody.Content[jsonType].model()
			found[fact{requestParameters, about}] = parameters
			found[fact{validator, about}] = api.Validators[api.Validator]
			for status, reply := range route.Responses {
				about := about + " " + status
				found[fact{response, about}] = true
				found[fact{responseHeaders, about}] = slices.Sorted(maps.Keys(reply.Headers))
				found[fact{responseModel, about}] = reply.Content[jsonType].model()
			}
			found.addIntegration(about, route.Integration.integrationFacts, route.Integration.TimeoutInMillis)
			for pattern, reply := range route.Integration.Responses {
				reply.SelectionPattern = strings.TrimPrefix(pattern, "default")
				found.addReply(about, reply)
			}
		}
	}
	for name, schema := range api.Components.Schemas {
		found[fact{modelSchema, name}] = schema
	}
	for kind, reply := range api.Responses {
		reply.StatusCode = cmp.Or(reply.StatusCode, standardStatus[kind])
		found[fact{gatewayResponse, kind}] = reply
	}
	return found
}

func (f facts) addIntegration(about string, i integrationFacts, timeout int) {
	if timeout == 0 {
		timeout = defaultTimeout
	}
	f[fact{integration, about}] = []any{strings.ToUpper(i.Type), i.URI, i.HTTPMethod, strings.ToUpper(i.PassthroughBehavior), timeout}
	f[fact{credentials, about}] = i.Credentials
	f[fact{mapping, about}] = []map[string]string{given(i.RequestParameters), given(i.RequestTemplates)}
}

func (f facts) addReply(about string, r integrationReply) {
	f[fact{integrationResponse, about + " " + r.StatusCode}] = []any{r.SelectionPattern, given(r.ResponseParameters), given(r.ResponseTemplates)}
}

// given makes no map and an empty one the same.
func given(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

// readBack is what apigateway.py prints of an API.
type readBack struct {
	Error    string
	Warnings []string
	API      struct{ APIKeySource string }
	Methods  map[string]struct {
		APIKeyRequired     bool
		RequestModels      map[string]string
		RequestParameters  map[string]bool
		RequestValidatorID string
		MethodResponses    map[string]struct {
			ResponseParameters map[string]bool
			ResponseModels     map[string]string
		}
		MethodIntegration struct {
			integrationFacts
			TimeoutInMillis      int
			IntegrationResponses map[string]integrationReply
		}
	}
	Models     []struct{ Name, Schema string }
	Validators []struct {
		ID                        string
		ValidateRequestBody       bool
		ValidateRequestParameters bool
	}
	GatewayResponses []struct {
		ResponseType    string
		DefaultResponse bool
		gatewayReply
	}
	Answers []answer
}

// facts are those of the API that an emulator has made.
func (r *readBack) facts(t *testing.T) facts {
	t.Helper()
	require.Empty(t, r.Error)
	require.NotEmpty(t, r.Methods)
	found := facts{{keySource, "the API"}: r.API.APIKeySource}
	validators := map[string]validation{}
	for _, v := range r.Validators {
		validators[v.ID] = validation{v.ValidateRequestBody, v.ValidateRequestParameters}
	}
	for about, method := range r.Methods {
		parameters := method.RequestParameters
		if parameters == nil {
			parameters = map[string]bool{}
		}
		found[fact{keyRequired, about}] = method.APIKeyRequired
		found[fact{requestModel, about}] = method.RequestModels[jsonType]
		found[fact{requestParameters, about}] = parameters
		found[fact{validator, about}] = validators[method.RequestValidatorID]
		for status, reply := range method.MethodResponses {
			var headers []string
			for name := range reply.ResponseParameters {
				headers = append(headers, strings.TrimPrefix(name, "method.response.header."))
			}
			slices.Sort(headers)
			about := about + " " + status
			found[fact{response, about}] = true
			found[fact{responseHeaders, about}] = headers
			found[fact{responseModel, about}] = reply.ResponseModels[jsonType]
		}
		found.addIntegration(about, method.MethodIntegration.integrationFacts, method.MethodIntegration.TimeoutInMillis)
		for _, reply := range method.MethodIntegration.IntegrationResponses {
			found.addReply(about, reply)
		}
	}
	for _, model := range r.Models {
		// Every API has a model Empty.
		if model.Name != "Empty" {
			var schema any
			require.NoError(t, json.Unmarshal([]byte(model.Schema), &schema))
			found[fact{modelSchema, model.Name}] = schema
		}
	}
	for _, reply := range r.GatewayResponses {
		if !reply.DefaultResponse {
			found[fact{gatewayResponse, reply.ResponseType}] = reply.gatewayReply
		}
	}
	return found
}

// open are the operations that need no key; only a browser's question may.
func open(got facts) []string {
	var found []string
	for key, required := range got {
		if key.kind == keyRequired && required == false && !strings.HasPrefix(key.about, http.MethodOptions+" ") {
			found = append(found, key.about+" needs no key")
		}
	}
	return found
}
