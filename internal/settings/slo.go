package settings

import (
	"fmt"
	"net/http"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/slo"
)

// SLO is the configuration of what callers of the inference route are promised.
type SLO struct {
	// Name is physical.
	Name            string
	Objectives      slo.Objectives
	CountColdStarts bool
	// Email is empty where nobody is written to.
	Email string
}

// slo reads the objectives, and judges their values where there are none, too, for
// the reason that queue does.
func (r *reader) slo(s *Settings) {
	o := slo.Defaults()
	o.Availability = r.number("sloAvailability", o.Availability, slo.MinAvailability, slo.MaxAvailability)
	o.LatencyP95Ms = r.integer("sloLatencyP95Ms", o.LatencyP95Ms, 1, slo.MaxLatencyMs)
	o.LatencyP50Ms = r.integer("sloLatencyP50Ms", o.LatencyP50Ms, 1, slo.MaxLatencyMs)
	if o.LatencyP50Ms > o.LatencyP95Ms {
		r.refuse("sloLatencyP50Ms", o.LatencyP50Ms, fmt.Sprintf("at most sloLatencyP95Ms (%d)", o.LatencyP95Ms),
			fmt.Sprintf("sloLatencyP50Ms %d", o.LatencyP95Ms))
	}
	// The access log tells SageMaker's refusals apart. A function has none: its caller
	// waits, and a 503 of the adapter's is one like any other.
	watched := &SLO{Objectives: o, CountColdStarts: r.boolean("sloCountColdStarts", false) || s.Function != nil}
	watched.Email, _ = r.source("sloEmail")
	if watched.Email != "" && !slo.ValidEmail(watched.Email) {
		r.refuse("sloEmail", watched.Email, "one address such as team@example.com", "sloEmail ADDRESS")
	}
	if r.boolean("sloEnabled", false) {
		s.SLO = watched
	}
}

// Watched describes the objectives of the stack, which has some. accessLogGroup is
// the name of the log group with the API's access log.
func (s *Settings) Watched(scope arn.Scope, accessLogGroup pulumi.StringInput) *slo.Args {
	return &slo.Args{
		Scope:           scope,
		Name:            s.SLO.Name,
		APIName:         s.APIName,
		StageName:       s.Stack,
		Method:          http.MethodPost,
		Path:            s.RoutePath,
		Objectives:      s.SLO.Objectives,
		CountColdStarts: s.SLO.CountColdStarts,
		AccessLogGroup:  accessLogGroup,
		KMSKeyArn:       s.KMSKeyArn,
		Email:           s.SLO.Email,
	}
}
