package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// ClientDocument is the document for those who call the API: the same routes,
// schemas and answers, without the preflight operations and without what only
// API Gateway needs, such as the role's ARN.
func ClientDocument(args *Args) (*openapi3.T, error) {
	doc, err := Document(args)
	if err != nil {
		return nil, err
	}
	withoutAmazon(doc.Extensions)
	for _, item := range doc.Paths.Map() {
		item.SetOperation(http.MethodOptions, nil)
		for _, operation := range item.Operations() {
			withoutAmazon(operation.Extensions)
			declareRefusals(operation)
		}
	}
	doc.Servers = openapi3.Servers{{
		URL: "https://{apiId}.execute-api.{region}.amazonaws.com/{stage}",
		Variables: map[string]*openapi3.ServerVariable{
			"apiId":  {Default: "apiGatewayId", Description: "The stack's output apiGatewayId."},
			"region": {Default: args.Scope.Region},
			"stage":  {Default: args.StageName},
		},
	}}
	return doc, nil
}

// bodyRefusals are those of gatewayErrors that a request without a body never
// meets.
var bodyRefusals = map[string]bool{"BAD_REQUEST_BODY": true, "UNSUPPORTED_MEDIA_TYPE": true}

// declareRefusals adds what API Gateway answers by itself. It is left out of
// the document that API Gateway gets, which would take it for the endpoint's.
func declareRefusals(operation *openapi3.Operation) {
	for _, name := range slices.Sorted(maps.Keys(gatewayErrors)) {
		refusal := gatewayErrors[name]
		status := strconv.Itoa(refusal.status)
		if refusal.status == 0 || operation.Responses.Value(status) != nil || operation.RequestBody == nil && bodyRefusals[name] {
			continue
		}
		operation.Responses.Set(status, response(refusal.message, errorModel, refusal.headers(methodHeader, "*")))
	}
}

func withoutAmazon(extensions map[string]any) {
	for name := range extensions {
		if strings.HasPrefix(name, "x-amazon-") {
			delete(extensions, name)
		}
	}
}
