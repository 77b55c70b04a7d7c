//go:build unix

package main_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud"
)

// command and model are the real programs, built once.
var command, model string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "localcloud")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // A leftover in the temporary folder is no failure.
		command, model = filepath.Join(dir, "localcloud"), filepath.Join(dir, "model")
		for program, source := range map[string]string{command: "scaletozero/cmd/localcloud", model: "scaletozero/model"} {
			if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
				panic(string(out))
			}
		}
		return m.Run()
	}())
}

// run runs the command and returns what it printed, and whether it succeeded.
func run(t *testing.T, arguments ...string) (string, bool) {
	t.Helper()
	// The test's own context has ended when it cleans up.
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), command, arguments...).CombinedOutput()
	return string(out), err == nil
}

func startArguments(dir string) []string {
	return []string{"start", "--state", dir, "--addr", "127.0.0.1:0", "--provider-addr", "127.0.0.1:0", "--console-addr", "127.0.0.1:0", "--model", model}
}

func TestTheCommandInTheBackground(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	out, ok := run(t, "stop", "--state", dir)
	assert.True(t, ok, "stopping what does not run is fine: %s", out)
	assert.Contains(t, out, "localcloud is not running")
	out, ok = run(t, "status", "--state", dir)
	assert.False(t, ok)
	assert.Contains(t, out, "start it with `localcloud start`")

	out, ok = run(t, startArguments(dir)...)
	require.True(t, ok, out)
	t.Cleanup(func() { run(t, "stop", "--state", dir) })
	assert.Contains(t, out, "localcloud is running (pid ")
	assert.Contains(t, out, "log: "+filepath.Join(dir, "localcloud.log"))
	first, running, err := localcloud.Running(dir)
	require.NoError(t, err)
	require.True(t, running)

	out, ok = run(t, startArguments(dir)...)
	assert.True(t, ok, "a second start is fine")
	assert.Contains(t, out, "already running: localcloud is running (pid ")
	out, ok = run(t, "status", "--state", dir)
	assert.True(t, ok)
	assert.Contains(t, out, first.URL)
	out, ok = run(t, "providers", "--state", dir)
	assert.True(t, ok)
	_, port, err := net.SplitHostPort(first.Provider)
	require.NoError(t, err)
	assert.Equal(t, "aws:"+port+",awsx:"+port+",docker-build:"+port+"\n", out)

	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	require.NoError(t, localcloud.WaitStopped(t.Context(), dir))
	out, ok = run(t, "status", "--state", dir)
	assert.False(t, ok, "a killed one is not taken for a living one: %s", out)
	out, ok = run(t, startArguments(dir)...)
	require.True(t, ok, out)
	second, _, err := localcloud.Running(dir)
	require.NoError(t, err)
	assert.NotEqual(t, first.PID, second.PID)

	out, ok = run(t, "stop", "--state", dir)
	assert.True(t, ok)
	assert.Contains(t, out, "localcloud stopped")
	_, err = net.Dial("tcp", second.Provider)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED, "nobody listens any more")
	_, running, err = localcloud.Running(dir)
	require.NoError(t, err)
	assert.False(t, running)
}

func TestStartTakesUpWhatChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	out, ok := run(t, startArguments(dir)...)
	require.True(t, ok, out)
	t.Cleanup(func() { run(t, "stop", "--state", dir) })
	out, ok = run(t, append(startArguments(dir), "argument-of-the-model")...)
	require.True(t, ok, out)
	assert.Contains(t, out, "starting again with the same state, since this changed: the model program\nlocalcloud stopped\nlocalcloud is running (pid ")
	out, ok = run(t, append(startArguments(dir), "--addr", "localhost:0")...)
	require.True(t, ok, out)
	assert.Contains(t, out, "since this changed: the model program and the addresses\n")
	out, ok = run(t, append(startArguments(dir), "--addr", "localhost:0")...)
	require.True(t, ok, out)
	assert.Contains(t, out, "already running")
}

// sleepingState is a state with a component whose start takes as long as its model likes.
const sleepingState = `{"format": 1, "resources": [{"type": "aws:cloudformation/stack:Stack", "id": "stack",
	"urn": "urn:pulumi:t::t::aws:cloudformation/stack:Stack::stack", "data": {"resources": {"Endpoint": {
		"type": "AWS::SageMaker::Endpoint", "name": "endpoint",
		"endpoint": {"Name": "endpoint", "InstanceType": "ml.m5.large", "InitialInstances": 1, "MaxInstances": 1}}, "Component": {
		"type": "AWS::SageMaker::InferenceComponent", "name": "component",
		"component": {"Name": "component", "Endpoint": "endpoint", "Image": "image", "Copies": 1, "Needs": {"CPUCores": 1, "MemoryMB": 1024}}}}}}]}`

func TestAStartThatHangsCanBeStopped(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, dir string, start *exec.Cmd){
		"by stop": func(t *testing.T, dir string, _ *exec.Cmd) {
			out, ok := run(t, "stop", "--state", dir)
			assert.True(t, ok, out)
			assert.Contains(t, out, "localcloud stopped")
		},
		"by an interrupt": func(t *testing.T, _ string, start *exec.Cmd) {
			require.NoError(t, start.Process.Signal(os.Interrupt))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(sleepingState), 0o600))
			pipe, hanging := filepath.Join(dir, "begun"), filepath.Join(dir, "hanging")
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
			require.NoError(t, os.WriteFile(hanging, []byte("#!/bin/sh\necho begun > '"+pipe+"'\nexec sleep 600\n"), 0o700))
			var out bytes.Buffer
			start := exec.CommandContext(t.Context(), command, "start", "--state", dir, "--addr", "127.0.0.1:0", "--provider-addr", "127.0.0.1:0", "--console-addr", "127.0.0.1:0",
				"--speed", "100000", "--model", hanging)
			start.Stdout, start.Stderr = &out, &out
			require.NoError(t, start.Start())
			begun, err := os.ReadFile(pipe)
			require.NoError(t, err)
			require.Equal(t, "begun\n", string(begun))

			end(t, dir, start)
			require.Error(t, start.Wait())
			assert.Contains(t, out.String(), "interrupted before everything that was deployed ran again")
			require.NoError(t, localcloud.WaitStopped(t.Context(), dir))
		})
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	dir := t.TempDir()
	out, ok := run(t, "start", "--state", dir, "--addr", taken.Addr().String(), "--provider-addr", "127.0.0.1:0", "--console-addr", "127.0.0.1:0", "--model", model)
	assert.False(t, ok)
	assert.Contains(t, out, "is in use: stop what listens there, or choose another port with --addr 127.0.0.1:PORT (LOCALCLOUD_ADDR)")
	assert.Contains(t, out, "(log: "+filepath.Join(dir, "localcloud.log"))

	corrupt := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(corrupt, "state.json"), []byte("{"), 0o600))
	out, ok = run(t, startArguments(corrupt)...)
	assert.False(t, ok)
	assert.Contains(t, out, "it was left as it is")
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{nil, "say what to do: serve, start, stop, status, providers, console or fault"},
		{[]string{"restart"}, `"restart" is not a command: use serve, start, stop, status, providers, console or fault`},
		{[]string{"serve", "--colour"}, "flag provided but not defined: -colour"},
		{[]string{"serve", "--state", t.TempDir()}, "set --model PATH"},
		{[]string{"serve", "--state", t.TempDir(), "--model", model, "--adapter", "/nowhere"}, `the adapter program "/nowhere" cannot be run`},
		{[]string{"serve", "--speed", "fast"}, `--speed is "fast": it must be a number from 1 (real time)`},
		{[]string{"serve", "--speed", "0"}, `--speed is "0": it must be a number from 1 (real time)`},
		{[]string{"serve", "--speed", "0.5", "--state", t.TempDir(), "--model", model}, "the speed is 0.5: it must be from 1 (real time) to 100000"},
	} {
		out, ok := run(t, test.arguments...)
		assert.False(t, ok)
		assert.Contains(t, out, test.want)
	}
}
