// Package iampolicy holds IAM policy documents as typed values, so that they
// are checked by the compiler and compared by tests.
package iampolicy

import (
	"encoding/json"
	"fmt"
)

// policyVersion is the version of the IAM policy language; there has been no
// newer one since 2012.
const policyVersion = "2012-10-17"

// Document is an IAM policy document.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement allows or denies actions.
type Statement struct {
	Sid       string               `json:"Sid,omitempty"`
	Effect    string               `json:"Effect"`
	Principal map[string]string    `json:"Principal,omitempty"`
	Action    []string             `json:"Action"`
	Resource  []string             `json:"Resource,omitempty"`
	Condition map[string]Condition `json:"Condition,omitempty"`
}

// Condition maps a condition key to the values it may have.
type Condition map[string][]string

// Allow is a statement that allows the actions on the resources.
func Allow(sid string, actions, resources []string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// New is a document of the statements.
func New(statements ...Statement) Document {
	return Document{Version: policyVersion, Statement: statements}
}

// RequireTLS denies everybody every action of the service on its resource over
// plain HTTP. It allows nothing: who may do what is up to the roles. The form is
// that of the SQS developer guide, "Amazon SQS security best practices".
func RequireTLS(service, resource string) Document {
	return New(Statement{
		Sid:       "RequireTLS",
		Effect:    "Deny",
		Principal: map[string]string{"AWS": "*"},
		Action:    []string{service + ":*"},
		Resource:  []string{resource},
		Condition: map[string]Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	})
}

// Trust lets one AWS service assume the role, where the conditions hold.
func Trust(service string, conditions map[string]Condition) Document {
	return New(Statement{
		Effect:    "Allow",
		Principal: map[string]string{"Service": service},
		Action:    []string{"sts:AssumeRole"},
		Condition: conditions,
	})
}

// String is the document as IAM takes it.
func (d Document) String() string {
	text, err := json.Marshal(d)
	if err != nil {
		// A Document holds strings only, which always marshal.
		panic(fmt.Sprintf("policy document: %v", err))
	}
	return string(text)
}
