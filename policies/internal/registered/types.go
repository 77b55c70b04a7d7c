package registered

import (
	"strings"

	"scaletozero/policies/internal/cfn"
)

// Types of pulumi-aws resources that CloudFormation has only as properties of
// others.
const (
	TypeMethodSettings     = "Pulumi::ApiGateway::MethodSettings"
	TypePolicyAttachment   = "Pulumi::IAM::PolicyAttachment"
	TypeRedrivePolicy      = "Pulumi::SQS::RedrivePolicy"
	TypeRedriveAllowPolicy = "Pulumi::SQS::RedriveAllowPolicy"
	TypeProvisioned        = "Pulumi::Lambda::ProvisionedConcurrencyConfig"
	TypeScheduledAction    = "Pulumi::ApplicationAutoScaling::ScheduledAction"
)

// classic maps the tokens of pulumi-aws to CloudFormation types.
var classic = map[string]string{
	"aws:apigateway/apiKey:ApiKey":                                            "AWS::ApiGateway::ApiKey",
	"aws:apigateway/deployment:Deployment":                                    "AWS::ApiGateway::Deployment",
	"aws:apigateway/method:Method":                                            "AWS::ApiGateway::Method",
	"aws:apigateway/methodSettings:MethodSettings":                            TypeMethodSettings,
	"aws:apigateway/restApi:RestApi":                                          "AWS::ApiGateway::RestApi",
	"aws:apigateway/restApiPut:RestApiPut":                                    "AWS::ApiGateway::RestApi",
	"aws:apigateway/stage:Stage":                                              "AWS::ApiGateway::Stage",
	"aws:apigateway/usagePlan:UsagePlan":                                      "AWS::ApiGateway::UsagePlan",
	"aws:apigateway/usagePlanKey:UsagePlanKey":                                "AWS::ApiGateway::UsagePlanKey",
	"aws:apigatewayv2/api:Api":                                                "AWS::ApiGatewayV2::Api",
	"aws:apigatewayv2/route:Route":                                            "AWS::ApiGatewayV2::Route",
	"aws:appautoscaling/policy:Policy":                                        "AWS::ApplicationAutoScaling::ScalingPolicy",
	"aws:appautoscaling/scheduledAction:ScheduledAction":                      TypeScheduledAction,
	"aws:appautoscaling/target:Target":                                        "AWS::ApplicationAutoScaling::ScalableTarget",
	"aws:cloudformation/stack:Stack":                                          cfn.TypeStack,
	"aws:cloudformation/stackInstances:StackInstances":                        cfn.TypeStackSetInstance,
	"aws:cloudformation/stackSet:StackSet":                                    cfn.TypeStackSet,
	"aws:cloudformation/stackSetInstance:StackSetInstance":                    cfn.TypeStackSetInstance,
	"aws:cloudwatch/logGroup:LogGroup":                                        "AWS::Logs::LogGroup",
	"aws:cloudwatch/metricAlarm:MetricAlarm":                                  "AWS::CloudWatch::Alarm",
	"aws:dynamodb/table:Table":                                                "AWS::DynamoDB::Table",
	"aws:iam/groupPolicy:GroupPolicy":                                         "AWS::IAM::GroupPolicy",
	"aws:iam/groupPolicyAttachment:GroupPolicyAttachment":                     TypePolicyAttachment,
	"aws:iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive": TypePolicyAttachment,
	"aws:iam/policy:Policy":                                                   "AWS::IAM::ManagedPolicy",
	"aws:iam/policyAttachment:PolicyAttachment":                               TypePolicyAttachment,
	"aws:iam/role:Role":                                                       "AWS::IAM::Role",
	"aws:iam/rolePolicy:RolePolicy":                                           "AWS::IAM::RolePolicy",
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment":                       TypePolicyAttachment,
	"aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive":   TypePolicyAttachment,
	"aws:iam/userPolicy:UserPolicy":                                           "AWS::IAM::UserPolicy",
	"aws:iam/userPolicyAttachment:UserPolicyAttachment":                       TypePolicyAttachment,
	"aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive":   TypePolicyAttachment,
	"aws:lambda/alias:Alias":                                                  "AWS::Lambda::Alias",
	"aws:lambda/function:Function":                                            "AWS::Lambda::Function",
	"aws:lambda/functionUrl:FunctionUrl":                                      "AWS::Lambda::Url",
	"aws:lambda/permission:Permission":                                        "AWS::Lambda::Permission",
	"aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig":    TypeProvisioned,
	"aws:sagemaker/endpoint:Endpoint":                                         "AWS::SageMaker::Endpoint",
	"aws:sagemaker/endpointConfiguration:EndpointConfiguration":               "AWS::SageMaker::EndpointConfig",
	"aws:sagemaker/model:Model":                                               "AWS::SageMaker::Model",
	"aws:serverlessrepository/cloudFormationStack:CloudFormationStack":        cfn.TypeServerlessApplication,
	"aws:servicecatalog/provisionedProduct:ProvisionedProduct":                cfn.TypeServiceCatalogProduct,
	"aws:sqs/queue:Queue":                                                     "AWS::SQS::Queue",
	"aws:sqs/queuePolicy:QueuePolicy":                                         "AWS::SQS::QueuePolicy",
	"aws:sqs/redriveAllowPolicy:RedriveAllowPolicy":                           TypeRedriveAllowPolicy,
	"aws:sqs/redrivePolicy:RedrivePolicy":                                     TypeRedrivePolicy,
}

// nativeOnly are the CloudFormation types that pulumi-aws has no resource for.
var nativeOnly = []string{
	"AWS::DynamoDB::GlobalTable",
	"AWS::Lambda::Version",
	"AWS::SageMaker::InferenceComponent",
	"AWS::SQS::QueueInlinePolicy",
}

// native maps the tokens of aws-native, which are made from the CloudFormation
// types: AWS::SageMaker::EndpointConfig is aws-native:sagemaker:EndpointConfig.
var native = func() map[string]string {
	tokens := map[string]string{}
	add := func(cfnType string) {
		parts := strings.Split(cfnType, "::")
		tokens[nativePrefix+strings.ToLower(parts[1])+":"+parts[2]] = cfnType
	}
	for _, cfnType := range classic {
		add(cfnType)
	}
	for _, cfnType := range nativeOnly {
		add(cfnType)
	}
	return tokens
}()

// renamed holds the properties that CloudFormation calls otherwise, once their
// first letter is a capital.
var renamed = map[string]string{
	"AWS::ApiGateway::Deployment RestApi":         "RestApiId",
	"AWS::ApiGateway::Stage AccessLogSettings":    "AccessLogSetting",
	"AWS::ApiGateway::Stage RestApi":              "RestApiId",
	"AWS::ApiGateway::Stage XrayTracingEnabled":   "TracingEnabled",
	"AWS::ApiGateway::UsagePlan QuotaSettings":    "Quota",
	"AWS::ApiGateway::UsagePlan ThrottleSettings": "Throttle",
	"AWS::DynamoDB::GlobalTable SseSpecification": "SSESpecification",
	"AWS::DynamoDB::Table PointInTimeRecovery":    "PointInTimeRecoverySpecification",
	"AWS::DynamoDB::Table ServerSideEncryption":   "SSESpecification",
	"AWS::DynamoDB::Table SseSpecification":       "SSESpecification",
	"AWS::IAM::GroupPolicy Policy":                "PolicyDocument",
	"AWS::IAM::ManagedPolicy Policy":              "PolicyDocument",
	"AWS::IAM::Role AssumeRolePolicy":             "AssumeRolePolicyDocument",
	"AWS::IAM::Role InlinePolicies":               "Policies",
	"AWS::IAM::RolePolicy Policy":                 "PolicyDocument",
	"AWS::IAM::UserPolicy Policy":                 "PolicyDocument",
	"AWS::Lambda::Permission Function":            "FunctionName",
	"AWS::Lambda::Permission PrincipalOrgId":      "PrincipalOrgID",
	"AWS::Lambda::Url AuthorizationType":          "AuthType",
	"AWS::SQS::QueuePolicy Policy":                "PolicyDocument",
	"AWS::SQS::QueuePolicy QueueUrl":              "Queues",
	TypeMethodSettings + " RestApi":               "RestApiId",
	cfn.TypeStack + " TemplateUrl":                "TemplateURL",
	cfn.TypeStackSet + " TemplateUrl":             "TemplateURL",
}

// verbatim holds the properties whose keys are data, not property names.
var verbatim = map[string]bool{
	"AssumeRolePolicyDocument": true,
	"Body":                     true,
	"Dimensions":               true,
	"ParameterOverrides":       true,
	"Parameters":               true,
	"PolicyDocument":           true,
	"RedriveAllowPolicy":       true,
	"RedrivePolicy":            true,
	"Tags":                     true,
	"TagsAll":                  true,
	"TemplateBody":             true,
	"Variables":                true,
}

// adapted holds what gives properties CloudFormation's form where another name
// is not enough. classic tells pulumi-aws from aws-native.
var adapted = map[string]func(properties map[string]any, classic bool){
	"AWS::ApiGateway::ApiKey": func(properties map[string]any, classic bool) {
		// The default of pulumi-aws; that of API Gateway is false.
		if classic && cfn.IsMissing(properties["Enabled"]) {
			properties["Enabled"] = true
		}
	},
	"AWS::CloudWatch::Alarm": func(properties map[string]any, _ bool) {
		dimensions, ok := properties["Dimensions"].(map[string]any)
		if !ok {
			return
		}
		list := []any{}
		for name, value := range dimensions {
			list = append(list, map[string]any{"Name": name, "Value": value})
		}
		properties["Dimensions"] = list
	},
	"AWS::DynamoDB::GlobalTable": func(properties map[string]any, _ bool) {
		rename(properties["SSESpecification"], "SseEnabled", "SSEEnabled")
	},
	"AWS::DynamoDB::Table": func(properties map[string]any, _ bool) {
		rename(properties["SSESpecification"], "Enabled", "SSEEnabled")
		rename(properties["SSESpecification"], "SseEnabled", "SSEEnabled")
		rename(properties["PointInTimeRecoverySpecification"], "Enabled", "PointInTimeRecoveryEnabled")
	},
	"AWS::IAM::Role": func(properties map[string]any, _ bool) {
		policies, _ := cfn.List(properties["Policies"])
		for _, policy := range policies {
			rename(policy, "Policy", "PolicyDocument")
			rename(policy, "Name", "PolicyName")
		}
	},
	"AWS::Lambda::Function": func(properties map[string]any, classic bool) {
		if image := properties["ImageUri"]; classic && !cfn.IsMissing(image) {
			properties["Code"] = map[string]any{"ImageUri": image}
		}
	},
	"AWS::SQS::QueuePolicy": func(properties map[string]any, classic bool) {
		if classic {
			properties["Queues"] = []any{properties["Queues"]}
		}
	},
}

// rename gives a property of an object another name.
func rename(v any, old, name string) {
	object, ok := v.(map[string]any)
	if value, has := object[old]; ok && has {
		object[name] = value
		delete(object, old)
	}
}
