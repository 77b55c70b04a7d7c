package provider

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	awslambda "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/lambda"
)

// Functions runs functions and event source mappings; lambda.Runtime is the real one.
type Functions interface {
	Apply(f lambda.Function, archive []byte) error
	Delete(name string)
	Sweep()
	ApplyMapping(m lambda.Mapping)
	DeleteMapping(id string)
}

// functionRuntime is the runtime that the local cloud has.
const functionRuntime = "provided.al2023"

var functionKind = &kind{
	inputs:    schemaOf(&awslambda.FunctionArgs{}),
	nameLimit: 64,
	defaults: Properties{
		"memorySize": 128.0, "packageType": "Zip", "publish": false, "reservedConcurrentExecutions": -1.0, "skipDestroy": false, "timeout": 3.0,
	},
	rules: map[string]rule{
		"description":                  lengthBetween(0, 256),
		"handler":                      lengthBetween(1, 128),
		"memorySize":                   between(128, 10240),
		"name":                         matching(`^[a-zA-Z0-9-_]+$`, 64),
		"packageType":                  oneOf("Zip", "Image"),
		"reservedConcurrentExecutions": between(-1, 1000),
		"timeout":                      between(1, 900),
	},
	replaceOn: []string{"name", "packageType"},
	identity:  []string{"name"},
	volatile:  []string{"codeSha256", "lastModified", "sourceCodeHash", "sourceCodeSize"},
	refuse:    refuseFunction,
	id:        inputAsID("name"),
	check:     checkFunction,
	run:       runFunction,
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Functions.Delete(r.ID)
		s.problems.note(r.ID, nil)
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		invoke := arn(r, "apigateway", r.Region, "lambda", "path/2015-03-31/functions/")
		code := codeOf(r)
		return Properties{
			"arn": functionARN(r), "qualifiedArn": functionARN(r) + ":$LATEST", "version": "$LATEST",
			"invokeArn": invoke + functionARN(r) + "/invocations", "qualifiedInvokeArn": invoke + functionARN(r) + ":$LATEST/invocations",
			"lastModified": r.Updated.Format("2006-01-02T15:04:05.000-0700"),
			"codeSha256":   code.base64(), "sourceCodeHash": code.ArchiveHash, "sourceCodeSize": float64(code.Size),
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

// functionCode is the code that a function has.
type functionCode struct {
	// SHA256 is the zip's, in hexadecimal; ArchiveHash is that of what the program gave, as the engine counts it.
	SHA256      string `json:"sha256"`
	ArchiveHash string `json:"archiveHash"`
	// Size is the zip's, in bytes.
	Size int `json:"size"`
}

func codeOf(r *Resource) functionCode {
	var code functionCode
	if json.Unmarshal(r.Data, &code) != nil {
		return functionCode{} // In a preview nothing is read.
	}
	return code
}

// base64 is the SHA-256 as Lambda writes it.
func (c functionCode) base64() string {
	sum, err := hex.DecodeString(c.SHA256)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// refuseFunction refuses what the local cloud cannot run, as early as a preview.
func refuseFunction(given Properties) *pulumirpc.CheckFailure {
	for _, input := range []string{
		"codeSigningConfigArn", "deadLetterConfig", "fileSystemConfig", "imageConfig", "imageUri", "layers", "s3Bucket", "s3Key", "s3ObjectVersion",
		"snapStart", "vpcConfig",
	} {
		if _, set := given[input]; set {
			return &pulumirpc.CheckFailure{Property: input, Reason: input + " is not implemented by localcloud: leave it out"}
		}
	}
	return nil
}

// checkFunction holds CreateFunction's rules for what only it can know.
func checkFunction(s *Server, r *Resource) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.Inputs.text("packageType") != "Zip" || r.Inputs.text("runtime") != functionRuntime || r.Inputs.text("handler") == "" || r.Inputs.flag("publish") {
		problem("localcloud implements functions with a handler, the runtime %s, packageType Zip, and without published versions", functionRuntime)
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
		problem("architectures is %q, and this machine runs %q: set the config key functionArchitecture to host for a stack that is deployed to localcloud",
			architecture, lambda.Architecture())
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

// archiveOf is the archive that a function's code input is kept as.
func archiveOf(r *Resource) (*archive.Archive, error) {
	given, ok, err := archive.Deserialize(r.Inputs.object("code"))
	if err != nil || !ok || given.IsURI() {
		return nil, errors.New("code must be an archive of files on this machine, such as pulumi.NewFileArchive of a zip")
	}
	return given, nil
}

// readArchive reads a function's zip. A relative path counts from where localcloud was started, which need not be where
// the engine runs: the hash tells whether it is the same.
func readArchive(given *archive.Archive) ([]byte, error) {
	const remedy = "give an absolute path, or start localcloud in the program's directory"
	found := *given
	found.Hash = ""
	if err := found.EnsureHash(); err != nil {
		return nil, fmt.Errorf("the code of the function cannot be read: %w: %s", err, remedy)
	}
	if given.Hash != "" && found.Hash != given.Hash {
		return nil, fmt.Errorf("the code of the function at %q is not what the program was run with: %s", given.Path, remedy)
	}
	return found.Bytes(archive.ZIPArchive)
}

// runFunction puts the function's code and configuration in place. Code that has not changed is not needed again.
func runFunction(_ context.Context, s *Server, old, r *Resource) error {
	given, err := archiveOf(r)
	if err != nil {
		return err
	}
	content, err := readArchive(given)
	switch {
	case err == nil:
		if r.Data, err = json.Marshal(functionCode{lambda.Digest(content), given.Hash, len(content)}); err != nil {
			return err
		}
	case old == nil || given.Hash == "" || codeOf(old).ArchiveHash != given.Hash:
		return err
	}
	if err := s.options.Functions.Apply(functionOf(r), content); err != nil {
		return err
	}
	s.problems.note(r.ID, nil)
	return nil
}

// functionOf is the function that a checked resource describes.
func functionOf(r *Resource) lambda.Function {
	return lambda.Function{
		Name: r.Inputs.text("name"), ARN: functionARN(r), Region: r.Region, Code: codeOf(r).SHA256, Handler: r.Inputs.text("handler"),
		Environment: r.Inputs.object("environment").texts("variables"), MemoryMB: int(r.Inputs.number("memorySize")),
		Timeout: r.Inputs.seconds("timeout"), Reserved: int(r.Inputs.number("reservedConcurrentExecutions")),
		Tracing: r.Inputs.object("tracingConfig").text("mode") == "Active",
	}
}

var eventSourceMappingKind = &kind{
	inputs:   schemaOf(&awslambda.EventSourceMappingArgs{}),
	defaults: Properties{"enabled": true},
	rules: map[string]rule{
		"batchSize":                      between(1, 10000),
		"maximumBatchingWindowInSeconds": between(0, 300),
	},
	replaceOn: []string{
		"amazonManagedKafkaEventSourceConfig", "eventSourceArn", "queues", "selfManagedEventSource", "selfManagedKafkaEventSourceConfig",
		"startingPosition", "startingPositionTimestamp", "topics",
	},
	identity: []string{"eventSourceArn", "functionName"},
	volatile: []string{"lastModified"},
	refuse: func(given Properties) *pulumirpc.CheckFailure {
		highest, set := given.object("scalingConfig")["maximumConcurrency"].(float64)
		if set && (highest < 2 || highest > 1000) {
			return &pulumirpc.CheckFailure{Property: "scalingConfig.maximumConcurrency", Reason: "scalingConfig.maximumConcurrency must be from 2 to 1000"}
		}
		return nil
	},
	compare: func(state, news Properties, changes map[string]*pulumirpc.PropertyDiff) {
		// The name and the ARN of a function are the same.
		if functionName(state.text("functionName")) == functionName(news.text("functionName")) {
			delete(changes, "functionName")
		}
	},
	id:    func(_ *Server, r *Resource) string { return uuid(r.URN, r.Created.String()) },
	check: checkMapping,
	run: func(_ context.Context, s *Server, _, r *Resource) error {
		s.options.Functions.ApplyMapping(mappingOf(r))
		return nil
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		s.options.Functions.DeleteMapping(r.ID)
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		state := "Disabled"
		if r.Inputs.flag("enabled") {
			state = "Enabled"
		}
		name := functionName(r.Inputs.text("functionName"))
		return Properties{
			"arn": arn(r, "lambda", r.Region, accountID, "event-source-mapping:"+r.ID), "uuid": r.ID,
			"functionArn": arn(r, "lambda", r.Region, accountID, "function:"+name), "batchSize": 10.0,
			"lastModified": r.Updated.Format(time.RFC3339), "lastProcessingResult": "", "state": state, "stateTransitionReason": "USER_INITIATED",
			"maximumRecordAgeInSeconds": 0.0, "maximumRetryAttempts": 0.0, "parallelizationFactor": 0.0,
		}
	},
}

// functionName takes the name out of a function's ARN; a name stays as it is.
func functionName(nameOrARN string) string {
	return nameOrARN[strings.LastIndex(nameOrARN, ":")+1:]
}

// checkMapping holds CreateEventSourceMapping's rules for a queue.
func checkMapping(s *Server, r *Resource) error {
	for input := range r.Inputs {
		if !slices.Contains([]string{"batchSize", "enabled", "eventSourceArn", "functionName", "functionResponseTypes", "maximumBatchingWindowInSeconds", "scalingConfig", "tags"}, input) {
			return fmt.Errorf("localcloud implements event source mappings of a queue: %s is not for it", input)
		}
	}
	if r.Inputs.number("batchSize") > 10 || r.Inputs.number("maximumBatchingWindowInSeconds") > 0 {
		return errors.New("localcloud implements batches of up to 10 messages, without a batching window")
	}
	if types := r.Inputs.list("functionResponseTypes"); len(types) > 1 || len(types) == 1 && types[0] != "ReportBatchItemFailures" {
		return fmt.Errorf("InvalidParameterValueException: functionResponseTypes is %q: allowed is ReportBatchItemFailures", types)
	}
	given := r.Inputs.text("functionName")
	function := s.store.Find(TypeFunction, functionName(given), "")
	if function == nil {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s", given)
	}
	queue := s.queueWithARN(r.Inputs.text("eventSourceArn"))
	if queue == nil {
		return fmt.Errorf("InvalidParameterValueException: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "+
			"SQS Error Message: The specified queue does not exist: %s", r.Inputs.text("eventSourceArn"))
	}
	visibility, timeout := queue.Inputs.number("visibilityTimeoutSeconds"), function.Inputs.number("timeout")
	if visibility < timeout {
		return fmt.Errorf("InvalidParameterValueException: Queue visibility timeout: %v seconds is less than Function timeout: %v seconds", visibility, timeout)
	}
	return nil
}

// mappingOf is the event source mapping that a checked resource describes.
func mappingOf(r *Resource) lambda.Mapping {
	size, given := r.Inputs["batchSize"].(float64)
	if !given {
		size = 10
	}
	return lambda.Mapping{
		ID: r.ID, Function: functionName(r.Inputs.text("functionName")), QueueARN: r.Inputs.text("eventSourceArn"), Region: r.Region,
		BatchSize: int(size), MaximumConcurrency: int(r.Inputs.object("scalingConfig").number("maximumConcurrency")),
		ReportFailures: len(r.Inputs.list("functionResponseTypes")) > 0, Enabled: r.Inputs.flag("enabled"),
	}
}

// resumeFunctions brings the functions back, from the code that the state directory keeps, and then what feeds them.
func (s *Server) resumeFunctions() {
	for _, r := range s.store.Resources(TypeFunction) {
		s.problems.note(r.ID, s.options.Functions.Apply(functionOf(r), nil))
	}
	s.options.Functions.Sweep()
	for _, r := range s.store.Resources(TypeEventSourceMapping) {
		s.options.Functions.ApplyMapping(mappingOf(r))
	}
}
