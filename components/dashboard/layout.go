package dashboard

import (
	"fmt"

	"scaletozero/components/arn"
)

// layout puts rows of widgets below each other on the grid.
type layout struct {
	scope   arn.Scope
	widgets []widget
	// y is where the next row begins.
	y int
}

// cell is a widget of a row and how many columns it has.
type cell struct {
	width int
	properties
}

func (l *layout) row(height int, cells ...cell) {
	x := 0
	for _, c := range cells {
		l.widgets = append(l.widgets, widget{Type: c.widgetType(), X: x, Y: l.y, Width: c.width, Height: height, Properties: c.properties})
		x += c.width
	}
	l.y += height
}

// even shares a row out; the first ones get what does not divide.
func even(all []properties) []cell {
	var cells []cell
	for i, p := range all {
		width := columns / len(all)
		if i < columns%len(all) {
			width++
		}
		cells = append(cells, cell{width, p})
	}
	return cells
}

// heading begins a section.
func (l *layout) heading(markdown string) {
	l.row(headingHeight+len(markdown)/lineLength, cell{columns, text{Markdown: markdown, Background: "transparent"}})
}

// Heights of rows in units of the grid.
const (
	headingHeight = 2
	glanceHeight  = 3
	graphHeight   = 6
)

// lineLength is how many letters of a heading are sure to fit into a line.
const lineLength = 180

// alarmsHeight is that of so many alarms, of which a row has four at the least.
func alarmsHeight(alarms int) int { return 1 + (alarms+3)/4 }

// Colours that mean the same in every graph, and can be told apart on white and
// on black.
const (
	good    = "#2e9e5b"
	refused = "#8457c2"
	asleep  = "#d98a00"
	bad     = "#d13a32"
	primary = "#3a78cf"
	second  = "#1d9aa8"
	quiet   = "#7d8797"
)

// Statistics.
const (
	sum         = "Sum"
	sampleCount = "SampleCount"
	average     = "Average"
	maximum     = "Maximum"
	p50         = "p50"
	p95         = "p95"
	p99         = "p99"
)

// minute is the finest period of the metrics here, in seconds, and
// fiveMinutes what rates are shown over.
const (
	minute      = 60
	fiveMinutes = 300
)

// over is a graph over time from 0 up, of one period in seconds.
func (l *layout) over(title, unit string, period int, all ...series) graph {
	zero := 0.0
	return graph{
		Title: title, Region: l.scope.Region, View: timeSeries, Stat: average, Period: period, Metrics: all,
		YAxis: &yAxis{axis{Label: unit, Min: &zero}},
	}
}

// stacked puts the series of a graph on top of each other.
func (g graph) stacked() graph {
	g.Stacked = true
	return g
}

// marked draws lines at values.
func (g graph) marked(lines ...horizontal) graph {
	g.Annotations = &annotations{lines}
	return g
}

// upTo is where the axis ends, whatever the values are.
func (g graph) upTo(most float64) graph {
	left := g.YAxis.Left
	left.Max = &most
	g.YAxis = &yAxis{left}
	return g
}

// number is one value of the whole time that the dashboard shows.
func (l *layout) number(title string, all ...series) graph {
	return graph{
		Title: title, Region: l.scope.Region, View: singleValue, Stat: average, Period: minute, Metrics: all, SetPeriodToTimeRange: true,
	}
}

// recent is one value of the last minutes, whatever time the dashboard shows. It
// is there for metrics that come late, or not at all while nothing runs: their
// newest value may be none, or from long ago.
func (l *layout) recent(title string, minutes int, all ...series) graph {
	g := l.number(title, all...)
	g.Start = fmt.Sprintf("-PT%dM", minutes)
	return g
}

// latest is the newest value, over a small graph.
func (l *layout) latest(title string, all ...series) graph {
	g := l.number(title, all...)
	g.SetPeriodToTimeRange, g.Sparkline = false, true
	return g
}

// metric is one metric as it is.
func metric(namespace, name, stat string, dimensions ...string) series {
	return series{namespace: namespace, name: name, dimensions: dimensions, options: options{Stat: stat}}
}

// math is an expression over the ids of its widget.
func math(expression string) series { return series{options: options{Expression: expression}} }

// as says how the series is called, and in which colour it is drawn.
func (s series) as(label, color string) series {
	s.options.Label, s.options.Color = label, color
	return s
}

// hidden is only there for expressions, which know it by the id.
func (s series) hidden(id string) series {
	no := false
	s.options.ID, s.options.Visible = id, &no
	return s
}
