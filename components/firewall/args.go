package firewall

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/gateway"
)

// Limits of CreateWebACL and RateBasedStatement in the AWS WAF API reference,
// which has the limit in requests.
const (
	MaxNameLength = 128
	MinRateLimit  = 10
	MaxRateLimit  = 2_000_000_000
)

// Args describes a firewall in front of a stage of a REST API.
type Args struct {
	// Name is the physical name of the web ACL and of its metric, 1 to
	// MaxNameLength letters, digits, hyphens and underscores. The log group is
	// called aws-waf-logs-NAME.
	Name string
	// StageArn is the ARN of the stage, such as
	// arn:aws:apigateway:ap-northeast-1::/restapis/ID/stages/NAME. A preview need
	// not know it.
	StageArn pulumi.StringInput
	// RateLimit is in requests per source address and five minutes, from
	// MinRateLimit to MaxRateLimit. AWS counts with a delay, so more than that
	// may get through at first.
	RateLimit int

	// LogRetentionDays is one of gateway.LogRetentionDays.
	LogRetentionDays int
	// LogKMSKeyArn encrypts the log group. Optional.
	LogKMSKeyArn pulumi.StringPtrInput
}

var physicalName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var problems []error
	refuse := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if !physicalName.MatchString(a.Name) || len(a.Name) > MaxNameLength {
		refuse("Name is %q; give 1 to %d letters, digits, hyphens and underscores", a.Name, MaxNameLength)
	}
	if a.StageArn == nil {
		refuse("StageArn is missing; give the ARN of the stage to protect")
	}
	if a.RateLimit < MinRateLimit || a.RateLimit > MaxRateLimit {
		refuse("RateLimit is %d; it must be from %d to %d", a.RateLimit, MinRateLimit, MaxRateLimit)
	}
	if !slices.Contains(gateway.LogRetentionDays, a.LogRetentionDays) {
		refuse("LogRetentionDays is %d; CloudWatch takes one of %v", a.LogRetentionDays, gateway.LogRetentionDays)
	}
	return errors.Join(problems...)
}
