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

// windows are those of the rate. The floor is in the long one alone: in the short
// one it would keep quiet about three failures that are minutes apart.
func (b burnRate) windows() []window {
	return []window{{"-long", b.long, MinFailures}, {"-short", b.short, 0}}
}

// MinFailures is how many requests must have failed in the long window. Where
// there are few requests, one that fails is a large share of them, and a caller
// that tries once more makes it two; three are the least that two callers, or one
// that goes on, make.
const MinFailures = 3

// BurnRates are the rates above which the budget's alarms ring, the most urgent
// first.
func BurnRates() []float64 {
	var rates []float64
	for _, b := range burnRates {
		rates = append(rates, b.rate)
	}
	return rates
}

type window struct {
	// suffix of the alarm's name.
	suffix string
	length time.Duration
	// floor is the number of failed requests below which nothing burns; 0 is none.
	floor int
}

// AlarmNames are the physical names of the alarms that tell the topic, the most
// urgent first, of objectives with the physical name. Whether cold starts count as
// failed says whether one watches over them.
func AlarmNames(name string, countColdStarts bool) []string {
	args := &Args{Name: name, CountColdStarts: countColdStarts}
	var names []string
	if !countColdStarts {
		names = append(names, notWakingAlarm(args))
	}
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
		MetricQueries:      burnQueries(args, w),
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

// burnQueries are the metrics of BurnExpression over a window, and the burn rate.
func burnQueries(args *Args, w window) cloudwatch.MetricAlarmMetricQueryArray {
	period := int(w.length.Seconds())
	// Count is represented by its number of samples, the error metrics by their sums
	// (API Gateway developer guide, "Amazon API Gateway dimensions and metrics").
	all := cloudwatch.MetricAlarmMetricQueryArray{
		metric("requests", gatewayNamespace, "Count", "SampleCount", route(args), period),
		metric("refused", gatewayNamespace, "4XXError", "Sum", route(args), period),
	}
	if args.CountColdStarts {
		all = append(all, metric("errors", gatewayNamespace, "5XXError", "Sum", route(args), period))
	} else {
		all = append(all,
			metric("errors", namespace(args), FailedMetric, "Sum", nil, period),
			metric("starting", namespace(args), StartingMetric, "Sum", nil, period))
	}
	rate := args.Objectives.BurnExpression(args.CountColdStarts)
	if w.floor > 0 {
		rate = fmt.Sprintf("IF(FILL(errors, 0) >= %d, %s, 0)", w.floor, rate)
	}
	return append(all, watched("burn", "Burn rate", rate))
}

// BurnExpression is the burn rate as metric math over metrics with the ids
// requests (all of them), refused (with a 4xx), errors (those that failed) and,
// unless cold starts count as failed, starting (those that found the model
// asleep): the share of valid requests that failed, over the share that may. What
// is refused is the caller's doing, and neither valid nor failed; if it were valid,
// calls without a key could hide failures. A metric that has no datapoint counts
// as 0, and no requests make no datapoint.
func (o Objectives) BurnExpression(countColdStarts bool) string {
	valid := "(requests - FILL(refused, 0) - FILL(starting, 0))"
	if countColdStarts {
		valid = "(requests - FILL(refused, 0))"
	}
	return fmt.Sprintf("IF(%s > 0, FILL(errors, 0) / %s / %s, 0)", valid, valid, o.Budget())
}

// metric is a part of metric math.
func metric(id, namespace, name, stat string, dimensions pulumi.StringMap, period int) *cloudwatch.MetricAlarmMetricQueryArgs {
	return &cloudwatch.MetricAlarmMetricQueryArgs{
		Id: pulumi.String(id),
		Metric: &cloudwatch.MetricAlarmMetricQueryMetricArgs{
			Namespace: pulumi.String(namespace), MetricName: pulumi.String(name), Dimensions: dimensions,
			Stat: pulumi.String(stat), Period: pulumi.Int(period),
		},
	}
}

// watched is the expression that an alarm compares with its threshold.
func watched(id, label, expression string) *cloudwatch.MetricAlarmMetricQueryArgs {
	return &cloudwatch.MetricAlarmMetricQueryArgs{
		Id: pulumi.String(id), Label: pulumi.String(label), Expression: pulumi.String(expression), ReturnData: pulumi.Bool(true),
	}
}

// Budget is the share of requests that may fail, from 0 to 1, as metric math
// takes it: a number without an exponent.
func (o Objectives) Budget() string {
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

// words is a window as people say it.
func words(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
