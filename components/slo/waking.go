package slo

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// How long the model may refuse before anybody is told: a request in each period
// has found it asleep. Waking takes about 5 minutes (AWS machine learning blog,
// "Unlock cost savings with the new scale down to zero feature in SageMaker
// Inference"), so that two periods, or three, are normal. All six mean refusals
// over more than 20 minutes, and the alarm rings 26 to 30 minutes after the first.
const (
	wakePeriod  = 300
	wakePeriods = 6
)

func notWakingAlarm(args *Args) string { return args.Name + "-not-waking" }

// newNotWakingAlarm watches over the cold starts that are counted apart. A model
// that never wakes answers with nothing else, and no failure is among them.
func newNotWakingAlarm(ctx *pulumi.Context, name string, args *Args, topic *sns.Topic, parent pulumi.ResourceOption) error {
	logical := name + "-not-waking"
	_, err := cloudwatch.NewMetricAlarm(ctx, logical, &cloudwatch.MetricAlarmArgs{
		Name: pulumi.String(notWakingAlarm(args)),
		AlarmDescription: pulumi.String(fmt.Sprintf("%s %s has found the model asleep for %d minutes, in each %d of them. Look at once.",
			args.Method, args.Path, wakePeriods*wakePeriod/60, wakePeriod/60)),
		Namespace:          pulumi.String(namespace(args)),
		MetricName:         pulumi.String(StartingMetric),
		Statistic:          pulumi.String("Sum"),
		Period:             pulumi.Int(wakePeriod),
		EvaluationPeriods:  pulumi.Int(wakePeriods),
		ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
		Threshold:          pulumi.Float64(1),
		// Where nobody calls, nothing has to wake.
		TreatMissingData: pulumi.String("notBreaching"),
		AlarmActions:     pulumi.Array{topic.Arn},
		OkActions:        pulumi.Array{topic.Arn},
	}, parent)
	if err != nil {
		return fmt.Errorf("alarm %q: %w", logical, err)
	}
	return nil
}
