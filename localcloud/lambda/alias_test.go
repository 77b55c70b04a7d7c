//go:build unix

package lambda_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/lambda"
)

// publish puts the function worker in place with the versions, the last of which
// is also $LATEST; a version's edition is its number.
func (w *world) publish(numbers ...string) {
	w.t.Helper()
	content := archive(w.t, "")
	f := function(lambda.Digest(content))
	for _, number := range numbers {
		c := f.Configuration
		variable("EDITION", number)(&f)
		c.Environment = f.Environment
		f.Published = append(f.Published, lambda.Version{Number: number, Configuration: c})
	}
	require.NoError(w.t, w.Apply(f, content))
}

func TestVersionsAndAliases(t *testing.T) {
	w := newWorld(t)
	w.publish("1", "2")
	require.NoError(t, w.ApplyAlias("worker", "live", "1"))
	tests := []struct{ name, version, arn string }{
		{"worker", "$LATEST", arn},
		{"worker:$LATEST", "$LATEST", arn + ":$LATEST"},
		{"worker:live", "1", arn + ":live"},
		{"worker:1", "1", arn + ":1"},
		{"worker:2", "2", arn + ":2"},
		{arn, "$LATEST", arn},
		{arn + ":live", "1", arn + ":live"},
		{"123456789012:function:worker:live", "1", arn + ":live"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen := w.seen(test.name)
			assert.Equal(t, test.arn, seen.ARN)
			assert.Contains(t, seen.Env, "AWS_LAMBDA_FUNCTION_VERSION="+test.version)
			assert.Contains(t, seen.Env, "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand")
			edition := strings.Replace(test.version, "$LATEST", "2", 1)
			assert.Contains(t, seen.Env, "EDITION="+edition)
			assert.Equal(t, test.version, w.ask(test.name, "echo").Version)
		})
	}
	assert.Equal(t, 3, w.State()[0].Environments, "one for each version, whatever it is called by")
	assert.Equal(t, map[string]string{"live": "1"}, w.State()[0].Aliases)
	assert.InDelta(t, 1, w.last["Invocations worker:live"], 0)

	require.NoError(t, w.ApplyAlias("worker", "live", "2"))
	assert.Equal(t, "2", w.ask("worker:live", "echo").Version)
	w.DeleteAlias("worker", "live")
	w.DeleteAlias("other", "live")
	for name, want := range map[string]string{"worker:live": arn + ":live", arn + ":3": arn + ":3", "other:live": "other:live"} {
		_, err := w.Invoke(t.Context(), name, nil)
		assert.Equal(t, &lambda.Error{Status: 404, Type: "ResourceNotFoundException", Message: "Function not found: " + want}, err)
	}
	require.EqualError(t, w.ApplyAlias("other", "live", "1"), "ResourceNotFoundException: Function not found: other")
	require.ErrorContains(t, w.ApplyAlias("worker", "live", "3"), "Function not found: "+arn+":3: localcloud keeps $LATEST, the newest version")
}

func TestTheQualifierOfARequest(t *testing.T) {
	w := newWorld(t)
	w.publish("1")
	require.NoError(t, w.ApplyAlias("worker", "live", "1"))
	for _, test := range []struct {
		name, query, version string
		status               int
	}{
		{"worker", "", "$LATEST", 200},
		{"worker", "?Qualifier=live", "1", 200},
		{"worker:live", "?Qualifier=live", "1", 200},
		{"worker:1", "?Qualifier=live", "", 400},
		{"worker", "?Qualifier=other", "", 404},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/2015-03-31/functions/"+url.PathEscape(test.name)+"/invocations"+test.query, strings.NewReader("{}"))
		got := httptest.NewRecorder()
		w.ServeHTTP(got, request)
		assert.Equal(t, test.status, got.Code, got.Body)
		assert.Equal(t, test.version, got.Header().Get("X-Amz-Executed-Version"))
	}
}

// The code of a version stays as long as the version does.
func TestTheCodeOfVersions(t *testing.T) {
	w := newWorld(t)
	first, second := archive(t, "first"), archive(t, "second")
	one := lambda.Version{Number: "1", Configuration: function(lambda.Digest(first)).Configuration}
	require.NoError(t, w.Apply(function(lambda.Digest(first)), first))
	both := function(lambda.Digest(second), func(f *lambda.Function) { f.Published = []lambda.Version{one} })
	require.NoError(t, w.Apply(both, second))
	assert.Empty(t, w.ask("worker:1", "echo").FunctionError)
	require.NoError(t, w.Apply(function(lambda.Digest(second)), nil))
	assert.NoDirExists(t, filepath.Join(w.code, lambda.Digest(first)))
	require.ErrorContains(t, w.Apply(both, nil), "its code is not in")
	w.Delete("worker")
	entries, err := os.ReadDir(w.code)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// image makes the function one in a container image.
func image(uri string) func(*lambda.Function) {
	return func(f *lambda.Function) { f.Code, f.Handler, f.Image = "", "", uri }
}

func TestImages(t *testing.T) {
	t.Setenv("AWS_PROFILE", "of the surrounding shell")
	t.Setenv("HOME", "/home/of-the-model")
	program, err := os.Executable()
	require.NoError(t, err)
	w := newWorld(t, func(o *lambda.Options) { o.Image = []string{program, "-test.v"} })
	require.NoError(t, w.Apply(function("", image("registry/model:1")), nil))
	seen := w.seen("worker")
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, here, seen.Dir)
	for _, want := range []string{"BIND_HOST=127.0.0.1", "HOME=/home/of-the-model", "PATH=" + os.Getenv("PATH"), "AWS_LAMBDA_FUNCTION_NAME=worker"} {
		assert.Contains(t, seen.Env, want)
	}
	all := strings.Join(seen.Env, "\n")
	assert.Regexp(t, `(?m)^SAGEMAKER_BIND_TO_PORT=[1-9]\d+$`, all)
	assert.NotContains(t, all, "_HANDLER=")
	assert.NotContains(t, all, "surrounding shell")

	first := w.do("echo")
	require.NoError(t, w.Apply(function("", image("registry/model:1"), reserve(5)), nil))
	assert.Equal(t, string(first.Payload), string(w.do("echo").Payload), "the same image runs on")
	require.NoError(t, w.Apply(function("", image("registry/model:2")), nil))
	assert.NotEqual(t, string(first.Payload), string(w.do("echo").Payload), "another image is another program")
	w.Sweep()
	w.Delete("worker")
	assert.Empty(t, w.State())

	require.ErrorContains(t, newWorld(t).Apply(function("", image("registry/model:1")), nil),
		`function "worker": it is in a container image, and localcloud was not told how to run one: start it with --adapter PROGRAM`)
}

// Functions in images that run side by side listen on ports of their own.
func TestPortsOfImages(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	w := newWorld(t, func(o *lambda.Options) { o.Image = []string{program} })
	require.NoError(t, w.Apply(function("", image("registry/model:1"), timeout(time.Minute)), nil))
	port := func(env []string) (found string) {
		for _, variable := range env {
			if value, ok := strings.CutPrefix(variable, "SAGEMAKER_BIND_TO_PORT="); ok {
				found = value
			}
		}
		return found
	}
	first := port(w.seen("worker").Env)
	defer w.start()()
	assert.NotEqual(t, first, port(w.seen("worker").Env))
}
