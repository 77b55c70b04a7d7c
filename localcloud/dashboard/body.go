// Package dashboard reads the body of a CloudWatch dashboard, says what
// PutDashboard would refuse it for, and evaluates its widgets over the local
// cloud's metrics with the code that alarms are evaluated with.
//
// It knows metric, alarm and text widgets. Others are accepted as CloudWatch
// accepts them, and not evaluated.
package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Body is a dashboard's definition (CloudWatch API reference, "Dashboard Body
// Structure and Syntax").
type Body struct {
	// Range is how much time the dashboard shows, up to now.
	Range   time.Duration
	Widgets []Widget
}

// Widget is one part of a dashboard, in units of a grid with 24 columns.
type Widget struct {
	// Type is metric, alarm, text or another one that is not evaluated.
	Type string
	// X and Y are nil for a widget that goes where there is room.
	X, Y          *int
	Width, Height int
	// One of these is set, by type.
	Graph    *Graph
	Alarms   *Alarms
	Markdown string
}

// Alarms shows the states of alarms, by ARN.
type Alarms struct {
	Title string
	ARNs  []string
}

// Graph shows metrics.
type Graph struct {
	Title, View        string
	Stacked, Sparkline bool
	// Range is how much time the graph shows, up to now.
	Range time.Duration
	// WholeRange makes one period of all of it (setPeriodToTimeRange).
	WholeRange bool
	// LiveData shows the period that is under way too.
	LiveData bool
	Series   []Series
	Lines    []Line
	Axis     Axis
	// NotEvaluated says why the local cloud cannot show the graph.
	NotEvaluated string
}

// Series is a metric or an expression over the ids of others.
type Series struct {
	ID, Label, Color, Expression string
	Hidden                       bool
	Namespace, Name, Stat        string
	Dimensions                   map[string]string
	Period                       time.Duration
}

// Line is a horizontal annotation.
type Line struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
	Color string  `json:"color,omitempty"`
}

// Axis is the left one. Bounds that are nil follow the data.
type Axis struct {
	Label string   `json:"label,omitempty"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
}

// Problem is one reason why PutDashboard refuses a body, as its
// DashboardValidationMessages have it.
type Problem struct {
	DataPath string `json:"dataPath"`
	Message  string `json:"message"`
}

// Invalid is the error of a body that PutDashboard refuses, in its own words
// (hashicorp/terraform-provider-aws has them in its issues).
type Invalid []Problem

func (i Invalid) Error() string {
	list, err := json.MarshalIndent([]Problem(i), "", "  ")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("InvalidParameterInput: The dashboard body is invalid, there are %d validation errors:\n%s", len(i), list)
}

// defaultRange is what the console shows of a dashboard without a start.
const defaultRange = 3 * time.Hour

// Parse reads a body.
//
// Errors: Invalid, where PutDashboard refuses the body.
func Parse(document string) (*Body, error) {
	r := &reader{}
	var root any
	decoder := json.NewDecoder(strings.NewReader(document))
	if err := decoder.Decode(&root); err != nil || decoder.More() {
		return nil, Invalid{{"", "The field DashboardBody must be a valid JSON object"}}
	}
	object, is := root.(map[string]any)
	if !is {
		return nil, Invalid{{"", "The field DashboardBody must be a valid JSON object"}}
	}
	body := r.body(object)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return body, nil
}
