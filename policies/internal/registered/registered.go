// Package registered turns what a Pulumi program registered into resources in
// CloudFormation's words. It knows the shapes of pulumi-aws (classic) and
// aws-native, and no component of any program.
package registered

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"scaletozero/policies/internal/cfn"
)

// Tokens of resources whose type and properties are data.
const (
	tokenCloudControl    = "aws:cloudcontrol/resource:Resource"
	tokenNativeExtension = "aws-native:index:ExtensionResource"
	nativePrefix         = "aws-native:"
)

// classic maps the tokens of pulumi-aws to CloudFormation types.
var classic = map[string]string{
	"aws:apigateway/method:Method":                                     "AWS::ApiGateway::Method",
	"aws:apigateway/restApi:RestApi":                                   "AWS::ApiGateway::RestApi",
	"aws:apigateway/restApiPut:RestApiPut":                             "AWS::ApiGateway::RestApi",
	"aws:apigatewayv2/api:Api":                                         "AWS::ApiGatewayV2::Api",
	"aws:apigatewayv2/route:Route":                                     "AWS::ApiGatewayV2::Route",
	"aws:appautoscaling/target:Target":                                 "AWS::ApplicationAutoScaling::ScalableTarget",
	"aws:cloudformation/stack:Stack":                                   cfn.TypeStack,
	"aws:cloudformation/stackInstances:StackInstances":                 cfn.TypeStackSetInstance,
	"aws:cloudformation/stackSet:StackSet":                             cfn.TypeStackSet,
	"aws:cloudformation/stackSetInstance:StackSetInstance":             cfn.TypeStackSetInstance,
	"aws:lambda/functionUrl:FunctionUrl":                               "AWS::Lambda::Url",
	"aws:sagemaker/endpointConfiguration:EndpointConfiguration":        "AWS::SageMaker::EndpointConfig",
	"aws:serverlessrepository/cloudFormationStack:CloudFormationStack": cfn.TypeServerlessApplication,
	"aws:servicecatalog/provisionedProduct:ProvisionedProduct":         cfn.TypeServiceCatalogProduct,
}

// native maps the tokens of aws-native, which are made from the CloudFormation
// types: AWS::SageMaker::EndpointConfig is aws-native:sagemaker:EndpointConfig.
var native = func() map[string]string {
	tokens := map[string]string{}
	for _, cfnType := range classic {
		parts := strings.Split(cfnType, "::")
		tokens[nativePrefix+strings.ToLower(parts[1])+":"+parts[2]] = cfnType
	}
	return tokens
}()

// renamed holds the properties that CloudFormation calls otherwise, once their
// first letter is a capital.
var renamed = map[string]string{
	"AWS::Lambda::Url AuthorizationType": "AuthType",
	cfn.TypeStack + " TemplateUrl":       "TemplateURL",
	cfn.TypeStackSet + " TemplateUrl":    "TemplateURL",
}

// verbatim holds the properties whose keys are data, not property names.
var verbatim = map[string]bool{"Body": true, "Parameters": true, "ParameterOverrides": true, "TemplateBody": true}

// Resources is what r declares, templates included. A resource that is none of
// the pack's business, such as the stack itself or a provider, declares nothing.
func Resources(r policyx.AnalyzerResource) ([]cfn.Resource, []cfn.Hidden) {
	label := fmt.Sprintf("%s %q", r.Type, r.Name)
	switch r.Type {
	case tokenCloudControl:
		return fromData(label, value(r.Properties, "typeName"), value(r.Properties, "desiredState"))
	case tokenNativeExtension:
		return fromData(label, value(r.Properties, "type"), value(r.Properties, "properties"))
	}
	cfnType, ok := classic[r.Type]
	if !ok {
		cfnType, ok = native[r.Type]
	}
	if !ok {
		return nil, nil
	}
	properties := map[string]any{}
	for key, v := range r.Properties.All {
		name := capital(key)
		if other, ok := renamed[cfnType+" "+name]; ok {
			name = other
		}
		// A stack set of aws-native lists its parameters as objects, whose keys
		// are property names again.
		properties[name] = fromValue(v, !verbatim[name] || v.IsArray(), false)
	}
	return cfn.Expand(cfn.Resource{Type: cfnType, Label: label, Native: true, Properties: properties})
}

// fromData reads a resource whose CloudFormation type and properties are given
// as data: the properties as an object or as a JSON text.
func fromData(label string, typeName, state any) ([]cfn.Resource, []cfn.Hidden) {
	cfnType, ok := cfn.Text(typeName)
	if u, unknown := typeName.(cfn.Unknown); unknown {
		return nil, []cfn.Hidden{{Label: label, Unknown: u, Remedy: "write its type as a text"}}
	}
	if !ok {
		return nil, nil
	}
	r := cfn.Resource{Type: cfnType, Label: fmt.Sprintf("%s (%s)", label, cfnType)}
	document, err := cfn.Document(state)
	if err != nil {
		document = cfn.Unknown{Why: "desiredState cannot be parsed: " + err.Error(), Final: true}
	}
	r.Properties = document
	return cfn.Expand(r)
}

func value(properties property.Map, key string) any {
	return fromValue(properties.Get(key), false, false)
}

// fromValue converts one input. rename gives nested property names their
// capital letter; secret is handed down to every scalar.
func fromValue(v property.Value, rename, secret bool) any {
	secret = secret || v.Secret()
	switch {
	case v.IsComputed():
		return cfn.Unknown{Why: "it is an output that this preview has not computed"}
	case v.IsMap():
		object := map[string]any{}
		for key, item := range v.AsMap().All {
			if rename {
				key = capital(key)
			}
			object[key] = fromValue(item, rename, secret)
		}
		return object
	case v.IsArray():
		list := []any{}
		for _, item := range v.AsArray().All {
			list = append(list, fromValue(item, rename, secret))
		}
		return list
	}
	var scalar any
	switch {
	case v.IsBool():
		scalar = v.AsBool()
	case v.IsNumber():
		scalar = v.AsNumber()
	case v.IsString():
		scalar = v.AsString()
	case v.IsNull():
		return nil
	default:
		return cfn.Unknown{Why: "it is an asset or a reference to a resource", Final: true}
	}
	if secret {
		return cfn.Traced{Value: scalar, Secret: true}
	}
	return scalar
}

func capital(name string) string {
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
