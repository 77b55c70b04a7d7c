package provider_test

import (
	"encoding/json"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"

	"scaletozero/localcloud/provider"
)

// FuzzCheck: whatever an engine may send for a resource, Check answers with
// failures or an error; and inputs that pass, pass again.
func FuzzCheck(f *testing.F) {
	const secret, asset, reference = "1b47061264138c4ac30d75fd1eb44270", "c44067f5952c0a294b673a41bacd8c17", "5cf8f73096256a8f31e491e813e4eb8e"
	for _, seed := range []struct{ typ, news, olds string }{
		{provider.TypeRole, `{"assumeRolePolicy":{"a":[null,1e400]}}`, `{}`},
		{provider.TypeRole, `{"assumeRolePolicy":"04da6b54-80e4-46f7-96ec-b56ff0331ba9","name":""}`, `{"name":1,"__defaults":["name"]}`},
		{provider.TypeAPIKey, `{"value":{"4dabf18193072939515e22adb298388d":"` + secret + `","value":"short"}}`, `null`},
		{provider.TypeRestAPI, `{"body":{"4dabf18193072939515e22adb298388d":"` + asset + `","text":"a"}}`, `{"__defaults":{}}`},
		{provider.TypeStack, `{"templateBody":"{","parameters":{"a":{"4dabf18193072939515e22adb298388d":"` + reference + `","urn":"u"}}}`, `{}`},
		{provider.TypeUsagePlan, `{"apiStages":[{"apiId":"a","throttles":[null]}],"quotaSettings":[]}`, `{}`},
		{provider.TypeMethodSettings, `{"restApi":"a","settings":{"throttlingBurstLimit":0.5},"__defaults":["settings"]}`, `{}`},
		{provider.TypeMetricAlarm, `{"threshold":"1","dimensions":{"":""},"tagsAll":{}}`, `{}`},
		{provider.TypeModel, `{"executionRoleArn":"r","name":"a_b","primaryContainer":{"image":"","environment":{"a":null}}}`, `{}`},
		{provider.TypeScalingPolicy, `{"stepScalingPolicyConfiguration":{"stepAdjustments":[{"metricIntervalLowerBound":0}]}}`, `{}`},
		{provider.TypeLogGroup, `{"retentionInDays":2,"name":"x"}`, `{"name":"y"}`},
		{"aws:nothing/nothing:Nothing", `{}`, `{}`},
		{"", `[]`, `0`},
	} {
		f.Add(seed.typ, seed.news, seed.olds)
	}
	store, err := provider.OpenStore(f.TempDir() + "/state.json")
	require.NoError(f, err)
	server := provider.New(provider.Options{Store: store})
	f.Fuzz(func(t *testing.T, typ, news, olds string) {
		request := &pulumirpc.CheckRequest{Urn: urn(typ, "it"), News: &structpb.Struct{}, Olds: &structpb.Struct{}, RandomSeed: []byte("seed")}
		if json.Unmarshal([]byte(news), request.News) != nil || json.Unmarshal([]byte(olds), request.Olds) != nil {
			return
		}
		answer, err := server.Check(t.Context(), request)
		if err != nil || len(answer.GetFailures()) > 0 {
			return
		}
		request.News = answer.GetInputs()
		again, err := server.Check(t.Context(), request)
		require.NoError(t, err)
		require.Empty(t, again.GetFailures())
	})
}
