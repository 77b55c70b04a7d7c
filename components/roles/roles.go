// Package roles holds the IAM roles of an inference API: the one that API
// Gateway calls what answers with and, where that is an endpoint, the one that
// SageMaker runs the model with. They say exactly which resources they may touch.
package roles

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"scaletozero/components/arn"
	"scaletozero/components/iampolicy"
)

// Type is the component's Pulumi type token.
const Type = "scaletozero:roles:Roles"

// Args says who may do what.
type Args struct {
	// Scope is the account and region that the roles are for.
	Scope arn.Scope
	// GatewayRoleName is the physical name of API Gateway's role: 1 to 64 of
	// letters, digits and +=,.@_-, as IAM has it.
	GatewayRoleName string
	// Endpoint is what API Gateway may invoke, and what SageMaker gets a role
	// for; nil where there is none.
	Endpoint *Endpoint
	// FunctionArns are the Lambda functions, or aliases of them, that API Gateway
	// may invoke. There is something to invoke: an endpoint, a function, or both.
	FunctionArns []string
}

// Endpoint is a SageMaker endpoint with one inference component.
type Endpoint struct {
	// ExecutionRoleName is the physical name of SageMaker's role.
	ExecutionRoleName string
	// RepositoryArn is the one ECR repository that the model image is pulled
	// from. It may be in another account.
	RepositoryArn string
	// EndpointName and InferenceComponentName are physical names.
	EndpointName           string
	InferenceComponentName string
	// VPC is set when the model's containers get network interfaces in a VPC.
	VPC bool
	// KMSKeyArn is the key of the endpoint's storage volume; empty for none.
	KMSKeyArn string
}

// Roles are the created roles.
type Roles struct {
	pulumi.ResourceState

	// Ready is what to depend on for the roles to have their permissions, and to
	// keep them while on destroy whatever uses them goes. To depend on the
	// component is not the same: the SDK counts a child only once it is being
	// registered, in the background.
	Ready []pulumi.Resource
	// ExecutionRoleArn is known once the role exists; the zero value, which is of
	// no use, where there is no endpoint.
	ExecutionRoleArn pulumi.StringOutput
	// GatewayRoleArn is known once the role exists. Whoever needs it at
	// preview writes it with arn.Scope.Role, since the name is fixed.
	GatewayRoleArn pulumi.StringOutput
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

func (a *Args) validate() error {
	if a == nil {
		return errors.New("args are required")
	}
	type field struct{ name, value string }
	names := []field{{"GatewayRoleName", a.GatewayRoleName}}
	needed := []field{
		{"Scope.Partition", a.Scope.Partition},
		{"Scope.Region", a.Scope.Region},
		{"Scope.AccountID", a.Scope.AccountID},
	}
	for i, function := range a.FunctionArns {
		needed = append(needed, field{fmt.Sprintf("FunctionArns[%d]", i), function})
	}
	var problems []error
	if e := a.Endpoint; e != nil {
		names = append(names, field{"Endpoint.ExecutionRoleName", e.ExecutionRoleName})
		needed = append(needed,
			field{"Endpoint.RepositoryArn", e.RepositoryArn},
			field{"Endpoint.EndpointName", e.EndpointName},
			field{"Endpoint.InferenceComponentName", e.InferenceComponentName})
	} else if len(a.FunctionArns) == 0 {
		problems = append(problems, errors.New("Endpoint and FunctionArns are empty; give what API Gateway may invoke"))
	}
	for _, name := range names {
		if !roleName.MatchString(name.value) {
			problems = append(problems, fmt.Errorf("%s is %q; an IAM role's name has 1 to 64 letters, digits and +=,.@_-", name.name, name.value))
		}
	}
	for _, value := range needed {
		if value.value == "" {
			problems = append(problems, fmt.Errorf("%s is empty; without it the role could not name what it may touch", value.name))
		}
	}
	return errors.Join(problems...)
}

// New creates the roles with one inline policy each.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Roles, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("roles %q: %w", name, err)
	}
	roles := &Roles{}
	if err := ctx.RegisterComponentResource(Type, name, roles, opts...); err != nil {
		return nil, fmt.Errorf("roles %q: %w", name, err)
	}
	outputs := pulumi.Map{}
	if args.Endpoint != nil {
		execution, may, err := newRole(ctx, name+"-execution", roles, args.Endpoint.ExecutionRoleName,
			executionTrust(args.Scope), executionPolicy(args.Scope, args.Endpoint))
		if err != nil {
			return nil, err
		}
		roles.ExecutionRoleArn = execution.Arn
		roles.Ready = append(roles.Ready, may)
		outputs["executionRoleArn"] = roles.ExecutionRoleArn
	}
	gateway, may, err := newRole(ctx, name+"-gateway", roles, args.GatewayRoleName, gatewayTrust(), gatewayPolicy(args))
	if err != nil {
		return nil, err
	}
	roles.GatewayRoleArn = gateway.Arn
	roles.Ready = append(roles.Ready, may)
	outputs["gatewayRoleArn"] = roles.GatewayRoleArn
	if err := ctx.RegisterResourceOutputs(roles, outputs); err != nil {
		return nil, fmt.Errorf("roles %q: %w", name, err)
	}
	return roles, nil
}

func newRole(ctx *pulumi.Context, name string, parent pulumi.Resource, physicalName string, trust, policy iampolicy.Document) (*iam.Role, *iam.RolePolicy, error) {
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{
		Name:             pulumi.String(physicalName),
		AssumeRolePolicy: pulumi.String(trust.String()),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, nil, fmt.Errorf("role %q: %w", name, err)
	}
	may, err := iam.NewRolePolicy(ctx, name, &iam.RolePolicyArgs{
		Role:   role.Name,
		Policy: pulumi.String(policy.String()),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, nil, fmt.Errorf("policy of role %q: %w", name, err)
	}
	return role, may, nil
}

// executionTrust lets SageMaker assume the role for this account's resources
// only: without the condition another customer's resource could borrow it
// (SageMaker developer guide, "Cross-service confused deputy prevention").
func executionTrust(scope arn.Scope) iampolicy.Document {
	return iampolicy.Trust("sagemaker.amazonaws.com", map[string]iampolicy.Condition{
		"StringEquals": {"aws:SourceAccount": {scope.AccountID}},
	})
}

// gatewayTrust has no condition: whether API Gateway sends aws:SourceAccount
// when it assumes an integration's role is not documented, and a condition on
// a key that is not sent would refuse every call.
func gatewayTrust() iampolicy.Document {
	return iampolicy.Trust("apigateway.amazonaws.com", nil)
}

// executionPolicy is what a container that carries its model needs, and no
// more: SageMaker developer guide, "SageMaker AI roles", CreateModel API. There
// is no S3 in it, because the model is in the image.
func executionPolicy(scope arn.Scope, endpoint *Endpoint) iampolicy.Document {
	statements := []iampolicy.Statement{
		// ECR hands out tokens for a registry, not for a repository.
		iampolicy.Allow("Login", []string{"ecr:GetAuthorizationToken"}, []string{"*"}),
		iampolicy.Allow("Pull", []string{
			"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
		}, []string{endpoint.RepositoryArn}),
		iampolicy.Allow("Logs", []string{
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
		}, logArns(scope, endpoint)),
		{
			// PutMetricData takes no resource; the condition keeps it to SageMaker's namespaces.
			Sid: "Metrics", Effect: "Allow", Action: []string{"cloudwatch:PutMetricData"}, Resource: []string{"*"},
			Condition: map[string]iampolicy.Condition{"StringEquals": {"cloudwatch:namespace": {
				"AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents",
			}}},
		},
	}
	if endpoint.VPC {
		statements = append(statements, vpcStatement())
	}
	if endpoint.KMSKeyArn != "" {
		statements = append(statements, iampolicy.Allow("Volume", []string{
			"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey",
		}, []string{endpoint.KMSKeyArn}))
	}
	return iampolicy.New(statements...)
}

// logArns names the endpoint's own log groups and, with ":*", their streams.
func logArns(scope arn.Scope, endpoint *Endpoint) []string {
	var arns []string
	for _, group := range []string{
		"/aws/sagemaker/Endpoints/" + endpoint.EndpointName,
		"/aws/sagemaker/InferenceComponents/" + endpoint.InferenceComponentName,
	} {
		arns = append(arns, scope.LogGroup(group), scope.LogGroup(group)+":*")
	}
	return arns
}

// vpcStatement is what SageMaker needs to attach a container to a VPC. The
// actions are EC2's and most take no resource (SageMaker developer guide,
// "Give SageMaker AI hosted endpoints access to resources in your Amazon VPC").
func vpcStatement() iampolicy.Statement {
	return iampolicy.Allow("Network", []string{
		"ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission",
		"ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission",
		"ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces",
		"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
	}, []string{"*"})
}

// gatewayPolicy names the endpoint and the component: a call that names a
// component in its header is authorised against both.
func gatewayPolicy(args *Args) iampolicy.Document {
	var statements []iampolicy.Statement
	if e := args.Endpoint; e != nil {
		statements = append(statements, iampolicy.Allow("Invoke", []string{"sagemaker:InvokeEndpoint"}, []string{
			args.Scope.Endpoint(e.EndpointName),
			args.Scope.InferenceComponent(e.InferenceComponentName),
		}))
	}
	if len(args.FunctionArns) > 0 {
		statements = append(statements, iampolicy.Allow("Function", []string{"lambda:InvokeFunction"}, args.FunctionArns))
	}
	return iampolicy.New(statements...)
}
