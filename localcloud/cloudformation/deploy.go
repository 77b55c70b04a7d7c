package cloudformation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"scaletozero/localcloud/endpoint"
)

// Cloud is what a stack is deployed into.
type Cloud interface {
	// Model returns the image and the environment of a SageMaker model.
	Model(name string) (image string, environment map[string]string, ok bool)
	// Deployed returns the resource with this type and physical name in any stack but the given one, or nil.
	Deployed(resourceType, name, exceptStack string) *Resource
	// ApplyEndpoint, DeleteEndpoint, Apply and Delete run endpoints and inference
	// components, as endpoint.Runtime does.
	ApplyEndpoint(ctx context.Context, e endpoint.Endpoint) error
	DeleteEndpoint(name string) error
	Apply(ctx context.Context, c endpoint.Component) error
	Delete(ctx context.Context, name string) error
}

// Stack is a deployed stack.
type Stack struct {
	ID        string               `json:"id"`
	Name      string               `json:"name"`
	Resources map[string]*Resource `json:"resources"`
	Outputs   map[string]string    `json:"outputs"`
}

// Resource is a deployed resource of a stack.
type Resource struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	ARN        string         `json:"arn"`
	Properties map[string]any `json:"properties"`
	// Endpoint is what an endpoint runs, Component what an inference component runs.
	Endpoint  *endpoint.Endpoint  `json:"endpoint,omitempty"`
	Component *endpoint.Component `json:"component,omitempty"`
}

// Request asks for a stack to be created or, with Previous, updated.
type Request struct {
	ID, Name                     string
	Region, AccountID, Partition string
	URLSuffix                    string
	Body                         string
	Parameters                   map[string]string
	Previous                     *Stack
}

// RolledBack is the error of a deployment that CloudFormation had accepted: the stack had an ID before it failed.
type RolledBack struct {
	// Cause says which resource failed and why. Err is set where putting things back failed too.
	Cause, Err error
	// Created tells whether it is a creation that failed, and not an update.
	Created bool
}

// Error starts with the stack's status.
func (e *RolledBack) Error() string {
	status := "UPDATE_ROLLBACK_"
	if e.Created {
		status = "ROLLBACK_"
	}
	if e.Err != nil {
		return fmt.Sprintf("%sFAILED: %v; the rollback failed too: %v", status, e.Cause, e.Err)
	}
	return fmt.Sprintf("%sCOMPLETE: %v", status, e.Cause)
}

// Unwrap returns both errors.
func (e *RolledBack) Unwrap() []error { return []error{e.Cause, e.Err} }

type deployment struct {
	Request
	cloud   Cloud
	scope   scope
	current map[string]*Resource
	// undo holds what takes back what was changed so far.
	undo []func(context.Context) error
}

// Deploy creates or updates a stack and returns when every inference component is InService. If it fails, what it had
// created is deleted and what it had updated is put back, so that the previous stack, if any, is as it was. The error
// is then a RolledBack; a request that CloudFormation refuses at once is any other error.
func Deploy(ctx context.Context, cloud Cloud, request Request) (*Stack, error) {
	template, err := Parse(request.Body)
	if err != nil {
		return nil, err
	}
	arguments, err := template.arguments(request.Parameters)
	if err != nil {
		return nil, err
	}
	d := &deployment{Request: request, cloud: cloud, current: map[string]*Resource{}}
	if d.Previous == nil {
		d.Previous = &Stack{}
	}
	d.scope = scope{template: template, arguments: arguments, pseudo: d.pseudoParameters(), deployed: d.current}
	outputs, err := d.apply(ctx)
	if err != nil {
		return nil, d.rollback(err)
	}
	// The update is complete before it removes what it no longer needs, and so goes on when its caller does not.
	if err := d.deleteOthers(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return &Stack{ID: d.ID, Name: d.Name, Resources: d.current, Outputs: outputs}, nil
}

func (d *deployment) pseudoParameters() map[string]string {
	return map[string]string{
		"AWS::AccountId": d.AccountID, "AWS::Partition": d.Partition, "AWS::Region": d.Region,
		"AWS::StackId": d.ID, "AWS::StackName": d.Name, "AWS::URLSuffix": d.URLSuffix,
	}
}

// apply brings up the resources in order and resolves the outputs.
func (d *deployment) apply(ctx context.Context) (map[string]string, error) {
	for _, id := range d.scope.template.order {
		if err := d.deployResource(ctx, id); err != nil {
			status := "CREATE_FAILED"
			if d.Previous.Resources[id] != nil {
				status = "UPDATE_FAILED"
			}
			return nil, fmt.Errorf("%s %s (%s): %w", status, id, d.scope.template.Resources[id].Type, err)
		}
	}
	outputs := map[string]string{}
	for _, name := range sortedKeys(d.scope.template.Outputs) {
		value, err := d.scope.resolve(d.scope.template.Outputs[name].Value)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		switch v := value.(type) {
		case string:
			outputs[name] = v
		case float64, bool:
			outputs[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("ValidationError: Template format error: Output %s must evaluate to a string", name)
		}
	}
	return outputs, nil
}

func (d *deployment) deployResource(ctx context.Context, id string) error {
	declared := d.scope.template.Resources[id]
	resolved, err := d.scope.resolve(mapOrEmpty(declared.Properties))
	if err != nil {
		return err
	}
	properties, isObject := resolved.(map[string]any)
	if !isObject {
		return errors.New("ValidationError: Properties must be an object")
	}
	next := &Resource{Type: declared.Type, Properties: properties}
	old := d.Previous.Resources[id]
	if old != nil && old.Type == next.Type && equal(old.Properties, next.Properties) {
		d.current[id] = old
		return nil
	}
	t := types[next.Type]
	inPlace := old != nil && old.Type == next.Type && !t.replaces(old.Properties, next.Properties)
	if err := d.name(next, old, id, inPlace); err != nil {
		return err
	}
	if !inPlace {
		old = nil
	}
	if err := t.check(d, next, old); err != nil {
		return err
	}
	if err := next.run(ctx, d.cloud); err != nil {
		return err
	}
	d.undo = append(d.undo, d.putBack(next, old))
	d.current[id] = next
	return nil
}

// run starts what the resource stands for, or brings it up to date.
func (r *Resource) run(ctx context.Context, cloud Cloud) error {
	switch {
	case r.Endpoint != nil:
		return cloud.ApplyEndpoint(ctx, *r.Endpoint)
	case r.Component != nil:
		return cloud.Apply(ctx, *r.Component)
	}
	return nil
}

// end stops what the resource stands for.
func (r *Resource) end(ctx context.Context, cloud Cloud) error {
	switch {
	case r.Endpoint != nil:
		return cloud.DeleteEndpoint(r.Name)
	case r.Component != nil:
		return cloud.Delete(ctx, r.Name)
	}
	return nil
}

// putBack returns what takes a change back.
func (d *deployment) putBack(next, old *Resource) func(context.Context) error {
	if old == nil {
		return func(ctx context.Context) error { return next.end(ctx, d.cloud) }
	}
	return func(ctx context.Context) error { return old.run(ctx, d.cloud) }
}

// name gives the resource its physical name: the given one, the one it has, or a generated one.
func (d *deployment) name(next, old *Resource, id string, inPlace bool) error {
	t := types[next.Type]
	given, isGiven := next.Properties[t.nameProperty].(string)
	switch {
	case isGiven && !inPlace && old != nil && old.Type == next.Type && old.Name == given:
		return fmt.Errorf("CloudFormation cannot update a stack when a custom-named resource requires replacing. "+
			"Rename %s and update the stack again", given)
	case isGiven:
		next.Name = given
	case inPlace:
		next.Name = old.Name
	default:
		next.Name = d.generatedName(id, next)
	}
	if err := checkName(t.nameProperty, next.Name); err != nil {
		return err
	}
	if !inPlace && d.find(next.Type, next.Name) != nil {
		return fmt.Errorf("ValidationException: Cannot create already existing %s %q", t.arnPart, next.Name)
	}
	next.ARN = fmt.Sprintf("arn:%s:sagemaker:%s:%s:%s/%s", d.Partition, d.Region, d.AccountID, t.arnPart, strings.ToLower(next.Name))
	return nil
}

// generatedName follows CloudFormation's form LOGICALID-RANDOM; the second part follows from the stack and the
// resource's properties, so that different properties never share a name.
func (d *deployment) generatedName(id string, r *Resource) string {
	content, err := json.Marshal(r.Properties)
	if err != nil {
		panic(err) // The properties were decoded from JSON.
	}
	sum := sha256.Sum256([]byte(d.ID + "\x00" + id + "\x00" + string(content)))
	return id[:min(len(id), 50)] + "-" + base32.StdEncoding.EncodeToString(sum[:])[:12]
}

// find returns a living resource, of this stack or another one.
func (d *deployment) find(resourceType, name string) *Resource {
	for _, resources := range []map[string]*Resource{d.current, d.Previous.Resources} {
		for _, r := range resources {
			if r.Type == resourceType && r.Name == name {
				return r
			}
		}
	}
	return d.cloud.Deployed(resourceType, name, d.ID)
}

// rollback puts back what was changed, latest first, and returns the failure with the status of the stack. It does
// not end with the caller's context: that may be what made the deployment fail.
func (d *deployment) rollback(cause error) error {
	var failures []error
	for _, undo := range slices.Backward(d.undo) {
		failures = append(failures, undo(context.Background()))
	}
	return &RolledBack{Cause: cause, Err: errors.Join(failures...), Created: d.Previous.Resources == nil}
}

// deleteOthers stops what is no longer part of the stack.
func (d *deployment) deleteOthers(ctx context.Context) error {
	var failures []error
	for _, old := range d.Previous.inOrder() {
		kept := slices.ContainsFunc(slices.Collect(maps.Values(d.current)), func(r *Resource) bool {
			return r.Type == old.Type && r.Name == old.Name
		})
		if !kept {
			failures = append(failures, old.end(ctx, d.cloud))
		}
	}
	return errors.Join(failures...)
}

// Resume runs again what a deployed stack stands for. It tells how each resource
// came out, by its name, and goes on after a failure.
func Resume(ctx context.Context, cloud Cloud, stack *Stack, outcome func(name string, err error)) {
	for _, r := range slices.Backward(stack.inOrder()) {
		outcome(r.Name, r.run(ctx, cloud))
	}
}

// Delete stops everything that a stack stands for.
func Delete(ctx context.Context, cloud Cloud, stack *Stack) error {
	var failures []error
	for _, r := range stack.inOrder() {
		failures = append(failures, r.end(ctx, cloud))
	}
	return errors.Join(failures...)
}

// inOrder returns the resources in the order in which they can be deleted:
// inference components before the endpoints that they are on.
func (s *Stack) inOrder() []*Resource {
	order := []string{TypeInferenceComponent, TypeEndpoint, TypeEndpointConfig}
	return slices.SortedFunc(maps.Values(s.Resources), func(a, b *Resource) int {
		return cmp.Or(slices.Index(order, a.Type)-slices.Index(order, b.Type), strings.Compare(a.Name, b.Name))
	})
}

// decode reads the resolved properties into a struct, which refuses the ones it does not have.
func (r *Resource) decode(into any) error {
	content, err := json.Marshal(r.Properties)
	if err != nil {
		return err
	}
	if err := strict(content, into); err != nil {
		return fmt.Errorf("InvalidRequest: Properties validation failed: %w", err)
	}
	return nil
}

func mapOrEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
