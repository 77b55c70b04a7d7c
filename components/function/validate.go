package function

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // A schedule's time zone is checked on machines without a database of them, too.
	"unicode/utf8"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
)

var (
	plainName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	cron      = regexp.MustCompile(`^cron\(\S+ \S+ (\S+) \S+ (\S+) \S+\)$`)
)

// problems gathers what is wrong, for all of it to be said at once.
type problems []error

func (p *problems) refuse(format string, values ...any) {
	*p = append(*p, fmt.Errorf(format, values...))
}

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	var found problems
	if !plainName.MatchString(a.FunctionName) {
		found.refuse("FunctionName is %q; give 1 to %d letters, digits, hyphens and underscores", a.FunctionName, MaxNameLength)
	}
	if utf8.RuneCountInString(a.Description) > MaxDescriptionLength {
		found.refuse("Description has %d characters; Lambda takes %d", utf8.RuneCountInString(a.Description), MaxDescriptionLength)
	}
	for _, field := range []struct{ name, value string }{
		{"Scope.Partition", a.Scope.Partition},
		{"Scope.Region", a.Scope.Region},
		{"Scope.AccountID", a.Scope.AccountID},
	} {
		if field.value == "" {
			found.refuse("%s is empty; without it the role could not name what it may touch", field.name)
		}
	}
	a.validateCode(&found)
	a.validateResources(&found)
	a.validateStatements(&found)
	if a.Provisioned != nil {
		a.validateProvisioned(&found)
	}
	return errors.Join(found...)
}

func (a *Args) validateCode(found *problems) {
	switch {
	case (a.Image == nil) == (a.Package == nil):
		found.refuse("Image or Package must say what runs; give one of them")
	case a.Image != nil && a.Image.URI == nil:
		found.refuse("Image.URI is missing; give the container image in ECR")
	}
	if a.Image != nil && len(a.Image.EntryPoint) == 0 {
		found.refuse("Image.EntryPoint is empty; give the program that speaks Lambda's runtime API, such as /adapter")
	}
	if !slices.Contains(Architectures, a.architecture()) {
		found.refuse("Architecture is %q; Lambda runs %v", a.Architecture, Architectures)
	}
}

func (a *Args) validateResources(found *problems) {
	for _, field := range []struct {
		name             string
		value, low, high int
	}{
		{"MemoryMB", a.memory(), MinMemoryMB, MaxMemoryMB},
		{"TimeoutSeconds", a.timeout(), 1, MaxTimeoutSeconds},
	} {
		if field.value < field.low || field.value > field.high {
			found.refuse("%s is %d; it must be from %d to %d", field.name, field.value, field.low, field.high)
		}
	}
	if a.ReservedConcurrency < 0 {
		found.refuse("ReservedConcurrency is %d; give the calls that may run at once, or 0 to reserve none", a.ReservedConcurrency)
	}
	if !slices.Contains(gateway.LogRetentionDays, a.LogRetentionDays) {
		found.refuse("LogRetentionDays is %d; CloudWatch takes one of %v", a.LogRetentionDays, gateway.LogRetentionDays)
	}
	if a.KMSKeyArn != "" && !arn.IsKey(a.KMSKeyArn) {
		found.refuse("KMSKeyArn is %q; give the ARN of a key, not of an alias, or leave it empty", a.KMSKeyArn)
	}
	if a.VPC != nil {
		subnets, groups := len(a.VPC.SubnetIDs), len(a.VPC.SecurityGroupIDs)
		if subnets < 1 || subnets > MaxSubnets || groups < 1 || groups > MaxSecurityGroups {
			found.refuse("VPC has %d subnets and %d security groups; it must be 1 to %d and 1 to %d", subnets, groups, MaxSubnets, MaxSecurityGroups)
		}
	}
}

// validateStatements: IAM takes no policy in which a Sid is there twice.
func (a *Args) validateStatements(found *problems) {
	taken := slices.Clone(ownSids)
	for i, statement := range a.Statements {
		if statement.Sid == "" || slices.Contains(taken, statement.Sid) {
			found.refuse("Statements[%d].Sid is %q; give each a Sid of its own, and none of %v", i, statement.Sid, ownSids)
		}
		taken = append(taken, statement.Sid)
	}
}

func (a *Args) validateProvisioned(found *problems) {
	p := a.Provisioned
	if p.Max < 1 || p.Min < 0 || p.Min > p.Max {
		found.refuse("Provisioned has Min %d and Max %d; Max must be from 1, and Min from 0 to Max", p.Min, p.Max)
	}
	if a.ReservedConcurrency > 0 && p.Max > a.ReservedConcurrency {
		found.refuse("Provisioned.Max is %d; Lambda keeps no more started than ReservedConcurrency (%d)", p.Max, a.ReservedConcurrency)
	}
	if p.Min == 0 && len(p.Schedules) == 0 {
		found.refuse("Provisioned.Min is 0 and there are no Schedules, so nothing would ever be kept started; give a Min, or Schedules, or leave Provisioned out")
	}
	names := map[string]bool{}
	for i, schedule := range p.Schedules {
		if !plainName.MatchString(schedule.Name) || names[schedule.Name] {
			found.refuse("Provisioned.Schedules[%d].Name is %q; give each 1 to 64 letters, digits, hyphens and underscores of its own", i, schedule.Name)
		}
		names[schedule.Name] = true
		for _, problem := range schedule.problems(p.Max) {
			found.refuse("Provisioned.Schedules[%d] (%s): %s", i, schedule.Name, problem)
		}
	}
}

// ValidExpression says whether a schedule may be written so: six fields of which
// one of the two days, and not both, is left open with ? (Application Auto Scaling
// user guide, "Schedule recurring scaling actions"; EventBridge user guide, "Cron
// expressions reference").
func ValidExpression(expression string) bool {
	days := cron.FindStringSubmatch(expression)
	return days != nil && (days[1] == "?") != (days[2] == "?")
}

func (s Schedule) problems(highest int) []string {
	var found []string
	if !ValidExpression(s.Expression) {
		found = append(found, fmt.Sprintf("Expression is %q; give six fields of which the third or the fifth is ?, such as cron(0 9 ? * MON-FRI *)", s.Expression))
	}
	// "Local" is Go's name for wherever this runs.
	if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
		found = append(found, fmt.Sprintf("Timezone is %q; give an IANA name such as Asia/Tokyo, or leave it empty for UTC", s.Timezone))
	}
	switch {
	case s.Min < 0 || s.Min > s.Max || s.Max > highest:
		found = append(found, fmt.Sprintf("Min is %d and Max %d; Min must be from 0 to Max, and Max up to Provisioned.Max (%d)", s.Min, s.Max, highest))
	case s.Min == 0 && s.Max > 0:
		found = append(found, fmt.Sprintf("Min is 0 and Max %d; what is kept then stays while nobody calls, so give Max 0 to keep nothing, or a Min", s.Max))
	}
	return found
}
