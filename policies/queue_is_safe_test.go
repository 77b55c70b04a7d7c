package main

import "testing"

const queueToken = "aws:sqs/queue:Queue"

func tlsOnly(t *testing.T, changes ...object) string {
	t.Helper()
	return policyText(t, with(object{
		"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
		"Condition": object{"Bool": object{"aws:SecureTransport": "false"}},
	}, changes...))
}

// queues is a queue with its dead-letter queue, once they have their ARNs.
func queues(t *testing.T, queue object) []registration {
	t.Helper()
	guard := func(name, queue string) registration {
		return registration{
			token: "aws:sqs/queuePolicy:QueuePolicy", name: name,
			properties: object{"queueUrl": "https://sqs/" + queue, "policy": tlsOnly(t)},
		}
	}
	return []registration{
		{
			token: queueToken, name: "jobs", outputs: object{"arn": "arn:jobs", "url": "https://sqs/jobs"},
			properties: with(object{"redrivePolicy": `{"deadLetterTargetArn":"arn:dead","maxReceiveCount":5}`, "sqsManagedSseEnabled": true}, queue),
		},
		{token: queueToken, name: "dead", properties: object{"kmsMasterKeyId": "alias/aws/sqs"}, outputs: object{"arn": "arn:dead", "url": "https://sqs/dead"}},
		guard("jobs-tls", "jobs"), guard("dead-tls", "dead"),
	}
}

// queuesPlanned is the same before they have any.
func queuesPlanned(t *testing.T) []registration {
	t.Helper()
	resources := queues(t, object{"redrivePolicy": unknown})
	resources[0].depends = map[string][]string{"redrivePolicy": {"dead"}}
	for i, name := range []string{"jobs", "dead"} {
		resources[i].outputs = object{"arn": unknown, "url": unknown}
		resources[i+2].properties = object{"queueUrl": unknown, "policy": tlsOnly(t)}
		resources[i+2].depends = map[string][]string{"queueUrl": {name}}
	}
	return resources
}

func TestQueueIsSafe(t *testing.T) {
	unlinked := queuesPlanned(t)
	unlinked[0].depends = nil
	policyUnknown := queuesPlanned(t)
	policyUnknown[2].properties = object{"queueUrl": unknown, "policy": unknown}
	guarded := func(changes ...object) []registration {
		resources := queues(t, nil)
		resources[2].properties = with(resources[2].properties, object{"policy": tlsOnly(t, changes...)})
		return resources
	}
	const noTLS = `"jobs": the queue's policy is an object; it must deny every call with aws:SecureTransport false`
	alone := func(changes ...object) object {
		return with(object{"policy": tlsOnly(t)}, changes...)
	}
	runCases(t, "queue-is-safe", []policyCase{
		{name: "safe", resources: queues(t, nil)},
		{name: "planned", resources: queuesPlanned(t)},
		{name: "planned, dead-letter queue of unknown origin", resources: unlinked, pending: []string{`"jobs": RedrivePolicy is unknown`}, denied: []string{`"dead": RedrivePolicy is missing`}},
		{name: "policy not known", resources: policyUnknown, pending: []string{`"jobs": the queue's policy is unknown`}},
		{name: "no dead letters", token: queueToken, properties: alone(), denied: []string{"RedrivePolicy is missing (a message that cannot be handled comes back until it is too old)"}},
		{name: "empty redrive policy", token: queueToken, properties: alone(object{"redrivePolicy": "{}"}), denied: []string{"RedrivePolicy is"}},
		{name: "allows to be one", token: queueToken, properties: alone(object{"redriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["arn:a"]}`})},
		{name: "allows nobody", token: queueToken, properties: alone(object{"redriveAllowPolicy": `{"redrivePermission":"denyAll"}`}), denied: []string{"RedrivePolicy"}},
		{
			name: "allows to be one, in a resource of its own", resources: []registration{
				{token: queueToken, name: "it", properties: alone(), outputs: object{"url": "https://it"}},
				{token: "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", name: "allow", properties: object{"queueUrl": "https://it", "redriveAllowPolicy": `{"redrivePermission":"allowAll"}`}},
			},
		},
		{
			name: "redrive policy in a resource of its own", resources: []registration{
				{token: queueToken, name: "it", properties: alone(), outputs: object{"url": "https://it"}},
				{token: "aws:sqs/redrivePolicy:RedrivePolicy", name: "redrive", properties: object{"queueUrl": "https://it", "redrivePolicy": `{"deadLetterTargetArn":"arn:elsewhere"}`}},
			},
		},
		{
			name: "an ARN written by hand", resources: []registration{
				{token: queueToken, name: "it", properties: alone(object{"redrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:lost"}`})},
				{token: queueToken, name: "lost", properties: alone(object{"name": "lost"}), outputs: object{"arn": unknown}},
			},
		},
		{name: "encrypted by default", resources: queues(t, object{"sqsManagedSseEnabled": nil})},
		{name: "not encrypted", resources: queues(t, object{"sqsManagedSseEnabled": false}), denied: []string{`"jobs": SqsManagedSseEnabled is false; it must be true where there is no KmsMasterKeyId`}},
		{name: "encryption not known", resources: queues(t, object{"sqsManagedSseEnabled": unknown}), pending: []string{"SqsManagedSseEnabled is unknown"}},
		{name: "key not known", resources: queues(t, object{"sqsManagedSseEnabled": false, "kmsMasterKeyId": unknown})},
		{name: "no policy", resources: queues(t, nil)[:3], denied: []string{`"dead": the queue's policy is missing (calls without TLS are taken)`}},
		{name: "an allowing policy", resources: guarded(object{"Effect": "Allow"}), denied: []string{noTLS}},
		{name: "for one principal", resources: guarded(object{"Principal": object{"AWS": "arn:aws:iam::1:root"}}), denied: []string{noTLS}},
		{name: "for every account", resources: guarded(object{"Principal": object{"AWS": "*"}})},
		{name: "for one action", resources: guarded(object{"Action": "sqs:SendMessage"}), denied: []string{noTLS}},
		{name: "for the other way", resources: guarded(object{"Condition": object{"Bool": object{"aws:SecureTransport": "true"}}}), denied: []string{noTLS}},
		{name: "and only if", resources: guarded(object{"Condition": object{"Bool": object{"aws:SecureTransport": false}, "StringEquals": object{"a": "b"}}}), denied: []string{noTLS}},
		{
			name: "a policy that is no JSON", token: queueToken, denied: []string{"the queue's policy is unknown (it is not JSON"},
			properties: object{"policy": "{", "redriveAllowPolicy": `{"redrivePermission":"allowAll"}`},
		},
		{
			name: "redrive policy of an unknown queue", resources: []registration{
				{token: queueToken, name: "it", properties: alone()},
				{token: "aws:sqs/redrivePolicy:RedrivePolicy", name: "redrive", properties: object{"queueUrl": unknown, "redrivePolicy": `{"deadLetterTargetArn":"arn:elsewhere"}`}},
			}, pending: []string{"RedrivePolicy is unknown"},
		},
		{name: "as a boolean", resources: guarded(object{"Condition": object{"Bool": object{"aws:SecureTransport": false}}})},
		{
			name: "aws-native", resources: []registration{
				{token: "aws-native:sqs:Queue", name: "it", properties: object{"redriveAllowPolicy": object{"redrivePermission": "allowAll"}}, outputs: object{"queueUrl": "u"}},
				{
					token: "aws-native:sqs:QueueInlinePolicy", name: "policy", properties: object{"queue": unknown, "policyDocument": tlsOnly(t)},
					depends: map[string][]string{"queue": {"it"}},
				},
			},
		},
		{
			name: "desired state", token: cloudControlToken, denied: []string{"RedrivePolicy is missing", "the queue's policy is missing"},
			properties: object{"typeName": "AWS::SQS::Queue", "desiredState": "{}"},
		},
		{
			name: "desired state not known", token: cloudControlToken, pending: []string{"the set of properties is unknown"},
			properties: object{"typeName": "AWS::SQS::Queue", "desiredState": unknown},
		},
	})
}
