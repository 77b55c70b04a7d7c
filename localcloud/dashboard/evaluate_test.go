package dashboard_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/dashboard"
	"scaletozero/localcloud/metrics"
)

// measured is a store in which each of ten minutes from 09:00 on but the fourth has its number, once and doubled, as
// samples of N/M. It is 09:10:30.
func measured() (*metrics.Store, time.Time) {
	c := clock.NewDriven(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	store := metrics.New(c)
	for minute := range 11 {
		if minute != 4 {
			store.Put("N", "M", nil, float64(minute))
			store.Put("N", "M", nil, float64(2*minute))
		}
		c.Move(c.Now().Add(time.Minute))
	}
	return store, time.Date(2026, 1, 5, 9, 10, 30, 0, time.UTC)
}

const none = math.MaxFloat64

// values has none for what is missing.
func values(line dashboard.Plot) (all []float64) {
	for _, value := range line.Values {
		if value == nil {
			all = append(all, none)
		} else {
			all = append(all, *value)
		}
	}
	return all
}

func graphOf(t *testing.T, properties string) *dashboard.Graph {
	t.Helper()
	return parse(t, one("metric", `{"region": "r", `+properties+`}`)).Widgets[0].Graph
}

func TestGraphsAreEvaluatedOverWholePeriods(t *testing.T) {
	store, now := measured()
	for name, test := range map[string]struct {
		properties string
		want       []float64
		start      string
	}{
		"minutes that have ended":    {`"start": "-PT6M", "period": 60, "stat": "Sum", "metrics": [["N", "M"]]`, []float64{none, 15, 18, 21, 24, 27}, "09:04"},
		"the one under way too":      {`"start": "-PT3M", "period": 60, "stat": "Maximum", "liveData": true, "metrics": [["N", "M"]]`, []float64{16, 18, 20}, "09:08"},
		"five minutes":               {`"start": "-PT10M", "period": 300, "stat": "SampleCount", "metrics": [["N", "M"]]`, []float64{8, 10}, "09:00"},
		"a percentile":               {`"start": "-PT10M", "period": 300, "stat": "p100", "metrics": [["N", "M"]]`, []float64{6, 18}, "09:00"},
		"less than a period":         {`"start": "-PT1M", "period": 300, "stat": "Minimum", "metrics": [["N", "M"]]`, []float64{5}, "09:05"},
		"by default five minutes":    {`"start": "-PT5M", "metrics": [["N", "M"]]`, []float64{10.5}, "09:05"},
		"all of the time":            {`"start": "-PT4M", "setPeriodToTimeRange": true, "stat": "Sum", "metrics": [["N", "M"]]`, []float64{21 + 24 + 27 + 30}, "09:07"},
		"math":                       {`"start": "-PT3M", "period": 60, "stat": "Sum", "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "m / 3"}]]`, []float64{7, 8, 9}, "09:07"},
		"math over math":             {`"start": "-PT1M", "period": 60, "stat": "Sum", "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "m + 1", "id": "e", "visible": false}], [{"expression": "e * 2", "id": "f"}]]`, []float64{56}, "09:09"},
		"a gap":                      {`"start": "-PT6M", "period": 60, "stat": "Sum", "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "FILL(m, 0)"}]]`, []float64{0, 15, 18, 21, 24, 27}, "09:04"},
		"a division by nothing":      {`"start": "-PT1M", "period": 60, "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "m / (m - m)"}]]`, []float64{none}, "09:09"},
		"nothing":                    {`"start": "-PT2M", "period": 60, "metrics": [["N", "Other"]]`, []float64{none, none}, "09:08"},
		"a period of the metric's":   {`"start": "-PT10M", "period": 60, "metrics": [["N", "M", {"period": 300, "stat": "Sum"}]]`, []float64{18, 105}, "09:00"},
		"ten seconds":                {`"start": "-PT1M", "period": 10, "stat": "Sum", "metrics": [["N", "M"]]`, []float64{none, none, none, 30, none, none}, "09:09"},
		"digits that nobody can see": {`"start": "-PT1M", "period": 60, "metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "m / 7"}]]`, []float64{1.9285714}, "09:09"},
	} {
		t.Run(name, func(t *testing.T) {
			data := graphOf(t, test.properties).Evaluate(store, now)
			require.Empty(t, data.Problem)
			require.Len(t, data.Lines, 1)
			assert.Equal(t, test.want, values(data.Lines[0]))
			assert.Equal(t, test.start, time.UnixMilli(data.Start).UTC().Format("15:04"))
			assert.Equal(t, now.UnixMilli(), data.End)
		})
	}
}

func TestLinesHaveTheirLabels(t *testing.T) {
	store, now := measured()
	data := graphOf(t, `"metrics": [["N", "M"], ["N", "M", {"label": "mine", "color": "#123456"}], ["N", "M", {"id": "m", "visible": false}], [{"expression": "m"}]]`).Evaluate(store, now)
	var labels []string
	for _, line := range data.Lines {
		labels = append(labels, line.Label+line.Color)
	}
	assert.Equal(t, []string{"M", "mine#123456", "m"}, labels)
}

func TestGraphsThatCannotBeEvaluatedSayWhy(t *testing.T) {
	store, now := measured()
	for properties, want := range map[string]string{
		`"view": "gauge", "metrics": [["N", "M"]]`:                                                         "and not gauge",
		`"metrics": [["N", "M", {"period": 60}], ["N", "M"]]`:                                              "graphs of one period",
		`"period": 5, "metrics": [["N", "M"]]`:                                                             "no metrics by 5s",
		`"start": "-P2D", "period": 60, "metrics": [["N", "M"]]`:                                           "give a longer period",
		`"stat": "tm90", "metrics": [["N", "M"]]`:                                                          "no statistic tm90",
		`"metrics": [["N", "M", {"id": "m", "stat": "IQM"}], [{"expression": "m"}]]`:                       "no statistic IQM",
		`"metrics": [["N", "M", {"id": "m"}], [{"expression": "ANOMALY_DETECTION_BAND(m)"}]]`:              "no metric math with ANOMALY_DETECTION_BAND",
		`"metrics": [["N", "M", {"id": "m", "stat": "IQM", "visible": false}], [{"expression": "m + 1"}]]`: "no statistic IQM",
		`"metrics": [["N", "M", {"id": "m", "visible": false}], [{"expression": "m + e", "id": "e"}]]`:     "which is no id of another query",
	} {
		data := graphOf(t, properties).Evaluate(store, now)
		assert.Contains(t, data.Problem, want, properties)
		assert.Empty(t, data.Lines)
	}
}
