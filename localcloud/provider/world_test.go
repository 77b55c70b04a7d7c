package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/provider"
)

const (
	image       = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/model@sha256:1"
	trustPolicy = `{"Version":"2012-10-17","Statement":[]}`
)

// document is an OpenAPI document with one mock route that answers 204.
func document(path string) string {
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"title":"api","version":"1"},"paths":{%q:{"get":{
		"responses":{"204":{"description":"nothing"}},
		"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 204}"},
			"responses":{"default":{"statusCode":"204"}}}}}}}`, path)
}

// keyedDocument is an OpenAPI document with one mock route that wants a key.
func keyedDocument(t *testing.T) string {
	t.Helper()
	var api props
	require.NoError(t, json.Unmarshal([]byte(document("/a")), &api))
	api["x-amazon-apigateway-api-key-source"] = "HEADER"
	api["components"] = props{"securitySchemes": props{"api_key": props{"type": "apiKey", "name": "x-api-key", "in": "header"}}}
	api["paths"].(props)["/a"].(props)["get"].(props)["security"] = []any{props{"api_key": []any{}}}
	content, err := json.Marshal(api)
	require.NoError(t, err)
	return string(content)
}

// template is the CloudFormation template of an endpoint with one inference component.
func template(copies any) string {
	content, err := json.Marshal(props{
		"Parameters": props{"ModelName": props{"Type": "String"}, "RoleArn": props{"Type": "String"}},
		"Resources": props{
			"Config": props{"Type": "AWS::SageMaker::EndpointConfig", "Properties": props{
				"ExecutionRoleArn": props{"Ref": "RoleArn"},
				"ProductionVariants": []any{props{
					"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
					"ManagedInstanceScaling": props{"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3},
				}},
			}},
			"Endpoint": props{"Type": "AWS::SageMaker::Endpoint", "Properties": props{
				"EndpointName": "endpoint", "EndpointConfigName": props{"Fn::GetAtt": []any{"Config", "EndpointConfigName"}},
				"RetainAllVariantProperties": true,
			}},
			"Component": props{"Type": "AWS::SageMaker::InferenceComponent", "Properties": props{
				"InferenceComponentName": "component", "VariantName": "AllTraffic",
				"EndpointName": props{"Fn::GetAtt": []any{"Endpoint", "EndpointName"}},
				"Specification": props{
					"ModelName": props{"Ref": "ModelName"}, "ComputeResourceRequirements": props{"MinMemoryRequiredInMb": 1024},
				},
				"RuntimeConfig": props{"CopyCount": copies},
			}},
		},
		"Outputs": props{"EndpointArn": props{"Value": props{"Ref": "Endpoint"}}},
	})
	if err != nil {
		panic(err) // The values above are JSON.
	}
	return string(content)
}

// build is a build of the folder that pushes the tag with Docker's manifest.
func build(folder, tag string) props {
	return props{
		"context": props{"location": folder}, "tags": []any{tag}, "push": false,
		"exports":    []any{props{"registry": props{"ociMediaTypes": false, "push": true}}},
		"registries": []any{props{"address": "https://registry", "username": "AWS", "password": "secret"}},
	}
}

// world is one resource of every type, each with what it refers to.
type world map[string]deployed

// specification says how a type is made, changed in place, and replaced.
type specification struct {
	typ    string
	inputs func(w world) props
	// update is merged into the inputs for an update in place; nil if the type has none.
	update props
	// replace is merged into the inputs for a replacement; nil if the type has none.
	replace props
}

// specifications are in the order of creation.
func specifications(t *testing.T) []specification {
	id := func(w world, typ string) string { return w[typ].id }
	return []specification{
		{provider.TypeRole, func(world) props {
			return props{"name": "role", "assumeRolePolicy": trustPolicy, "tags": props{"a": "b"}}
		}, props{"description": "new"}, props{"path": "/other/"}},
		{provider.TypeRolePolicy, func(w world) props {
			return props{"role": id(w, provider.TypeRole), "policy": trustPolicy}
		}, props{"policy": `{"Version":"2012-10-17"}`}, props{"name": "other"}},
		{provider.TypeRolePolicyAttachment, func(w world) props {
			return props{"role": id(w, provider.TypeRole), "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
		}, nil, props{"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}},
		{provider.TypeRepository, func(world) props { return props{} }, props{"forceDelete": true}, props{"name": "other"}},
		{provider.TypeLifecyclePolicy, func(w world) props {
			return props{"repository": id(w, provider.TypeRepository), "policy": `{"rules":[]}`}
		}, nil, props{"policy": `{"rules":[{}]}`}},
		{provider.TypeModel, func(world) props {
			return props{"executionRoleArn": "arn:aws:iam::123456789012:role/role", "primaryContainer": props{"image": image}}
		}, props{"tags": props{"a": "b"}}, props{"primaryContainer": props{"image": image + "2"}}},
		{provider.TypeStack, func(w world) props {
			return props{"templateBody": template(1), "onFailure": "DELETE", "parameters": props{
				"ModelName": id(w, provider.TypeModel), "RoleArn": "arn:aws:iam::123456789012:role/role",
			}}
		}, props{"templateBody": template(2)}, props{"onFailure": "ROLLBACK"}},
		{provider.TypeScalingTarget, func(world) props {
			return props{
				"minCapacity": 0, "maxCapacity": 3, "resourceId": "inference-component/component",
				"scalableDimension": "sagemaker:inference-component:DesiredCopyCount", "serviceNamespace": "sagemaker",
			}
		}, props{"maxCapacity": 4}, props{"resourceId": "inference-component/other"}},
		{provider.TypeScalingPolicy, func(world) props {
			return props{
				"resourceId": "inference-component/component", "policyType": "TargetTrackingScaling",
				"scalableDimension": "sagemaker:inference-component:DesiredCopyCount", "serviceNamespace": "sagemaker",
				"targetTrackingScalingPolicyConfiguration": tracking(5),
			}
		}, props{"targetTrackingScalingPolicyConfiguration": tracking(6)}, props{"name": "other"}},
		{provider.TypeMetricAlarm, func(world) props {
			return props{"comparisonOperator": "GreaterThanOrEqualToThreshold", "evaluationPeriods": 1, "threshold": 1}
		}, props{"threshold": 2}, props{"name": "other"}},
		{provider.TypeLogGroup, func(world) props { return props{"name": "aws-waf-logs-it"} }, props{"retentionInDays": 30}, props{"name": "/other"}},
		{provider.TypeRestAPI, func(world) props { return props{"body": keyedDocument(t)} }, props{"body": document("/b")}, nil},
		{provider.TypeDeployment, func(w world) props {
			return props{"restApi": id(w, provider.TypeRestAPI), "triggers": props{"sha": "1"}}
		}, props{"description": "new"}, props{"triggers": props{"sha": "2"}}},
		{provider.TypeStage, func(w world) props {
			return props{"restApi": id(w, provider.TypeRestAPI), "deployment": id(w, provider.TypeDeployment), "stageName": "live"}
		}, props{"description": "new"}, props{"stageName": "other"}},
		{provider.TypeMethodSettings, func(w world) props {
			return props{"restApi": id(w, provider.TypeRestAPI), "stageName": "live", "methodPath": "*/*", "settings": props{"metricsEnabled": true}}
		}, props{"settings": props{"metricsEnabled": false}}, props{"methodPath": "a/GET"}},
		{provider.TypeAPIKey, func(world) props { return props{} }, props{"enabled": false}, props{"value": "aaaaaaaaaaaaaaaaaaaa"}},
		{provider.TypeUsagePlan, func(w world) props {
			return props{
				"apiStages":     []any{props{"apiId": id(w, provider.TypeRestAPI), "stage": "live"}},
				"quotaSettings": props{"limit": 10000, "period": "MONTH"},
			}
		}, props{"description": "new"}, nil},
		{provider.TypeUsagePlanKey, func(w world) props {
			return props{"keyId": id(w, provider.TypeAPIKey), "keyType": "API_KEY", "usagePlanId": id(w, provider.TypeUsagePlan)}
		}, nil, props{"keyId": "other"}},
		{provider.TypeScheduledAction, func(world) props {
			return props{
				"resourceId": "inference-component/component", "schedule": "cron(0 8 ? * MON-FRI *)", "scalableTargetAction": props{"minCapacity": 1},
				"scalableDimension": "sagemaker:inference-component:DesiredCopyCount", "serviceNamespace": "sagemaker",
			}
		}, props{"schedule": "rate(1 day)"}, props{"name": "other"}},
		{provider.TypeAccount, func(world) props { return props{} }, props{"cloudwatchRoleArn": "arn:aws:iam::123456789012:role/role"}, nil},
		{provider.TypeImage, func(w world) props {
			repository, ok := w[provider.TypeRepository].outputs.AsMap()["repositoryUrl"].(string)
			require.True(t, ok)
			return build("testdata/image", repository+":1")
		}, props{"platforms": []any{"linux/arm64"}}, nil},
		{provider.TypeQueue, func(world) props { return props{"tags": props{"a": "b"}} }, props{"visibilityTimeoutSeconds": 60}, props{"name": "other"}},
		{provider.TypeQueuePolicy, func(w world) props {
			return props{"queueUrl": id(w, provider.TypeQueue), "policy": trustPolicy}
		}, props{"policy": `{"Version":"2012-10-17"}`}, props{"queueUrl": "other"}},
		{provider.TypeRedriveAllowPolicy, func(w world) props {
			return props{"queueUrl": id(w, provider.TypeQueue), "redriveAllowPolicy": `{"redrivePermission":"denyAll"}`}
		}, props{"redriveAllowPolicy": `{"redrivePermission":"allowAll"}`}, props{"queueUrl": "other"}},
		{provider.TypeTable, func(world) props { return jobsTable() }, props{"ttl": props{"enabled": true, "attributeName": "expiresAt"}}, props{"hashKey": "other", "attributes": []any{props{"name": "other", "type": "S"}}}},
		{provider.TypeFunction, func(world) props { return function(t) }, props{"timeout": 20}, props{"name": "other"}},
		{provider.TypeAlias, func(w world) props {
			return props{"functionName": id(w, provider.TypeFunction), "functionVersion": "$LATEST"}
		}, props{"description": "new"}, props{"name": "other"}},
		{provider.TypeEventSourceMapping, func(w world) props {
			return props{"eventSourceArn": w.arn(t, provider.TypeQueue), "functionName": id(w, provider.TypeFunction), "functionResponseTypes": []any{"ReportBatchItemFailures"}}
		}, props{"enabled": false}, props{"eventSourceArn": "arn:aws:sqs:ap-northeast-1:123456789012:other"}},
		{provider.TypeWebACL, func(world) props { return firewall(rateRule(100)) }, firewall(rateRule(200)), props{"name": "other"}},
		{provider.TypeWebACLAssociation, func(w world) props {
			return props{"resourceArn": w.arn(t, provider.TypeStage), "webAclArn": w.arn(t, provider.TypeWebACL)}
		}, nil, props{"webAclArn": "arn:aws:wafv2:ap-northeast-1:123456789012:regional/webacl/other/1"}},
		{provider.TypeWebACLLogging, func(w world) props {
			group := w.arn(t, provider.TypeLogGroup)
			return props{"resourceArn": w.arn(t, provider.TypeWebACL), "logDestinationConfigs": []any{group}}
		}, redacting("x-api-key"), props{"logDestinationConfigs": []any{"arn:aws:logs:ap-northeast-1:123456789012:log-group:aws-waf-logs-other"}}},
		{provider.TypeLogMetricFilter, func(w world) props {
			return props{"logGroupName": id(w, provider.TypeLogGroup), "pattern": `{ $.status = "5*" }`, "metricTransformation": counting(nil)}
		}, props{"pattern": `{ $.status = "4*" }`}, props{"name": "other"}},
		{provider.TypeCompositeAlarm, func(w world) props {
			return props{"alarmName": "both", "alarmRule": fmt.Sprintf("ALARM(%q)", id(w, provider.TypeMetricAlarm))}
		}, props{"alarmDescription": "new"}, props{"alarmName": "other"}},
		{provider.TypeKey, func(world) props { return props{"policy": trustPolicy} }, props{"enableKeyRotation": true}, props{"keyUsage": "SIGN_VERIFY"}},
		{provider.TypeTopic, func(world) props { return props{} }, props{"kmsMasterKeyId": "alias/aws/sns"}, props{"name": "other"}},
		{provider.TypeTopicPolicy, func(w world) props {
			return props{"arn": id(w, provider.TypeTopic), "policy": trustPolicy}
		}, props{"policy": `{"Version":"2012-10-17"}`}, props{"arn": "arn:aws:sns:ap-northeast-1:123456789012:other"}},
		{provider.TypeTopicSubscription, func(w world) props {
			return props{"topic": id(w, provider.TypeTopic), "protocol": "email", "endpoint": "team@example.com"}
		}, props{"rawMessageDelivery": true}, props{"endpoint": "other@example.com"}},
		{provider.TypeDashboard, func(world) props {
			return props{"dashboardName": "songs", "dashboardBody": dashboardBody}
		}, props{"dashboardBody": `{"widgets":[]}`}, props{"dashboardName": "other"}},
	}
}

// counting is what a metric filter counts.
func counting(change props) props {
	return merged(props{"namespace": "API", "name": "Failed", "value": "1", "defaultValue": "0"}, change)
}

// arn is the ARN of the world's resource of a type.
func (w world) arn(t *testing.T, typ string) string {
	t.Helper()
	arn, ok := w[typ].outputs.AsMap()["arn"].(string)
	require.True(t, ok, typ)
	return arn
}

// jobsTable is a table with the hash key id.
func jobsTable() props {
	return props{"billingMode": "PAY_PER_REQUEST", "hashKey": "id", "attributes": []any{props{"name": "id", "type": "S"}}}
}

// tracking is the configuration of a target tracking policy.
func tracking(target float64) props {
	return props{"targetValue": target, "predefinedMetricSpecification": props{
		"predefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
	}}
}

// newWorld creates one resource of every type up to and including the given one; all of them if it is "".
func newWorld(c *cloud, upTo string) world {
	w := world{}
	for _, s := range specifications(c.t) {
		w[s.typ] = c.create(s.typ, s.inputs(w))
		if s.typ == upTo {
			break
		}
	}
	return w
}

func merged(a, b props) props {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
