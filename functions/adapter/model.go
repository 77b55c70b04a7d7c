package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"
	"unicode/utf8"
)

const jsonType = "application/json"

// The model is asked whether it is ready this often, and has this long to say so,
// which is SageMaker's own limit (AWS page "Custom Inference Code with Hosting
// Services").
const (
	pingInterval = 50 * time.Millisecond
	pingTimeout  = 2 * time.Second
)

// endGrace is the wait for the end of a model that has closed a connection: of a
// process that ends, the connections go first.
const endGrace = time.Second

// maxAnswer is the largest answer of a function, in bytes (Lambda quotas). What
// the model says becomes a string inside it.
const maxAnswer = 6291556

// state is how far the model is.
type state string

const (
	starting state = "starting"
	ready    state = "ready"
	died     state = "ended"
)

// model is a model that was started.
type model struct {
	command *exec.Cmd
	client  *http.Client
	// address is that of the model's HTTP server, without a slash at the end.
	address string
	// ready is closed once the model has said that it is, died once its process
	// has ended.
	ready, died chan struct{}
	// status describes how the process ended, once died is closed: "exit status 1".
	status string
	// kill sends SIGKILL to the process and its children, and returns at once.
	kill func()
	// ended tells that end was called.
	ended bool
}

func newModel(address string, transport http.RoundTripper) *model {
	return &model{
		client: &http.Client{
			Transport: transport,
			// The model answers; it does not send the adapter elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		address: address, ready: make(chan struct{}), died: make(chan struct{}),
	}
}

// newTransport is how a model is reached.
func newTransport() *http.Transport {
	return &http.Transport{
		// A connection that was idle while Lambda halted both ends may be closed by
		// the model in the moment that it is used again.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

// end kills the model. It is not asked any more, and died is closed later.
func (m *model) end() {
	m.ended = true
	m.kill()
}

// watch closes ready as soon as the model says that it is.
func (m *model) watch() {
	for !m.healthy() {
		select {
		case <-m.died:
			return
		case <-time.After(pingInterval):
		}
	}
	close(m.ready)
}

func (m *model) healthy() bool {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.address+"/ping", nil)
	if err != nil {
		return false
	}
	response, err := m.client.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// await returns what the model has become, or that it is still starting when
// enough comes.
func (m *model) await(enough <-chan time.Time) state {
	select {
	case <-m.died:
	case <-m.ready:
	case <-enough:
	}
	switch {
	case closed(m.died):
		return died
	case closed(m.ready) && !m.ended:
		return ready
	}
	return starting
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// said is an answer of the model that can be handed on.
type said struct{ body, contentType string }

// invoke asks the model. The error is context.DeadlineExceeded where it did not
// answer until then, and otherwise says how it failed, without its words.
func (m *model) invoke(ctx context.Context, body []byte) (said, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.address+"/invocations", bytes.NewReader(body))
	if err != nil {
		return said{}, err
	}
	request.Header.Set("Content-Type", jsonType)
	request.Header.Set("Accept", jsonType)
	response, err := m.client.Do(request)
	if err != nil {
		return said{}, m.broken(ctx, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return said{}, m.broken(ctx, err)
	case response.StatusCode/100 != 2:
		return said{}, fmt.Errorf("the model answered with status %d", response.StatusCode)
	case len(content) > maxAnswer:
		return said{}, errTooLarge
	case !utf8.Valid(content):
		return said{}, errors.New("the model's answer is not text")
	}
	return said{string(content), response.Header.Get("Content-Type")}, nil
}

var errTooLarge = fmt.Errorf("the model's answer is larger than the %d bytes that Lambda takes", maxAnswer)

// broken is why a request has no answer.
func (m *model) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case <-m.died:
		return errors.New("the model ended during the request")
	case <-time.After(endGrace):
		return fmt.Errorf("the model did not answer: %w", err)
	}
}
