package sqs

import "fmt"

// Error is a refusal in SQS's own words.
type Error struct {
	// Code is what the SDKs call the error, the code of SQS's older protocol.
	Code string
	// Type is the error's name in the JSON protocol.
	Type    string
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func failure(code, typ, message string) *Error {
	return &Error{Code: code, Type: typ, Message: message}
}

// invalid is a parameter with a value that SQS refuses.
func invalid(format string, arguments ...any) *Error {
	return failure("InvalidParameterValue", "InvalidParameterValueException", fmt.Sprintf(format, arguments...))
}
