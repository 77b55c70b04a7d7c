package sqs

import (
	"fmt"

	"scaletozero/localcloud/awsjson"
)

func failure(code, typ, message string) *awsjson.Error {
	return &awsjson.Error{Code: code, Type: typ, Message: message}
}

// invalid is a parameter with a value that SQS refuses.
func invalid(format string, arguments ...any) *awsjson.Error {
	return failure("InvalidParameterValue", "InvalidParameterValueException", fmt.Sprintf(format, arguments...))
}
