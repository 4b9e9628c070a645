package app

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// wholeAnswers keeps a connection open until its answer has been read.
//
// The SDK closes a request's body as soon as the head of the answer is there. Its body has a WriteTo
// that says io.EOF from then on, where io.WriterTo's contract wants nil. net/http looks, after it has sent a
// body, whether there is more of it than announced; where the answer was quicker than that look, it takes the io.EOF
// for a failed request and closes the connection under the answer. Messages of such a
// poll came back only after their visibility timeout. Without WriteTo the end of the body is one.
type wholeAnswers struct{ aws.HTTPClient }

func (c wholeAnswers) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}
