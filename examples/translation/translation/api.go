// Package translation answers the two routes of the translation API: POST
// /translate and GET /history. It knows callers, translators and histories, and
// nothing of AWS.
package translation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The routes, as Call.Route has them.
const (
	RouteTranslate = "POST /translate"
	RouteHistory   = "GET /history"
)

// The languages of a request that names none.
const (
	DefaultFrom = "ja"
	DefaultTo   = "en"
)

// Language is what a code of a language looks like: ja, zh-TW. It leaves out
// "auto", with which Amazon Translate asks Amazon Comprehend for the language: that
// is another permission, another price, and an answer that may be a guess.
const Language = "^[a-z]{2}(-[A-Z]{2})?$"

var language = regexp.MustCompile(Language)

// MaxTextBytes is how long a text may be, in bytes of UTF-8 (Amazon Translate
// developer guide, "Guidelines and quotas").
const MaxTextBytes = 10_000

// Limits of a page. Even where every character of the longest texts has to be
// escaped, in the body and once more in the function's answer, a page stays below
// the 6 MB that Lambda hands on (Lambda developer guide, "Lambda quotas").
const (
	DefaultLimit = 10
	MaxLimit     = 25
)

// Times that the two steps of a translation may take. Together they are less than
// the function's time-out, so that a slow translator leaves time for the history,
// and callers always get an answer of the API's own.
const (
	TranslateTime = 12 * time.Second
	SaveTime      = 4 * time.Second
)

// fastClock is how far another's clock may be ahead. Ids that are later were not
// given out.
const fastClock = time.Minute

// API answers calls. All fields are required.
type API struct {
	Translator Translator
	History    History
	// TTL is how long an entry is kept.
	TTL time.Duration
	// AllowOrigin is the one origin that browsers may call from, or "*".
	AllowOrigin string
	Now         func() time.Time
	// NewID is NewID, but for tests.
	NewID func(time.Time) string
	Log   *slog.Logger
}

// Call is a request to the API.
type Call struct {
	// Route is the method and the path of the route.
	Route string
	// Header holds the headers by their names in lower case.
	Header map[string]string
	Query  map[string]string
	Body   string
	// Caller is the id, not the value, of the API key. Nobody reads the history of
	// another.
	Caller string
	// RequestID is API Gateway's.
	RequestID string
}

// Answer carries a call out.
func (a *API) Answer(ctx context.Context, call Call) Reply {
	switch call.Route {
	case RouteTranslate:
		return a.translate(ctx, call)
	case RouteHistory:
		return a.history(ctx, call)
	default:
		return a.refuse(noSuchRoute, call.RequestID)
	}
}

// request is the body of POST /translate.
type request struct{ Text, From, To string }

// read is the request of a call. API Gateway has judged the body by the route's
// schema, but only if it came as JSON.
func read(call Call) (request, *problem) {
	if media, _, err := mime.ParseMediaType(call.Header["content-type"]); err != nil || media != jsonMediaType {
		return request{}, &notJSONType
	}
	var r request
	if err := json.Unmarshal([]byte(call.Body), &r); err != nil || r.Text == "" {
		return r, &invalidBody
	}
	r.From, r.To = cmp.Or(r.From, DefaultFrom), cmp.Or(r.To, DefaultTo)
	if !language.MatchString(r.From) || !language.MatchString(r.To) {
		return r, &invalidBody
	}
	if len(r.Text) > MaxTextBytes {
		return r, &textTooLong
	}
	return r, nil
}

// translate is POST /translate. The history comes after the translation, since
// there is nothing to keep before. Where it fails, the caller has the translation
// all the same: it is right and paid for, and to ask again would pay for it twice.
// That it is missing in the history is in the answer and, by its id, in the log.
func (a *API) translate(ctx context.Context, call Call) Reply {
	r, wrong := read(call)
	if wrong != nil {
		return a.refuse(*wrong, call.RequestID)
	}
	now := a.Now().UTC().Truncate(time.Millisecond)
	entry := Entry{
		Caller: call.Caller, ID: a.NewID(now), Text: r.Text, From: r.From, To: r.To,
		CreatedAt: now, ExpiresAt: now.Add(a.TTL).Truncate(time.Second),
	}
	log := a.Log.With("translation", entry.ID, "request", call.RequestID, "from", r.From, "to", r.To, "bytes", len(r.Text))

	translating, cancel := context.WithTimeout(ctx, TranslateTime)
	defer cancel()
	var err error
	if entry.Translated, err = a.Translator.Translate(translating, r.Text, r.From, r.To); err != nil {
		refusal := problemOf(err)
		level := slog.LevelError
		if refusal.status < http.StatusInternalServerError {
			level = slog.LevelInfo // It is the caller's to mend.
		}
		log.Log(ctx, level, "the text is not translated", "status", refusal.status, "error", err)
		return a.refuse(refusal, call.RequestID)
	}

	shown := viewOf(entry)
	saving, cancel := context.WithTimeout(ctx, SaveTime)
	defer cancel()
	if err := a.History.Put(saving, entry); err != nil {
		log.ErrorContext(ctx, "the translation is missing in the history", "error", err)
		shown.Saved = new(bool)
	} else {
		log.InfoContext(ctx, "translated")
	}
	return a.reply(http.StatusOK, shown)
}

// problemOf is what a caller is told of a translator's error.
func problemOf(err error) problem {
	for _, known := range []struct {
		err     error
		problem problem
	}{
		{ErrLanguages, noLanguages},
		{ErrRefused, textRefused},
		{ErrTooLong, textTooLong},
		{ErrBusy, busy},
		{context.DeadlineExceeded, late},
	} {
		if errors.Is(err, known.err) {
			return known.problem
		}
	}
	return failed
}

// history is GET /history.
func (a *API) history(ctx context.Context, call Call) Reply {
	now := a.Now()
	page, wrong := pageOf(call.Query, now)
	if wrong != nil {
		return a.refuse(*wrong, call.RequestID)
	}
	page.Caller, page.Since = call.Caller, now.Add(-a.TTL)
	if page.Before != "" && page.Before <= FirstID(page.Since) {
		// The token has expired, and so has all that is behind it.
		return a.reply(http.StatusOK, pageView{Translations: []view{}})
	}
	entries, more, err := a.History.Read(ctx, page)
	shown := pageView{Translations: make([]view, len(entries))}
	for i, entry := range entries {
		shown.Translations[i] = viewOf(entry)
	}
	if err == nil && more {
		shown.NextToken, err = tokenOf(entries[len(entries)-1].ID)
	}
	if err != nil {
		a.Log.ErrorContext(ctx, "the history could not be read", "request", call.RequestID, "error", err)
		return a.refuse(notReadNow, call.RequestID)
	}
	return a.reply(http.StatusOK, shown)
}

// pageOf is the page that the parameters ask for, or all that is wrong with them.
func pageOf(query map[string]string, now time.Time) (Page, *problem) {
	page := Page{Limit: DefaultLimit}
	var sentences []string
	if text, given := query["limit"]; given {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > MaxLimit {
			sentences = append(sentences, fmt.Sprintf("limit must be a whole number from 1 to %d.", MaxLimit))
		}
		page.Limit = limit
	}
	if token, given := query["nextToken"]; given {
		id, ok := idOfToken(token)
		if !ok || id >= FirstID(now.Add(fastClock)) {
			sentences = append(sentences, "nextToken must be one that the history has answered with.")
		}
		page.Before = id
	}
	if len(sentences) > 0 {
		return page, &problem{http.StatusBadRequest, "InvalidParameters", strings.Join(sentences, " "), 0}
	}
	return page, nil
}
