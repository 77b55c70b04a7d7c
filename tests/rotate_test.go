package tests

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	apiKeyType       = "aws:apigateway/apiKey:ApiKey"
	usagePlanKeyType = "aws:apigateway/usagePlanKey:UsagePlanKey"
)

// rotation is a stack whose key is replaced, and all that was said meanwhile.
type rotation struct {
	*stack
	command string
	said    strings.Builder
}

// newRotation deploys a stack in the project's own folder layout, which the
// command works in.
func newRotation(t *testing.T) *rotation {
	t.Helper()
	r := &rotation{stack: newStack(t), command: filepath.Join(t.TempDir(), "rotatekey")}
	build := exec.Command("go", "build", "-o", r.command, "./cmd/rotatekey")
	build.Dir = built.root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Symlink(r.pack(), filepath.Join(r.dir, "policies")))
	// The caller keeps to no rate, and no job is handed in.
	for key, value := range map[string]string{"rateLimit": "10000", "burstLimit": "5000", "monthlyQuota": "1000000", "queueEnabled": "false"} {
		r.set(key, value)
	}
	r.up()
	return r
}

// rotate runs the command as people do.
func (r *rotation) rotate(arguments ...string) (string, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, r.command, append([]string{"-stack", r.name}, arguments...)...)
	command.Dir = r.dir
	command.Env = os.Environ()
	for name, value := range r.env() {
		command.Env = append(command.Env, name+"="+value)
	}
	out, err := command.CombinedOutput()
	r.said.Write(out)
	return string(out), err
}

func (r *rotation) mustRotate() string {
	r.t.Helper()
	out, err := r.rotate("-yes")
	require.NoError(r.t, err, out)
	return out
}

// asking is a caller that asks all the time with the key that it has.
type asking struct {
	mu       sync.Mutex
	key      string
	answered map[string]int
	refused  string
	stop     func()
}

func startAsking(t *testing.T, url, key string) *asking {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a, request, ended := &asking{key: key, answered: map[string]int{}}, songs(t), make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			a.mu.Lock()
			key := a.key
			a.mu.Unlock()
			got, err := post(ctx, url, key, request)
			if ctx.Err() == nil {
				a.note(key, got, err)
			}
		}
	}()
	a.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(a.stop)
	return a
}

// note keeps the first answer that is a refusal. A model that wakes is none.
func (a *asking) note(key string, got answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered[key]++
	if a.refused == "" && (err != nil || got.status != http.StatusOK && got.status != http.StatusServiceUnavailable) {
		a.refused = fmt.Sprint(err, got)
	}
}

// use gives the caller a key, and waits until it was answered with it, more than
// before.
func (a *asking) use(t *testing.T, key string) {
	t.Helper()
	a.mu.Lock()
	a.key = key
	before := a.answered[key]
	a.mu.Unlock()
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.answered[key] > before+1
	}, time.Minute, time.Millisecond)
}

// TestRotatingTheKey is the runbook's section, with a caller who notices nothing.
func TestRotatingTheKey(t *testing.T) {
	t.Parallel()
	r := newRotation(t)
	url, old, oldID := r.output("apiGatewayUrl"), r.output("apiKeyValue"), r.output("apiKeyId")
	caller := startAsking(t, url, old)

	out, err := r.rotate() // Nobody is there to be asked.
	require.Error(t, err)
	assert.Contains(t, out, "was declined or failed")
	assert.Contains(t, out, "run this again")
	assert.Len(t, r.cloud.Resources(apiKeyType), 1)

	assert.Contains(t, r.mustRotate(), "Step 1 of 3 is done")
	fresh := r.output("apiKeyValue")
	require.NotEqual(t, old, fresh)
	assert.NotEqual(t, oldID, r.output("apiKeyId"))
	assert.Equal(t, http.StatusOK, call(t, url, old).status)
	assert.Empty(t, changed(r.up("--expect-no-changes")))
	assertLogged(t, r, oldID)
	caller.use(t, old)
	caller.use(t, fresh)

	assert.Contains(t, r.mustRotate(), "Step 2 of 3 is done")
	caller.use(t, fresh)
	assert.Equal(t, http.StatusForbidden, call(t, url, old).status, "the old key is refused")
	t.Run("undo", func(t *testing.T) {
		r.must("config", "rm", "disabledApiKeys")
		r.up()
		assert.Equal(t, http.StatusOK, call(t, url, old).status, "and works again with the value that callers have")
		assert.Contains(t, r.mustRotate(), "Step 2 of 3 is done")
	})

	assert.Contains(t, r.mustRotate(), "Step 3 of 3 is done")
	caller.use(t, fresh)
	assert.Equal(t, http.StatusForbidden, call(t, url, old).status)
	assert.Len(t, r.cloud.Resources(apiKeyType), 1)
	assert.Len(t, r.cloud.Resources(usagePlanKeyType), 1)
	assert.Equal(t, fresh, r.output("apiKeyValue"), "the new key stays what it was")
	caller.stop()
	assert.Empty(t, caller.refused, "a caller was refused")

	for _, key := range []string{old, fresh} {
		testSecret(t, r.stack, key)
		assert.NotContains(t, r.said.String(), key)
	}
}

// assertLogged looks for the key's users where the command says that they are.
func assertLogged(t *testing.T, r *rotation, id string) {
	t.Helper()
	_, line, found := strings.Cut(r.said.String(), "grep -h ")
	require.True(t, found, r.said.String())
	pattern, _, _ := strings.Cut(strings.TrimPrefix(line, "'"), "'")
	assert.Contains(t, pattern, id)
	logs, err := filepath.Glob(filepath.Join(r.state, "logs", "*.access.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	assert.Contains(t, read(t, logs[0]), pattern)
}

// TestOneKeyOfBeforeNamesStays is a stack from the time when the key had no
// name: an update must not give its callers another one.
func TestOneKeyOfBeforeNamesStays(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.set("queueEnabled", "false")
	s.up()
	key := s.output("apiKeyValue")
	for _, token := range []string{apiKeyType, usagePlanKeyType} {
		s.must("state", "rename", "--yes", "urn:pulumi:local::scale-to-zero-inference::scaletozero:gateway:Gateway$"+token+"::gateway-a", "gateway")
	}
	assert.Empty(t, changed(s.up()))
	assert.Equal(t, key, s.output("apiKeyValue"))
	assert.Equal(t, http.StatusOK, call(t, s.output("apiGatewayUrl"), key).status)
}
