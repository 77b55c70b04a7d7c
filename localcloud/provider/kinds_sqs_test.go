package provider_test

import (
	"path/filepath"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/sqs"
)

const (
	deadARN  = "arn:aws:sqs:ap-northeast-1:123456789012:dead"
	queueARN = "arn:aws:sqs:ap-northeast-1:123456789012:jobs"
)

func (c *cloud) mustCreate(typ, name string, inputs props) deployed {
	c.t.Helper()
	d, err := c.tryCreate(typ, name, inputs)
	require.NoError(c.t, err)
	return d
}

func TestQueueInputsAreThoseOfTheRealProvider(t *testing.T) {
	c := newCloud(t)
	tests := []struct {
		name   string
		inputs props
		want   []string
	}{
		{"all is well", props{"name": "jobs_1-a", "visibilityTimeoutSeconds": 43200, "messageRetentionSeconds": 60}, nil},
		{"a name with a dot", props{"name": "a.fifo"}, []string{"name must match"}},
		{"a name that is too long", props{"name": string(make([]byte, 81))}, []string{"name must match"}},
		{"more than AWS hides", props{"visibilityTimeoutSeconds": 43201}, []string{"visibilityTimeoutSeconds must be from 0 to 43200"}},
		{"more than the provider takes", props{"maxMessageSize": 1048576}, []string{"maxMessageSize must be from 1024 to 262144"}},
		{
			"everything at once",
			props{"delaySeconds": 901, "receiveWaitTimeSeconds": 21, "messageRetentionSeconds": 59},
			[]string{"delaySeconds must be", "messageRetentionSeconds must be", "receiveWaitTimeSeconds must be"},
		},
		{"two encryptions", props{"kmsMasterKeyId": "alias/aws/sqs", "sqsManagedSseEnabled": true}, []string{"kmsMasterKeyId conflicts with"}},
		{"a redrive policy that is no JSON", props{"redrivePolicy": "{"}, []string{"redrivePolicy must be a JSON document"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, reasons := c.check(provider.TypeQueue, "it", test.inputs, nil)
			require.Len(t, reasons, len(test.want), "%v", reasons)
			for i, want := range test.want {
				assert.Contains(t, reasons[i], want)
			}
		})
	}
	checked, _ := c.check(provider.TypeQueue, "it", props{}, nil)
	assert.Subset(t, c.decode(checked).Mappable(), props{
		"visibilityTimeoutSeconds": 30.0, "messageRetentionSeconds": 345600.0, "maxMessageSize": 262144.0, "delaySeconds": 0.0,
		"receiveWaitTimeSeconds": 0.0, "fifoQueue": false, "contentBasedDeduplication": false,
	})
}

func TestQueueOutputs(t *testing.T) {
	c := newCloud(t)
	d := c.create(provider.TypeQueue, props{"name": "jobs", "kmsMasterKeyId": "alias/aws/sqs"})
	assert.Equal(t, "https://sqs.ap-northeast-1.amazonaws.com/123456789012/jobs", d.id)
	assert.Equal(t, d.id, c.text(d, "url"))
	assert.Equal(t, queueARN, c.text(d, "arn"))
	assert.Equal(t, props{"v": 300.0, "sse": false}, props{
		"v": c.decode(d.outputs)["kmsDataKeyReusePeriodSeconds"].NumberValue(), "sse": c.decode(d.outputs)["sqsManagedSseEnabled"].BoolValue(),
	})
	_, err := c.tryCreate(provider.TypeQueue, "again", props{"name": "jobs"})
	assert.ErrorContains(t, err, "already has a aws:sqs/queue:Queue with this [name]")
}

func TestQueuesAreRefusedAsOnAWS(t *testing.T) {
	c := newCloud(t)
	closed := c.mustCreate(provider.TypeQueue, "closed", props{"name": "closed"})
	c.mustCreate(provider.TypeRedriveAllowPolicy, "closed", props{"queueUrl": closed.id, "redriveAllowPolicy": `{"redrivePermission":"denyAll"}`})
	c.mustCreate(provider.TypeQueue, "dead", props{"name": "dead"})
	redrive := func(target, count string) props {
		return props{"name": "jobs", "redrivePolicy": `{"deadLetterTargetArn":"` + target + `","maxReceiveCount":` + count + `}`}
	}
	allow := func(document string) props { return props{"queueUrl": closed.id, "redriveAllowPolicy": document} }
	tests := []struct {
		name, typ string
		inputs    props
		want      string
	}{
		{"no dead-letter queue", provider.TypeQueue, redrive(queueARN+"-dead", "3"), "Dead letter target does not exist"},
		{"itself", provider.TypeQueue, redrive(queueARN, "3"), "its own dead letter target"},
		{"one that refuses", provider.TypeQueue, redrive("arn:aws:sqs:ap-northeast-1:123456789012:closed", "3"), "does not allow this queue"},
		{"no receive", provider.TypeQueue, redrive(deadARN, "0"), "maxReceiveCount must be an integer from 1 to 1000"},
		{"too many receives", provider.TypeQueue, redrive(deadARN, "1001"), "maxReceiveCount must be an integer from 1 to 1000"},
		{"no number", provider.TypeQueue, redrive(deadARN, `"many"`), "RedrivePolicy is invalid"},
		{"FIFO", provider.TypeQueue, props{"fifoQueue": true, "name": "jobs"}, "neither fifoQueue nor namePrefix"},
		{"a policy of nothing", provider.TypeQueuePolicy, props{"queueUrl": "https://nowhere", "policy": "{}"}, "The specified queue does not exist"},
		{"an allow policy of nothing", provider.TypeRedriveAllowPolicy, props{"queueUrl": "https://nowhere", "redriveAllowPolicy": "{}"}, "The specified queue does not exist"},
		{"an unknown permission", provider.TypeRedriveAllowPolicy, allow(`{"redrivePermission":"some"}`), "redrivePermission must be"},
		{"by no queue", provider.TypeRedriveAllowPolicy, allow(`{"redrivePermission":"byQueue"}`), "byQueue needs 1 to 10"},
		{"all and one", provider.TypeRedriveAllowPolicy, allow(`{"redrivePermission":"allowAll","sourceQueueArns":["a"]}`), "with byQueue only"},
		{"no document", provider.TypeRedriveAllowPolicy, allow(`[]`), "RedriveAllowPolicy is invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.tryCreate(test.typ, "it", test.inputs)
			assert.ErrorContains(t, err, test.want)
		})
	}
	assert.Len(t, c.queues.State(), 2, "nothing was made")
	c.create(provider.TypeQueue, redrive(deadARN, `"3"`))
	c.mustCreate(provider.TypeRedriveAllowPolicy, "dead", props{
		"queueUrl":           "https://sqs.ap-northeast-1.amazonaws.com/123456789012/dead",
		"redriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + queueARN + `"]}`,
	})
}

func TestAQueueLivesWithItsResource(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	c := openCloud(t, state)
	c.mustCreate(provider.TypeQueue, "dead", props{"name": "dead"})
	inputs := props{"name": "jobs", "redrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":5}`}
	d := c.create(provider.TypeQueue, inputs)
	_, err := c.queues.Send(queueARN, "kept", nil)
	require.NoError(t, err)

	again, _ := c.check(provider.TypeQueue, "it", merged(inputs, props{"redrivePolicy": `{ "maxReceiveCount": 5, "deadLetterTargetArn": "` + deadARN + `" }`}), d.inputs)
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, c.diff(d, again).GetChanges(), "spelled differently")
	d, err = c.update(d, recheck(c, d, merged(inputs, props{"visibilityTimeoutSeconds": 120})))
	require.NoError(t, err)
	got, ok := c.queues.Find(queueARN)
	require.True(t, ok)
	assert.Equal(t, sqs.Queue{
		ARN: queueARN, URL: d.id, Name: "jobs", VisibilityTimeout: 2 * time.Minute, Retention: 96 * time.Hour,
		MaxMessageSize: 262144, DeadLetterARN: deadARN, MaxReceives: 5, Created: got.Created,
	}, got)

	require.NoError(t, c.queues.Close())
	c = openCloud(t, state)
	resumed, ok := c.queues.Find(queueARN)
	require.True(t, ok, "a restart serves the queue again")
	assert.Equal(t, got, resumed)
	messages, err := c.queues.Receive(t.Context(), queueARN, sqs.Receive{})
	require.NoError(t, err)
	require.Len(t, messages, 1)
	assert.Equal(t, "kept", messages[0].Body)

	require.NoError(t, c.delete(d))
	_, ok = c.queues.Find(queueARN)
	assert.False(t, ok)
	c.create(provider.TypeQueue, inputs)
	assert.Zero(t, c.queues.State()[1].Visible+c.queues.State()[1].InFlight, "a new queue is empty")
}
