package slo

import "scaletozero/components/iampolicy"

// publisher is who tells the topic of an alarm.
const publisher = "cloudwatch.amazonaws.com"

// fromAlarms confines CloudWatch to what it does for these alarms, so that it
// cannot be made to do it for somebody else's. For a topic, AWS shows
// aws:SourceArn with alarms (AWS knowledge center, "Why didn't I receive an SNS
// notification for my CloudWatch alarm trigger?"). For a key, AWS asks for both
// condition keys, of all services that publish to encrypted topics but EventBridge
// (Amazon SNS developer guide, "Enable compatibility between event sources from
// AWS services and encrypted topics").
func fromAlarms(args *Args) map[string]iampolicy.Condition {
	var alarms []string
	for _, name := range AlarmNames(args.Name, args.CountColdStarts) {
		alarms = append(alarms, args.Scope.Alarm(name))
	}
	return map[string]iampolicy.Condition{
		"StringEquals": {"aws:SourceAccount": {args.Scope.AccountID}},
		"ArnEquals":    {"aws:SourceArn": alarms},
	}
}

// topicPolicy lets the alarms publish, and no other service. Principals of the
// account may where their own policies say so, and everybody over TLS only. It names
// sns:Publish, since a topic's policy takes no sns:* (Amazon SNS developer guide,
// "Enforce encryption of data in transit").
func topicPolicy(args *Args) iampolicy.Document {
	topic := []string{args.Scope.Topic(args.Name)}
	return iampolicy.New(
		iampolicy.Statement{
			Sid: "Alarms", Effect: "Allow", Principal: map[string]string{"Service": publisher},
			Action: []string{"sns:Publish"}, Resource: topic, Condition: fromAlarms(args),
		},
		iampolicy.Statement{
			Sid: "RequireTLS", Effect: "Deny", Principal: map[string]string{"AWS": "*"},
			Action: []string{"sns:Publish"}, Resource: topic,
			Condition: map[string]iampolicy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
		},
	)
}

// keyPolicy lets the account's IAM policies decide, as KMS's default does, and
// the alarms use the key. In a key's policy the resource is the key.
func keyPolicy(args *Args) iampolicy.Document {
	return iampolicy.New(
		iampolicy.Statement{
			Sid: "AccountDecides", Effect: "Allow", Principal: map[string]string{"AWS": args.Scope.Root()},
			Action: []string{"kms:*"}, Resource: []string{"*"},
		},
		iampolicy.Statement{
			Sid: "Alarms", Effect: "Allow", Principal: map[string]string{"Service": publisher},
			Action: []string{"kms:Decrypt", "kms:GenerateDataKey*"}, Resource: []string{"*"}, Condition: fromAlarms(args),
		},
	)
}
