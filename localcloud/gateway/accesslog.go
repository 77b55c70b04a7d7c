package gateway

import (
	"cmp"
	"encoding/json"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// logVariable is a reference in an access log format, where, unlike in a
// template, a hyphen ends the name.
var logVariable = regexp.MustCompile(`\$context(?:\.[A-Za-z_][A-Za-z0-9_]*)+`)

// absent is what API Gateway logs for a variable without a value.
const absent = "-"

// logFormat is an access log format, taken apart once for all requests.
type logFormat []logPart

// logPart is a variable's name without "$context.", after text that stays.
type logPart struct{ text, variable string }

// parseLogFormat never fails: what looks like no variable is text. A line break
// becomes a blank, since each request has one line.
func parseLogFormat(format string) logFormat {
	var parsed logFormat
	format = strings.ReplaceAll(format, "\n", " ")
	end := 0
	for _, at := range logVariable.FindAllStringIndex(format, -1) {
		parsed = append(parsed, logPart{format[end:at[0]], strings.TrimPrefix(format[at[0]:at[1]], "$context.")})
		end = at[1]
	}
	return append(parsed, logPart{text: format[end:]})
}

// logLine fills in an access log format (AWS page "Variables for access logging
// for API Gateway").
func (x *exchange) logLine(format logFormat, sent *answer) []byte {
	line := make([]byte, 0, 1024)
	for _, part := range format {
		line = append(line, part.text...)
		if part.variable != "" {
			line = append(line, cmp.Or(x.variable(part.variable, sent), absent)...)
		}
	}
	return append(line, '\n')
}

// variable is the value of a $context variable, or "" where there is none. What
// is said of the response needs sent. identity.apiKey, which AWS offers, is left
// out on purpose: it is the key's value.
func (x *exchange) variable(name string, sent *answer) string {
	switch name {
	case "requestId":
		return x.requestID
	case "extendedRequestId":
		return x.extendedRequestID
	case "apiId":
		return x.apiID
	case "stage":
		return x.stage
	case "httpMethod":
		return x.request.Method
	case "protocol":
		return x.request.Proto
	case "path":
		return "/" + x.stage + x.path
	case "resourcePath":
		if x.method != nil {
			return x.method.path
		}
	case "domainName":
		return escape(x.request.Host)
	case "requestTime":
		return x.began.UTC().Format("02/Jan/2006:15:04:05 -0700")
	case "requestTimeEpoch":
		return strconv.FormatInt(x.began.UnixMilli(), 10)
	case "identity.sourceIp":
		host, _, err := net.SplitHostPort(x.request.RemoteAddr)
		if err == nil {
			return host
		}
	case "identity.userAgent":
		return escape(x.request.UserAgent())
	case "identity.apiKeyId":
		return x.keyID
	}
	if kind, rest, _ := strings.Cut(name, "."); kind == "error" {
		return x.errorVariable(rest)
	} else if kind == "integration" {
		return x.integrationVariable(rest)
	}
	if sent != nil {
		return x.sentVariable(name, sent)
	}
	return ""
}

func (x *exchange) sentVariable(name string, sent *answer) string {
	switch name {
	case "status":
		return strconv.Itoa(sent.status)
	case "responseLength":
		return strconv.Itoa(len(sent.body))
	case "responseLatency":
		return milliseconds(time.Since(x.began))
	case "integrationStatus":
		return x.integrationVariable("integrationStatus")
	case "integrationLatency":
		return x.integrationVariable("latency")
	case "integrationErrorMessage":
		return x.integrationVariable("error")
	}
	return ""
}

func (x *exchange) errorVariable(name string) string {
	if x.failure == nil {
		return ""
	}
	switch name {
	case "message":
		return escape(x.message())
	case "messageString":
		return `"` + escape(x.message()) + `"`
	case "responseType":
		return string(x.failure.response)
	case "validationErrorString":
		return escape(x.failure.validation)
	}
	return ""
}

func (x *exchange) integrationVariable(name string) string {
	if !x.integration.called {
		return ""
	}
	switch name {
	case "latency":
		return milliseconds(x.integration.latency)
	case "error":
		return escape(x.integration.err)
	case "requestId":
		return escape(x.integration.requestID)
	case "status":
		// Of a function it is the status that the function answers, not Lambda's.
		if status := cmp.Or(x.integration.function, x.integration.status); status != 0 {
			return strconv.Itoa(status)
		}
	case "integrationStatus":
		if x.integration.status != 0 {
			return strconv.Itoa(x.integration.status)
		}
	}
	return ""
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// escape makes text fit between the quotes of a JSON format, so that what a
// caller sends cannot break a log line or a body apart.
func escape(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}
