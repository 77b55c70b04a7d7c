// Package gateway is the local stand-in for Amazon API Gateway's REST APIs: it
// imports an OpenAPI document as PutRestApi does (mode overwrite, fail on
// warnings) and serves what was deployed of it.
//
// The rule for what it does not know is to refuse it at Import, never to serve
// it differently from AWS: an API that works here may be deployed there.
package gateway

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Key is an API key. Value is a secret: the gateway compares it and never
// writes it anywhere.
type Key struct {
	ID, Value string
	Enabled   bool
}

// Stage is a snapshot of an API as a deployment froze it, with what surrounds
// it on that stage.
type Stage struct {
	// API comes from Import; it must not be nil.
	API *API
	// Keys are those which a usage plan gives for this stage.
	Keys []Key
	// AccessLogFormat is the stage's format: text with $context variables. An
	// unknown variable, or one without a value, is logged as "-".
	AccessLogFormat string
	// AccessLog takes one line, in one Write, per request; nil means no log. The
	// gateway never writes to it from two requests at once.
	AccessLog io.Writer
}

// Gateway serves stages under /{apiID}/{stage}/. It is safe for concurrent use.
type Gateway struct {
	services map[string]http.Handler

	mu     sync.RWMutex
	stages map[stageID]*deployment

	logging sync.Mutex
}

type stageID struct{ api, stage string }

// deployment is a Stage made ready for lookups. It never changes.
type deployment struct {
	Stage
	keys map[string]Key
}

// New makes a gateway without stages. Services maps a service as an
// integration's ARN names it, such as "runtime.sagemaker", to a handler that
// speaks the service's wire protocol; the handler sees the path and headers
// which AWS would see and needs no signature.
func New(services map[string]http.Handler) *Gateway {
	return &Gateway{services: maps.Clone(services), stages: map[stageID]*deployment{}}
}

// Deploy puts a stage into service, in one step, in place of what the stage
// served before. Requests in flight are still answered from the old one.
func (g *Gateway) Deploy(apiID, stage string, s Stage) {
	d := &deployment{Stage: s, keys: make(map[string]Key, len(s.Keys))}
	for _, key := range s.Keys {
		// A key without a value must not let callers without a key in.
		if key.Value != "" {
			d.keys[key.Value] = key
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stages[stageID{apiID, stage}] = d
}

// Remove takes a stage out of service. Removing what is not there does nothing.
func (g *Gateway) Remove(apiID, stage string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.stages, stageID{apiID, stage})
}

// ServeHTTP answers a request for /{apiID}/{stage}/{path}. On AWS the API is
// part of the host name; an unknown stage answers 403 Forbidden there as here.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	apiID, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	stage, path, _ := strings.Cut(rest, "/")
	g.mu.RLock()
	d := g.stages[stageID{apiID, stage}]
	g.mu.RUnlock()

	x := &exchange{
		gateway: g, deployment: d, request: r,
		apiID: apiID, stage: stage, path: "/" + path,
		began:     time.Now(),
		requestID: newRequestID(), extendedRequestID: rand.Text() + "=",
	}
	answer := x.answer()
	if d != nil && d.AccessLog != nil {
		// The line is written first: who has the answer can rely on finding it.
		g.log(d.AccessLog, x.expand(d.AccessLogFormat, answer))
	}
	header := w.Header()
	maps.Copy(header, answer.header)
	header.Set("X-Amzn-RequestId", x.requestID)
	header.Set("X-Amz-Apigw-Id", x.extendedRequestID)
	w.WriteHeader(answer.status)
	if len(answer.body) > 0 {
		// An error means that the caller has left; there is nobody to tell.
		_, _ = w.Write(answer.body)
	}
}

func (g *Gateway) log(to io.Writer, line string) {
	g.logging.Lock()
	defer g.logging.Unlock()
	// A log that cannot be written must not cost the caller the answer, on AWS
	// as here.
	_, _ = io.WriteString(to, strings.ReplaceAll(line, "\n", " ")+"\n")
}

// newRequestID makes a random UUID, the form of API Gateway's request ids.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// match finds the method for a request path, which is still percent-encoded. A
// path without parameters goes before one with.
func (a *API) match(httpMethod, path string) *method {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return nil
		}
		segments[i] = plain
	}
	var found *method
	for _, m := range a.methods {
		if m.httpMethod != httpMethod || !m.matches(segments) {
			continue
		}
		if !strings.Contains(m.path, "{") {
			return m
		}
		if found == nil {
			found = m
		}
	}
	return found
}

func (m *method) matches(segments []string) bool {
	own := strings.Split(m.path, "/")
	if len(own) != len(segments) {
		return false
	}
	for i, segment := range own {
		isParameter := strings.HasPrefix(segment, "{")
		if isParameter && segments[i] == "" || !isParameter && segment != segments[i] {
			return false
		}
	}
	return true
}
