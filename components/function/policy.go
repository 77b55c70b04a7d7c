package function

import (
	"slices"

	"scaletozero/components/iampolicy"
)

// Sids of the statements that every function has, or may have.
const (
	sidLogs    = "Logs"
	sidTraces  = "Traces"
	sidNetwork = "Network"
	sidNotCode = "NetworkNotFromCode"
)

var ownSids = []string{sidLogs, sidTraces, sidNetwork, sidNotCode}

// trust has no condition on aws:SourceAccount. A function takes roles of its own
// account only (IAM user guide, "Grant a user permissions to pass a role to an
// AWS service"), so nobody else's can borrow this one; and the Lambda developer
// guide says of that key in general that a trust policy may have it, but not that
// Lambda sends it. A condition on a key that is not sent would refuse every call.
func trust() iampolicy.Document { return iampolicy.Trust("lambda.amazonaws.com", nil) }

// rolePolicy is what every function needs, and args.Statements. The log group is
// there already, so none may create one. The image, the environment and the logs
// take nothing of the role: the first is pulled by Lambda itself, which the
// repository has to allow, and the others are encrypted by their services for
// themselves.
func rolePolicy(args *Args) iampolicy.Document {
	statements := []iampolicy.Statement{
		iampolicy.Allow(sidLogs, []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			[]string{args.Scope.LogGroup(logGroup(args.FunctionName)) + ":*"}),
		// X-Ray's actions take no resource (service authorization reference,
		// "Actions, resources, and condition keys for AWS X-Ray").
		iampolicy.Allow(sidTraces, []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"}),
	}
	if args.VPC != nil {
		statements = append(statements, networkStatements(args)...)
	}
	return iampolicy.New(slices.Concat(statements, args.Statements)...)
}

// networkStatements let Lambda make the network interfaces in a VPC, and keep the
// function's own code from doing so, which has the same role: only its calls carry
// lambda:SourceFunctionArn (Lambda developer guide, "Giving Lambda functions access
// to resources in an Amazon VPC" and "Using source function ARN to control function
// access behavior"). The interfaces have no ARNs to name before they are there, and
// Lambda checks for all of the actions.
func networkStatements(args *Args) []iampolicy.Statement {
	actions := []string{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
	}
	return []iampolicy.Statement{
		iampolicy.Allow(sidNetwork, actions, []string{"*"}),
		{
			Sid: sidNotCode, Effect: "Deny", Action: actions, Resource: []string{"*"},
			Condition: map[string]iampolicy.Condition{"ArnEquals": {
				"lambda:SourceFunctionArn": {args.Scope.Function(args.FunctionName)},
			}},
		},
	}
}
