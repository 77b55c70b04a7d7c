package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	awslambda "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/lambda"
)

var eventSourceMappingKind = &kind{
	inputs:   schemaOf(&awslambda.EventSourceMappingArgs{}),
	defaults: Properties{"enabled": true},
	rules: map[string]rule{
		"batchSize":                      between(1, 10000),
		"maximumBatchingWindowInSeconds": between(0, 300),
	},
	replaceOn: []string{
		"amazonManagedKafkaEventSourceConfig", "eventSourceArn", "queues", "selfManagedEventSource", "selfManagedKafkaEventSourceConfig",
		"startingPosition", "startingPositionTimestamp", "topics",
	},
	identity: []string{"eventSourceArn", "functionName"},
	volatile: []string{"lastModified"},
	refuse: func(given Properties) *pulumirpc.CheckFailure {
		highest, set := given.object("scalingConfig")["maximumConcurrency"].(float64)
		if set && (highest < 2 || highest > 1000) {
			return &pulumirpc.CheckFailure{Property: "scalingConfig.maximumConcurrency", Reason: "scalingConfig.maximumConcurrency must be from 2 to 1000"}
		}
		return nil
	},
	compare: func(state, news Properties, changes map[string]*pulumirpc.PropertyDiff) {
		if sameFunction(state.text("functionName"), news.text("functionName")) {
			delete(changes, "functionName")
		}
	},
	id:    func(_ *Server, r *Resource) string { return uuid(r.URN, r.Created.String()) },
	check: checkMapping,
	run: func(_ context.Context, s *Server, _, r *Resource) error {
		s.options.Functions.ApplyMapping(mappingOf(r))
		return nil
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Functions.DeleteMapping(r.ID)
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		state := "Disabled"
		if r.Inputs.flag("enabled") {
			state = "Enabled"
		}
		return Properties{
			"arn": arn(r, "lambda", r.Region, accountID, "event-source-mapping:"+r.ID), "uuid": r.ID,
			"functionArn": arn(r, "lambda", r.Region, accountID, "function:"+calledFunction(r)), "batchSize": 10.0,
			"lastModified": r.Updated.Format(time.RFC3339), "lastProcessingResult": "", "state": state, "stateTransitionReason": "USER_INITIATED",
			"maximumRecordAgeInSeconds": 0.0, "maximumRetryAttempts": 0.0, "parallelizationFactor": 0.0,
		}
	},
}

// sameFunction tells whether two names or ARNs are of one function, with the same alias or version behind them.
func sameFunction(a, b string) bool {
	nameA, qualifierA := lambda.SplitName(a)
	nameB, qualifierB := lambda.SplitName(b)
	return nameA == nameB && qualifierA == qualifierB
}

// calledFunction is the function that a mapping calls: NAME, or NAME:QUALIFIER.
func calledFunction(r *Resource) string {
	name, qualifier := lambda.SplitName(r.Inputs.text("functionName"))
	if qualifier == "" {
		return name
	}
	return name + ":" + qualifier
}

// checkMapping holds CreateEventSourceMapping's rules for a queue.
func checkMapping(s *Server, r *Resource) error {
	for input := range r.Inputs {
		if !slices.Contains([]string{"batchSize", "enabled", "eventSourceArn", "functionName", "functionResponseTypes", "maximumBatchingWindowInSeconds", "scalingConfig", "tags"}, input) {
			return fmt.Errorf("localcloud implements event source mappings of a queue: %s is not for it", input)
		}
	}
	if r.Inputs.number("batchSize") > 10 || r.Inputs.number("maximumBatchingWindowInSeconds") > 0 {
		return errors.New("localcloud implements batches of up to 10 messages, without a batching window")
	}
	if types := r.Inputs.list("functionResponseTypes"); len(types) > 1 || len(types) == 1 && types[0] != "ReportBatchItemFailures" {
		return fmt.Errorf("InvalidParameterValueException: functionResponseTypes is %q: allowed is ReportBatchItemFailures", types)
	}
	given := r.Inputs.text("functionName")
	name, qualifier := lambda.SplitName(given)
	function := s.store.Find(TypeFunction, name, "")
	if function == nil || !s.qualifies(function, qualifier) {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s", given)
	}
	queue := s.queueWithARN(r.Inputs.text("eventSourceArn"))
	if queue == nil {
		return fmt.Errorf("InvalidParameterValueException: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "+
			"SQS Error Message: The specified queue does not exist: %s", r.Inputs.text("eventSourceArn"))
	}
	visibility, timeout := queue.Inputs.number("visibilityTimeoutSeconds"), function.Inputs.number("timeout")
	if visibility < timeout {
		return fmt.Errorf("InvalidParameterValueException: Queue visibility timeout: %v seconds is less than Function timeout: %v seconds", visibility, timeout)
	}
	return nil
}

// mappingOf is the event source mapping that a checked resource describes.
func mappingOf(r *Resource) lambda.Mapping {
	size, given := r.Inputs["batchSize"].(float64)
	if !given {
		size = 10
	}
	return lambda.Mapping{
		ID: r.ID, Function: calledFunction(r), QueueARN: r.Inputs.text("eventSourceArn"), Region: r.Region,
		BatchSize: int(size), MaximumConcurrency: int(r.Inputs.object("scalingConfig").number("maximumConcurrency")),
		ReportFailures: len(r.Inputs.list("functionResponseTypes")) > 0, Enabled: r.Inputs.flag("enabled"),
	}
}
