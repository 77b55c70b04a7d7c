package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/calling"
)

// TestFunctionBackend is the life of a stack whose model runs in a function, until
// it moves to an endpoint: the API stays the same.
func TestFunctionBackend(t *testing.T) {
	t.Parallel()
	s := newStackNamed(t, "local-function", 0, built.model)
	s.up()
	infer, key := s.output("apiGatewayUrl"), s.output("apiKeyValue")
	jobs := calling.Client{URL: s.output("jobsUrl"), Key: key}

	t.Run("the first request is answered, with nothing to wait for", func(t *testing.T) {
		got := call(t, infer, key)
		assert.Equal(t, http.StatusOK, got.status)
		assertMapped(t, got.body)
	})
	t.Run("jobs", func(t *testing.T) {
		answer, err := jobs.Job(t.Context(), []byte(songs(t)))
		require.NoError(t, err)
		assertMapped(t, string(answer))
	})
	t.Run("wrong requests", func(t *testing.T) {
		assert.Equal(t, http.StatusForbidden, call(t, infer, "").status)
		got, err := post(t.Context(), infer, key, `{"songs":1}`)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, got.status)
		assert.Contains(t, got.body, `"code":"InvalidBody"`)
	})
	t.Run("a restart of the local cloud keeps the function", func(t *testing.T) {
		s.restartCloud()
		assert.Equal(t, http.StatusOK, call(t, infer, key).status)
	})
	t.Run("a second update changes nothing", func(t *testing.T) {
		assert.Empty(t, changed(s.up("--expect-no-changes")))
	})

	s.set("backend", "sagemaker")
	s.up()
	assert.Equal(t, infer, s.output("apiGatewayUrl"), "callers need not know")
	for _, function := range s.cloud.Resources("aws:lambda/function:Function") {
		assert.Contains(t, function.ID, "-jobs-", "nothing else runs in a function any more")
	}
	endpoint := calling.Client{URL: infer, Key: key}
	got, err := endpoint.Infer(t.Context(), []byte(songs(t)))
	require.NoError(t, err)
	assertMapped(t, string(got))

	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
}
