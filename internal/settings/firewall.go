package settings

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/firewall"
)

// Firewall is the configuration of the firewall in front of the API.
type Firewall struct {
	// Name is physical.
	Name string
	// RateLimit is in requests per source address and five minutes.
	RateLimit int
}

// firewall reads the firewall, and judges its values where there is none, too,
// for the reason that queue does.
func (r *reader) firewall(s *Settings) {
	f := &Firewall{RateLimit: r.integer("wafRateLimit", 2000, firewall.MinRateLimit, firewall.MaxRateLimit)}
	if r.boolean("wafEnabled", false) {
		s.Firewall = f
	}
}

// WebACL describes the firewall of the stack, which has one, in front of a stage.
func (s *Settings) WebACL(stageArn pulumi.StringInput) *firewall.Args {
	return &firewall.Args{
		Name:             s.Firewall.Name,
		StageArn:         stageArn,
		RateLimit:        s.Firewall.RateLimit,
		LogRetentionDays: s.LogRetentionDays,
		LogKMSKeyArn:     s.logKey(),
	}
}

// logKey encrypts log groups; nil for CloudWatch's own key.
func (s *Settings) logKey() pulumi.StringPtrInput {
	if s.KMSKeyArn == "" {
		return nil
	}
	return pulumi.StringPtr(s.KMSKeyArn)
}

// keyRegion refuses a key of another region: SQS, DynamoDB, Lambda and CloudWatch
// Logs take keys of their own region only.
func (r *reader) keyRegion(s *Settings) {
	parts := strings.Split(s.KMSKeyArn, ":")
	if region.MatchString(s.Region) && arn.IsKey(s.KMSKeyArn) && parts[3] != s.Region {
		r.refuse("kmsKeyArn", s.KMSKeyArn, fmt.Sprintf("a key in the stack's region %s", s.Region), "kmsKeyArn VALUE")
	}
}
