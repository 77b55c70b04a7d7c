package queue

import "scaletozero/components/iampolicy"

// trust has no condition on aws:SourceAccount. A function takes roles of its own
// account only (IAM user guide, "Grant a user permissions to pass a role to an
// AWS service"), so nobody else's can borrow this one; and the Lambda developer
// guide says of that key in general that a trust policy may have it, but not that
// Lambda sends it. A condition on a key that is not sent would refuse every call.
func trust() iampolicy.Document { return iampolicy.Trust("lambda.amazonaws.com", nil) }

// submitPolicy: a job's row first, then its message.
func submitPolicy(args *Args) iampolicy.Document {
	return iampolicy.New(append(basics(args, SubmitFunction(args.Name)),
		iampolicy.Allow("Jobs", []string{"dynamodb:GetItem", "dynamodb:PutItem"}, []string{args.Scope.Table(args.Name)}),
		iampolicy.Allow("Send", []string{"sqs:SendMessage"}, []string{args.Scope.Queue(args.Name)}),
	)...)
}

// workerPolicy: the event source mapping receives and deletes with the worker's
// role, too (Lambda developer guide, "Creating and configuring an Amazon SQS
// event source mapping", execution role permissions).
func workerPolicy(args *Args) iampolicy.Document {
	component := args.Scope.InferenceComponent(args.InferenceComponentName)
	table := args.Scope.Table(args.Name)
	statements := append(basics(args, workerFunction(args.Name)),
		iampolicy.Allow("Jobs", []string{"dynamodb:GetItem", "dynamodb:UpdateItem"}, []string{table}),
		iampolicy.Allow("Receive", []string{
			"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
		}, []string{args.Scope.Queue(args.Name)}),
		iampolicy.Allow("GiveUp", []string{"sqs:SendMessage"}, []string{args.Scope.Queue(deadLetterName(args))}),
		// A call that names a component is authorised against both.
		iampolicy.Allow("Invoke", []string{"sagemaker:InvokeEndpoint"}, []string{
			args.Scope.Endpoint(args.EndpointName), component,
		}),
	)
	if args.DirectWake {
		// The row says who asked last, so that each wake is asked for once.
		statements = append(statements,
			iampolicy.Allow("AskOnce", []string{"dynamodb:PutItem"}, []string{table}),
			iampolicy.Allow("Wake", []string{
				"sagemaker:DescribeInferenceComponent", "sagemaker:UpdateInferenceComponentRuntimeConfig",
			}, []string{component}))
	}
	return iampolicy.New(statements...)
}

// basics are what every function needs. The log group is there already, so none
// may create one.
func basics(args *Args, function string) []iampolicy.Statement {
	statements := []iampolicy.Statement{
		iampolicy.Allow("Logs", []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			[]string{args.Scope.LogGroup(logGroup(function)) + ":*"}),
		// X-Ray's actions take no resource (service authorization reference,
		// "Actions, resources, and condition keys for AWS X-Ray").
		iampolicy.Allow("Traces", []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"}),
	}
	if args.KMSKeyArn != "" {
		statements = append(statements, keyStatement(args.KMSKeyArn))
	}
	return statements
}

// keyStatement is what SQS and DynamoDB do with the key in a role's name: both
// functions send messages, which takes both actions, and receiving and the table
// take Decrypt only (SQS developer guide, "Amazon SQS Key management"; DynamoDB
// developer guide, "DynamoDB encryption at rest usage notes"). Logs and
// environment are encrypted by their services for themselves.
func keyStatement(key string) iampolicy.Statement {
	return iampolicy.Allow("Key", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{key})
}
