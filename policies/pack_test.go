package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// object and list keep the tables readable.
type (
	object = map[string]any
	list   = []any
)

// unknown is an output that preview does not know yet, secret one that is
// marked as secret.
var unknown = resource.MakeComputed(resource.NewProperty(""))

func secret(v any) resource.PropertyValue { return resource.MakeSecret(resource.NewPropertyValue(v)) }

// policyCase registers one resource. Every entry of denied is a part of one
// violation at preview and at update; every entry of pending is a part of one
// advisory finding at preview and of one violation at update. There must be no
// other findings, in either phase.
type policyCase struct {
	name       string
	token      string
	properties object
	denied     []string
	pending    []string
}

// violations is a recording policyx.PolicyManager.
type violations struct{ messages []string }

func (v *violations) ReportViolation(message, _ string) { v.messages = append(v.messages, message) }

func validate(t *testing.T, policyName string, dryRun bool, token string, properties object) []string {
	t.Helper()
	pack, err := newPack(dryRun)
	require.NoError(t, err)
	recorded := &violations{}
	for _, policy := range pack.Policies() {
		if policy.Name() != policyName {
			continue
		}
		err := policy.(policyx.ResourceValidationPolicy).Validate(context.Background(), policyx.ResourceValidationArgs{
			Manager: recorded,
			Resource: policyx.AnalyzerResource{
				Type:       token,
				Name:       "it",
				URN:        "urn:pulumi:dev::project::" + token + "::it",
				Properties: resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(properties)),
			},
		})
		require.NoError(t, err)
	}
	return recorded.messages
}

func runCases(t *testing.T, policyName string, cases []policyCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			run := func(name string, dryRun bool) []string {
				return validate(t, name, dryRun, c.token, c.properties)
			}
			assertMessages(t, "preview", c.denied, run(policyName, true))
			assertMessages(t, "preview, advisory", c.pending, run(policyName+pendingSuffix, true))
			assertMessages(t, "update", append(append([]string{}, c.denied...), c.pending...), run(policyName, false))
			assertMessages(t, "update, advisory", nil, run(policyName+pendingSuffix, false))
		})
	}
}

// assertMessages wants one message for each part, in any order, that holds it,
// names the resource and says how to mend it.
func assertMessages(t *testing.T, phase string, parts, messages []string) {
	t.Helper()
	if !assert.Len(t, messages, len(parts), "%s: %s", phase, strings.Join(messages, "\n")) {
		return
	}
	for _, part := range parts {
		holds := func(message string) bool { return strings.Contains(message, part) }
		assert.Condition(t, func() bool { return containsFunc(messages, holds) },
			"%s: no message holds %q:\n%s", phase, part, strings.Join(messages, "\n"))
	}
	for _, message := range messages {
		assert.Contains(t, message, `"it"`, phase)
		assert.Regexp(t, `(To mend it|If the update (finds otherwise|cannot judge it either)), \w+ `, message, phase)
	}
}

func containsFunc(messages []string, holds func(string) bool) bool {
	for _, message := range messages {
		if holds(message) {
			return true
		}
	}
	return false
}

func TestEveryRuleIsMandatoryWithAnAdvisoryCompanion(t *testing.T) {
	pack, err := newPack(false)
	require.NoError(t, err)
	levels := map[string]policyx.EnforcementLevel{}
	for _, policy := range pack.Policies() {
		levels[policy.Name()] = policy.EnforcementLevel()
		assert.NotEmpty(t, policy.Description(), policy.Name())
	}
	assert.Equal(t, map[string]policyx.EnforcementLevel{
		"sagemaker-scales-to-zero":               policyx.EnforcementLevelMandatory,
		"sagemaker-scales-to-zero-not-yet-known": policyx.EnforcementLevelAdvisory,
		"api-requires-key":                       policyx.EnforcementLevelMandatory,
		"api-requires-key-not-yet-known":         policyx.EnforcementLevelAdvisory,
	}, levels)
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
		for _, policy := range []string{"sagemaker-scales-to-zero", "api-requires-key"} {
			assert.Empty(t, validate(t, policy, false, token, object{"region": unknown, "tags": object{"a": "b"}}))
		}
	}
}

// A form that hides resources is a finding of both rules: neither can say that
// what it looks for is not there.
func TestBothRulesReportWhatIsHidden(t *testing.T) {
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
			broken := rule{judges: map[string]func(*report, map[string]any){
				"AWS::Lambda::Url": func(_ *report, properties map[string]any) {
					if cause != nil {
						panic(cause)
					}
					_ = properties["AuthType"].(int)
				},
			}}
			findings := broken.judge(policyx.AnalyzerResource{
				Type: "aws:lambda/functionUrl:FunctionUrl", Name: "it",
				Properties: resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(object{"authorizationType": "hush"})),
			})
			require.Len(t, findings, 1)
			assert.Contains(t, findings[0].text, "could not be judged")
			assert.NotContains(t, findings[0].text, "hush")
			assert.False(t, findings[0].pending)
		})
	}
}

// FuzzNoInputPanics: whatever a template or an OpenAPI document holds, a rule
// answers by itself and not through the safety net.
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
		for _, r := range rules() {
			for token, property := range map[string]string{
				"aws:cloudformation/stack:Stack":     "templateBody",
				"aws:apigateway/restApi:RestApi":     "body",
				"aws:apigatewayv2/api:Api":           "body",
				"aws:cloudcontrol/resource:Resource": "desiredState",
			} {
				properties := object{property: text, "typeName": "AWS::SageMaker::EndpointConfig"}
				for _, finding := range r.judge(policyx.AnalyzerResource{
					Type: token, Name: "it",
					Properties: resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(properties)),
				}) {
					assert.NotContains(t, finding.text, "could not be judged (")
				}
			}
		}
	})
}
