package dashboard_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/arn"
	"scaletozero/components/dashboard"
	"scaletozero/components/slo"
	"scaletozero/internal/recorder"
	reader "scaletozero/localcloud/dashboard"
)

const dashboardToken = "aws:cloudwatch/dashboard:Dashboard"

var update = flag.Bool("update", false, "rewrite the golden files")

func scope() arn.Scope {
	return arn.Scope{Partition: "aws", Region: "ap-northeast-1", AccountID: recorder.Account}
}

// full is a dashboard with every section that goes with an endpoint.
func full() *dashboard.Args {
	return &dashboard.Args{
		Scope: scope(), Name: "songs-dev",
		API:        &dashboard.API{APIName: "songs", StageName: "dev", Method: "POST", Path: "/infer"},
		Objectives: &dashboard.Objectives{Objectives: slo.Defaults(), Name: "songs-slo"},
		Endpoint: &dashboard.Endpoint{
			EndpointName: "songs-endpoint", VariantName: "AllTraffic", InferenceComponentName: "songs-model", MaxInstances: 3, WakeAlarm: "songs-model-wake",
		},
		Queue: &dashboard.Queue{QueueName: "songs-jobs", DeadLetterQueueName: "songs-jobs-dead-letter"},
		Cost:  &dashboard.Cost{RequestUSD: 0.00000425, InstanceHourUSD: 0.149, Source: "List prices of ap-northeast-1."},
	}
}

// onLambda is a dashboard with every section that goes with a function.
func onLambda() *dashboard.Args {
	a := full()
	a.Endpoint, a.Queue = nil, nil
	a.Objectives.CountColdStarts = true
	a.Function = &dashboard.Function{FunctionName: "songs-model", Alias: "live", MemoryMB: 2048, Provisioned: true, ReservedConcurrency: 20}
	a.Cost = &dashboard.Cost{RequestUSD: 0.00000425, FunctionRequestUSD: 0.0000002, FunctionGBSecondUSD: 0.0000166667, Source: "List prices of ap-northeast-1."}
	return a
}

// changed are full's arguments with a change.
func changed(change func(*dashboard.Args)) *dashboard.Args {
	a := full()
	change(a)
	return a
}

func run(t *testing.T, args *dashboard.Args, options ...recorder.Option) *recorder.Graph {
	t.Helper()
	graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := dashboard.New(ctx, "songs", args)
		return err
	}, options...)
	require.NoError(t, err)
	assert.Empty(t, graph.Orphans())
	return graph
}

// bodyOf is the JSON that is registered.
func bodyOf(t *testing.T, args *dashboard.Args, options ...recorder.Option) string {
	t.Helper()
	inputs := run(t, args, options...).Only(t, dashboardToken).Inputs
	assert.Equal(t, args.Name, inputs["dashboardName"].StringValue())
	return inputs["dashboardBody"].StringValue()
}

// read is the body as the local cloud's reader, which shares nothing with the component, takes it.
func read(t *testing.T, args *dashboard.Args) *reader.Body {
	t.Helper()
	body, err := reader.Parse(bodyOf(t, args))
	require.NoError(t, err)
	return body
}

func TestTheWholeBodyIsKnownAtPreview(t *testing.T) {
	for name, args := range map[string]*dashboard.Args{"endpoint": full(), "function": onLambda()} {
		t.Run(name, func(t *testing.T) {
			body := bodyOf(t, args)
			assert.Equal(t, body, bodyOf(t, args, recorder.Preview))
			assert.NotContains(t, body, `\u003`, "people read it in previews")
			var indented bytes.Buffer
			require.NoError(t, json.Indent(&indented, []byte(body), "", "  "))
			indented.WriteByte('\n')
			golden := filepath.Join("testdata", name+".golden.json")
			if *update {
				require.NoError(t, os.WriteFile(golden, indented.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), indented.String(), "run the tests with -update if the change is wanted")
		})
	}
}

// Sections come and go, and no widget lies on another one.
func TestSectionsAreLeftOut(t *testing.T) {
	for name, test := range map[string]struct {
		args *dashboard.Args
		// titles is what one of each section's widgets is called.
		has, hasNot []string
	}{
		"all of an endpoint": {full(), []string{"Alarms", "Answers a minute", "Error budget left", "Copies and instances", "Jobs in the queue", "Estimated cost"}, []string{"Environments kept ready"}},
		"all of a function":  {onLambda(), []string{"Alarms", "Answers a minute", "Environments kept ready", "How long the function ran"}, []string{"Copies and instances", "Jobs in the queue"}},
		"an API alone": {
			&dashboard.Args{Scope: scope(), Name: "a", API: full().API},
			[]string{"Answers a minute", "Latency"},
			[]string{"Alarms", "Error budget left", "Running now", "Estimated cost"},
		},
		"a queue alone": {&dashboard.Args{Scope: scope(), Name: "a", Queue: full().Queue}, []string{"Jobs in the queue"}, []string{"Alarms", "Requests", "Estimated cost"}},
		"a function that is not kept ready, without an API": {
			&dashboard.Args{Scope: scope(), Name: "a", Function: &dashboard.Function{FunctionName: "f", Alias: "live", MemoryMB: 128}},
			[]string{"Running now", "How long the function ran"},
			[]string{"Environments kept ready", "Cold starts: what the slowest callers waited for"},
		},
		"an endpoint alone": {&dashboard.Args{Scope: scope(), Name: "a", Endpoint: full().Endpoint}, []string{"Alarms", "Copies and instances"}, []string{"Requests"}},
	} {
		t.Run(name, func(t *testing.T) {
			taken := map[[2]int]bool{}
			var titles []string
			for _, w := range read(t, test.args).Widgets {
				switch {
				case w.Graph != nil:
					titles = append(titles, w.Graph.Title)
				case w.Alarms != nil:
					titles = append(titles, w.Alarms.Title)
				}
				require.LessOrEqual(t, *w.X+w.Width, 24)
				for x := *w.X; x < *w.X+w.Width; x++ {
					for y := *w.Y; y < *w.Y+w.Height; y++ {
						require.False(t, taken[[2]int{x, y}], "two widgets lie on column %d, row %d", x, y)
						taken[[2]int{x, y}] = true
					}
				}
			}
			rows := 0
			for at := range taken {
				rows = max(rows, at[1]+1)
			}
			assert.Len(t, taken, 24*rows, "every row is full")
			assert.Subset(t, titles, test.has)
			for _, title := range test.hasNot {
				assert.NotContains(t, titles, title)
			}
		})
	}
}

const burnTitle = "How fast the error budget of 99.9 % availability burns: 1 is as fast as it lasts"

// What the page names is what the objectives register: alarms by their ARNs, and the metric math of the burn rate.
func TestTheDashboardShowsWhatTheObjectivesWatch(t *testing.T) {
	for name, countColdStarts := range map[string]bool{"cold starts apart": false, "cold starts counted": true} {
		t.Run(name, func(t *testing.T) {
			args := changed(func(a *dashboard.Args) { a.Objectives.CountColdStarts = countColdStarts })
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := slo.New(ctx, "songs", &slo.Args{
					Scope: args.Scope, Name: args.Objectives.Name, APIName: args.API.APIName, StageName: args.API.StageName, Method: args.API.Method,
					Path: args.API.Path, Objectives: args.Objectives.Objectives, CountColdStarts: countColdStarts, AccessLogGroup: pulumi.String("log"),
				})
				return err
			})
			require.NoError(t, err)
			body := read(t, args)
			assert.ElementsMatch(t, append(telling(graph, args.Scope), args.Scope.Alarm("songs-model-wake")), alarmsOf(t, body))

			var alarm resource.PropertyMap
			for _, r := range graph.OfType("aws:cloudwatch/metricAlarm:MetricAlarm") {
				if r.Name == "songs-burn-fast-long" {
					alarm = r.Inputs
				}
			}
			burn := graphOf(t, body, burnTitle)
			queries := alarm["metricQueries"].ArrayValue()
			require.Len(t, burn.Series, len(queries)+1, "one more for what is below the alarms' floor")
			for i, query := range queries {
				want, got := query.ObjectValue(), burn.Series[i]
				if metric, is := want["metric"]; is {
					m := metric.ObjectValue()
					assert.Equal(t, want["id"].StringValue(), got.ID)
					assert.Equal(t, m["namespace"].StringValue()+" "+m["metricName"].StringValue()+" "+m["stat"].StringValue(), got.Namespace+" "+got.Name+" "+got.Stat)
					dimensions := map[string]any{}
					for name, value := range got.Dimensions {
						dimensions[name] = value
					}
					if given, are := m["dimensions"]; are {
						assert.Equal(t, given.Mappable(), dimensions)
					} else {
						assert.Empty(t, dimensions)
					}
				} else {
					assert.Equal(t, want["expression"].StringValue(), got.Expression)
				}
			}
			rings, quiet := burn.Series[len(queries)-1].Expression, burn.Series[len(queries)].Expression
			assert.Equal(t, strings.Replace(rings, ">= 3", "< 3", 1), quiet)
			left := graphOf(t, body, "Error budget left")
			assert.Equal(t, "-P28D", startOf(t, args, "Error budget left"))
			assert.True(t, left.WholeRange)
			assert.Contains(t, left.Series[len(left.Series)-1].Expression, args.Objectives.BurnExpression(countColdStarts), "the budget has no floor")
		})
	}
}

// telling are the ARNs of the alarms that tell somebody.
func telling(graph *recorder.Graph, scope arn.Scope) (arns []string) {
	for _, r := range graph.Resources {
		if _, does := r.Inputs["alarmActions"]; !does {
			continue
		}
		for _, key := range []resource.PropertyKey{"name", "alarmName"} {
			if name, has := r.Inputs[key]; has {
				arns = append(arns, scope.Alarm(name.StringValue()))
			}
		}
	}
	return arns
}

func alarmsOf(t *testing.T, body *reader.Body) []string {
	t.Helper()
	for _, w := range body.Widgets {
		if w.Alarms != nil {
			return w.Alarms.ARNs
		}
	}
	require.FailNow(t, "there is no alarm widget")
	return nil
}

func graphOf(t *testing.T, body *reader.Body, title string) *reader.Graph {
	t.Helper()
	for _, w := range body.Widgets {
		if w.Graph != nil && w.Graph.Title == title {
			return w.Graph
		}
	}
	require.FailNow(t, "there is no such graph", title)
	return nil
}

// startOf is the start of a graph, as the JSON has it.
func startOf(t *testing.T, args *dashboard.Args, title string) string {
	t.Helper()
	var body struct {
		Widgets []struct{ Properties struct{ Title, Start string } }
	}
	require.NoError(t, json.Unmarshal([]byte(bodyOf(t, args)), &body))
	for _, w := range body.Widgets {
		if w.Properties.Title == title {
			return w.Properties.Start
		}
	}
	return ""
}

// What the numbers leave out is said where they are, and only where it is so.
func TestHeadingsSayWhatNumbersLeaveOut(t *testing.T) {
	const (
		late       = "SageMaker is a minute or more late"
		gaveUp     = "ended are the failed ones too"
		calls      = "calls other than POST /infer"
		queueCalls = "the queue and its functions"
		function   = "start of new environments"
		kept       = "at the price of other time"
		jobs       = "one slow job hides cold starts"
	)
	all := []string{late, gaveUp, calls, queueCalls, function, kept, jobs}
	onLambdaWith := func(change func(*dashboard.Args)) *dashboard.Args {
		a := onLambda()
		change(a)
		return a
	}
	for name, test := range map[string]struct {
		args *dashboard.Args
		has  []string
	}{
		"endpoint":                        {full(), []string{late, gaveUp, calls, queueCalls}},
		"endpoint without a queue":        {changed(func(a *dashboard.Args) { a.Queue = nil }), []string{late, calls}},
		"function":                        {onLambda(), []string{calls, function, kept}},
		"function with a queue":           {onLambdaWith(func(a *dashboard.Args) { a.Queue = full().Queue }), []string{gaveUp, calls, queueCalls, function, kept, jobs}},
		"function that is not kept ready": {onLambdaWith(func(a *dashboard.Args) { a.Function.Provisioned = false }), []string{calls, function}},
		"function without an API": {
			onLambdaWith(func(a *dashboard.Args) { a.API, a.Objectives, a.Queue = nil, nil, full().Queue }), []string{gaveUp, queueCalls, function, kept},
		},
	} {
		t.Run(name, func(t *testing.T) {
			headings := ""
			for _, w := range read(t, test.args).Widgets {
				headings += w.Markdown + "\n"
			}
			var has []string
			for _, words := range all {
				if strings.Contains(headings, words) {
					has = append(has, words)
				}
			}
			assert.Equal(t, test.has, has)
		})
	}
}

func TestTheDashboardRefusesBadArgs(t *testing.T) {
	for name, test := range map[string]struct {
		args *dashboard.Args
		want []string
	}{
		"nil":              {nil, []string{"args are required"}},
		"empty":            {&dashboard.Args{}, []string{"Scope", "Name", "give at least one, or there is nothing to show"}},
		"a name with dots": {changed(func(a *dashboard.Args) { a.Name = "songs.dev" }), []string{`Name is "songs.dev"`}},
		"a long name":      {changed(func(a *dashboard.Args) { a.Name = strings.Repeat("a", dashboard.MaxNameLength+1) }), []string{"Name"}},
		"two backends":     {changed(func(a *dashboard.Args) { a.Function = onLambda().Function; a.Cost = nil }), []string{"Endpoint and Function are both given"}},
		"objectives of no API": {
			changed(func(a *dashboard.Args) { a.API = nil }), []string{"Objectives are given without API"},
		},
		"empty sections": {
			changed(func(a *dashboard.Args) {
				a.API, a.Endpoint, a.Queue = &dashboard.API{}, &dashboard.Endpoint{}, &dashboard.Queue{}
				a.Objectives, a.Cost = &dashboard.Objectives{}, &dashboard.Cost{}
			}),
			[]string{
				"API.APIName", "API.StageName", "API.Method", "API.Path", "Objectives.Name", "Objectives: Availability is 0", "Endpoint.EndpointName",
				"Endpoint.VariantName", "Endpoint.InferenceComponentName", "Endpoint.WakeAlarm", "Endpoint.MaxInstances is 0", "Queue.QueueName",
				"Queue.DeadLetterQueueName", "Cost.RequestUSD is 0", "Cost.InstanceHourUSD is 0", "Cost.Source",
			},
		},
		"an empty function": {
			&dashboard.Args{Scope: scope(), Name: "a", Function: &dashboard.Function{ReservedConcurrency: -1}, Cost: &dashboard.Cost{Source: "none"}},
			[]string{
				"Function.FunctionName", "Function.Alias", "Function.MemoryMB is 0", "Function.ReservedConcurrency is -1",
				"Cost.FunctionRequestUSD is 0", "Cost.FunctionGBSecondUSD is 0",
			},
		},
		"the cost of nothing": {
			&dashboard.Args{Scope: scope(), Name: "a", Queue: full().Queue, Cost: full().Cost}, []string{"there is nothing to charge for"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
				_, err := dashboard.New(ctx, "songs", test.args)
				return err
			})
			require.ErrorContains(t, err, `dashboard "songs"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(dashboard.Type), "nothing may be registered")
		})
	}
}

func TestTheDashboardNamesWhatFailed(t *testing.T) {
	_, err := recorder.Run("dev", func(ctx *pulumi.Context) error {
		_, err := dashboard.New(ctx, "songs", full())
		return err
	}, recorder.Failing(dashboardToken))
	assert.ErrorContains(t, err, "songs failed")
}
