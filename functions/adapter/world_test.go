package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the adapter, or a model, where the environment says so.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_AS") {
	case "":
		code := m.Run()
		if built != "" {
			_ = os.RemoveAll(built)
		}
		os.Exit(code)
	case "adapter":
		os.Args = append([]string{"adapter"}, strings.Fields(os.Getenv("TEST_MODEL"))...)
		_ = os.Setenv("TEST_AS", os.Getenv("TEST_KIND"))
		main()
	default:
		testModel(kindOf(os.Getenv("TEST_AS"), os.Getenv("TEST_STARTS")))
	}
}

// kindOf is what this start of the model is, where kinds names one for each, and
// the last for all that follow. The file has a byte for each start.
func kindOf(kinds, starts string) string {
	file, err := os.OpenFile(starts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, err = file.WriteString(".")
	info, problem := file.Stat()
	if err := errors.Join(err, problem, file.Close()); err != nil {
		panic(err)
	}
	each := strings.Split(kinds, ",")
	return each[min(int(info.Size()), len(each))-1]
}

// testModel is ready at once, and answers in its way, if at all.
func testModel(kind string) {
	address := net.JoinHostPort("127.0.0.1", os.Getenv("SAGEMAKER_BIND_TO_PORT"))
	switch kind {
	case "ends at once":
		os.Exit(3)
	case "hangs in a child", "leaves a child":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "TEST_AS=hangs")
		if err := child.Start(); err != nil {
			panic(err)
		}
		for kind == "leaves a child" {
			if listens(address) {
				os.Exit(3)
			}
		}
		_ = child.Wait()
		return
	}
	panic(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			return
		}
		switch kind {
		case "answers":
			_ = json.NewEncoder(w).Encode(os.Environ())
		case "ends when asked":
			os.Exit(4)
		case "ends after its answer":
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "{}")
			_ = http.NewResponseController(w).Flush()
			os.Exit(5)
		case "hangs":
			<-r.Context().Done()
		}
	})))
}

func listens(address string) bool {
	connection, err := net.Dial("tcp", address)
	return err == nil && connection.Close() == nil
}

// built is where the sample model was built, if it was.
var built string

var sampleModel = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "adapter")
	if err != nil {
		return "", err
	}
	built = dir
	program := filepath.Join(dir, "model")
	if out, err := exec.Command("go", "build", "-o", program, "scaletozero/model").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the model: %w: %s", err, out)
	}
	return program, nil
})

// environmentOf is the adapter's, with the sample model, or the test's own where
// kinds is not empty.
func environmentOf(t *testing.T, kinds string) map[string]string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	model := program(t)
	if kinds == "" {
		model, err = sampleModel()
		require.NoError(t, err)
		model += " serve"
	}
	return map[string]string{
		"TEST_AS": "adapter", "TEST_KIND": kinds, "TEST_MODEL": model, "TEST_STARTS": filepath.Join(t.TempDir(), "starts"),
		"ALLOW_ORIGIN": "https://app.example.com", "SAGEMAKER_BIND_TO_PORT": port, "BIND_HOST": "127.0.0.1",
	}
}

// program is this one.
func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// sandbox is an execution environment with the adapter in it, and as much of
// the Lambda runtime API as it takes (Lambda developer guide, "Using the Lambda
// runtime API for custom runtimes").
type sandbox struct {
	t       *testing.T
	command *exec.Cmd
	log     string // the file's path
	// asked tells that the adapter asks for an invocation, events gives it one.
	asked   chan struct{}
	events  chan event
	answers chan []byte
	ended   chan struct{}
}

type event struct {
	deadline time.Time
	body     []byte
}

// start runs the adapter with that environment and nothing else of this
// process's. The end of the test is that of the adapter and its model.
func start(t *testing.T, variables map[string]string) *sandbox {
	t.Helper()
	e := &sandbox{
		t: t, command: exec.Command(program(t)), log: filepath.Join(t.TempDir(), "log"),
		asked: make(chan struct{}, 1), events: make(chan event), answers: make(chan []byte), ended: make(chan struct{}),
	}
	lambda := httptest.NewServer(e)
	t.Cleanup(lambda.Close)
	log, err := os.Create(e.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	e.command.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + lambda.Listener.Addr().String()}
	for name, value := range variables {
		e.command.Env = append(e.command.Env, name+"="+value)
	}
	e.command.Stdout, e.command.Stderr = log, log
	// A group of its own, to be ended with the model.
	e.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, e.command.Start())
	go func() {
		_ = e.command.Wait()
		close(e.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-e.command.Process.Pid, syscall.SIGKILL) // It may have ended.
		<-e.ended
	})
	return e
}

// ServeHTTP is the runtime API.
func (e *sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /2018-06-01/runtime/invocation/next":
		e.asked <- struct{}{}
		select {
		case next := <-e.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "invocation-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(next.deadline.UnixMilli(), 10))
			_, _ = w.Write(next.body) // The test waits for the answer.
		case <-r.Context().Done():
		}
	case "POST /2018-06-01/runtime/invocation/invocation-1/response":
		var body bytes.Buffer
		_, err := io.Copy(&body, r.Body)
		assert.NoError(e.t, err)
		assert.Equal(e.t, "application/json", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusAccepted)
		e.answers <- body.Bytes()
	default:
		e.t.Errorf("the adapter asked for %s %s", r.Method, r.URL)
	}
}

// ready waits until the adapter asks for an invocation.
func (e *sandbox) ready() {
	e.t.Helper()
	select {
	case <-e.asked:
	case <-e.ended:
		require.Fail(e.t, "the adapter has ended", e.written())
	case <-time.After(20 * time.Second):
		require.Fail(e.t, "the adapter does not ask for an invocation", e.written())
	}
}

// exit waits until the adapter has ended, and returns how.
func (e *sandbox) exit() string {
	e.t.Helper()
	select {
	case <-e.ended:
	case <-time.After(20 * time.Second):
		require.Fail(e.t, "the adapter does not end", e.written())
	}
	return e.command.ProcessState.String()
}

func (e *sandbox) written() string {
	e.t.Helper()
	text, err := os.ReadFile(e.log)
	require.NoError(e.t, err)
	return string(text)
}

// says waits until the log has the text that many times.
func (e *sandbox) says(text string, times int) {
	e.t.Helper()
	require.Eventually(e.t, func() bool { return strings.Count(e.written(), text) == times }, 20*time.Second, 5*time.Millisecond, text)
}

// invoke has the adapter answer, as a function with that time-out.
func (e *sandbox) invoke(asked events.APIGatewayProxyRequest, timeout time.Duration) events.APIGatewayProxyResponse {
	e.t.Helper()
	e.ready()
	body, err := json.Marshal(asked)
	require.NoError(e.t, err)
	deadline := time.Now().Add(timeout)
	e.events <- event{deadline, body}
	var reply events.APIGatewayProxyResponse
	select {
	case text := <-e.answers:
		require.NoError(e.t, json.Unmarshal(text, &reply))
	case <-time.After(time.Until(deadline) + 20*time.Second):
		require.Fail(e.t, "the adapter does not answer", e.written())
	}
	assert.Equal(e.t, "https://app.example.com", reply.Headers["Access-Control-Allow-Origin"])
	return reply
}
