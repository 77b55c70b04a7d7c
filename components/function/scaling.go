package function

import (
	"cmp"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names from RegisterScalableTarget and PutScalingPolicy in the Application Auto
// Scaling API reference.
const (
	serviceNamespace  = "lambda"
	scalableDimension = "lambda:function:ProvisionedConcurrency"
	utilizationMetric = "LambdaProvisionedConcurrencyUtilization"
)

// targetUtilization is the share of the kept environments that is busy with a
// call, as the metric has it: from 0 to 1. At half, as many calls again find a
// started environment in the three minutes that Application Auto Scaling looks at
// before it adds any.
const targetUtilization = 0.5

// newScaling keeps environments of the alias started, from Min to Max and as the
// schedules say. There is no lambda.ProvisionedConcurrencyConfig: Application Auto
// Scaling sets the alias' configuration when the target is registered, changes it
// with the load, and removes it at 0, where Pulumi would make it again (docs/
// decisions/13-function.md).
func newScaling(ctx *pulumi.Context, name string, args *Args, alias *lambda.Alias, parent pulumi.ResourceOption) error {
	// The id is a plain string, so the order has to be said: what is registered is
	// there first, and on destroy goes last.
	options := []pulumi.ResourceOption{parent, pulumi.DependsOn([]pulumi.Resource{alias})}
	if len(args.Provisioned.Schedules) > 0 {
		// A scheduled action writes its bounds into the target. An update after a
		// refresh would otherwise write these over them, until the next action, and
		// each refresh would report the action as drift.
		options = append(options, pulumi.IgnoreChanges([]string{"minCapacity", "maxCapacity"}))
	}
	target, err := appautoscaling.NewTarget(ctx, name, &appautoscaling.TargetArgs{
		ServiceNamespace:  pulumi.String(serviceNamespace),
		ScalableDimension: pulumi.String(scalableDimension),
		ResourceId:        pulumi.String("function:" + args.FunctionName + ":" + AliasName),
		MinCapacity:       pulumi.Int(args.Provisioned.Min),
		MaxCapacity:       pulumi.Int(args.Provisioned.Max),
	}, options...)
	if err != nil {
		return fmt.Errorf("scalable target %q: %w", name, err)
	}
	_, err = appautoscaling.NewPolicy(ctx, name, &appautoscaling.PolicyArgs{
		Name:              pulumi.String(args.FunctionName + "-utilization"),
		PolicyType:        pulumi.String("TargetTrackingScaling"),
		ServiceNamespace:  target.ServiceNamespace,
		ScalableDimension: target.ScalableDimension,
		ResourceId:        target.ResourceId,
		TargetTrackingScalingPolicyConfiguration: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs{
			PredefinedMetricSpecification: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs{
				PredefinedMetricType: pulumi.String(utilizationMetric),
			},
			TargetValue: pulumi.Float64(targetUtilization),
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("target tracking policy %q: %w", name, err)
	}
	for _, schedule := range args.Provisioned.Schedules {
		if err := newSchedule(ctx, name+"-"+schedule.Name, args, schedule, target, parent); err != nil {
			return err
		}
	}
	return nil
}

func newSchedule(ctx *pulumi.Context, name string, args *Args, schedule Schedule, target *appautoscaling.Target, parent pulumi.ResourceOption) error {
	_, err := appautoscaling.NewScheduledAction(ctx, name, &appautoscaling.ScheduledActionArgs{
		Name:              pulumi.String(args.FunctionName + "-" + schedule.Name),
		ServiceNamespace:  target.ServiceNamespace,
		ScalableDimension: target.ScalableDimension,
		ResourceId:        target.ResourceId,
		Schedule:          pulumi.String(schedule.Expression),
		Timezone:          pulumi.String(cmp.Or(schedule.Timezone, "UTC")),
		ScalableTargetAction: &appautoscaling.ScheduledActionScalableTargetActionArgs{
			MinCapacity: pulumi.Int(schedule.Min),
			MaxCapacity: pulumi.Int(schedule.Max),
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("scheduled action %q: %w", name, err)
	}
	return nil
}
