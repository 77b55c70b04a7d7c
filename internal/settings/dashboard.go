package settings

import (
	"fmt"
	"net/http"

	"scaletozero/components/arn"
	"scaletozero/components/dashboard"
	"scaletozero/components/endpoint"
	"scaletozero/components/function"
	"scaletozero/components/queue"
	"scaletozero/internal/prices"
)

// Dashboard is the configuration of the dashboard.
type Dashboard struct {
	// Name is physical.
	Name string
}

func (r *reader) dashboard(s *Settings) {
	if r.boolean("dashboardEnabled", false) {
		s.Dashboard = &Dashboard{}
	}
}

// Shown describes the dashboard of the stack, which has one.
func (s *Settings) Shown(scope arn.Scope) (*dashboard.Args, error) {
	args := &dashboard.Args{
		Scope: scope,
		Name:  s.Dashboard.Name,
		API:   &dashboard.API{APIName: s.APIName, StageName: s.Stack, Method: http.MethodPost, Path: s.RoutePath},
	}
	if s.Function != nil {
		args.Function = &dashboard.Function{
			FunctionName:        s.Function.Name,
			Alias:               function.AliasName,
			MemoryMB:            s.Function.MemoryMB,
			Provisioned:         s.Function.Provisioned != nil,
			ReservedConcurrency: s.Function.ReservedConcurrency,
		}
	} else {
		args.Endpoint = &dashboard.Endpoint{
			EndpointName:           s.EndpointName,
			VariantName:            endpoint.VariantName,
			InferenceComponentName: s.InferenceComponentName,
			MaxInstances:           s.MaxInstanceCount,
			WakeAlarm:              endpoint.WakeAlarm(s.InferenceComponentName),
		}
	}
	if s.Queue != nil {
		args.Queue = &dashboard.Queue{QueueName: s.Queue.Name, DeadLetterQueueName: queue.DeadLetterQueue(s.Queue.Name)}
	}
	if s.SLO != nil {
		args.Objectives = &dashboard.Objectives{
			Objectives: s.SLO.Objectives, Name: s.SLO.Name, CountColdStarts: s.SLO.CountColdStarts,
		}
	}
	var err error
	args.Cost, err = s.cost()
	return args, err
}

// cost is what the dashboard's estimate rests on, or nil where the prices of the
// region or the instance type are not known.
func (s *Settings) cost() (*dashboard.Cost, error) {
	list, err := prices.Load()
	if err != nil {
		return nil, err
	}
	duration := prices.LambdaGBSecond
	if s.Architecture == "arm64" {
		duration += prices.ArmSuffix
	}
	instance, known := list.Prices[s.InstanceType]
	if list.Region != s.Region || s.Function == nil && !known {
		return nil, nil //nolint:nilnil // No estimate is no error.
	}
	return &dashboard.Cost{
		RequestUSD:          list.Prices[prices.RestAPIRequest].USD,
		InstanceHourUSD:     instance.USD,
		FunctionRequestUSD:  list.Prices[prices.LambdaRequest].USD,
		FunctionGBSecondUSD: list.Prices[duration].USD,
		Source: fmt.Sprintf("List prices of %s, without tax and free tiers. Each with its source and date in internal/prices/prices.json; what is unverified says so there.",
			list.Region),
	}, nil
}
