package dynamodb_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/dynamodb"
)

// aliases are for attributes whose names DynamoDB reserves, and for some others.
var aliases = map[string]string{"#s": "status", "#o": "owner", "#l": "leaseUntil", "#t": "tries", "#e": "expiresAt", "#i": "id"}

// only picks the aliases that the expressions use.
func only(expressions ...string) map[string]string {
	used := map[string]string{}
	for alias, name := range aliases {
		if strings.Contains(strings.Join(expressions, " "), alias) {
			used[alias] = name
		}
	}
	if len(used) == 0 {
		return nil
	}
	return used
}

func TestConditions(t *testing.T) {
	running := values{"id": "a", "status": "running", "tries": 2, "leaseUntil": 1795000000123, "owner": "me"}
	tests := []struct {
		name, condition string
		item            values
		arguments       values
		want            bool
	}{
		{"there is none", "attribute_not_exists(#i)", nil, nil, true},
		{"there is one", "attribute_not_exists(#i)", running, nil, false},
		{"none to be found", "attribute_exists(#i)", nil, nil, false},
		{"expired", "attribute_not_exists(#i) OR #e < :n", values{"id": "a", "expiresAt": 4}, values{":n": 5}, true},
		{"not expired", "attribute_not_exists(#i) OR #e < :n", values{"id": "a", "expiresAt": 5}, values{":n": 5}, false},
		{"expired just now", "attribute_not_exists(#i) OR #e <= :n", values{"id": "a", "expiresAt": 5}, values{":n": 5}, true},
		{"numbers are no text", "#e < :n", values{"id": "a", "expiresAt": 9}, values{":n": 10}, true},
		{"no attribute to compare", "#l < :n", values{"id": "a"}, values{":n": 5}, false},
		{"one of", "#s IN (:q, :w)", running, values{":q": "queued", ":w": "running"}, true},
		{"none of", "#s IN (:q, :w)", running, values{":q": "queued", ":w": "waking"}, false},
		{"the last of a chain", "#s = :q OR #s = :w OR #s = :r", running, values{":q": "queued", ":w": "waking", ":r": "running"}, true},
		{"AND binds closer than OR", "#s = :r OR #s = :q AND #t < :n", running, values{":r": "running", ":q": "queued", ":n": 0}, true},
		{"but parentheses most", "(#s = :r OR #s = :q) AND #t < :n", running, values{":r": "running", ":q": "queued", ":n": 0}, false},
		{
			"a claim of what is queued", "attribute_exists(#i) AND (#s IN (:q, :w) OR (#s = :r AND #l < :n)) AND #t < :m",
			values{"id": "a", "status": "queued", "tries": 0},
			values{":q": "queued", ":w": "waking", ":r": "running", ":n": 1795000000123, ":m": 3},
			true,
		},
		{
			"a claim under a live lease", "#s IN (:q, :w) OR (#s = :r AND #l < :n)", running,
			values{":q": "queued", ":w": "waking", ":r": "running", ":n": 1795000000123},
			false,
		},
		{
			"a claim after the lease", "#s IN (:q, :w) OR (#s = :r AND #l < :n)", running,
			values{":q": "queued", ":w": "waking", ":r": "running", ":n": 1795000000124},
			true,
		},
		{"the owner", "#s = :r AND #o = :me", running, values{":r": "running", ":me": "me"}, true},
		{"another owner", "#s = :r AND #o = :me", running, values{":r": "running", ":me": "you"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if test.item != nil {
					w.put(test.item)
				}
				arguments := values{":new": "new"}
				for name, value := range test.arguments {
					arguments[name] = value
				}
				_, err := w.update("SET answer = :new", test.condition, only(test.condition), arguments)
				if !test.want {
					assert.Equal(t, "ConditionalCheckFailedException", code(t, err))
					assert.Equal(t, test.item, w.get("a"), "nothing has changed")
				} else {
					assert.NoError(t, err)
				}

				_, err = w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{
					TableName: aws.String("jobs"), Item: encode(values{"id": "a"}), ConditionExpression: &test.condition,
					ExpressionAttributeNames: only(test.condition), ExpressionAttributeValues: encode(test.arguments),
				})
				// The update has made an item where there was none.
				if test.want && test.item != nil {
					assert.NoError(t, err)
				} else {
					assert.Equal(t, "ConditionalCheckFailedException", code(t, err))
				}
			})
		})
	}
}

func TestUpdates(t *testing.T) {
	tests := []struct {
		name, expression string
		item             values
		arguments        values
		want             values
	}{
		{
			"a claim", "SET #s = :r, #o = :me, #l = :until ADD #t :one",
			values{"id": "a", "status": "queued", "tries": 1},
			values{":r": "running", ":me": "me", ":until": 1795000900123, ":one": 1},
			values{"id": "a", "status": "running", "owner": "me", "leaseUntil": 1795000900123, "tries": 2},
		},
		{
			"a try given back", "SET #s = :w ADD #t :minus REMOVE #o, #l",
			values{"id": "a", "status": "running", "owner": "me", "leaseUntil": 5, "tries": 1},
			values{":w": "waking", ":minus": -1},
			values{"id": "a", "status": "waking", "tries": 0},
		},
		{
			"REMOVE first", "REMOVE #o SET #s = :w",
			values{"id": "a", "owner": "me"},
			values{":w": "waking"},
			values{"id": "a", "status": "waking"},
		},
		{"REMOVE of nothing", "remove #o, answer", values{"id": "a", "tries": 1}, nil, values{"id": "a", "tries": 1}},
		{"ADD where there is no number", "ADD #t :one", values{"id": "a"}, values{":one": 1}, values{"id": "a", "tries": 1}},
		{"no item", "SET #s = :r", nil, values{":r": "running"}, values{"id": "a", "status": "running"}},
		{
			"text of every kind", "SET answer = :a",
			values{"id": "a"},
			values{":a": "日本 \"quoted\" \\ \x01 SET REMOVE <>&"},
			values{"id": "a", "answer": "日本 \"quoted\" \\ \x01 SET REMOVE <>&"},
		},
		{"empty text", "SET answer = :a", values{"id": "a"}, values{":a": ""}, values{"id": "a", "answer": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if test.item != nil {
					w.put(test.item)
				}
				got, err := w.update(test.expression, "", only(test.expression), test.arguments)
				require.NoError(t, err)
				assert.Equal(t, test.want, got)
				assert.Equal(t, test.want, w.get("a"))
			})
		})
	}
}

func TestReturnValues(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		put := func(answer string, want types.ReturnValue) values {
			out, err := w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{
				TableName: aws.String("jobs"), Item: encode(values{"id": "a", "answer": answer}), ReturnValues: want,
			})
			require.NoError(t, err)
			return decode(t, out.Attributes)
		}
		assert.Nil(t, put("1", types.ReturnValueAllOld), "there was none")
		assert.Equal(t, values{"id": "a", "answer": "1"}, put("2", types.ReturnValueAllOld))
		assert.Nil(t, put("3", ""))
		update := func(id string, want types.ReturnValue) values {
			out, err := w.client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
				TableName: aws.String("jobs"), Key: encode(values{"id": id}), UpdateExpression: aws.String("SET answer = :a"),
				ExpressionAttributeValues: encode(values{":a": "4"}), ReturnValues: want,
			})
			require.NoError(t, err)
			return decode(t, out.Attributes)
		}
		assert.Equal(t, values{"id": "a", "answer": "3"}, update("a", types.ReturnValueAllOld))
		assert.Nil(t, update("a", types.ReturnValueNone))
		assert.Equal(t, values{"id": "a", "answer": "4"}, update("a", types.ReturnValueAllNew))
		assert.Nil(t, update("b", types.ReturnValueAllOld), "there was none")
	})
}

func TestWhatIsRefused(t *testing.T) {
	put := func(item values) *awsdynamodb.PutItemInput {
		return &awsdynamodb.PutItemInput{TableName: aws.String("jobs"), Item: encode(item)}
	}
	number := func(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }
	with := func(input *awsdynamodb.PutItemInput, change func(*awsdynamodb.PutItemInput)) *awsdynamodb.PutItemInput {
		change(input)
		return input
	}
	tests := []struct {
		name, want, says string
		input            *awsdynamodb.PutItemInput
	}{
		{"no table", "ResourceNotFoundException", "", with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) { in.TableName = aws.String("none") })},
		{"no key", "ValidationException", "Missing the key id", put(values{"answer": "a"})},
		{"an empty key", "ValidationException", "empty string value", put(values{"id": ""})},
		{"a number as key", "ValidationException", "Type mismatch for key id", put(values{"id": 1})},
		{"a long key", "ValidationException", "2048 bytes", put(values{"id": strings.Repeat("x", 2049)})},
		{"a number that is none", "ValidationException", "cannot be converted", put(values{"id": "a", "n": number("1e")})},
		{"a long number", "ValidationException", "more than 15 digits", put(values{"id": "a", "n": number("1234567890123456")})},
		{"an empty list", "ValidationException", "no empty list", put(values{"id": "a", "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{}}})},
		{
			"a long number inside", "ValidationException", "more than 15 digits",
			put(values{"id": "a", "m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
				"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{number("0.1234567890123456")}},
			}}}),
		},
		{
			"a reserved word", "ValidationException", "reserved",
			with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) { in.ConditionExpression = aws.String("attribute_exists(status)") }),
		},
		{
			"a broken condition", "ValidationException", "",
			with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) { in.ConditionExpression = aws.String("attribute_exists(") }),
		},
		{
			"a name that is not used", "ValidationException", "unused",
			with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) {
				in.ConditionExpression = aws.String("attribute_not_exists(id)")
				in.ExpressionAttributeNames = map[string]string{"#s": "status"}
			}),
		},
		{
			"other return values", "ValidationException", "localcloud implements [NONE ALL_OLD]",
			with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) { in.ReturnValues = types.ReturnValueAllNew }),
		},
		{
			"a parameter that is not implemented", "SerializationException", "localcloud does not implement all of it",
			with(put(values{"id": "a"}), func(in *awsdynamodb.PutItemInput) {
				in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
			}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				_, err := w.client.PutItem(t.Context(), test.input)
				assert.Equal(t, test.want, code(t, err))
				assert.ErrorContains(t, err, test.says)
				assert.Zero(t, w.State()[0].Items)
			})
		})
	}
}

func TestUpdatesThatAreRefused(t *testing.T) {
	tests := []struct {
		name, expression, says string
		arguments              values
	}{
		{"the key", "SET id = :a", "", values{":a": "b"}},
		{"the key's removal", "REMOVE id", "", nil},
		{"a part of an attribute", "REMOVE answer.part", "whole attributes only", nil},
		{"a long number", "SET answer = :a", "more than 15 digits", values{":a": &types.AttributeValueMemberN{Value: "12345678901234567890"}}},
		{"a reserved word", "SET status = :a", "reserved", values{":a": "b"}},
		{"no text to add", "ADD answer :a", "", values{":a": "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.put(values{"id": "a", "answer": 1})
				_, err := w.update(test.expression, "", nil, test.arguments)
				assert.Equal(t, "ValidationException", code(t, err))
				assert.ErrorContains(t, err, test.says)
				assert.Equal(t, values{"id": "a", "answer": 1}, w.get("a"))
			})
		})
	}
}

func TestAnItemHas400KilobytesAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		// The names and the key count: id + a + answer + the text.
		const rest = 400<<10 - 2 - 1 - 6
		fits, tooLarge := strings.Repeat("x", rest), strings.Repeat("x", rest+1)
		w.put(values{"id": "a", "answer": fits})
		_, err := w.client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("jobs"), Item: encode(values{"id": "a", "answer": tooLarge})})
		assert.Equal(t, "ValidationException", code(t, err))
		assert.ErrorContains(t, err, "Item size has exceeded the maximum allowed size")

		_, err = w.update("SET answer = :a", "", nil, values{":a": tooLarge})
		assert.Equal(t, "ValidationException", code(t, err))
		assert.ErrorContains(t, err, "Item size to update has exceeded the maximum allowed size")
		assert.Equal(t, values{"id": "a", "answer": fits}, w.get("a"), "the item is as before")

		_, err = w.client.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
			TableName: aws.String("jobs"), Key: encode(values{"id": "b"}), UpdateExpression: aws.String("SET answer = :a"),
			ExpressionAttributeValues: encode(values{":a": tooLarge}),
		})
		assert.Error(t, err)
		assert.Nil(t, w.get("b"), "there is still none")
	})
}

func TestExpiredItemsGoInTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		go w.Run(t.Context())
		soon := int(time.Now().Add(time.Hour).Unix()) // On the wall clock, like the functions.
		const wall = 60                               // AWS time passes so much faster here.
		w.put(values{"id": "a", "expiresAt": soon})
		w.put(values{"id": "b"})
		w.put(values{"id": "c", "expiresAt": "never"})
		w.pass(wall * 48 * time.Hour)
		assert.NotNil(t, w.get("a"), "an item that has expired can be read for days")
		w.pass(wall * 3 * time.Hour)
		assert.Nil(t, w.get("a"))
		assert.Equal(t, 2, w.State()[0].Items)
	})
}

func TestTablesAreMadeByTheProvider(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, err := w.client.CreateTable(t.Context(), &awsdynamodb.CreateTableInput{
			TableName: aws.String("mine"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: "HASH"}},
		})
		assert.Equal(t, "UnknownOperationException", code(t, err))
		assert.ErrorContains(t, err, "tables are made by Pulumi")
		require.ErrorContains(t, w.Create(jobsTable()), "ResourceInUseException")
		require.ErrorContains(t, w.Update(dynamodb.Table{Name: "other"}), `table "other": ResourceNotFoundException`)
		require.NoError(t, w.Remove("jobs"))
		require.NoError(t, w.Remove("jobs"))
		assert.Empty(t, w.State())
		recorder := httptest.NewRecorder()
		w.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
		assert.Equal(t, http.StatusBadRequest, recorder.Code)
	})
}

func TestItemsSurviveARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		item := values{"id": "a", "answer": "日本", "tries": 3, "leaseUntil": 1795000000123}
		w.put(item)
		require.NoError(t, w.Close())
		w = open(t, w.path)
		require.NoError(t, w.Close(), "one that ends before the tables are back keeps everything")
		w = open(t, w.path)
		require.NoError(t, w.Resume(jobsTable()))
		assert.Equal(t, item, w.get("a"))
		_, err := w.update("ADD tries :one", "", nil, values{":one": 1})
		require.NoError(t, err)
		require.NoError(t, w.Close())

		w = open(t, w.path)
		require.NoError(t, w.Create(jobsTable()))
		assert.Nil(t, w.get("a"), "a new table is empty")
	})
}

func TestAKillLosesAMinuteAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		go w.Run(t.Context())
		w.put(values{"id": "a"})
		w.pass(61 * time.Second)
		w = open(t, w.path) // Nothing was closed.
		require.NoError(t, w.Resume(jobsTable()))
		assert.NotNil(t, w.get("a"))
	})
}

func TestABrokenFileIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, os.WriteFile(w.path, []byte("{"), 0o600))
		_, err := dynamodb.New(dynamodb.Options{Clock: w.clock, Path: w.path})
		require.ErrorContains(t, err, "cannot be read")
		assert.ErrorContains(t, err, "move it away with `mv "+w.path)
	})
}

func TestOneOfManyClaims(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.put(values{"id": "a", "status": "queued", "tries": 0})
		var all sync.WaitGroup
		var mu sync.Mutex
		claimed := 0
		for range 20 {
			all.Go(func() {
				_, err := w.update("SET #s = :r ADD #t :one REMOVE #o", "#s = :q", only("#s #t #o"), values{":r": "running", ":q": "queued", ":one": 1})
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					claimed++
				}
				w.State()
			})
		}
		all.Wait()
		assert.Equal(t, 1, claimed)
		assert.Equal(t, values{"id": "a", "status": "running", "tries": 1}, w.get("a"))
	})
}
