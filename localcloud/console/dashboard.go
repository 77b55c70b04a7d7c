package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"scaletozero/localcloud/dashboard"
)

// Dashboard is a CloudWatch dashboard that is deployed.
type Dashboard struct {
	Name string
	Body *dashboard.Body
}

// page is the answer of GET /dashboards: what the dashboard in the query parameter
// "name" shows now, the first one without it.
type page struct {
	Now   time.Time `json:"now"`
	Speed float64   `json:"speed"`
	// Names are those of all dashboards.
	Names   []string `json:"names"`
	Name    string   `json:"name"`
	Widgets []widget `json:"widgets"`
}

// widget is a widget with its data. X and Y are null where it goes where there is
// room.
type widget struct {
	Type   string `json:"type"`
	X      *int   `json:"x"`
	Y      *int   `json:"y"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Title  string `json:"title"`
	// Markdown is that of a text.
	Markdown string `json:"markdown,omitempty"`
	// Alarms are those of an alarm widget, in its order.
	Alarms []alarm `json:"alarms,omitempty"`
	Graph  *graph  `json:"graph,omitempty"`
	// Problem says why the widget shows nothing.
	Problem string `json:"problem,omitempty"`
}

// alarm is one that a widget names. State is MISSING where there is none.
type alarm struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

type graph struct {
	dashboard.Data
	View        string           `json:"view"`
	Stacked     bool             `json:"stacked"`
	Sparkline   bool             `json:"sparkline"`
	Axis        dashboard.Axis   `json:"axis"`
	Annotations []dashboard.Line `json:"annotations,omitempty"`
}

// missing is the state of an alarm that a widget names and nobody has registered.
const missing = "MISSING"

func (c *Console) serveDashboards(w http.ResponseWriter, r *http.Request) {
	all := c.options.Dashboards()
	name, at := r.URL.Query().Get("name"), 0
	if name != "" {
		at = slices.IndexFunc(all, func(d Dashboard) bool { return d.Name == name })
	}
	if at < 0 {
		http.Error(w, "there is no dashboard of this name", http.StatusNotFound)
		return
	}
	snapshot := c.options.Source()
	answer := page{Now: snapshot.Now, Speed: snapshot.Speed, Names: []string{}, Widgets: []widget{}}
	for _, d := range all {
		answer.Names = append(answer.Names, d.Name)
	}
	if len(all) > 0 {
		answer.Name = all[at].Name
		for _, definition := range all[at].Body.Widgets {
			answer.Widgets = append(answer.Widgets, c.show(definition, snapshot))
		}
	}
	writeJSON(w, answer)
}

// show is a widget with what it shows at the moment of the snapshot.
func (c *Console) show(d dashboard.Widget, now Snapshot) widget {
	shown := widget{Type: d.Type, X: d.X, Y: d.Y, Width: d.Width, Height: d.Height, Markdown: d.Markdown}
	switch {
	case d.Graph != nil:
		data := d.Graph.Evaluate(c.options.Metrics, now.Now)
		shown.Title, shown.Problem = d.Graph.Title, data.Problem
		data.Problem = ""
		shown.Graph = &graph{
			Data: data, View: d.Graph.View, Stacked: d.Graph.Stacked, Sparkline: d.Graph.Sparkline, Axis: d.Graph.Axis, Annotations: d.Graph.Lines,
		}
	case d.Alarms != nil:
		shown.Title = d.Alarms.Title
		for _, arn := range d.Alarms.ARNs {
			shown.Alarms = append(shown.Alarms, alarmNow(arn, now.Alarms))
		}
	case d.Type != "text":
		shown.Problem = fmt.Sprintf("localcloud shows no widgets of type %s.", d.Type)
	}
	return shown
}

// alarmNow is how an alarm stands, by its ARN, which ends in its name.
func alarmNow(arn string, all []Alarm) alarm {
	_, name, _ := strings.Cut(arn, ":alarm:")
	at := slices.IndexFunc(all, func(a Alarm) bool { return a.Name == name })
	if at < 0 {
		return alarm{name, missing, "No alarm of this name is registered."}
	}
	return alarm{name, all[at].State, all[at].Reason}
}
