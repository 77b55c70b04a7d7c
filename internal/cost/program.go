package cost

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"

	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/provider"
	"scaletozero/localcloud/scaling"
)

// Program is what a stack of the program registers, as far as it moves copies
// and costs. A stack has an endpoint or a function.
type Program struct {
	// Function is the model's, DefaultFunction where the stack has an endpoint.
	Function Function

	Scaling scaling.Registered
	// InstanceType is the endpoint's, MaxInstances its MaxInstanceCount.
	InstanceType string
	MaxInstances int
	// PerInstance is how many copies an instance has room for.
	PerInstance int
}

// HasEndpoint says whether the stack's model is behind an endpoint. Of one that
// is a function, only Function is known.
func (p *Program) HasEndpoint() bool { return p.InstanceType != "" }

// recordedARN is the ARN that the recorder of the resource graph makes up.
const recordedARN = "arn:aws:mock:::"

// ReadProgram reads what a stack registers from its resource graph, which the
// program's own test writes and compares: tests/testdata/graph.STACK.golden.json.
func ReadProgram(file string) (*Program, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("what the stack registers cannot be read: %w", err)
	}
	var graph []struct {
		Type, Name string
		Inputs     provider.Properties
	}
	if err := json.Unmarshal(text, &graph); err != nil {
		return nil, fmt.Errorf("the resource graph %s: %w", file, err)
	}
	p := &Program{Function: DefaultFunction()}
	var resources []*provider.Resource
	arns := map[string]string{}
	image := false
	for _, r := range graph {
		if r.Type == provider.TypeFunction && r.Inputs["packageType"] == "Image" {
			image = true
			p.Function.read(r.Inputs)
		}
		if r.Type == provider.TypeStack && p.InstanceType == "" {
			if err := p.readTemplate(r.Inputs); err != nil {
				return nil, fmt.Errorf("the resource graph %s: %w", file, err)
			}
		}
		resources = append(resources, &provider.Resource{Type: r.Type, ID: r.Name, URN: r.Type + " " + r.Name, Inputs: r.Inputs})
	}
	if image && !p.HasEndpoint() {
		return p, nil
	}
	if p.Scaling, err = provider.ScalingOf(resources); err != nil {
		return nil, fmt.Errorf("the resource graph %s: %w", file, err)
	}
	policies := slices.DeleteFunc(resources, func(r *provider.Resource) bool { return r.Type != provider.TypeScalingPolicy })
	for i, policy := range policies {
		arns[recordedARN+policy.ID] = p.Scaling.Policies[i].ARN
	}
	p.keepAlarms(arns)
	if len(p.Scaling.Targets) != 1 || !p.HasEndpoint() {
		return nil, fmt.Errorf("the resource graph %s has %d scalable targets and instance type %q; it needs one of each", file, len(p.Scaling.Targets), p.InstanceType)
	}
	return p, nil
}

// read reads the inputs of a function; what they do not say is Lambda's default,
// 128 MB of x86_64.
func (f *Function) read(inputs provider.Properties) {
	*f = Function{MemoryMB: 128, Architecture: DefaultFunction().Architecture}
	if memory, ok := inputs["memorySize"].(float64); ok {
		f.MemoryMB = int(memory)
	}
	if architectures, ok := inputs["architectures"].([]any); ok && len(architectures) > 0 {
		f.Architecture = fmt.Sprint(architectures[0])
	}
}

// keepAlarms keeps the alarms that run a scaling policy, by the ARNs that the
// policies have. All others watch, at the same price for every design.
func (p *Program) keepAlarms(arns map[string]string) {
	p.Scaling.Alarms = slices.DeleteFunc(p.Scaling.Alarms, func(alarm scaling.Alarm) bool {
		runs := false
		for i, action := range alarm.AlarmActions {
			if made, known := arns[action]; known {
				alarm.AlarmActions[i], runs = made, true
			}
		}
		return !runs
	})
	p.Scaling.Composites = nil
}

// readTemplate reads the parameters of the endpoint's CloudFormation template.
func (p *Program) readTemplate(inputs provider.Properties) error {
	parameters, ok := inputs["parameters"].(map[string]any)
	if !ok {
		return fmt.Errorf("the endpoint's stack has no parameters")
	}
	var problem error
	number := func(key string) float64 {
		value, err := strconv.ParseFloat(fmt.Sprint(parameters[key]), 64)
		if err != nil && problem == nil {
			problem = fmt.Errorf("the template's parameter %s is %v, which is no number", key, parameters[key])
		}
		return value
	}
	needs := endpoint.Requirements{CPUCores: number("CpuCores"), MemoryMB: int(number("MemoryInMb"))}
	if _, given := parameters["AcceleratorDevices"]; given {
		needs.Accelerators = number("AcceleratorDevices")
	}
	p.InstanceType, p.MaxInstances = fmt.Sprint(parameters["InstanceType"]), int(number("MaxInstanceCount"))
	if problem != nil {
		return problem
	}
	var err error
	p.PerInstance, err = endpoint.CopiesPerInstance(p.InstanceType, needs)
	return err
}
