// Package runtimeapi runs a Lambda function's program and gives it events, with
// as little of the Lambda runtime API as that takes (Lambda developer guide,
// "Using the Lambda runtime API for custom runtimes"). It is for tests and
// benchmarks, and shares nothing with the local cloud, so that one can be judged
// by the other.
package runtimeapi

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const prefix = "/2018-06-01/runtime/"

// arn is what the function is told that it was called as.
const arn = "arn:aws:lambda:us-east-1:123456789012:function:test"

// Function is a running program.
type Function struct {
	// Init is the time from the start of the process to its first request for an
	// event, as Lambda measures a function's init.
	Init time.Duration

	command *exec.Cmd
	server  *http.Server
	log     *lockedBuffer
	exited  chan struct{}

	events  chan event
	failed  chan error
	answers sync.Map // request id to chan answer
}

type event struct {
	id       string
	deadline time.Time
	body     []byte
}

type answer struct {
	body []byte
	err  error
}

// Unpack writes a function's program from its zip to a folder and returns its
// path.
func Unpack(archive, dir string) (program string, err error) {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if len(reader.File) != 1 || reader.File[0].Name != "bootstrap" {
		return "", fmt.Errorf("%s: a function's zip holds one file, bootstrap", archive)
	}
	source, err := reader.File[0].Open()
	if err != nil {
		return "", err
	}
	defer source.Close()
	program = filepath.Join(dir, strings.TrimSuffix(filepath.Base(archive), ".zip"))
	target, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, reader.File[0].Mode())
	if err != nil {
		return "", err
	}
	_, err = io.Copy(target, source)
	return program, errors.Join(err, target.Close())
}

// Start runs the program with that environment and nothing of this process's,
// and returns once it asks for an event. Close ends it.
func Start(ctx context.Context, program string, environment map[string]string) (*Function, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Function{
		log: &lockedBuffer{}, exited: make(chan struct{}), events: make(chan event), failed: make(chan error, 1),
	}
	ready := make(chan struct{})
	f.server = &http.Server{Handler: f.handler(sync.OnceFunc(func() { close(ready) })), ReadHeaderTimeout: time.Minute}
	go func() { _ = f.server.Serve(listener) }() // it returns when it is closed

	f.command = exec.Command(program)
	f.command.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()}
	for name, value := range environment {
		f.command.Env = append(f.command.Env, name+"="+value)
	}
	f.command.Stdout, f.command.Stderr = f.log, f.log
	begin := time.Now()
	if err := f.command.Start(); err != nil {
		return nil, errors.Join(err, f.server.Close())
	}
	go func() {
		_ = f.command.Wait() // how it ended is in the log
		close(f.exited)
	}()
	select {
	case <-ready:
		f.Init = time.Since(begin)
		return f, nil
	case <-f.exited:
		err = fmt.Errorf("%s ended before it asked for an event:\n%s", program, f.Log())
	case err = <-f.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, f.Close())
}

// Close kills the program, as Lambda may at any time, and stops serving it.
func (f *Function) Close() error {
	// It fails only where the process has ended by itself.
	_ = f.command.Process.Kill()
	<-f.exited
	return f.server.Close()
}

// Log is what the program has written so far.
func (f *Function) Log() string { return f.log.String() }

// Invoke gives the program an event and returns its answer. Without an answer
// after timeout, the function's own, it fails.
func (f *Function) Invoke(ctx context.Context, body []byte, timeout time.Duration) ([]byte, error) {
	e := event{id: rand.Text(), deadline: time.Now().Add(timeout), body: body}
	answered := make(chan answer, 1)
	f.answers.Store(e.id, answered)
	ctx, cancel := context.WithDeadline(ctx, e.deadline)
	defer cancel()
	select {
	case f.events <- e:
	case <-f.exited:
		return nil, fmt.Errorf("the function has ended:\n%s", f.Log())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case got := <-answered:
		return got.body, got.err
	case <-f.exited:
		return nil, fmt.Errorf("the function ended during the invocation:\n%s", f.Log())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *Function) handler(ready func()) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		ready()
		select {
		case e := <-f.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", e.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", arn)
			// If the program is gone, Invoke notices that it has ended.
			_, _ = w.Write(e.body)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+prefix+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		f.answer(w, r.PathValue("id"), answer{body, err})
	})
	mux.HandleFunc("POST "+prefix+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		f.answer(w, r.PathValue("id"), answer{err: errors.Join(fmt.Errorf("the function failed: %s", body), err)})
	})
	mux.HandleFunc("POST "+prefix+"init/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		f.failed <- errors.Join(fmt.Errorf("the function cannot start: %s", body), err)
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

func (f *Function) answer(w http.ResponseWriter, id string, a answer) {
	waiting, found := f.answers.LoadAndDelete(id)
	if !found {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if channel, ok := waiting.(chan answer); ok {
		channel <- a
	}
	w.WriteHeader(http.StatusAccepted)
}

// lockedBuffer is written by the process and read by tests.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
