package main

import (
	"strings"
	"testing"
)

func TestModelImageFromECR(t *testing.T) {
	const (
		token      = "aws:sagemaker/model:Model"
		repository = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/songs"
	)
	digest := repository + "@sha256:" + strings.Repeat("a", 64)
	primary := func(container object) object { return object{"primaryContainer": container} }
	image := func(image any) object { return primary(object{"image": image}) }
	config := object{"digestStacks": list{"prod"}}
	component := func(specification string) object {
		return object{
			"templateBody": "Parameters: {P: {Type: String}}\nResources: {I: {Type: AWS::SageMaker::InferenceComponent, Properties: {Specification: " + specification + "}}}",
			"parameters":   object{"P": unknown},
		}
	}
	runCases(t, "model-image-from-ecr", []policyCase{
		{name: "tag", token: token, properties: image(repository + ":v1")},
		{name: "tag, digests elsewhere", token: token, properties: image(repository + ":v1"), config: config, stack: "dev"},
		{name: "digest", token: token, properties: image(digest), config: config, stack: "prod"},
		{name: "tag and digest", token: token, properties: image(repository + ":v1@sha256:" + strings.Repeat("a", 64)), config: config, stack: "prod"},
		{name: "tag where a digest is needed", token: token, properties: image(repository + ":v1"), config: config, stack: "prod", denied: []string{"PrimaryContainer: Image is"}},
		{name: "FIPS", token: token, properties: image("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/a/b:c")},
		{name: "dual stack", token: token, properties: image("123456789012.dkr-ecr.us-east-1.on.aws/a")},
		{name: "China", token: token, properties: image("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a")},
		{name: "Docker Hub", token: token, properties: image("docker.io/library/nginx:latest"), denied: []string{"it must come from a private ECR repository"}},
		{name: "public ECR", token: token, properties: image("public.ecr.aws/nginx/nginx:1"), denied: []string{"Image is"}},
		{name: "looks like ECR", token: token, properties: image("123456789012.dkr.ecr.us-east-1.amazonaws.com.example.org/a"), denied: []string{"Image is"}},
		{name: "not known", token: token, properties: image(unknown), pending: []string{"Image is unknown"}},
		{name: "container not known", token: token, properties: object{"containers": list{object{"image": digest}, unknown}}, pending: []string{"Containers[1]: the container is unknown"}},
		{name: "model data", token: token, properties: primary(object{"image": digest, "modelDataUrl": "s3://a"}), denied: []string{`ModelDataUrl is "s3://a"; it must be left out`}},
		{name: "model data source", token: token, properties: primary(object{"image": digest, "modelDataSource": object{"s3DataSources": list{}}}), denied: []string{"ModelDataSource"}},
		{name: "package", token: token, properties: primary(object{"modelPackageName": "p"}), denied: []string{"ModelPackageName", "Image is missing"}},
		{name: "no container", token: token, properties: object{}},
		{name: "component of a model", token: stackToken, properties: component("{ModelName: m}")},
		{name: "component's image", token: stackToken, properties: component("{Container: {Image: 'nginx:1'}}"), denied: []string{"Specification.Container: Image is"}},
		{name: "component's artifact", token: stackToken, properties: component("{Container: {Image: '" + digest + "', ArtifactUrl: s3://a}}"), denied: []string{"ArtifactUrl"}},
		{name: "component by parameter", token: stackToken, properties: component("!Ref P"), pending: []string{"Specification: the container is unknown"}},
		{name: "aws-native component", token: "aws-native:sagemaker:InferenceComponent", properties: object{"specification": object{"container": object{"image": "nginx"}}}, denied: []string{"Image"}},
		{name: "function", token: functionToken, properties: object{"packageType": "Image", "imageUri": repository + ":v1"}},
		{name: "function by digest", token: functionToken, properties: object{"imageUri": digest}, config: config, stack: "prod"},
		{name: "function of an archive", token: functionToken, properties: object{"runtime": "provided.al2023"}, config: config, stack: "prod"},
		{name: "function by tag", token: functionToken, properties: object{"imageUri": repository + ":v1"}, config: config, stack: "prod", denied: []string{"must be given by its digest in stack prod"}},
		{name: "function's image not known", token: functionToken, properties: object{"imageUri": unknown}, config: config, stack: "prod", pending: []string{"ImageUri is unknown"}},
		{name: "aws-native function", token: "aws-native:lambda:Function", properties: object{"code": object{"imageUri": repository}}, config: config, stack: "prod", denied: []string{"ImageUri is"}},
		{
			name: "template's function", token: stackToken, config: config, stack: "prod", denied: []string{"F (AWS::Lambda::Function): ImageUri is"},
			properties: object{"templateBody": "Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: {ImageUri: '" + repository + ":v1'}}}}"},
		},
		{name: "desired state of a function", token: cloudControlToken, properties: object{"typeName": "AWS::Lambda::Function", "desiredState": `{"Code":{"ImageUri":"` + digest + `"}}`}, config: config, stack: "prod"},
		{name: "desired state", token: cloudControlToken, properties: object{"typeName": "AWS::SageMaker::Model", "desiredState": `{"PrimaryContainer":{"Image":"nginx"}}`}, denied: []string{"Image"}},
	})
}
