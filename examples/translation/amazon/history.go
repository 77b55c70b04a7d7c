package amazon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scaletozero/examples/translation/translation"
)

// The table's keys and the attribute that says when a row expires. A caller's rows
// are under one value of the hash key, and ids sort by time, so that one Query reads
// a page, whatever days it is of. What one such value takes at most is in the
// README.
const (
	HashKey      = "caller"
	RangeKey     = "id"
	TTLAttribute = "expiresAt"
)

// History is a translation.History.
type History struct {
	table  string
	client *dynamodb.Client
}

var _ translation.History = (*History)(nil)

// NewHistory returns the history in the table of that name, which has the strings
// HashKey and RangeKey as keys.
func NewHistory(config aws.Config, table string) *History {
	return &History{table, dynamodb.NewFromConfig(config)}
}

type item = map[string]types.AttributeValue

func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }

// Put is described at translation.History.
func (h *History) Put(ctx context.Context, entry translation.Entry) error {
	_, err := h.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &h.table, Item: item{
		HashKey: text(entry.Caller), RangeKey: text(entry.ID),
		"text": text(entry.Text), "translated": text(entry.Translated), "from": text(entry.From), "to": text(entry.To),
		"createdAt":  text(translation.FormatTime(entry.CreatedAt)),
		TTLAttribute: &types.AttributeValueMemberN{Value: strconv.FormatInt(entry.ExpiresAt.Unix(), 10)},
	}})
	if err != nil {
		return fmt.Errorf("writing a row of %q: %w", h.table, err)
	}
	return nil
}

// Read is described at translation.History. It asks for one row more than the page
// has, to know whether there is one. DynamoDB also ends an answer at 1 MB, and a
// page is then shorter than its limit.
func (h *History) Read(ctx context.Context, page translation.Page) ([]translation.Entry, bool, error) {
	query := &dynamodb.QueryInput{
		TableName:                 &h.table,
		KeyConditionExpression:    aws.String("#caller = :caller AND #id > :oldest"),
		ExpressionAttributeNames:  map[string]string{"#caller": HashKey, "#id": RangeKey},
		ExpressionAttributeValues: item{":caller": text(page.Caller), ":oldest": text(translation.FirstID(page.Since))},
		ScanIndexForward:          aws.Bool(false),
		Limit:                     aws.Int32(int32(page.Limit) + 1), //nolint:gosec // translation.MaxLimit is far below
		// A caller finds what it was answered a moment ago.
		ConsistentRead: aws.Bool(true),
	}
	if page.Before != "" {
		query.ExclusiveStartKey = item{HashKey: text(page.Caller), RangeKey: text(page.Before)}
	}
	out, err := h.client.Query(ctx, query)
	if err != nil {
		return nil, false, fmt.Errorf("reading rows of %q: %w", h.table, err)
	}
	more := len(out.LastEvaluatedKey) > 0
	if len(out.Items) > page.Limit {
		out.Items, more = out.Items[:page.Limit], true
	}
	entries := make([]translation.Entry, len(out.Items))
	for i, row := range out.Items {
		if entries[i], err = decode(row); err != nil {
			return nil, false, fmt.Errorf("a row of %q: %w", h.table, err)
		}
	}
	return entries, more, nil
}

func decode(row item) (translation.Entry, error) {
	var problems []error
	read := func(name string) string {
		value, ok := row[name].(*types.AttributeValueMemberS)
		if !ok {
			problems = append(problems, fmt.Errorf("%s is missing", name))
			return ""
		}
		return value.Value
	}
	entry := translation.Entry{
		Caller: read(HashKey), ID: read(RangeKey), Text: read("text"), Translated: read("translated"), From: read("from"), To: read("to"),
	}
	created, err := time.Parse(time.RFC3339, read("createdAt"))
	problems = append(problems, err)
	entry.CreatedAt = created
	expires, ok := row[TTLAttribute].(*types.AttributeValueMemberN)
	if !ok {
		return entry, errors.Join(append(problems, fmt.Errorf("%s is missing", TTLAttribute))...)
	}
	seconds, err := strconv.ParseInt(expires.Value, 10, 64)
	entry.ExpiresAt = time.Unix(seconds, 0).UTC()
	return entry, errors.Join(append(problems, err)...)
}
