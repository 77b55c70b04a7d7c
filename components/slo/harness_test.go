package slo_test

import (
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

// day is a watch over the alarms that a program registers, minute by minute, with one request in each: what share of
// it failed is what share of all requests does.
type day struct {
	*testing.T
	clock  *clock.Driven
	store  *metrics.Store
	scaler *scaling.Scaler
}

// nothing has no copies to scale.
type nothing struct{}

func (nothing) DesiredCopies(string) (int, bool)   { return 0, false }
func (nothing) SetDesiredCopies(string, int) error { return nil }
func (nothing) Updating(string) bool               { return false }

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
	d.scaler = scaling.New(driven, d.store, nothing{})
	d.scaler.Register(registered)
	for range 2 * 60 {
		d.pass(traffic{})
	}
	for _, alarm := range d.scaler.Alarms() {
		require.Equal(t, scaling.OK, alarm.State, "%s: %s", alarm.Name, alarm.Reason)
	}
	return d
}

// traffic is what a minute is like: the shares of requests that failed and that found the model asleep.
type traffic struct {
	failed, starting float64
	// milliseconds of each request; 10 if there are none.
	milliseconds []float64
	// none: not a single request came.
	none bool
}

// put writes what the gateway and the filters of its log report in a minute.
func (d *day) put(minute traffic) {
	if !minute.none {
		dimensions := map[string]string{"ApiName": "songs", "Stage": "dev", "Method": "POST", "Resource": "/infer"}
		d.store.Put("AWS/ApiGateway", "Count", dimensions, 1)
		d.store.Put("AWS/ApiGateway", "5XXError", dimensions, minute.failed+minute.starting)
		d.store.Put("SLO/"+name, "ServerErrors", nil, minute.failed)
		d.store.Put("SLO/"+name, "ModelStarting", nil, minute.starting)
		if len(minute.milliseconds) == 0 {
			minute.milliseconds = []float64{10}
		}
		for _, latency := range minute.milliseconds {
			d.store.Put("AWS/ApiGateway", "Latency", dimensions, latency)
		}
	}
	d.clock.Move(d.clock.Now().Add(time.Minute))
}

// pass is a minute in which alarms are evaluated.
func (d *day) pass(minute traffic) {
	d.put(minute)
	d.scaler.Work()
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
