package dashboard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// plain is a widget that CloudWatch takes.
func plain(p properties) widget { return widget{Width: 6, Height: 6, Properties: p} }

func oneGraph(change func(*graph)) widget {
	g := graph{Region: "r", Stat: sum, Period: minute, Metrics: []series{metric("N", "M", "", "D", "v")}}
	change(&g)
	return plain(g)
}

func TestBodiesAreCheckedBeforeAnythingIsRegistered(t *testing.T) {
	assert.NoError(t, (&body{Widgets: []widget{plain(text{Markdown: "a"}), plain(alarms{Alarms: []string{"a"}}), oneGraph(func(*graph) {})}}).problems())
	many := make([]widget, maxWidgets+1)
	for i := range many {
		many[i] = plain(text{Markdown: "a"})
	}
	for want, widgets := range map[string][]widget{
		"there are 501 widgets; CloudWatch takes 500":         many,
		"x 20, y 0, width 6 and height 6 are not on the grid": {{X: 20, Width: 6, Height: 6, Properties: text{Markdown: "a"}}},
		"width 0 and height 6 are not on the grid":            {{Height: 6, Properties: text{Markdown: "a"}}},
		"y -1, width 6":         {{Y: -1, Width: 6, Height: 6, Properties: text{Markdown: "a"}}},
		"height 1001 are not":   {{Width: 6, Height: 1001, Properties: text{Markdown: "a"}}},
		"markdown is empty":     {plain(text{})},
		"there are 0 alarms":    {plain(alarms{})},
		"there are 101 alarms":  {plain(alarms{Alarms: strings.Split(strings.Repeat("a,", 100)+"a", ",")})},
		"there are 0 metrics":   {oneGraph(func(g *graph) { g.Metrics = nil })},
		"there are 501 metrics": {oneGraph(func(g *graph) { g.Metrics = make([]series, 501) })},
		"region is empty":       {oneGraph(func(g *graph) { g.Region = "" })},
		"period is 90; it must be a multiple of 60 seconds": {oneGraph(func(g *graph) { g.Period = 90 })},
		"period is 0":                              {oneGraph(func(g *graph) { g.Period = 0 })},
		`the id of metric 0 is "M1"`:               {oneGraph(func(g *graph) { g.Metrics[0] = g.Metrics[0].hidden("M1") })},
		`the id of metric 1 is "a"; it must match`: {oneGraph(func(g *graph) { g.Metrics = []series{math("1").hidden("a"), math("2").hidden("a")} })},
		`metric 0 has namespace "", name "M"`:      {oneGraph(func(g *graph) { g.Metrics[0].namespace = "" })},
		`dimensions ["D"]; it needs`:               {oneGraph(func(g *graph) { g.Metrics[0].dimensions = []string{"D"} })},
		`metric 0 has the statistic "p100.x"`:      {oneGraph(func(g *graph) { g.Metrics[0].options.Stat = "p100.x" })},
		`the colour of metric 0 is "red"`:          {oneGraph(func(g *graph) { g.Metrics[0].options.Color = "red" })},
		fmt.Sprintf("widget 1 (): there are 0 metrics; CloudWatch takes 1 to %d", maxMetrics): {plain(text{Markdown: "a"}), plain(graph{Region: "r", Period: minute})},
	} {
		assert.ErrorContains(t, (&body{Widgets: widgets}).problems(), want)
	}
}
