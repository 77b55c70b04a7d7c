// Package firewall holds an AWS WAF web ACL in front of a stage of a REST API:
// AWS's managed rules against common attacks, a limit on what one address may
// send, and a log of what was seen.
package firewall

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:firewall:Firewall"

// logGroupPrefix is what AWS WAF demands of a log group's name (AWS WAF developer
// guide, "Sending web ACL traffic logs to an Amazon CloudWatch Logs log group").
const logGroupPrefix = "aws-waf-logs-"

// keyHeader is the header with the caller's key.
const keyHeader = "x-api-key"

// Firewall is the created web ACL.
type Firewall struct {
	pulumi.ResourceState

	// WebACLArn is known once the web ACL exists.
	WebACLArn pulumi.StringOutput
	// LogGroupName is where AWS WAF logs what it has seen.
	LogGroupName pulumi.StringOutput
}

// New creates the web ACL and puts it in front of the stage.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Firewall, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", name, err)
	}
	firewall := &Firewall{}
	if err := ctx.RegisterComponentResource(Type, name, firewall, opts...); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", name, err)
	}
	parent := pulumi.Parent(firewall)

	acl, err := wafv2.NewWebAcl(ctx, name, &wafv2.WebAclArgs{
		Name:             pulumi.String(args.Name),
		Scope:            pulumi.String("REGIONAL"),
		DefaultAction:    &wafv2.WebAclDefaultActionArgs{Allow: &wafv2.WebAclDefaultActionAllowArgs{}},
		Rules:            rules(args),
		VisibilityConfig: visibility(args.Name),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("web ACL %q: %w", name, err)
	}
	group, err := newLog(ctx, name, args, acl, parent)
	if err != nil {
		return nil, err
	}
	_, err = wafv2.NewWebAclAssociation(ctx, name, &wafv2.WebAclAssociationArgs{
		ResourceArn: args.StageArn,
		WebAclArn:   acl.Arn,
	}, parent, replacedInOrder)
	if err != nil {
		return nil, fmt.Errorf("association of web ACL %q: %w", name, err)
	}

	firewall.WebACLArn, firewall.LogGroupName = acl.Arn, group.Name
	err = ctx.RegisterResourceOutputs(firewall, pulumi.Map{
		"webAclArn":    firewall.WebACLArn,
		"logGroupName": firewall.LogGroupName,
	})
	if err != nil {
		return nil, fmt.Errorf("firewall %q: %w", name, err)
	}
	return firewall, nil
}

// replacedInOrder deletes before it creates. AWS knows an association by its
// stage, and a logging configuration by its web ACL (DisassociateWebACL and
// DeleteLoggingConfiguration in the AWS WAF API reference): deleting the old one
// after the new one has been made would take the new one away.
var replacedInOrder = pulumi.DeleteBeforeReplace(true)

// newLog creates the log group and has AWS WAF write to it. AWS WAF gives itself
// the permission for that, in a resource policy of CloudWatch Logs
// (PutLoggingConfiguration in the AWS WAF API reference). The log has every header,
// so the caller's key must be taken out.
func newLog(ctx *pulumi.Context, name string, args *Args, acl *wafv2.WebAcl, parent pulumi.ResourceOption) (*cloudwatch.LogGroup, error) {
	group, err := cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(logGroupPrefix + args.Name),
		RetentionInDays: pulumi.Int(args.LogRetentionDays),
		KmsKeyId:        args.LogKMSKeyArn,
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("log group %q: %w", name, err)
	}
	_, err = wafv2.NewWebAclLoggingConfiguration(ctx, name, &wafv2.WebAclLoggingConfigurationArgs{
		ResourceArn:           acl.Arn,
		LogDestinationConfigs: pulumi.StringArray{group.Arn},
		RedactedFields: wafv2.WebAclLoggingConfigurationRedactedFieldArray{
			&wafv2.WebAclLoggingConfigurationRedactedFieldArgs{
				SingleHeader: &wafv2.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs{Name: pulumi.String(keyHeader)},
			},
		},
	}, parent, replacedInOrder)
	if err != nil {
		return nil, fmt.Errorf("logging of web ACL %q: %w", name, err)
	}
	return group, nil
}
