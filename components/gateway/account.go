package gateway

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigateway"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/iampolicy"
)

// newAccount sets the role that every API of the account and region logs with.
// It stays when the stack goes: resetting it, or deleting its role, silences
// the logs of APIs that have nothing to do with this one (aws/aws-cdk#10878).
func newAccount(ctx *pulumi.Context, name, partition string, parent pulumi.ResourceOption) ([]pulumi.Resource, error) {
	keep := pulumi.RetainOnDelete(true)
	role, err := iam.NewRole(ctx, name+"-logging", &iam.RoleArgs{
		AssumeRolePolicy: pulumi.String(iampolicy.Trust("apigateway.amazonaws.com", nil).String()),
	}, parent, keep)
	if err != nil {
		return nil, fmt.Errorf("logging role %q: %w", name, err)
	}
	// The managed policy that API Gateway checks for when the role is set; it
	// allows writing to CloudWatch Logs and nothing else.
	attachment, err := iam.NewRolePolicyAttachment(ctx, name+"-logging", &iam.RolePolicyAttachmentArgs{
		Role:      role.Name,
		PolicyArn: pulumi.Sprintf("arn:%s:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs", partition),
	}, parent, keep)
	if err != nil {
		return nil, fmt.Errorf("policy of logging role %q: %w", name, err)
	}
	account, err := apigateway.NewAccount(ctx, name, &apigateway.AccountArgs{
		CloudwatchRoleArn: role.Arn,
	}, parent, keep, pulumi.DependsOn([]pulumi.Resource{attachment}))
	if err != nil {
		return nil, fmt.Errorf("account settings %q: %w", name, err)
	}
	return []pulumi.Resource{account}, nil
}

// accessLogFormat is one JSON object a request, in API Gateway's variables. It
// names the key by its id, never by its value.
func accessLogFormat() string {
	text, err := json.Marshal(map[string]string{
		"requestId":          "$context.requestId",
		"extendedRequestId":  "$context.extendedRequestId",
		"requestTimeEpoch":   "$context.requestTimeEpoch",
		"httpMethod":         "$context.httpMethod",
		"resourcePath":       "$context.resourcePath",
		"status":             "$context.status",
		"responseLength":     "$context.responseLength",
		"responseLatency":    "$context.responseLatency",
		"integrationLatency": "$context.integration.latency",
		"integrationStatus":  "$context.integration.status",
		"errorType":          "$context.error.responseType",
		"apiKeyId":           "$context.identity.apiKeyId",
		"sourceIp":           "$context.identity.sourceIp",
		"xrayTraceId":        "$context.xrayTraceId",
	})
	if err != nil {
		// A map of strings always marshals.
		panic(fmt.Sprintf("access log format: %v", err))
	}
	return string(text)
}
