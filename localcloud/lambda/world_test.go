//go:build unix

package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/lambda"
)

// TestMain is the function itself where the environment says so: a bootstrap
// starts the test program once more, with AWS's own Go runtime in it.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_FUNCTION") {
	case "":
		os.Exit(m.Run())
	case "exits":
		os.Exit(3)
	case "never ready":
		select {}
	case "broken":
		said := strings.NewReader(`{"errorType":"Broken","errorMessage":"no way"}`)
		response, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", said)
		if err == nil {
			err = response.Body.Close()
		}
		fmt.Println(err)
		os.Exit(1)
	default:
		awslambda.Start(handle)
	}
}

// order is what a test wants of the function.
type order struct {
	Do      string
	Text    string
	Records json.RawMessage `json:",omitempty"`
}

var errRefused = errors.New("refused")

func handle(ctx context.Context, o order) (any, error) {
	fmt.Println("working on", o.Do)
	switch {
	case o.Records != nil:
		if err := batch(o.Records); err != nil {
			return nil, err
		}
		return json.RawMessage(os.Getenv("ANSWER")), nil
	case o.Do == "describe":
		return describe(ctx), nil
	case o.Do == "fail":
		return nil, errRefused
	case o.Do == "exit":
		os.Exit(7)
	case o.Do == "panic":
		panic("out of cheese")
	case o.Do == "hang":
		<-make(chan struct{})
	case o.Do == "wait":
		await(o.Text)
	case o.Do == "stream":
		return iotest.ErrReader(errRefused), nil
	case o.Do == "large":
		return strings.Repeat("x", 7<<20), nil
	}
	return fmt.Sprint(os.Getpid(), " ", os.Getenv("EDITION")), nil
}

// await says that it is there, and returns when the test has made the file.
func await(path string) {
	if err := os.WriteFile(fmt.Sprintf("%s %d", path, os.Getpid()), nil, 0o600); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// batch fails as a whole if the environment says so.
func batch(records json.RawMessage) error {
	if hold := os.Getenv("HOLD"); hold != "" {
		await(hold)
	}
	if path := os.Getenv("KEEP"); path != "" {
		if err := os.WriteFile(path, records, 0o600); err != nil {
			return err
		}
	}
	if os.Getenv("ANSWER") == "fail" {
		return errRefused
	}
	return nil
}

// description is what a function sees of itself.
type description struct {
	Env       []string
	Dir       string
	RequestID string
	ARN       string
	Left      time.Duration
}

func describe(ctx context.Context) description {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	dir, _ := os.Getwd()
	return description{os.Environ(), dir, lc.AwsRequestID, lc.InvokedFunctionArn, time.Until(deadline)}
}

// world is a runtime with one function.
type world struct {
	*lambda.Runtime
	t          *testing.T
	code, logs string
	faults     *faults.Faults
	queue      *fakeQueue

	mu      sync.Mutex
	metrics map[string]float64
	// last are the last values of the metrics of an alias or a version.
	last map[string]float64
}

func newWorld(t *testing.T, change ...func(*lambda.Options)) *world {
	t.Helper()
	c, err := clock.New(1)
	require.NoError(t, err)
	w := &world{
		t: t, code: filepath.Join(t.TempDir(), "functions"), logs: t.TempDir(), faults: faults.New(c, 1),
		queue: newFakeQueue(), metrics: map[string]float64{}, last: map[string]float64{},
	}
	options := lambda.Options{
		CodeDir: w.code, LogDir: w.logs, Clock: c, Faults: w.faults, Queues: w.queue, Logger: slog.New(slog.DiscardHandler),
		Endpoints: map[string]string{"SQS": "http://127.0.0.1:1/sqs"},
		Metric: func(name string, dimensions map[string]string, value float64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if resource := dimensions["Resource"]; resource != "" {
				w.last[name+" "+resource] = value
				return
			}
			w.metrics[name] += value
		},
	}
	for _, f := range change {
		f(&options)
	}
	w.Runtime = lambda.New(options)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

const arn = "arn:aws:lambda:ap-northeast-1:123456789012:function:worker"

// function is the function worker; change alters it.
func function(code string, change ...func(*lambda.Function)) lambda.Function {
	f := lambda.Function{
		Name: "worker", ARN: arn, Region: "ap-northeast-1", Reserved: lambda.Unreserved,
		Configuration: lambda.Configuration{
			Code: code, Handler: "bootstrap", Environment: map[string]string{"TEST_FUNCTION": "works"}, MemoryMB: 256, Timeout: 30 * time.Second,
		},
	}
	for _, f2 := range change {
		f2(&f)
	}
	return f
}

func variable(name, value string) func(*lambda.Function) {
	return func(f *lambda.Function) {
		f.Environment = map[string]string{"TEST_FUNCTION": f.Environment["TEST_FUNCTION"], name: value}
	}
}

func timeout(d time.Duration) func(*lambda.Function) {
	return func(f *lambda.Function) { f.Timeout = d }
}

func reserve(n int) func(*lambda.Function) {
	return func(f *lambda.Function) { f.Reserved = n }
}

// archive is a zip whose bootstrap starts this test program; note makes it
// another one.
func archive(t *testing.T, note string) []byte {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return zipped(t, entry{"bootstrap", fmt.Sprintf("#!/bin/sh\n# %s\nexec '%s'\n", note, program), 0o755})
}

type entry struct {
	name, content string
	mode          os.FileMode
}

func zipped(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var content bytes.Buffer
	writer := zip.NewWriter(&content)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		file, err := writer.CreateHeader(header)
		require.NoError(t, err)
		_, err = file.Write([]byte(e.content))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return content.Bytes()
}

// apply puts the function worker in place.
func (w *world) apply(change ...func(*lambda.Function)) {
	w.t.Helper()
	content := archive(w.t, "")
	require.NoError(w.t, w.Apply(function(lambda.Digest(content), change...), content))
}

// do invokes the function worker.
func (w *world) do(what string) lambda.Result {
	w.t.Helper()
	return w.ask("worker", what)
}

// ask invokes a function, or one of its aliases or versions.
func (w *world) ask(name, what string) lambda.Result {
	w.t.Helper()
	result, err := w.Invoke(w.t.Context(), name, []byte(`{"Do":"`+what+`"}`))
	require.NoError(w.t, err)
	return result
}

// seen is what the function sees of itself when it is invoked by the name.
func (w *world) seen(name string) (seen description) {
	w.t.Helper()
	result := w.ask(name, "describe")
	require.Empty(w.t, result.FunctionError, string(result.Payload))
	require.NoError(w.t, json.Unmarshal(result.Payload, &seen))
	return seen
}

// start has the function worker wait for a file, and returns what makes the file
// and then yields the answer.
func (w *world) start() (finish func() lambda.Result) {
	w.t.Helper()
	return w.hold("worker")
}

// hold is start for a function, or one of its aliases or versions.
func (w *world) hold(name string) (finish func() lambda.Result) {
	w.t.Helper()
	dir := w.t.TempDir()
	signal := filepath.Join(dir, "go on")
	payload, err := json.Marshal(order{Do: "wait", Text: signal})
	require.NoError(w.t, err)
	results := make(chan lambda.Result, 1)
	go func() {
		result, err := w.Invoke(context.Background(), name, payload)
		if err == nil {
			results <- result
		}
		close(results)
	}()
	require.Eventually(w.t, func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 1
	}, 10*time.Second, time.Millisecond)
	return func() lambda.Result {
		require.NoError(w.t, os.WriteFile(signal, nil, 0o600))
		return <-results
	}
}

func (w *world) log() string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.logs, "aws_lambda_worker.log"))
	require.NoError(w.t, err)
	return string(content)
}
