package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/translate"
)

// newTranslation is newStack for the program in examples/translation.
func newTranslation(t *testing.T) *stack {
	t.Helper()
	home, program := t.TempDir(), filepath.Join(t.TempDir(), "program")
	for _, args := range [][]string{
		{"go", "build", "-o", program, "./examples/translation"},
		{filepath.Join(built.root, "examples", "translation", "build"), "host"},
	} {
		build := exec.Command(args[0], args[1:]...)
		build.Dir = built.root
		out, err := build.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	s := &stack{
		t: t, name: "local", dir: filepath.Join(home, "examples", "translation"), state: t.TempDir(), addr: "127.0.0.1:0", model: []string{built.model},
	}
	project := read(t, filepath.Join(built.root, "examples", "translation", "Pulumi.yaml"))
	s.write("Pulumi.yaml", strings.Replace(project, "runtime: go\n", "runtime:\n  name: go\n  options:\n    binary: "+program+"\n", 1))
	s.write("Pulumi.local.yaml", read(t, filepath.Join(built.root, "examples", "translation", "Pulumi.local.yaml")))
	require.NoError(t, os.Symlink(filepath.Join(built.root, ".build"), filepath.Join(home, ".build")))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "state"), 0o700))
	s.startCloud()
	t.Cleanup(func() { require.NoError(t, s.cloud.Close()) })
	s.must("stack", "select", "--create", s.name)
	return s
}

// translated is what POST /translate answers, or why it does not.
type translated struct {
	ID, Text, Translated, From, To, CreatedAt string
	Saved                                     *bool
	Code, RequestID                           string
}

// TestTranslation is the life of the second program's stack, under the same
// policies as the first's.
func TestTranslation(t *testing.T) {
	t.Parallel()
	s := newTranslation(t)
	s.up()
	key := s.output("apiKeyValue")
	api := &translationAPI{t, s.output("apiGatewayUrl"), s.output("historyUrl"), key}

	t.Run("texts are translated and remembered", api.testHistory)
	t.Run("wrong requests", api.testRefusals)
	t.Run("a busy translator", func(t *testing.T) { api.testBusy(t, s.cloud.Faults()) })
	t.Run("a restart of the local cloud keeps the history", func(t *testing.T) {
		before := api.history(t, nil)
		s.restartCloud()
		assert.Equal(t, before, api.history(t, nil))
	})
	t.Run("texts are in no log", func(t *testing.T) {
		logs, err := filepath.Glob(filepath.Join(s.state, "logs", "*"))
		require.NoError(t, err)
		require.NotEmpty(t, logs)
		for _, log := range logs {
			assert.NotContains(t, read(t, log), "今日は", log)
		}
	})
	t.Run("a second update changes nothing", func(t *testing.T) {
		assert.Empty(t, changed(s.up("--expect-no-changes")))
	})
	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.cloud.Resources(""))
}

type translationAPI struct {
	t              *testing.T
	url, historyAt string
	key            string
}

// ask sends a request and decodes its answer into into.
func (a *translationAPI) ask(t *testing.T, method, address, media, body string, into any) (int, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	if a.key != "" {
		request.Header.Set("X-Api-Key", a.key)
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into), string(text))
	assert.Equal(t, "*", response.Header.Get("Access-Control-Allow-Origin"))
	return response.StatusCode, response.Header
}

func (a *translationAPI) translate(t *testing.T, body string) translated {
	t.Helper()
	var got translated
	status, _ := a.ask(t, http.MethodPost, a.url, "application/json", body, &got)
	require.Equal(t, http.StatusOK, status, got.Code)
	return got
}

type historyPage struct {
	Translations []translated
	NextToken    string
}

func (a *translationAPI) history(t *testing.T, query url.Values) historyPage {
	t.Helper()
	var got historyPage
	status, _ := a.ask(t, http.MethodGet, a.historyAt+"?"+query.Encode(), "", "", &got)
	require.Equal(t, http.StatusOK, status)
	return got
}

func (a *translationAPI) testHistory(t *testing.T) {
	first := a.translate(t, `{"text":"今日は"}`)
	assert.Equal(t, "[localcloud does not translate, ja to en] 今日は", first.Translated)
	assert.Equal(t, []string{"今日は", "ja", "en"}, []string{first.Text, first.From, first.To})
	assert.NotEmpty(t, first.ID)
	assert.NotEmpty(t, first.CreatedAt)
	assert.Nil(t, first.Saved, "it is in the history")

	all := []translated{first}
	for n := range 4 {
		all = append([]translated{a.translate(t, fmt.Sprintf(`{"text":"Satz %d","from":"de","to":"ja"}`, n))}, all...)
	}
	assert.Equal(t, historyPage{Translations: all}, a.history(t, nil), "the newest comes first")

	var pages [][]translated
	for query := (url.Values{"limit": {"2"}}); ; {
		page := a.history(t, query)
		pages = append(pages, page.Translations)
		if page.NextToken == "" {
			break
		}
		query.Set("nextToken", page.NextToken)
	}
	assert.Equal(t, [][]translated{all[0:2], all[2:4], all[4:5]}, pages)
}

func (a *translationAPI) testRefusals(t *testing.T) {
	const jsonType = "application/json"
	before := a.history(t, nil)
	stranger := *a
	stranger.key = ""
	for _, test := range []struct {
		name                   string
		api                    *translationAPI
		method, address, media string
		body                   string
		status                 int
		code                   string
	}{
		{"no key", &stranger, http.MethodPost, a.url, jsonType, `{"text":"a"}`, 403, "InvalidApiKey"},
		{"no key for the history", &stranger, http.MethodGet, a.historyAt, "", "", 403, "InvalidApiKey"},
		{"no text", a, http.MethodPost, a.url, jsonType, `{"to":"en"}`, 400, "InvalidBody"},
		{"no JSON", a, http.MethodPost, a.url, jsonType, `{`, 400, "InvalidBody"},
		{"no language", a, http.MethodPost, a.url, jsonType, `{"text":"a","to":"English"}`, 400, "InvalidBody"},
		{"a language to be found out", a, http.MethodPost, a.url, jsonType, `{"text":"a","from":"auto"}`, 400, "InvalidBody"},
		{"a language nobody knows", a, http.MethodPost, a.url, jsonType, `{"text":"a","to":"xx"}`, 400, "UnsupportedLanguagePair"},
		{"another type", a, http.MethodPost, a.url, "text/plain", `a`, 415, "UnsupportedMediaType"},
		{"a long text", a, http.MethodPost, a.url, jsonType, `{"text":"` + strings.Repeat("犬", 3334) + `"}`, 413, "RequestTooLarge"},
		{"a large page", a, http.MethodGet, a.historyAt + "?limit=26", "", "", 400, "InvalidParameters"},
		{"a made-up token", a, http.MethodGet, a.historyAt + "?nextToken=2", "", "", 400, "InvalidParameters"},
		{"another method", a, http.MethodGet, a.url, "", "", 403, "NoSuchRoute"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got translated
			status, _ := test.api.ask(t, test.method, test.address, test.media, test.body, &got)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.code, got.Code)
			assert.NotEmpty(t, got.RequestID)
		})
	}
	assert.Equal(t, before, a.history(t, nil), "what was refused is not remembered")
}

// testBusy has Amazon Translate refuse as often as the SDK asks.
func (a *translationAPI) testBusy(t *testing.T, wrong *faults.Faults) {
	require.NoError(t, wrong.Add(faults.Fault{Kind: faults.Throttling, Component: translate.Component, Count: 3}))
	var got translated
	status, headers := a.ask(t, http.MethodPost, a.url, "application/json", `{"text":"a"}`, &got)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "TranslatorBusy", got.Code)
	assert.Equal(t, "1", headers.Get("Retry-After"), "5 seconds of AWS time")
	assert.Empty(t, wrong.List(), "it was asked three times")
}
