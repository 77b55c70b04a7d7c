package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"scaletozero/localcloud/metrics"
	"scaletozero/localcloud/scaling"
)

// Data is what a graph shows at a moment. Times are AWS times.
type Data struct {
	// Start and End are the time that is shown, and Period that of each value, in
	// milliseconds. The first value is of the period that begins at Start.
	Start  int64  `json:"start"`
	End    int64  `json:"end"`
	Period int64  `json:"period"`
	Lines  []Plot `json:"lines"`
	// Problem says why there is nothing to show.
	Problem string `json:"problem,omitempty"`
}

// Plot is one visible series.
type Plot struct {
	Label string `json:"label"`
	Color string `json:"color,omitempty"`
	// Values are those of the periods, oldest first; nil is a missing datapoint.
	Values []*float64 `json:"values"`
}

// maxPeriods bounds what one series may cost to evaluate and to draw. It is the
// number of datapoints that CloudWatch's console draws of a metric at most.
const maxPeriods = 1440

// Evaluate returns what the graph shows at a time: whole periods that have ended,
// beginning at multiples of the period, and with LiveData the one under way. With
// WholeRange there is one period, of all of the time.
//
// A series that cannot be evaluated makes a Problem of the graph: metric math that
// the local cloud has not, periods that differ, or statistics other than the usual
// five and percentiles.
func (g *Graph) Evaluate(store *metrics.Store, now time.Time) Data {
	if g.NotEvaluated != "" {
		return Data{Problem: g.NotEvaluated}
	}
	span, err := g.span(now)
	if err != nil {
		return Data{Problem: err.Error()}
	}
	data := Data{
		Start: span.start.UnixMilli(), End: now.UnixMilli(), Period: span.period.Milliseconds(), Lines: []Plot{},
	}
	for i, series := range g.Series {
		if series.Hidden {
			continue
		}
		values, err := g.values(store, i, span)
		if err != nil {
			return Data{Problem: err.Error()}
		}
		data.Lines = append(data.Lines, Plot{Label: cmp.Or(series.Label, series.Name, series.Expression), Color: series.Color, Values: values})
	}
	return data
}

// span is n periods from start on.
type span struct {
	start  time.Time
	period time.Duration
	n      int
}

func (g *Graph) span(now time.Time) (span, error) {
	if g.WholeRange {
		// The store counts in minutes; the one under way belongs to it.
		end := now.Truncate(time.Minute).Add(time.Minute)
		return span{end.Add(-g.Range), g.Range, 1}, nil
	}
	period := time.Duration(0)
	for _, series := range g.Series {
		if series.Expression != "" {
			continue
		}
		if period != 0 && series.Period != period {
			return span{}, fmt.Errorf("localcloud draws graphs of one period; here are %s and %s", period, series.Period)
		}
		period = series.Period
	}
	if period == 0 {
		period = defaultPeriod * time.Second
	}
	if period%(10*time.Second) != 0 {
		return span{}, fmt.Errorf("localcloud keeps no metrics by %s; give a period of 10 seconds or more", period)
	}
	n := int((g.Range + period - 1) / period)
	if n > maxPeriods {
		return span{}, fmt.Errorf("%d periods of %s are more than the %d that can be drawn; give a longer period", n, period, maxPeriods)
	}
	end := now.Truncate(period)
	if g.LiveData {
		end = end.Add(period)
	}
	return span{end.Add(-time.Duration(n) * period), period, n}, nil
}

// values are those of one series, in tenths of a millionth at the finest: more
// digits would only be more to send.
func (g *Graph) values(store *metrics.Store, index int, s span) ([]*float64, error) {
	found, err := g.evaluate(store, index, s)
	if err != nil {
		return nil, err
	}
	values := make([]*float64, len(found))
	for i, value := range found {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			rounded := math.Round(value*1e7) / 1e7
			values[i] = &rounded
		}
	}
	return values, nil
}

func (g *Graph) evaluate(store *metrics.Store, index int, s span) ([]float64, error) {
	series := g.Series[index]
	if series.Expression == "" {
		metric, err := series.metric(s.period)
		if err != nil {
			return nil, err
		}
		return metric.Values(store, s.n, s.start), nil
	}
	// An expression without an id is nobody's part, but has to be called something.
	const nameless = "the graph's own"
	var queries []scaling.Query
	for i, other := range g.Series {
		query := scaling.Query{ID: other.ID, Expression: other.Expression, Watched: i == index}
		if other.Expression == "" {
			metric, err := other.metric(s.period)
			if err != nil {
				return nil, err
			}
			query.Metric = &metric
		}
		if query.ID == "" && query.Watched {
			query.ID = nameless
		}
		if query.ID != "" {
			queries = append(queries, query)
		}
	}
	parsed, err := scaling.ParseMath(queries)
	if err != nil {
		return nil, err
	}
	return parsed.Values(store, s.n, s.start), nil
}

// metric is the series as alarms have it, over a period.
func (s Series) metric(period time.Duration) (scaling.Metric, error) {
	switch s.Stat {
	case "SampleCount", "Average", "Sum", "Minimum", "Maximum":
	default:
		if _, is := scaling.ParsePercentile(s.Stat); !is {
			return scaling.Metric{}, fmt.Errorf("localcloud has no statistic %s; it has the usual five, and percentiles such as p95", s.Stat)
		}
	}
	return scaling.Metric{Namespace: s.Namespace, Name: s.Name, Dimensions: s.Dimensions, Statistic: s.Stat, Period: period}, nil
}
