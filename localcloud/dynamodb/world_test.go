package dynamodb_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/dynamodb"
)

// values are an item, with text for strings and int for numbers.
type values map[string]any

// world is a Service with the table jobs and the real SDK's client, inside a bubble
// of synctest.
type world struct {
	*dynamodb.Service
	t      *testing.T
	clock  *clock.Clock
	path   string
	client *awsdynamodb.Client
}

func jobsTable() dynamodb.Table {
	return dynamodb.Table{ARN: "arn:aws:dynamodb:ap-northeast-1:123456789012:table/jobs", Name: "jobs", HashKey: "id", TTLAttribute: "expiresAt"}
}

func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tables.json")
	synctest.Test(t, func(t *testing.T) {
		w := open(t, path)
		require.NoError(t, w.Create(jobsTable()))
		test(t, w)
	})
}

func open(t *testing.T, path string) *world {
	t.Helper()
	c, err := clock.New(60)
	require.NoError(t, err)
	w := &world{t: t, clock: c, path: path}
	w.Service, err = dynamodb.New(dynamodb.Options{Clock: c, Path: path, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w.client = awsdynamodb.New(awsdynamodb.Options{
		BaseEndpoint: aws.String("http://localhost/_localcloud/aws/dynamodb"), Region: "ap-northeast-1", HTTPClient: inMemory{w.Service},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), RetryMaxAttempts: 1,
	})
	return w
}

// inMemory sends requests to a handler without a network.
type inMemory struct{ http.Handler }

func (m inMemory) Do(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	m.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// pass lets AWS time pass, d and a little more: what is rounded down on the wall clock would be a little less.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.clock.Sleep(w.t.Context(), d+time.Microsecond))
}

func encode(v values) map[string]types.AttributeValue {
	if v == nil {
		return nil
	}
	out := map[string]types.AttributeValue{}
	for name, value := range v {
		switch value := value.(type) {
		case string:
			out[name] = &types.AttributeValueMemberS{Value: value}
		case int:
			out[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(value)}
		case types.AttributeValue:
			out[name] = value
		default:
			panic(fmt.Sprintf("%T", value))
		}
	}
	return out
}

func decode(t *testing.T, item map[string]types.AttributeValue) values {
	t.Helper()
	if item == nil {
		return nil
	}
	out := values{}
	for name, value := range item {
		switch value := value.(type) {
		case *types.AttributeValueMemberS:
			out[name] = value.Value
		case *types.AttributeValueMemberN:
			var n int
			_, err := fmt.Sscan(value.Value, &n)
			require.NoError(t, err)
			out[name] = n
		default:
			out[name] = value
		}
	}
	return out
}

func (w *world) get(id string) values {
	w.t.Helper()
	got, err := w.client.GetItem(w.t.Context(), &awsdynamodb.GetItemInput{
		TableName: aws.String("jobs"), Key: encode(values{"id": id}), ConsistentRead: aws.Bool(true),
	})
	require.NoError(w.t, err)
	return decode(w.t, got.Item)
}

func (w *world) put(item values) {
	w.t.Helper()
	_, err := w.client.PutItem(w.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("jobs"), Item: encode(item)})
	require.NoError(w.t, err)
}

// update is an UpdateItem of the item a that returns the new item. Names that are
// not in the expressions are left out, as DynamoDB wants it.
func (w *world) update(expression, condition string, names map[string]string, arguments values) (values, error) {
	w.t.Helper()
	input := &awsdynamodb.UpdateItemInput{
		TableName: aws.String("jobs"), Key: encode(values{"id": "a"}), UpdateExpression: &expression, ReturnValues: types.ReturnValueAllNew,
		ExpressionAttributeNames: names, ExpressionAttributeValues: encode(arguments),
	}
	if condition != "" {
		input.ConditionExpression = &condition
	}
	out, err := w.client.UpdateItem(w.t.Context(), input)
	if err != nil {
		return nil, err
	}
	return decode(w.t, out.Attributes), nil
}

func code(t *testing.T, err error) string {
	t.Helper()
	var refused smithy.APIError
	require.ErrorAs(t, err, &refused)
	return refused.ErrorCode()
}
