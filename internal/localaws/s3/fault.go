package s3

import (
	"net/http"

	"github.com/versity/versitygw/s3err"
)

// fault is an error of S3 with elements of its own beside code and message.
type fault struct {
	s3err.APIError
	details [][2]string // element, text
}

// failure makes one; details are names and texts by turns.
func failure(status int, code, message string, details ...string) fault {
	f := fault{APIError: s3err.APIError{Code: code, Description: message, HTTPStatusCode: status}}
	for i := 0; i+1 < len(details); i += 2 {
		f.details = append(f.details, [2]string{details[i], details[i+1]})
	}
	return f
}

// XMLBody is the document that the client gets.
func (f fault) XMLBody(requestID, hostID string) []byte {
	e := branch("Error", leaf("Code", f.Code), leaf("Message", f.Description))
	for _, d := range f.details {
		e.kids = append(e.kids, leaf(d[0], d[1]))
	}
	e.kids = append(e.kids, leaf("RequestId", requestID), leaf("HostId", hostID))
	return e.encodePlain()
}

// Is lets errors.Is compare with an APIError.
func (f fault) Is(target error) bool {
	t, ok := target.(s3err.APIError)
	return ok && t == f.APIError
}

// invalidRequest is S3's complaint about what is well-formed and makes no sense.
func invalidRequest(message string) error {
	return failure(http.StatusBadRequest, "InvalidRequest", message)
}

// badArgument is InvalidArgument; unlike versitygw's it shows an empty value, too.
func badArgument(name, value, message string) error {
	return failure(http.StatusBadRequest, "InvalidArgument", message, "ArgumentName", name, "ArgumentValue", value)
}
