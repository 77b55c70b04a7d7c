package awsjson

import (
	"cmp"

	"github.com/aws/smithy-go"
)

// Error is a refusal in a service's own words; it is a smithy.APIError.
type Error struct {
	// Type is the error's name, without the namespace.
	Type string
	// Code is the error's name in the service's older protocol, which the SDKs call
	// it by; empty where it has no other.
	Code    string
	Message string
}

// Error implements error.
func (e *Error) Error() string { return cmp.Or(e.Code, e.Type) + ": " + e.Message }

// ErrorCode is the error's name.
func (e *Error) ErrorCode() string { return e.Type }

// ErrorMessage is the service's sentence.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault says that the caller is to blame.
func (e *Error) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }
