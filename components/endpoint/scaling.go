package endpoint

import (
	"cmp"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudformation"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names from the Application Auto Scaling API reference and the SageMaker
// developer guide, "Scale an endpoint to zero instances".
const (
	serviceNamespace  = "sagemaker"
	scalableDimension = "sagemaker:inference-component:DesiredCopyCount"
	concurrencyMetric = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
	noCapacityMetric  = "NoCapacityInvocationFailures"
	metricNamespace   = "AWS/SageMaker"
	componentKey      = "InferenceComponentName"
)

// Times in seconds. The cooldown of target tracking is that of the developer
// guide's example. The step's there is 60, which is shorter than a wake-up: the
// alarm runs the policy again each minute that it stays in ALARM, and would add
// a second copy for the one request that the first is on its way for.
const (
	trackingCooldown = 300
	wakeCooldown     = 300
	alarmPeriod      = 60
)

// newScaling registers copies from MinInstanceCount to MaxInstanceCount, and
// the three parts that move them. Target tracking adds and removes copies
// under load and removes the last one, but cannot leave zero, since at zero
// there is no load per copy to measure. Leaving zero takes an alarm on refused
// requests and a step policy that the alarm runs.
func newScaling(ctx *pulumi.Context, name string, args *Args, stack *cloudformation.Stack, parent pulumi.ResourceOption) error {
	target, err := appautoscaling.NewTarget(ctx, name, &appautoscaling.TargetArgs{
		ServiceNamespace:  pulumi.String(serviceNamespace),
		ScalableDimension: pulumi.String(scalableDimension),
		ResourceId:        pulumi.String("inference-component/" + args.InferenceComponentName),
		MinCapacity:       pulumi.Int(args.MinInstanceCount),
		MaxCapacity:       pulumi.Int(args.MaxInstanceCount),
		// AWS registers only a component that exists; the id above is a plain
		// string, so the order has to be said.
	}, parent, pulumi.DependsOn([]pulumi.Resource{stack}))
	if err != nil {
		return fmt.Errorf("scalable target %q: %w", name, err)
	}
	_, err = appautoscaling.NewPolicy(ctx, name+"-tracking", &appautoscaling.PolicyArgs{
		Name:              pulumi.String(args.InferenceComponentName + "-tracking"),
		PolicyType:        pulumi.String("TargetTrackingScaling"),
		ServiceNamespace:  target.ServiceNamespace,
		ScalableDimension: target.ScalableDimension,
		ResourceId:        target.ResourceId,
		TargetTrackingScalingPolicyConfiguration: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs{
			PredefinedMetricSpecification: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs{
				PredefinedMetricType: pulumi.String(concurrencyMetric),
			},
			TargetValue:      pulumi.Float64(cmp.Or(args.TargetConcurrency, DefaultTargetConcurrency)),
			ScaleInCooldown:  pulumi.Int(trackingCooldown),
			ScaleOutCooldown: pulumi.Int(trackingCooldown),
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("target tracking policy %q: %w", name, err)
	}
	wake, err := appautoscaling.NewPolicy(ctx, name+"-wake", &appautoscaling.PolicyArgs{
		Name:              pulumi.String(args.InferenceComponentName + "-wake"),
		PolicyType:        pulumi.String("StepScaling"),
		ServiceNamespace:  target.ServiceNamespace,
		ScalableDimension: target.ScalableDimension,
		ResourceId:        target.ResourceId,
		StepScalingPolicyConfiguration: &appautoscaling.PolicyStepScalingPolicyConfigurationArgs{
			// ExactCapacity 1 would also take copies away. The alarm lasts for minutes
			// after a refusal, target tracking may have added copies by then, and does
			// not hold back the scale-in of a step policy (PutScalingPolicy in the
			// Application Auto Scaling API reference).
			AdjustmentType:        pulumi.String("ChangeInCapacity"),
			MetricAggregationType: pulumi.String("Maximum"),
			Cooldown:              pulumi.Int(wakeCooldown),
			StepAdjustments: appautoscaling.PolicyStepScalingPolicyConfigurationStepAdjustmentArray{
				&appautoscaling.PolicyStepScalingPolicyConfigurationStepAdjustmentArgs{
					MetricIntervalLowerBound: pulumi.String("0"),
					ScalingAdjustment:        pulumi.Int(1),
				},
			},
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("step policy %q: %w", name, err)
	}
	return newWakeAlarm(ctx, name, args, wake, parent)
}

// WakeAlarm is the name of the alarm that starts the first copy of the inference
// component.
func WakeAlarm(inferenceComponentName string) string { return inferenceComponentName + "-wake" }

// newWakeAlarm fires on the first refused request. The developer guide's
// example compares with GreaterThanThreshold 1, which a single caller never
// trips.
func newWakeAlarm(ctx *pulumi.Context, name string, args *Args, wake *appautoscaling.Policy, parent pulumi.ResourceOption) error {
	_, err := cloudwatch.NewMetricAlarm(ctx, name+"-wake", &cloudwatch.MetricAlarmArgs{
		Name:               pulumi.String(WakeAlarm(args.InferenceComponentName)),
		AlarmDescription:   pulumi.String("A request found no copy of the model; starts one."),
		Namespace:          pulumi.String(metricNamespace),
		MetricName:         pulumi.String(noCapacityMetric),
		Dimensions:         pulumi.StringMap{componentKey: pulumi.String(args.InferenceComponentName)},
		Statistic:          pulumi.String("Sum"),
		Period:             pulumi.Int(alarmPeriod),
		EvaluationPeriods:  pulumi.Int(1),
		DatapointsToAlarm:  pulumi.Int(1),
		ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
		Threshold:          pulumi.Float64(1),
		// The metric is only written when a request is refused.
		TreatMissingData: pulumi.String("notBreaching"),
		AlarmActions:     pulumi.Array{wake.Arn},
	}, parent)
	if err != nil {
		return fmt.Errorf("wake alarm %q: %w", name, err)
	}
	return nil
}
