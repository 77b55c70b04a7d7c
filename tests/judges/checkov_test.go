package judges

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The resources whose names in Terraform do not follow from Pulumi's.
var terraformTypes = map[string]string{
	"aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "aws_sqs_queue_redrive_allow_policy",
}

// Likewise properties: Pulumi makes a list of what Terraform repeats.
var terraformBlocks = map[string]string{"attributes": "attribute", "rules": "rule"}

var capital = regexp.MustCompile(`[A-Z]`)

func snake(name string) string {
	return capital.ReplaceAllStringFunc(name, func(letter string) string { return "_" + strings.ToLower(letter) })
}

// terraformType is the name of a Pulumi type in the Terraform provider that it
// is made from: aws:sqs/queue:Queue is aws_sqs_queue.
func terraformType(token string) string {
	if name, ok := terraformTypes[token]; ok {
		return name
	}
	parts := strings.FieldsFunc(token, func(r rune) bool { return r == ':' || r == '/' })
	service := strings.Replace(parts[1], "apigateway", "api_gateway", 1)
	return "aws_" + service + "_" + snake(parts[2])
}

// documentInputs hold JSON, which is text in Terraform.
var documentInputs = []string{
	"policy", "assumeRolePolicy", "body", "templateBody", "redrivePolicy", "redriveAllowPolicy", "format",
}

// terraform is a graph in Terraform's JSON syntax, because checkov reads that and
// not Pulumi's programs.
func terraform(t *testing.T, g graph) map[string]any {
	t.Helper()
	resources := map[string]map[string]any{}
	for _, r := range g {
		if !strings.HasPrefix(r.Type, "aws:") {
			continue
		}
		kind := terraformType(r.Type)
		if resources[kind] == nil {
			resources[kind] = map[string]any{}
		}
		block := terraformValue(t, r.Inputs).(map[string]any)
		delete(block, "code") // an archive in memory
		linked(kind, block)
		resources[kind][r.Name] = block
	}
	return map[string]any{"resource": resources}
}

func terraformValue(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		block := map[string]any{}
		for name, inner := range value {
			switch {
			case slices.Contains(documentInputs, name):
				block[snake(name)] = folded(t, inner)
			case name == "variables" || name == "dimensions" || name == "parameters" || name == "triggers":
				block[name] = inner
			case terraformBlocks[name] != "":
				block[terraformBlocks[name]] = terraformValue(t, inner)
			default:
				block[snake(name)] = terraformValue(t, inner)
			}
		}
		return block
	case []any:
		list := make([]any, len(value))
		for i, inner := range value {
			list[i] = terraformValue(t, inner)
		}
		return list
	}
	return value
}

// linked makes references of the ids that join the API's resources: the mocks'
// ids do not say what they are of.
func linked(kind string, block map[string]any) {
	for name, target := range map[string]string{
		"rest_api": "aws_api_gateway_rest_api.gateway.id", "deployment": "aws_api_gateway_deployment.gateway.id",
	} {
		if _, ok := block[name]; ok {
			delete(block, name)
			block[name+"_id"] = "${" + target + "}"
		}
	}
	if kind == "aws_wafv2_web_acl_logging_configuration" {
		block["resource_arn"] = "${aws_wafv2_web_acl.firewall.arn}"
	}
	if kind == "aws_wafv2_web_acl_association" {
		block["web_acl_arn"] = "${aws_wafv2_web_acl.firewall.arn}"
		block["resource_arn"] = "${aws_api_gateway_stage.gateway.arn}"
	}
	if kind == "aws_api_gateway_method_settings" {
		block["stage_name"] = "${aws_api_gateway_stage.gateway.stage_name}"
	}
}

// report is what checkov prints of one kind of files.
type report struct {
	CheckType string `json:"check_type"`
	Results   struct {
		FailedChecks []struct {
			CheckID   string `json:"check_id"`
			CheckName string `json:"check_name"`
			FilePath  string `json:"file_path"`
			Resource  string
		} `json:"failed_checks"`
	}
	Summary struct {
		Passed        int
		ParsingErrors int `json:"parsing_errors"`
	}
}

// checked is what checkov finds in graphs, on STACK/NAME. Each must have been
// read, and pass some check: a judge who cannot read what he is given finds
// nothing wrong with it. Of the template that cannot be asked, since checkov has
// no check for SageMaker's types in CloudFormation.
func checked(t *testing.T, judged map[string]graph) []finding {
	t.Helper()
	dir := t.TempDir()
	for stack, g := range judged {
		folder := filepath.Join(dir, stack)
		require.NoError(t, os.Mkdir(folder, 0o700))
		writeJSON(t, folder, "main.tf.json", terraform(t, g))
		writeJSON(t, folder, "template.json", g.only(t, "aws:cloudformation/stack:Stack").Inputs["templateBody"])
		if stack != everything {
			writeJSON(t, folder, "openapi.json", g.restAPIBody(t))
		}
	}
	command := inPython(t, checkov, "checkov", "--directory", dir, "--skip-download", "--quiet", "--compact",
		"--output", "json", "--framework", "openapi", "terraform_json", "cloudformation")
	command.Env = append(os.Environ(), "LOG_LEVEL=ERROR")
	stdout, stderr, err := finished(command)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	// One report is not in a list.
	if bytes.HasPrefix(bytes.TrimSpace(stdout), []byte("{")) {
		stdout = slices.Concat([]byte("["), stdout, []byte("]"))
	}
	var reports []report
	require.NoError(t, json.Unmarshal(stdout, &reports), "%s%s", stdout, stderr)
	var found []finding
	var read []string
	for _, r := range reports {
		assert.Zero(t, r.Summary.ParsingErrors, r.CheckType)
		if r.Summary.Passed > 0 {
			read = append(read, r.CheckType)
		}
		for _, f := range r.Results.FailedChecks {
			name := f.Resource[strings.LastIndex(f.Resource, ".")+1:]
			if r.CheckType == "openapi" {
				name = "openapi"
			}
			stack := filepath.Base(filepath.Dir(f.FilePath))
			found = append(found, finding{check: f.CheckID, on: stack + "/" + name, text: f.CheckName})
		}
	}
	assert.Subset(t, read, []string{"openapi", "terraform_json"})
	return found
}

func TestCheckovFindsNothingThatIsNotWaived(t *testing.T) {
	installed(t, checkov)
	assert.Empty(t, notWaived(t, "checkov", checked(t, graphs(t))))
}

// What checkov must find in a stack that was tampered with.
func TestCheckovNotices(t *testing.T) {
	installed(t, checkov)
	g := graphs(t)["prod"]
	for _, r := range g {
		switch r.Type + " " + r.Name {
		case "aws:iam/rolePolicy:RolePolicy roles-gateway":
			statement := r.Inputs["policy"].(map[string]any)["Statement"].([]any)[0].(map[string]any)
			statement["Action"], statement["Resource"] = []any{"*"}, []any{"*"}
		case "aws:sqs/queue:Queue queue":
			delete(r.Inputs, "kmsMasterKeyId")
		case "aws:apigateway/stage:Stage gateway":
			delete(r.Inputs, "accessLogSettings")
			r.Inputs["xrayTracingEnabled"] = false
		case "aws:apigateway/methodSettings:MethodSettings gateway":
			at(t, r.Inputs, "settings")["loggingLevel"] = "OFF"
		case "aws:dynamodb/table:Table queue":
			at(t, r.Inputs, "pointInTimeRecovery")["enabled"] = false
		case "aws:lambda/function:Function queue-worker":
			delete(r.Inputs, "tracingConfig")
		case "aws:cloudformation/stack:Stack endpoint":
			at(t, r.Inputs, "templateBody", "Resources")["Open"] = map[string]any{
				"Type": "AWS::SQS::Queue", "Properties": map[string]any{"QueueName": "open"},
			}
		}
	}
	at(t, g.restAPIBody(t), "components", "securitySchemes")["api_key"] = map[string]any{"type": "http", "scheme": "basic"}
	found := map[string]bool{}
	for _, f := range checked(t, map[string]graph{"prod": g}) {
		found[f.check+" "+f.on] = true
	}
	for _, want := range []string{
		"CKV_AWS_62 prod/roles-gateway", "CKV_AWS_63 prod/roles-gateway", "CKV_AWS_27 prod/queue", "CKV_AWS_73 prod/gateway",
		"CKV_AWS_76 prod/gateway", "CKV2_AWS_4 prod/gateway", "CKV_AWS_28 prod/queue", "CKV_AWS_50 prod/queue-worker",
		"CKV_AWS_27 prod/Open", "CKV_OPENAPI_3 prod/openapi",
	} {
		assert.True(t, found[want], "%s is not among %v", want, found)
	}
}
