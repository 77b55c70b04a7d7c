package slo_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/slo"
	"scaletozero/internal/recorder"
	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

const (
	name     = "songs-slo"
	logGroup = "/aws/apigateway/songs/dev"
)

func args() *slo.Args {
	return &slo.Args{
		Scope: arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account},
		Name:  name, APIName: "songs", StageName: "dev", Method: "POST", Path: "/infer",
		Objectives: slo.Defaults(), AccessLogGroup: pulumi.String(logGroup),
	}
}

// changed are the arguments with a change.
func changed(change func(*slo.Args)) *slo.Args {
	a := args()
	change(a)
	return a
}

func run(t *testing.T, args *slo.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := slo.New(ctx, "songs", args)
		return err
	}, options...)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// day is a watch over the alarms that a program registers, minute by minute.
type day struct {
	*testing.T
	clock  *clock.Driven
	store  *metrics.Store
	scaler *scaling.Scaler
}

// begin registers the alarms of the graph after half a day on which all went well.
func begin(t *testing.T, graph *recorder.Graph) *day {
	t.Helper()
	return beginAfter(t, graph, 10*time.Hour)
}

// beginAfter is begin after another time, and two hours in which alarms are evaluated.
func beginAfter(t *testing.T, graph *recorder.Graph, before time.Duration) *day {
	t.Helper()
	var resources []*provider.Resource
	for _, r := range graph.Resources {
		inputs := resource.NewObjectProperty(r.Inputs).Mappable().(map[string]any)
		resources = append(resources, &provider.Resource{Type: r.Type, ID: r.Name, URN: r.Name, Inputs: inputs})
	}
	registered, err := provider.ScalingOf(resources)
	require.NoError(t, err)
	for _, alarm := range registered.Alarms {
		require.Empty(t, alarm.NotEvaluated, alarm.Name)
	}
	driven := clock.NewDriven(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC))
	d := &day{T: t, clock: driven, store: metrics.New(driven)}
	for range int(before.Minutes()) {
		d.put(traffic{})
	}
	d.scaler = scaling.New(driven, d.store, nil)
	d.scaler.Register(registered)
	d.passes(2*60, traffic{})
	for _, alarm := range d.scaler.Alarms() {
		require.Equal(t, scaling.OK, alarm.State, "%s: %s", alarm.Name, alarm.Reason)
	}
	return d
}

// traffic is what a minute is like.
type traffic struct {
	// requests are perMinute if there are 0.
	requests int
	// The shares of them that failed, that found the model asleep, and that were refused with a 4xx.
	failed, starting, refused float64
	// milliseconds that the requests took, in turn; 10 if there are none.
	milliseconds []float64
	// none: not a single request came.
	none bool
	// without are names of metrics that have no datapoint.
	without string
}

// perMinute is enough for the least share of failures that a test looks for, and few enough to be quick.
const perMinute = 10

// put writes what the gateway and the filters of its log report in a minute.
func (d *day) put(minute traffic) {
	if !minute.none {
		n := cmp.Or(minute.requests, perMinute)
		put := func(namespace, metric string, dimensions map[string]string, value float64) {
			if !strings.Contains(minute.without, metric) {
				d.store.Put(namespace, metric, dimensions, value)
			}
		}
		route := map[string]string{"ApiName": "songs", "Stage": "dev", "Method": "POST", "Resource": "/infer"}
		put("AWS/ApiGateway", "4XXError", route, float64(n)*minute.refused)
		put("AWS/ApiGateway", "5XXError", route, float64(n)*(minute.failed+minute.starting))
		put("SLO/songs-slo", "ServerErrors", nil, float64(n)*minute.failed)
		put("SLO/songs-slo", "ModelStarting", nil, float64(n)*minute.starting)
		if len(minute.milliseconds) == 0 {
			minute.milliseconds = []float64{10}
		}
		for i := range n {
			put("AWS/ApiGateway", "Count", route, 1)
			put("AWS/ApiGateway", "Latency", route, minute.milliseconds[i%len(minute.milliseconds)])
		}
	}
	d.clock.Move(d.clock.Now().Add(time.Minute))
}

// pass is a minute in which alarms are evaluated.
func (d *day) pass(minute traffic) {
	d.put(minute)
	d.scaler.Work()
}

// passes are several such minutes.
func (d *day) passes(minutes int, minute traffic) {
	for range minutes {
		d.pass(minute)
	}
}

func (d *day) rings(alarm string) bool {
	d.Helper()
	for _, a := range d.scaler.Alarms() {
		if a.Name == name+alarm {
			return a.State == scaling.InAlarm
		}
	}
	require.Failf(d, "no such alarm", "%s", alarm)
	return false
}

// until lets minutes pass until the alarm rings, or does no more, and returns how long that took; never if it does not
// come within the limit.
func (d *day) until(alarm string, ringing bool, minute traffic, limit time.Duration) time.Duration {
	d.Helper()
	for began := d.clock.Now(); d.clock.Now().Sub(began) < limit; {
		d.pass(minute)
		if d.rings(alarm) == ringing {
			return d.clock.Now().Sub(began)
		}
	}
	return never
}

const never = time.Duration(-1)
