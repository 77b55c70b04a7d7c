package dynamodb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/dynamodb"
)

func eventsTable() dynamodb.Table {
	return dynamodb.Table{Name: "events", HashKey: "of", RangeKey: "at", TTLAttribute: "expiresAt"}
}

// withEvents is a table with a range key, and events in it that were not put in
// the order of their keys.
func withEvents(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Create(eventsTable()))
		for _, at := range []string{"3", "1", "5", "2", "4"} {
			w.event(values{"of": "a", "at": at, "note": "event " + at})
			w.event(values{"of": "b", "at": at})
		}
		test(t, w)
	})
}

func (w *world) event(item values) {
	w.t.Helper()
	_, err := w.client.PutItem(w.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: encode(item)})
	require.NoError(w.t, err)
}

func query(change func(*awsdynamodb.QueryInput)) *awsdynamodb.QueryInput {
	input := &awsdynamodb.QueryInput{
		TableName: aws.String("events"), KeyConditionExpression: aws.String("#of = :of"),
		ExpressionAttributeNames: map[string]string{"#of": "of"}, ExpressionAttributeValues: encode(values{":of": "a"}),
	}
	change(input)
	return input
}

func TestQueryReadsInTheOrderOfTheRangeKey(t *testing.T) {
	by := func(expression, bound string) func(*awsdynamodb.QueryInput) {
		return func(in *awsdynamodb.QueryInput) {
			in.KeyConditionExpression = aws.String(expression)
			in.ExpressionAttributeValues[":at"] = &types.AttributeValueMemberS{Value: bound}
			in.ExpressionAttributeNames["#at"] = "at"
			if !strings.Contains(expression, "#at") {
				delete(in.ExpressionAttributeNames, "#at")
			}
		}
	}
	behind := func(at string) func(*awsdynamodb.QueryInput) {
		return func(in *awsdynamodb.QueryInput) { in.ExclusiveStartKey = encode(values{"of": "a", "at": at}) }
	}
	backward := func(in *awsdynamodb.QueryInput) { in.ScanIndexForward = aws.Bool(false) }
	limited := func(in *awsdynamodb.QueryInput) { in.Limit = aws.Int32(2) }
	tests := []struct {
		name    string
		changes []func(*awsdynamodb.QueryInput)
		want    string
		last    string
	}{
		{"all", nil, "12345", ""},
		{"backward", []func(*awsdynamodb.QueryInput){backward}, "54321", ""},
		{"above", []func(*awsdynamodb.QueryInput){by("#of = :of AND #at > :at", "2")}, "345", ""},
		{"from", []func(*awsdynamodb.QueryInput){by("#of = :of and at >= :at", "2")}, "2345", ""},
		{"below", []func(*awsdynamodb.QueryInput){by("#of=:of AND #at<:at", "2")}, "1", ""},
		{"up to", []func(*awsdynamodb.QueryInput){by("#of = :of AND #at <= :at", "2")}, "12", ""},
		{"one", []func(*awsdynamodb.QueryInput){by("#of = :of AND #at = :at", "2")}, "2", ""},
		{"none", []func(*awsdynamodb.QueryInput){by("#of = :of AND #at > :at", "9")}, "", ""},
		{"a page", []func(*awsdynamodb.QueryInput){limited}, "12", "2"},
		{"the next", []func(*awsdynamodb.QueryInput){limited, behind("2")}, "34", "4"},
		{"the last", []func(*awsdynamodb.QueryInput){limited, behind("4")}, "5", ""},
		{"behind what is not there", []func(*awsdynamodb.QueryInput){behind("25")}, "345", ""},
		{"backward, the next", []func(*awsdynamodb.QueryInput){backward, limited, behind("4")}, "32", "2"},
		{"backward, from what is not there", []func(*awsdynamodb.QueryInput){backward, behind("25")}, "21", ""},
		{"a page that ends with the last item", []func(*awsdynamodb.QueryInput){backward, limited, behind("3")}, "21", "1"},
		{"behind the last item", []func(*awsdynamodb.QueryInput){backward, limited, behind("1")}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withEvents(t, func(t *testing.T, w *world) {
				input := query(func(in *awsdynamodb.QueryInput) {
					in.ConsistentRead = aws.Bool(true)
					for _, change := range test.changes {
						change(in)
					}
				})
				got, err := w.client.Query(t.Context(), input)
				require.NoError(t, err)
				var order strings.Builder
				for _, item := range got.Items {
					found := decode(t, item)
					assert.Equal(t, values{"of": "a", "at": found["at"], "note": "event " + found["at"].(string)}, found)
					order.WriteString(found["at"].(string))
				}
				assert.Equal(t, test.want, order.String())
				assert.Equal(t, len(test.want), int(got.Count))
				assert.Equal(t, len(test.want), int(got.ScannedCount))
				if test.last == "" {
					assert.Nil(t, got.LastEvaluatedKey)
				} else {
					assert.Equal(t, values{"of": "a", "at": test.last}, decode(t, got.LastEvaluatedKey))
				}
			})
		})
	}
}

func TestAPageEndsAtAMegabyte(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		for _, at := range []string{"1", "2", "3"} {
			w.event(values{"of": "large", "at": at, "note": strings.Repeat("x", 400_000)})
		}
		large := query(func(in *awsdynamodb.QueryInput) { in.ExpressionAttributeValues = encode(values{":of": "large"}) })
		got, err := w.client.Query(t.Context(), large)
		require.NoError(t, err)
		assert.Len(t, got.Items, 3)
		assert.NotNil(t, got.LastEvaluatedKey, "there may be more: nothing says that there is not")
		large.ExclusiveStartKey = got.LastEvaluatedKey
		got, err = w.client.Query(t.Context(), large)
		require.NoError(t, err)
		assert.Empty(t, got.Items)
	})
}

func TestQueriesThatAreRefused(t *testing.T) {
	startingAt := func(at string) func(*awsdynamodb.QueryInput) {
		return func(in *awsdynamodb.QueryInput) {
			in.KeyConditionExpression = aws.String("#of = :of AND at > :at")
			in.ExpressionAttributeValues[":at"] = &types.AttributeValueMemberS{Value: "2"}
			in.ScanIndexForward = aws.Bool(false)
			in.ExclusiveStartKey = encode(values{"of": "a", "at": at})
		}
	}
	tests := []struct {
		name   string
		change func(*awsdynamodb.QueryInput)
		code   string
		want   string
	}{
		{"no table", func(in *awsdynamodb.QueryInput) { in.TableName = aws.String("none") }, "ResourceNotFoundException", "not found"},
		{"a table without a range key", func(in *awsdynamodb.QueryInput) { in.TableName = aws.String("jobs") }, "ValidationException", "localcloud implements queries of tables with a range key"},
		{"no condition", func(in *awsdynamodb.QueryInput) { in.KeyConditionExpression = nil }, "ValidationException", "localcloud implements"},
		{"another function", func(in *awsdynamodb.QueryInput) {
			in.KeyConditionExpression = aws.String("#of = :of AND begins_with(at, :of)")
		}, "ValidationException", "localcloud implements"},
		{"another attribute", func(in *awsdynamodb.QueryInput) { in.ExpressionAttributeNames["#of"] = "note" }, "ValidationException", "missed key schema element: of"},
		{"a name that is not used", func(in *awsdynamodb.QueryInput) { in.ExpressionAttributeNames["#x"] = "note" }, "ValidationException", "ExpressionAttributeNames unused in expressions: keys: {#x}"},
		{"a value that is not used", func(in *awsdynamodb.QueryInput) {
			in.ExpressionAttributeValues[":x"] = &types.AttributeValueMemberS{Value: "x"}
		}, "ValidationException", "ExpressionAttributeValues unused in expressions: keys: {:x}"},
		{"no value", func(in *awsdynamodb.QueryInput) { in.ExpressionAttributeValues = nil }, "ValidationException", "does not match schema type"},
		{"a number", func(in *awsdynamodb.QueryInput) { in.ExpressionAttributeValues = encode(values{":of": 1}) }, "ValidationException", "does not match schema type"},
		{"a page of none", func(in *awsdynamodb.QueryInput) { in.Limit = aws.Int32(0) }, "ValidationException", "greater than or equal to 1"},
		{"a start elsewhere", func(in *awsdynamodb.QueryInput) { in.ExclusiveStartKey = encode(values{"of": "b", "at": "1"}) }, "ValidationException", "The provided starting key is outside query boundaries based on provided conditions"},
		{"a start at the bound", startingAt("2"), "ValidationException", "The provided starting key does not match the range key predicate"},
		{"a start before the bound", startingAt("1"), "ValidationException", "The provided starting key does not match the range key predicate"},
		{"half a start", func(in *awsdynamodb.QueryInput) { in.ExclusiveStartKey = encode(values{"of": "a"}) }, "ValidationException", "starting key is invalid"},
		{"a filter", func(in *awsdynamodb.QueryInput) { in.FilterExpression = aws.String("attribute_exists(note)") }, "SerializationException", "FilterExpression"},
		{"an index", func(in *awsdynamodb.QueryInput) { in.IndexName = aws.String("byNote") }, "SerializationException", "IndexName"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withEvents(t, func(t *testing.T, w *world) {
				_, err := w.client.Query(t.Context(), query(test.change))
				assert.Equal(t, test.code, code(t, err))
				assert.ErrorContains(t, err, test.want)
			})
		})
	}
}

func TestItemsWithARangeKeyHaveBothKeys(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		table := aws.String("events")
		got, err := w.client.GetItem(t.Context(), &awsdynamodb.GetItemInput{TableName: table, Key: encode(values{"of": "a", "at": "2"})})
		require.NoError(t, err)
		assert.Equal(t, values{"of": "a", "at": "2", "note": "event 2"}, decode(t, got.Item))
		_, err = w.client.GetItem(t.Context(), &awsdynamodb.GetItemInput{TableName: table, Key: encode(values{"of": "a"})})
		assert.ErrorContains(t, err, "does not match the schema")

		updated, err := w.client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
			TableName: table, Key: encode(values{"of": "a", "at": "2"}), UpdateExpression: aws.String("SET seen = :one REMOVE note"),
			ExpressionAttributeValues: encode(values{":one": 1}), ReturnValues: types.ReturnValueAllNew,
		})
		require.NoError(t, err)
		assert.Equal(t, values{"of": "a", "at": "2", "seen": 1}, decode(t, updated.Attributes))
		old, err := w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: table, Item: encode(values{"of": "a", "at": "2"}), ReturnValues: types.ReturnValueAllOld})
		require.NoError(t, err)
		assert.Equal(t, values{"of": "a", "at": "2", "seen": 1}, decode(t, old.Attributes))

		for _, wrong := range []values{
			{"of": "a"},
			{"of": "a", "at": ""},
			{"of": "a", "at": 1},
			{"of": "a", "at": strings.Repeat("x", 1025)},
		} {
			_, err := w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: table, Item: encode(wrong)})
			assert.Equal(t, "ValidationException", code(t, err), "%v", wrong)
		}
	})
}

func TestItemsWithARangeKeySurviveARestartAndExpire(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Close())
		w = open(t, w.path)
		require.NoError(t, w.Resume(eventsTable()))
		got, err := w.client.Query(t.Context(), query(func(*awsdynamodb.QueryInput) {}))
		require.NoError(t, err)
		assert.Len(t, got.Items, 5)

		w.event(values{"of": "a", "at": "3", "expiresAt": 1})
		go w.Run(t.Context())
		w.pass(61 * time.Minute)
		got, err = w.client.Query(t.Context(), query(func(*awsdynamodb.QueryInput) {}))
		require.NoError(t, err)
		assert.Len(t, got.Items, 4, "the one that expired is gone, and no other of its hash key")
	})
}
