// Package amazon is where the translation API meets AWS: Amazon Translate is its
// translator, and a DynamoDB table its history.
package amazon

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/translate"
	"github.com/aws/smithy-go"

	"scaletozero/examples/translation/translation"
)

// Translator is a translation.Translator.
type Translator struct{ client *translate.Client }

var _ translation.Translator = (*Translator)(nil)

// NewTranslator returns Amazon Translate. The SDK tries again, up to three times in
// all, where that can help.
func NewTranslator(config aws.Config) *Translator {
	return &Translator{translate.NewFromConfig(config)}
}

// Translate is described at translation.Translator.
func (t *Translator) Translate(ctx context.Context, text, from, to string) (string, error) {
	out, err := t.client.TranslateText(ctx, &translate.TranslateTextInput{
		Text: &text, SourceLanguageCode: &from, TargetLanguageCode: &to,
	})
	if err != nil {
		return "", failureOf(err)
	}
	return aws.ToString(out.TranslatedText), nil
}

// kinds are the errors of TranslateText that say more than that it failed (Amazon
// Translate API reference, "TranslateText" and "Common Error Types").
var kinds = map[string]error{
	"InvalidRequestException":          translation.ErrRefused,
	"ServiceUnavailableException":      translation.ErrBusy,
	"TextSizeLimitExceededException":   translation.ErrTooLong,
	"ThrottlingException":              translation.ErrBusy,
	"TooManyRequestsException":         translation.ErrBusy,
	"UnsupportedLanguagePairException": translation.ErrLanguages,
	"ValidationException":              translation.ErrRefused,
}

// failureOf leaves out Amazon Translate's own words where they are about the
// request, since they may repeat its text.
func failureOf(err error) error {
	var answered smithy.APIError
	if errors.As(err, &answered) && kinds[answered.ErrorCode()] != nil {
		return fmt.Errorf("%w: Amazon Translate answered %s", kinds[answered.ErrorCode()], answered.ErrorCode())
	}
	return fmt.Errorf("asking Amazon Translate: %w", err)
}
