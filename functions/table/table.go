// Package table keeps jobs in a DynamoDB table with the string key "id". Every
// method is one request with a fixed expression (DynamoDB developer guide,
// "Condition expressions"), so that what can happen to a row is all here.
package table

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"scaletozero/functions/jobs"
)

// attempts is how often a request is made in all. A row that cannot be written
// costs a whole run of the model.
const attempts = 5

// Table is a jobs.Table.
type Table struct {
	name   string
	client *dynamodb.Client
}

var _ jobs.Table = (*Table)(nil)

// New returns the table of that name.
func New(config aws.Config, name string) *Table {
	return &Table{name, dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.RetryMaxAttempts = attempts })}
}

// Create is described at jobs.Table.
func (t *Table) Create(ctx context.Context, job jobs.Job) (bool, error) {
	return t.put(ctx, encode(job), "attribute_not_exists(#id) OR #expiresAt <= :now",
		map[string]string{"#id": "id", "#expiresAt": "expiresAt"},
		item{":now": seconds(job.CreatedAt)})
}

// Get is described at jobs.Table.
func (t *Table) Get(ctx context.Context, id string) (jobs.Job, bool, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: item{"id": text(id)}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return jobs.Job{}, false, fmt.Errorf("reading a row of %q: %w", t.name, err)
	}
	if len(out.Item) == 0 {
		return jobs.Job{}, false, nil
	}
	job, err := decode(out.Item)
	return job, err == nil, err
}

// Claim is described at jobs.Table.
func (t *Table) Claim(ctx context.Context, claim jobs.Claim) (jobs.Job, bool, error) {
	row, done, err := t.update(ctx, claim.ID,
		"#requestHash = :requestHash AND :now < #expiresAt AND"+
			" (#status IN (:queued, :waking) OR (#status = :running AND #leaseUntil < :nowMillis))",
		"SET #status = :running, #owner = :owner, #leaseUntil = :leaseUntil, #updatedAt = :updatedAt ADD #tries :one",
		map[string]string{
			"#requestHash": "requestHash", "#expiresAt": "expiresAt", "#status": "status", "#leaseUntil": "leaseUntil",
			"#owner": "owner", "#updatedAt": "updatedAt", "#tries": "tries",
		},
		item{
			":requestHash": text(claim.RequestHash), ":now": seconds(claim.Now), ":nowMillis": millis(claim.Now),
			":queued": text(string(jobs.Queued)), ":waking": text(string(jobs.Waking)), ":running": text(string(jobs.Running)),
			":owner": text(claim.Owner), ":leaseUntil": millis(claim.LeaseUntil),
			":updatedAt": text(jobs.FormatTime(claim.Now)), ":one": number(1),
		})
	if err != nil || !done {
		return jobs.Job{}, false, err
	}
	job, err := decode(row)
	return job, err == nil, err
}

// owned is the condition of whoever has a job.
const owned = "#owner = :owner AND #status = :running"

// Release is described at jobs.Table.
func (t *Table) Release(ctx context.Context, id, owner string, status jobs.Status, tries int, now time.Time) (bool, error) {
	_, done, err := t.update(ctx, id, owned,
		"SET #status = :status, #updatedAt = :updatedAt REMOVE #owner, #leaseUntil ADD #tries :tries",
		map[string]string{
			"#status": "status", "#updatedAt": "updatedAt", "#owner": "owner", "#leaseUntil": "leaseUntil", "#tries": "tries",
		},
		item{
			":owner": text(owner), ":running": text(string(jobs.Running)), ":status": text(string(status)),
			":updatedAt": text(jobs.FormatTime(now)), ":tries": number(int64(tries)),
		})
	return done, err
}

// Finish is described at jobs.Table.
func (t *Table) Finish(ctx context.Context, id, owner string, outcome jobs.Outcome, now time.Time) (bool, error) {
	names := map[string]string{"#status": "status", "#updatedAt": "updatedAt", "#owner": "owner", "#leaseUntil": "leaseUntil"}
	values := item{
		":owner": text(owner), ":running": text(string(jobs.Running)), ":status": text(string(outcome.Status())),
		":updatedAt": text(jobs.FormatTime(now)),
	}
	var change string
	if outcome.ErrorCode == "" {
		change = "SET #status = :status, #updatedAt = :updatedAt, #result = :result, #contentType = :contentType REMOVE #owner, #leaseUntil"
		names["#result"], names["#contentType"] = "result", "contentType"
		values[":result"], values[":contentType"] = text(outcome.Result), text(outcome.ContentType)
	} else {
		change = "SET #status = :status, #updatedAt = :updatedAt, #errorCode = :errorCode, #errorMessage = :errorMessage REMOVE #owner, #leaseUntil"
		names["#errorCode"], names["#errorMessage"] = "errorCode", "errorMessage"
		values[":errorCode"], values[":errorMessage"] = text(outcome.ErrorCode), text(outcome.ErrorMessage)
	}
	_, done, err := t.update(ctx, id, owned, change, names, values)
	return done, err
}

// wakeTTL is how long the row of a wake-up is kept after it has served.
const wakeTTL = time.Hour

// AskOnce is described at jobs.Table. The row's id is no job's, because jobs
// have UUIDs.
func (t *Table) AskOnce(ctx context.Context, component string, since, now time.Time) (bool, error) {
	return t.put(ctx,
		item{"id": text("wake#" + component), "askedAt": seconds(now), "expiresAt": seconds(now.Add(wakeTTL))},
		"attribute_not_exists(#id) OR #askedAt <= :since",
		map[string]string{"#id": "id", "#askedAt": "askedAt"},
		item{":since": seconds(since)})
}

func (t *Table) put(ctx context.Context, row item, condition string, names map[string]string, values item) (bool, error) {
	_, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.name, Item: row, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	return t.carriedOut(err)
}

func (t *Table) update(ctx context.Context, id, condition, change string, names map[string]string, values item) (item, bool, error) {
	out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: item{"id": text(id)}, ConditionExpression: &condition, UpdateExpression: &change,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllNew,
	})
	done, err := t.carriedOut(err)
	if !done {
		return nil, false, err
	}
	return out.Attributes, true, nil
}

// carriedOut takes a failed condition for what it is, an answer.
func (t *Table) carriedOut(err error) (bool, error) {
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return false, nil
	}
	// This has no type of its own, only its words.
	var invalid smithy.APIError
	if errors.As(err, &invalid) && invalid.ErrorCode() == "ValidationException" && strings.Contains(invalid.ErrorMessage(), "maximum allowed size") {
		return false, fmt.Errorf("writing a row of %q: %w", t.name, jobs.ErrTooLarge)
	}
	if err != nil {
		return false, fmt.Errorf("writing a row of %q: %w", t.name, err)
	}
	return true, nil
}
