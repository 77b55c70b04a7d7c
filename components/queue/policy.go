package queue

import "scaletozero/components/iampolicy"

// submitStatements: a job's row first, then its message.
func submitStatements(args *Args) []iampolicy.Statement {
	return []iampolicy.Statement{
		iampolicy.Allow("Jobs", []string{"dynamodb:GetItem", "dynamodb:PutItem"}, []string{args.Scope.Table(args.Name)}),
		iampolicy.Allow("Send", []string{"sqs:SendMessage"}, []string{args.Scope.Queue(args.Name)}),
	}
}

// workerStatements: the event source mapping receives and deletes with the worker's
// role, too (Lambda developer guide, "Creating and configuring an Amazon SQS
// event source mapping", execution role permissions).
func workerStatements(args *Args) []iampolicy.Statement {
	table := args.Scope.Table(args.Name)
	statements := []iampolicy.Statement{
		iampolicy.Allow("Jobs", []string{"dynamodb:GetItem", "dynamodb:UpdateItem"}, []string{table}),
		iampolicy.Allow("Receive", []string{
			"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
		}, []string{args.Scope.Queue(args.Name)}),
		iampolicy.Allow("GiveUp", []string{"sqs:SendMessage"}, []string{args.Scope.Queue(DeadLetterQueue(args.Name))}),
		invokeStatement(args),
	}
	if args.DirectWake {
		// The row says who asked last, so that each wake is asked for once.
		statements = append(statements,
			iampolicy.Allow("AskOnce", []string{"dynamodb:PutItem"}, []string{table}),
			iampolicy.Allow("Wake", []string{
				"sagemaker:DescribeInferenceComponent", "sagemaker:UpdateInferenceComponentRuntimeConfig",
			}, []string{args.Scope.InferenceComponent(args.InferenceComponentName)}))
	}
	return statements
}

// invokeStatement is for the model. A call of an alias is authorised against the
// alias alone (Lambda developer guide, "Using Lambda aliases in event sources and
// permissions policies"), and one that names a component against it and its
// endpoint.
func invokeStatement(args *Args) iampolicy.Statement {
	if args.FunctionAliasArn != "" {
		return iampolicy.Allow("Invoke", []string{"lambda:InvokeFunction"}, []string{args.FunctionAliasArn})
	}
	return iampolicy.Allow("Invoke", []string{"sagemaker:InvokeEndpoint"}, []string{
		args.Scope.Endpoint(args.EndpointName), args.Scope.InferenceComponent(args.InferenceComponentName),
	})
}

// keyStatement is what SQS and DynamoDB do with the key in a role's name: both
// functions send messages, which takes both actions, and receiving and the table
// take Decrypt only (SQS developer guide, "Amazon SQS Key management"; DynamoDB
// developer guide, "DynamoDB encryption at rest usage notes"). Logs and
// environment are encrypted by their services for themselves.
func keyStatement(key string) iampolicy.Statement {
	return iampolicy.Allow("Key", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{key})
}
