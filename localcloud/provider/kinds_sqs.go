package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	awssqs "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/sqs"
)

// Queues holds queues; sqs.Service is the real one.
type Queues interface {
	Create(q sqs.Queue) error
	Resume(q sqs.Queue)
	Update(q sqs.Queue) error
	Remove(arn string)
}

var queueKind = &kind{
	inputs:    schemaOf(&awssqs.QueueArgs{}),
	nameLimit: 80,
	defaults: Properties{
		"contentBasedDeduplication": false, "delaySeconds": 0.0, "fifoQueue": false, "maxMessageSize": 262144.0,
		"messageRetentionSeconds": 345600.0, "receiveWaitTimeSeconds": 0.0, "visibilityTimeoutSeconds": 30.0,
	},
	rules: map[string]rule{
		"name":                         matching(`^[0-9A-Za-z_-]+$`, 80),
		"delaySeconds":                 between(0, 900),
		"kmsDataKeyReusePeriodSeconds": between(60, 86400),
		"maxMessageSize":               between(1024, 262144),
		"messageRetentionSeconds":      between(60, 1209600),
		"receiveWaitTimeSeconds":       between(0, 20),
		"visibilityTimeoutSeconds":     between(0, 43200),
	},
	documents: []string{"policy", "redriveAllowPolicy", "redrivePolicy"},
	replaceOn: []string{"name", "namePrefix", "fifoQueue"},
	identity:  []string{"name"},
	refuse: func(given Properties) *pulumirpc.CheckFailure {
		if _, managed := given["sqsManagedSseEnabled"]; managed && given.text("kmsMasterKeyId") != "" {
			return &pulumirpc.CheckFailure{Property: "kmsMasterKeyId", Reason: "kmsMasterKeyId conflicts with sqsManagedSseEnabled: set one of them"}
		}
		return nil
	},
	id:    func(_ *Server, r *Resource) string { return queueURL(r) },
	check: checkQueue,
	run: func(_ context.Context, s *Server, old, r *Resource) error {
		if old != nil {
			return s.options.Queues.Update(queueOf(r))
		}
		return s.options.Queues.Create(queueOf(r))
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Queues.Remove(queueARN(r))
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": queueARN(r), "url": queueURL(r), "deduplicationScope": "", "fifoThroughputLimit": "", "kmsDataKeyReusePeriodSeconds": 300.0,
			"policy": "", "redriveAllowPolicy": "", "redrivePolicy": "", "sqsManagedSseEnabled": r.Inputs.text("kmsMasterKeyId") == "",
		}
	},
}

func queueARN(r *Resource) string {
	return arn(r, "sqs", r.Region, accountID, r.Inputs.text("name"))
}

// queueURL is AWS's, which stays when the local cloud's address changes. The local cloud knows its queues by it;
// clients reach them at its own address.
func queueURL(r *Resource) string {
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", r.Region, partitionOf(r.Region).dnsSuffix, accountID, r.Inputs.text("name"))
}

// redrivePolicy is a queue's RedrivePolicy. AWS takes the count as text as well.
type redrivePolicy struct {
	DeadLetterTargetARN string      `json:"deadLetterTargetArn"`
	MaxReceiveCount     json.Number `json:"maxReceiveCount"`
}

// redriveOf reads the redrive policy; it is empty without one.
func redriveOf(r *Resource) (policy redrivePolicy, maxReceives int, err error) {
	document := r.Inputs.text("redrivePolicy")
	if document == "" {
		return policy, 0, nil
	}
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return policy, 0, badRedrive(document, err.Error())
	}
	count, err := policy.MaxReceiveCount.Int64()
	if err != nil || count < 1 || count > 1000 {
		return policy, 0, badRedrive(document, "maxReceiveCount must be an integer from 1 to 1000.")
	}
	return policy, int(count), nil
}

func badRedrive(document, reason string) error {
	return fmt.Errorf("InvalidParameterValue: Value %s for parameter RedrivePolicy is invalid. Reason: %s", document, reason)
}

// checkQueue holds SetQueueAttributes' rules for the redrive policy, and refuses what the local cloud has not.
func checkQueue(s *Server, r *Resource) error {
	if r.Inputs.flag("fifoQueue") || r.Inputs.text("namePrefix") != "" {
		return errors.New("localcloud implements standard queues with a name: neither fifoQueue nor namePrefix")
	}
	document := r.Inputs.text("redrivePolicy")
	policy, _, err := redriveOf(r)
	if err != nil || document == "" {
		return err
	}
	if policy.DeadLetterTargetARN == queueARN(r) {
		return badRedrive(document, "a queue cannot be its own dead letter target.")
	}
	dead := s.queueWithARN(policy.DeadLetterTargetARN)
	if dead == nil {
		return badRedrive(document, "Dead letter target does not exist.")
	}
	if !s.allowsRedrive(dead, queueARN(r)) {
		return badRedrive(document, "the redrive allow policy of the dead letter target does not allow this queue.")
	}
	return nil
}

// allowsRedrive tells whether the dead-letter queue takes messages of the source.
func (s *Server) allowsRedrive(dead *Resource, source string) bool {
	documents := []string{dead.Inputs.text("redriveAllowPolicy")}
	for _, r := range s.store.Resources(TypeRedriveAllowPolicy) {
		if r.Inputs.text("queueUrl") == dead.ID {
			documents = append(documents, r.Inputs.text("redriveAllowPolicy"))
		}
	}
	for _, document := range documents {
		if document == "" {
			continue
		}
		// What is stored has been checked.
		if policy, err := redriveAllowOf(document); err != nil || !policy.allows(source) {
			return false
		}
	}
	return true
}

func (s *Server) queueWithARN(arn string) *Resource {
	for _, r := range s.store.Resources(TypeQueue) {
		if queueARN(r) == arn {
			return r
		}
	}
	return nil
}

// queueOf is the queue that a checked resource describes.
func queueOf(r *Resource) sqs.Queue {
	policy, maxReceives, err := redriveOf(r)
	if err != nil {
		policy = redrivePolicy{} // It has been checked.
	}
	return sqs.Queue{
		ARN: queueARN(r), URL: queueURL(r), Name: r.Inputs.text("name"),
		VisibilityTimeout: r.Inputs.seconds("visibilityTimeoutSeconds"), Delay: r.Inputs.seconds("delaySeconds"),
		Retention: r.Inputs.seconds("messageRetentionSeconds"), ReceiveWait: r.Inputs.seconds("receiveWaitTimeSeconds"),
		MaxMessageSize: int(r.Inputs.number("maxMessageSize")),
		DeadLetterARN:  policy.DeadLetterTargetARN, MaxReceives: maxReceives, Created: r.Created,
	}
}

// seconds returns a number of seconds as a duration, 0 if it is not there.
func (p Properties) seconds(key string) time.Duration {
	return time.Duration(p.number(key) * float64(time.Second))
}

var queuePolicyKind = &kind{
	inputs:    schemaOf(&awssqs.QueuePolicyArgs{}),
	required:  []string{"policy"},
	documents: []string{"policy"},
	replaceOn: []string{"queueUrl"},
	id:        inputAsID("queueUrl"),
	check:     queueExists,
}

func queueExists(s *Server, r *Resource) error {
	if url := r.Inputs.text("queueUrl"); s.store.Find(TypeQueue, url, "") == nil {
		return fmt.Errorf("AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist: %s", url)
	}
	return nil
}

var redriveAllowPolicyKind = &kind{
	inputs:    schemaOf(&awssqs.RedriveAllowPolicyArgs{}),
	documents: []string{"redriveAllowPolicy"},
	replaceOn: []string{"queueUrl"},
	id:        inputAsID("queueUrl"),
	check: func(s *Server, r *Resource) error {
		if err := queueExists(s, r); err != nil {
			return err
		}
		_, err := redriveAllowOf(r.Inputs.text("redriveAllowPolicy"))
		return err
	},
}

// redriveAllowPolicy says whose dead-letter queue a queue may be.
type redriveAllowPolicy struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueARNs   []string `json:"sourceQueueArns"`
}

// byQueue is the permission that names the queues.
const byQueue = "byQueue"

func (p redriveAllowPolicy) allows(source string) bool {
	return p.RedrivePermission == "allowAll" || p.RedrivePermission == byQueue && slices.Contains(p.SourceQueueARNs, source)
}

// redriveAllowOf reads a redrive allow policy by SetQueueAttributes' rules.
func redriveAllowOf(document string) (redriveAllowPolicy, error) {
	var policy redriveAllowPolicy
	reason := ""
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		reason = err.Error()
	}
	named := len(policy.SourceQueueARNs)
	switch {
	case reason != "":
	case !slices.Contains([]string{"allowAll", "denyAll", byQueue}, policy.RedrivePermission):
		reason = "redrivePermission must be allowAll, denyAll or byQueue."
	case policy.RedrivePermission == byQueue && (named < 1 || named > 10):
		reason = "byQueue needs 1 to 10 sourceQueueArns."
	case policy.RedrivePermission != byQueue && named > 0:
		reason = "sourceQueueArns can be given with byQueue only."
	}
	if reason != "" {
		return policy, fmt.Errorf("InvalidParameterValue: Value %s for parameter RedriveAllowPolicy is invalid. Reason: %s", document, reason)
	}
	return policy, nil
}
