package translation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"scaletozero/examples/translation/translation"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

const ttl = 30 * 24 * time.Hour

// world is a translator and a history, both of them in memory, and what they were
// asked.
type world struct {
	now time.Time
	// ids counts those that were given out.
	ids   byte
	rows  []translation.Entry
	steps []string
	log   bytes.Buffer

	// What goes wrong.
	translating, saving, reading error
	// slow is how long either step takes.
	slow time.Duration
}

func (w *world) api() *translation.API {
	return &translation.API{
		Translator: w, History: w, TTL: ttl, AllowOrigin: "https://app.example.com",
		Now: func() time.Time { return w.now }, NewID: w.newID, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
	}
}

func (w *world) newID(now time.Time) string {
	w.ids++
	return strings.TrimSuffix(translation.FirstID(now), "00") + fmt.Sprintf("%02x", w.ids)
}

func (w *world) step(ctx context.Context, name string, err error) error {
	w.steps = append(w.steps, name)
	if w.slow == 0 {
		return err
	}
	select {
	case <-time.After(w.slow):
		return err
	case <-ctx.Done():
		return fmt.Errorf("the %s call: %w", name, ctx.Err())
	}
}

func (w *world) Translate(ctx context.Context, text, from, to string) (string, error) {
	return fmt.Sprintf("%s (%s to %s)", text, from, to), w.step(ctx, "translate", w.translating)
}

func (w *world) Put(ctx context.Context, entry translation.Entry) error {
	if err := w.step(ctx, "put", w.saving); err != nil {
		return err
	}
	w.rows = append(w.rows, entry)
	return nil
}

func (w *world) Read(ctx context.Context, page translation.Page) ([]translation.Entry, bool, error) {
	oldest := translation.FirstID(page.Since)
	if page.Before != "" && page.Before <= oldest {
		// As DynamoDB does.
		return nil, false, errors.New("the provided starting key does not match the range key predicate")
	}
	var found []translation.Entry
	for _, row := range slices.Backward(w.rows) {
		if row.Caller == page.Caller && row.ID > oldest && (page.Before == "" || row.ID < page.Before) {
			found = append(found, row)
		}
	}
	more := len(found) > page.Limit
	return found[:min(len(found), page.Limit)], more, w.step(ctx, "read", w.reading)
}

var errBroken = errors.New("it is broken")

func post(body string) translation.Call {
	return translation.Call{
		Route: translation.RouteTranslate, Header: map[string]string{"content-type": "application/json; charset=utf-8"}, Body: body, Caller: "key-id", RequestID: "r",
	}
}

func get(query map[string]string) translation.Call {
	return translation.Call{Route: translation.RouteHistory, Query: query, Caller: "key-id", RequestID: "r"}
}

func newWorld(*testing.T) *world { return &world{now: began} }
