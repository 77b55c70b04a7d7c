package endpoint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/localcloud/clock"
	"scaletozero/localcloud/endpoint"
)

// The test binary plays three parts: the tests, the model process that they
// run (fakeModel), and a program that hosts a runtime and is killed (fakeHost).
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("SAGEMAKER_BIND_TO_PORT") != "":
		fakeModel()
	case os.Getenv("FAKE_HOST") != "":
		fakeHost()
	default:
		os.Exit(m.Run())
	}
}

// modelAnswer is what a fake model tells about itself.
type modelAnswer struct {
	Port    int
	Headers http.Header
	Env     []string
}

// fakeModel is a container whose environment decides how it starts and stops,
// and whose requests decide how it answers.
func fakeModel() {
	if path := os.Getenv("BROKEN_WHILE_EXISTS"); path != "" {
		if _, err := os.Stat(path); err == nil {
			log.Fatal("the model is broken")
		}
	}
	if os.Getenv("IGNORE_SIGTERM") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	port := os.Getenv("SAGEMAKER_BIND_TO_PORT")
	http.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("NEVER_HEALTHY") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/invocations", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		verb, argument, _ := strings.Cut(string(body), " ")
		switch verb {
		case "exit":
			os.Exit(1)
		case "status":
			status, err := strconv.Atoi(argument)
			if err != nil {
				log.Fatal(err)
			}
			http.Error(w, "out of memory", status)
			return
		case "hold":
			// The answer waits until the test answers.
			response, err := http.Get(argument)
			if err != nil {
				log.Fatal(err)
			}
			response.Body.Close()
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			log.Fatal(err)
		}
		w.Header().Set("Content-Type", "application/vnd.model+json")
		w.Header().Set("X-Amzn-SageMaker-Custom-Attributes", "from-the-model")
		w.Header().Set("X-Internal", "hidden")
		_ = json.NewEncoder(w).Encode(modelAnswer{Port: number, Headers: r.Header, Env: os.Environ()})
	})
	fmt.Println("the model starts")
	log.Fatal(http.ListenAndServe(net.JoinHostPort(os.Getenv("BIND_HOST"), port), nil))
}

// cloud is a runtime together with the HTTP server in front of it.
type cloud struct {
	*endpoint.Runtime
	url    string
	logDir string
	// log takes what the runtime logs.
	log *syncBuffer
}

func newCloud(t *testing.T, options endpoint.Options) *cloud {
	t.Helper()
	c := &cloud{logDir: t.TempDir(), log: &syncBuffer{}}
	options.LogDir = c.logDir
	options.Logger = slog.New(slog.NewTextHandler(c.log, nil))
	if options.Command == nil {
		options.Command = []string{os.Args[0]}
	}
	// Real processes do not wait for AWS's minutes.
	fast, err := clock.New(10_000)
	require.NoError(t, err)
	options.Clock = fast
	c.Runtime = endpoint.New(options)
	server := httptest.NewServer(c.Runtime)
	c.url = server.URL
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		server.Close()
	})
	require.NoError(t, c.ApplyEndpoint(t.Context(), musicEndpoint()))
	return c
}

// musicEndpoint has room for four copies of component() on each of its instances.
func musicEndpoint(change ...func(*endpoint.Endpoint)) endpoint.Endpoint {
	e := endpoint.Endpoint{Name: "music-endpoint", InstanceType: "ml.m5.xlarge", InitialInstances: 1, MaxInstances: 3}
	for _, f := range change {
		f(&e)
	}
	return e
}

// component is the one most tests use; change alters it.
func component(change ...func(*endpoint.Component)) endpoint.Component {
	c := endpoint.Component{
		Name: "music", Endpoint: "music-endpoint", Image: "music:1", Copies: 1, StartupTimeout: 10 * time.Minute,
		Needs: endpoint.Requirements{CPUCores: 1, MemoryMB: 1024},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func environment(name, value string) func(*endpoint.Component) {
	return func(c *endpoint.Component) { c.Environment = map[string]string{name: value} }
}

func copies(n int) func(*endpoint.Component) {
	return func(c *endpoint.Component) { c.Copies = n }
}

func image(name string) func(*endpoint.Component) {
	return func(c *endpoint.Component) { c.Image = name }
}

type reply struct {
	status int
	header http.Header
	body   string
}

// invoke sends one inference to the component music.
func (c *cloud) invoke(t *testing.T, body string) reply {
	t.Helper()
	got, err := send(c.request(body))
	require.NoError(t, err)
	return got
}

func (c *cloud) request(body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, c.url+"/endpoints/music-endpoint/invocations", strings.NewReader(body))
	request.RequestURI = "" // A client's request has none.
	request.Header.Set("X-Amzn-SageMaker-Inference-Component", "music")
	return request
}

func send(request *http.Request) (reply, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body)}, err
}

// ask has a model describe itself, which must succeed.
func (c *cloud) ask(t *testing.T) modelAnswer {
	t.Helper()
	got := c.invoke(t, "describe")
	require.Equal(t, http.StatusOK, got.status, got.body)
	var model modelAnswer
	require.NoError(t, json.Unmarshal([]byte(got.body), &model))
	return model
}

// held is a request that a model keeps outstanding until release is called.
type held struct {
	release func()
	answer  chan reply
}

// hold returns once the model has begun to work on the request.
func (c *cloud) hold(t *testing.T) held {
	t.Helper()
	arrived, released := make(chan struct{}), make(chan struct{})
	gate := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(gate.Close)
	h := held{release: func() { close(released) }, answer: make(chan reply, 1)}
	go func() {
		got, err := send(c.request("hold " + gate.URL))
		assert.NoError(t, err)
		h.answer <- got
	}()
	within(t, arrived, "the request to reach the model")
	return h
}

// within waits for a channel, with a deadline that only a failure reaches.
func within[T any](t *testing.T, channel <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-channel:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "timed out waiting for "+what)
	}
	return value
}

// listening tells whether a model still answers on the port.
func listening(port int) bool {
	connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// syncBuffer is a bytes.Buffer for a writer and a reader at the same time.
type syncBuffer struct {
	lock   sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.buffer.String()
}
