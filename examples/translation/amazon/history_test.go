package amazon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/translation/amazon"
	"scaletozero/examples/translation/translation"
	"scaletozero/localcloud/clock"
	local "scaletozero/localcloud/dynamodb"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// newHistory is an empty table of the local cloud, and a client of it.
func newHistory(t *testing.T) (*amazon.History, *dynamodb.Client) {
	t.Helper()
	config := configured(newTables(t, local.Table{Name: "history", HashKey: amazon.HashKey, RangeKey: amazon.RangeKey, TTLAttribute: amazon.TTLAttribute}))
	return amazon.NewHistory(config, "history"), dynamodb.NewFromConfig(config)
}

// newTables is the address of the local cloud's DynamoDB with those tables.
func newTables(t *testing.T, tables ...local.Table) string {
	t.Helper()
	ticking, err := clock.New(1)
	require.NoError(t, err)
	service, err := local.New(local.Options{Clock: ticking, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for _, table := range tables {
		require.NoError(t, service.Create(table))
	}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return server.URL
}

func entry(n int) translation.Entry {
	at := began.Add(time.Duration(n) * time.Minute)
	return translation.Entry{
		Caller: "key-id", ID: translation.NewID(at), Text: fmt.Sprintf("text %d", n), Translated: fmt.Sprintf("translated %d", n), From: "ja", To: "en",
		CreatedAt: at, ExpiresAt: at.Add(time.Hour).Truncate(time.Second),
	}
}

func TestTheNewestComesFirst(t *testing.T) {
	history, _ := newHistory(t)
	all := translation.Page{Caller: "key-id", Since: began, Limit: 3}
	entries, more, err := history.Read(t.Context(), all)
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.False(t, more)

	var kept []translation.Entry
	for n := range 7 {
		kept = append(kept, entry(n))
	}
	// Not in the order of their times.
	for _, n := range []int{3, 0, 6, 1, 5, 2, 4} {
		require.NoError(t, history.Put(t.Context(), kept[n]))
	}
	require.NoError(t, history.Put(t.Context(), kept[4]), "a second time")

	for _, test := range []struct {
		before []translation.Entry
		want   []translation.Entry
		more   bool
	}{
		{nil, []translation.Entry{kept[6], kept[5], kept[4]}, true},
		{kept[4:5], []translation.Entry{kept[3], kept[2], kept[1]}, true},
		{kept[3:4], []translation.Entry{kept[2], kept[1], kept[0]}, false},
		{kept[0:1], []translation.Entry{}, false},
	} {
		page := all
		for _, last := range test.before {
			page.Before = last.ID
		}
		entries, more, err := history.Read(t.Context(), page)
		require.NoError(t, err)
		assert.Equal(t, test.want, entries)
		assert.Equal(t, test.more, more)
	}

	entries, more, err = history.Read(t.Context(), translation.Page{Caller: "key-id", Since: kept[5].CreatedAt, Limit: 3})
	require.NoError(t, err)
	assert.Equal(t, []translation.Entry{kept[6], kept[5]}, entries, "the rest is too old")
	assert.False(t, more)

	all.Caller = "another-key-id"
	entries, _, err = history.Read(t.Context(), all)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestRowsThatAreNone(t *testing.T) {
	history, client := newHistory(t)
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("history"), Item: map[string]types.AttributeValue{
		amazon.HashKey: &types.AttributeValueMemberS{Value: "key-id"}, amazon.RangeKey: &types.AttributeValueMemberS{Value: entry(0).ID},
		"createdAt": &types.AttributeValueMemberS{Value: "yesterday"},
	}})
	require.NoError(t, err)
	_, _, err = history.Read(t.Context(), translation.Page{Caller: "key-id", Since: began, Limit: 3})
	for _, problem := range []string{`a row of "history"`, "text is missing", "to is missing", `cannot parse "yesterday"`, "expiresAt is missing"} {
		assert.ErrorContains(t, err, problem)
	}
}

func TestATableThatIsNotThere(t *testing.T) {
	history := amazon.NewHistory(configured(newTables(t)), "gone")
	assert.ErrorContains(t, history.Put(t.Context(), entry(0)), `writing a row of "gone": `)
	_, _, err := history.Read(t.Context(), translation.Page{Caller: "key-id", Since: began, Limit: 1})
	assert.ErrorContains(t, err, `reading rows of "gone": `)
}

// longest translates into a text of the size that the longest ones may have in a
// script of three bytes a letter.
type longest struct{}

func (longest) Translate(context.Context, string, string, string) (string, error) {
	return strings.Repeat("อ", 12_000), nil
}

// DynamoDB ends an answer at 1 MB, which is before the longest page of the longest
// entries; the history goes on behind it.
func TestAHistoryOfLongTextsIsReadToItsEnd(t *testing.T) {
	history, _ := newHistory(t)
	now := began
	api := &translation.API{
		Translator: longest{}, History: history, TTL: time.Hour, AllowOrigin: "*",
		Now: func() time.Time { return now }, NewID: translation.NewID, Log: slog.New(slog.DiscardHandler),
	}
	type entry struct{ ID string }
	var want []string
	for range translation.MaxLimit + 1 {
		now = now.Add(time.Second)
		reply := api.Answer(t.Context(), translation.Call{
			Route: translation.RouteTranslate, Caller: "key-id", Header: map[string]string{"content-type": "application/json"},
			Body: `{"text":"` + strings.Repeat("a", translation.MaxTextBytes) + `","from":"en","to":"th"}`,
		})
		require.Equal(t, 200, reply.Status, reply.Body)
		var kept entry
		require.NoError(t, json.Unmarshal([]byte(reply.Body), &kept))
		want = append([]string{kept.ID}, want...)
	}
	var got []string
	var pages []int
	query := map[string]string{"limit": strconv.Itoa(translation.MaxLimit)}
	for range len(want) {
		reply := api.Answer(t.Context(), translation.Call{Route: translation.RouteHistory, Caller: "key-id", Query: query})
		require.Equal(t, 200, reply.Status, reply.Body)
		var page struct {
			Translations []entry
			NextToken    string
		}
		require.NoError(t, json.Unmarshal([]byte(reply.Body), &page))
		for _, one := range page.Translations {
			got = append(got, one.ID)
		}
		pages = append(pages, len(page.Translations))
		if page.NextToken == "" {
			break
		}
		query["nextToken"] = page.NextToken
	}
	assert.Equal(t, want, got)
	assert.Equal(t, []int{23, 3}, pages, "a page is shorter than its limit where it is 1 MB")
}
