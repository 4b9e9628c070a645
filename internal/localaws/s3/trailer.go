package s3

import (
	"bytes"
	"io"
	"net/http"
)

// trailerTail is how much of the end of a body is looked at for its trailer, bytes: one
// checksum and one signature.
const trailerTail = 512

// withTrailer is the request's body. Some clients, minio-go among them, end the trailing
// checksum of a signed upload with "\n\r\n", as S3's documentation writes it, and S3
// takes it; versitygw would take the "\n" for a part of the checksum.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func withTrailer(r *http.Request, body io.Reader) io.Reader {
	if r.ContentLength < 0 || r.Header.Get("X-Amz-Content-Sha256") != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" {
		return body
	}
	return io.MultiReader(io.LimitReader(body, r.ContentLength-trailerTail), &trailerReader{r: body})
}

// trailerReader reads the end of a body whole, before it gives any of it.
type trailerReader struct {
	r    io.Reader
	rest *bytes.Reader
	err  error
}

func (t *trailerReader) Read(p []byte) (int, error) {
	if t.rest == nil {
		tail, err := io.ReadAll(io.LimitReader(t.r, 2*trailerTail))
		t.rest, t.err = bytes.NewReader(mendTrailer(tail)), err
	}
	n, err := t.rest.Read(p)
	if err == io.EOF && t.err != nil {
		err = t.err
	}
	return n, err
}

// mendTrailer removes the superfluous "\n" before the signature of the trailer.
func mendTrailer(tail []byte) []byte {
	const before, name, after = "\n\r\n", "x-amz-trailer-signature:", "\r\n\r\n"
	// The signature is the last there is: name, 64 digits, the end.
	at := len(tail) - len(after) - 64 - len(name)
	if at < len(before) || !bytes.HasPrefix(tail[at:], []byte(name)) || !bytes.HasSuffix(tail[:at], []byte(before)) {
		return tail
	}
	return append(tail[:at-len(before)], tail[at-len(before)+1:]...)
}
