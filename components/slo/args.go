package slo

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
)

// Bounds of the arguments. At MinAvailability every request must fail for three
// quarters of an hour until the fastest burn rate is reached, and below 93.06
// percent it never would be; above MaxAvailability not even a million requests have
// a budget that is worth an alarm. API Gateway gives up after MaxLatencyMs.
const (
	MaxNameLength   = 200
	MinAvailability = 95
	MaxAvailability = 99.999
	MaxWindowDays   = 90
	MaxLatencyMs    = 29_000
)

// Objectives are what the route's callers are promised.
type Objectives struct {
	// WindowDays is the time that the error budget is for, 1 to MaxWindowDays.
	WindowDays int
	// Availability is the share of valid requests in percent that must not fail with
	// a 5xx, from MinAvailability to MaxAvailability. The rest is the error budget.
	// What is refused with a 4xx is not valid.
	Availability float64
	// LatencyP95Ms and LatencyP50Ms are how long 95 and 50 percent of the requests
	// may take at most, in milliseconds up to MaxLatencyMs, as callers see it.
	LatencyP95Ms, LatencyP50Ms int
}

// Defaults are 99.9 % over 28 days, four whole weeks; p95 within 80 ms and p50
// within 60 ms. The latencies are an example, those of a small model behind an API
// in its own region: set what your model takes.
func Defaults() Objectives {
	return Objectives{WindowDays: 28, Availability: 99.9, LatencyP95Ms: 80, LatencyP50Ms: 60}
}

// Args describes the objectives of one route of a REST API and who is told when
// they are in danger.
type Args struct {
	// Scope is where the stack lives.
	Scope arn.Scope
	// Name is physical, 1 to MaxNameLength letters, digits and hyphens: that of the
	// topic, and what the names of alarms and metrics begin with.
	Name string
	// APIName, StageName, Method and Path say whose metrics count. The stage must
	// have detailed metrics.
	APIName, StageName, Method, Path string
	Objectives                       Objectives

	// CountColdStarts counts requests that found the model asleep as failed. They
	// are otherwise counted apart, in neither the failed nor the valid ones, and an
	// alarm of their own rings where the model does not wake.
	CountColdStarts bool
	// AccessLogGroup is the name of the log group with the stage's access log, in
	// the gateway component's format.
	AccessLogGroup pulumi.StringInput

	// KMSKeyArn encrypts the topic. Optional: without one, a key is created.
	KMSKeyArn string
	// Email is sent what the alarms say, once it has confirmed. Optional.
	Email string
}

var (
	physicalName = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)
	emailAddress = regexp.MustCompile(`^[^@\s"]+@[^@\s"]+\.[^@\s"]+$`)
	methods      = []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
)

// ValidEmail tells whether the text looks like one address.
func ValidEmail(text string) bool { return emailAddress.MatchString(text) }

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if a.Scope.AccountID == "" || a.Scope.Region == "" || a.Scope.Partition == "" {
		refuse("Scope is incomplete; give what arn.Lookup returns")
	}
	if !physicalName.MatchString(a.Name) || len(a.Name) > MaxNameLength {
		refuse("Name is %q; give 1 to %d letters, digits and hyphens", a.Name, MaxNameLength)
	}
	if a.APIName == "" || a.StageName == "" {
		refuse("APIName is %q and StageName %q; give both", a.APIName, a.StageName)
	}
	if !slices.Contains(methods, a.Method) {
		refuse("Method is %q; it must be one of %v", a.Method, methods)
	}
	if !gateway.ValidPath(a.Path) || strings.ContainsAny(a.Path, `"*`) {
		refuse("Path is %q; give that of a route, such as /infer", a.Path)
	}
	problems = append(problems, a.Objectives.Problems()...)
	if a.AccessLogGroup == nil && !a.CountColdStarts {
		refuse("AccessLogGroup is missing; give the access log's group, in which cold starts are told apart, or set CountColdStarts")
	}
	if a.Email != "" && !ValidEmail(a.Email) {
		refuse("Email is %q; give one address, or none", a.Email)
	}
	return errors.Join(problems...)
}

// Problems are what is wrong with the objectives, a sentence each.
func (o Objectives) Problems() (problems []error) {
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if o.WindowDays < 1 || o.WindowDays > MaxWindowDays {
		refuse("WindowDays is %d; it must be from 1 to %d", o.WindowDays, MaxWindowDays)
	}
	// Written so that NaN, which compares with nothing, is refused too.
	if !(o.Availability >= MinAvailability && o.Availability <= MaxAvailability) {
		refuse("Availability is %g; it must be from %d to %g percent", o.Availability, MinAvailability, MaxAvailability)
	}
	if o.LatencyP50Ms < 1 || o.LatencyP95Ms < o.LatencyP50Ms || o.LatencyP95Ms > MaxLatencyMs {
		refuse("LatencyP50Ms is %d and LatencyP95Ms %d; they must be from 1 to %d, and the first not above the second",
			o.LatencyP50Ms, o.LatencyP95Ms, MaxLatencyMs)
	}
	return problems
}
