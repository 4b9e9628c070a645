package sqs

import (
	"fmt"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// legacy is the prefix of the codes that SQS's Query protocol had for some errors,
// and that SDKs still report.
const legacy = "AWS.SimpleQueueService."

func errNoQueue() *wire.Error {
	return &wire.Error{Code: "QueueDoesNotExist", QueryCode: legacy + "NonExistentQueue", Message: "The specified queue does not exist.",
		QueryMessage: "The specified queue does not exist for this wsdl version."}
}

func missing(name string) *wire.Error {
	return &wire.Error{Code: "MissingRequiredParameterException", QueryCode: "MissingParameter",
		Message: fmt.Sprintf("The request must contain the parameter %s.", name)}
}

// invalid is an InvalidParameterValue with a message of its own.
func invalid(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Message: fmt.Sprintf(format, args...)}
}

// badParameter is an InvalidParameterValue in SQS's words.
func badParameter(name string, value any, reason string) *wire.Error {
	return invalid("Value %v for parameter %s is invalid. Reason: %s", shorten(fmt.Sprint(value)), name, reason)
}

func badAttribute(name string) *wire.Error {
	return wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func unknownAttribute(name string) *wire.Error {
	return wire.Errorf("InvalidAttributeName", "Unknown Attribute %s.", shorten(name))
}

func unsupported(message string) *wire.Error {
	return &wire.Error{Code: "UnsupportedOperation", QueryCode: legacy + "UnsupportedOperation", Message: message}
}

// batch is an error of a whole batch: code is the modelled name.
func batch(code, format string, args ...any) *wire.Error {
	return &wire.Error{Code: code, QueryCode: legacy + code, Message: fmt.Sprintf(format, args...)}
}

// shorten keeps what a caller sent from filling an error message.
func shorten(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
