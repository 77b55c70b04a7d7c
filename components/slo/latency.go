package slo

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// latencies are the alarms about them.
func latencies(o Objectives) []latency {
	return []latency{{"p95", o.LatencyP95Ms, 20}, {"p50", o.LatencyP50Ms, 2}}
}

type latency struct {
	percentile string
	most       int
	// few is the number of requests in a period of which one alone is the share
	// that may be slower: with so many or fewer, one slow request would be the
	// percentile.
	few int
}

func (l latency) alarm(args *Args) string { return args.Name + "-latency-" + l.percentile }

// How long answers must be slow before anybody is told.
const (
	latencyPeriod  = 300
	latencyPeriods = 3
)

// newLatencyAlarms watch Latency, which is what callers wait for. It has API
// Gateway's own time in it, which IntegrationLatency leaves out: an objective is
// about what callers see. Periods with few requests are within the objective, and
// so are those with none: CloudWatch would look further back for datapoints
// instead, and ring again about what is over. CloudWatch's own setting for few
// samples wants 10 times as many (CloudWatch user guide, "Percentile-based alarms
// and low data samples").
func newLatencyAlarms(ctx *pulumi.Context, name string, args *Args, topic *sns.Topic, parent pulumi.ResourceOption) error {
	for _, l := range latencies(args.Objectives) {
		logical := name + "-latency-" + l.percentile
		_, err := cloudwatch.NewMetricAlarm(ctx, logical, &cloudwatch.MetricAlarmArgs{
			Name: pulumi.String(l.alarm(args)),
			AlarmDescription: pulumi.String(fmt.Sprintf("The %s of the latency of %s %s is above %d ms. Look on the next working day.",
				l.percentile, args.Method, args.Path, l.most)),
			MetricQueries: cloudwatch.MetricAlarmMetricQueryArray{
				metric("requests", gatewayNamespace, "Latency", "SampleCount", route(args), latencyPeriod),
				metric("latency", gatewayNamespace, "Latency", l.percentile, route(args), latencyPeriod),
				watched("slow", "Latency "+l.percentile, fmt.Sprintf("IF(FILL(requests, 0) > %d, latency, 0)", l.few)),
			},
			EvaluationPeriods:  pulumi.Int(latencyPeriods),
			ComparisonOperator: pulumi.String("GreaterThanThreshold"),
			Threshold:          pulumi.Float64(float64(l.most)),
			TreatMissingData:   pulumi.String("notBreaching"),
			AlarmActions:       pulumi.Array{topic.Arn},
			OkActions:          pulumi.Array{topic.Arn},
		}, parent)
		if err != nil {
			return fmt.Errorf("alarm %q: %w", logical, err)
		}
	}
	return nil
}
