package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	awslambda "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/lambda"
)

// Functions runs functions, their aliases and event source mappings; lambda.Runtime is the real one.
type Functions interface {
	Apply(f lambda.Function, archive []byte) error
	Delete(name string)
	Sweep()
	ApplyAlias(function, alias, version string) error
	DeleteAlias(function, alias string)
	ApplyMapping(m lambda.Mapping)
	DeleteMapping(id string)
}

// functionRuntime is the runtime that the local cloud has.
const functionRuntime = "provided.al2023"

// The package types of a function.
const (
	packageZip   = "Zip"
	packageImage = "Image"
)

var functionKind = &kind{
	inputs:    schemaOf(&awslambda.FunctionArgs{}),
	nameLimit: 64,
	defaults: Properties{
		"memorySize": 128.0, "packageType": packageZip, "publish": false, "reservedConcurrentExecutions": -1.0, "skipDestroy": false, "timeout": 3.0,
	},
	rules: map[string]rule{
		"description":                  lengthBetween(0, 256),
		"handler":                      lengthBetween(1, 128),
		"memorySize":                   between(128, 10240),
		"name":                         matching(`^[a-zA-Z0-9-_]+$`, 64),
		"packageType":                  oneOf(packageZip, packageImage),
		"reservedConcurrentExecutions": between(-1, 1000),
		"timeout":                      between(1, 900),
	},
	replaceOn: []string{"name", "packageType"},
	identity:  []string{"name"},
	volatile:  []string{"codeSha256", "lastModified", "sourceCodeHash", "sourceCodeSize"},
	unsettled: func(old, r *Resource) []string {
		if !publishes(old, r) {
			return nil
		}
		return []string{"qualifiedArn", "qualifiedInvokeArn", "version"}
	},
	refuse: refuseFunction,
	id:     inputAsID("name"),
	check:  checkFunction,
	run:    runFunction,
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Functions.Delete(r.ID)
		s.problems.note(r.ID, nil)
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		data := functionDataOf(r)
		return Properties{
			"arn": functionARN(r), "qualifiedArn": functionARN(r) + ":" + data.version(), "version": data.version(),
			"invokeArn": invokeARN(r, functionARN(r)), "qualifiedInvokeArn": invokeARN(r, functionARN(r)+":"+data.version()),
			"lastModified": r.Updated.Format("2006-01-02T15:04:05.000-0700"),
			"codeSha256":   data.codeSHA256(), "sourceCodeHash": data.ArchiveHash, "sourceCodeSize": float64(data.Size),
			"architectures": []any{"x86_64"}, "ephemeralStorage": map[string]any{"size": 512.0},
			"loggingConfig": map[string]any{
				"applicationLogLevel": "", "logFormat": "Text", "logGroup": "/aws/lambda/" + r.Inputs.text("name"), "systemLogLevel": "",
			},
			"signingJobArn": "", "signingProfileVersionArn": "", "tracingConfig": map[string]any{"mode": "PassThrough"},
		}
	},
}

func functionARN(r *Resource) string {
	return arn(r, "lambda", r.Region, accountID, "function:"+r.Inputs.text("name"))
}

// invokeARN is what API Gateway invokes the function with the ARN by.
func invokeARN(r *Resource, function string) string {
	return arn(r, "apigateway", r.Region, "lambda", "path/2015-03-31/functions/") + function + "/invocations"
}

// refuseFunction refuses what AWS or the local cloud does, as early as a preview.
func refuseFunction(given Properties) *pulumirpc.CheckFailure {
	for _, input := range []string{
		"codeSigningConfigArn", "deadLetterConfig", "fileSystemConfig", "layers", "s3Bucket", "s3Key", "s3ObjectVersion", "snapStart",
	} {
		if _, set := given[input]; set {
			return &pulumirpc.CheckFailure{Property: input, Reason: input + " is not implemented by localcloud: leave it out"}
		}
	}
	others := map[string][]string{packageZip: {"imageUri", "imageConfig"}, packageImage: {"code", "handler", "runtime"}}[given.text("packageType")]
	for _, input := range others {
		if _, set := given[input]; set {
			return &pulumirpc.CheckFailure{Property: input, Reason: fmt.Sprintf("InvalidParameterValueException: %s is not for a function with the "+
				"packageType %s: leave it out, or set packageType to the other one", input, given.text("packageType"))}
		}
	}
	network := given.object("vpcConfig")
	if (len(network.list("subnetIds")) == 0) != (len(network.list("securityGroupIds")) == 0) {
		return &pulumirpc.CheckFailure{Property: "vpcConfig", Reason: "InvalidParameterValueException: vpcConfig must have at least one of subnetIds and " +
			"one of securityGroupIds, or none of either"}
	}
	return nil
}

// checkFunction holds CreateFunction's rules for what only it can know.
func checkFunction(s *Server, r *Resource) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.Inputs.text("packageType") == packageImage {
		problems = append(problems, s.checkFunctionImage(r))
	} else {
		problems = append(problems, checkFunctionArchive(r))
	}
	if err := s.checkRoleARN("role", r.Inputs.text("role")); err != nil {
		problem("InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda: %w", err)
	}
	variables := r.Inputs.object("environment").texts("variables")
	if reserved := lambda.ReservedVariables(variables); len(reserved) > 0 {
		problem("InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided "+
			"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	// What is measured is the JSON; it is not shown, since it may hold secrets.
	if encoded, err := json.Marshal(variables); err != nil || len(encoded) > 4096 {
		problem("InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit")
	}
	return errors.Join(problems...)
}

// checkFunctionArchive holds the rules for a function in an archive.
func checkFunctionArchive(r *Resource) error {
	var problems []error
	if r.Inputs.text("runtime") != functionRuntime || r.Inputs.text("handler") == "" {
		problems = append(problems, fmt.Errorf("localcloud implements functions in archives with a handler and the runtime %s", functionRuntime))
	}
	if _, err := archiveOf(r); err != nil {
		problems = append(problems, err)
	}
	// Not at a preview: a stack for AWS can be previewed on any machine.
	architecture := "x86_64"
	if list := r.Inputs.list("architectures"); len(list) > 0 {
		architecture = list[0]
	}
	if architecture != lambda.Architecture() {
		problems = append(problems, fmt.Errorf("architectures is %q, and this machine runs %q: set the config key functionArchitecture to host for a stack "+
			"that is deployed to localcloud", architecture, lambda.Architecture()))
	}
	return errors.Join(problems...)
}

// imageURI takes the URI of an image in ECR apart: the region is the group (Lambda developer guide, "Create a Lambda
// function using a container image", and CreateFunction in the API reference). A name without a tag or a digest is no
// image.
var imageURI = regexp.MustCompile(`^\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$`)

// checkFunctionImage holds the rules for a function in an image. The architecture is the image's, and none here.
func (s *Server) checkFunctionImage(r *Resource) error {
	uri := r.Inputs.text("imageUri")
	parts := imageURI.FindStringSubmatch(uri)
	if parts == nil || parts[1] != r.Region {
		return fmt.Errorf("InvalidParameterValueException: Source image %s is not valid. Provide a valid source image: imageUri must be in ECR in the "+
			"function's region, as ACCOUNT.dkr.ecr.%s.amazonaws.com/REPOSITORY with :TAG or @sha256:DIGEST", uri, r.Region)
	}
	if _, err := s.pushedImage(uri); err != nil {
		return fmt.Errorf("InvalidParameterValueException: Source image %s does not exist. Provide a valid source image: %w", uri, err)
	}
	return nil
}

// resumeFunctions brings the functions back, from the code that the state directory keeps, with their aliases, and then
// what feeds them.
func (s *Server) resumeFunctions() {
	for _, r := range s.store.Resources(TypeFunction) {
		err := s.options.Functions.Apply(functionOf(r), nil)
		s.problems.note(r.ID, err)
		if err == nil {
			s.resumeAliases(r)
		}
	}
	s.options.Functions.Sweep()
	for _, r := range s.store.Resources(TypeEventSourceMapping) {
		s.options.Functions.ApplyMapping(mappingOf(r))
	}
}
