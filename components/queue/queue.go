// Package queue holds a queue of inference jobs for callers who can wait: one
// function takes jobs in, another takes them to the model whenever it is there.
package queue

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/iampolicy"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:queue:Queue"

// Times in seconds and other numbers of the two queues.
const (
	// visibilityFactor times the worker's time-out is how long a message is out:
	// Lambda wants time to try again while its functions are throttled (Lambda
	// developer guide, "Creating and configuring an Amazon SQS event source
	// mapping").
	visibilityFactor = 6
	// A message must not go before its job's row does; SQS's own default is 4 days.
	minRetention        = 4 * 24 * 3600
	deadLetterRetention = 14 * 24 * 3600
	// maxReceiveCount is the largest that SQS takes (RedrivePolicy in the SQS API
	// reference). A job that waits for the model is received again and again
	// without anything having failed; what did fail is counted in its row.
	maxReceiveCount = 1000
	// maxMessageSize is in bytes. SQS itself takes 1 MiB today; pulumi-aws v6
	// knows the former limit and no larger one.
	maxMessageSize = 256 * 1024
	secondsPerHour = 3600
)

// sqsKey is AWS's own KMS key for SQS, for a queue without a key of ours. Its
// policy lets everybody use it who may use the queue, so the roles need no KMS
// actions (SQS developer guide, "Amazon SQS Key management").
const sqsKey = "alias/aws/sqs"

// Queue is the created queue.
type Queue struct {
	pulumi.ResourceState

	// Ready is what to depend on for the functions to be callable; see roles.Roles.
	Ready []pulumi.Resource
	// QueueURL and DeadLetterQueueURL are what SQS's API knows the queues by.
	QueueURL           pulumi.StringOutput
	DeadLetterQueueURL pulumi.StringOutput
	// TableName is the name of the table of jobs.
	TableName pulumi.StringOutput
}

// New creates the queue, its table and its functions. Nothing in it depends on
// the model, so it is created while an endpoint still comes up.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Queue, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("queue %q: %w", name, err)
	}
	queue := &Queue{}
	if err := ctx.RegisterComponentResource(Type, name, queue, opts...); err != nil {
		return nil, fmt.Errorf("queue %q: %w", name, err)
	}
	parent := pulumi.Parent(queue)

	made, err := newQueues(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	table, err := newTable(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	if queue.Ready, err = newFunctions(ctx, name, args, made, table, queue); err != nil {
		return nil, err
	}

	queue.QueueURL, queue.DeadLetterQueueURL, queue.TableName = made.jobs.Url, made.deadLetter.Url, table.Name
	err = ctx.RegisterResourceOutputs(queue, pulumi.Map{
		"queueUrl":           queue.QueueURL,
		"deadLetterQueueUrl": queue.DeadLetterQueueURL,
		"tableName":          queue.TableName,
	})
	if err != nil {
		return nil, fmt.Errorf("queue %q: %w", name, err)
	}
	return queue, nil
}

// queues are the jobs' and the one for what nobody could do.
type queues struct {
	jobs, deadLetter *sqs.Queue
}

// deadLetterSuffix follows the queue's names, logical and physical.
const deadLetterSuffix = "-dead-letter"

// DeadLetterQueue is the physical name of the queue for what was given up, of the
// queue with the physical name.
func DeadLetterQueue(name string) string { return name + deadLetterSuffix }

// newQueues names the queues in their policies by ARNs that are known before
// they exist, for a preview to show; the order is therefore said where no output
// carries it.
func newQueues(ctx *pulumi.Context, name string, args *Args, parent pulumi.ResourceOption) (*queues, error) {
	deadLetter, err := newQueue(ctx, name+deadLetterSuffix, &sqs.QueueArgs{
		Name:                    pulumi.String(DeadLetterQueue(args.Name)),
		KmsMasterKeyId:          pulumi.String(cmp.Or(args.KMSKeyArn, sqsKey)),
		MaxMessageSize:          pulumi.Int(maxMessageSize),
		MessageRetentionSeconds: pulumi.Int(deadLetterRetention),
	}, args.Scope.Queue(DeadLetterQueue(args.Name)), parent)
	if err != nil {
		return nil, err
	}
	jobs, err := newQueue(ctx, name, &sqs.QueueArgs{
		Name:                     pulumi.String(args.Name),
		KmsMasterKeyId:           pulumi.String(cmp.Or(args.KMSKeyArn, sqsKey)),
		MaxMessageSize:           pulumi.Int(maxMessageSize),
		MessageRetentionSeconds:  pulumi.Int(max(minRetention, args.JobTTLHours*secondsPerHour)),
		VisibilityTimeoutSeconds: pulumi.Int(visibilityFactor * args.workerTimeout()),
		RedrivePolicy: marshal(map[string]any{
			"deadLetterTargetArn": args.Scope.Queue(DeadLetterQueue(args.Name)),
			"maxReceiveCount":     maxReceiveCount,
		}),
		// SQS refuses a dead-letter queue that does not exist.
	}, args.Scope.Queue(args.Name), parent, pulumi.DependsOn([]pulumi.Resource{deadLetter}))
	if err != nil {
		return nil, err
	}
	_, err = sqs.NewRedriveAllowPolicy(ctx, name+deadLetterSuffix, &sqs.RedriveAllowPolicyArgs{
		QueueUrl: deadLetter.Url,
		RedriveAllowPolicy: marshal(map[string]any{
			"redrivePermission": "byQueue",
			"sourceQueueArns":   []string{args.Scope.Queue(args.Name)},
		}),
	}, parent, pulumi.DependsOn([]pulumi.Resource{jobs}))
	if err != nil {
		return nil, fmt.Errorf("redrive permission %q: %w", name+deadLetterSuffix, err)
	}
	return &queues{jobs: jobs, deadLetter: deadLetter}, nil
}

// newQueue creates a queue that answers over TLS only.
func newQueue(ctx *pulumi.Context, name string, args *sqs.QueueArgs, queueArn string, opts ...pulumi.ResourceOption) (*sqs.Queue, error) {
	queue, err := sqs.NewQueue(ctx, name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("queue %q: %w", name, err)
	}
	_, err = sqs.NewQueuePolicy(ctx, name, &sqs.QueuePolicyArgs{
		QueueUrl: queue.Url,
		Policy:   pulumi.String(iampolicy.RequireTLS("sqs", queueArn).String()),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("policy of queue %q: %w", name, err)
	}
	return queue, nil
}

// newTable creates the table of jobs. Without a key of ours it is encrypted with
// AWS's own KMS key for DynamoDB, which takes no KMS actions of the roles either:
// its policy allows what comes through DynamoDB (DynamoDB developer guide,
// "DynamoDB encryption at rest").
func newTable(ctx *pulumi.Context, name string, args *Args, parent pulumi.ResourceOption) (*dynamodb.Table, error) {
	table, err := dynamodb.NewTable(ctx, name, &dynamodb.TableArgs{
		Name:        pulumi.String(args.Name),
		BillingMode: pulumi.String("PAY_PER_REQUEST"),
		HashKey:     pulumi.String("id"),
		Attributes: dynamodb.TableAttributeArray{
			&dynamodb.TableAttributeArgs{Name: pulumi.String("id"), Type: pulumi.String("S")},
		},
		Ttl:                       &dynamodb.TableTtlArgs{AttributeName: pulumi.String("expiresAt"), Enabled: pulumi.Bool(true)},
		ServerSideEncryption:      &dynamodb.TableServerSideEncryptionArgs{Enabled: pulumi.Bool(true), KmsKeyArn: args.key()},
		PointInTimeRecovery:       &dynamodb.TablePointInTimeRecoveryArgs{Enabled: pulumi.Bool(args.PointInTimeRecovery)},
		DeletionProtectionEnabled: pulumi.Bool(args.DeletionProtection),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("table %q: %w", name, err)
	}
	return table, nil
}

// key is the key as resources take it, or nil for AWS's own.
func (a *Args) key() pulumi.StringPtrInput {
	if a.KMSKeyArn == "" {
		return nil
	}
	return pulumi.StringPtr(a.KMSKeyArn)
}

func marshal(policy map[string]any) pulumi.String {
	text, err := json.Marshal(policy)
	if err != nil {
		// Strings and numbers always marshal.
		panic(fmt.Sprintf("policy of a queue: %v", err))
	}
	return pulumi.String(text)
}
