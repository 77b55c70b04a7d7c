package endpoint_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inMemory sends requests to a handler without the network.
type inMemory struct{ http.Handler }

func (h inMemory) Do(request *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder.Result(), nil
}

// client is AWS's own, with the runtime behind it.
func (w *world) client() *sagemaker.Client {
	return sagemaker.New(sagemaker.Options{
		Region: "ap-northeast-1", BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: inMemory{w.Control()}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
}

func (w *world) describe(name string) (*sagemaker.DescribeInferenceComponentOutput, error) {
	return w.client().DescribeInferenceComponent(w.t.Context(), &sagemaker.DescribeInferenceComponentInput{InferenceComponentName: &name})
}

func (w *world) ask(name string, copies int32) error {
	_, err := w.client().UpdateInferenceComponentRuntimeConfig(w.t.Context(), &sagemaker.UpdateInferenceComponentRuntimeConfigInput{
		InferenceComponentName: &name, DesiredRuntimeConfig: &types.InferenceComponentRuntimeConfig{CopyCount: &copies},
	})
	return err
}

func TestControl(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		state := func() (status string, desired, current int32) {
			d, err := w.describe("music")
			require.NoError(t, err)
			return string(d.InferenceComponentStatus), *d.RuntimeConfig.DesiredCopyCount, *d.RuntimeConfig.CurrentCopyCount
		}
		check := func(wantStatus string, wantDesired, wantCurrent int32) {
			t.Helper()
			status, desired, current := state()
			assert.Equal(t, []any{wantStatus, wantDesired, wantCurrent}, []any{status, desired, current})
		}
		w.launcher.StartTime = time.Second
		applied := make(chan error)
		go func() { applied <- w.Apply(t.Context(), component()) }()
		synctest.Wait()
		check("Creating", 1, 0)
		require.NoError(t, <-applied)
		check("InService", 1, 1)

		require.NoError(t, w.SetDesiredCopies("music", 0))
		w.pass(time.Minute)
		check("InService", 0, 0)
		require.NoError(t, w.ask("music", 1))
		w.pass(time.Second)
		check("Updating", 1, 0)
		require.ErrorContains(t, w.ask("music", 2), `ValidationException: Cannot update in-progress inference component "arn:aws:sagemaker:ap-northeast-1:123456789012:inference-component/music".`)
		w.pass(10 * time.Minute)
		check("InService", 1, 1)
		assert.Equal(t, http.StatusOK, w.invoke().Code)

		d, err := w.describe("music")
		require.NoError(t, err)
		assert.Equal(t, "arn:aws:sagemaker:ap-northeast-1:123456789012:inference-component/music", *d.InferenceComponentArn)
		assert.Equal(t, "arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/music-endpoint", *d.EndpointArn)
		assert.Equal(t, "music-endpoint AllTraffic", *d.EndpointName+" "+*d.VariantName)
		assert.WithinDuration(t, w.clock.Now(), *d.LastModifiedTime, 15*time.Minute)
		assert.True(t, d.CreationTime.Before(*d.LastModifiedTime))
	})
}

func TestControlRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Apply(t.Context(), component()))
		_, err := w.describe("other")
		require.ErrorContains(t, err, `ValidationException: Could not find inference component "arn:aws:sagemaker:ap-northeast-1:123456789012:inference-component/other".`)
		require.ErrorContains(t, w.ask("other", 1), "ValidationException: Could not find inference component")
		require.ErrorContains(t, w.ask("music", 0), "ValidationException: CopyCount is 0: the service accepts only an integer larger than 0")
		_, err = w.describe("no_name")
		require.ErrorContains(t, err, `InferenceComponentName is "no_name"`)

		for _, test := range []struct{ target, body, want string }{
			{"SageMaker.CreateEndpoint", "{}", "UnknownOperationException"},
			{"", "{}", "UnknownOperationException"},
			{"SageMaker.DescribeInferenceComponent", "music", "SerializationException"},
			{"SageMaker.UpdateInferenceComponentRuntimeConfig", `{"InferenceComponentName":"music"}`, "DesiredRuntimeConfig.CopyCount is missing"},
		} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(test.body))
			request.Header.Set("X-Amz-Target", test.target)
			got := httptest.NewRecorder()
			w.Control().ServeHTTP(got, request)
			assert.Equal(t, http.StatusBadRequest, got.Code)
			assert.Contains(t, got.Body.String(), test.want)
		}
	})
}
