package function

import (
	"cmp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/iampolicy"
)

// Limits of CreateFunction in the Lambda API reference. The name is also the
// role's, and IAM takes as many characters.
const (
	MaxNameLength        = 64
	MaxDescriptionLength = 256
	MinMemoryMB          = 128
	MaxMemoryMB          = 10_240
	MaxTimeoutSeconds    = 900
	MaxSubnets           = 16
	MaxSecurityGroups    = 5
)

// What Args.MemoryMB and Args.TimeoutSeconds are where they are 0. With 1769 MiB
// a function has one CPU (Lambda developer guide, "Configure Lambda function
// memory"), which is what a model wants at least; a program that waits for others
// does with less. The time-out is below the 29 seconds that API Gateway waits, so
// that a slow answer ends in the function and is not billed after the caller has
// gone.
const (
	DefaultImageMemoryMB   = 1769
	DefaultPackageMemoryMB = 256
	DefaultTimeoutSeconds  = 28
)

// Architectures are the instruction sets that Lambda runs; the first is the
// default.
var Architectures = []string{"arm64", "x86_64"}

// Args describes a Lambda function that callers reach by its alias.
type Args struct {
	// Scope is the account and region of the function.
	Scope arn.Scope
	// FunctionName is the physical name of the function and of its role, and the
	// end of its log group's: 1 to MaxNameLength letters, digits, hyphens and
	// underscores.
	FunctionName string
	// Description is for the console, up to MaxDescriptionLength characters.
	// Optional.
	Description string

	// Image or Package is what runs: one of them. To change from one to the other
	// replaces the function, since Lambda changes no package type.
	Image *Image
	// Package is a zip archive with the program `bootstrap` at the root, for
	// Lambda's runtime provided.al2023.
	Package pulumi.Archive
	// Architecture is what either is built for, one of Architectures. Empty means
	// arm64.
	Architecture string

	// MemoryMB is in MiB, from MinMemoryMB to MaxMemoryMB, and Lambda gives CPU by
	// it. 0 means DefaultImageMemoryMB or DefaultPackageMemoryMB. New accounts may
	// have a lower limit than MaxMemoryMB until they ask for more.
	MemoryMB int
	// TimeoutSeconds is how long one call may take, from 1 to MaxTimeoutSeconds. 0
	// means DefaultTimeoutSeconds.
	TimeoutSeconds int
	// ReservedConcurrency is how many calls run at once, at most, and what no other
	// function can take; 0 for no such limit but the account's.
	ReservedConcurrency int
	// Provisioned keeps environments started. nil for none: the function then
	// scales to zero, and from it, by itself.
	Provisioned *Provisioned

	// Environment is handed to the program. Optional.
	Environment pulumi.StringMapInput
	// Statements are what the function may do besides writing logs and traces. Each
	// has a Sid of its own, and none that the component has: Logs, Traces, Network
	// and NetworkNotFromCode.
	Statements []iampolicy.Statement
	// VPC connects the function to a VPC. Optional.
	VPC *VPC

	// LogRetentionDays is one of gateway.LogRetentionDays.
	LogRetentionDays int
	// KMSKeyArn encrypts the log group, the environment and Lambda's own copy of an
	// image. Optional; the key's policy has to let CloudWatch Logs use it, see
	// docs/kms.md.
	KMSKeyArn string
}

// Image is a container image in ECR, in the function's region.
type Image struct {
	// URI names the image, by digest where a new push must be noticed. It is one
	// image for one architecture, and no index of several (Lambda developer guide,
	// "Create a Lambda function using a container image").
	URI pulumi.StringInput
	// EntryPoint and Command replace the image's own ENTRYPOINT and CMD. Command
	// is optional.
	EntryPoint, Command []string
}

// VPC is where the function's network interfaces are: 1 to MaxSubnets, and 1 to
// MaxSecurityGroups.
type VPC struct {
	SubnetIDs        []string
	SecurityGroupIDs []string
}

// Provisioned is how many environments are kept started, each for one call at a
// time. They are billed for as long as they are, called or not; calls beyond them
// start others, as they do without.
type Provisioned struct {
	// Min is from 0 to Max. With 0 nothing is kept until a schedule says so: at
	// zero there is no utilisation that could lead out of it.
	Min int
	// Max is from 1, at most ReservedConcurrency where there is one, and no
	// schedule has more.
	Max int
	// Schedules set other bounds at certain times. Where there are any, Min and
	// Max count at creation only: a change of them later is a change of the
	// schedules.
	Schedules []Schedule
}

// Schedule sets bounds from its time on, until another sets others.
type Schedule struct {
	// Name tells it from the others: 1 to 64 letters, digits, hyphens and
	// underscores.
	Name string
	// Expression is Application Auto Scaling's cron of six fields, from minutes to
	// years, with ? for the day of the month or of the week: cron(0 9 ? * MON-FRI *).
	Expression string
	// Timezone is an IANA name such as Asia/Tokyo. Empty means UTC.
	Timezone string
	// Min is from 0 to Max, and Max up to Provisioned.Max. More than Max goes at
	// once; what is between the two stays until calls show that it is too much. So
	// give both 0 for times in which nothing is to be kept.
	Min, Max int
}

func (a *Args) architecture() string { return cmp.Or(a.Architecture, Architectures[0]) }

func (a *Args) timeout() int { return cmp.Or(a.TimeoutSeconds, DefaultTimeoutSeconds) }

func (a *Args) memory() int {
	if a.Image != nil {
		return cmp.Or(a.MemoryMB, DefaultImageMemoryMB)
	}
	return cmp.Or(a.MemoryMB, DefaultPackageMemoryMB)
}

// key is the key as resources take it, or nil for AWS's own.
func (a *Args) key() pulumi.StringPtrInput {
	if a.KMSKeyArn == "" {
		return nil
	}
	return pulumi.StringPtr(a.KMSKeyArn)
}
