// Package proxy reads what API Gateway hands to a function that answers a whole
// request (API Gateway developer guide, "Lambda proxy integrations in API
// Gateway").
package proxy

import (
	"encoding/base64"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Headers are the request's headers, by their names in lower case.
func Headers(event events.APIGatewayProxyRequest) map[string]string {
	headers := make(map[string]string, len(event.Headers))
	for name, value := range event.Headers {
		headers[strings.ToLower(name)] = value
	}
	return headers
}

// Body is the request's body, decoded. What is not base64 after all is not JSON
// either, and whoever reads it refuses it as such.
func Body(event events.APIGatewayProxyRequest) string {
	if !event.IsBase64Encoded {
		return event.Body
	}
	decoded, _ := base64.StdEncoding.DecodeString(event.Body)
	return string(decoded)
}
