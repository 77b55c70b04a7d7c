package provider_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

func TestTableInputsAreThoseOfTheRealProvider(t *testing.T) {
	c := newCloud(t)
	tests := []struct {
		name   string
		inputs props
		want   []string
	}{
		{"all is well", jobsTable(), nil},
		{"provisioned", merged(jobsTable(), props{"billingMode": "PROVISIONED", "readCapacity": 1, "writeCapacity": 1}), nil},
		{"unknown values pass", merged(jobsTable(), props{"hashKey": unknown}), nil},
		{"a short name", merged(jobsTable(), props{"name": "ab"}), []string{"name must match"}},
		{"a billing mode", merged(jobsTable(), props{"billingMode": "FREE", "readCapacity": 1, "writeCapacity": 1}), []string{"billingMode must be one of"}},
		{"no capacity", props{"hashKey": "id", "attributes": jobsTable()["attributes"]}, []string{"billingMode PROVISIONED needs"}},
		{
			"an attribute that is no key",
			merged(jobsTable(), props{"attributes": []any{props{"name": "id", "type": "S"}, props{"name": "status", "type": "S"}}}),
			[]string{"all attributes must be indexed"},
		},
		{"a key without its attribute", merged(jobsTable(), props{"hashKey": "other"}), []string{`attributes must be the key attributes ["other"]`}},
		{
			"a range key",
			merged(jobsTable(), props{"rangeKey": "at", "attributes": []any{props{"name": "at", "type": "S"}, props{"name": "id", "type": "S"}}}), nil,
		},
		{"a range key without its attribute", merged(jobsTable(), props{"rangeKey": "at"}), []string{`attributes must be the key attributes ["at" "id"]`}},
		{"a ttl of nothing", merged(jobsTable(), props{"ttl": props{"enabled": true}}), []string{"ttl needs both"}},
		{"a ttl that is off", merged(jobsTable(), props{"ttl": props{"attributeName": "expiresAt"}}), []string{"ttl needs both"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, reasons := c.check(provider.TypeTable, "it", test.inputs, nil)
			require.Len(t, reasons, len(test.want), "%v", reasons)
			for i, want := range test.want {
				assert.Contains(t, reasons[i], want)
			}
		})
	}
	checked, _ := c.check(provider.TypeTable, "it", merged(jobsTable(), props{"billingMode": nil, "readCapacity": 1, "writeCapacity": 1}), nil)
	assert.Subset(t, c.decode(checked).Mappable(), props{"billingMode": "PROVISIONED", "tableClass": "STANDARD"})
}

func TestTablesThatAreNotImplementedAreRefused(t *testing.T) {
	c := newCloud(t)
	tests := []struct {
		name   string
		inputs props
		want   string
	}{
		{"an index", props{"localSecondaryIndexes": []any{props{"name": "by", "rangeKey": "at", "projectionType": "ALL"}}}, "no localSecondaryIndexes"},
		{"a stream", props{"streamEnabled": true}, "no streamEnabled"},
		{"a number as key", props{"attributes": []any{props{"name": "id", "type": "N"}}}, `attribute "id" must be S`},
		{"a number as range key", props{"rangeKey": "at", "attributes": []any{props{"name": "id", "type": "S"}, props{"name": "at", "type": "N"}}}, `attribute "at" must be S`},
		{"no key", props{"hashKey": nil}, "a table needs a hashKey"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.tryCreate(provider.TypeTable, "it", merged(jobsTable(), test.inputs))
			assert.ErrorContains(t, err, test.want)
		})
	}
	assert.Empty(t, c.tables.State())
}

// item sends one operation to the tables.
func (c *cloud) item(operation, body string) string {
	c.t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	c.tables.ServeHTTP(recorder, request)
	require.Equal(c.t, http.StatusOK, recorder.Code, recorder.Body)
	return strings.TrimSpace(recorder.Body.String())
}

func TestATableLivesWithItsResource(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	inputs := merged(jobsTable(), props{"name": "jobs"})
	d := c.create(provider.TypeTable, inputs)
	assert.Equal(t, "jobs", d.id)
	assert.Equal(t, "arn:aws:dynamodb:ap-northeast-1:123456789012:table/jobs", c.text(d, "arn"))
	c.item("PutItem", `{"TableName":"jobs","Item":{"id":{"S":"a"}}}`)
	d, err := c.update(d, recheck(c, d, merged(inputs, props{"ttl": props{"enabled": true, "attributeName": "expiresAt"}, "deletionProtectionEnabled": true})))
	require.NoError(t, err)
	assert.Equal(t, "expiresAt", c.tables.State()[0].TTLAttribute)

	require.NoError(t, c.tables.Close())
	c = openCloud(t, state)
	assert.JSONEq(t, `{"Item":{"id":{"S":"a"}}}`, c.item("GetItem", `{"TableName":"jobs","Key":{"id":{"S":"a"}}}`), "a restart serves the table again")

	require.ErrorContains(t, c.delete(d), "currently protected against deletion")
	d, err = c.update(d, recheck(c, d, inputs))
	require.NoError(t, err)
	require.NoError(t, c.delete(d))
	assert.Empty(t, c.tables.State())
	c.create(provider.TypeTable, inputs)
	assert.Zero(t, c.tables.State()[0].Items, "a new table is empty")
}

func TestATableWithARangeKeyIsQueried(t *testing.T) {
	c := newCloud(t)
	c.create(provider.TypeTable, merged(jobsTable(), props{
		"name": "events", "rangeKey": "at", "attributes": []any{props{"name": "id", "type": "S"}, props{"name": "at", "type": "S"}},
	}))
	for _, at := range []string{"1", "2"} {
		c.item("PutItem", `{"TableName":"events","Item":{"id":{"S":"a"},"at":{"S":"`+at+`"}}}`)
	}
	got := c.item("Query", `{"TableName":"events","KeyConditionExpression":"id = :id","ExpressionAttributeValues":{":id":{"S":"a"}},"ScanIndexForward":false}`)
	assert.JSONEq(t, `{"Items":[{"id":{"S":"a"},"at":{"S":"2"}},{"id":{"S":"a"},"at":{"S":"1"}}],"Count":2,"ScannedCount":2}`, got)
}
