package translate_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awstranslate "github.com/aws/aws-sdk-go-v2/service/translate"
	"github.com/aws/aws-sdk-go-v2/service/translate/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/faults"
	"scaletozero/localcloud/translate"
)

// served is the stand-in as the real SDK reaches it, and its faults.
func served(t *testing.T) (*awstranslate.Client, *faults.Faults) {
	t.Helper()
	c, err := clock.New(clock.DefaultSpeed)
	require.NoError(t, err)
	wrong := faults.New(c, 1)
	server := httptest.NewServer(translate.New(translate.Options{Faults: wrong, Logger: slog.New(slog.DiscardHandler)}))
	t.Cleanup(server.Close)
	return awstranslate.New(awstranslate.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}), wrong
}

func ask(ctx context.Context, client *awstranslate.Client, text, from, to string) (*awstranslate.TranslateTextOutput, error) {
	return client.TranslateText(ctx, &awstranslate.TranslateTextInput{Text: &text, SourceLanguageCode: &from, TargetLanguageCode: &to})
}

func TestAnswersSayWhatTheyAre(t *testing.T) {
	client, _ := served(t)
	for range 2 {
		got, err := ask(t.Context(), client, "今日は \"犬\" <&>\n", "ja", "en")
		require.NoError(t, err)
		assert.Equal(t, "[localcloud does not translate, ja to en] 今日は \"犬\" <&>\n", *got.TranslatedText)
		assert.Equal(t, "ja", *got.SourceLanguageCode)
		assert.Equal(t, "en", *got.TargetLanguageCode)
	}
	// The SDK closes a request's body once the answer has begun, and Go's transport
	// looks for its end after all of it is sent: where an answer comes as fast as
	// here, it may find it closed, and closes the connection under a long answer. By
	// default the SDK asks again.
	patient := awstranslate.New(client.Options(), func(o *awstranslate.Options) { o.RetryMaxAttempts = retry.DefaultMaxAttempts })
	_, err := ask(t.Context(), patient, strings.Repeat("犬", 3333)+"a", "zh-TW", "zh-TW")
	assert.NoError(t, err, "10,000 bytes are not too many, and a language goes into itself")
}

func TestRefusals(t *testing.T) {
	client, _ := served(t)
	for _, test := range []struct {
		name, text, from, to string
		code, message        string
	}{
		{"a byte too many", strings.Repeat("a", 10_001), "ja", "en", "TextSizeLimitExceededException", "10001 bytes"},
		{"a language nobody knows", "a", "xx", "en", "UnsupportedLanguagePairException", "xx to en"},
		{"into one", "a", "ja", "xx-YY", "UnsupportedLanguagePairException", "ja to xx-YY"},
		{"a language to be found out", "a", "auto", "en", "InvalidRequestException", "localcloud detects no language"},
		{"no text", "", "ja", "en", "ValidationException", "'text' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"a short code", "a", "j", "en", "ValidationException", "'sourceLanguageCode' failed"},
		{"a long code", "a", "ja", "english", "ValidationException", "'targetLanguageCode' failed to satisfy constraint: Member must have length less than or equal to 5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ask(t.Context(), client, test.text, test.from, test.to)
			var refused smithy.APIError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, test.code, refused.ErrorCode())
			assert.Contains(t, refused.ErrorMessage(), test.message)
		})
	}
	var long *types.TextSizeLimitExceededException
	_, err := ask(t.Context(), client, strings.Repeat("a", 10_001), "ja", "en")
	assert.ErrorAs(t, err, &long, "the SDK knows the error")
	var pair *types.UnsupportedLanguagePairException
	_, err = ask(t.Context(), client, "a", "xx", "en")
	assert.ErrorAs(t, err, &pair)
}

// What is not implemented must not look as if it were.
func TestNothingElseIsImplemented(t *testing.T) {
	client, _ := served(t)
	code := func(err error) string {
		var refused smithy.APIError
		require.ErrorAs(t, err, &refused)
		return refused.ErrorCode()
	}
	_, err := client.ListLanguages(t.Context(), &awstranslate.ListLanguagesInput{})
	assert.Equal(t, "UnknownOperationException", code(err))
	_, err = client.TranslateText(t.Context(), &awstranslate.TranslateTextInput{
		Text: aws.String("a"), SourceLanguageCode: aws.String("ja"), TargetLanguageCode: aws.String("en"), TerminologyNames: []string{"ours"},
	})
	assert.Equal(t, "SerializationException", code(err))

	// The SDK would not let this one out.
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"Text":"a","SourceLanguageCode":"ja"}`))
	request.Header.Set("X-Amz-Target", "AWSShineFrontendService_20170701.TranslateText")
	translate.New(translate.Options{}).ServeHTTP(recorder, request)
	assert.Equal(t, http.StatusBadRequest, recorder.Code)
	assert.Contains(t, recorder.Body.String(), "'targetLanguageCode' failed to satisfy constraint: Member must not be null")
	assert.Equal(t, "application/x-amz-json-1.1", recorder.Header().Get("Content-Type"))
}

func TestFaults(t *testing.T) {
	client, wrong := served(t)
	require.NoError(t, wrong.Add(faults.Fault{Kind: faults.Throttling, Component: translate.Component}))
	var many *types.TooManyRequestsException
	_, err := ask(t.Context(), client, "a", "ja", "en")
	assert.ErrorAs(t, err, &many)

	require.NoError(t, wrong.Add(faults.Fault{Kind: faults.Service5xx, Component: translate.Component}))
	_, err = ask(t.Context(), client, "a", "ja", "en")
	var answered *smithyhttp.ResponseError
	require.ErrorAs(t, err, &answered)
	assert.Equal(t, http.StatusInternalServerError, answered.HTTPStatusCode())

	require.NoError(t, wrong.Add(faults.Fault{Kind: faults.Throttling, Component: "music"}))
	_, err = ask(t.Context(), client, "a", "ja", "en")
	assert.NoError(t, err, "that fault is somebody else's")
}
