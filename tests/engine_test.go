// Package tests runs the whole: the real Pulumi CLI and engine, the real policy
// pack, the local cloud as the provider, and real model processes.
package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaletozero/localcloud"
)

// What TestMain builds once for all tests.
var built struct {
	root, dir, program, model, pulumiHome string
}

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", filepath.Join(root, ".bin")+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	for _, tool := range []string{"pulumi", "pulumi-language-go"} {
		if _, err := exec.LookPath(tool); err != nil {
			return 0, fmt.Errorf("the engine tests need %s; `make tools` builds it", tool)
		}
	}
	dir, err := os.MkdirTemp("", "engine-tests-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	built.root, built.dir = root, dir
	built.program, built.model = filepath.Join(dir, "program"), filepath.Join(dir, "model")
	built.pulumiHome = filepath.Join(dir, "home")
	for output, target := range map[string]string{built.program: ".", built.model: "./model"} {
		build := exec.Command("go", "build", "-o", output, target)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("building %s: %w\n%s", target, err, out)
		}
	}
	functions := exec.Command(filepath.Join(root, "tools", "functions"), "host")
	if out, err := functions.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// stack is a stack of the project in a folder of its own, deployed to a local
// cloud of its own.
type stack struct {
	t     testing.TB
	name  string
	dir   string
	cloud *localcloud.Cloud
	// addr is where the API is served; any free port at first, then the same.
	addr  string
	state string
	model []string
	// speed is that of AWS time; 0 is the local cloud's default.
	speed float64
}

// newStack starts a local cloud and makes an empty stack with the
// configuration of Pulumi.local.yaml. The program is the prebuilt one.
func newStack(t testing.TB) *stack { return newStackAt(t, 0) }

func newStackAt(t testing.TB, speed float64) *stack { return newStackRunning(t, speed, built.model) }

// newStackRunning runs another program than the sample model.
func newStackRunning(t testing.TB, speed float64, model string) *stack {
	return newStackNamed(t, "local", speed, model)
}

// newStackNamed has the configuration of another of the stacks for this machine.
func newStackNamed(t testing.TB, name string, speed float64, model string) *stack {
	t.Helper()
	s := &stack{t: t, name: name, dir: t.TempDir(), state: t.TempDir(), addr: "127.0.0.1:0", model: []string{model}, speed: speed}
	project := read(t, filepath.Join(built.root, "Pulumi.yaml"))
	prebuilt := strings.Replace(project, "runtime: go\n",
		"runtime:\n  name: go\n  options:\n    binary: "+built.program+"\n", 1)
	require.NotEqual(t, project, prebuilt)
	s.write("Pulumi.yaml", prebuilt)
	configuration := "Pulumi." + name + ".yaml"
	s.write(configuration, read(t, filepath.Join(built.root, configuration)))
	s.write("model/schema.json", read(t, filepath.Join(built.root, "model", "schema.json")))
	require.NoError(t, os.Symlink(filepath.Join(built.root, ".build"), filepath.Join(s.dir, ".build")))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "state"), 0o700))
	s.startCloud()
	t.Cleanup(func() { require.NoError(t, s.cloud.Close()) })
	s.must("stack", "select", "--create", s.name)
	return s
}

func (s *stack) startCloud() {
	s.t.Helper()
	cloud, err := localcloud.Start(s.t.Context(), localcloud.Options{
		StateDir: s.state, Addr: s.addr, ProviderAddr: "127.0.0.1:0", ConsoleAddr: "127.0.0.1:0", Model: s.model, Speed: s.speed,
		Adapter: filepath.Join(built.root, ".build", "functions", "host", "adapter", "adapter"),
		Logger:  slog.New(slog.DiscardHandler),
	})
	require.NoError(s.t, err)
	s.cloud, s.addr = cloud, strings.TrimPrefix(cloud.URL(), "http://")
}

// restartCloud is what a reboot does: the state directory is all that stays.
func (s *stack) restartCloud() {
	s.t.Helper()
	require.NoError(s.t, s.cloud.Close())
	s.startCloud()
}

func (s *stack) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// env is what the CLI runs with: nothing of the machine's own Pulumi.
func (s *stack) env() map[string]string {
	port := strconv.Itoa(s.cloud.ProviderPort())
	return map[string]string{
		"PULUMI_HOME":              built.pulumiHome,
		"PULUMI_BACKEND_URL":       "file://" + filepath.Join(s.dir, "state"),
		"PULUMI_STACK":             s.name,
		"PULUMI_CONFIG_PASSPHRASE": "local",
		"PULUMI_DEBUG_PROVIDERS":   "aws:" + port + ",awsx:" + port + ",docker-build:" + port,
		"PULUMI_SKIP_UPDATE_CHECK": "1",
		// Otherwise every command looks for the plugins that the local cloud replaces.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		// Without it the CLI has no --event-log.
		"PULUMI_DEBUG_COMMANDS": "1",
	}
}

// pulumi runs the CLI and returns what it printed.
func (s *stack) pulumi(args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "pulumi", append(args, "--non-interactive", "--color=never")...)
	command.Dir = s.dir
	command.Env = os.Environ()
	for name, value := range s.env() {
		command.Env = append(command.Env, name+"="+value)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

func (s *stack) must(args ...string) string {
	s.t.Helper()
	out, err := s.pulumi(args...)
	require.NoError(s.t, err, "pulumi %s\n%s", strings.Join(args, " "), out)
	return out
}

func (s *stack) fails(args ...string) string {
	s.t.Helper()
	out, err := s.pulumi(args...)
	require.Error(s.t, err, "pulumi %s\n%s", strings.Join(args, " "), out)
	return out
}

func (s *stack) set(key, value string) {
	s.t.Helper()
	s.must("config", "set", key, value)
}

// up updates with the policy pack and returns the engine's steps.
func (s *stack) up(args ...string) []step {
	s.t.Helper()
	events := filepath.Join(s.t.TempDir(), "events")
	s.must(append([]string{"up", "--yes", "--skip-preview", "--policy-pack", s.pack(), "--event-log", events}, args...)...)
	return steps(s.t, events)
}

func (s *stack) pack() string { return filepath.Join(built.root, "policies") }

// step is what the engine did to one resource, when it was done.
type step struct{ Op, Type, URN string }

func steps(t testing.TB, eventLog string) []step {
	t.Helper()
	var done []step
	decoder := json.NewDecoder(strings.NewReader(read(t, eventLog)))
	for decoder.More() {
		var event struct {
			ResOutputsEvent *struct{ Metadata step } `json:"resOutputsEvent"`
		}
		require.NoError(t, decoder.Decode(&event))
		// The refresh before an update only looks.
		if event.ResOutputsEvent != nil && event.ResOutputsEvent.Metadata.Op != "refresh" {
			done = append(done, event.ResOutputsEvent.Metadata)
		}
	}
	require.NotEmpty(t, done, "the engine logged no steps")
	return done
}

// changed are the steps that did something, as "op type", in order.
func changed(done []step) []string {
	var ops []string
	for _, step := range done {
		if step.Op != "same" {
			ops = append(ops, step.Op+" "+step.Type)
		}
	}
	return ops
}

func (s *stack) output(name string) string {
	s.t.Helper()
	return strings.TrimSpace(s.must("stack", "output", name, "--show-secrets"))
}

// answer is what a caller of the API sees.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a request to the API, with the key if there is one.
func post(ctx context.Context, url, key, body string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

func call(t *testing.T, url, key string) answer {
	t.Helper()
	answered, err := post(t.Context(), url, key, songs(t))
	require.NoError(t, err)
	return answered
}

// songs is the sample request.
func songs(t testing.TB) string {
	t.Helper()
	return read(t, filepath.Join(built.root, "model", "request.json"))
}
