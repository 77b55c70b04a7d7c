//go:build unix

package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/lambda"
)

func TestWhatAFunctionSees(t *testing.T) {
	t.Setenv("AWS_PROFILE", "of the surrounding shell")
	t.Setenv("AWS_ACCESS_KEY_ID", "of the surrounding shell")
	w := newWorld(t)
	w.apply(variable("LEVEL", "7"))
	result := w.do("describe")
	require.Empty(t, result.FunctionError, string(result.Payload))
	var seen description
	require.NoError(t, json.Unmarshal(result.Payload, &seen))

	assert.Equal(t, result.RequestID, seen.RequestID)
	assert.Equal(t, arn, seen.ARN)
	assert.InDelta(t, 30*time.Second, seen.Left, float64(5*time.Second))
	assert.Equal(t, filepath.Join(w.code, lambda.Digest(archive(t, ""))), seen.Dir)
	for _, want := range []string{
		"LEVEL=7", "AWS_REGION=ap-northeast-1", "AWS_LAMBDA_FUNCTION_NAME=worker", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/worker", "LAMBDA_TASK_ROOT=" + seen.Dir,
		"_HANDLER=bootstrap", "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1/sqs", "AWS_CONFIG_FILE=/dev/null", "AWS_ACCESS_KEY_ID=localcloud",
	} {
		assert.Contains(t, seen.Env, want)
	}
	all := strings.Join(seen.Env, "\n")
	assert.NotContains(t, all, "surrounding shell")
	assert.NotContains(t, all, "HOME=")
	assert.Contains(t, w.log(), "START RequestId: "+result.RequestID)
	assert.Contains(t, w.log(), "working on describe")
	assert.Equal(t, map[string]float64{"Invocations": 1, "Errors": 0, "Duration": w.metrics["Duration"]}, w.metrics)
}

func TestEnvironmentsAreUsedAgain(t *testing.T) {
	w := newWorld(t)
	w.apply()
	first := w.do("echo")
	assert.Equal(t, string(first.Payload), string(w.do("echo").Payload), "one after the other")
	finish := w.start()
	assert.NotEqual(t, string(first.Payload), string(w.do("echo").Payload), "one at a time")
	assert.Equal(t, string(first.Payload), string(finish().Payload))
	assert.Equal(t, lambda.State{Name: "worker", Environments: 2, Invocations: 4, Inits: 2}, w.State()[0])
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	w := newWorld(t, func(o *lambda.Options) { o.IdleTimeout = time.Millisecond })
	w.apply()
	w.do("echo")
	require.Eventually(t, func() bool { return w.State()[0].Environments == 0 }, 10*time.Second, time.Millisecond)
	assert.Empty(t, w.do("echo").FunctionError)
	assert.Equal(t, 2, w.State()[0].Inits)
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name, do string
		change   func(*lambda.Function)
		want     string
		// again tells that the environment is used again.
		again bool
	}{
		{"an error", "fail", timeout(time.Minute), `{"errorMessage":"refused","errorType":"errorString"}`, true},
		{"a panic", "panic", timeout(time.Minute), `"errorMessage":"out of cheese"`, false},
		{"an end of the program", "exit", timeout(time.Minute), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`, false},
		{"no answer", "hang", timeout(300 * time.Millisecond), `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 0.30 seconds"}`, false},
		{"a large answer", "large", timeout(time.Minute), `"errorType":"Function.ResponseSizeTooLarge"`, false},
		{"a stream that breaks off", "stream", timeout(time.Minute), `{"errorType":"errorString","errorMessage":"the function's response broke off"}`, true},
		{"a word of the init phase", "echo", variable("TEST_FUNCTION", "broken"), `{"errorType":"Broken","errorMessage":"no way"}`, false},
		{"an end in the init phase", "echo", variable("TEST_FUNCTION", "exits"), `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 3"}`, false},
		{
			"an init phase without end", "echo",
			func(f *lambda.Function) {
				f.Environment = map[string]string{"TEST_FUNCTION": "never ready"}
				f.Timeout = 300 * time.Millisecond
			},
			`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 0.30 seconds"}`, false,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(o *lambda.Options) { o.InitTimeout = 5 * time.Second })
			if test.name == "an init phase without end" {
				w = newWorld(t, func(o *lambda.Options) { o.InitTimeout = 100 * time.Millisecond })
			}
			w.apply(test.change)
			result := w.do(test.do)
			assert.Equal(t, "Unhandled", result.FunctionError)
			assert.Contains(t, strings.ReplaceAll(string(result.Payload), result.RequestID, "ID"), test.want)
			environments := 0
			if test.again {
				environments = 1
			}
			state := w.State()[0]
			assert.Equal(t, environments, state.Environments)
			assert.Equal(t, 1, state.Errors)
			assert.Zero(t, state.Running)
		})
	}
}

func TestAProgramThatCannotStart(t *testing.T) {
	w := newWorld(t)
	content := zipped(t, entry{"bootstrap", "\x7fELF of another machine", 0o755})
	require.NoError(t, w.Apply(function(lambda.Digest(content)), content))
	result := w.do("echo")
	assert.Equal(t, "Unhandled", result.FunctionError)
	assert.Contains(t, string(result.Payload), "Runtime.InvalidEntrypoint")
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.apply()
	require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.FunctionCrash, Component: "another"}))
	require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.FunctionCrash, Component: "worker"}))
	result := w.do("echo")
	assert.Contains(t, string(result.Payload), "Runtime exited with error: signal: killed")
	assert.Empty(t, w.do("echo").FunctionError, "it happens once")

	require.NoError(t, w.faults.Add(faults.Fault{Kind: faults.FunctionThrottling}))
	_, err := w.Invoke(t.Context(), "worker", nil)
	refused := new(lambda.Error)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusTooManyRequests, refused.Status)
	assert.Equal(t, 1, w.State()[0].Throttles)
	assert.Empty(t, w.do("echo").FunctionError)
}

func TestConcurrency(t *testing.T) {
	const own, account = "ReservedFunctionConcurrentInvocationLimitExceeded", "ConcurrentInvocationLimitExceeded"
	tests := []struct {
		name    string
		account int
		change  func(*lambda.Function)
		reason  string
	}{
		{"nothing at all", 1000, reserve(0), own},
		{"what the function reserves", 1000, reserve(1), own},
		{"what the account has", 1, reserve(lambda.Unreserved), account},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(o *lambda.Options) { o.Concurrency = test.account })
			w.apply(test.change)
			if test.name != "nothing at all" {
				defer w.start()()
			}
			_, err := w.Invoke(t.Context(), "worker", nil)
			assert.Equal(t, &lambda.Error{Status: 429, Type: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: test.reason}, err)
		})
	}
	w := newWorld(t)
	w.apply(reserve(900))
	content := archive(t, "")
	other := function(lambda.Digest(content), reserve(1), func(f *lambda.Function) { f.Name = "other" })
	require.ErrorContains(t, w.Apply(other, content), "below its minimum value of [100]: reserve 1 less")
}

// An invocation ends with the code that it began with.
func TestNewCode(t *testing.T) {
	w := newWorld(t)
	w.apply(variable("EDITION", "1"))
	before := w.do("echo")
	finish := w.start()
	idle := lambda.Digest(archive(t, ""))
	next := archive(t, "second")
	require.NoError(t, w.Apply(function(lambda.Digest(next), variable("EDITION", "2")), next))
	assert.Contains(t, string(w.do("echo").Payload), ` 2"`)
	assert.DirExists(t, filepath.Join(w.code, idle), "an invocation still runs on it")
	assert.Equal(t, string(before.Payload), string(finish().Payload))
	require.Eventually(t, func() bool { return w.State()[0].Environments == 1 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(w.code, idle))
		return os.IsNotExist(err)
	}, 10*time.Second, time.Millisecond, "nothing needs it any more")

	inits := w.State()[0].Inits
	require.NoError(t, w.Apply(function(lambda.Digest(next), variable("EDITION", "2")), next))
	w.do("echo")
	assert.Equal(t, inits, w.State()[0].Inits, "an update that changes nothing stops nothing")
}

// An invocation that has begun gets the code that it began with, even where its
// environment is still to be made.
func TestNewCodeWhileAnEnvironmentStarts(t *testing.T) {
	w := newWorld(t)
	for edition := range 5 {
		content := archive(t, fmt.Sprint("edition ", edition))
		require.NoError(t, w.Apply(function(lambda.Digest(content), variable("EDITION", fmt.Sprint(edition))), content))
		results := make(chan lambda.Result)
		go func() {
			result, _ := w.Invoke(context.Background(), "worker", nil)
			results <- result
		}()
		require.Eventually(t, func() bool { return w.State()[0].Invocations == edition+1 }, 10*time.Second, time.Microsecond)
		next := archive(t, fmt.Sprint("after edition ", edition))
		require.NoError(t, w.Apply(function(lambda.Digest(next)), next))
		result := <-results
		assert.Contains(t, string(result.Payload), fmt.Sprintf(` %d"`, edition))
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	w.apply()
	finish := w.start()
	w.Delete("worker")
	w.Delete("worker")
	_, err := w.Invoke(t.Context(), arn, nil)
	assert.Equal(t, &lambda.Error{Status: 404, Type: "ResourceNotFoundException", Message: "Function not found: " + arn}, err)
	assert.Empty(t, finish().FunctionError, "what runs ends on its own")
	require.NoError(t, w.Close())
	entries, err := os.ReadDir(w.code)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// The state directory keeps the code for the next run, and nothing else.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.apply()
	w.do("echo")
	require.NoError(t, w.Close())
	content := archive(t, "")
	require.NoError(t, os.Mkdir(filepath.Join(w.code, "unpacking123"), 0o700))
	same := func(o *lambda.Options) { o.CodeDir = w.code }

	again := newWorld(t, same)
	require.NoError(t, again.Apply(function(lambda.Digest(content)), nil))
	again.Sweep()
	assert.Empty(t, again.do("echo").FunctionError)
	assert.NoDirExists(t, filepath.Join(w.code, "unpacking123"))
	require.NoError(t, again.Close())

	require.NoError(t, os.RemoveAll(w.code))
	require.ErrorContains(t, newWorld(t, same).Apply(function(lambda.Digest(content)), nil), `function "worker": its code is not in `+w.code+` any more`)
}

func TestClose(t *testing.T) {
	w := newWorld(t)
	w.apply()
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := w.Invoke(ctx, "worker", []byte(`{"Do":"hang"}`))
		left <- err
	}()
	require.Eventually(t, func() bool { return w.State()[0].Running == 1 }, 10*time.Second, time.Millisecond)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	assert.Equal(t, 1, w.State()[0].Running, "it runs on without its caller")
	ended, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, w.Drain(ended), context.DeadlineExceeded)
	require.NoError(t, w.Close())
	require.NoError(t, w.Drain(t.Context()))
	assert.Equal(t, lambda.State{Name: "worker", Invocations: 1, Errors: 1, Inits: 1}, w.State()[0])
	_, err := w.Invoke(t.Context(), "worker", nil)
	require.ErrorContains(t, err, "the local Lambda is closed")
}

func TestInvokeOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.apply()
	const path = "/2015-03-31/functions/worker/invocations"
	byARN := "/2015-03-31/functions/" + url.PathEscape(arn+":$LATEST") + "/invocations"
	tests := []struct {
		name, method, path, body, kind string
		status                         int
		errorType, functionError, want string
	}{
		{"by name", "POST", path, `{}`, "", 200, "", "", " "},
		{"without a payload", "POST", path, ``, "RequestResponse", 200, "", "", " "},
		{"by ARN", "POST", byARN, `{}`, "", 200, "", "", " "},
		{"a function that fails", "POST", path, `{"Do":"fail"}`, "", 200, "", "Unhandled", `"errorMessage":"refused"`},
		{"no such function", "POST", strings.ReplaceAll(path, "worker", "other"), `{}`, "", 404, "ResourceNotFoundException", "", `"message":"Function not found: other"`},
		{"no JSON", "POST", path, `hello`, "", 400, "InvalidRequestContentException", "", "Could not parse request body into json"},
		{"too large", "POST", path, strings.Repeat(" ", 6291457), "", 413, "RequestTooLargeException", "", "limit 6291456 bytes"},
		{"without waiting", "POST", path, `{}`, "Event", 400, "InvalidParameterValueException", "", "localcloud implements RequestResponse"},
		{"another operation", "GET", "/2015-03-31/functions/worker", ``, "", 404, "UnknownOperationException", "", "is no operation"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), test.method, test.path, strings.NewReader(test.body))
			if test.kind != "" {
				request.Header.Set("X-Amz-Invocation-Type", test.kind)
			}
			got := httptest.NewRecorder()
			w.ServeHTTP(got, request)
			assert.Equal(t, test.status, got.Code)
			assert.Equal(t, test.errorType, got.Header().Get("X-Amzn-ErrorType"))
			assert.Equal(t, test.functionError, got.Header().Get("X-Amz-Function-Error"))
			assert.Contains(t, got.Body.String(), test.want)
		})
	}
}

func TestArchives(t *testing.T) {
	good := entry{"bootstrap", "#!/bin/sh\n", 0o755}
	tests := []struct {
		name    string
		archive []byte
		want    string
	}{
		{"no zip", []byte("tar"), "Could not unzip uploaded file"},
		{"no bootstrap", zipped(t, entry{"bin/bootstrap", "", 0o755}), "no executable file named bootstrap at its root"},
		{"a bootstrap that is not executable", zipped(t, entry{"bootstrap", "", 0o644}), "no executable file named bootstrap"},
		{"a file above the root", zipped(t, good, entry{"../evil", "", 0o644}), `a file named "../evil": names must stay below`},
		{"an absolute name", zipped(t, good, entry{"/etc/evil", "", 0o644}), "names must stay below"},
		{"a link", zipped(t, good, entry{"link", "/etc", 0o777 | os.ModeSymlink}), `"link", which is no regular file`},
		{"a file twice", zipped(t, good, good), "file exists"},
		{"more than can be uploaded", make([]byte, 50<<20+1), "Lambda takes up to 52428800 directly"},
		{"more than can be unpacked", zipped(t, good, entry{"zeros", strings.Repeat("\x00", 250<<20), 0o644}), "Unzipped size must be smaller"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			require.ErrorContains(t, w.Apply(function(lambda.Digest(test.archive)), test.archive), test.want)
			entries, err := os.ReadDir(w.code)
			require.NoError(t, err)
			assert.Empty(t, entries, "nothing is left")
			assert.Empty(t, w.State())
		})
	}
}

func TestReservedVariables(t *testing.T) {
	assert.Equal(t, []string{"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "_HANDLER"},
		lambda.ReservedVariables(map[string]string{"_HANDLER": "", "AWS_REGION": "", "LEVEL": "", "AWS_LAMBDA_RUNTIME_API": "", "AWS_ENDPOINT_URL_SQS": ""}))
}

func TestAnEnvironmentThatEndsWithoutWork(t *testing.T) {
	w := newWorld(t)
	w.apply()
	var pid int
	_, err := fmt.Sscanf(string(w.do("echo").Payload), `"%d `, &pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, 10*time.Second, time.Millisecond)
	assert.Empty(t, w.do("echo").FunctionError)
}
