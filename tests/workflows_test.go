package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// workflow is what the rules below look at in a workflow of GitHub.
type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Defaults    struct {
		Run struct {
			Shell string `yaml:"shell"`
		} `yaml:"run"`
	} `yaml:"defaults"`
	Jobs map[string]struct {
		TimeoutMinutes int               `yaml:"timeout-minutes"`
		Environment    any               `yaml:"environment"`
		Permissions    map[string]string `yaml:"permissions"`
		Concurrency    struct {
			Group            string `yaml:"group"`
			CancelInProgress *bool  `yaml:"cancel-in-progress"`
		} `yaml:"concurrency"`
		Steps []struct {
			Uses string         `yaml:"uses"`
			Run  string         `yaml:"run"`
			With map[string]any `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func parse(t *testing.T, text string) workflow {
	t.Helper()
	var w workflow
	require.NoError(t, encoding.YAML.Unmarshal([]byte(text), &w))
	return w
}

var (
	used   = regexp.MustCompile(`(?m)^.*\buses:.*$`)
	pinned = regexp.MustCompile(`^ *(- )?uses: (\./\.github/actions/\w+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	// A workflow that other people's code can start with this repository's rights,
	// a value that must not be shown, and a secret where a role would do.
	never = regexp.MustCompile(`pull_request_target|workflow_run|--show-secrets|\bsecrets\b`)
)

// looseEnds are what is wrong with the text of a workflow or an action.
func looseEnds(text string) []string {
	var found []string
	for _, line := range used.FindAllString(text, -1) {
		if !pinned.MatchString(line) {
			found = append(found, "not pinned by commit and version: "+strings.TrimSpace(line))
		}
	}
	for _, word := range never.FindAllString(text, -1) {
		found = append(found, "must not be here: "+word)
	}
	return found
}

// weaknesses are what is wrong with a workflow.
func weaknesses(w workflow) []string {
	var found []string
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
		found = append(found, fmt.Sprintf("permissions of the whole workflow are %v", w.Permissions))
	}
	if w.Defaults.Run.Shell != "bash" {
		found = append(found, "without the shell bash a pipe hides a failure")
	}
	for name, job := range w.Jobs {
		if job.TimeoutMinutes == 0 {
			found = append(found, name+" has no timeout-minutes")
		}
		if job.Permissions["id-token"] != "" && job.Environment == nil {
			found = append(found, name+" may ask for a role of no environment")
		}
		for _, step := range job.Steps {
			if strings.Contains(step.Run, "${{") {
				found = append(found, name+" puts a value into a script; hand it over in env: "+step.Run)
			}
			if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
				found = append(found, name+" leaves git's credentials to the steps that follow")
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestWorkflowsAreTight(t *testing.T) {
	t.Parallel()
	for _, file := range tracked(t, ".github/*.yaml") {
		text := read(t, filepath.Join(built.root, file))
		assert.Empty(t, looseEnds(text), file)
		if strings.HasPrefix(file, ".github/workflows/") {
			assert.Empty(t, weaknesses(parse(t, text)), file)
		}
	}
}

func TestLooseWorkflowsAreFound(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(built.root, ".github/workflows/preview.yaml"))
	checkout := pinned.FindString(used.FindString(text))
	require.NotEmpty(t, checkout)
	for name, c := range map[string]struct{ old, replacement, want string }{
		"a tag":                 {checkout, "      - uses: actions/checkout@v6", "not pinned"},
		"a short commit":        {checkout, "      - uses: actions/checkout@de0fac2 # v6.0.2", "not pinned"},
		"no version":            {checkout, strings.Split(checkout, " #")[0], "not pinned"},
		"flow style":            {"- run: make functions", "- {uses: actions/checkout@v6}", "not pinned"},
		"a fork with rights":    {"  pull_request:", "  pull_request_target:", "pull_request_target"},
		"a secret":              {"${{ vars.AWS_ROLE_ARN }}", "${{ secrets.AWS_ROLE_ARN }}", "secrets"},
		"more for every job":    {"  contents: read\n\nconcurrency", "  contents: write\n\nconcurrency", "whole workflow"},
		"nothing said":          {"permissions:\n  contents: read\n\nconcurrency", "concurrency", "whole workflow"},
		"another shell":         {"shell: bash", "shell: sh", "pipe"},
		"no end":                {"    timeout-minutes: 30\n", "", "preview has no timeout-minutes"},
		"no environment":        {"    environment:\n      name: ${{ matrix.stack }}-read\n      deployment: false\n", "", "no environment"},
		"a branch in a script":  {"run: make functions", "run: echo ${{ github.event.pull_request.head.ref }}", "head.ref"},
		"credentials left over": {"          persist-credentials: false\n", "          persist-credentials: true\n", "git's credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worse := strings.Replace(text, c.old, c.replacement, 1)
			require.NotEqual(t, text, worse)
			assert.Contains(t, strings.Join(append(looseEnds(worse), weaknesses(parse(t, worse))...), "\n"), c.want)
		})
	}
}

// Whoever gives a job more adds it here, where a reviewer sees it.
func TestWhatJobsMayDo(t *testing.T) {
	t.Parallel()
	deploys := map[string]string{"contents": "read", "id-token": "write"}
	want := map[string]map[string]string{
		"ci check":        nil,
		"preview stacks":  nil,
		"preview fork":    nil,
		"preview preview": {"contents": "read", "id-token": "write", "pull-requests": "write"},
		"deploy dev":      deploys,
		"deploy prod":     deploys,
		"drift drift":     {"contents": "read", "id-token": "write", "issues": "write"},
	}
	got := map[string]map[string]string{}
	for _, file := range tracked(t, ".github/workflows/*.yaml") {
		for name, job := range parse(t, read(t, filepath.Join(built.root, file))).Jobs {
			got[strings.TrimSuffix(filepath.Base(file), ".yaml")+" "+name] = job.Permissions
		}
	}
	assert.Equal(t, want, got)
}

func TestUpdatesAreNeverCancelled(t *testing.T) {
	t.Parallel()
	groups := map[string]bool{}
	jobs := parse(t, read(t, filepath.Join(built.root, ".github/workflows/deploy.yaml"))).Jobs
	for name, job := range jobs {
		assert.Equal(t, name, job.Environment)
		groups[job.Concurrency.Group] = true
		require.NotNil(t, job.Concurrency.CancelInProgress, name)
		assert.False(t, *job.Concurrency.CancelInProgress, name)
	}
	assert.Len(t, groups, len(jobs), "stacks do not wait for each other")
	assert.NotContains(t, groups, "")
}

func TestWorkflowsCallWhatExists(t *testing.T) {
	t.Parallel()
	makefile := read(t, filepath.Join(built.root, "Makefile"))
	for _, file := range tracked(t, ".github/*.yaml", "docs/runbook.md") {
		text := read(t, filepath.Join(built.root, file))
		for _, target := range regexp.MustCompile("(?m)(?:run: |`|^)make ([a-z0-9-]+)").FindAllStringSubmatch(text, -1) {
			assert.Contains(t, makefile, "\n"+target[1]+":", file)
		}
		for _, script := range regexp.MustCompile(`\.github/(scripts|actions)/\w+`).FindAllString(text, -1) {
			_, err := os.Stat(filepath.Join(built.root, script))
			assert.NoError(t, err, file)
		}
	}
}

// stacksOf are the stacks that a change of these files may concern.
func stacksOf(t *testing.T, files ...string) string {
	t.Helper()
	script := exec.Command(filepath.Join(built.root, ".github/scripts/stacks"))
	script.Stdin = strings.NewReader(strings.Join(files, "\n") + "\n")
	out, err := script.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestStacksOfAChange(t *testing.T) {
	t.Parallel()
	for files, want := range map[string]string{
		"Pulumi.dev.yaml":                     `["dev"]`,
		"Pulumi.prod.yaml":                    `["prod"]`,
		"Pulumi.dev.yaml Pulumi.prod.yaml":    `["dev","prod"]`,
		"Pulumi.yaml":                         `["dev","prod"]`,
		"README.md Pulumi.prod.yaml":          `["prod"]`,
		"README.md docs/decisions/01-x.md":    `[]`,
		"tests/engine_test.go":                `[]`,
		"localcloud/cloud.go Pulumi.dev.yaml": `["dev"]`,
		"Pulumi.local.yaml":                   `[]`,
		"Pulumi.local-function.yaml":          `[]`,
		"internal/cost/plot.go":               `[]`,
		"internal/prices/prices.json":         `["dev","prod"]`,
		"examples/translation/main.go":        `[]`,
		"functions/adapter/main.go":           `["dev","prod"]`,
		"go.sum":                              `["dev","prod"]`,
		"policies/pack.go":                    `["dev","prod"]`,
		"policies/pack_test.go":               `[]`,
		"model/schema.json":                   `["dev","prod"]`,
		"functions/worker/main.go":            `["dev","prod"]`,
		"something/new":                       `["dev","prod"]`,
		"a\"quoted":                           `["dev","prod"]`,
	} {
		assert.Equal(t, want, stacksOf(t, strings.Fields(files)...), files)
	}
}

// Every package that is deployed, or compiled into what is, concerns both stacks.
func TestStacksOfTheProgramsOwnPackages(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}`, ".", "./functions/submit", "./functions/worker")
	list.Dir = built.root
	out, err := list.Output()
	require.NoError(t, err)
	for _, dir := range strings.Fields(string(out)) {
		file, err := filepath.Rel(built.root, filepath.Join(dir, "code.go"))
		require.NoError(t, err)
		assert.Equal(t, `["dev","prod"]`, stacksOf(t, file), file)
	}
}

// runScript runs a script of the workflows with a pulumi and a gh that only say
// what they are told to, and returns how gh was called, with the text it was
// given, and how the script ended.
func runScript(t *testing.T, env map[string]string, script string, args ...string) (called string, status int) {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	for name, text := range map[string]string{
		"pulumi": "#!/bin/sh\necho \"pulumi said: $SAID\"\necho \"$*\" >>'" + dir + "/pulumi'\nexit \"$STATUS\"\n",
		"gh": "#!/bin/bash\necho \"gh $*\" >>'" + calls + "'\n" +
			"case $* in *--paginate* | *'issue list'*) printf %s \"$FOUND\" ;; esac\n" +
			"for file in \"$@\"; do file=${file#body=@}; [[ $file != /* ]] || cat \"$file\" >>'" + calls + "'; done\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	command := exec.Command(filepath.Join(built.root, ".github/scripts", script), args...)
	command.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "TMPDIR=" + dir, "GITHUB_REPOSITORY=us/ours", "RUN_URL=https://run"}
	for key, value := range env {
		command.Env = append(command.Env, key+"="+value)
	}
	out, err := command.CombinedOutput()
	require.NotNil(t, command.ProcessState, "%v\n%s", err, out)
	assert.Contains(t, string(out), "pulumi said", "the job's log has it, too")
	assert.Contains(t, read(t, filepath.Join(dir, "pulumi")), "--stack dev")
	if _, err := os.Stat(calls); err == nil {
		called = read(t, calls)
	}
	return called, command.ProcessState.ExitCode()
}

func TestPreviewIsOneCommentAStack(t *testing.T) {
	t.Parallel()
	const marker = "<!-- preview of the stack dev -->\n"
	for name, c := range map[string]struct {
		env    map[string]string
		want   []string
		status int
	}{
		"the first":   {map[string]string{"STATUS": "0", "SAID": "1 to create"}, []string{"--method POST repos/us/ours/issues/7/comments", marker, "1 to create"}, 0},
		"a later one": {map[string]string{"STATUS": "0", "FOUND": "42"}, []string{"--method PATCH repos/us/ours/issues/comments/42", marker}, 0},
		"refused":     {map[string]string{"STATUS": "5", "FOUND": "42", "SAID": "api-requires-key"}, []string{"comments/42", "`dev` failed", "api-requires-key"}, 5},
		"too long": {
			map[string]string{"STATUS": "0", "SAID": strings.Repeat("東京", 20000) + "the end"},
			[]string{"cut off", "the end\n``````"},
			0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called, status := runScript(t, c.env, "preview", "dev", "7")
			for _, want := range c.want {
				assert.Contains(t, called, want)
			}
			assert.Equal(t, c.status, status)
			assert.Less(t, len(called), 1<<16, "GitHub takes no longer comment")
			assert.Equal(t, called, strings.ToValidUTF8(called, ""))
		})
	}
}

func TestDriftIsOneIssueAStack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status, found string
		want          []string
		unwanted      string
		ends          int
	}{
		"none":           {"0", "", []string{"issue list"}, "issue c", 0},
		"none any more":  {"0", "9", []string{"issue close 9"}, "issue create", 0},
		"new":            {"7", "", []string{"issue create", "--title Drift in the stack dev", "1 changed", "https://run"}, "issue edit", 0},
		"still there":    {"7", "9", []string{"issue edit 9", "1 changed"}, "issue create", 0},
		"not found out":  {"3", "", nil, "gh", 3},
		"locked or gone": {"1", "9", nil, "gh", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called, status := runScript(t, map[string]string{"STATUS": c.status, "FOUND": c.found, "SAID": "1 changed"}, "drift", "dev")
			for _, want := range c.want {
				assert.Contains(t, called, want)
			}
			assert.NotContains(t, called, c.unwanted)
			assert.Equal(t, c.ends, status)
		})
	}
}
