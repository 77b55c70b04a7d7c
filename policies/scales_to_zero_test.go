package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	endpointConfigToken = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
	targetToken         = "aws:appautoscaling/target:Target"
	stackToken          = "aws:cloudformation/stack:Stack"
	stackSetToken       = "aws:cloudformation/stackSet:StackSet"
	cloudControlToken   = "aws:cloudcontrol/resource:Resource"
)

func variants(items ...any) object { return object{"productionVariants": items} }

func scaling(status, minimum any) object {
	return object{"variantName": "v", "managedInstanceScaling": object{"status": status, "minInstanceCount": minimum}}
}

func TestScalesToZeroNative(t *testing.T) {
	runCases(t, "sagemaker-scales-to-zero", []policyCase{
		{name: "scales to zero", token: endpointConfigToken, properties: variants(scaling("ENABLED", 0))},
		{
			name: "aws-native", token: "aws-native:sagemaker:EndpointConfig", properties: variants(scaling("ENABLED", 1)),
			denied: []string{"MinInstanceCount is 1"},
		},
		{name: "as texts", token: endpointConfigToken, properties: variants(scaling("ENABLED", "0"))},
		{
			name: "minimum 1", token: endpointConfigToken, properties: variants(scaling("ENABLED", 1)),
			denied: []string{`ProductionVariants[0] "v": ManagedInstanceScaling.MinInstanceCount is 1; it must be 0. To mend it, write MinInstanceCount: pulumi.Int(0)`},
		},
		{name: "minimum one half", token: endpointConfigToken, properties: variants(scaling("ENABLED", 0.5)), denied: []string{"is 0.5"}},
		{
			name: "secret minimum", token: endpointConfigToken, properties: variants(scaling("ENABLED", secret(7))),
			denied: []string{"MinInstanceCount is a secret value"},
		},
		{
			name: "secret list", token: endpointConfigToken, properties: object{"productionVariants": secret(list{scaling("ENABLED", 7)})},
			denied: []string{"MinInstanceCount is a secret value"},
		},
		{
			name: "secret zero in a secret list", token: endpointConfigToken,
			properties: object{"productionVariants": secret(list{scaling("ENABLED", 0)})},
		},
		{
			name: "disabled and minimum missing", token: endpointConfigToken, properties: variants(scaling("DISABLED", nil)),
			denied: []string{`Status is "DISABLED"`, "MinInstanceCount is missing (AWS documents no default of 0)"},
		},
		{name: "status missing", token: endpointConfigToken, properties: variants(scaling(nil, 0)), denied: []string{"Status is missing"}},
		{
			name: "no scaling, names a model", token: endpointConfigToken,
			properties: variants(object{"modelName": "m", "initialInstanceCount": 1}),
			denied: []string{
				"ManagedInstanceScaling is missing (InitialInstanceCount instances then run for ever)",
				`ModelName is "m"; it must be left out`,
			},
		},
		{
			name: "scaling, names a model", token: endpointConfigToken,
			properties: variants(object{"modelName": "m", "managedInstanceScaling": object{"status": "ENABLED", "minInstanceCount": 0}}),
			denied:     []string{"AWS::SageMaker::InferenceComponent"},
		},
		{
			name: "every variant is judged", token: endpointConfigToken,
			properties: object{
				"productionVariants":       list{scaling("ENABLED", 0), scaling("ENABLED", 2)},
				"shadowProductionVariants": list{object{"variantName": "s"}},
			},
			denied: []string{"ProductionVariants[1]", "sagemaker.EndpointConfigurationShadowProductionVariantManagedInstanceScalingArgs"},
		},
		{
			name: "serverless", token: endpointConfigToken,
			properties: variants(object{"modelName": "m", "serverlessConfig": object{"maxConcurrency": 1, "memorySizeInMb": 1024}}),
		},
		{
			name: "serverless kept warm", token: endpointConfigToken,
			properties: variants(object{"modelName": "m", "serverlessConfig": object{"provisionedConcurrency": 1}}),
			denied:     []string{"ProvisionedConcurrency is 1"},
		},
		{
			name: "wrong kinds", token: endpointConfigToken,
			properties: object{"productionVariants": "v", "shadowProductionVariants": list{"v", object{"serverlessConfig": true}, object{"managedInstanceScaling": list{}}}},
			denied:     []string{`ProductionVariants is "v"`, `the variant is "v"`, "ServerlessConfig is true", "ManagedInstanceScaling is an empty list"},
		},
		{name: "unknown minimum", token: endpointConfigToken, properties: variants(scaling("ENABLED", unknown)), pending: []string{"MinInstanceCount is unknown"}},
		{
			name: "unknown status and model", token: endpointConfigToken,
			properties: variants(object{"modelName": unknown, "managedInstanceScaling": object{"status": unknown, "minInstanceCount": 0}}),
			pending:    []string{"Status is unknown", "ModelName is unknown"},
		},
		{name: "unknown scaling", token: endpointConfigToken, properties: variants(object{"managedInstanceScaling": unknown}), pending: []string{"ManagedInstanceScaling is unknown"}},
		{name: "unknown variant", token: endpointConfigToken, properties: variants(unknown), pending: []string{"the variant is unknown"}},
		{name: "unknown variants", token: endpointConfigToken, properties: object{"productionVariants": unknown}, pending: []string{"ProductionVariants is unknown"}},
		{
			name: "unknown serverless", token: endpointConfigToken,
			properties: variants(object{"serverlessConfig": unknown}, object{"serverlessConfig": object{"provisionedConcurrency": unknown}}),
			pending:    []string{"ServerlessConfig is unknown", "ProvisionedConcurrency is unknown"},
		},

		{name: "target at 0", token: targetToken, properties: object{"serviceNamespace": "sagemaker", "minCapacity": 0}},
		{name: "target of unknown namespace at 0", token: targetToken, properties: object{"serviceNamespace": unknown, "minCapacity": 0}},
		{name: "target of another service", token: targetToken, properties: object{"serviceNamespace": "ecs", "minCapacity": 2}},
		{name: "target at 1", token: targetToken, properties: object{"serviceNamespace": "sagemaker", "minCapacity": 1}, denied: []string{"MinCapacity is 1"}},
		{name: "target without minimum", token: targetToken, properties: object{"serviceNamespace": "sagemaker"}, denied: []string{"MinCapacity is missing"}},
		{name: "target with unknown minimum", token: targetToken, properties: object{"serviceNamespace": "sagemaker", "minCapacity": unknown}, pending: []string{"MinCapacity is unknown"}},
		{name: "target at 1, unknown namespace", token: targetToken, properties: object{"serviceNamespace": unknown, "minCapacity": 1}, pending: []string{"ServiceNamespace is unknown"}},
	})
}

func TestScalesToZeroDesiredState(t *testing.T) {
	config := func(state any) object {
		return object{"typeName": "AWS::SageMaker::EndpointConfig", "desiredState": state}
	}
	const bad = `{"ProductionVariants":[{"VariantName":"v","ManagedInstanceScaling":{"Status":"ENABLED","MinInstanceCount":1}}]}`
	runCases(t, "sagemaker-scales-to-zero", []policyCase{
		{
			name: "scales to zero", token: cloudControlToken,
			properties: config(`{"ProductionVariants":[{"ManagedInstanceScaling":{"Status":"ENABLED","MinInstanceCount":0}}]}`),
		},
		{name: "minimum 1", token: cloudControlToken, properties: config(bad), denied: []string{"write MinInstanceCount: 0."}},
		{name: "secret", token: cloudControlToken, properties: config(secret(bad)), denied: []string{"MinInstanceCount is a secret value"}},
		{name: "not known", token: cloudControlToken, properties: config(unknown), pending: []string{"properties is unknown"}},
		{name: "junk", token: cloudControlToken, properties: config("{"), denied: []string{"desiredState cannot be parsed"}},
		{name: "missing", token: cloudControlToken, properties: config(nil), denied: []string{"properties is missing"}},
		{name: "another type, not known", token: cloudControlToken, properties: object{"typeName": "AWS::S3::Bucket", "desiredState": unknown}},
		{name: "target", token: cloudControlToken, denied: []string{"MinCapacity is 3"}, properties: object{
			"typeName": "AWS::ApplicationAutoScaling::ScalableTarget", "desiredState": `{"ServiceNamespace":"sagemaker","MinCapacity":3}`,
		}},
		{name: "extension resource", token: "aws-native:index:ExtensionResource", denied: []string{"MinCapacity is 3"}, properties: object{
			"type": "AWS::ApplicationAutoScaling::ScalableTarget", "properties": object{"ServiceNamespace": "sagemaker", "MinCapacity": 3},
		}},
	})
}

// The template of testdata/endpoint.yaml scales to zero unless its parameters
// say otherwise.
func TestScalesToZeroTemplateParameters(t *testing.T) {
	template, err := os.ReadFile("testdata/endpoint.yaml")
	require.NoError(t, err)
	stack := func(parameters any) object {
		return object{"templateBody": string(template), "parameters": parameters}
	}
	runCases(t, "sagemaker-scales-to-zero", []policyCase{
		{name: "defaults", token: stackToken, properties: stack(object{"Stage": "dev"})},
		{name: "prod", token: stackToken, properties: stack(object{"Stage": "prod", "MinInstanceCount": "0"})},
		{
			name: "stack set", token: stackSetToken, properties: stack(object{"Stage": "dev", "MinInstanceCount": "1"}),
			denied: []string{`MinInstanceCount is "1" (from parameter MinInstanceCount)`},
		},
		{
			name: "minimum 1 in dev", token: stackToken, properties: stack(object{"Stage": "dev", "MinInstanceCount": "1"}),
			denied: []string{`template resource Config (AWS::SageMaker::EndpointConfig), ProductionVariants[0] "dev-${x}-traffic": ` +
				`ManagedInstanceScaling.MinInstanceCount is "1" (from parameter MinInstanceCount); it must be 0. ` +
				`To mend it, write MinInstanceCount: 0, or set that parameter MinInstanceCount accordingly.`},
		},
		{
			name: "minimum 1 in prod", token: stackToken, properties: stack(object{"Stage": "prod", "MinInstanceCount": "1"}),
			denied: []string{"Config", "MinCapacity"},
		},
		{name: "disabled by mapping", token: stackToken, properties: stack(object{"Stage": "bad"}), denied: []string{`Status is "DISABLED"`}},
		{name: "no such mapping", token: stackToken, properties: stack(object{"Stage": "test"}), denied: []string{"the mapping ByStage has no test.Status"}},
		{name: "named model", token: stackToken, properties: stack(object{"Stage": "dev", "Model": "m"}), denied: []string{`ModelName is "m" (from parameter Model)`}},
		{
			name: "secret model", token: stackToken, properties: stack(object{"Stage": "dev", "Model": secret("hush")}),
			denied: []string{`ModelName is a secret value (from parameter Model)`},
		},
		{
			name: "secret stage names the variant", token: stackToken, properties: stack(object{"Stage": secret("dev"), "MinInstanceCount": "1"}),
			denied: []string{"ProductionVariants[0] a secret value:"},
		},
		{
			name: "unknown minimum", token: stackToken, properties: stack(object{"Stage": "dev", "MinInstanceCount": unknown}),
			pending: []string{"MinInstanceCount is unknown (parameter MinInstanceCount: "},
		},
		{name: "unknown model", token: stackToken, properties: stack(object{"Stage": "dev", "Model": unknown}), pending: []string{"ModelName is unknown"}},
		{name: "unknown stage", token: stackToken, properties: stack(object{"Stage": unknown}), pending: []string{"Status is unknown", "the variant is unknown"}},
		{
			name: "unknown stage, target at 1 only in prod", token: stackToken, properties: stack(object{"Stage": unknown, "MinInstanceCount": "1"}),
			denied: []string{"MinInstanceCount is"}, pending: []string{"Status is unknown", "the variant is unknown", "MinCapacity is"},
		},
		{
			name: "unknown parameters", token: stackToken, properties: stack(unknown),
			pending: []string{"Status is unknown", "MinInstanceCount is unknown", "ModelName is unknown", "the variant is unknown", "MinCapacity is unknown"},
		},
		{
			name: "no value for the stage", token: stackToken, properties: stack(object{}),
			denied: []string{"Status is unknown (parameter Stage has neither a value nor a default)", "the variant is unknown"},
		},
	})
}

// What only CloudFormation can work out is not known at update either, so the
// preview stops it already.
func TestScalesToZeroTemplateValues(t *testing.T) {
	target := func(minimum string) object {
		return object{"templateBody": `
Parameters:
  Ssm: {Type: AWS::SSM::Parameter::Value<String>, Default: "0"}
  List: {Type: CommaDelimitedList, Default: "0, 1"}
  Zero: {Type: Number, Default: 0}
  Region: {Type: String, Default: eu-west-1}
Conditions:
  Yes: !Or [!Equals [!Ref AWS::Region, x], !Not [!Equals [!Ref Zero, 1]]]
  No: !And [!Condition Here, !Equals [a, b]]
  Here: !Equals [!Ref AWS::Region, eu-west-1]
  Maybe: !And [!Condition Here, !Equals [a, a]]
  Lists: !Equals [!Ref List, a]
  Odd: {Fn::Contains: [[a], a]}
  Circle: !Not [!Condition Circle]
Resources:
  T:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties: {ServiceNamespace: !Sub "sage${Maker}", MinCapacity: ` + minimum + `}
`, "parameters": object{}}
	}
	allow := func(minimum string) policyCase {
		return policyCase{name: minimum, token: stackToken, properties: target(minimum)}
	}
	deny := func(minimum, part string) policyCase {
		return policyCase{name: minimum, token: stackToken, properties: target(minimum), denied: []string{part}}
	}
	runCases(t, "sagemaker-scales-to-zero", []policyCase{
		allow("0"), allow(`"0"`), allow("!Ref Zero"), allow("{Ref: Zero}"), allow(`!Sub "${Zero}"`), allow(`!Sub ["${A}", {A: !Ref Zero}]`),
		allow(`!Join ["", [!Ref Zero]]`), allow("!If [Yes, 0, 1]"), allow("!If [No, 1, 0]"), allow("!If [Here, 0, 0]"),
		allow(`{"Fn::If": ["Yes", {"Ref": "Zero"}, 5]}`),
		deny("!If [Yes, 1, 0]", "MinCapacity is 1"),
		deny("!If [Here, 1, 0]", "ServiceNamespace is unknown (the value of Maker"),
		deny("!If [Circle, 1, 0]", "MinCapacity is unknown"),
		deny("!If [Maybe, 1, 0]", "MinCapacity is unknown"),
		deny("!If [Lists, 1, 0]", "a condition compares a list of 2"),
		deny("!If [Odd, 1, 0]", "a condition cannot be worked out"),
		deny("!If [Nowhere, 1, 0]", "the condition Nowhere cannot be worked out"),
		deny("!Sub [1, {}, 2]", "Fn::Sub"),
		deny("!Sub [[a], {}]", "Fn::Sub has a list of 1 where a text is needed"),
		deny("!Ref AWS::NoValue", "MinCapacity is missing"),
		deny("!Ref Ssm", "Systems Manager"),
		deny("!Ref List", "MinCapacity is a list of 2"),
		deny(`"{{resolve:ssm:min}}"`, "dynamic reference"),
		deny("!GetAtt Thing.Min", "Fn::GetAtt Thing.Min is worked out by CloudFormation"),
		deny("!GetAtt [Thing, Min]", "Fn::GetAtt Thing.Min"),
		deny("{Fn::Transform: {Name: M}}", "Fn::Transform"),
		deny(`!Join ["", !Ref Ssm]`, "Systems Manager"),
		deny(`!Join ["", [{a: 1}]]`, "an object"),
	})
}

func TestScalesToZeroNestedTemplate(t *testing.T) {
	const nested = `
Parameters: {Min: {Type: Number}}
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      Parameters: {Least: !Ref Min}
      TemplateBody: |
        Parameters: {Least: {Type: Number}}
        Resources:
          T:
            Type: AWS::ApplicationAutoScaling::ScalableTarget
            Properties: {ServiceNamespace: sagemaker, MinCapacity: !Ref Least}
`
	stack := func(minimum any) object {
		return object{"templateBody": nested, "parameters": object{"Min": minimum}}
	}
	runCases(t, "sagemaker-scales-to-zero", []policyCase{
		{
			name: "secret template", token: stackToken, properties: object{"templateBody": secret(nested), "parameters": object{"Min": "4"}},
			denied: []string{"MinCapacity"},
		},
		{name: "0", token: stackToken, properties: stack("0")},
		{name: "4", token: stackToken, properties: stack("4"), denied: []string{"template resource Inner"}},
		{name: "unknown", token: stackToken, properties: stack(unknown), pending: []string{"MinCapacity is unknown"}},
		{
			name: "a stack set's list of parameters", token: "aws-native:cloudformation:StackSet", properties: object{
				"templateBody": nested, "parameters": list{object{"parameterKey": "Min", "parameterValue": "4"}},
			},
			denied: []string{`MinCapacity is "4" (from parameter Least)`},
		},
		{
			name: "an unknown in a stack set's list of parameters", token: "aws-native:cloudformation:StackSet", properties: object{
				"templateBody": nested, "parameters": list{unknown},
			},
			pending: []string{"MinCapacity is unknown"},
		},
		{name: "parameter in lower case", token: stackToken, denied: []string{`MinCapacity is "4" (from parameter least)`}, properties: object{
			"parameters": object{"least": "4"}, "templateBody": `{"Parameters":{"least":{"Type":"Number"}},"Resources":{"T":{
				"Type":"AWS::ApplicationAutoScaling::ScalableTarget","Properties":{"ServiceNamespace":"sagemaker","MinCapacity":{"Ref":"least"}}}}}`,
		}},
	})
}
