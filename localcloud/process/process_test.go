//go:build unix

package process_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/process"
)

// start runs a shell script, and returns it with what it prints.
func start(t *testing.T, script string) (p *process.Process, output func() string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	dir := t.TempDir()
	p, err = process.Start(process.Spec{Command: []string{"/bin/sh", "-c", script}, Env: []string{"A=1", "A=2", "PATH=/usr/bin:/bin"}, Dir: dir, Output: log})
	require.NoError(t, err)
	require.NoError(t, log.Close())
	return p, func() string {
		content, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		return strings.ReplaceAll(string(content), dir, "DIR")
	}
}

// says waits until the program has printed the line.
func says(t *testing.T, output func() string, line string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(output(), line+"\n") }, 10*time.Second, time.Millisecond)
}

func TestAProgramEndsOnItsOwn(t *testing.T) {
	t.Setenv("SECRET", "of the surrounding shell")
	p, output := start(t, `echo "$A $SECRET $PWD"; echo problem >&2; exit 3`)
	<-p.Exited()
	assert.Equal(t, "exit status 3", p.Status())
	assert.Equal(t, "2  DIR\nproblem\n", output())
	p.Kill()
	p.Stop(time.Second)
	assert.Equal(t, "exit status 3", p.Status(), "what has ended cannot end again")
}

func TestStop(t *testing.T) {
	p, output := start(t, `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`)
	says(t, output, "ready")
	p.Stop(10 * time.Second)
	assert.Equal(t, "exit status 0", p.Status())
	assert.Contains(t, output(), "bye")
}

func TestStopOfAProgramThatDoesNotListen(t *testing.T) {
	p, output := start(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	says(t, output, "ready")
	p.Stop(time.Millisecond)
	assert.Equal(t, "signal: killed", p.Status())
}

func TestKillEndsChildrenToo(t *testing.T) {
	p, output := start(t, `sleep 60 & echo "child $!"; echo ready; wait`)
	says(t, output, "ready")
	var child int
	_, err := fmt.Sscanf(output(), "child %d", &child)
	require.NoError(t, err)
	p.Kill()
	assert.Equal(t, "signal: killed", p.Status())
	// Whoever inherited it may take a moment to wait for it.
	require.Eventually(t, func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return syscall.Kill(child, 0) != nil || err == nil && strings.Contains(string(state), ") Z ")
	}, 10*time.Second, time.Millisecond)
}

func TestAProgramThatCannotStart(t *testing.T) {
	_, err := process.Start(process.Spec{Command: []string{"/nowhere/program"}})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFreePort(t *testing.T) {
	port, err := process.FreePort()
	require.NoError(t, err)
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", process.Loopback, port))
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}
