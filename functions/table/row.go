package table

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scaletozero/functions/jobs"
)

// item is a row, or the values of an expression.
type item = map[string]types.AttributeValue

func text(value string) types.AttributeValue {
	return &types.AttributeValueMemberS{Value: value}
}

func number(value int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(value, 10)}
}

// seconds is a time as DynamoDB wants it for "Time to Live".
func seconds(t time.Time) types.AttributeValue { return number(t.Unix()) }

func millis(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

// encode is the row of a job that nobody has claimed yet.
func encode(job jobs.Job) item {
	return item{
		"id": text(job.ID), "status": text(string(job.Status)), "requestHash": text(job.RequestHash),
		"createdAt": text(jobs.FormatTime(job.CreatedAt)), "updatedAt": text(jobs.FormatTime(job.UpdatedAt)),
		"expiresAt": seconds(job.ExpiresAt), "tries": number(int64(job.Tries)),
	}
}

func decode(row item) (jobs.Job, error) {
	r := reader{row: row}
	job := jobs.Job{
		ID: r.text("id"), Status: jobs.Status(r.text("status")), RequestHash: r.text("requestHash"),
		CreatedAt: r.time("createdAt"), UpdatedAt: r.time("updatedAt"),
		ExpiresAt: time.Unix(r.number("expiresAt"), 0).UTC(), Tries: int(r.number("tries")),
		Outcome: jobs.Outcome{
			Result: r.optional("result"), ContentType: r.optional("contentType"),
			ErrorCode: r.optional("errorCode"), ErrorMessage: r.optional("errorMessage"),
		},
	}
	if job.Status == jobs.Running {
		job.Owner, job.LeaseUntil = r.text("owner"), time.UnixMilli(r.number("leaseUntil")).UTC()
	}
	if len(r.problems) > 0 {
		return jobs.Job{}, fmt.Errorf("a row is not a job's: %w", errors.Join(r.problems...))
	}
	return job, nil
}

// reader collects what is wrong with a row.
type reader struct {
	row      item
	problems []error
}

func (r *reader) optional(name string) string {
	value, ok := r.row[name].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return value.Value
}

func (r *reader) text(name string) string {
	value := r.optional(name)
	if value == "" {
		r.problems = append(r.problems, fmt.Errorf("%s is missing", name))
	}
	return value
}

func (r *reader) number(name string) int64 {
	value, ok := r.row[name].(*types.AttributeValueMemberN)
	if !ok {
		r.problems = append(r.problems, fmt.Errorf("%s is missing", name))
		return 0
	}
	number, err := strconv.ParseInt(value.Value, 10, 64)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s is not a whole number: %w", name, err))
	}
	return number
}

func (r *reader) time(name string) time.Time {
	value, err := time.Parse(time.RFC3339Nano, r.text(name))
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s is not a time: %w", name, err))
	}
	return value
}
