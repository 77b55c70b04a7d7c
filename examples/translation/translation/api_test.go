package translation_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/translation/translation"
)

// TestReplies is every answer of the API, word for word.
func TestReplies(t *testing.T) {
	cors := map[string]string{
		"Access-Control-Allow-Origin":   "https://app.example.com",
		"Access-Control-Expose-Headers": "Retry-After,x-amzn-RequestId",
		"Content-Type":                  "application/json",
	}
	retry := maps.Clone(cors)
	retry["Retry-After"] = "5"
	const first = "019b7ca9-8f2e-7000-8000-000000000001"
	problem := func(code, message string) string {
		return fmt.Sprintf(`{"message":%q,"code":%q,"requestId":"r"}`, message, code)
	}
	const schema, tooLong = "The request body does not match the request schema.", "The text is longer than the 10000 bytes of UTF-8 that are translated at once."
	wrongToken := problem("InvalidParameters", "nextToken must be one that the history has answered with.")
	token := func(id string) translation.Call {
		bytes, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		require.NoError(t, err)
		return get(map[string]string{"nextToken": base64.RawURLEncoding.EncodeToString(bytes)})
	}
	typed := func(media string) translation.Call {
		call := post(`{"text":"犬"}`)
		call.Header = map[string]string{"content-type": media}
		return call
	}
	for _, test := range []struct {
		name    string
		call    translation.Call
		world   world
		status  int
		headers map[string]string
		body    string
	}{
		{
			"the default languages", post(`{"text":"犬"}`),
			world{},
			200, cors,
			`{"id":"` + first + `","text":"犬","translated":"犬 (ja to en)","from":"ja","to":"en","createdAt":"2026-01-02T03:04:05.678Z"}`,
		},
		{
			"other languages", post(`{"text":"dog","from":"en","to":"zh-TW"}`),
			world{},
			200, cors,
			`{"id":"` + first + `","text":"dog","translated":"dog (en to zh-TW)","from":"en","to":"zh-TW","createdAt":"2026-01-02T03:04:05.678Z"}`,
		},
		{
			"the history fails", post(`{"text":"犬"}`),
			world{saving: errBroken},
			200, cors,
			`{"id":"` + first + `","text":"犬","translated":"犬 (ja to en)","from":"ja","to":"en","createdAt":"2026-01-02T03:04:05.678Z","saved":false}`,
		},
		{"no type", typed(""), world{}, 415, cors, problem("UnsupportedMediaType", "Send the body as application/json.")},
		{"another type", typed("text/plain"), world{}, 415, cors, problem("UnsupportedMediaType", "Send the body as application/json.")},
		{"no body", post(""), world{}, 400, cors, problem("InvalidBody", schema)},
		{"no object", post(`["犬"]`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"no text", post(`{"to":"en"}`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"an empty text", post(`{"text":""}`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"a text that is none", post(`{"text":1}`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"no language", post(`{"text":"犬","to":"English"}`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"any language", post(`{"text":"犬","from":"auto"}`), world{}, 400, cors, problem("InvalidBody", schema)},
		{"a byte too long", post(`{"text":"` + strings.Repeat("犬", 3333) + `ab"}`), world{}, 413, cors, problem("RequestTooLarge", tooLong)},
		{"too long for the translator", post(`{"text":"犬"}`), world{translating: fmt.Errorf("no: %w", translation.ErrTooLong)}, 413, cors, problem("RequestTooLarge", tooLong)},
		{"a text that is refused", post(`{"text":"犬"}`), world{translating: fmt.Errorf("no: %w", translation.ErrRefused)}, 400, cors, problem("InvalidBody", "Amazon Translate does not take this text.")},
		{"languages that do not go together", post(`{"text":"犬"}`), world{translating: fmt.Errorf("no: %w", translation.ErrLanguages)}, 400, cors, problem("UnsupportedLanguagePair", "Amazon Translate does not translate between these languages.")},
		{"a busy translator", post(`{"text":"犬"}`), world{translating: fmt.Errorf("no: %w", translation.ErrBusy)}, 503, retry, problem("TranslatorBusy", "Amazon Translate is busy. Try again after the time in Retry-After.")},
		{"a broken translator", post(`{"text":"犬"}`), world{translating: errBroken}, 502, cors, problem("TranslationFailed", "Amazon Translate failed to answer this request.")},
		{"an empty history", get(nil), world{}, 200, cors, `{"translations":[]}`},
		{"no number", get(map[string]string{"limit": "ten"}), world{}, 400, cors, problem("InvalidParameters", "limit must be a whole number from 1 to 25.")},
		{"none", get(map[string]string{"limit": "0"}), world{}, 400, cors, problem("InvalidParameters", "limit must be a whole number from 1 to 25.")},
		{
			"all of it wrong", get(map[string]string{"limit": "26", "nextToken": "x"}),
			world{},
			400, cors,
			problem("InvalidParameters", "limit must be a whole number from 1 to 25. nextToken must be one that the history has answered with."),
		},
		{"a token of nothing", get(map[string]string{"nextToken": "AAAAAAAAAAAAAAAAAAAAAA"}), world{}, 400, cors, wrongToken},
		{"a token of another version of UUIDs", token("019b7ca9-8f2e-4000-8000-000000000001"), world{}, 400, cors, wrongToken},
		{"a token of another variant of UUIDs", token("019b7ca9-8f2e-7000-c000-000000000001"), world{}, 400, cors, wrongToken},
		{"a token that is too long", token("019b7ca9-8f2e-7000-8000-00000000000100"), world{}, 400, cors, wrongToken},
		{"a token of the future", token(translation.FirstID(began.Add(time.Minute))), world{}, 400, cors, wrongToken},
		{"a token of a clock that is fast", token(translation.FirstID(began.Add(time.Minute - time.Millisecond))), world{}, 200, cors, `{"translations":[]}`},
		{"a token that has just not expired", token(translation.FirstID(began.Add(-ttl + time.Millisecond))), world{}, 200, cors, `{"translations":[]}`},
		{"a token that has just expired", token(translation.FirstID(began.Add(-ttl))), world{}, 200, cors, `{"translations":[]}`},
		{"a token that has long expired", token(translation.FirstID(began.Add(-2 * ttl))), world{}, 200, cors, `{"translations":[]}`},
		{"a history that cannot be read", get(nil), world{reading: errBroken}, 503, retry, problem("HistoryUnavailable", "The history could not be read. Try again after the time in Retry-After.")},
		{"another route", translation.Call{Route: "GET /translate", RequestID: "r"}, world{}, 403, cors, problem("NoSuchRoute", "The API has no such method and path.")},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &test.world
			w.now = began
			got := w.api().Answer(t.Context(), test.call)
			assert.Equal(t, translation.Reply{Status: test.status, Headers: test.headers, Body: test.body}, got)
			assert.Len(t, w.rows, map[bool]int{true: 1}[test.status == 200 && test.call.Body != "" && w.saving == nil], "only what was translated is kept")
			assert.NotContains(t, w.log.String(), "犬", "texts are not logged")
		})
	}
}

func TestTheLongestTextIsTranslated(t *testing.T) {
	w := newWorld(t)
	got := w.api().Answer(t.Context(), post(`{"text":"`+strings.Repeat("犬", 3333)+`a"}`))
	assert.Equal(t, 200, got.Status)
	assert.Len(t, w.rows[0].Text, translation.MaxTextBytes)
}

// What comes first decides what a failure costs.
func TestATranslationIsKeptOnceThereIsOne(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, 200, w.api().Answer(t.Context(), post(`{"text":"犬"}`)).Status)
	assert.Equal(t, []string{"translate", "put"}, w.steps)
	assert.Equal(t, translation.Entry{
		Caller: "key-id", ID: "019b7ca9-8f2e-7000-8000-000000000001", Text: "犬", Translated: "犬 (ja to en)", From: "ja", To: "en",
		CreatedAt: began, ExpiresAt: began.Add(ttl).Truncate(time.Second),
	}, w.rows[0])
	assert.Contains(t, w.log.String(), `"level":"INFO","msg":"translated","translation":"019b7ca9-8f2e-7000-8000-000000000001","request":"r","from":"ja","to":"en","bytes":3`)

	w = newWorld(t)
	w.translating = errBroken
	w.api().Answer(t.Context(), post(`{"text":"犬"}`))
	assert.Equal(t, []string{"translate"}, w.steps)
	assert.Contains(t, w.log.String(), `"level":"ERROR"`)

	w = newWorld(t)
	w.translating = translation.ErrLanguages
	w.api().Answer(t.Context(), post(`{"text":"犬"}`))
	assert.NotContains(t, w.log.String(), `"level":"ERROR"`, "a caller's mistake is nobody's alarm")

	w = newWorld(t)
	w.saving = errBroken
	w.api().Answer(t.Context(), post(`{"text":"犬"}`))
	assert.Contains(t, w.log.String(), `"level":"ERROR","msg":"the translation is missing in the history","translation":"019b7ca9-8f2e-7000-8000-000000000001"`)
}

func TestSlowStepsEndInTime(t *testing.T) {
	for _, test := range []struct {
		name   string
		world  func(*world)
		took   time.Duration
		status int
		body   string
	}{
		{"a slow translator", func(w *world) { w.slow = time.Hour }, translation.TranslateTime, 504, `"code":"UpstreamTimeout"`},
		{"a slow history, after a translator that was almost too slow", func(w *world) { w.slow = translation.TranslateTime - time.Second }, translation.TranslateTime - time.Second + translation.SaveTime, 200, `"saved":false`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.world(w)
				start := time.Now()
				got := w.api().Answer(t.Context(), post(`{"text":"犬"}`))
				assert.Equal(t, test.took, time.Since(start))
				assert.Equal(t, test.status, got.Status)
				assert.Contains(t, got.Body, test.body)
			})
		})
	}
}

// page is what GET /history answers.
type page struct {
	Translations []struct{ ID, Text string }
	NextToken    *string
}

func read(t *testing.T, w *world, query map[string]string) page {
	t.Helper()
	got := w.api().Answer(t.Context(), get(query))
	require.Equal(t, 200, got.Status, got.Body)
	var read page
	require.NoError(t, json.Unmarshal([]byte(got.Body), &read))
	return read
}

func (p page) texts() []string {
	texts := make([]string, len(p.Translations))
	for i, one := range p.Translations {
		texts[i] = one.Text
	}
	return texts
}

func TestHistoryIsReadPageByPage(t *testing.T) {
	w := newWorld(t)
	for n := range 12 {
		w.now = began.Add(time.Duration(n) * time.Minute)
		require.Equal(t, 200, w.api().Answer(t.Context(), post(fmt.Sprintf(`{"text":"%d"}`, n))).Status)
	}
	first := read(t, w, nil)
	assert.Equal(t, []string{"11", "10", "9", "8", "7", "6", "5", "4", "3", "2"}, first.texts())
	require.NotNil(t, first.NextToken)
	assert.NotContains(t, *first.NextToken, first.Translations[9].ID[:8], "a token is no id to be guessed at")

	// What is translated in between does not move the pages.
	require.Equal(t, 200, w.api().Answer(t.Context(), post(`{"text":"new"}`)).Status)
	second := read(t, w, map[string]string{"nextToken": *first.NextToken, "limit": "2"})
	assert.Equal(t, []string{"1", "0"}, second.texts())
	assert.Nil(t, second.NextToken, "there is no more")
	assert.Equal(t, []string{"new"}, read(t, w, map[string]string{"limit": "1"}).texts())

	other := get(nil)
	other.Caller = "another-key-id"
	assert.Equal(t, `{"translations":[]}`, w.api().Answer(t.Context(), other).Body, "nobody reads the history of another")

	// DynamoDB removes rows days after they have expired.
	w.now = began.Add(ttl + 5*time.Minute)
	assert.Equal(t, []string{"new", "11", "10", "9", "8", "7", "6", "5"}, read(t, w, nil).texts())
	// Who has read on to an entry that has expired since has read it all.
	assert.Equal(t, page{Translations: []struct{ ID, Text string }{}}, read(t, w, map[string]string{"nextToken": *first.NextToken}))
}
