package function_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/function"
	"scaletozero/components/gateway"
)

func TestModelRouteIsAnAPI(t *testing.T) {
	schema, err := gateway.ParseSchema([]byte(`{"type":"object"}`))
	require.NoError(t, err)
	scope := ofImage().Scope
	args := &gateway.Args{
		Scope: scope, APIName: "songs", StageName: "dev", AllowOrigin: "*", CredentialsArn: scope.Role("songs"),
		APIKeys:   []gateway.APIKey{{Name: "a", Enabled: true}},
		RateLimit: 10, BurstLimit: 20, MonthlyQuota: 100, LogRetentionDays: 7,
		Routes: []gateway.Route{
			function.ModelRoute("/infer", "infer", "Asks the model.", scope.FunctionAlias("songs-dev", function.AliasName), schema),
		},
	}
	doc, err := gateway.Document(args)
	require.NoError(t, err)
	written, err := doc.MarshalJSON()
	require.NoError(t, err)
	assert.Contains(t, string(written), "arn:aws:lambda:ap-northeast-1:123456789012:function:songs-dev:live/invocations")
	read, err := openapi3.NewLoader().LoadFromData(written)
	require.NoError(t, err)
	require.NoError(t, read.Validate(context.Background()))

	post := read.Paths.Value("/infer").Post
	assert.Equal(t, "infer", post.OperationID)
	assert.Equal(t, "Asks the model.", post.Summary)
	want := map[int][]string{
		200: nil,
		415: nil,
		502: {"X-Upstream-Error"},
		503: {"Retry-After", "X-Upstream-Error"},
		504: nil,
	}
	assert.Equal(t, len(want), post.Responses.Len())
	for status, headers := range want {
		response := post.Responses.Status(status)
		require.NotNil(t, response, status)
		if status == http.StatusOK {
			assert.Empty(t, response.Value.Content, "a model may answer anything")
		} else {
			assert.Equal(t, "#/components/schemas/Error", response.Value.Content.Get("application/json").Schema.Ref)
		}
		for _, header := range append(headers, "Access-Control-Allow-Origin", "Access-Control-Expose-Headers") {
			assert.Contains(t, response.Value.Headers, header, status)
		}
	}
	client, err := gateway.ClientDocument(args)
	require.NoError(t, err)
	responses := client.Paths.Value("/infer").Post.Responses
	assert.NotNil(t, responses.Value("400"), "API Gateway checks the body itself")
	assert.Equal(t, "The model did not answer in time.", *responses.Value("504").Value.Description)
}
