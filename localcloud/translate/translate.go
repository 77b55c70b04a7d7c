// Package translate is a stand-in for Amazon Translate: it speaks the service's
// wire protocol, AWS JSON 1.1, with its limits and errors, and translates nothing.
// Its answers say so and hold the text as it was, so that nobody takes them for a
// translation and tests can tell whose they are.
//
// TranslateText is implemented, between two languages that are both named. The
// detection of a language ("auto"), terminologies, settings and every other
// operation are refused.
package translate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"unicode/utf8"

	"github.com/aws/smithy-go"

	"scaletozero/localcloud/awsjson"
	"scaletozero/localcloud/faults"
)

// Component is what the service is called where a fault is for one component.
const Component = "translate"

// maxText is in bytes of UTF-8 (developer guide, "Guidelines and quotas"), and
// codes are of that many characters (API reference, "TranslateText").
const (
	maxText          = 10_000
	minCode, maxCode = 2, 5
)

// Options configures a Service.
type Options struct {
	// Faults says what goes wrong; nil for nothing. Throttling and Service5xx are
	// heeded.
	Faults *faults.Faults
	// Logger takes what goes wrong; the default is slog.Default().
	Logger *slog.Logger
}

// Service answers TranslateText. It has no state.
type Service struct {
	faults *faults.Faults
	served http.Handler
}

// New makes a Service.
func New(options Options) *Service {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	s := &Service{faults: options.Faults}
	s.served = &awsjson.Service{
		Version: "1.1", Target: "AWSShineFrontendService_20170701.",
		Operations: map[string]awsjson.Operation{"TranslateText": awsjson.Of(s.translateText)},
		Logger:     options.Logger,
	}
	return s
}

// ServeHTTP answers AWS JSON 1.1, whatever the path. Requests need no signature.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.served.ServeHTTP(w, r) }

type input struct {
	Text, SourceLanguageCode, TargetLanguageCode *string
}

type output struct {
	TranslatedText, SourceLanguageCode, TargetLanguageCode string
}

// answer is what a text becomes.
func answer(text, from, to string) string {
	return fmt.Sprintf("[localcloud does not translate, %s to %s] %s", from, to, text)
}

func (s *Service) translateText(_ context.Context, in input) (any, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	for _, member := range []struct {
		name     string
		value    *string
		low, top int
	}{
		{"text", in.Text, 1, 0},
		{"sourceLanguageCode", in.SourceLanguageCode, minCode, maxCode},
		{"targetLanguageCode", in.TargetLanguageCode, minCode, maxCode},
	} {
		if err := checkLength(member.name, member.value, member.low, member.top); err != nil {
			return nil, err
		}
	}
	text, from, to := *in.Text, *in.SourceLanguageCode, *in.TargetLanguageCode
	if len(text) > maxText {
		return nil, refusal("TextSizeLimitExceededException",
			"The text has %d bytes; at most %d are translated at once", len(text), maxText)
	}
	if from == detect {
		return nil, refusal("InvalidRequestException", "localcloud detects no language: name the source language")
	}
	for _, code := range []string{from, to} {
		if !languages[code] {
			return nil, refusal("UnsupportedLanguagePairException", "Unsupported language pair: %s to %s.", from, to)
		}
	}
	return output{answer(text, from, to), from, to}, nil
}

// fault is what goes wrong on demand.
func (s *Service) fault() error {
	if s.faults.Happens(faults.Throttling, Component) {
		return refusal("TooManyRequestsException", "Too many requests were made within a short time. Wait a moment before the next.")
	}
	if s.faults.Happens(faults.Service5xx, Component) {
		return errors.New("a fault that was asked for")
	}
	return nil
}

// checkLength holds Smithy's constraints on a text that is required, in
// characters; top 0 is no upper bound.
func checkLength(name string, value *string, low, top int) error {
	switch {
	case value == nil:
		return refusal("ValidationException", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name)
	case utf8.RuneCountInString(*value) < low:
		return refusal("ValidationException", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", *value, name, low)
	case top > 0 && utf8.RuneCountInString(*value) > top:
		return refusal("ValidationException", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", *value, name, top)
	}
	return nil
}

func refusal(code, format string, values ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, values...)}
}
