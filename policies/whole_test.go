package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wholeConfig turns every knob.
var wholeConfig = map[string]object{
	"cost-guard":           {"instanceTypes": list{"ml.m5.*"}, "maxInstances": 2.0, "maxProvisionedConcurrency": 2.0},
	"model-image-from-ecr": {"digestStacks": list{"prod"}},
	"resources-are-tagged": {"tags": list{"project"}},
	"table-is-safe":        {"pointInTimeRecoveryStacks": list{"prod"}},
}

func whole(t *testing.T) string {
	t.Helper()
	template, err := os.ReadFile("testdata/whole.yaml")
	require.NoError(t, err)
	return string(template)
}

func judgeWhole(t *testing.T, dryRun bool, template any, tags object, parameters object) map[string][]string {
	t.Helper()
	return judged(t, newRun(dryRun, "prod", today), []registration{{
		token: stackToken, name: "it", properties: object{"templateBody": template, "tags": tags, "parameters": parameters},
	}}, wholeConfig)
}

func TestAWholeTemplatePasses(t *testing.T) {
	for policy, messages := range judgeWhole(t, true, whole(t), object{"project": "songs"}, nil) {
		assert.Empty(t, messages, policy)
	}
}

const tls = "Bool: {aws:SecureTransport: \"false\"}"

// spoils each spoil one place of the template, and one rule says so.
var spoils = []struct {
	name, old, new, rule, part string
}{
	{"stays", "MinInstanceCount: !Ref Min", "MinInstanceCount: 1", "sagemaker-scales-to-zero", "ManagedInstanceScaling.MinInstanceCount is 1"},
	{"no key", "ApiKeyRequired: true", "ApiKeyRequired: false", "api-requires-key", "ApiKeyRequired is false"},
	{"data trace", "DataTraceEnabled: false", "DataTraceEnabled: true", "api-stage-observed", "DataTraceEnabled is true"},
	{"no step", "PolicyType: StepScaling", "PolicyType: TargetTrackingScaling", "sagemaker-wakes-up", "Target (AWS::ApplicationAutoScaling::ScalableTarget): the step policy that leaves zero is missing"},
	{"no alarm", "AlarmActions: [!Ref Step]", "AlarmActions: []", "sagemaker-wakes-up", "nothing notices a refused caller"},
	{"threshold", "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "sagemaker-wakes-up", "Threshold is 1; it must be 0 for GreaterThanThreshold"},
	{"not in the plan", "Stage: !Ref ApiStage", "Stage: other", "api-has-usage-plan", "the usage plan is"},
	{"no quota", "      Quota: {Limit: 1000, Period: MONTH}\n", "", "api-has-usage-plan", "Quota is missing (there is no limit then)"},
	{"no access log", "      AccessLogSetting: {DestinationArn: !GetAtt Logs.Arn, Format: $context.requestId}\n", "", "api-stage-observed", "the access log is missing"},
	{"wide role", "ecr:BatchGetImage, ", "ecr:*, ", "iam-least-privilege", `Policies[0], Statement[1]: Action is "ecr:*"`},
	{"AWS's role", "      Policies:\n        - PolicyName: work", "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n      Policies:\n        - PolicyName: work", "iam-least-privilege", "ManagedPolicyArns is"},
	{"everybody's role", "Principal: {Service: lambda.amazonaws.com}", `Principal: {AWS: ["*"]}`, "iam-trust-is-confined", "must not be everybody"},
	{"borrowed role", "Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}", "Sid: a", "iam-trust-is-confined", `Condition for "sagemaker.amazonaws.com" is missing`},
	{"tag instead of digest", "songs@sha256:" + strings.Repeat("0", 64), "songs:latest", "model-image-from-ecr", "must be given by its digest in stack prod"},
	{"model data", "Image: !Sub", "ModelDataUrl: s3://bucket/model.tar.gz\n        Image: !Sub", "model-image-from-ecr", "ModelDataUrl is"},
	{"logs for ever", "{RetentionInDays: 30}", "{}", "logs-have-retention", "RetentionInDays is missing (logs are kept for ever)"},
	{"no dead letters", "deadLetterTargetArn: !GetAtt DeadLetters.Arn, ", "", "queue-is-safe", "RedrivePolicy is"},
	{"without TLS", tls, tls[:len(tls)-len(`"false"}`)] + `"true"}`, "queue-is-safe", "must deny every call with aws:SecureTransport false"},
	{"table", "SSEEnabled: true", "SSEEnabled: false", "table-is-safe", "SSESpecification is false"},
	{"recovery", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "table-is-safe", "must be enabled in stack prod"},
	{"tracing", "TracingConfig: {Mode: Active}", "TracingConfig: {Mode: PassThrough}", "function-is-safe", `TracingConfig.Mode is "PassThrough"`},
	{"secret", "MAX_TOKENS:", "API_TOKEN:", "function-is-safe", "API_TOKEN is a secret value"},
	{"dear", "ml.m5.large", "ml.p5.48xlarge", "cost-guard", "must be one of ml.m5.* in stack prod"},
	{"many", "MaxInstanceCount: 2", "MaxInstanceCount: 3", "cost-guard", "the number of instances is 3; it must be at most 2 in stack prod"},
	{"always warm", "MinCapacity: 0\n      MaxCapacity: 2\n      ScheduledActions", "MinCapacity: 1\n      MaxCapacity: 2\n      Nothing", "function-scales-to-zero", "Warm (AWS::ApplicationAutoScaling::ScalableTarget): MinCapacity is 1"},
	{"provisioned", "Name: live", "Name: live, ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}", "function-scales-to-zero", "ProvisionedConcurrentExecutions is 1"},
	{"no evening", "ScalableTargetAction: {MinCapacity: 0", "ScalableTargetAction: {MinCapacity: 1", "scheduled-minimum-ends", "ScheduledActions[0]: MinCapacity is 1"},
	{"evening without calls", "0, MaxCapacity: 0}", "0, MaxCapacity: 2}", "scheduled-minimum-ends", "for Lambda with MaxCapacity 0"},
	{"any API", "}:${Api}/", "}:*/", "function-callers-are-named", "it must name the API"},
	{"any caller", "Principal: apigateway.amazonaws.com", `Principal: "*"`, "function-callers-are-named", "must be known and not be everybody"},
	{"tag of a function", "infer@sha256:" + strings.Repeat("0", 64), "infer:v1", "model-image-from-ecr", "ImageUri is"},
	{"many kept", "MaxCapacity: 2\n      ScheduledActions", "MaxCapacity: 3\n      ScheduledActions", "cost-guard", "MaxCapacity is 3; it must be at most 2 in stack prod"},
}

func TestASpoiltTemplateIsDenied(t *testing.T) {
	for _, c := range spoils {
		t.Run(c.name, func(t *testing.T) {
			template := whole(t)
			require.Contains(t, template, c.old)
			spoilt := strings.Replace(template, c.old, c.new, 1)
			for policy, messages := range judgeWhole(t, true, spoilt, object{"project": "songs"}, nil) {
				if policy != c.rule {
					assert.Empty(t, messages, policy)
					continue
				}
				assert.NotEmpty(t, messages)
				assert.Contains(t, strings.Join(messages, "\n"), c.part)
			}
		})
	}
}

func TestATemplateWithoutTagsIsDenied(t *testing.T) {
	messages := judgeWhole(t, true, whole(t), nil, nil)["resources-are-tagged"]
	assert.Contains(t, strings.Join(messages, "\n"), "Queue (AWS::SQS::Queue): tag project is missing")
}

// A template that only the update knows hides what the stack needs, which is no
// reason to stop the preview.
func TestAHiddenTemplateStopsNoPreview(t *testing.T) {
	target := registration{token: targetToken, name: "target", properties: object{
		"serviceNamespace": "sagemaker", "scalableDimension": copyCount, "resourceId": "inference-component/songs", "minCapacity": 0.0,
	}}
	hidden := registration{token: stackToken, name: "it", properties: object{"templateBody": unknown}}
	for _, dryRun := range []bool{true, false} {
		messages := judged(t, newRun(dryRun, "prod", today), []registration{target, hidden}, nil)
		now, later := messages["sagemaker-wakes-up"], messages["sagemaker-wakes-up-not-yet-known"]
		if !dryRun {
			now, later = later, now
		}
		assert.Empty(t, now)
		require.Len(t, later, 1, fmt.Sprint(dryRun))
		assert.Contains(t, later[0], "the step policy that leaves zero is unknown")
	}
}
