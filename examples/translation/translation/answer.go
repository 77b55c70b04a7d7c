package translation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Reply is what a caller of the API gets.
type Reply struct {
	Status  int
	Headers map[string]string
	Body    string
}

// exposedHeaders may be read by browsers across origins.
const exposedHeaders = "Retry-After,x-amzn-RequestId"

const jsonMediaType = "application/json"

// retryAfter is how many seconds a caller is told to wait.
const retryAfter = 5

// timeFormat is RFC 3339 to the millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// problem is an answer to a request that was not carried out.
type problem struct {
	status        int
	code, message string
	retryAfter    int
}

var (
	noSuchRoute = problem{http.StatusForbidden, "NoSuchRoute", "The API has no such method and path.", 0}
	notJSONType = problem{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "Send the body as application/json.", 0}
	invalidBody = problem{http.StatusBadRequest, "InvalidBody", "The request body does not match the request schema.", 0}
	textTooLong = problem{http.StatusRequestEntityTooLarge, "RequestTooLarge", fmt.Sprintf("The text is longer than the %d bytes of UTF-8 that are translated at once.", MaxTextBytes), 0}
	textRefused = problem{http.StatusBadRequest, "InvalidBody", "Amazon Translate does not take this text.", 0}
	noLanguages = problem{http.StatusBadRequest, "UnsupportedLanguagePair", "Amazon Translate does not translate between these languages.", 0}
	busy        = problem{http.StatusServiceUnavailable, "TranslatorBusy", "Amazon Translate is busy. Try again after the time in Retry-After.", retryAfter}
	failed      = problem{http.StatusBadGateway, "TranslationFailed", "Amazon Translate failed to answer this request.", 0}
	late        = problem{http.StatusGatewayTimeout, "UpstreamTimeout", "Amazon Translate did not answer in time.", 0}
	notReadNow  = problem{http.StatusServiceUnavailable, "HistoryUnavailable", "The history could not be read. Try again after the time in Retry-After.", retryAfter}
)

// view is an entry as a caller sees it.
type view struct {
	ID         string `json:"id"`
	Text       string `json:"text"`
	Translated string `json:"translated"`
	From       string `json:"from"`
	To         string `json:"to"`
	CreatedAt  string `json:"createdAt"`
	// Saved is false where the history has not got the entry, and absent elsewhere.
	Saved *bool `json:"saved,omitempty"`
}

func viewOf(e Entry) view {
	return view{ID: e.ID, Text: e.Text, Translated: e.Translated, From: e.From, To: e.To, CreatedAt: FormatTime(e.CreatedAt)}
}

// pageView is a page as a caller sees it.
type pageView struct {
	Translations []view `json:"translations"`
	NextToken    string `json:"nextToken,omitempty"`
}

// FormatTime is a time as callers and rows have it.
func FormatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// reply is an answer with a body of JSON and the headers of all answers.
func (a *API) reply(status int, body any) Reply {
	return Reply{status, map[string]string{
		"Access-Control-Allow-Origin":   a.AllowOrigin,
		"Access-Control-Expose-Headers": exposedHeaders,
		"Content-Type":                  jsonMediaType,
	}, marshal(body)}
}

// refuse is the same shape as the errors of the gateway in front.
func (a *API) refuse(p problem, requestID string) Reply {
	reply := a.reply(p.status, struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}{p.message, p.code, requestID})
	if p.retryAfter > 0 {
		reply.Headers["Retry-After"] = strconv.Itoa(p.retryAfter)
	}
	return reply
}

func marshal(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		// Strings always marshal.
		panic(fmt.Sprintf("answer: %v", err))
	}
	return string(text)
}
