// Package slo watches what the callers of a route are promised: alarms that ring
// when the error budget burns too fast, answers are too slow or the model does not
// wake, and a topic that hears them.
package slo

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:slo:Objectives"

// Watch is the created topic with its alarms.
type Watch struct {
	pulumi.ResourceState

	// TopicArn is the topic that hears of every alarm, when it rings and when it
	// is over.
	TopicArn pulumi.StringOutput
}

// New creates the topic and the alarms.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Watch, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("objectives %q: %w", name, err)
	}
	watch := &Watch{}
	if err := ctx.RegisterComponentResource(Type, name, watch, opts...); err != nil {
		return nil, fmt.Errorf("objectives %q: %w", name, err)
	}
	parent := pulumi.Parent(watch)

	topic, err := newTopic(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	if !args.CountColdStarts {
		if err := newFilters(ctx, name, args, parent); err != nil {
			return nil, err
		}
		if err := newNotWakingAlarm(ctx, name, args, topic, parent); err != nil {
			return nil, err
		}
	}
	if err := newBurnAlarms(ctx, name, args, topic, parent); err != nil {
		return nil, err
	}
	if err := newLatencyAlarms(ctx, name, args, topic, parent); err != nil {
		return nil, err
	}

	watch.TopicArn = topic.Arn
	err = ctx.RegisterResourceOutputs(watch, pulumi.Map{"topicArn": watch.TopicArn})
	if err != nil {
		return nil, fmt.Errorf("objectives %q: %w", name, err)
	}
	return watch, nil
}

// newTopic creates the topic, encrypted. AWS's own key for SNS will not do:
// CloudWatch is not in its policy, which nobody can change, and what the alarms
// said would be lost without a word (Amazon SNS developer guide, "Enable
// compatibility between event sources from AWS services and encrypted topics").
func newTopic(ctx *pulumi.Context, name string, args *Args, parent pulumi.ResourceOption) (*sns.Topic, error) {
	key := pulumi.String(args.KMSKeyArn).ToStringPtrOutput()
	if args.KMSKeyArn == "" {
		created, err := kms.NewKey(ctx, name, &kms.KeyArgs{
			Description:       pulumi.String("Encrypts the alarms on their way through " + args.Name + "; nothing is kept under it."),
			EnableKeyRotation: pulumi.Bool(true),
			Policy:            pulumi.String(keyPolicy(args).String()),
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		key = created.Arn.ToStringPtrOutput()
	}
	topic, err := sns.NewTopic(ctx, name, &sns.TopicArgs{Name: pulumi.String(args.Name), KmsMasterKeyId: key}, parent)
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", name, err)
	}
	_, err = sns.NewTopicPolicy(ctx, name, &sns.TopicPolicyArgs{
		Arn:    topic.Arn,
		Policy: pulumi.String(topicPolicy(args).String()),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("policy of topic %q: %w", name, err)
	}
	if args.Email == "" {
		return topic, nil
	}
	_, err = sns.NewTopicSubscription(ctx, name, &sns.TopicSubscriptionArgs{
		Topic:    topic.Arn,
		Protocol: pulumi.String("email"),
		Endpoint: pulumi.String(args.Email),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("subscription of topic %q: %w", name, err)
	}
	return topic, nil
}

// The metrics that are counted of the access log, in a namespace of their own:
// without dimensions, which a default value excludes.
const (
	FailedMetric   = "ServerErrors"
	StartingMetric = "ModelStarting"
)

func namespace(args *Args) string { return MetricNamespace(args.Name) }

// MetricNamespace is where those metrics are, of objectives with the physical
// name.
func MetricNamespace(name string) string { return "SLO/" + name }

// newFilters counts the requests that failed and, apart from them, those that
// found the model asleep: API Gateway counts both as 5XXError. SageMaker answers
// the latter with a 400, of which the gateway makes a 503; a 503 that SageMaker
// itself sent, or a 429, is a failure like others.
//
// Both come from the log. To take the one off API Gateway's 5XXError would ring
// at every cold start, as the log is behind API Gateway's metrics: for a while
// the errors would be there and what is to be taken off would not.
func newFilters(ctx *pulumi.Context, name string, args *Args, parent pulumi.ResourceOption) error {
	route := fmt.Sprintf(`$.httpMethod = "%s" && $.resourcePath = "%s"`, args.Method, args.Path)
	for _, filter := range []struct{ suffix, metric, pattern string }{
		{"-failed", FailedMetric, route + ` && $.status = "5*" && ($.status != "503" || $.integrationStatus != "400")`},
		{"-starting", StartingMetric, route + ` && $.status = "503" && $.integrationStatus = "400"`},
	} {
		_, err := cloudwatch.NewLogMetricFilter(ctx, name+filter.suffix, &cloudwatch.LogMetricFilterArgs{
			Name:         pulumi.String(args.Name + filter.suffix),
			LogGroupName: args.AccessLogGroup,
			Pattern:      pulumi.String("{ " + filter.pattern + " }"),
			MetricTransformation: &cloudwatch.LogMetricFilterMetricTransformationArgs{
				Namespace: pulumi.String(namespace(args)),
				Name:      pulumi.String(filter.metric),
				Value:     pulumi.String("1"),
				// A minute with other lines only has a 0, so that a missing datapoint
				// means that nothing was logged.
				DefaultValue: pulumi.String("0"),
				Unit:         pulumi.String("Count"),
			},
		}, parent)
		if err != nil {
			return fmt.Errorf("metric filter %q: %w", name+filter.suffix, err)
		}
	}
	return nil
}
