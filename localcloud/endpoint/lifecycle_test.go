package endpoint_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/endpoint"
	"scaletozero/localcloud/faults"
)

func TestApplyRefusesWhatSageMakerRefuses(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	tests := []struct {
		name   string
		change func(*endpoint.Component)
		err    string
	}{
		{"no copies", copies(0), "CopyCount is 0: the service accepts only an integer larger than 0"},
		{"path in the name", func(c *endpoint.Component) { c.Name = "../music" }, `InferenceComponentName is "../music": it must be`},
		{"no endpoint", func(c *endpoint.Component) { c.Endpoint = "" }, `EndpointName is "": it must be`},
		{"64 characters", func(c *endpoint.Component) { c.Name = strings.Repeat("a-", 31) + "ab" }, "1 to 63 letters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.ErrorContains(t, c.Apply(t.Context(), component(test.change)), test.err)
		})
	}
}

func TestAnUpdateDrainsTheOldCopyOnceTheNewOneIsHealthy(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component()))
	old := c.ask(t).Port
	gate := c.hold(t)

	applied := make(chan error, 1)
	go func() { applied <- c.Apply(t.Context(), component(image("music:2"))) }()
	require.Eventually(t, func() bool { return c.ask(t).Port != old }, 20*time.Second, 5*time.Millisecond)
	assert.Empty(t, applied, "Apply waits for the old copy's request")
	assert.True(t, listening(old))

	gate.release()
	assert.Equal(t, old, portOf(t, within(t, gate.answer, "the held request")))
	require.NoError(t, within(t, applied, "Apply"))
	assert.False(t, listening(old), "the old copy is stopped")
}

func TestAFailedUpdateKeepsTheOldCopies(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component()))
	old := c.ask(t).Port
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	tests := []struct {
		name   string
		update endpoint.Component
		err    string
	}{
		{
			"the process exits", component(environment("BROKEN_WHILE_EXISTS", broken), copies(2)),
			"the process ended with exit status 1 before it passed the ping health check",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := c.Apply(t.Context(), test.update)
			require.ErrorContains(t, err, test.err)
			assert.ErrorContains(t, err, filepath.Join(c.logDir, "music.log"))
			assert.Equal(t, old, c.ask(t).Port)
		})
	}
	log, err := os.ReadFile(filepath.Join(c.logDir, "music.log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), "the model is broken", "the log holds the reason")
	require.NoError(t, c.Apply(t.Context(), component(image("music:2"))), "the next update is not in the way of the failed one")
}

func TestAMissingCommand(t *testing.T) {
	c := newCloud(t, endpoint.Options{Command: []string{"/nonexistent/model"}})
	require.ErrorContains(t, c.Apply(t.Context(), component()), `cannot start the model command "/nonexistent/model"`)
}

func TestACopyCountAloneReplacesNothing(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component()))
	first := c.ask(t).Port

	require.NoError(t, c.Apply(t.Context(), component(copies(3))))
	served := map[int]bool{}
	for range 9 {
		served[c.ask(t).Port] = true
	}
	assert.Len(t, served, 3)
	assert.True(t, served[first], "the first copy was kept")

	require.NoError(t, c.Apply(t.Context(), component()))
	for port := range served {
		assert.Equal(t, port == first, listening(port))
	}
}

func TestDelete(t *testing.T) {
	tests := []struct {
		name      string
		component endpoint.Component
	}{
		{"a model that stops at SIGTERM", component()},
		{"a model that must be killed", component(environment("IGNORE_SIGTERM", "1"))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, endpoint.Options{StopTimeout: 200 * time.Millisecond})
			require.NoError(t, c.Apply(t.Context(), test.component))
			port := c.ask(t).Port
			require.NoError(t, c.Delete(t.Context(), "music"))
			assert.False(t, listening(port))
			assert.Contains(t, message(t, c.invoke(t, "describe")), "Inference Component music of account 123456789012 not found.")
			require.NoError(t, c.Delete(t.Context(), "music"), "deleting twice is fine")
			require.NoError(t, c.Apply(t.Context(), test.component), "the name is free again")
			assert.Equal(t, 200, c.invoke(t, "describe").status)
		})
	}
}

func TestCloseLeavesNoProcess(t *testing.T) {
	// The shell stays the parent of the model, as a start script would.
	c := newCloud(t, endpoint.Options{Command: []string{"sh", "-c", os.Args[0] + " & wait"}})
	require.NoError(t, c.Apply(t.Context(), component()))
	port := c.ask(t).Port
	starting := make(chan error, 1)
	go func() {
		starting <- c.Apply(context.Background(), component(environment("NEVER_HEALTHY", "1")))
	}()
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(filepath.Join(c.logDir, "music.log"))
		return err == nil && strings.Count(string(log), "the model starts") == 2
	}, 20*time.Second, 5*time.Millisecond)

	require.NoError(t, c.Close())
	require.ErrorContains(t, within(t, starting, "the update to fail"), "stopped while its copies were starting")
	require.Eventually(t, func() bool { return !listening(port) }, 20*time.Second, 5*time.Millisecond)
	require.ErrorContains(t, c.Apply(t.Context(), component()), "is closed")
}

func TestFaultsEndARealProcess(t *testing.T) {
	awsTime, err := clock.New(clock.DefaultSpeed)
	require.NoError(t, err)
	on := faults.New(awsTime, 1)
	c := newCloud(t, endpoint.Options{Faults: on})
	require.NoError(t, c.Apply(t.Context(), component()))
	first := c.ask(t).Port
	require.NoError(t, on.Add(faults.Fault{Kind: faults.ModelCrash}))
	assert.Equal(t, 424, c.invoke(t, "describe").status)
	assert.False(t, listening(first))

	require.Eventually(t, func() bool { return c.invoke(t, "describe").status == 200 }, 20*time.Second, 5*time.Millisecond)
	second := c.ask(t).Port
	require.NoError(t, on.Add(faults.Fault{Kind: faults.Kill}))
	assert.False(t, listening(second))
	require.Eventually(t, func() bool { return c.invoke(t, "describe").status == 200 }, 20*time.Second, 5*time.Millisecond)
	assert.Contains(t, c.log.String(), "signal: killed")
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	require.NoError(t, c.Apply(t.Context(), component(copies(2))))
	require.Equal(t, 200, c.invoke(t, "describe").status)
	require.NoError(t, c.SetDesiredCopies("music", 1))
	require.NoError(t, c.Close())
	http.DefaultClient.CloseIdleConnections()
	assert.Eventually(t, func() bool { return left() == "" }, 20*time.Second, 10*time.Millisecond)
	assert.Empty(t, left())
}

// left are the goroutines of the runtime and of connections to its copies, but
// for the one that starts processes, which lives as long as the program.
func left() string {
	buffer := make([]byte, 1<<20)
	var found []string
	for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		ours := strings.Contains(stack, "localcloud/endpoint.") || strings.Contains(stack, "persistConn")
		if ours && !strings.Contains(stack, "endpoint.init.func") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// Go ends a thread together with a goroutine that is locked to it. The copy
// that such a goroutine asked for must not die with the thread.
func TestACopyOutlivesTheThreadThatAskedForIt(t *testing.T) {
	c := newCloud(t, endpoint.Options{})
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		runtime.LockOSThread()
		assert.NoError(t, c.Apply(t.Context(), component()))
	}()
	done.Wait()
	for range 20 {
		assert.Equal(t, 200, c.invoke(t, "describe").status)
	}
}

// fakeHost runs one copy, prints its port, and waits to be killed.
func fakeHost() {
	fast, err := clock.New(10_000)
	if err != nil {
		panic(err)
	}
	host := endpoint.New(endpoint.Options{Command: []string{os.Args[0]}, LogDir: os.Getenv("FAKE_HOST"), Clock: fast})
	err = errors.Join(host.ApplyEndpoint(context.Background(), musicEndpoint()), host.Apply(context.Background(), component()))
	if err != nil {
		panic(err)
	}
	log, err := os.ReadFile(filepath.Join(os.Getenv("FAKE_HOST"), "music.log"))
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(log), " on port ")
	port, _, _ := strings.Cut(rest, ":")
	fmt.Println(port)
	select {}
}

func TestCopiesDieWithAKilledHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), "FAKE_HOST="+t.TempDir())
	stdout, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	port, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.True(t, listening(port))

	require.NoError(t, host.Process.Kill())
	require.Error(t, host.Wait(), "it was killed")
	require.Eventually(t, func() bool { return !listening(port) }, 20*time.Second, 5*time.Millisecond)
}
