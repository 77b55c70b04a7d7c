package gateway_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/gateway"
	"scaletozero/internal/recorder"
)

func TestGatewayKeyAndPlan(t *testing.T) {
	graph := run(t, args(t))
	key := graph.Only(t, keyToken)
	assert.Equal(t, "songs-api-dev-a", key.Inputs["name"].StringValue())
	assert.True(t, key.Inputs["enabled"].BoolValue())
	assert.Contains(t, key.Secrets, "value")
	assert.NotContains(t, key.Inputs, "value", "API Gateway makes the key")
	plan := graph.Only(t, planToken).Inputs
	assert.Equal(t, 10.0, plan["throttleSettings"].ObjectValue()["rateLimit"].NumberValue())
	assert.Equal(t, 20.0, plan["throttleSettings"].ObjectValue()["burstLimit"].NumberValue())
	assert.Equal(t, 10_000.0, plan["quotaSettings"].ObjectValue()["limit"].NumberValue())
	assert.Equal(t, "MONTH", plan["quotaSettings"].ObjectValue()["period"].StringValue())
	assert.Equal(t, "dev", plan["apiStages"].ArrayValue()[0].ObjectValue()["stage"].StringValue())
	planKey := graph.Only(t, planKeyToken)
	assert.Equal(t, "songs-api-dev-a-id", planKey.Inputs["keyId"].StringValue())
	assert.Contains(t, planKey.Secrets, "value", "the provider repeats the key here in plain text")
}

// The current key is what the stack's outputs name.
func TestGatewayKeys(t *testing.T) {
	a, b := gateway.APIKey{Name: "a", Enabled: true}, gateway.APIKey{Name: "b", Enabled: true}
	disabled := func(key gateway.APIKey) gateway.APIKey { key.Enabled = false; return key }
	for name, test := range map[string]struct {
		keys    []gateway.APIKey
		current string
	}{
		"one":                  {[]gateway.APIKey{a}, "songs-api-dev-a-id"},
		"two":                  {[]gateway.APIKey{a, b}, "songs-api-dev-b-id"},
		"the old one disabled": {[]gateway.APIKey{disabled(a), b}, "songs-api-dev-b-id"},
		"the new one disabled": {[]gateway.APIKey{a, disabled(b)}, "songs-api-dev-a-id"},
	} {
		t.Run(name, func(t *testing.T) {
			withKeys := args(t)
			withKeys.APIKeys = test.keys
			current := make(chan string, 1)
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				created, err := gateway.New(ctx, "songs-api-dev", withKeys)
				if err == nil {
					created.APIKeyID.ApplyT(func(id string) string { current <- id; return id })
				}
				return err
			})
			require.NoError(t, err)
			assert.Equal(t, test.current, <-current)

			registered, joined := graph.OfType(keyToken), graph.OfType(planKeyToken)
			require.Len(t, registered, len(test.keys))
			require.Len(t, joined, len(test.keys))
			for i, key := range test.keys {
				assert.Equal(t, key.Enabled, registered[i].Inputs["enabled"].BoolValue(), key.Name)
				assert.Equal(t, registered[i].Name+"-id", joined[i].Inputs["keyId"].StringValue())
				assert.Equal(t, "songs-api-dev-id", joined[i].Inputs["usagePlanId"].StringValue(), "one plan has them all")
				assert.Contains(t, joined[i].Secrets, "value")
			}
			assert.Len(t, run(t, withKeys, recorder.Preview).Resources, len(graph.Resources))
		})
	}
}
