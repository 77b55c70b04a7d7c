package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// front stands before moto for what moto does not do: moto 5.2.5 knows no
// inference components, and its endpoint never refuses. All other calls of SQS
// and SageMaker go through to moto; the delays of messages are noted on the way,
// because nobody can ask SQS for them.
type front struct {
	t        *testing.T
	url      string
	endpoint string

	mu sync.Mutex
	// refusals are answers to the next calls of InvokeEndpoint.
	refusals []refusal
	// invoked counts calls of InvokeEndpoint, answered ones that reached moto.
	invoked, answered int
	// copies is the component's desired number, there those that it has, and asked
	// how often the former was set.
	copies, there, asked int
	// held, if not nil, is told of the next call of InvokeEndpoint, which then
	// gets no answer.
	held chan struct{}
	// delays are those that messages were given, in seconds, in order.
	delays []int
}

// refusal is an error of SageMaker's runtime.
type refusal struct {
	status int
	code   string
	body   string
}

// Words are SageMaker's: for a component without copies (AWS machine learning
// blog on scaling to zero), and for a model that fails.
var (
	noCapacity = refusal{http.StatusBadRequest, "ValidationError", `{"Message":"Inference Component has no capacity to process this request. ` +
		`ApplicationAutoScaling may be in-progress (if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."}`}
	notReady   = refusal{http.StatusTooManyRequests, "ModelNotReadyException", `{"Message":"wait"}`}
	throttled  = refusal{http.StatusBadRequest, "ThrottlingException", `{"message":"Rate exceeded"}`}
	overloaded = refusal{http.StatusServiceUnavailable, "ServiceUnavailable", `{"Message":"try again"}`}
	modelError = refusal{http.StatusFailedDependency, "ModelError", `{
		"Message": "Received server error (500) from model with message \"boom\". See https://us-east-1.console.aws.amazon.com/cloudwatch in account 123456789012 for more information.",
		"OriginalStatusCode": 500, "OriginalMessage": "boom",
		"LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/InferenceComponents/music"}`}
	notAllowed = refusal{http.StatusForbidden, "AccessDeniedException", `{"Message":"not authorized to perform: sagemaker:InvokeEndpoint"}`}
)

func newFront(t *testing.T, endpoint string) *front {
	t.Helper()
	target, err := url.Parse(shared.moto)
	require.NoError(t, err)
	f := &front{t: t, endpoint: endpoint, copies: 1, there: 1}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/invocations"):
			assert.Equal(t, "/endpoints/"+endpoint+"/invocations", r.URL.Path)
			assert.Equal(t, component, r.Header.Get("X-Amzn-SageMaker-Inference-Component"))
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
			refused, held := f.next()
			switch {
			case held != nil:
				// Only a request that was read to its end is noticed to be over.
				_, err := io.Copy(io.Discard, r.Body)
				assert.NoError(t, err)
				close(held)
				<-r.Context().Done()
				return
			case refused != nil:
				refused.write(w)
				return
			}
			proxy.ServeHTTP(w, r)
		case r.Header.Get("X-Amz-Target") == "SageMaker.DescribeInferenceComponent":
			f.describe(w, r)
		case r.Header.Get("X-Amz-Target") == "SageMaker.UpdateInferenceComponentRuntimeConfig":
			f.update(w, r)
		case r.Header.Get("X-Amz-Target") == "AmazonSQS.ChangeMessageVisibility":
			f.note(r)
			proxy.ServeHTTP(w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// refuse has the next calls of InvokeEndpoint fail.
func (f *front) refuse(refusals ...refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals = refusals
}

// scale sets how many copies the component shall have and has.
func (f *front) scale(copies int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.copies, f.there = copies, copies
}

// hold has the next call of InvokeEndpoint hang; the channel is closed then.
func (f *front) hold() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = make(chan struct{})
	return f.held
}

// next is what is to become of a call; of two nils, it goes to moto.
func (f *front) next() (refused *refusal, held chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.invoked++
	held, f.held = f.held, nil
	switch {
	case held != nil:
	case len(f.refusals) > 0:
		refused = &f.refusals[0]
		f.refusals = f.refusals[1:]
	default:
		f.answered++
	}
	return refused, held
}

func (r refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", r.code)
	w.WriteHeader(r.status)
	fmt.Fprint(w, r.body)
}

func (f *front) describe(w http.ResponseWriter, r *http.Request) {
	var request struct{ InferenceComponentName string }
	f.decode(r, &request)
	assert.Equal(f.t, component, request.InferenceComponentName)
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fmt.Fprintf(w, `{"InferenceComponentName":%q,"InferenceComponentStatus":"InService","RuntimeConfig":{"DesiredCopyCount":%d,"CurrentCopyCount":%d}}`,
		component, f.copies, f.there)
}

func (f *front) update(w http.ResponseWriter, r *http.Request) {
	var request struct {
		InferenceComponentName string
		DesiredRuntimeConfig   struct{ CopyCount int }
	}
	f.decode(r, &request)
	assert.Equal(f.t, component, request.InferenceComponentName)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.copies = request.DesiredRuntimeConfig.CopyCount
	f.asked++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fmt.Fprintf(w, `{"InferenceComponentArn":"arn:aws:sagemaker:us-east-1:123456789012:inference-component/%s"}`, component)
}

// note reads the delay and leaves the request as it was.
func (f *front) note(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(f.t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var request struct{ VisibilityTimeout int }
	assert.NoError(f.t, json.Unmarshal(body, &request))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delays = append(f.delays, request.VisibilityTimeout)
}

// noted are the delays since the last call.
func (f *front) noted() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	delays := f.delays
	f.delays = nil
	return delays
}

func (f *front) decode(r *http.Request, into any) {
	body, err := io.ReadAll(r.Body)
	if assert.NoError(f.t, err) {
		assert.NoError(f.t, json.Unmarshal(body, into))
	}
}

// counts are copied under the lock.
func (f *front) counts() (invoked, answered, asked, copies int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.invoked, f.answered, f.asked, f.copies
}
