package dashboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// What a dashboard may have (CloudWatch API reference, "Dashboard Body Structure
// and Syntax").
const (
	columns          = 24
	maxWidgetHeight  = 1000
	maxWidgets       = 500
	maxAlarms        = 100
	maxDimensions    = 30
	maxMetrics       = 500
	secondsPerMinute = 60
)

// body is a dashboard's definition. With PeriodOverride "inherit" the graphs keep
// the periods that their math is written for, whatever time is shown.
type body struct {
	Start          string   `json:"start"`
	PeriodOverride string   `json:"periodOverride"`
	Widgets        []widget `json:"widgets"`
}

// widget is one of them, in units of the grid.
type widget struct {
	Type   string `json:"type"`
	X      int    `json:"x"`
	Y      int    `json:"y"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	// Properties are text, alarms or graph.
	Properties properties `json:"properties"`
}

// properties are those of one type of widget.
type properties interface {
	widgetType() string
	problems() []error
}

// text is Markdown.
type text struct {
	Markdown   string `json:"markdown"`
	Background string `json:"background,omitempty"`
}

// alarms shows the states of alarms, by ARN.
type alarms struct {
	Title  string   `json:"title"`
	Alarms []string `json:"alarms"`
}

// graph shows metrics.
type graph struct {
	Title   string   `json:"title"`
	Region  string   `json:"region"`
	View    string   `json:"view"`
	Stacked bool     `json:"stacked,omitempty"`
	Metrics []series `json:"metrics"`
	// Stat and Period, in seconds, are those of every metric that has none of its
	// own.
	Stat   string `json:"stat"`
	Period int    `json:"period"`
	// Start begins a time range of the widget's own, relative to now.
	Start string `json:"start,omitempty"`
	// SetPeriodToTimeRange makes one period of the whole time.
	SetPeriodToTimeRange bool         `json:"setPeriodToTimeRange,omitempty"`
	Sparkline            bool         `json:"sparkline,omitempty"`
	YAxis                *yAxis       `json:"yAxis,omitempty"`
	Annotations          *annotations `json:"annotations,omitempty"`
}

// The values of graph.View that are used here.
const (
	timeSeries  = "timeSeries"
	singleValue = "singleValue"
)

type yAxis struct {
	Left axis `json:"left"`
}

type axis struct {
	Label     string   `json:"label,omitempty"`
	Min       *float64 `json:"min,omitempty"`
	Max       *float64 `json:"max,omitempty"`
	ShowUnits bool     `json:"showUnits"`
}

type annotations struct {
	Horizontal []horizontal `json:"horizontal"`
}

// horizontal is a line at a value.
type horizontal struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
	Color string  `json:"color,omitempty"`
}

// series is a metric, or an expression over the ids of others. In JSON it is an
// array: namespace, name, dimensions and options, or the options of an expression
// alone.
type series struct {
	namespace, name string
	// dimensions are names and values in turn.
	dimensions []string
	options    options
}

type options struct {
	Expression string `json:"expression,omitempty"`
	ID         string `json:"id,omitempty"`
	Label      string `json:"label,omitempty"`
	Color      string `json:"color,omitempty"`
	Stat       string `json:"stat,omitempty"`
	// Visible is false for what only expressions use.
	Visible *bool `json:"visible,omitempty"`
}

// MarshalJSON writes the array.
func (s series) MarshalJSON() ([]byte, error) {
	var parts []any
	if s.options.Expression == "" {
		parts = append(parts, s.namespace, s.name)
		for _, part := range s.dimensions {
			parts = append(parts, part)
		}
	}
	return encode(append(parts, s.options))
}

// encode writes JSON that people may read in a preview: comparisons in
// expressions stay what they are.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func (text) widgetType() string   { return "text" }
func (alarms) widgetType() string { return "alarm" }
func (graph) widgetType() string  { return "metric" }

// problems are what CloudWatch would refuse the body for.
func (b *body) problems() error {
	var problems []error
	if len(b.Widgets) > maxWidgets {
		problems = append(problems, fmt.Errorf("there are %d widgets; CloudWatch takes %d", len(b.Widgets), maxWidgets))
	}
	for i, w := range b.Widgets {
		refuse := func(err error) { problems = append(problems, fmt.Errorf("widget %d (%s): %w", i, w.Type, err)) }
		if w.Width < 1 || w.X < 0 || w.X+w.Width > columns || w.Y < 0 || w.Height < 1 || w.Height > maxWidgetHeight {
			refuse(fmt.Errorf("x %d, y %d, width %d and height %d are not on the grid of %d columns", w.X, w.Y, w.Width, w.Height, columns))
		}
		for _, problem := range w.Properties.problems() {
			refuse(problem)
		}
	}
	return errors.Join(problems...)
}

func (t text) problems() (problems []error) {
	if t.Markdown == "" {
		problems = append(problems, errors.New("markdown is empty"))
	}
	return problems
}

func (a alarms) problems() (problems []error) {
	if len(a.Alarms) == 0 || len(a.Alarms) > maxAlarms {
		problems = append(problems, fmt.Errorf("there are %d alarms; CloudWatch takes 1 to %d", len(a.Alarms), maxAlarms))
	}
	return problems
}

var (
	seriesID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
	color    = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	// stat has those that are used here; CloudWatch has more.
	stat = regexp.MustCompile(`^(SampleCount|Average|Sum|Minimum|Maximum|p\d{1,2}(\.\d+)?)$`)
)

func (g graph) problems() (problems []error) {
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if len(g.Metrics) == 0 || len(g.Metrics) > maxMetrics {
		refuse("there are %d metrics; CloudWatch takes 1 to %d", len(g.Metrics), maxMetrics)
	}
	if g.Region == "" {
		refuse("region is empty")
	}
	if g.Period < secondsPerMinute || g.Period%secondsPerMinute != 0 {
		refuse("period is %d; it must be a multiple of %d seconds", g.Period, secondsPerMinute)
	}
	ids := map[string]bool{}
	for i, s := range g.Metrics {
		id := s.options.ID
		if id != "" && (!seriesID.MatchString(id) || ids[id]) {
			refuse("the id of metric %d is %q; it must match %s and be its own", i, id, seriesID)
		}
		ids[id] = true
		if s.options.Expression == "" && (s.namespace == "" || s.name == "" || len(s.dimensions)%2 != 0 || len(s.dimensions) > 2*maxDimensions) {
			refuse("metric %d has namespace %q, name %q and dimensions %q; it needs the former two, and dimensions in pairs", i, s.namespace, s.name, s.dimensions)
		}
		if s.options.Expression == "" && !stat.MatchString(cmp.Or(s.options.Stat, g.Stat)) {
			refuse("metric %d has the statistic %q", i, cmp.Or(s.options.Stat, g.Stat))
		}
		if s.options.Color != "" && !color.MatchString(s.options.Color) {
			refuse("the colour of metric %d is %q", i, s.options.Color)
		}
	}
	return problems
}
