package wire

import (
	"fmt"
	"net/http"
)

// Error is an AWS API error, answered in the caller's protocol.
type Error struct {
	Code    string // the modelled name: "QueueDoesNotExist"
	Message string // for the caller: what was wrong with what, and what is allowed
	Status  int    // HTTP status; 0 means 400
	// QueryCode is the code that Query clients, and JSON clients through
	// x-amzn-query-error, see where it differs from Code:
	// "AWS.SimpleQueueService.NonExistentQueue". Empty: Code.
	QueryCode string
	// QueryMessage is what Query clients are told where that differs. Empty: Message.
	QueryMessage string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// fault is who is to blame, in Query's words.
func (e *Error) fault() string {
	if e.status() >= 500 {
		return "Receiver"
	}
	return "Sender"
}

func (e *Error) queryCode() string {
	if e.QueryCode == "" {
		return e.Code
	}
	return e.QueryCode
}

func (e *Error) queryMessage() string {
	if e.QueryMessage == "" {
		return e.Message
	}
	return e.QueryMessage
}

// noOperation is the code of a call of no operation that there is. A Query client that
// names none at a queue's URL gets it as an element of its own, without words.
const noOperation = "UnknownOperationException"

func unknownOperation(name string, json bool) *Error {
	if json {
		return Errorf(noOperation, "The operation %q is not known to this endpoint.", name)
	}
	return Errorf("InvalidAction", "The action %s is not valid for this endpoint.", name)
}
