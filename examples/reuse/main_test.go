package main

import (
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mocks is an engine that notes what is registered, by type.
type mocks struct {
	mu         sync.Mutex
	registered map[string][]resource.PropertyMap
}

func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registered[args.TypeToken] = append(m.registered[args.TypeToken], args.Inputs)
	return args.Name + "-id", args.Inputs, nil
}

func (m *mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.NewPropertyMapFromMap(map[string]any{"accountId": "123456789012", "partition": "aws"}), nil
}

func TestTheFunctionGetsAnAPIOfItsOwn(t *testing.T) {
	m := &mocks{registered: map[string][]resource.PropertyMap{}}
	require.NoError(t, pulumi.RunErr(deploy, pulumi.WithMocks("search", "dev", m)))

	const alias = "arn:aws:lambda:ap-northeast-1:123456789012:function:search:live"
	require.Len(t, m.registered["aws:apigateway/restApi:RestApi"], 1)
	body := m.registered["aws:apigateway/restApi:RestApi"][0]["body"].StringValue()
	assert.Contains(t, body, alias+"/invocations")
	assert.Contains(t, body, `"api_key"`)
	require.Len(t, m.registered["aws:iam/rolePolicy:RolePolicy"], 1)
	assert.Contains(t, m.registered["aws:iam/rolePolicy:RolePolicy"][0]["policy"].StringValue(), `"`+alias+`"`)
	assert.Len(t, m.registered["aws:apigateway/usagePlanKey:UsagePlanKey"], 1)
	assert.Empty(t, m.registered["aws:lambda/function:Function"], "the function is somebody else's")
}
