package translation

import (
	"context"
	"errors"
	"time"
)

// Entry is one translation, as the history keeps it.
type Entry struct {
	// Caller is whose it is: the id, not the value, of an API key.
	Caller string
	// ID is of NewID, and so later than those of earlier entries.
	ID string
	// Text is in the language From, and Translated in To: codes of Amazon
	// Translate such as ja and zh-TW.
	Text, Translated string
	From, To         string
	// CreatedAt is to the millisecond, and ExpiresAt to the second.
	CreatedAt, ExpiresAt time.Time
}

// Translator translates.
type Translator interface {
	// Translate returns the text in another language. Any error but those below is
	// the translator's own failure. None repeats the text.
	Translate(ctx context.Context, text, from, to string) (string, error)
}

// What Translate can say besides that it failed; any of them may be wrapped.
var (
	// ErrLanguages is that there is no translation between the two languages.
	ErrLanguages = errors.New("the languages cannot be translated into each other")
	// ErrRefused is that the translator does not take the text as it is.
	ErrRefused = errors.New("the text was refused")
	// ErrTooLong is that the text is longer than the translator takes.
	ErrTooLong = errors.New("the text is too long")
	// ErrBusy is that the translator takes no more at the moment.
	ErrBusy = errors.New("the translator is busy")
)

// Page is a part of a caller's history.
type Page struct {
	Caller string
	// Since leaves out what is older.
	Since time.Time
	// Before is the id of an entry that the page follows, and later than FirstID of
	// Since, since DynamoDB begins nowhere else; empty for the newest.
	Before string
	// Limit is how many entries the page has at most.
	Limit int
}

// History keeps what was translated for each caller. A page has every entry whose
// Put has returned.
type History interface {
	// Put writes an entry. To do so twice is to do so once.
	Put(ctx context.Context, entry Entry) error
	// Read returns a page, the newest entry first, and whether there is more
	// behind it.
	Read(ctx context.Context, page Page) (entries []Entry, more bool, err error)
}
