package amazon_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/examples/translation/amazon"
	"scaletozero/examples/translation/translation"
	"scaletozero/localcloud/translate"
)

func configured(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	}
}

// The stand-in's answers are made to be told apart from a translation.
func TestTheStandInIsAsked(t *testing.T) {
	server := httptest.NewServer(translate.New(translate.Options{Logger: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	translator := amazon.NewTranslator(configured(server.URL))
	got, err := translator.Translate(t.Context(), "犬", "ja", "en")
	require.NoError(t, err)
	assert.Equal(t, "[localcloud does not translate, ja to en] 犬", got)

	_, err = translator.Translate(t.Context(), strings.Repeat("a", translation.MaxTextBytes), "ja", "en")
	assert.NoError(t, err, "the limit is the same on both sides")
	_, err = translator.Translate(t.Context(), strings.Repeat("a", translation.MaxTextBytes+1), "ja", "en")
	assert.ErrorIs(t, err, translation.ErrTooLong)
	_, err = translator.Translate(t.Context(), "犬", "ja", "xx")
	assert.ErrorIs(t, err, translation.ErrLanguages)
	_, err = translator.Translate(t.Context(), "犬", "auto", "en")
	assert.ErrorIs(t, err, translation.ErrRefused)
}

func TestErrorsOfAmazonTranslate(t *testing.T) {
	for _, test := range []struct {
		code   string
		status int
		want   error
	}{
		{"TooManyRequestsException", 400, translation.ErrBusy},
		{"ThrottlingException", 400, translation.ErrBusy},
		{"ServiceUnavailableException", 500, translation.ErrBusy},
		{"ValidationException", 400, translation.ErrRefused},
		{"InternalServerException", 500, nil},
		{"AccessDeniedException", 400, nil},
	} {
		t.Run(test.code, func(t *testing.T) {
			answering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(test.status)
				_, err := fmt.Fprintf(w, `{"__type":%q,"message":"the words of the service"}`, test.code)
				assert.NoError(t, err)
			}))
			defer answering.Close()
			_, err := amazon.NewTranslator(configured(answering.URL)).Translate(t.Context(), "犬", "ja", "en")
			if test.want != nil {
				assert.ErrorIs(t, err, test.want)
				assert.NotContains(t, err.Error(), "the words of the service", "they may repeat the text")
				return
			}
			assert.ErrorContains(t, err, "asking Amazon Translate: ")
			assert.ErrorContains(t, err, "the words of the service")
			for _, known := range []error{translation.ErrBusy, translation.ErrRefused, translation.ErrTooLong, translation.ErrLanguages} {
				assert.NotErrorIs(t, err, known)
			}
		})
	}
}

func TestATranslatorThatIsTooSlow(t *testing.T) {
	done := make(chan struct{})
	answering := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer answering.Close()
	defer close(done)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := amazon.NewTranslator(configured(answering.URL)).Translate(ctx, "犬", "ja", "en")
	assert.ErrorIs(t, err, context.DeadlineExceeded, "it is told apart from a translator that failed")
}
