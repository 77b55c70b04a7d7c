package cost

import (
	"fmt"
	"time"

	"scaletozero/localcloud/scaling"
)

// Design is a way of answering the requests.
type Design struct {
	Name string
	// Min is the least number of instances and copies.
	Min int
	// BusinessHours says that scheduled actions set the least number of copies to
	// 1 before business hours and back to Min after them.
	BusinessHours bool
	// Lambda says that a function answers, and no endpoint.
	Lambda bool
}

// Designs are all that are compared, in the order of the report.
func Designs() []Design {
	return []Design{
		{Name: "always on", Min: 1},
		{Name: "scale to zero", Min: 0},
		{Name: "business hours", Min: 0, BusinessHours: true},
		{Name: "Lambda", Lambda: true},
	}
}

// Business hours, Monday to Friday, in Tokyo.
const (
	opens  = 9
	closes = 18
)

// The model is up when business hours begin: an instance and a start take less
// than ten minutes.
var (
	openSchedule  = fmt.Sprintf("cron(50 %d ? * MON-FRI *)", opens-1)
	closeSchedule = fmt.Sprintf("cron(0 %d ? * MON-FRI *)", closes)
)

// Model is how long the model takes, on an endpoint and as a function.
type Model struct {
	// Answer is how long one request takes. A copy answers one at a time; others
	// wait in it.
	Answer time.Duration
	// Start is how long a copy takes on an instance that is in service until it
	// answers.
	Start time.Duration

	// LambdaMemoryMB is the function's memory.
	LambdaMemoryMB int
	// LambdaStart is how long a cold start takes, and LambdaIdle for how long an
	// environment is kept without a request.
	LambdaStart, LambdaIdle time.Duration
}

// DefaultModel is a model that keeps one CPU busy for a second. The times of a
// function are guesses: AWS publishes none.
func DefaultModel() Model {
	return Model{
		Answer: time.Second,
		Start:  15 * time.Second,
		// One vCPU (Lambda developer guide, "Configure Lambda function memory").
		LambdaMemoryMB: 1769,
		LambdaStart:    5 * time.Second,
		LambdaIdle:     10 * time.Minute,
	}
}

// registered is what the design registers: what the program does, with another
// least number of copies and the scheduled actions.
func (d Design) registered(program scaling.Registered) (scaling.Registered, error) {
	target := program.Targets[0]
	target.Min = d.Min
	program.Targets = []scaling.Target{target}
	if !d.BusinessHours {
		return program, nil
	}
	for _, action := range []struct {
		name, schedule string
		min            int
	}{{"open", openSchedule, 1}, {"close", closeSchedule, d.Min}} {
		schedule, err := scaling.ParseSchedule(action.schedule, zone)
		if err != nil {
			return program, err
		}
		program.Schedules = append(program.Schedules, scaling.ScheduledAction{
			Name: action.name, Component: target.Component, Schedule: schedule, Min: &action.min,
		})
	}
	return program, nil
}
