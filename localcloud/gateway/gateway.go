// Package gateway is the local stand-in for Amazon API Gateway's REST APIs: it
// imports an OpenAPI document as PutRestApi does (mode overwrite, fail on
// warnings) and serves what was deployed of it.
//
// The rule for what it does not know is to refuse it at Import, never to serve
// it differently from AWS: an API that works here may be deployed there.
//
// # Time
//
// The gateway runs on the local cloud's clock, which may be faster than the
// wall's. Throttles and quotas are in AWS time: at speed 60, a rate of 10/s lets
// through 600 requests in a second of the wall clock. What a caller waits for on
// its own clock is converted: a Retry-After of 60 seconds reaches it as 1, so
// that who honours it waits as long as the local cloud needs. Only models run in
// real time, and with them all that limits or measures a single request: the
// integration's timeout (29 s by default) and every latency.
//
// What throttles, quotas and firewalls have counted is kept in memory. It survives new
// deployments of a stage and changes to plans and keys, and is gone when the
// local cloud ends.
package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"scaletozero/localcloud/clock"
)

// Key is an API key. Value is a secret: the gateway compares it and never
// writes it anywhere.
type Key struct {
	ID, Value string
	Enabled   bool
	// Plan is the usage plan that gives the key for the stage.
	Plan Plan
}

// Stage is a snapshot of an API as a deployment froze it, with what surrounds
// it on that stage.
type Stage struct {
	// API comes from Import; it must not be nil.
	API *API
	// Name is the API's, by which its metrics are found.
	Name string
	// Keys are those which a usage plan gives for this stage. A key is on one plan
	// for a stage at most.
	Keys []Key
	// Throttles are the stage's settings for its methods, over all callers; each
	// method has a bucket of its own. They are named as in "infer/POST", and the
	// default for all methods "*/*". A limit less than 0 means the account's.
	Throttles map[string]Throttle
	// Detailed says whether a method has metrics of its own besides the stage's,
	// by methods that are named as in Throttles.
	Detailed map[string]bool
	// RateRules are those of the firewall in front of the stage. Its other rules are
	// not known here: nothing looks into a request for attacks.
	RateRules []RateRule
	// AccessLogFormat is the stage's format: text with $context variables. An
	// unknown variable, or one without a value, is logged as "-".
	AccessLogFormat string
	// AccessLog takes one line, in one Write, per request; nil means no log. The
	// gateway never writes to it from two requests at once.
	AccessLog io.Writer
}

// Options configures a Gateway.
type Options struct {
	// Services maps a service as an integration's ARN names it, such as
	// "runtime.sagemaker", to a handler that speaks the service's wire protocol;
	// the handler sees the path and headers which AWS would see and needs no
	// signature. It must return when the request's context ends, which is how the
	// integration's timeout reaches it.
	Services map[string]http.Handler
	// Clock is AWS time; it must not be nil.
	Clock *clock.Clock
	// Observe, if it is set, is told of every request before the caller has the
	// answer, from many goroutines at once.
	Observe func(Request)
	// Metric, if it is set, takes what API Gateway reports to CloudWatch in the
	// namespace AWS/ApiGateway, from many goroutines at once. It must not change
	// the dimensions.
	Metric func(name string, dimensions map[string]string, value float64)
}

// Gateway serves stages under /{apiID}/{stage}/. It is safe for concurrent use.
type Gateway struct {
	options Options
	meters  meters
	account *rate.Limiter
	// addresses is what the firewalls have counted.
	addresses addresses

	mu     sync.RWMutex
	stages map[stageID]*deployment

	logging sync.Mutex
}

type stageID struct{ api, stage string }

// deployment is a Stage made ready for lookups. It never changes.
type deployment struct {
	Stage
	keys       map[string]*client
	methods    map[string]*rate.Limiter
	dimensions map[string]string
	// detailed are the dimensions of the methods with metrics of their own.
	detailed  map[string]map[string]string
	logFormat logFormat
}

// New makes a gateway without stages.
func New(options Options) *Gateway {
	options.Services = maps.Clone(options.Services)
	return &Gateway{
		options:   options,
		meters:    meters{buckets: map[bucketID]*rate.Limiter{}, usage: map[usageID]*usage{}},
		account:   rate.NewLimiter(rate.Limit(AccountThrottle.RateLimit), AccountThrottle.BurstLimit),
		stages:    map[stageID]*deployment{},
		addresses: addresses{times: map[addressID][]time.Time{}},
	}
}

// Deploy puts a stage into service, in one step, in place of what the stage
// served before. Requests in flight are still answered from the old one. What has
// been counted for throttles and quotas goes on counting.
func (g *Gateway) Deploy(apiID, stage string, s Stage) {
	now := g.options.Clock.Now()
	d := &deployment{
		Stage: s, keys: make(map[string]*client, len(s.Keys)), methods: map[string]*rate.Limiter{},
		dimensions: map[string]string{"ApiName": s.Name, "Stage": stage},
		detailed:   map[string]map[string]string{},
		logFormat:  parseLogFormat(s.AccessLogFormat),
	}
	for _, key := range s.Keys {
		// A key without a value must not let callers without a key in.
		if key.Value != "" {
			d.keys[key.Value] = g.client(apiID, stage, key, now)
		}
	}
	throttles, detailed := byMethod(s.Throttles), byMethod(s.Detailed)
	for _, m := range s.API.methods {
		own, set := detailed[m.name]
		if own || !set && detailed[allMethods] {
			d.detailed[m.name] = map[string]string{"ApiName": s.Name, "Stage": stage, "Method": m.httpMethod, "Resource": m.path}
		}
		if throttle, ok := ofMethod(throttles, m); ok {
			d.methods[m.name] = g.meters.bucket(bucketID{api: apiID, stage: stage, method: m.name}, throttle, now)
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
		began: time.Now(), at: g.options.Clock.Now(),
		requestID: newRequestID(), extendedRequestID: rand.Text() + "=",
	}
	answer := x.answer()
	x.compressRetryAfter(answer.header)
	x.report(answer)
	if d != nil && d.AccessLog != nil {
		// The line is written first: who has the answer can rely on finding it.
		g.log(d.AccessLog, x.logLine(d.logFormat, answer))
	}
	header := w.Header()
	maps.Copy(header, answer.header)
	header.Set(requestIDHeader, x.requestID)
	header.Set("X-Amz-Apigw-Id", x.extendedRequestID)
	hasBody := len(answer.body) > 0 && answer.status != http.StatusNoContent && answer.status != http.StatusNotModified
	if hasBody {
		// Without it Go sends a longer body in chunks.
		header.Set("Content-Length", strconv.Itoa(len(answer.body)))
	}
	w.WriteHeader(answer.status)
	if hasBody {
		// An error means that the caller has left; there is nobody to tell.
		_, _ = w.Write(answer.body)
	}
}

func (g *Gateway) log(to io.Writer, line []byte) {
	g.logging.Lock()
	defer g.logging.Unlock()
	// A log that cannot be written must not cost the caller the answer, on AWS
	// as here.
	_, _ = to.Write(line)
}

// newRequestID makes a random UUID, the form of API Gateway's request ids.
func newRequestID() string {
	var random [16]byte
	rand.Read(random[:])
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	digits := hex.EncodeToString(random[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
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
	if len(m.segments) != len(segments) {
		return false
	}
	for i, segment := range m.segments {
		isParameter := strings.HasPrefix(segment, "{")
		if isParameter && segments[i] == "" || !isParameter && segment != segments[i] {
			return false
		}
	}
	return true
}
