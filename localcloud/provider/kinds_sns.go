package provider

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
)

// A topic is kept with its policy, its subscriptions and its key, and nothing is sent: alarms show their state in the
// console, and no mail leaves this machine.

var topicKind = &kind{
	inputs:    schemaOf(&sns.TopicArgs{}),
	nameLimit: 256,
	defaults:  Properties{"fifoTopic": false, "contentBasedDeduplication": false},
	rules: map[string]rule{
		"name":             matching(`^[0-9A-Za-z_-]+$`, 256),
		"signatureVersion": between(1, 2),
		"tracingConfig":    oneOf("Active", "PassThrough"),
	},
	documents: []string{"archivePolicy", "deliveryPolicy", "policy"},
	replaceOn: []string{"name", "namePrefix", "fifoTopic"},
	identity:  []string{"name"},
	id:        func(_ *Server, r *Resource) string { return topicARN(r) },
	check: func(_ *Server, r *Resource) error {
		if r.Inputs.flag("fifoTopic") || r.Inputs.text("namePrefix") != "" {
			return fmt.Errorf("localcloud implements standard topics with a name: neither fifoTopic nor namePrefix")
		}
		return nil
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": topicARN(r), "owner": accountID, "policy": "", "beginningArchiveTime": "", "fifoThroughputScope": "",
			"signatureVersion": 0.0, "tracingConfig": "",
		}
	},
}

func topicARN(r *Resource) string {
	return arn(r, "sns", r.Region, accountID, r.Inputs.text("name"))
}

// topicExists checks the ARN in an input of what belongs to a topic.
func topicExists(input string) func(*Server, *Resource) error {
	return func(s *Server, r *Resource) error {
		if topic := r.Inputs.text(input); s.store.Find(TypeTopic, topic, "") == nil {
			return fmt.Errorf("NotFound: Topic does not exist: %s", topic)
		}
		return nil
	}
}

var topicPolicyKind = &kind{
	inputs:    schemaOf(&sns.TopicPolicyArgs{}),
	required:  []string{"policy"},
	documents: []string{"policy"},
	replaceOn: []string{"arn"},
	identity:  []string{"arn"},
	id:        inputAsID("arn"),
	check:     topicExists("arn"),
	outputs:   func(*Server, *Resource) Properties { return Properties{"owner": accountID} },
}

// topicSubscriptionKind is for mail, which AWS sends to nobody who has not confirmed it. Here nobody can.
var topicSubscriptionKind = &kind{
	inputs:    schemaOf(&sns.TopicSubscriptionArgs{}),
	required:  []string{"topic"},
	defaults:  Properties{"confirmationTimeoutInMinutes": 1.0, "endpointAutoConfirms": false, "rawMessageDelivery": false},
	rules:     map[string]rule{"protocol": oneOf("email", "email-json")},
	replaceOn: []string{"topic", "protocol", "endpoint"},
	identity:  []string{"topic", "protocol", "endpoint"},
	id: func(_ *Server, r *Resource) string {
		return r.Inputs.text("topic") + ":" + uuid(r.URN, r.Created.String())
	},
	check: topicExists("topic"),
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": r.ID, "ownerId": accountID, "pendingConfirmation": true, "confirmationWasAuthenticated": false, "filterPolicyScope": "",
		}
	},
}

// keyKind keeps a key, with which nothing is encrypted.
var keyKind = &kind{
	inputs: schemaOf(&kms.KeyArgs{}),
	defaults: Properties{
		"bypassPolicyLockoutSafetyCheck": false, "customerMasterKeySpec": "SYMMETRIC_DEFAULT", "enableKeyRotation": false, "isEnabled": true,
		"keyUsage": "ENCRYPT_DECRYPT",
	},
	rules: map[string]rule{
		"deletionWindowInDays": between(7, 30),
		"rotationPeriodInDays": between(90, 2560),
		"description":          lengthBetween(0, 8192),
	},
	documents: []string{"policy"},
	replaceOn: []string{"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"},
	id:        func(_ *Server, r *Resource) string { return uuid(r.URN, r.Created.String()) },
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": arn(r, "kms", r.Region, accountID, "key/"+r.ID), "keyId": r.ID, "description": "", "multiRegion": false, "policy": "",
			"rotationPeriodInDays": 0.0,
		}
	},
}
