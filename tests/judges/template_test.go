package judges

import (
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// templateJob is what template.js judges.
type templateJob struct {
	Template   map[string]any `json:"template"`
	Parameters map[string]any `json:"parameters"`
}

// templateVerdict is its answer.
type templateVerdict struct {
	Problems    []string
	Replacement map[string]map[string]string
}

// templates are the CloudFormation templates with their parameters, by stack.
func templates(t *testing.T) map[string]templateJob {
	t.Helper()
	found := map[string]templateJob{}
	for stack, g := range graphs(t) {
		inputs := g.only(t, "aws:cloudformation/stack:Stack").Inputs
		found[stack] = templateJob{
			Template:   inputs["templateBody"].(map[string]any),
			Parameters: inputs["parameters"].(map[string]any),
		}
	}
	return found
}

func judgeTemplates(t *testing.T, jobs map[string]templateJob) map[string]templateVerdict {
	t.Helper()
	verdicts := map[string]templateVerdict{}
	node(t, "template.js", jobs, &verdicts)
	require.Len(t, verdicts, len(jobs))
	return verdicts
}

func TestTemplateKeepsToTheResourceSpecification(t *testing.T) {
	installed(t, npm)
	replacement := map[string]map[string]string{}
	for stack, verdict := range judgeTemplates(t, templates(t)) {
		assert.Empty(t, verdict.Problems, stack)
		for kind, properties := range verdict.Replacement {
			if replacement[kind] == nil {
				replacement[kind] = map[string]string{}
			}
			maps.Copy(replacement[kind], properties)
		}
	}
	var want map[string]map[string]string
	readJSON(t, "replacement.json", &want)
	assert.Equal(t, want, replacement, "a change of these properties replaces the resource, or no longer does")
}

// spoiltTemplates are templates with one mistake each.
var spoiltTemplates = map[string]struct {
	spoil func(t *testing.T, job templateJob)
	// problem is what the resource specification says of it, lint the check of
	// cfn-lint.
	problem, lint string
}{
	"an unknown property": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "Endpoint", "Properties")["Colour"] = "blue"
	}, "Endpoint has Colour, which is not known", "E3002"},
	"an unknown nested property": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "InferenceComponent", "Properties", "RuntimeConfig")["Copies"] = "1"
	}, "InferenceComponent.RuntimeConfig has Copies, which is not known", "E3002"},
	"a missing property": {func(t *testing.T, job templateJob) {
		delete(at(t, job.Template, "Resources", "InferenceComponent", "Properties"), "EndpointName")
	}, "InferenceComponent has no EndpointName, which is required", "E3003"},
	"a wrong type": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "InferenceComponent", "Properties", "RuntimeConfig")["CopyCount"] = "one"
	}, `InferenceComponent.RuntimeConfig.CopyCount is "one"; it must be of type integer`, "E3012"},
	"a list that is none": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "EndpointConfig", "Properties")["ProductionVariants"] = "AllTraffic"
	}, `EndpointConfig.ProductionVariants is "AllTraffic"; it must be of type array`, "E3012"},
	"an unknown parameter": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "Endpoint", "Properties")["EndpointName"] = map[string]any{"Ref": "Nobody"}
	}, "Endpoint.EndpointName refers to Nobody", "E1020"},
	"an unknown attribute": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "Endpoint", "Properties")["EndpointConfigName"] = map[string]any{"Fn::GetAtt": []any{"EndpointConfig", "Colour"}}
	}, "Endpoint.EndpointConfigName takes Colour of EndpointConfig", "E1010"},
	"an unknown type": {func(t *testing.T, job templateJob) {
		at(t, job.Template, "Resources", "Endpoint")["Type"] = "AWS::SageMaker::Endpiont"
	}, "Endpoint is a AWS::SageMaker::Endpiont, which is not known", "E3006"},
}

// spoilt are the templates with a mistake, by what it is.
func spoilt(t *testing.T) map[string]templateJob {
	t.Helper()
	jobs := map[string]templateJob{}
	for name, test := range spoiltTemplates {
		jobs[name] = templates(t)["prod"]
		test.spoil(t, jobs[name])
	}
	return jobs
}

func TestResourceSpecificationNotices(t *testing.T) {
	installed(t, npm)
	verdicts := judgeTemplates(t, spoilt(t))
	for name, test := range spoiltTemplates {
		assert.Contains(t, strings.Join(verdicts[name].Problems, "\n"), test.problem, name)
	}
	job := templates(t)["prod"]
	job.Parameters["CopyCount"] = "1.5"
	assert.Equal(t, []string{`InferenceComponent.RuntimeConfig.CopyCount is "1.5"; it must be of type integer`},
		judgeTemplates(t, map[string]templateJob{"a parameter": job})["a parameter"].Problems)
}

// linted is what cfn-lint finds in templates, which it is given as files named
// after them.
func linted(t *testing.T, jobs map[string]templateJob) []finding {
	t.Helper()
	dir := t.TempDir()
	arguments := []string{"--regions", "ap-northeast-1", "--format", "json", "--"}
	for name, job := range jobs {
		arguments = append(arguments, writeJSON(t, dir, name+".json", job.Template))
	}
	stdout, stderr, err := finished(inPython(t, python, "cfn-lint", arguments...))
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	var matches []struct {
		Filename, Message string
		Rule              struct{ ID string }
	}
	require.NoError(t, json.Unmarshal(stdout, &matches), "%s%s", stdout, stderr)
	var found []finding
	for _, match := range matches {
		name := strings.TrimSuffix(filepath.Base(match.Filename), ".json")
		found = append(found, finding{check: match.Rule.ID, on: name, text: match.Message})
	}
	return found
}

func TestTemplatePassesLint(t *testing.T) {
	installed(t, python)
	assert.Empty(t, notWaived(t, "cfn-lint", linted(t, templates(t))))
}

func TestLintNotices(t *testing.T) {
	installed(t, python)
	found := map[string][]string{}
	for _, f := range linted(t, spoilt(t)) {
		found[f.on] = append(found[f.on], f.check)
	}
	for name, test := range spoiltTemplates {
		assert.Contains(t, found[name], test.lint, name)
	}
}
