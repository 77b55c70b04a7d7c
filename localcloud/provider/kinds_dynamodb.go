package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	awsdynamodb "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"scaletozero/localcloud/dynamodb"
)

// Tables holds tables; dynamodb.Service is the real one.
type Tables interface {
	Create(t dynamodb.Table) error
	Resume(t dynamodb.Table) error
	Update(t dynamodb.Table) error
	Remove(name string) error
}

// payPerRequest is the billing mode without capacities.
const payPerRequest = "PAY_PER_REQUEST"

var tableKind = &kind{
	inputs:    schemaOf(&awsdynamodb.TableArgs{}),
	nameLimit: 255,
	defaults:  Properties{"billingMode": "PROVISIONED", "tableClass": "STANDARD"},
	rules: map[string]rule{
		"name":        matching(`^[a-zA-Z0-9_.-]{3,}$`, 255),
		"billingMode": oneOf("PROVISIONED", payPerRequest),
		"tableClass":  oneOf("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
	},
	replaceOn: []string{"name", "hashKey", "rangeKey"},
	identity:  []string{"name"},
	refuse:    refuseTable,
	id:        inputAsID("name"),
	check: func(_ *Server, r *Resource) error {
		for _, input := range []string{
			"globalSecondaryIndexes", "localSecondaryIndexes", "replicas", "streamEnabled", "importTable",
			"restoreSourceName", "restoreSourceTableArn", "restoreDateTime", "restoreToLatestTime",
		} {
			if _, given := r.Inputs[input]; given {
				return fmt.Errorf("localcloud implements tables with a hash key, a range key and nothing else: no %s", input)
			}
		}
		attributes := r.Inputs.objects("attributes")
		if r.Inputs.text("hashKey") == "" || len(attributes) == 0 {
			return errors.New("ValidationException: a table needs a hashKey and its attribute")
		}
		for _, attribute := range attributes {
			if attribute.text("type") != "S" {
				return fmt.Errorf("localcloud implements tables whose keys are strings: the type of the attribute %q must be S", attribute.text("name"))
			}
		}
		return nil
	},
	run: func(_ context.Context, s *Server, old, r *Resource) error {
		if old != nil {
			return s.options.Tables.Update(tableOf(r))
		}
		return s.options.Tables.Create(tableOf(r))
	},
	remove: func(_ context.Context, s *Server, r *Resource) error {
		if r.Inputs.flag("deletionProtectionEnabled") {
			return errors.New("ValidationException: Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		return s.options.Tables.Remove(r.Inputs.text("name"))
	},
	outputs: func(_ *Server, r *Resource) Properties {
		return Properties{
			"arn": tableARN(r), "readCapacity": 0.0, "writeCapacity": 0.0, "streamArn": "", "streamLabel": "", "streamViewType": "",
			"pointInTimeRecovery":  map[string]any{"enabled": false, "recoveryPeriodInDays": 0.0},
			"serverSideEncryption": map[string]any{"enabled": false, "kmsKeyArn": ""},
			"ttl":                  map[string]any{"attributeName": "", "enabled": false},
		}
	},
}

// refuseTable holds what terraform-provider-aws checks about a table's attributes and capacities.
func refuseTable(given Properties) *pulumirpc.CheckFailure {
	fail := func(property, reason string) *pulumirpc.CheckFailure {
		return &pulumirpc.CheckFailure{Property: property, Reason: reason}
	}
	var keys, named []string
	for _, key := range []string{"hashKey", "rangeKey"} {
		if name := given.text(key); name != "" {
			keys = append(keys, name)
		}
	}
	for _, attribute := range given.objects("attributes") {
		named = append(named, attribute.text("name"))
	}
	slices.Sort(keys)
	slices.Sort(named)
	ttl := given.object("ttl")
	switch {
	case given.text("hashKey") != "" && len(named) > 0 && !slices.Equal(keys, named):
		return fail("attributes", fmt.Sprintf("attributes must be the key attributes %q and no other: all attributes must be indexed", keys))
	case given.text("billingMode") != payPerRequest && (given.number("readCapacity") < 1 || given.number("writeCapacity") < 1):
		return fail("billingMode", "billingMode PROVISIONED needs a readCapacity and a writeCapacity of at least 1: set them, or billingMode "+payPerRequest)
	case ttl.flag("enabled") != (ttl.text("attributeName") != ""):
		return fail("ttl", "ttl needs both enabled and attributeName, or neither")
	}
	return nil
}

func tableARN(r *Resource) string {
	return arn(r, "dynamodb", r.Region, accountID, "table/"+r.Inputs.text("name"))
}

// tableOf is the table that a checked resource describes.
func tableOf(r *Resource) dynamodb.Table {
	return dynamodb.Table{
		ARN: tableARN(r), Name: r.Inputs.text("name"), HashKey: r.Inputs.text("hashKey"), RangeKey: r.Inputs.text("rangeKey"), TTLAttribute: r.Inputs.object("ttl").text("attributeName"),
	}
}
