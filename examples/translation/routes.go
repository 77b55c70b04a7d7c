package main

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"scaletozero/components/gateway"
	"scaletozero/examples/translation/translation"
)

// Paths of the two routes.
const (
	translatePath = "/translate"
	historyPath   = "/history"
)

const retryAfter = "Retry-After"

// routes are the operations that the function answers, and how. functionArn is
// that of its alias.
func routes(functionArn string) []gateway.Route {
	return []gateway.Route{
		{
			Method: http.MethodPost, Path: translatePath, OperationID: "translate", Request: requestSchema(),
			Summary: "Translates a text.",
			Function: &gateway.Lambda{FunctionArn: functionArn, Replies: []gateway.Reply{
				{Status: http.StatusOK, Description: "The translation. It is in the history, unless saved is false.", Body: &gateway.Model{Name: "Translation", Schema: entrySchema()}},
				{Status: http.StatusBadRequest, Description: "The request body does not match the request schema, or Amazon Translate does not take the text or the languages."},
				{Status: http.StatusRequestEntityTooLarge, Description: "The text is longer than 10,000 bytes of UTF-8."},
				{Status: http.StatusUnsupportedMediaType, Description: "Send the body as application/json."},
				{Status: http.StatusBadGateway, Description: "Amazon Translate failed to answer this request."},
				{Status: http.StatusServiceUnavailable, Description: "Amazon Translate is busy. Try again after the time in Retry-After.", Headers: []string{retryAfter}},
				{Status: http.StatusGatewayTimeout, Description: "Amazon Translate did not answer in time."},
			}},
		},
		{
			Method: http.MethodGet, Path: historyPath, OperationID: "readHistory",
			Summary: "Lists what the key has translated, the newest first.",
			Function: &gateway.Lambda{FunctionArn: functionArn, Query: []string{"limit", "nextToken"}, Replies: []gateway.Reply{
				{Status: http.StatusOK, Description: "A page of the history. nextToken is there if there is more, for the query parameter of the same name.", Body: &gateway.Model{Name: "History", Schema: historySchema()}},
				{Status: http.StatusBadRequest, Description: "limit is not a whole number from 1 to 25, or nextToken is not one that the history has answered with."},
				{Status: http.StatusServiceUnavailable, Description: "The history could not be read. Try again after the time in Retry-After.", Headers: []string{retryAfter}},
			}},
		},
	}
}

// requestSchema leaves the text's length to the function: API Gateway counts
// characters, and Amazon Translate bytes.
func requestSchema() *openapi3.Schema {
	language := func(fallback string) *openapi3.Schema {
		schema := openapi3.NewStringSchema().WithPattern(translation.Language)
		schema.Description = "A language code of Amazon Translate; " + fallback + " where it is missing."
		return schema
	}
	return openapi3.NewObjectSchema().
		WithProperty("text", openapi3.NewStringSchema().WithMinLength(1)).
		WithProperty("from", language(translation.DefaultFrom)).
		WithProperty("to", language(translation.DefaultTo)).
		WithRequired([]string{"text"}).
		WithoutAdditionalProperties()
}

func entrySchema() *openapi3.Schema {
	text := openapi3.NewStringSchema
	saved := openapi3.NewBoolSchema()
	saved.Description = "False where the translation could not be kept in the history; missing elsewhere."
	return openapi3.NewObjectSchema().
		WithProperty("id", text()).
		WithProperty("text", text()).
		WithProperty("translated", text()).
		WithProperty("from", text()).
		WithProperty("to", text()).
		WithProperty("createdAt", text().WithFormat("date-time")).
		WithProperty("saved", saved).
		WithRequired([]string{"id", "text", "translated", "from", "to", "createdAt"})
}

func historySchema() *openapi3.Schema {
	return openapi3.NewObjectSchema().
		WithProperty("translations", openapi3.NewArraySchema().WithItems(entrySchema())).
		WithProperty("nextToken", openapi3.NewStringSchema()).
		WithRequired([]string{"translations"})
}
