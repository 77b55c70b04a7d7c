//go:build unix

package localcloud

import (
	"scaletozero/localcloud/console"
	"scaletozero/localcloud/endpoint"
)

// view is how the cloud stands, for the console.
func (c *Cloud) view() console.Snapshot {
	view := console.Snapshot{Now: c.clock.Now(), Speed: c.clock.Speed()}
	for _, e := range c.runtime.State() {
		view.Endpoints = append(view.Endpoints, endpointView(e))
	}
	for _, a := range c.scaler.Alarms() {
		view.Alarms = append(view.Alarms, console.Alarm{
			Name: a.Name, State: a.State, Reason: a.Reason, Since: a.Since, CreatedByAWS: a.CreatedByAWS,
		})
	}
	for _, a := range c.scaler.Activities() {
		description := a.Description
		if a.Problem != "" {
			description += ": " + a.Problem
		}
		view.Activities = append(view.Activities, console.Activity{Time: a.Start, Cause: a.Cause, Description: description})
	}
	for _, r := range c.provider.Routes() {
		view.APIs = append(view.APIs, console.API{URL: r.URL, Name: r.APIName, Stage: r.Stage, JobsURL: r.JobsURL, Key: r.Key})
	}
	for _, q := range c.queues.State() {
		view.Queues = append(view.Queues, console.Queue{
			Name: q.Name, Visible: q.Visible, InFlight: q.InFlight, Delayed: q.Delayed, OldestSeconds: q.Oldest.Seconds(),
		})
	}
	jobs, err := c.tables.Count("status")
	if err != nil {
		c.logger.Warn("the jobs cannot be counted", "error", err)
	}
	view.Jobs = jobs
	for _, fault := range c.faults.List() {
		view.Faults = append(view.Faults, fault.String())
	}
	return view
}

func endpointView(e endpoint.State) console.Endpoint {
	view := console.Endpoint{Name: e.Name, InstanceType: e.InstanceType}
	for _, i := range e.Instances {
		view.Instances = append(view.Instances, console.Instance{ID: i.ID, State: i.State})
	}
	for _, component := range e.Components {
		copies := make([]console.Copy, len(component.Copies))
		for i, one := range component.Copies {
			copies[i] = console.Copy{Number: one.Number, Instance: one.Instance, State: one.State, Outstanding: one.Outstanding}
		}
		view.Components = append(view.Components, console.Component{Name: component.Name, Desired: component.Desired, Copies: copies})
	}
	return view
}
