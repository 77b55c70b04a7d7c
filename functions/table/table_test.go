package table_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/truora/minidyn/server"

	"scaletozero/functions/jobs"
	"scaletozero/functions/table"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func configured(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	}
}

// newTable is an empty table in memory.
func newTable(t *testing.T) *table.Table {
	t.Helper()
	memory := httptest.NewServer(server.NewServer())
	t.Cleanup(memory.Close)
	config := configured(memory.URL)
	_, err := dynamodb.NewFromConfig(config).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("jobs"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	require.NoError(t, err)
	return table.New(config, "jobs")
}

func job() jobs.Job {
	return jobs.Job{
		ID: "a", Status: jobs.Queued, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour).Truncate(time.Second), RequestHash: "hash",
	}
}

func claim(owner string, at time.Time) jobs.Claim {
	return jobs.Claim{ID: "a", RequestHash: "hash", Owner: owner, LeaseUntil: at.Add(time.Minute), Now: at}
}

func TestAJobsLife(t *testing.T) {
	rows := newTable(t)
	_, found, err := rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.False(t, found)

	created, err := rows.Create(t.Context(), job())
	require.NoError(t, err)
	assert.True(t, created)
	created, err = rows.Create(t.Context(), job())
	require.NoError(t, err)
	assert.False(t, created, "it is there")
	got, found, err := rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, job(), got)

	running, done, err := rows.Claim(t.Context(), claim("one", now))
	require.NoError(t, err)
	require.True(t, done)
	want := job()
	want.Status, want.Owner, want.LeaseUntil, want.Tries = jobs.Running, "one", now.Add(time.Minute), 1
	assert.Equal(t, want, running)

	done, err = rows.Release(t.Context(), "a", "two", jobs.Waking, -1, now)
	require.NoError(t, err)
	assert.False(t, done, "it is another's")
	later := now.Add(time.Second)
	done, err = rows.Release(t.Context(), "a", "one", jobs.Waking, -1, later)
	require.NoError(t, err)
	assert.True(t, done)
	want = job()
	want.Status, want.UpdatedAt = jobs.Waking, later
	got, _, err = rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, done, err = rows.Claim(t.Context(), claim("two", later))
	require.NoError(t, err)
	require.True(t, done)
	outcome := jobs.Outcome{Result: `{"n":1}`, ContentType: "application/json"}
	done, err = rows.Finish(t.Context(), "a", "one", outcome, later)
	require.NoError(t, err)
	assert.False(t, done, "it was overtaken")
	done, err = rows.Finish(t.Context(), "a", "two", outcome, later)
	require.NoError(t, err)
	assert.True(t, done)
	want.Status, want.Tries, want.Outcome = jobs.Succeeded, 1, outcome
	got, _, err = rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, done, err = rows.Claim(t.Context(), claim("three", later.Add(time.Minute)))
	require.NoError(t, err)
	assert.False(t, done, "it has ended")
	// Its row may be replaced once it has expired, though it is still there.
	another := job()
	another.CreatedAt, another.UpdatedAt, another.ExpiresAt = job().ExpiresAt, job().ExpiresAt, job().ExpiresAt.Add(time.Hour)
	created, err = rows.Create(t.Context(), another)
	require.NoError(t, err)
	assert.True(t, created)
	got, _, err = rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, another, got, "nothing of the old row is left")
}

func TestWhoMayClaim(t *testing.T) {
	for _, test := range []struct {
		name  string
		claim func(*jobs.Claim)
		want  bool
	}{
		{"while the lease lasts", func(c *jobs.Claim) { c.Now = now.Add(time.Minute) }, false},
		{"once it has ended", func(c *jobs.Claim) { c.Now = now.Add(time.Minute + time.Millisecond) }, true},
		{"of another request", func(c *jobs.Claim) { c.Now, c.RequestHash = now.Add(2*time.Minute), "other" }, false},
		{"of no job", func(c *jobs.Claim) { c.ID = "b" }, false},
		{"once it has expired", func(c *jobs.Claim) { c.Now = job().ExpiresAt }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows := newTable(t)
			_, err := rows.Create(t.Context(), job())
			require.NoError(t, err)
			_, done, err := rows.Claim(t.Context(), claim("one", now))
			require.NoError(t, err)
			require.True(t, done)
			second := claim("two", now)
			test.claim(&second)
			_, done, err = rows.Claim(t.Context(), second)
			require.NoError(t, err)
			assert.Equal(t, test.want, done)
			_, found, err := rows.Get(t.Context(), "b")
			require.NoError(t, err)
			assert.False(t, found, "a refused claim makes no row")
		})
	}
}

func TestFailedJobsSayWhy(t *testing.T) {
	rows := newTable(t)
	_, err := rows.Create(t.Context(), job())
	require.NoError(t, err)
	_, _, err = rows.Claim(t.Context(), claim("one", now))
	require.NoError(t, err)
	outcome := jobs.Outcome{ErrorCode: jobs.CodeModelError, ErrorMessage: "why"}
	done, err := rows.Finish(t.Context(), "a", "one", outcome, now)
	require.NoError(t, err)
	assert.True(t, done)
	got, _, err := rows.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, jobs.Failed, got.Status)
	assert.Equal(t, outcome, got.Outcome)
}

func TestOneAskAWakeUp(t *testing.T) {
	rows := newTable(t)
	ask := func(at time.Time) bool {
		done, err := rows.AskOnce(t.Context(), "music", at.Add(-5*time.Minute), at)
		require.NoError(t, err)
		return done
	}
	assert.True(t, ask(now))
	assert.False(t, ask(now.Add(4*time.Minute)))
	assert.True(t, ask(now.Add(5*time.Minute)))
	assert.False(t, ask(now.Add(6*time.Minute)))
	_, _, err := rows.Get(t.Context(), "wake#music")
	assert.ErrorContains(t, err, "not a job's")
}

func TestErrorsOfDynamoDB(t *testing.T) {
	for _, test := range []struct{ answer, want string }{
		{`{"__type":"com.amazon.coral.validate#ValidationException","message":"Item size to update has exceeded the maximum allowed size"}`, "the row is too large"},
		{`{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}`, `writing a row of "jobs": operation error DynamoDB: UpdateItem`},
	} {
		answering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			_, err := w.Write([]byte(test.answer))
			assert.NoError(t, err)
		}))
		defer answering.Close()
		done, err := table.New(configured(answering.URL), "jobs").Finish(t.Context(), "a", "one", jobs.Outcome{}, now)
		assert.False(t, done)
		assert.ErrorContains(t, err, test.want)
	}
}
