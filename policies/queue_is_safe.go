package main

import (
	"strings"

	"scaletozero/policies/internal/cfn"
	"scaletozero/policies/internal/registered"
)

// queueIsSafe demands of every SQS queue that a message which cannot be
// handled ends in a dead-letter queue, that messages are encrypted at rest
// (which is SQS's default for a new queue), and that its policy refuses calls
// without TLS (SQS guide, "Dead-letter queues", "Encryption at rest", "Security
// best practices"). A dead-letter queue itself needs none of its own.
func queueIsSafe() rule {
	return rule{
		name:        "queue-is-safe",
		description: "An SQS queue must have a dead-letter queue, encryption and a policy that refuses calls without TLS.",
		judgeStack: func(s *stack) {
			s.each(func(r *report, properties map[string]any) {
				judgeDeadLetters(s, r, properties)
				judgeQueueEncryption(r, properties)
				judgeTLS(s, r, properties)
			}, "AWS::SQS::Queue")
		},
	}
}

func judgeDeadLetters(s *stack, r *report, properties map[string]any) {
	redrive := properties["RedrivePolicy"]
	_, unknown := redrive.(cfn.Unknown)
	known := !unknown && deadLetterTarget(redrive) != nil
	if known || takesDeadLetters(s, r.resource) {
		return
	}
	own := s.matching(func(policy cfn.Resource) (bool, *cfn.Unknown) { return refer(policy, "QueueUrl").Means(r.resource) },
		registered.TypeRedrivePolicy)
	// What is not known but made of another queue can only be its dead-letter
	// queue.
	if len(own.found) > 0 || unknown && dependsOnQueue(s, r.resource) {
		return
	}
	value := redrive
	if doubt := own.value(); !unknown && doubt != nil {
		value = doubt
	}
	r.check(expectation{
		property: "RedrivePolicy", value: value, must: "must name a dead-letter queue",
		absent: "a message that cannot be handled comes back until it is too old",
		code:   "RedrivePolicy with deadLetterTargetArn: the ARN of a second queue, and maxReceiveCount", template: "RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 5}",
	})
}

// deadLetterTarget is the ARN in a redrive policy, an object or JSON; nil if
// there is none.
func deadLetterTarget(policy any) any {
	if u, ok := policy.(cfn.Unknown); ok {
		return u
	}
	document, _ := cfn.Document(policy)
	object, _ := cfn.Object(document)
	if target := object["deadLetterTargetArn"]; !cfn.IsMissing(target) {
		return target
	}
	return nil
}

func dependsOnQueue(s *stack, queue cfn.Resource) bool {
	for _, other := range s.of("AWS::SQS::Queue") {
		if means, _ := refer(queue, "RedrivePolicy").Means(other); means && other.ID() != queue.ID() {
			return true
		}
	}
	return false
}

// takesDeadLetters says whether the queue is a dead-letter queue: it allows
// others to use it as one, or one of the stack does.
func takesDeadLetters(s *stack, queue cfn.Resource) bool {
	if allows(get(queue, "RedriveAllowPolicy")) {
		return true
	}
	for _, policy := range s.of(registered.TypeRedriveAllowPolicy) {
		if means, _ := refer(policy, "QueueUrl").Means(queue); means && allows(get(policy, "RedriveAllowPolicy")) {
			return true
		}
	}
	for _, source := range s.of("AWS::SQS::Queue", registered.TypeRedrivePolicy) {
		target := deadLetterTarget(get(source, "RedrivePolicy"))
		if means, _ := source.Reference("RedrivePolicy", target).Means(queue); means && source.ID() != queue.ID() {
			return true
		}
	}
	return false
}

func allows(policy any) bool {
	if cfn.IsMissing(policy) {
		return false
	}
	document, _ := cfn.Document(policy)
	object, _ := cfn.Object(document)
	return !cfn.IsText(object["redrivePermission"], "denyAll")
}

func judgeQueueEncryption(r *report, properties map[string]any) {
	managed := properties["SqsManagedSseEnabled"]
	if !cfn.IsMissing(properties["KmsMasterKeyId"]) || cfn.IsMissing(managed) || cfn.IsTrue(managed) {
		return
	}
	r.check(expectation{
		property: "SqsManagedSseEnabled", value: managed, must: "must be true where there is no KmsMasterKeyId",
		code: "SqsManagedSseEnabled: pulumi.Bool(true)", template: "SqsManagedSseEnabled: true",
	})
}

func judgeTLS(s *stack, r *report, properties map[string]any) {
	const line = `a policy with {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": the queue's ARN, ` +
		`"Condition": {"Bool": {"aws:SecureTransport": "false"}}}`
	e := expectation{
		property: "the queue's policy", must: "must deny every call with aws:SecureTransport false", code: line, template: line,
		absent: "calls without TLS are taken",
	}
	documents := []any{properties["Policy"]}
	policies := s.matching(func(policy cfn.Resource) (bool, *cfn.Unknown) { return appliesTo(policy, r.resource) },
		"AWS::SQS::QueuePolicy", "AWS::SQS::QueueInlinePolicy")
	for _, policy := range policies.found {
		documents = append(documents, get(policy, "PolicyDocument"))
	}
	e.value = policies.value()
	for _, value := range documents {
		document, err := cfn.Document(value)
		if err != nil {
			document = cfn.Unknown{Why: err.Error(), Final: true}
		}
		switch document := document.(type) {
		case cfn.Unknown:
			e.value = document
		case map[string]any:
			if deniesPlain(document) {
				return
			}
			if _, unknown := e.value.(cfn.Unknown); !unknown {
				e.value = document
			}
		}
	}
	r.check(e)
}

// appliesTo says whether a queue policy is for the queue.
func appliesTo(policy, queue cfn.Resource) (bool, *cfn.Unknown) {
	var doubt *cfn.Unknown
	for _, property := range []string{"Queues", "Queue"} {
		for _, value := range oneOrMany(get(policy, property)) {
			yes, unsure := policy.Reference(property, value).Means(queue)
			if unsure == nil && yes {
				return true, nil
			}
			if unsure != nil {
				doubt = unsure
			}
		}
	}
	return false, doubt
}

// deniesPlain says whether a policy refuses everybody's every call without TLS.
func deniesPlain(document map[string]any) bool {
	for _, item := range oneOrMany(document["Statement"]) {
		statement, _ := cfn.Object(item)
		if !cfn.IsText(statement["Effect"], "Deny") || !isEverybody(statement["Principal"]) {
			continue
		}
		everything := false
		for _, action := range oneOrMany(statement["Action"]) {
			text, _ := cfn.Text(action)
			everything = everything || text == "*" || strings.EqualFold(text, "sqs:*")
		}
		condition, _ := cfn.Object(statement["Condition"])
		keys, _ := cfn.Object(condition["Bool"])
		if everything && len(condition) == 1 && len(keys) == 1 && isPlainTransport(keys) {
			return true
		}
	}
	return false
}

func isPlainTransport(keys map[string]any) bool {
	for key, values := range keys {
		list := oneOrMany(values)
		if strings.EqualFold(key, "aws:SecureTransport") && len(list) == 1 && cfn.IsText(list[0], "false") {
			return true
		}
	}
	return false
}
