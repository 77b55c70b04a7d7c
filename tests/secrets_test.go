package tests

import (
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/calling"
	"scaletozero/localcloud"
	"scaletozero/localcloud/faults"
)

// secretsRun is a stack with secrets, and all that anybody was told about it.
type secretsRun struct {
	*stack
	said strings.Builder
	// secrets are values by what they are.
	secrets map[string]string
}

// newSecretsRun starts the local cloud anew with everything that it has to say
// in a file, and with a model that dies at start where BROKEN is set.
func newSecretsRun(t *testing.T) *secretsRun {
	t.Helper()
	r := &secretsRun{stack: newStack(t), secrets: map[string]string{
		"the environment's value": "tkn-6b1f0c52e94d4a7b",
		"the value too long":      strings.Repeat("lng-93d07a", 103),
	}}
	script := filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n[ -z \"$BROKEN\" ] || exit 3\nexec "+built.model+" \"$@\"\n"), 0o700))
	log, err := os.Create(filepath.Join(r.dir, "localcloud.log"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	require.NoError(t, r.cloud.Close())
	r.cloud, err = localcloud.Start(t.Context(), localcloud.Options{
		StateDir: r.state, Addr: r.addr, ProviderAddr: "127.0.0.1:0", ConsoleAddr: "127.0.0.1:0", Model: []string{script},
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	return r
}

// tell runs the CLI and keeps what it said.
func (r *secretsRun) tell(wanted bool, args ...string) {
	r.t.Helper()
	out, err := r.pulumi(args...)
	require.Equal(r.t, wanted, err == nil, "pulumi %s\n%s", strings.Join(args, " "), out)
	r.said.WriteString(out)
}

func (r *secretsRun) tellUp(wanted bool) {
	r.t.Helper()
	r.tell(wanted, "up", "--yes", "--diff", "--policy-pack", r.pack(), "--event-log", filepath.Join(r.dir, "events"))
}

// send makes a request and keeps what was answered.
func (r *secretsRun) send(want int, method, url, key, contentType, body string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	require.NoError(r.t, err)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	assert.Equal(r.t, want, response.StatusCode, string(text))
	r.said.Write(text)
	require.NoError(r.t, response.Header.Write(&r.said))
}

// learn takes the values of both keys from the local cloud, and makes one that a
// caller could have mistyped, which tells as much as the key.
func (r *secretsRun) learn() (older, newer, mistyped string) {
	r.t.Helper()
	var values []string
	for _, key := range r.cloud.Resources(apiKeyType) {
		var data struct{ Value string }
		require.NoError(r.t, json.Unmarshal(key.Data, &data))
		require.Len(r.t, data.Value, 40)
		values = append(values, data.Value)
	}
	require.Len(r.t, values, 2)
	newer = r.output("apiKeyValue")
	values = slices.DeleteFunc(values, func(value string) bool { return value == newer })
	require.Len(r.t, values, 1)
	last := map[bool]string{true: "b", false: "a"}[strings.HasSuffix(newer, "a")]
	older, mistyped = values[0], newer[:39]+last
	r.secrets["the older key"], r.secrets["the newer key"], r.secrets["the mistyped key"] = older, newer, mistyped
	return older, newer, mistyped
}

// call uses the API in every way that is answered otherwise.
func (r *secretsRun) call() {
	r.t.Helper()
	older, newer, mistyped := r.learn()
	infer, jobs := r.output("apiGatewayUrl"), r.output("jobsUrl")
	const post, text = http.MethodPost, "application/json"
	r.send(http.StatusOK, post, infer, older, text, songs(r.t))
	r.send(http.StatusOK, post, infer, newer, text, songs(r.t))
	r.send(http.StatusForbidden, post, infer, mistyped, text, songs(r.t))
	// The key where it does not belong.
	r.send(http.StatusForbidden, post, infer+"?x-api-key="+newer, "", text, songs(r.t))
	r.send(http.StatusForbidden, post, infer+"/"+newer, newer, text, songs(r.t))
	r.send(http.StatusNotFound, http.MethodGet, jobs+"/"+newer, newer, text, "")
	r.send(http.StatusUnsupportedMediaType, post, infer, newer, "text/plain", songs(r.t))
	r.send(http.StatusBadRequest, post, infer, newer, text, `{"songs":1}`)
	r.send(http.StatusRequestEntityTooLarge, post, infer, newer, text, songs(r.t)+strings.Repeat(" ", 7<<20))
	r.send(http.StatusRequestEntityTooLarge, post, infer, newer, text, strings.Repeat(" ", 11<<20))
	for _, kind := range []faults.Kind{faults.FunctionThrottling, faults.FunctionCrash} {
		require.NoError(r.t, r.cloud.Faults().Add(faults.Fault{Kind: kind, Count: 1}))
		r.send(http.StatusServiceUnavailable, post, jobs, newer, text, songs(r.t))
	}
	client := calling.Client{URL: jobs, Key: newer}
	answer, err := client.Job(r.t.Context(), []byte(songs(r.t)))
	require.NoError(r.t, err)
	r.said.Write(answer)
}

// leaks are the places that hold one of the secrets: files below the folders, and
// what was said. It returns the names of the files that it looked at, too.
func (r *secretsRun) leaks(dirs ...string) (leaking, seen []string) {
	r.t.Helper()
	texts := map[string]string{"what was said": r.said.String()}
	for _, dir := range dirs {
		require.NoError(r.t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			texts[path] = read(r.t, path)
			seen = append(seen, entry.Name())
			return nil
		}))
	}
	for path, text := range texts {
		for what, secret := range r.secrets {
			if strings.Contains(text, secret) {
				leaking = append(leaking, path+": "+what)
			}
		}
	}
	slices.Sort(leaking)
	return leaking, seen
}

// TestNoSecretIsLeftBehind deploys, calls, fails, and looks for the secrets in
// all that is left.
func TestNoSecretIsLeftBehind(t *testing.T) {
	t.Parallel()
	r := newSecretsRun(t)
	token := r.secrets["the environment's value"]
	r.must("config", "set", "--secret", "--path", "environment.TOKEN", token)
	r.must("config", "set", "--path", "apiKeys[0]", "a")
	r.must("config", "set", "--path", "apiKeys[1]", "b")
	r.tellUp(true)
	r.call()

	// Updates that fail: by the settings, by the pack, and in the cloud.
	r.must("config", "set", "--secret", "--path", "environment.LONG", r.secrets["the value too long"])
	r.tellUp(false)
	r.must("config", "rm", "--path", "environment.LONG")
	r.set("minInstanceCount", "1")
	r.tellUp(false)
	r.must("config", "rm", "minInstanceCount")
	r.must("config", "set", "--path", "environment.BROKEN", "yes")
	r.tellUp(false)
	assert.Contains(t, r.said.String(), "environment.LONG has 1030 characters")
	assert.Contains(t, r.said.String(), "sagemaker-scales-to-zero")
	assert.Contains(t, r.said.String(), "music-mapping-model-local")
	r.must("config", "rm", "--path", "environment.BROKEN")
	r.tellUp(true)
	for _, args := range [][]string{
		{"preview", "--json"}, {"config"}, {"stack", "output", "--json"}, {"stack", "export"}, {"stack", "history", "--json"}, {"refresh", "--yes"},
	} {
		r.tell(true, args...)
	}
	r.send(http.StatusOK, http.MethodGet, r.cloud.ConsoleURL()+"/state", "", "", "")

	leaking, seen := r.leaks(r.dir, r.state, built.pulumiHome)
	for _, name := range []string{"local.json", "events", "localcloud.log", "queues.json", "tables.json", "state.json"} {
		assert.Contains(t, seen, name, "it was not looked at")
	}
	for _, part := range []string{".access.log", "-submit.log", "-worker.log", ".history.json", ".checkpoint.json"} {
		assert.Contains(t, strings.Join(seen, " "), part, "none was looked at")
	}
	// The one place that has to know them, as AWS does: API Gateway a key's value
	// (GetApiKey with includeValue), SageMaker a model's environment (DescribeModel).
	state := filepath.Join(r.state, "state.json")
	assert.Equal(t, []string{state + ": the environment's value", state + ": the newer key", state + ": the older key"}, leaking)
}
