package s3

import (
	"net/http"
	"strings"
)

// objectRequest is what operations on objects need to know of a request that the
// controllers do not pass on, and what they add to its answer.
type objectRequest struct {
	method string
	header http.Header
	// emptyVersion says that the query has versionId without a value, which S3 refuses.
	emptyVersion bool
	// emptyToken says the same of continuation-token.
	emptyToken bool
	// configuration says that the client asked for the bucket's configuration of
	// versioning or Object Lock. Where it is not set, the controllers ask, before every
	// write, for checks that are made in the transaction here.
	configuration bool
	// answer is the document to answer with, in place of the controllers' own.
	answer any
	told   []header
	// customer is the key that the client provides, sourceCustomer that of a copy's source.
	customer, sourceCustomer *customerKey
}

type header struct{ name, value string }

// tell adds a header to the answer, in place of one of that name; none where the value
// is empty.
func (r *objectRequest) tell(name, value string) {
	if value != "" {
		r.told = append(r.told, header{name, value})
	}
}

func (r *objectRequest) tellMarker(m *record) {
	r.tell("x-amz-delete-marker", "true")
	r.tell("x-amz-version-id", m.versionID())
	r.tell("Last-Modified", m.modified.Format(http.TimeFormat))
}

// newObjectRequest takes what it needs of a request; nil where there is none.
func newObjectRequest(r *http.Request, query map[string][]string) objectRequest {
	if r == nil {
		return objectRequest{header: http.Header{}}
	}
	v, ok := query["versionId"]
	t, has := query["continuation-token"]
	return objectRequest{method: r.Method, header: r.Header, emptyVersion: ok && v[0] == "", emptyToken: has && t[0] == ""}
}

// takeForm makes the fields of an uploaded form what headers are to other uploads.
func (r *objectRequest) takeForm(fields map[string]string) (err error) {
	r.header = http.Header{}
	for name, value := range fields {
		if name == "x-amz-storage-class" || strings.HasPrefix(name, "x-amz-server-side-encryption") {
			r.header.Set(name, value)
		}
	}
	r.customer, err = readCustomerKey(r.header, "X-Amz-Server-Side-Encryption-Customer-")
	return err
}
