package dashboard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/dashboard"
)

// one is a body with one widget.
func one(kind, properties string) string {
	return fmt.Sprintf(`{"widgets": [{"type": %q, "properties": %s}]}`, kind, properties)
}

// plotted is a body with one graph of these metrics.
func plotted(metrics string) string { return one("metric", `{"region": "r", "metrics": `+metrics+`}`) }

func parse(t *testing.T, body string) *dashboard.Body {
	t.Helper()
	parsed, err := dashboard.Parse(body)
	require.NoError(t, err)
	return parsed
}

func TestBodiesAreRead(t *testing.T) {
	body := parse(t, `{"start": "-P1DT2H30M", "periodOverride": "auto", "widgets": [
		{"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": {"markdown": "# Songs", "background": "solid"}},
		{"type": "alarm", "properties": {"title": "A", "alarms": ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a b"], "sortBy": "default"}},
		{"type": "metric", "x": 12, "y": 3, "properties": {"region": "r", "title": "G", "view": "singleValue", "stacked": true, "sparkline": true,
			"stat": "p99.9", "period": 60, "start": "-P2W", "setPeriodToTimeRange": true, "liveData": true,
			"yAxis": {"left": {"min": 0, "max": 5.5, "label": "ms", "showUnits": false}, "right": {"min": 1}},
			"annotations": {"horizontal": [{"value": 3, "label": "L", "color": "#aabbcc"}, {"value": 4}]},
			"metrics": [["N", "M", "D", "v", {"id": "m1", "visible": false, "color": "#fff", "stat": "Sum", "period": 10, "yAxis": "left"}],
				[{"expression": "m1 * 2", "label": "twice", "id": "e1"}]]}},
		{"type": "explorer", "properties": {"anything": 1}}
	]}`)
	assert.Equal(t, 26*time.Hour+30*time.Minute, body.Range)
	require.Len(t, body.Widgets, 4)
	text, alarm, metric, other := body.Widgets[0], body.Widgets[1], body.Widgets[2], body.Widgets[3]
	assert.Equal(t, "# Songs", text.Markdown)
	assert.Equal(t, []int{0, 0, 24, 1}, []int{*text.X, *text.Y, text.Width, text.Height})
	assert.Equal(t, &dashboard.Alarms{Title: "A", ARNs: []string{"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a b"}}, alarm.Alarms)
	assert.Nil(t, alarm.X)
	assert.Equal(t, []int{6, 6}, []int{alarm.Width, alarm.Height}, "what AWS takes where there is no size")
	assert.Equal(t, &dashboard.Graph{
		Title: "G", View: "singleValue", Stacked: true, Sparkline: true, LiveData: true, WholeRange: true, Range: 14 * 24 * time.Hour,
		Axis:  dashboard.Axis{Label: "ms", Min: new(0.0), Max: new(5.5)},
		Lines: []dashboard.Line{{Label: "L", Value: 3, Color: "#aabbcc"}, {Value: 4}},
		Series: []dashboard.Series{
			{ID: "m1", Hidden: true, Color: "#fff", Namespace: "N", Name: "M", Stat: "Sum", Period: 10 * time.Second, Dimensions: map[string]string{"D": "v"}},
			{ID: "e1", Label: "twice", Expression: "m1 * 2", Stat: "p99.9", Period: time.Minute, Dimensions: map[string]string{}},
		},
	}, metric.Graph)
	assert.Equal(t, "explorer", other.Type)
}

func TestShorthandsOfMetricArrays(t *testing.T) {
	graph := parse(t, plotted(`[["N", "A", "D", "1", "E", "2"], [".", "B", ".", ".", ".", "3"], [{"expression": "1"}], ["...", "4"], ["N", "C"]]`)).Widgets[0].Graph
	var got []string
	for _, s := range graph.Series {
		got = append(got, fmt.Sprint(s.Namespace, s.Name, s.Dimensions))
	}
	assert.Equal(t, []string{"NAmap[D:1 E:2]", "NBmap[D:1 E:3]", "map[]", "NBmap[D:1 E:4]", "NCmap[]"}, got)
	assert.Equal(t, 3*time.Hour, graph.Range, "what the console shows without a start")
	assert.Equal(t, "Average", graph.Series[0].Stat)
	assert.Equal(t, 5*time.Minute, graph.Series[0].Period)
	assert.Equal(t, "timeSeries", graph.View)
}

func TestWhatIsAcceptedAndNotEvaluated(t *testing.T) {
	for properties, want := range map[string]string{
		`{"region": "r", "view": "pie", "metrics": [["N", "M"]]}`:                                                          "and not pie",
		`{"region": "r", "annotations": {"alarms": ["arn:aws:cloudwatch:r:123456789012:alarm:a"]}}`:                        "no graph of an alarm",
		`{"region": "r", "metrics": [["N", "M"]], "annotations": {"horizontal": [[{"value": 1}, {"value": 2}]]}}`:          "no bands",
		`{"region": "r", "start": "2026-01-02T03:04:05.000Z", "metrics": [["N", "M"]], "annotations": {"horizontal": []}}`: "",
	} {
		assert.Contains(t, parse(t, one("metric", properties)).Widgets[0].Graph.NotEvaluated, want, properties)
	}
}

func TestBodiesThatPutDashboardRefuses(t *testing.T) {
	alarm := `"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"`
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	for name, test := range map[string]struct{ body, path, message string }{
		"no JSON":            {`{`, "", "must be a valid JSON object"},
		"more than JSON":     {`{"widgets": []} {}`, "", "must be a valid JSON object"},
		"a list":             {`[]`, "", "must be a valid JSON object"},
		"no widgets":         {`{}`, "", "Should have required property 'widgets'"},
		"widgets":            {`{"widgets": {}}`, "/widgets", "Should be array"},
		"too many":           {`{"widgets": [` + many(501, `{"type": "text", "properties": {"markdown": "a"}}`) + `]}`, "/widgets", "Should NOT have more than 500 items"},
		"no widget":          {`{"widgets": [1]}`, "/widgets/0", "Should be object"},
		"override":           {`{"widgets": [], "periodOverride": "always"}`, "/periodOverride", "allowed values"},
		"start":              {`{"widgets": [], "start": "PT3H"}`, "/start", "ISO 8601"},
		"no time":            {`{"widgets": [], "start": "-P"}`, "/start", "above 0"},
		"no type":            {`{"widgets": [{"properties": {}}]}`, "/widgets/0", "'type'"},
		"another type":       {one("table", `{}`), "/widgets/0/type", "allowed values"},
		"no properties":      {`{"widgets": [{"type": "text"}]}`, "/widgets/0", "'properties'"},
		"width":              {`{"widgets": [{"type": "text", "width": 25, "properties": {"markdown": "a"}}]}`, "/widgets/0/width", "Should be <= 24"},
		"x":                  {`{"widgets": [{"type": "text", "x": -1, "properties": {"markdown": "a"}}]}`, "/widgets/0/x", "Should be >= 0"},
		"y":                  {`{"widgets": [{"type": "text", "y": 1.5, "properties": {"markdown": "a"}}]}`, "/widgets/0/y", "Should be integer"},
		"height":             {`{"widgets": [{"type": "text", "height": "6", "properties": {"markdown": "a"}}]}`, "/widgets/0/height", "Should be number"},
		"no markdown":        {one("text", `{}`), "/widgets/0/properties", "'markdown'"},
		"markdown":           {one("text", `{"markdown": 1}`), "/widgets/0/properties/markdown", "Should be string"},
		"background":         {one("text", `{"markdown": "", "background": "red"}`), "/widgets/0/properties/background", "allowed values"},
		"no alarms":          {one("alarm", `{}`), "/widgets/0/properties", "'alarms'"},
		"an alarm's name":    {one("alarm", `{"alarms": [`+alarm+`, "a"]}`), "/widgets/0/properties/alarms/1", "ARN of an alarm"},
		"too many alarms":    {one("alarm", `{"alarms": [`+many(101, alarm)+`]}`), "/widgets/0/properties/alarms", "Should NOT have more than 100 items"},
		"sort":               {one("alarm", `{"alarms": [], "sortBy": "name"}`), "/widgets/0/properties/sortBy", "allowed values"},
		"no region":          {one("metric", `{"metrics": [["N", "M"]]}`), "/widgets/0/properties", "'region'"},
		"no metrics":         {one("metric", `{"region": "r"}`), "/widgets/0/properties", "'metrics'"},
		"view":               {one("metric", `{"region": "r", "metrics": [["N", "M"]], "view": "line"}`), "/widgets/0/properties/view", "allowed values"},
		"stacked":            {one("metric", `{"region": "r", "metrics": [["N", "M"]], "stacked": "yes"}`), "/widgets/0/properties/stacked", "Should be boolean"},
		"stat":               {one("metric", `{"region": "r", "metrics": [["N", "M"]], "stat": "Mean"}`), "/widgets/0/properties/stat", "statistic"},
		"period":             {one("metric", `{"region": "r", "metrics": [["N", "M"]], "period": 90}`), "/widgets/0/properties/period", "multiple of 60"},
		"an axis":            {one("metric", `{"region": "r", "metrics": [["N", "M"]], "yAxis": {"top": {}}}`), "/widgets/0/properties/yAxis/top", "additional properties"},
		"no value":           {one("metric", `{"region": "r", "annotations": {"horizontal": [{"label": "a"}]}}`), "/widgets/0/properties/annotations/horizontal/0", "'value'"},
		"no metric":          {plotted(`[[]]`), "/widgets/0/properties/metrics/0", "metric array"},
		"a metric's text":    {plotted(`["N"]`), "/widgets/0/properties/metrics/0", "metric array"},
		"namespace only":     {plotted(`[["N"]]`), "/widgets/0/properties/metrics/0", "less than 2 items"},
		"half a dimension":   {plotted(`[["N", "M"], ["N", "M", "D"]]`), "/widgets/0/properties/metrics/1", "Should NOT have more than 2 items"},
		"dimensions":         {plotted(`[["N", "M", {"D": "v"}, {}]]`), "/widgets/0/properties/metrics/0/2", "only 'String' type is allowed"},
		"too many of them":   {plotted(`[["N", "M", ` + many(31, `"D", "v"`) + `]]`), "/widgets/0/properties/metrics/0", "Should NOT have more than 62 items"},
		"a named expression": {plotted(`[["N", {"expression": "1"}]]`), "/widgets/0/properties/metrics/0", "more than 1 items"},
		"id":                 {plotted(`[["N", "M", {"id": "M1"}]]`), "/widgets/0/properties/metrics/0/id", "match pattern"},
		"the same id":        {plotted(`[["N", "M", {"id": "a"}], ["N", "M", {"id": "a"}]]`), "/widgets/0/properties/metrics/1", "more than once"},
		"colour":             {plotted(`[["N", "M", {"color": "red"}]]`), "/widgets/0/properties/metrics/0/color", "colour"},
		"side":               {plotted(`[["N", "M", {"yAxis": "top"}]]`), "/widgets/0/properties/metrics/0/yAxis", "allowed values"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dashboard.Parse(test.body)
			var invalid dashboard.Invalid
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, test.path, invalid[0].DataPath)
			assert.Contains(t, invalid[0].Message, test.message)
			assert.ErrorContains(t, err, fmt.Sprintf("InvalidParameterInput: The dashboard body is invalid, there are %d validation errors:", len(invalid)))
			assert.ErrorContains(t, err, fmt.Sprintf(`"dataPath": %q`, test.path))
		})
	}
}

func TestAllProblemsAreSaidAtOnce(t *testing.T) {
	_, err := dashboard.Parse(`{"widgets": [{"type": "text", "width": 0, "properties": {}}, {"type": "metric", "properties": {"metrics": [["N"]]}}]}`)
	var invalid dashboard.Invalid
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid, 4)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"widgets": []}`, one("alarm", `{"alarms": []}`), plotted(`[["N", "M", "D", "v", {"id": "a"}], ["...", "w"], [{"expression": "a"}]]`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		parsed, err := dashboard.Parse(body)
		assert.NotEqual(t, parsed == nil, err == nil)
	})
}
