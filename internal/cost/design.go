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
	// Kept is how many environments of the function provisioned concurrency keeps
	// started in business hours.
	Kept int
}

// Designs are all that are compared, in the order of the report.
func Designs() []Design {
	return []Design{
		{Name: "always on", Min: 1},
		{Name: "scale to zero", Min: 0},
		{Name: "business hours", Min: 0, BusinessHours: true},
		{Name: "Lambda", Lambda: true},
		{Name: "Lambda, kept warm in business hours", Lambda: true, Kept: 1},
	}
}

// Business hours, Monday to Friday, in Tokyo.
const (
	opens  = 9
	closes = 18
)

// The model is up when business hours begin: an instance and a start take less
// than early.
const early = 10 * time.Minute

var (
	openSchedule  = fmt.Sprintf("cron(%d %d ? * MON-FRI *)", 60-int(early.Minutes()), opens-1)
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

	// LambdaStart is how long a cold start takes, and LambdaIdle for how long an
	// environment stays without a request.
	LambdaStart, LambdaIdle time.Duration
}

// DefaultModel is a model that keeps one CPU busy for a second. The times of a
// function are guesses: AWS publishes none.
func DefaultModel() Model {
	return Model{
		Answer:      time.Second,
		Start:       15 * time.Second,
		LambdaStart: 5 * time.Second,
		LambdaIdle:  10 * time.Minute,
	}
}

// Function is what the price of a function's second depends on.
type Function struct {
	// MemoryMB is from 128 to 10240.
	MemoryMB int
	// Architecture is x86_64 or arm64, which costs a fifth less.
	Architecture string
}

const (
	arm64 = "arm64"
	// mbPerCPU is the memory that comes with one vCPU (Lambda developer guide,
	// "Configure Lambda function memory").
	mbPerCPU = 1769
)

// DefaultFunction is the one that the endpoints are compared with where the
// stack has none: one vCPU, and the endpoint's image, which is of x86_64.
func DefaultFunction() Function { return Function{MemoryMB: mbPerCPU, Architecture: "x86_64"} }

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
			Name: action.name, Resource: target.Resource, Schedule: schedule, Min: &action.min,
		})
	}
	return program, nil
}
