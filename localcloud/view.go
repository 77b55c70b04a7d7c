//go:build unix

package localcloud

import (
	"slices"

	"scaletozero/localcloud/console"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/gateway"
	"scaletozero/localcloud/lambda"
	"scaletozero/localcloud/provider"
)

// inference is the id, in an API's document, of the operation that the console's form is for.
const inference = "infer"

// view is how the cloud stands, for the console.
func (c *Cloud) view() console.Snapshot {
	view := console.Snapshot{Now: c.clock.Now(), Speed: c.clock.Speed()}
	for _, e := range c.runtime.State() {
		view.Endpoints = append(view.Endpoints, endpointView(e))
	}
	for _, f := range c.functions.State() {
		view.Functions = append(view.Functions, functionView(f))
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
	for _, api := range c.provider.APIs() {
		addAPI(&view, api)
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

func functionView(f lambda.State) console.Function {
	view := console.Function{
		Name: f.Name, Environments: f.Environments, Running: f.Running, Inits: f.Inits,
		Invocations: f.Invocations, Errors: f.Errors, Throttles: f.Throttles, Aliases: f.Aliases,
	}
	for _, p := range f.Provisioned {
		view.Provisioned = append(view.Provisioned, console.Provisioned{
			Qualifier: p.Qualifier, Requested: p.Requested, Allocated: p.Allocated, InUse: p.InUse, Failure: p.Failure,
		})
	}
	return view
}

// addAPI adds an API for the form, or, where the form's request is not for it, its routes.
func addAPI(view *console.Snapshot, api provider.API) {
	if i := slices.IndexFunc(api.Operations, func(o gateway.Operation) bool { return o.ID == inference }); i >= 0 {
		view.APIs = append(view.APIs, console.API{
			URL: api.URL + api.Operations[i].Path, Name: api.Name, Stage: api.Stage, JobsURL: api.JobsURL, Key: api.Key,
		})
		return
	}
	for _, o := range api.Operations {
		view.Routes = append(view.Routes, console.Route{API: api.Name, Method: o.Method, URL: api.URL + o.Path, Summary: o.Summary})
	}
}
