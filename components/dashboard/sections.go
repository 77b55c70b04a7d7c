package dashboard

import (
	"fmt"
	"strconv"

	"scaletozero/components/slo"
)

// newBody is the page, the most urgent first: alarms, the state of things in
// numbers, then what callers see and what is behind it.
func newBody(args *Args) *body {
	l := &layout{scope: args.Scope}
	l.heading(title(args))
	if names := alarmNames(args); len(names) > 0 {
		arns := make([]string, len(names))
		for i, name := range names {
			arns[i] = args.Scope.Alarm(name)
		}
		l.row(alarmsHeight(len(arns)), cell{columns, alarms{Title: "Alarms", Alarms: arns}})
	}
	l.row(glanceHeight, even(l.glance(args))...)
	if args.API != nil {
		l.callers(args)
	}
	if args.Endpoint != nil {
		l.endpoint(args.Endpoint)
	}
	if args.Function != nil {
		l.function(args)
	}
	if args.Queue != nil {
		l.queue(args.Queue)
	}
	if args.Cost != nil {
		l.cost(args)
	}
	// The three hours are CloudWatch's own default, said so that it stays.
	return &body{Start: "-PT3H", PeriodOverride: "inherit", Widgets: l.widgets}
}

func title(args *Args) string {
	return fmt.Sprintf("# %s\nMade by a Pulumi program: what is changed here is lost at its next update.", args.Name)
}

// alarmNames are the alarms of the sections, the most urgent first.
func alarmNames(args *Args) (names []string) {
	if args.Objectives != nil {
		names = append(names, slo.AlarmNames(args.Objectives.Name, args.Objectives.CountColdStarts)...)
	}
	if args.Endpoint != nil {
		names = append(names, args.Endpoint.WakeAlarm)
	}
	return names
}

// glance are the numbers that tell most, in one row.
func (l *layout) glance(args *Args) (all []properties) {
	if args.API != nil {
		all = append(all, l.number("Requests", args.API.metric("Count", sampleCount).as("in the time shown", primary)))
	}
	if args.Objectives != nil {
		all = append(all, l.budgetLeft(args))
	}
	if args.Endpoint != nil {
		all = append(all, l.recent("Running now", args.Endpoint.minutes(),
			args.Endpoint.counts(fmt.Sprintf("copies, in the last %d minutes", args.Endpoint.minutes()))...))
	}
	if args.Function != nil {
		all = append(all, l.recent("Running now", fiveMinutes/minute, args.Function.metric("ConcurrentExecutions", maximum).hidden("most"),
			math("FILL(most, 0)").as("requests at once, in the last 5 minutes", primary)))
	}
	if args.Queue != nil {
		all = append(all, l.jobs(args.Queue))
	}
	if args.Cost != nil {
		all = append(all, l.spent(args))
	}
	return all
}

const gatewayNamespace = "AWS/ApiGateway"

// metric is one of the route's own metrics (API Gateway developer guide, "Amazon
// API Gateway dimensions and metrics").
func (a *API) metric(name, stat string) series {
	return metric(gatewayNamespace, name, stat, "ApiName", a.APIName, "Stage", a.StageName, "Method", a.Method, "Resource", a.Path)
}

// Ids of metrics that several expressions are over: those of
// slo.Objectives.BurnExpression.
const (
	requestsID = "requests"
	refusedID  = "refused"
	errorsID   = "errors"
	startingID = "starting"
)

// callers is what they get, and how soon.
func (l *layout) callers(args *Args) {
	l.heading(fmt.Sprintf("## What callers get\n%s %s of %s, stage %s.", args.API.Method, args.API.Path, args.API.APIName, args.API.StageName))
	l.row(graphHeight, cell{columns / 2, l.statuses(args)}, cell{columns / 2, l.latency(args)})
	if args.Objectives != nil {
		l.row(graphHeight, cell{columns, l.burn(args)})
	}
}

// statuses are the answers by what they mean. API Gateway counts a request that
// finds the model asleep as a 5XXError like any other; where something counts
// those apart, they are shown apart. Missing datapoints are no errors, but only in
// minutes that had requests.
func (l *layout) statuses(args *Args) graph {
	all := []series{
		args.API.metric("Count", sampleCount).hidden(requestsID),
		args.API.metric("4XXError", sum).hidden(refusedID),
		args.API.metric("5XXError", sum).hidden("failed"),
		math("requests - FILL(refused, 0) - FILL(failed, 0)").as("2xx answered", good),
		math("IF(requests > 0, FILL(refused, 0), 0)").as("4xx refused", refused),
	}
	starting, apart := starting(args)
	if !apart {
		return l.over("Answers a minute", "", minute, append(all, math("IF(requests > 0, FILL(failed, 0), 0)").as("5xx failed", bad))...).stacked()
	}
	// What counts them is not API Gateway, so that one may be behind the other.
	const cold = "IF(FILL(failed, 0) < FILL(starting, 0), FILL(failed, 0), FILL(starting, 0))"
	return l.over("Answers a minute", "", minute, append(all,
		starting.hidden(startingID),
		math("IF(requests > 0, "+cold+", 0)").as("503 asleep", asleep),
		math("IF(requests > 0, FILL(failed, 0) - "+cold+", 0)").as("5xx failed", bad))...).stacked()
}

// starting counts the requests that found the model asleep: in the access log
// where the objectives do, or else as SageMaker does, which also has those of the
// queue's worker. The second result is false where nothing does.
func starting(args *Args) (series, bool) {
	switch {
	case args.Objectives != nil && !args.Objectives.CountColdStarts:
		return metric(slo.MetricNamespace(args.Objectives.Name), slo.StartingMetric, sum), true
	case args.Endpoint != nil:
		return args.Endpoint.refusals(), true
	default:
		return series{}, false
	}
}

func (l *layout) latency(args *Args) graph {
	g := l.over("Latency", "ms", minute,
		args.API.metric("Latency", p50).as("p50", primary),
		args.API.metric("Latency", p95).as("p95", asleep),
		args.API.metric("Latency", p99).as("p99", refused),
		args.API.metric("IntegrationLatency", p95).as("p95 behind the gateway", quiet))
	if args.Objectives == nil {
		return g
	}
	return g.marked(
		horizontal{Label: fmt.Sprintf("objective p50: %d ms", args.Objectives.LatencyP50Ms), Value: float64(args.Objectives.LatencyP50Ms), Color: primary},
		horizontal{Label: fmt.Sprintf("objective p95: %d ms", args.Objectives.LatencyP95Ms), Value: float64(args.Objectives.LatencyP95Ms), Color: asleep})
}

// burnTerms are the metrics of burnRate, which the objectives' alarms are over too.
func burnTerms(args *Args) []series {
	all := []series{
		args.API.metric("Count", sampleCount).hidden(requestsID),
		args.API.metric("4XXError", sum).hidden(refusedID),
	}
	if args.Objectives.CountColdStarts {
		return append(all, args.API.metric("5XXError", sum).hidden(errorsID))
	}
	namespace := slo.MetricNamespace(args.Objectives.Name)
	return append(all, metric(namespace, slo.FailedMetric, sum).hidden(errorsID), metric(namespace, slo.StartingMetric, sum).hidden(startingID))
}

func burnRate(o *Objectives) string { return o.BurnExpression(o.CountColdStarts) }

// budgetLeft is over the objectives' own window, whatever time the dashboard
// shows: a widget may have a time range of its own, and one period of all of it.
func (l *layout) budgetLeft(args *Args) graph {
	g := l.number("Error budget left", append(burnTerms(args),
		math("100 * (1 - "+burnRate(args.Objectives)+")").as(fmt.Sprintf("%% of %d days", args.Objectives.WindowDays), good))...)
	g.Start = fmt.Sprintf("-P%dD", args.Objectives.WindowDays)
	return g
}

// burn is what the short window of the fastest alarm sees. Failures below the
// alarms' floor are drawn apart: they ring nothing alone, but may with others of
// the long window. One failure of one request is many times every alarm's rate, so
// the axis ends where the alarms' lines can still be read.
func (l *layout) burn(args *Args) graph {
	var lines []horizontal
	for i, rate := range slo.BurnRates() {
		color := asleep
		if i == 0 {
			color = bad
		}
		lines = append(lines, horizontal{Label: "alarm at " + strconv.FormatFloat(rate, 'g', -1, 64), Value: rate, Color: color})
	}
	return l.over(fmt.Sprintf("How fast the error budget of %g %% availability burns: 1 is as fast as it lasts", args.Objectives.Availability), "", fiveMinutes,
		append(burnTerms(args),
			math(fmt.Sprintf("IF(FILL(errors, 0) >= %d, %s, 0)", slo.MinFailures, burnRate(args.Objectives))).as("burn rate over 5 minutes", primary),
			math(fmt.Sprintf("IF(FILL(errors, 0) < %d, %s, 0)", slo.MinFailures, burnRate(args.Objectives))).
				as(fmt.Sprintf("of fewer than %d failures, which alone ring nothing", slo.MinFailures), quiet))...).
		stacked().marked(lines...).upTo(2 * slo.BurnRates()[0])
}
