package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestEveryRuleIsMandatoryWithAnAdvisoryCompanion(t *testing.T) {
	pack, err := newPack(newRun(false, "dev", today))
	require.NoError(t, err)
	levels := map[string]policyx.EnforcementLevel{}
	for _, policy := range pack.Policies() {
		levels[policy.Name()] = policy.EnforcementLevel()
		assert.NotEmpty(t, policy.Description(), policy.Name())
	}
	want := map[string]policyx.EnforcementLevel{exemptionsName: policyx.EnforcementLevelMandatory}
	for _, name := range []string{
		"sagemaker-scales-to-zero", "api-requires-key", "sagemaker-wakes-up", "api-has-usage-plan", "api-stage-observed",
		"iam-least-privilege", "iam-trust-is-confined", "model-image-from-ecr", "logs-have-retention", "queue-is-safe",
		"table-is-safe", "function-is-safe", "function-callers-are-named", "function-scales-to-zero", "scheduled-minimum-ends",
		"resources-are-tagged", "cost-guard",
	} {
		want[name], want[name+"-not-yet-known"] = policyx.EnforcementLevelMandatory, policyx.EnforcementLevelAdvisory
	}
	assert.Equal(t, want, levels)
	assert.Len(t, pack.Policies(), len(want), "the engine knows a policy by its name")
}

func TestPackFileMatchesThePack(t *testing.T) {
	content, err := os.ReadFile("PulumiPolicy.yaml")
	require.NoError(t, err)
	var file struct{ Runtime, Version, Description string }
	require.NoError(t, yaml.Unmarshal(content, &file))
	assert.Equal(t, "go", file.Runtime)
	assert.Equal(t, packVersion.String(), file.Version)
	assert.NotEmpty(t, file.Description)
}

func TestOtherResourcesPass(t *testing.T) {
	for _, token := range []string{"pulumi:pulumi:Stack", "pulumi:providers:aws", "aws:s3/bucket:Bucket", "my:own:Component"} {
		resources := []registration{{token: token, name: "it", properties: object{"region": unknown, "tags": object{"a": "b"}}}}
		for policy, messages := range judged(t, newRun(false, "dev", today), resources, nil) {
			assert.Empty(t, messages, policy)
		}
	}
}

// A form that hides resources is a finding of both gates: neither can say that
// what it looks for is not there.
func TestBothGatesReportWhatIsHidden(t *testing.T) {
	for _, policy := range []string{"sagemaker-scales-to-zero", "api-requires-key"} {
		runCases(t, policy, hiddenCases())
	}
}

func hiddenCases() []policyCase {
	inTemplate := func(name, template, part string) policyCase {
		return policyCase{name: name, token: stackToken, properties: object{"templateBody": template}, denied: []string{part}}
	}
	return []policyCase{
		{name: "templateUrl", token: stackToken, properties: object{"templateUrl": "https://bucket/template"}, denied: []string{"templateUrl"}},
		{name: "templateUrl not known", token: stackToken, properties: object{"templateUrl": unknown}, pending: []string{"templateBody"}},
		{name: "templateBody not known", token: stackToken, properties: object{"templateBody": unknown}, pending: []string{"templateBody"}},
		{
			name: "stack set by URL", token: "aws:cloudformation/stackSet:StackSet",
			properties: object{"templateUrl": "https://bucket/template"}, denied: []string{"templateUrl"},
		},
		{
			name: "overrides of a stack set instance", token: "aws:cloudformation/stackSetInstance:StackSetInstance",
			properties: object{"parameterOverrides": object{"Min": "1"}}, denied: []string{"parameterOverrides"},
		},
		{name: "no overrides", token: "aws:cloudformation/stackInstances:StackInstances", properties: object{"regions": list{"eu-west-1"}}},
		{
			name: "overrides in a stack set's own groups", token: "aws-native:cloudformation:StackSet", properties: object{
				"templateBody":        "Resources: {}",
				"stackInstancesGroup": list{object{"parameterOverrides": list{object{"parameterKey": "Min"}}}},
			},
			denied: []string{"parameterOverrides"},
		},
		{
			name: "serverless application", token: "aws:serverlessrepository/cloudFormationStack:CloudFormationStack",
			properties: object{"applicationId": "a"}, denied: []string{"declared elsewhere"},
		},
		{
			name: "service catalog", token: "aws:servicecatalog/provisionedProduct:ProvisionedProduct",
			properties: object{"productId": "p"}, denied: []string{"declared elsewhere"},
		},
		{
			name: "type not known", token: "aws:cloudcontrol/resource:Resource",
			properties: object{"typeName": unknown, "desiredState": "{}"}, pending: []string{"type"},
		},
		{
			name: "nested stack as desired state", token: "aws:cloudcontrol/resource:Resource", properties: object{
				"typeName": "AWS::CloudFormation::Stack", "desiredState": `{"TemplateURL":"https://bucket/t"}`,
			},
			denied: []string{"templateUrl"},
		},
		inTemplate("junk", "{not json", "cannot be parsed"),
		inTemplate("junk YAML", "a: [", "cannot be parsed"),
		inTemplate("a text", "hello", "where an object is needed"),
		inTemplate("no resources", "Outputs: {}", "Resources is missing"),
		inTemplate("resource that is no object", "Resources: {A: 1}", "where an object is needed"),
		inTemplate("resource without type", "Resources: {A: {Properties: {}}}", "Type is missing"),
		inTemplate("serverless transform", "Transform: AWS::Serverless-2016-10-31\nResources: {}", "AWS::Serverless-2016-10-31"),
		inTemplate("own macro in a list", `{"Transform":["AWS::LanguageExtensions","Mine"],"Resources":{}}`, "macro Mine"),
		inTemplate("include", "Resources: {Fn::Transform: {Name: AWS::Include}}", "makes resources"),
		inTemplate("include at the top", "Fn::Transform: {Name: AWS::Include}\nResources: {}", "AWS::Include"),
		inTemplate("macro inside a resource", "Resources: {A: {Type: T, Fn::Transform: {Name: M}}}", "macro rewrites it"),
		inTemplate("loop", "Transform: AWS::LanguageExtensions\nResources: {'Fn::ForEach::All': [x, [a], {}]}", "Fn::ForEach::All"),
		inTemplate("nested stack", "Resources: {Sub: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: u}}}", "Sub"),
		inTemplate("module", "Resources: {M: {Type: Mine::Own::Thing::MODULE}}", "declared elsewhere"),
		{name: "nested stack that may not exist", token: stackToken, pending: []string{"template resource Sub"}, properties: object{
			"templateBody": "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, a]}\n" +
				"Resources: {Sub: {Type: AWS::CloudFormation::Stack, Condition: C, Properties: {TemplateURL: u}}}",
			"parameters": object{"P": unknown},
		}},
		{
			name: "only language extensions", token: stackToken,
			properties: object{"templateBody": "Transform: AWS::LanguageExtensions\nResources: {}"},
		},
		{
			name: "secret junk is not repeated", token: stackToken,
			properties: object{"templateBody": secret("{hush")}, denied: []string{"it is neither JSON nor YAML"},
		},
	}
}

func TestAPanicBecomesAFinding(t *testing.T) {
	for name, cause := range map[string]any{"runtime error": nil, "error": errors.New("hush"), "value": "hush"} {
		t.Run(name, func(t *testing.T) {
			fail := func(value any) {
				if cause != nil {
					panic(cause)
				}
				_ = value.(int)
			}
			broken := rule{judges: map[string]func(*report, map[string]any){
				"AWS::Lambda::Url": func(_ *report, properties map[string]any) { fail(properties["AuthType"]) },
			}}
			brokenStack := rule{judgeStack: func(*stack) { fail("hush") }}
			it := analyzed(registration{token: "aws:lambda/functionUrl:FunctionUrl", name: "it"}, object{"authorizationType": "hush"})
			shared := newRun(true, "dev", today)
			for _, findings := range [][]finding{
				shared.judge(broken, it, nil), shared.judgeStack(brokenStack, []policyx.AnalyzerResource{it}),
			} {
				require.Len(t, findings, 1)
				assert.Contains(t, findings[0].text, "could not be judged")
				assert.NotContains(t, findings[0].text, "hush")
				assert.False(t, findings[0].pending)
			}
		})
	}
}

// A template is worked out once, for all rules and for both times the engine
// shows it; another value of the same resource is worked out anew.
func TestATemplateIsReadOnce(t *testing.T) {
	shared := newRun(false, "dev", today)
	it := func(body string) policyx.AnalyzerResource {
		return analyzed(registration{token: stackToken, name: "it"}, object{"templateBody": body})
	}
	one := "Resources: {A: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 1}}}"
	first := shared.declare(it(one))
	require.Len(t, first.resources, 1)
	assert.Same(t, &first.resources[0], &shared.declare(it(one)).resources[0])
	assert.Empty(t, shared.declare(it("Resources: {}")).resources)
}

// A rule that is disabled is not called, and its companion then has nothing to
// tell.
func TestTheCompanionOfADisabledRuleIsSilent(t *testing.T) {
	shared := newRun(true, "dev", today)
	it := analyzed(registration{token: endpointConfigToken, name: "it"}, variants(scaling("ENABLED", unknown)))
	assert.Empty(t, shared.takePending("sagemaker-scales-to-zero", it.URN))
	shared.judge(scalesToZero(), it, nil)
	assert.Len(t, shared.takePending("sagemaker-scales-to-zero", it.URN), 1)
	assert.Empty(t, shared.takePending("sagemaker-scales-to-zero", it.URN), "told once")
}

// Conditions that name others twice are as many paths as there are grains on a
// chessboard.
func TestConditionsAreWorkedOutOnce(t *testing.T) {
	template := strings.Builder{}
	template.WriteString("Conditions:\n  C64: !Equals [a, a]\n")
	for i := range 64 {
		fmt.Fprintf(&template, "  C%d: !And [!Condition C%d, !Condition C%d]\n", i, i+1, i+1)
	}
	template.WriteString("Resources: {L: {Type: AWS::Logs::LogGroup, Condition: C0}}")
	it := registration{token: stackToken, name: "it", properties: object{"templateBody": template.String()}}
	assert.Len(t, judged(t, newRun(true, "dev", today), []registration{it}, nil)["logs-have-retention"], 1)
}

// The engine asks about several resources at once.
func TestResourcesAreJudgedAtOnce(t *testing.T) {
	shared := newRun(true, "dev", today)
	pack, err := newPack(shared)
	require.NoError(t, err)
	var group sync.WaitGroup
	recorded := make([]violations, 8)
	for i := range recorded {
		it := analyzed(registration{token: "aws:cloudwatch/logGroup:LogGroup", name: strconv.Itoa(i)}, object{"retentionInDays": unknown})
		group.Go(func() {
			for _, policy := range pack.Policies() {
				if policy, ok := policy.(policyx.ResourceValidationPolicy); ok {
					assert.NoError(t, policy.Validate(t.Context(), policyx.ResourceValidationArgs{Manager: &recorded[i], Resource: it}))
				}
			}
		})
	}
	group.Wait()
	for i, violations := range recorded {
		require.Len(t, violations.messages, 1)
		assert.Contains(t, violations.messages[0], strconv.Quote(strconv.Itoa(i)))
	}
}

// FuzzNoInputPanics: whatever a template, an OpenAPI document or a policy
// holds, a rule answers by itself and not through the safety net.
func FuzzNoInputPanics(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*")
	require.NoError(f, err)
	require.NotEmpty(f, seeds)
	for _, path := range seeds {
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(content))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var resources []registration
		for token, property := range map[string]string{
			"aws:cloudformation/stack:Stack":     "templateBody",
			"aws:apigateway/restApi:RestApi":     "body",
			"aws:apigatewayv2/api:Api":           "body",
			"aws:cloudcontrol/resource:Resource": "desiredState",
			"aws:iam/role:Role":                  "assumeRolePolicy",
			"aws:iam/rolePolicy:RolePolicy":      "policy",
			"aws:sqs/queue:Queue":                "redrivePolicy",
		} {
			resources = append(resources, registration{
				token: token, name: "it", properties: object{property: text, "typeName": "AWS::SageMaker::EndpointConfig"},
			})
		}
		for _, messages := range judged(t, newRun(false, "dev", today), resources, nil) {
			for _, message := range messages {
				assert.NotContains(t, message, "could not be judged (")
			}
		}
	})
}
