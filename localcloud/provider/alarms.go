package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"scaletozero/localcloud/scaling"
)

// alarmOf leaves the unit out: the metrics of the local cloud have none, so that none is wrong.
func alarmOf(r *Resource) scaling.Alarm {
	a := scaling.Alarm{
		ARN: alarmARN(r, r.Inputs.text("name")), Name: r.Inputs.text("name"),
		EvaluationPeriods: int(r.Inputs.number("evaluationPeriods")), DatapointsToAlarm: int(r.Inputs.number("datapointsToAlarm")),
		ComparisonOperator: r.Inputs.text("comparisonOperator"), Threshold: r.Inputs.number("threshold"),
		TreatMissingData: r.Inputs.text("treatMissingData"), ActionsEnabled: r.Inputs.flag("actionsEnabled"),
		AlarmActions: r.Inputs.list("alarmActions"), OKActions: r.Inputs.list("okActions"),
		InsufficientDataActions: r.Inputs.list("insufficientDataActions"), NotEvaluated: notEvaluated(r),
	}
	if r.Inputs["metricQueries"] == nil {
		a.Metric = metricOf(r.Inputs, cmp.Or(r.Inputs.text("statistic"), r.Inputs.text("extendedStatistic")))
		return a
	}
	var err error
	if a.Math, err = scaling.ParseMath(queriesOf(r)); err != nil {
		a.NotEvaluated = cmp.Or(a.NotEvaluated, err.Error())
	}
	return a
}

func metricOf(p Properties, statistic string) scaling.Metric {
	return scaling.Metric{
		Namespace: p.text("namespace"), Name: p.text("metricName"), Dimensions: p.texts("dimensions"), Statistic: statistic, Period: p.seconds("period"),
	}
}

func queriesOf(r *Resource) []scaling.Query {
	var queries []scaling.Query
	for _, query := range r.Inputs.objects("metricQueries") {
		q := scaling.Query{ID: query.text("id"), Expression: query.text("expression"), Watched: query.flag("returnData")}
		if metric := query.object("metric"); metric != nil {
			q.Metric = new(metricOf(metric, metric.text("stat")))
		}
		queries = append(queries, q)
	}
	return queries
}

// notEvaluated says why the local cloud cannot evaluate an alarm that AWS would; "" if it can, as far as can be told
// without the metric math.
func notEvaluated(r *Resource) string {
	_, isPercentile := scaling.ParsePercentile(r.Inputs.text("extendedStatistic"))
	switch {
	case r.Inputs["metricQueries"] == nil && r.Inputs.text("metricName") == "":
		return "the alarm names no metric"
	case r.Inputs["threshold"] == nil:
		return "localcloud detects no anomalies; give a threshold"
	case r.Inputs.text("extendedStatistic") != "" && !isPercentile:
		return "localcloud has no extendedStatistic but percentiles such as p95"
	case r.Inputs.text("evaluateLowSampleCountPercentiles") == "ignore":
		return "localcloud evaluates percentiles of few samples too; leave evaluateLowSampleCountPercentiles out"
	default:
		return ""
	}
}

// checkAlarm holds PutMetricAlarm's rules for an alarm on one metric, and on metric math.
func checkAlarm(_ *Server, r *Resource) error {
	periods, needed := int(r.Inputs.number("evaluationPeriods")), r.Inputs.number("datapointsToAlarm")
	if periods < 1 || needed < 0 || int(needed) > periods {
		return fmt.Errorf("ValidationError: evaluationPeriods must be at least 1 and datapointsToAlarm not above it: %v, %v", periods, needed)
	}
	if r.Inputs["metricQueries"] != nil {
		return checkQueries(r, periods)
	}
	if r.Inputs.text("metricName") == "" {
		return nil
	}
	if (r.Inputs.text("statistic") == "") == (r.Inputs.text("extendedStatistic") == "") {
		return fmt.Errorf("one of statistic or extendedStatistic must be set, and not both, for an alarm on metricName")
	}
	return checkPeriod(r.Inputs.seconds("period"), periods)
}

// checkPeriod: PutMetricAlarm has no limit for a period but the one for all of them.
func checkPeriod(period time.Duration, periods int) error {
	seconds := int(period.Seconds())
	switch total := seconds * periods; {
	case seconds != 10 && seconds != 20 && seconds != 30 && (seconds < 60 || seconds%60 != 0):
		return fmt.Errorf("ValidationError: period must be 10, 20, 30 or a multiple of 60 seconds, but is %d", seconds)
	case seconds < 3600 && total > 24*3600:
		return fmt.Errorf("ValidationError: period times evaluationPeriods must not be above one day, but is %d seconds", total)
	case total > 7*24*3600:
		return fmt.Errorf("ValidationError: period times evaluationPeriods must not be above seven days, but is %d seconds", total)
	}
	return nil
}

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

// checkQueries holds PutMetricAlarm's rules for metric math (MetricDataQuery in the CloudWatch API reference).
func checkQueries(r *Resource, periods int) error {
	if r.Inputs.text("metricName") != "" || r.Inputs.text("statistic") != "" || r.Inputs.text("extendedStatistic") != "" {
		return errors.New("ValidationError: an alarm with metricQueries takes neither metricName nor statistic: they are in the queries")
	}
	watched := 0
	var ids []string
	for _, query := range r.Inputs.objects("metricQueries") {
		id, metric := query.text("id"), query.object("metric")
		switch {
		case !queryID.MatchString(id) || slices.Contains(ids, id):
			return fmt.Errorf("ValidationError: the id of a metric query must match %s and be its own, but is %q", queryID, id)
		case (metric == nil) == (query.text("expression") == ""):
			return fmt.Errorf("ValidationError: the metric query %q must have one of metric and expression", id)
		case metric != nil:
			if err := checkPeriod(metric.seconds("period"), periods); err != nil {
				return fmt.Errorf("the metric query %q: %w", id, err)
			}
		}
		ids = append(ids, id)
		if query.flag("returnData") {
			watched++
		}
	}
	if watched != 1 {
		return fmt.Errorf("ValidationError: one of metricQueries must have returnData, but %d have it", watched)
	}
	return nil
}

func compositeOf(r *Resource) scaling.Composite {
	c := scaling.Composite{ARN: alarmARN(r, r.Inputs.text("alarmName")), Name: r.Inputs.text("alarmName")}
	var err error
	if c.All, err = scaling.ParseRule(r.Inputs.text("alarmRule")); err != nil {
		c.NotEvaluated = err.Error()
	}
	return c
}

// checkComposite: alarms of both kinds share their names, and a rule names alarms that exist (PutCompositeAlarm in the
// CloudWatch API reference).
func checkComposite(s *Server, r *Resource) error {
	if s.store.Find(TypeMetricAlarm, r.Inputs.text("alarmName"), "") != nil {
		return fmt.Errorf("ValidationError: there is a metric alarm %s; give the composite alarm another name", r.Inputs.text("alarmName"))
	}
	for _, name := range compositeOf(r).All {
		if s.store.Find(TypeMetricAlarm, name, "") == nil {
			return fmt.Errorf("ValidationError: the alarm rule names %s, which does not exist: create the composite alarm after it", name)
		}
	}
	return nil
}

// inNoComposite keeps an alarm that a composite one needs.
func inNoComposite(_ context.Context, s *Server, r *Resource) error {
	for _, composite := range s.store.Resources(TypeCompositeAlarm) {
		if slices.Contains(compositeOf(composite).All, r.ID) {
			return fmt.Errorf("ValidationError: %s cannot be deleted: the composite alarm %s depends on it", r.ID, composite.ID)
		}
	}
	return nil
}
