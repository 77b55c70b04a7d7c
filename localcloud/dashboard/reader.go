package dashboard

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The bounds of the structure.
const (
	columns       = 24
	maxWidgets    = 500
	maxHeight     = 1000
	maxAlarms     = 100
	maxDimensions = 30
	defaultSize   = 6
	defaultPeriod = 300
)

// reader walks a document and notes what CloudWatch refuses, with where it is.
type reader struct{ problems Invalid }

func (r *reader) refuse(path, format string, values ...any) {
	r.problems = append(r.problems, Problem{path, fmt.Sprintf(format, values...)})
}

// at reads a field of a type; ok is false where it is missing or of another.
func at[T any](r *reader, path string, object map[string]any, name, wanted string) (value T, ok bool) {
	raw, given := object[name]
	if !given {
		return value, false
	}
	if value, ok = raw.(T); !ok {
		r.refuse(path+"/"+name, "Should be %s", wanted)
	}
	return value, ok
}

func (r *reader) text(path string, object map[string]any, name string) string {
	value, _ := at[string](r, path, object, name, "string")
	return value
}

func (r *reader) flag(path string, object map[string]any, name string) bool {
	value, _ := at[bool](r, path, object, name, "boolean")
	return value
}

func (r *reader) list(path string, object map[string]any, name string) []any {
	value, _ := at[[]any](r, path, object, name, "array")
	return value
}

func (r *reader) object(path string, object map[string]any, name string) map[string]any {
	value, _ := at[map[string]any](r, path, object, name, "object")
	return value
}

// number is nil where there is none.
func (r *reader) number(path string, object map[string]any, name string) *float64 {
	value, ok := at[float64](r, path, object, name, "number")
	if !ok {
		return nil
	}
	return &value
}

// integer is nil where there is none.
func (r *reader) integer(path string, object map[string]any, name string, least, most int) *int {
	value := r.number(path, object, name)
	switch {
	case value == nil:
		return nil
	case *value != math.Trunc(*value):
		r.refuse(path+"/"+name, "Should be integer")
		return nil
	case *value < float64(least):
		r.refuse(path+"/"+name, "Should be >= %d", least)
		return nil
	case *value > float64(most):
		r.refuse(path+"/"+name, "Should be <= %d", most)
		return nil
	}
	n := int(*value)
	return &n
}

// oneOf is "" where the field is missing.
func (r *reader) oneOf(path string, object map[string]any, name string, allowed ...string) string {
	value := r.text(path, object, name)
	if _, given := object[name].(string); given && !slices.Contains(allowed, value) {
		r.refuse(path+"/"+name, "Should be equal to one of the allowed values")
	}
	return value
}

func (r *reader) require(path string, object map[string]any, names ...string) {
	for _, name := range names {
		if _, given := object[name]; !given {
			r.refuse(path, "Should have required property '%s'", name)
		}
	}
}

func (r *reader) body(root map[string]any) *Body {
	r.require("", root, "widgets")
	r.oneOf("", root, "periodOverride", "auto", "inherit")
	body := &Body{Range: r.timeRange("", root, defaultRange)}
	widgets := r.list("", root, "widgets")
	if len(widgets) > maxWidgets {
		r.refuse("/widgets", "Should NOT have more than %d items", maxWidgets)
	}
	for i, raw := range widgets {
		path := "/widgets/" + strconv.Itoa(i)
		object, is := raw.(map[string]any)
		if !is {
			r.refuse(path, "Should be object")
			continue
		}
		body.Widgets = append(body.Widgets, r.widget(path, object, body.Range))
	}
	return body
}

// otherTypes are widgets that the local cloud keeps and does not evaluate.
var otherTypes = []string{"log", "explorer", "custom", "chart"}

func (r *reader) widget(path string, object map[string]any, shown time.Duration) Widget {
	r.require(path, object, "type", "properties")
	w := Widget{
		Type: r.oneOf(path, object, "type", append([]string{"metric", "alarm", "text"}, otherTypes...)...),
		X:    r.integer(path, object, "x", 0, columns-1), Y: r.integer(path, object, "y", 0, math.MaxInt32),
		Width: defaultSize, Height: defaultSize,
	}
	if width := r.integer(path, object, "width", 1, columns); width != nil {
		w.Width = *width
	}
	if height := r.integer(path, object, "height", 1, maxHeight); height != nil {
		w.Height = *height
	}
	properties := r.object(path, object, "properties")
	path += "/properties"
	switch {
	case properties == nil:
	case w.Type == "metric":
		w.Graph = r.graph(path, properties, shown)
	case w.Type == "alarm":
		w.Alarms = r.alarms(path, properties)
	case w.Type == "text":
		r.require(path, properties, "markdown")
		r.oneOf(path, properties, "background", "transparent", "solid")
		w.Markdown = r.text(path, properties, "markdown")
	}
	return w
}

func (r *reader) alarms(path string, object map[string]any) *Alarms {
	r.require(path, object, "alarms")
	a := &Alarms{Title: r.text(path, object, "title"), ARNs: r.alarmARNs(path, object)}
	r.oneOf(path, object, "sortBy", "default", "stateUpdatedTimestamp", "timestamp")
	return a
}

var alarmARN = regexp.MustCompile(`^arn:[a-z-]+:cloudwatch:[a-z0-9-]+:\d{12}:alarm:.+$`)

func (r *reader) alarmARNs(path string, object map[string]any) (arns []string) {
	list := r.list(path, object, "alarms")
	if len(list) > maxAlarms {
		r.refuse(path+"/alarms", "Should NOT have more than %d items", maxAlarms)
	}
	for i, raw := range list {
		arn, is := raw.(string)
		if !is || !alarmARN.MatchString(arn) {
			r.refuse(fmt.Sprintf("%s/alarms/%d", path, i), "Should match the ARN of an alarm")
			continue
		}
		arns = append(arns, arn)
	}
	return arns
}

// views are those of metric widgets; the local cloud draws the first two.
var views = []string{"timeSeries", "singleValue", "gauge", "bar", "pie", "table"}

func (r *reader) graph(path string, object map[string]any, shown time.Duration) *Graph {
	g := &Graph{
		Title: r.text(path, object, "title"), View: r.oneOf(path, object, "view", views...),
		Stacked: r.flag(path, object, "stacked"), Sparkline: r.flag(path, object, "sparkline"), LiveData: r.flag(path, object, "liveData"),
		Range: r.timeRange(path, object, shown), WholeRange: r.flag(path, object, "setPeriodToTimeRange"),
	}
	if g.View == "" {
		g.View = views[0]
	}
	r.require(path, object, "region")
	r.text(path, object, "region")
	r.lines(path, object, g)
	if object["metrics"] == nil && len(g.Lines) == 0 && g.NotEvaluated == "" {
		r.require(path, object, "metrics")
	}
	g.Axis = r.axis(path, object)
	r.metrics(path, object, g)
	if g.View != views[0] && g.View != views[1] {
		g.NotEvaluated = "localcloud draws the views timeSeries and singleValue, and not " + g.View
	}
	return g
}

// axis reads the left one; what belongs to the right one is drawn on it too.
func (r *reader) axis(path string, object map[string]any) Axis {
	axes := r.object(path, object, "yAxis")
	for _, side := range slices.Sorted(maps.Keys(axes)) {
		if side != "left" && side != "right" {
			r.refuse(path+"/yAxis/"+side, "Should NOT have additional properties")
		}
	}
	left := r.object(path+"/yAxis", axes, "left")
	return Axis{
		Label: r.text(path+"/yAxis/left", left, "label"),
		Min:   r.number(path+"/yAxis/left", left, "min"), Max: r.number(path+"/yAxis/left", left, "max"),
	}
}

func (r *reader) metrics(path string, object map[string]any, g *Graph) {
	stat := r.stat(path, object, "Average")
	period := r.period(path, object, defaultPeriod*time.Second)
	ids := map[string]bool{}
	var before []string
	for i, raw := range r.list(path, object, "metrics") {
		at := fmt.Sprintf("%s/metrics/%d", path, i)
		parts, is := raw.([]any)
		if !is || len(parts) == 0 {
			r.refuse(at, "Should be a metric array")
			continue
		}
		s, names := r.series(at, parts, before, stat, period)
		if s.Expression == "" {
			before = names
		}
		if s.ID != "" && ids[s.ID] {
			r.refuse(at, "The id %s is used more than once", s.ID)
		}
		ids[s.ID] = true
		g.Series = append(g.Series, s)
	}
}

func (r *reader) lines(path string, object map[string]any, g *Graph) {
	path += "/annotations"
	notes := r.object(path, object, "annotations")
	for i, raw := range r.list(path, notes, "horizontal") {
		at := fmt.Sprintf("%s/horizontal/%d", path, i)
		note, is := raw.(map[string]any)
		if !is {
			g.NotEvaluated = "localcloud draws no bands between two values"
			continue
		}
		r.require(at, note, "value")
		value := r.number(at, note, "value")
		if value != nil {
			g.Lines = append(g.Lines, Line{Label: r.text(at, note, "label"), Value: *value, Color: r.color(at, note)})
		}
	}
	if notes["alarms"] != nil {
		r.alarmARNs(path, notes)
		g.NotEvaluated = "localcloud draws no graph of an alarm; show its metrics"
	}
}

var (
	seriesID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
	hexColor = regexp.MustCompile(`^#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})$`)
	anyStat  = regexp.MustCompile(`^(SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|tc|ts|wm)\d{1,3}(\.\d+)?|(TM|TC|TS|WM|PR)\(.*\))$`)
)

func (r *reader) color(path string, object map[string]any) string {
	value := r.text(path, object, "color")
	if value != "" && !hexColor.MatchString(value) {
		r.refuse(path+"/color", "Should be a colour of six hexadecimal digits")
	}
	return value
}

func (r *reader) stat(path string, object map[string]any, otherwise string) string {
	value := r.text(path, object, "stat")
	if value == "" {
		return otherwise
	}
	if !anyStat.MatchString(value) {
		r.refuse(path+"/stat", "Should be a statistic")
	}
	return value
}

// period: 1, 5, 10, 20 and 30 seconds are for high-resolution metrics.
func (r *reader) period(path string, object map[string]any, otherwise time.Duration) time.Duration {
	value := r.integer(path, object, "period", 1, math.MaxInt32)
	if value == nil {
		return otherwise
	}
	if *value%60 != 0 && !slices.Contains([]int{1, 5, 10, 20, 30}, *value) {
		r.refuse(path+"/period", "Should be multiple of 60")
	}
	return time.Duration(*value) * time.Second
}

// series reads [namespace, name, (dimension, value)..., options] or, for an
// expression, [options]. It returns the texts too, for the one that follows.
func (r *reader) series(path string, parts []any, before []string, stat string, period time.Duration) (Series, []string) {
	options, has := parts[len(parts)-1].(map[string]any)
	if has {
		parts = parts[:len(parts)-1]
	}
	s := Series{
		ID: r.text(path, options, "id"), Label: r.text(path, options, "label"), Color: r.color(path, options),
		Expression: r.text(path, options, "expression"), Dimensions: map[string]string{},
		Stat: r.stat(path, options, stat), Period: r.period(path, options, period),
	}
	if visible, given := at[bool](r, path, options, "visible", "boolean"); given {
		s.Hidden = !visible
	}
	r.oneOf(path, options, "yAxis", "left", "right")
	if s.ID != "" && !seriesID.MatchString(s.ID) {
		r.refuse(path+"/id", "Should match pattern %s", seriesID)
	}
	texts := r.names(path, parts, before)
	switch {
	case s.Expression != "" && len(texts) > 0:
		r.refuse(path, "Should NOT have more than 1 items")
	case s.Expression != "":
	case len(texts) < 2:
		r.refuse(path, "Should NOT have less than 2 items")
	case len(texts)%2 != 0 || len(texts) > 2+2*maxDimensions:
		r.refuse(path, "Should NOT have more than %d items", min(len(texts)-1, 2+2*maxDimensions))
	default:
		s.Namespace, s.Name = texts[0], texts[1]
		for i := 2; i < len(texts); i += 2 {
			s.Dimensions[texts[i]] = texts[i+1]
		}
	}
	return s, texts
}

// names are the texts of a metric array without its shorthands: "." repeats the
// text in its place in the metric before, "..." all those up to what follows it.
func (r *reader) names(path string, parts []any, before []string) (texts []string) {
	for i, raw := range parts {
		text, is := raw.(string)
		if !is {
			r.refuse(fmt.Sprintf("%s/%d", path, i), "Invalid metric field type, only 'String' type is allowed")
		}
		switch {
		case text == "..." && len(before) > len(parts)-i-1:
			texts = append(texts, before[:len(before)-(len(parts)-i-1)]...)
		case text == "." && len(texts) < len(before):
			texts = append(texts, before[len(texts)])
		default:
			texts = append(texts, text)
		}
	}
	return texts
}

// relative is a duration of ISO 8601, such as -PT3H or -P28D.
var relative = regexp.MustCompile(`^-P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$`)

// timeRange reads start. An absolute one is accepted and shown like none: the
// local cloud's time is its own.
func (r *reader) timeRange(path string, object map[string]any, otherwise time.Duration) time.Duration {
	start := r.text(path, object, "start")
	if start == "" {
		return otherwise
	}
	match := relative.FindStringSubmatch(start)
	if match == nil {
		if _, err := time.Parse(time.RFC3339, start); err != nil {
			r.refuse(path+"/start", "Should be a time of ISO 8601, or a duration that begins with -P")
		}
		return otherwise
	}
	var sum time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute} {
		if n, err := strconv.Atoi(match[i+1]); err == nil {
			sum += time.Duration(n) * unit
		}
	}
	if sum <= 0 {
		r.refuse(path+"/start", "Should be a duration above 0")
		return otherwise
	}
	return sum
}
