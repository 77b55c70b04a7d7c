package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// withheld are the variables that a model does not get: the credentials of the
// function's role, and the address at which the adapter asks for invocations. A
// model that SageMaker isolates from the network has no credentials either
// (CreateModel in the SageMaker API reference, EnableNetworkIsolation).
var withheld = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"}

// startModel starts the command and returns at once. How it ends is in the log.
func startModel(command []string, port int, log *slog.Logger) (*model, error) {
	if len(command) == 0 {
		return nil, errors.New("the model's command is missing; give it after the adapter's, as in `/adapter /model serve`")
	}
	m := newModel("http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), newTransport())
	m.command = exec.Command(command[0], command[1:]...)
	m.command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(withheld, name)
	})
	m.command.Stdout, m.command.Stderr = os.Stdout, os.Stdout
	m.command.SysProcAttr = attributes()
	m.kill = func() { killAll(m.command.Process) }
	started := make(chan error)
	go func() {
		// The kernel ends the model with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.command.Start()
		started <- err
		if err != nil {
			return
		}
		// How it ended is in ProcessState.
		_ = m.command.Wait()
		m.kill() // What it has left behind may hold the port.
		m.status = m.command.ProcessState.String()
		close(m.died)
		log.Warn("the model has ended", "status", m.status)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting the model: %w", err)
	}
	go m.watch()
	return m, nil
}
