package gateway

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Request is what Options.Observe is told of one request. There is nothing
// secret in it.
type Request struct {
	API, Stage, Method string
	// Path is the resource's, such as "/infer"; it is empty where the API has no
	// such method.
	Path string
	// KeyID is empty where no key was wanted, or a wrong one was sent.
	KeyID  string
	Status int
	// ErrorType is the gateway response's type, such as "THROTTLED", where the
	// gateway itself answered, and otherwise what the service behind it called its
	// error, if it did.
	ErrorType string
	// Latency is on the wall clock.
	Latency time.Duration
	// Time is when the request came, in AWS time.
	Time time.Time
}

// report tells of the request, and counts it as API Gateway does (AWS page
// "Amazon API Gateway dimensions and metrics"): the two error metrics are 0 or 1
// for each request, so that their average is a rate; latencies are milliseconds.
// A method with detailed metrics has the same ones of its own.
func (x *exchange) report(sent *answer) {
	latency := time.Since(x.began)
	if observe := x.gateway.options.Observe; observe != nil {
		observe(Request{
			API: x.apiID, Stage: x.stage, Method: x.request.Method, Path: x.variable("resourcePath", nil), KeyID: x.keyID,
			Status: sent.status, ErrorType: x.errorType(), Latency: latency, Time: x.at,
		})
	}
	metric := x.gateway.options.Metric
	if metric == nil || x.deployment == nil {
		return
	}
	sets := []map[string]string{x.deployment.dimensions}
	if x.method != nil && x.deployment.detailed[x.method.name] != nil {
		sets = append(sets, x.deployment.detailed[x.method.name])
	}
	count := func(name string, value float64) {
		for _, dimensions := range sets {
			metric(name, dimensions, value)
		}
	}
	count("Count", 1)
	count("4XXError", one(sent.status/100 == 4))
	count("5XXError", one(sent.status/100 == 5))
	count("Latency", float64(latency.Milliseconds()))
	if x.integration.called {
		count("IntegrationLatency", float64(x.integration.latency.Milliseconds()))
	}
}

func (x *exchange) errorType() string {
	if x.failure != nil {
		return string(x.failure.response)
	}
	return x.integration.errorType
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// compressRetryAfter turns seconds of AWS time into those of the caller's clock,
// rounded up.
func (x *exchange) compressRetryAfter(header http.Header) {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 32)
	if err != nil {
		return // There is none, or it is a date.
	}
	wall := math.Ceil(float64(seconds) / x.gateway.options.Clock.Speed())
	header.Set("Retry-After", strconv.FormatFloat(wall, 'f', 0, 64))
}
