package slo

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// burnRate is how many times as fast as it lasts the error budget is spent. The
// long window makes sure that enough is gone to be worth a call; the short one
// that it is still going on, and ends the alarm soon after it is over.
type burnRate struct {
	name        string
	rate        float64
	long, short time.Duration
	// urgency says what to do.
	urgency string
}

// burnRates are those that "The Site Reliability Workbook" recommends, chapter
// "Alerting on SLOs", section "Multiwindow, Multi-Burn-Rate Alerts".
var burnRates = []burnRate{
	{"fast", 14.4, time.Hour, 5 * time.Minute, "Look at once."},
	{"steady", 6, 6 * time.Hour, 30 * time.Minute, "Look at once."},
	{"slow", 1, 72 * time.Hour, 6 * time.Hour, "Look on the next working day."},
}

func (b burnRate) alarm(args *Args) string { return args.Name + "-burn-" + b.name }

// windows are suffixes of names, and lengths.
func (b burnRate) windows() []window { return []window{{"-long", b.long}, {"-short", b.short}} }

type window struct {
	suffix string
	length time.Duration
}

// latencies are the alarms about them.
func latencies(o Objectives) []latency {
	return []latency{{"p95", o.LatencyP95Ms}, {"p50", o.LatencyP50Ms}}
}

type latency struct {
	percentile string
	most       int
}

func (l latency) alarm(args *Args) string { return args.Name + "-latency-" + l.percentile }

// notifying are the names of the alarms that tell the topic.
func notifying(args *Args) []string {
	var names []string
	for _, b := range burnRates {
		names = append(names, b.alarm(args))
	}
	for _, l := range latencies(args.Objectives) {
		names = append(names, l.alarm(args))
	}
	return names
}

// newBurnAlarms joins two alarms for each burn rate with a composite one. They
// cannot be one: an alarm has one period, and each window is one. A window in one
// period of one alarm is also exact, since an alarm's periods slide. PutMetricAlarm
// takes up to 7 days of periods of an hour or more, one day of shorter ones
// (CloudWatch API reference), so all six windows fit.
func newBurnAlarms(ctx *pulumi.Context, name string, args *Args, topic *sns.Topic, parent pulumi.ResourceOption) error {
	for _, b := range burnRates {
		var joined []pulumi.Resource
		for _, w := range b.windows() {
			alarm, err := newWindowAlarm(ctx, name, args, b, w, parent)
			if err != nil {
				return err
			}
			joined = append(joined, alarm)
		}
		spent := 100 * b.rate * b.long.Hours() / (24 * float64(args.Objectives.WindowDays))
		logical := name + "-burn-" + b.name
		_, err := cloudwatch.NewCompositeAlarm(ctx, logical, &cloudwatch.CompositeAlarmArgs{
			AlarmName: pulumi.String(b.alarm(args)),
			AlarmDescription: pulumi.String(fmt.Sprintf("%s %s: the error budget of %d days is burning more than %g times as fast as it lasts; %.1f %% of it went in %s. %s",
				args.Method, args.Path, args.Objectives.WindowDays, b.rate, spent, words(b.long), b.urgency)),
			AlarmRule:    pulumi.String(fmt.Sprintf("ALARM(%q) AND ALARM(%q)", b.alarm(args)+"-long", b.alarm(args)+"-short")),
			AlarmActions: pulumi.StringArray{topic.Arn},
			OkActions:    pulumi.StringArray{topic.Arn},
			// The rule names what must exist.
		}, parent, pulumi.DependsOn(joined))
		if err != nil {
			return fmt.Errorf("composite alarm %q: %w", logical, err)
		}
	}
	return nil
}

// newWindowAlarm watches the burn rate over one window. It tells nobody by
// itself.
func newWindowAlarm(ctx *pulumi.Context, name string, args *Args, b burnRate, w window, parent pulumi.ResourceOption) (*cloudwatch.MetricAlarm, error) {
	logical := name + "-burn-" + b.name + w.suffix
	alarm, err := cloudwatch.NewMetricAlarm(ctx, logical, &cloudwatch.MetricAlarmArgs{
		Name:               pulumi.String(b.alarm(args) + w.suffix),
		AlarmDescription:   pulumi.String(fmt.Sprintf("The burn rate of the error budget over %s. A part of %s.", words(w.length), b.alarm(args))),
		MetricQueries:      queries(args, int(w.length.Seconds())),
		EvaluationPeriods:  pulumi.Int(1),
		ComparisonOperator: pulumi.String("GreaterThanThreshold"),
		Threshold:          pulumi.Float64(b.rate),
		// Without a request nothing burns.
		TreatMissingData: pulumi.String("notBreaching"),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("alarm %q: %w", logical, err)
	}
	return alarm, nil
}

// queries are the burn rate over a period in seconds: the share of valid requests
// that failed, over the share that may. A request that found the model asleep is
// not valid, unless cold starts count.
func queries(args *Args, period int) cloudwatch.MetricAlarmMetricQueryArray {
	metric := func(id, namespace, name, stat string, dimensions pulumi.StringMap) *cloudwatch.MetricAlarmMetricQueryArgs {
		return &cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String(id),
			Metric: &cloudwatch.MetricAlarmMetricQueryMetricArgs{
				Namespace: pulumi.String(namespace), MetricName: pulumi.String(name), Dimensions: dimensions,
				Stat: pulumi.String(stat), Period: pulumi.Int(period),
			},
		}
	}
	burn := func(expression string) *cloudwatch.MetricAlarmMetricQueryArgs {
		return &cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String("burn"), Label: pulumi.String("Burn rate"), Expression: pulumi.String(expression), ReturnData: pulumi.Bool(true),
		}
	}
	// Count is represented by its number of samples, 5XXError by its sum (API
	// Gateway developer guide, "Amazon API Gateway dimensions and metrics").
	requests := metric("requests", gatewayNamespace, "Count", "SampleCount", route(args))
	if args.CountColdStarts {
		return cloudwatch.MetricAlarmMetricQueryArray{
			requests,
			metric("errors", gatewayNamespace, "5XXError", "Sum", route(args)),
			burn("errors / requests / " + budget(args.Objectives)),
		}
	}
	return cloudwatch.MetricAlarmMetricQueryArray{
		requests,
		metric("errors", namespace(args), failedMetric, "Sum", nil),
		metric("starting", namespace(args), startingMetric, "Sum", nil),
		burn("IF(requests > FILL(starting, 0), FILL(errors, 0) / (requests - FILL(starting, 0)) / " + budget(args.Objectives) + ", 0)"),
	}
}

// budget is the share of requests that may fail, as a number without an exponent.
func budget(o Objectives) string {
	const precision = 1e9
	share := math.Round((1-o.Availability/100)*precision) / precision
	return strconv.FormatFloat(share, 'f', -1, 64)
}

// gatewayNamespace is where API Gateway's metrics are.
const gatewayNamespace = "AWS/ApiGateway"

// route are the dimensions of the route's own metrics.
func route(args *Args) pulumi.StringMap {
	return pulumi.StringMap{
		"ApiName": pulumi.String(args.APIName), "Stage": pulumi.String(args.StageName),
		"Method": pulumi.String(args.Method), "Resource": pulumi.String(args.Path),
	}
}

// How long answers must be slow before anybody is told.
const (
	latencyPeriod  = 300
	latencyPeriods = 3
)

// newLatencyAlarms watch Latency, which is what callers wait for. It has API
// Gateway's own time in it, which IntegrationLatency leaves out: an objective is
// about what callers see.
func newLatencyAlarms(ctx *pulumi.Context, name string, args *Args, topic *sns.Topic, parent pulumi.ResourceOption) error {
	for _, l := range latencies(args.Objectives) {
		logical := name + "-latency-" + l.percentile
		_, err := cloudwatch.NewMetricAlarm(ctx, logical, &cloudwatch.MetricAlarmArgs{
			Name:               pulumi.String(l.alarm(args)),
			AlarmDescription:   pulumi.String(fmt.Sprintf("The %s of the latency of %s %s is above %d ms.", l.percentile, args.Method, args.Path, l.most)),
			Namespace:          pulumi.String(gatewayNamespace),
			MetricName:         pulumi.String("Latency"),
			Dimensions:         route(args),
			ExtendedStatistic:  pulumi.String(l.percentile),
			Period:             pulumi.Int(latencyPeriod),
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

// words is a window as people say it.
func words(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
