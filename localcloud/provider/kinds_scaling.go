package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"

	"scaletozero/localcloud/scaling"
)

// dimensions are the scalable dimensions that the local cloud runs.
var dimensions = map[string]struct {
	// namespace is the service's, idForm what resource IDs look like.
	namespace, idForm string
	// role is the path and name of the service-linked role that changes the capacity.
	role string
	// exists tells whether there is what a resource ID names; the ID may be of another form.
	exists func(s *Server, of scaling.Resource) bool
}{
	scaling.CopyCount: {
		namespace: "sagemaker", idForm: scaling.ComponentPrefix + "NAME",
		role: "sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
		exists: func(s *Server, of scaling.Resource) bool {
			name, ok := strings.CutPrefix(of.ID, scaling.ComponentPrefix)
			return ok && s.componentExists(name)
		},
	},
	scaling.ProvisionedConcurrency: {
		namespace: "lambda", idForm: "function:NAME:ALIAS",
		role: "lambda.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
		exists: func(s *Server, of scaling.Resource) bool {
			function, alias, ok := scaledFunction(of)
			return ok && s.aliasOf(function, alias) != nil
		},
	},
}

// scaledFunction takes the ID of a function's alias apart.
func scaledFunction(of scaling.Resource) (function, alias string, ok bool) {
	rest, ok := strings.CutPrefix(of.ID, "function:")
	function, alias, qualified := strings.Cut(rest, ":")
	return function, alias, ok && qualified
}

var scalingTargetKind = &kind{
	inputs:    schemaOf(&appautoscaling.TargetArgs{}),
	replaceOn: []string{"resourceId", "scalableDimension", "serviceNamespace"},
	identity:  []string{"resourceId", "scalableDimension", "serviceNamespace"},
	id:        inputAsID("resourceId"),
	check:     checkScalingTarget,
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn":     arn(r, "application-autoscaling", r.Region, accountID, "scalable-target/"+token(34, r.URN, r.Created.String())),
			"roleArn": arn(r, "iam", "", accountID, "role/aws-service-role/"+dimensions[r.Inputs.text("scalableDimension")].role),
		}
	},
}

// checkScalingTarget holds RegisterScalableTarget's rules for what the local cloud runs: the copies of an inference
// component that exists, and the provisioned concurrency of an alias that does.
func checkScalingTarget(s *Server, r *Resource) error {
	of := scaledBy(r)
	dimension, known := dimensions[of.Dimension]
	if !known || r.Inputs.text("serviceNamespace") != dimension.namespace {
		return fmt.Errorf("localcloud scales inference components (serviceNamespace sagemaker, scalableDimension %s) and the provisioned concurrency "+
			"of functions (serviceNamespace lambda, scalableDimension %s): not the dimension %q in the namespace %q",
			scaling.CopyCount, scaling.ProvisionedConcurrency, of.Dimension, r.Inputs.text("serviceNamespace"))
	}
	lowest, highest := r.Inputs.number("minCapacity"), r.Inputs.number("maxCapacity")
	if lowest < 0 || lowest > highest {
		return fmt.Errorf("ValidationException: Minimum capacity must be at least 0 and not above the maximum capacity: %v, %v", lowest, highest)
	}
	if !dimension.exists(s, of) {
		return fmt.Errorf("ValidationException: the resource %s does not exist: give the ID of one that does, as %s, and register its target after it",
			of.ID, dimension.idForm)
	}
	return nil
}

var scalingPolicyKind = &kind{
	inputs:    schemaOf(&appautoscaling.PolicyArgs{}),
	nameLimit: 255,
	defaults:  Properties{"policyType": "StepScaling"},
	replaceOn: []string{"name", "resourceId", "scalableDimension", "serviceNamespace"},
	identity:  []string{"name", "resourceId", "scalableDimension", "serviceNamespace"},
	id:        inputAsID("name"),
	check:     checkScalingPolicy,
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": policyARN(r), "alarmArns": trackingAlarms(r)}
	},
}

func policyARN(r *Resource) string {
	return arn(r, "autoscaling", r.Region, accountID, fmt.Sprintf("scalingPolicy:%s:resource/%s/%s:policyName/%s",
		uuid(r.URN, r.Created.String()), r.Inputs.text("serviceNamespace"), r.Inputs.text("resourceId"), r.Inputs.text("name")))
}

// trackingAlarms are the two alarms that a target tracking policy makes for itself.
func trackingAlarms(r *Resource) []any {
	if r.Inputs.text("policyType") != "TargetTrackingScaling" {
		return []any{}
	}
	return []any{alarmARN(r, trackingAlarmName(r, alarmHigh)), alarmARN(r, trackingAlarmName(r, alarmLow))}
}

const (
	alarmHigh = "AlarmHigh"
	alarmLow  = "AlarmLow"
)

func trackingAlarmName(r *Resource, which string) string {
	return fmt.Sprintf("TargetTracking-%s-%s-%s", r.Inputs.text("resourceId"), which, uuid(r.URN, which))
}

func checkScalingPolicy(s *Server, r *Resource) error {
	if err := checkRegistered(s, r); err != nil {
		return err
	}
	if err := checkPolicyType(r); err != nil {
		return err
	}
	_, err := policyOf(r)
	return err
}

// checkRegistered refuses what belongs to a scalable target that does not exist.
func checkRegistered(s *Server, r *Resource) error {
	for _, target := range s.store.Resources(TypeScalingTarget) {
		same := true
		for _, input := range []string{"resourceId", "scalableDimension", "serviceNamespace"} {
			same = same && target.Inputs.text(input) == r.Inputs.text(input)
		}
		if same {
			return nil
		}
	}
	return fmt.Errorf("ObjectNotFoundException: No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s",
		r.Inputs.text("serviceNamespace"), r.Inputs.text("resourceId"), r.Inputs.text("scalableDimension"))
}

func checkPolicyType(r *Resource) error {
	configuration := map[string]string{
		"StepScaling":           "stepScalingPolicyConfiguration",
		"TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
	}[r.Inputs.text("policyType")]
	if configuration == "" {
		return fmt.Errorf("policyType must be StepScaling or TargetTrackingScaling, but is %q", r.Inputs.text("policyType"))
	}
	if scaledBy(r).Dimension == scaling.ProvisionedConcurrency && r.Inputs.text("policyType") == "StepScaling" {
		return errors.New("ValidationException: Unsupported policy type StepScaling for lambda: provisioned concurrency takes target tracking and " +
			"scheduled actions (API reference, PutScalingPolicy)")
	}
	if r.Inputs.object(configuration) == nil {
		return fmt.Errorf("ValidationException: a policy of type %s needs %s", r.Inputs.text("policyType"), configuration)
	}
	return nil
}

var scheduledActionKind = &kind{
	inputs:    schemaOf(&appautoscaling.ScheduledActionArgs{}),
	nameLimit: 255,
	defaults:  Properties{"timezone": "UTC"},
	replaceOn: []string{"name", "resourceId", "scalableDimension", "serviceNamespace"},
	identity:  []string{"name", "resourceId", "scalableDimension", "serviceNamespace"},
	id: func(_ *Server, r *Resource) string {
		return strings.Join([]string{r.Inputs.text("name"), r.Inputs.text("serviceNamespace"), r.Inputs.text("resourceId")}, "-")
	},
	check: func(s *Server, r *Resource) error {
		if err := checkRegistered(s, r); err != nil {
			return err
		}
		_, err := scheduledActionOf(r)
		return err
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": arn(r, "autoscaling", r.Region, accountID, fmt.Sprintf("scheduledAction:%s:resource/%s/%s:scheduledActionName/%s",
			uuid(r.URN, r.Created.String()), r.Inputs.text("serviceNamespace"), r.Inputs.text("resourceId"), r.Inputs.text("name")))}
	},
}

var metricAlarmKind = &kind{
	inputs:    schemaOf(&cloudwatch.MetricAlarmArgs{}),
	nameLimit: 255,
	defaults:  Properties{"actionsEnabled": true, "treatMissingData": "missing"},
	rules: map[string]rule{
		"comparisonOperator": oneOf("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold",
			"LessThanOrEqualToThreshold", "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"),
		"statistic":                         oneOf("SampleCount", "Average", "Sum", "Minimum", "Maximum"),
		"treatMissingData":                  oneOf("breaching", "notBreaching", "ignore", "missing"),
		"evaluateLowSampleCountPercentiles": oneOf("evaluate", "ignore"),
	},
	replaceOn: []string{"name"},
	identity:  []string{"name"},
	id:        inputAsID("name"),
	check:     checkAlarm,
	remove:    inNoComposite,
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": alarmARN(r, r.Inputs.text("name"))}
	},
}

func alarmARN(r *Resource, name string) string {
	return arn(r, "cloudwatch", r.Region, accountID, "alarm:"+name)
}

var compositeAlarmKind = &kind{
	inputs:   schemaOf(&cloudwatch.CompositeAlarmArgs{}),
	defaults: Properties{"actionsEnabled": true},
	rules: map[string]rule{
		"alarmName": lengthBetween(1, 255),
		"alarmRule": lengthBetween(1, 10240),
	},
	replaceOn: []string{"alarmName", "actionsEnabled"},
	identity:  []string{"alarmName"},
	id:        inputAsID("alarmName"),
	check:     checkComposite,
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": alarmARN(r, r.Inputs.text("alarmName"))}
	},
}

var logGroupKind = &kind{
	inputs:    schemaOf(&cloudwatch.LogGroupArgs{}),
	nameLimit: 512,
	defaults:  Properties{"retentionInDays": 0.0, "skipDestroy": false},
	rules: map[string]rule{
		// The values of PutRetentionPolicy; 0 means never.
		"retentionInDays": oneOf(0.0, 1.0, 3.0, 5.0, 7.0, 14.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 365.0, 400.0, 545.0,
			731.0, 1096.0, 1827.0, 2192.0, 2557.0, 2922.0, 3288.0, 3653.0),
		"name": matching(`^[.\-_/#A-Za-z0-9]+$`, 512),
	},
	replaceOn: []string{"name", "namePrefix", "logGroupClass"},
	identity:  []string{"name"},
	id:        inputAsID("name"),
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{"arn": arn(r, "logs", r.Region, accountID, "log-group:"+r.Inputs.text("name")), "logGroupClass": "STANDARD"}
	},
}
