package main

import (
	"fmt"

	"scaletozero/policies/internal/cfn"
)

// tableIsSafe demands of a DynamoDB table encryption with a KMS key, whose use
// CloudTrail shows, and in the stacks that pointInTimeRecoveryStacks names a
// continuous backup (DynamoDB guide, "Encryption at rest", "Point-in-time
// recovery"). Without serverSideEncryption a table is encrypted with a key of
// DynamoDB's own, which nobody can look at or take away.
func tableIsSafe() rule {
	return rule{
		name:        "table-is-safe",
		description: "A DynamoDB table must be encrypted with a KMS key, and recoverable where the configuration says so.",
		knobs: map[string]map[string]any{
			recoveryKnob: textsKnob("Globs of the stacks in which tables need point-in-time recovery."),
		},
		judges: map[string]func(*report, map[string]any){
			"AWS::DynamoDB::Table": func(r *report, properties map[string]any) {
				judgeTableEncryption(r, properties)
				judgeRecovery(r, "", properties["PointInTimeRecoverySpecification"])
			},
			"AWS::DynamoDB::GlobalTable": func(r *report, properties map[string]any) {
				judgeTableEncryption(r, properties)
				for i, item := range oneOrMany(properties["Replicas"]) {
					where := fmt.Sprintf("Replicas[%d]", i)
					if replica, ok := cfn.Object(item); ok {
						judgeRecovery(r, where, replica["PointInTimeRecoverySpecification"])
					} else {
						judgeRecovery(r, where, item)
					}
				}
			},
		},
	}
}

const recoveryKnob = "pointInTimeRecoveryStacks"

func judgeTableEncryption(r *report, properties map[string]any) {
	value := properties["SSESpecification"]
	property := "SSESpecification"
	if r.resource.Native {
		property = "ServerSideEncryption"
	}
	if specification, ok := cfn.Object(value); ok {
		value = specification["SSEEnabled"]
	}
	if cfn.IsTrue(value) {
		return
	}
	r.check(expectation{
		property: property, value: value, must: "must be enabled", absent: "the key is DynamoDB's own",
		code:     "ServerSideEncryption: &dynamodb.TableServerSideEncryptionArgs{Enabled: pulumi.Bool(true)}",
		template: "SSESpecification: {SSEEnabled: true}",
	})
}

func judgeRecovery(r *report, where string, value any) {
	if !r.settings.namesStack(recoveryKnob) {
		return
	}
	if specification, ok := cfn.Object(value); ok {
		value = specification["PointInTimeRecoveryEnabled"]
	}
	if cfn.IsTrue(value) {
		return
	}
	r.check(expectation{
		where: where, property: "point-in-time recovery", value: value, must: "must be enabled in stack " + r.settings.stack,
		absent:   "the default is off",
		code:     "PointInTimeRecovery: &dynamodb.TablePointInTimeRecoveryArgs{Enabled: pulumi.Bool(true)}",
		template: "PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}",
	})
}
