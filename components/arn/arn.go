// Package arn writes Amazon Resource Names for things that do not exist yet.
//
// The components give names to whatever others refer to, so that a role can
// say exactly what it may touch, and a preview can show it, before anything is
// created.
package arn

import (
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Scope is where a stack lives.
type Scope struct {
	// Partition is "aws", "aws-cn" or "aws-us-gov".
	Partition string
	// Region is the region's code, such as "ap-northeast-1".
	Region string
	// AccountID is the account's twelve digits.
	AccountID string
}

// Lookup asks the AWS provider which account and partition it works in. It
// needs credentials, at preview too.
func Lookup(ctx *pulumi.Context, region string, opts ...pulumi.InvokeOption) (Scope, error) {
	identity, err := aws.GetCallerIdentity(ctx, nil, opts...)
	if err != nil {
		return Scope{}, fmt.Errorf("asking AWS which account this is: %w", err)
	}
	partition, err := aws.GetPartition(ctx, nil, opts...)
	if err != nil {
		return Scope{}, fmt.Errorf("asking AWS which partition this is: %w", err)
	}
	return Scope{Partition: partition.Partition, Region: region, AccountID: identity.AccountId}, nil
}

// Role is the ARN of an IAM role without a path.
func (s Scope) Role(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", s.Partition, s.AccountID, name)
}

// Endpoint is the ARN of a SageMaker endpoint.
func (s Scope) Endpoint(name string) string {
	return s.regional("sagemaker", "endpoint/"+name)
}

// InferenceComponent is the ARN of a SageMaker inference component.
func (s Scope) InferenceComponent(name string) string {
	return s.regional("sagemaker", "inference-component/"+name)
}

// LogGroup is the ARN of a CloudWatch log group, without the ":*" that IAM
// wants behind it for the streams.
func (s Scope) LogGroup(name string) string {
	return s.regional("logs", "log-group:"+name)
}

// Repository is the ARN of an ECR repository in this account and region.
func (s Scope) Repository(name string) string {
	return s.regional("ecr", "repository/"+name)
}

// Function is the ARN of a Lambda function, without a version or an alias.
func (s Scope) Function(name string) string {
	return s.regional("lambda", "function:"+name)
}

// FunctionAlias is the ARN of an alias of a Lambda function.
func (s Scope) FunctionAlias(name, alias string) string {
	return s.Function(name) + ":" + alias
}

// Queue is the ARN of an SQS queue.
func (s Scope) Queue(name string) string {
	return s.regional("sqs", name)
}

// Topic is the ARN of an SNS topic.
func (s Scope) Topic(name string) string {
	return s.regional("sns", name)
}

// Alarm is the ARN of a CloudWatch alarm.
func (s Scope) Alarm(name string) string {
	return s.regional("cloudwatch", "alarm:"+name)
}

// Root is the ARN that stands for the account itself in a policy.
func (s Scope) Root() string {
	return fmt.Sprintf("arn:%s:iam::%s:root", s.Partition, s.AccountID)
}

// Table is the ARN of a DynamoDB table.
func (s Scope) Table(name string) string {
	return s.regional("dynamodb", "table/"+name)
}

func (s Scope) regional(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", s.Partition, service, s.Region, s.AccountID, resource)
}

var key = regexp.MustCompile(`^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)

// IsKey says whether the text is the ARN of a KMS key. That of an alias would do for
// most services, and not for a role's policy.
func IsKey(text string) bool { return key.MatchString(text) }
