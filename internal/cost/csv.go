package cost

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// header is the first line of a trace.
var header = []string{"time", "requests_per_minute"}

// maxRate is far more than API Gateway lets through by default, 600,000 a minute
// for an account; it catches a slip of the finger.
const maxRate = 1_000_000

// ReadTrace reads a trace from CSV: a header, time,requests_per_minute, and rows
// of a time and the rate from then until the next row. The last row lasts as long
// as the one before it; a row alone, a minute. Requests are evenly spaced. A time
// is 2026-06-01T09:00:00+09:00 or, in Tokyo, 2026-06-01 09:00.
//
// Errors: everything that is wrong, each with its line and column.
func ReadTrace(name string, text io.Reader) (*Trace, error) {
	r := &reader{name: name, csv: csv.NewReader(text), trace: &Trace{Name: name}}
	r.csv.FieldsPerRecord = -1
	for first := true; ; first = false {
		record, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if wrong := new(csv.ParseError); errors.As(err, &wrong) {
			// What comes after a quote that is not closed makes no sense.
			r.problems = append(r.problems, fmt.Errorf("trace %s, line %d, column %d: this is no CSV (%w)", name, wrong.Line, wrong.Column, wrong.Err))
			break
		}
		if err != nil {
			return nil, fmt.Errorf("trace %s cannot be read: %w", name, err)
		}
		if first {
			r.header(record)
		} else {
			r.row(record)
		}
	}
	rates := r.trace.rates
	if len(r.problems) == 0 && len(rates) == 0 {
		r.problems = append(r.problems, fmt.Errorf("trace %s has no rows: below the line time,requests_per_minute, give one such as 2026-06-01 09:00,12", name))
	}
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	last := rates[len(rates)-1].from
	r.trace.Start, r.trace.End = rates[0].from, last.Add(time.Minute)
	if len(rates) > 1 {
		r.trace.End = last.Add(last.Sub(rates[len(rates)-2].from))
	}
	return r.trace, nil
}

// reader collects a trace and what is wrong with it.
type reader struct {
	name     string
	csv      *csv.Reader
	trace    *Trace
	problems []error
}

func (r *reader) refuse(field int, format string, values ...any) {
	line, column := r.csv.FieldPos(field)
	r.problems = append(r.problems, fmt.Errorf("trace %s, line %d, column %d: %s", r.name, line, column, fmt.Sprintf(format, values...)))
}

func (r *reader) header(record []string) {
	if !slices.Equal(record, header) {
		r.refuse(0, "the first line has to be time,requests_per_minute")
	}
}

func (r *reader) row(record []string) {
	if len(record) != len(header) {
		r.refuse(0, "the row has %d fields; give two, a time and the requests per minute", len(record))
		return
	}
	at, known := parseTime(record[0])
	if !known {
		r.refuse(0, "the time is %q; give one such as 2026-06-01 09:00, in Tokyo, or 2026-06-01T09:00:00+09:00", record[0])
	}
	perMinute, err := strconv.ParseFloat(record[1], 64)
	// Written so that NaN, which compares with nothing, is refused too.
	if err != nil || !(perMinute >= 0 && perMinute <= maxRate) {
		r.refuse(1, "the rate is %q; give requests per minute as a number from 0 to %d", record[1], maxRate)
	}
	if before := len(r.trace.rates) - 1; known && before >= 0 && !at.After(r.trace.rates[before].from) {
		r.refuse(0, "the time %s is not after that of the row before; sort the rows by time, each time once", record[0])
		return
	}
	if known {
		r.trace.rates = append(r.trace.rates, rate{at, perMinute})
	}
}

func parseTime(text string) (at time.Time, known bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, tokyo()); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
