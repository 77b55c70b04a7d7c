package provider

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// kind is what the local cloud knows about one resource type. Everything that is not about the type's own behaviour
// is data, taken from terraform-provider-aws v5.100, which pulumi-aws v6.83 wraps.
type kind struct {
	// inputs describes the inputs; required names those whose Go type cannot say that they are.
	inputs   reflect.Type
	required []string
	// nameLimit is the longest physical name, in characters. 0 means that the type has no automatic name.
	nameLimit int
	// lowerName: the automatic name is lower case.
	lowerName bool
	// defaults are the values that the real provider fills in where an input is missing.
	defaults Properties
	// rules are checks of single inputs, before anything is created.
	rules map[string]rule
	// documents are the inputs that hold JSON; they may be given as objects and are compared as JSON.
	documents []string
	// replaceOn are the inputs whose change replaces the resource. In allButTags, every input but tags does.
	replaceOn  []string
	allButTags bool
	// deleteFirst: a replacement is deleted before it is created again, whatever its name.
	deleteFirst bool
	// identity are the inputs that AWS wants to be unique.
	identity []string
	// volatile are the outputs that a preview of an update cannot know.
	volatile []string
	// unsettled are the outputs that it cannot know because of what changes; old is nil where the resource is gone.
	unsettled func(old, r *Resource) []string
	// secret are the outputs that the real provider marks as secret.
	secret []string
	// noRegion: the type is of a package whose provider has no region.
	noRegion bool
	// refuse checks several inputs together, before anything is created.
	refuse func(given Properties) *pulumirpc.CheckFailure
	// compare adds changes that the inputs do not show, and takes away those that are none.
	compare func(state, news Properties, changes map[string]*pulumirpc.PropertyDiff)
	// id makes the ID of a new resource.
	id func(s *Server, r *Resource) string
	// check refuses what AWS refuses, at create and update.
	check func(s *Server, r *Resource) error
	// run makes the resource real: at create (old is nil) and update. It may set r.Data.
	run func(ctx context.Context, s *Server, old, r *Resource) error
	// remove refuses or undoes what run did.
	remove func(ctx context.Context, s *Server, r *Resource) error
	// outputs are the outputs besides the inputs. It is also called with unknown inputs left out, to know the names.
	outputs func(s *Server, r *Resource) Properties
}

// The types that the local cloud implements.
const (
	TypeRole                 = "aws:iam/role:Role"
	TypeRolePolicy           = "aws:iam/rolePolicy:RolePolicy"
	TypeRolePolicyAttachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
	TypeModel                = "aws:sagemaker/model:Model"
	TypeStack                = "aws:cloudformation/stack:Stack"
	TypeScalingTarget        = "aws:appautoscaling/target:Target"
	TypeScalingPolicy        = "aws:appautoscaling/policy:Policy"
	TypeScheduledAction      = "aws:appautoscaling/scheduledAction:ScheduledAction"
	TypeMetricAlarm          = "aws:cloudwatch/metricAlarm:MetricAlarm"
	TypeCompositeAlarm       = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
	TypeDashboard            = "aws:cloudwatch/dashboard:Dashboard"
	TypeLogGroup             = "aws:cloudwatch/logGroup:LogGroup"
	TypeLogMetricFilter      = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
	TypeTopic                = "aws:sns/topic:Topic"
	TypeTopicPolicy          = "aws:sns/topicPolicy:TopicPolicy"
	TypeTopicSubscription    = "aws:sns/topicSubscription:TopicSubscription"
	TypeKey                  = "aws:kms/key:Key"
	TypeRestAPI              = "aws:apigateway/restApi:RestApi"
	TypeDeployment           = "aws:apigateway/deployment:Deployment"
	TypeStage                = "aws:apigateway/stage:Stage"
	TypeMethodSettings       = "aws:apigateway/methodSettings:MethodSettings"
	TypeAPIKey               = "aws:apigateway/apiKey:ApiKey"
	TypeUsagePlan            = "aws:apigateway/usagePlan:UsagePlan"
	TypeUsagePlanKey         = "aws:apigateway/usagePlanKey:UsagePlanKey"
	TypeAccount              = "aws:apigateway/account:Account"
	TypeRepository           = "aws:ecr/repository:Repository"
	TypeLifecyclePolicy      = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
	TypeImage                = "docker-build:index:Image"
	TypeQueue                = "aws:sqs/queue:Queue"
	TypeQueuePolicy          = "aws:sqs/queuePolicy:QueuePolicy"
	TypeRedriveAllowPolicy   = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
	TypeTable                = "aws:dynamodb/table:Table"
	TypeFunction             = "aws:lambda/function:Function"
	TypeAlias                = "aws:lambda/alias:Alias"
	TypeEventSourceMapping   = "aws:lambda/eventSourceMapping:EventSourceMapping"
	TypeWebACL               = "aws:wafv2/webAcl:WebAcl"
	TypeWebACLAssociation    = "aws:wafv2/webAclAssociation:WebAclAssociation"
	TypeWebACLLogging        = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
)

var kinds = map[string]*kind{
	TypeRole:                 roleKind,
	TypeRolePolicy:           rolePolicyKind,
	TypeRolePolicyAttachment: rolePolicyAttachmentKind,
	TypeModel:                modelKind,
	TypeStack:                stackKind,
	TypeScalingTarget:        scalingTargetKind,
	TypeScalingPolicy:        scalingPolicyKind,
	TypeScheduledAction:      scheduledActionKind,
	TypeMetricAlarm:          metricAlarmKind,
	TypeCompositeAlarm:       compositeAlarmKind,
	TypeDashboard:            dashboardKind,
	TypeLogGroup:             logGroupKind,
	TypeLogMetricFilter:      logMetricFilterKind,
	TypeTopic:                topicKind,
	TypeTopicPolicy:          topicPolicyKind,
	TypeTopicSubscription:    topicSubscriptionKind,
	TypeKey:                  keyKind,
	TypeRestAPI:              restAPIKind,
	TypeDeployment:           deploymentKind,
	TypeStage:                stageKind,
	TypeMethodSettings:       methodSettingsKind,
	TypeAPIKey:               apiKeyKind,
	TypeUsagePlan:            usagePlanKind,
	TypeUsagePlanKey:         usagePlanKeyKind,
	TypeAccount:              accountKind,
	TypeRepository:           repositoryKind,
	TypeLifecyclePolicy:      lifecyclePolicyKind,
	TypeImage:                imageKind,
	TypeQueue:                queueKind,
	TypeQueuePolicy:          queuePolicyKind,
	TypeRedriveAllowPolicy:   redriveAllowPolicyKind,
	TypeTable:                tableKind,
	TypeFunction:             functionKind,
	TypeAlias:                aliasKind,
	TypeEventSourceMapping:   eventSourceMappingKind,
	TypeWebACL:               webACLKind,
	TypeWebACLAssociation:    webACLAssociationKind,
	TypeWebACLLogging:        webACLLoggingKind,
}

// Types lists the type tokens that the local cloud implements.
func Types() []string { return slices.Sorted(maps.Keys(kinds)) }

// tagged tells whether the type has tags, and so the output tagsAll.
func (k *kind) tagged() bool {
	for i := range k.inputs.NumField() {
		if field := k.inputs.Field(i); field.Tag.Get("pulumi") == "tags" && field.Type.Kind() == reflect.Map {
			return true
		}
	}
	return false
}

// replacedBy tells whether a change of the input replaces the resource.
func (k *kind) replacedBy(input string) bool {
	if k.allButTags {
		return input != "tags" && input != "tagsAll"
	}
	return slices.Contains(k.replaceOn, input)
}

// outputsOf returns all outputs of r: the computed ones and the inputs, which win over what the cloud would have
// chosen in their place.
func (k *kind) outputsOf(s *Server, r *Resource) Properties {
	out := k.computed(s, r)
	maps.Copy(out, r.Inputs)
	return out
}

// computed returns the outputs that the cloud knows or chooses.
func (k *kind) computed(s *Server, r *Resource) Properties {
	out := Properties{}
	if k.outputs != nil {
		maps.Copy(out, k.outputs(s, r))
	}
	if k.tagged() {
		all := map[string]any{}
		for key, value := range r.Tags {
			all[key] = value
		}
		out["tagsAll"] = all
	}
	return out
}

// withSecrets marks the type's secret outputs.
func (k *kind) withSecrets(m resource.PropertyMap) resource.PropertyMap {
	for _, name := range k.secret {
		if value, ok := m[resource.PropertyKey(name)]; ok && !value.IsComputed() {
			m[resource.PropertyKey(name)] = resource.MakeSecret(value)
		}
	}
	return m
}
