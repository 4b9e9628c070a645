package s3

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexOf(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

// A signed upload with a trailing checksum, written byte by byte as the documentation
// has it, with both ends of the checksum's line that clients use.
func TestSignedTrailers(t *testing.T) {
	e := start(t)
	b := e.bucket("trailers")
	for name, end := range map[string]string{"plain": "\r\n", "as documented": "\n\r\n"} {
		for _, size := range []int{1, 11, 600, 70_000} {
			body := random(size, uint64(size))
			crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
			sum := base64.StdEncoding.EncodeToString(crc)
			frame := func(chunk, last, trailer string) []byte {
				return fmt.Appendf(nil, "%x;chunk-signature=%s\r\n%s\r\n0;chunk-signature=%s\r\nx-amz-checksum-crc32c:%s%sx-amz-trailer-signature:%s\r\n\r\n", size, chunk, body, last, sum, end, trailer)
			}
			blank := strings.Repeat("0", 64)
			req, err := http.NewRequestWithContext(e.ctx(), "PUT", e.server.URL+"/"+b+"/k", nil)
			if err != nil {
				t.Fatal(err)
			}
			const mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
			now := time.Now().UTC()
			req.Header.Set("X-Amz-Content-Sha256", mode)
			req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
			req.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(size))
			req.Header.Set("Content-Encoding", "aws-chunked")
			req.ContentLength = int64(len(frame(blank, blank, blank)))
			if err := v4.NewSigner().SignHTTP(e.ctx(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, req, mode, "s3", "us-east-1", now); err != nil {
				t.Fatal(err)
			}
			auth := req.Header.Get("Authorization")
			seed := auth[strings.LastIndex(auth, "Signature=")+len("Signature="):]
			day, at := now.Format("20060102"), now.Format("20060102T150405Z")
			scope := day + "/us-east-1/s3/aws4_request"
			key := hmacOf(hmacOf(hmacOf(hmacOf([]byte("AWS4test"), day), "us-east-1"), "s3"), "aws4_request")
			sign := func(algorithm string, parts ...string) string {
				return hex.EncodeToString(hmacOf(key, strings.Join(append([]string{algorithm, at, scope}, parts...), "\n")))
			}
			chunk := sign("AWS4-HMAC-SHA256-PAYLOAD", seed, hexOf(nil), hexOf(body))
			last := sign("AWS4-HMAC-SHA256-PAYLOAD", chunk, hexOf(nil), hexOf(nil))
			trailer := sign("AWS4-HMAC-SHA256-TRAILER", last, hexOf([]byte("x-amz-checksum-crc32c:"+sum+"\n")))
			send := func(payload []byte) int {
				r := req.Clone(e.ctx())
				r.Body = http.NoBody
				r.Body = readCloser{bytes.NewReader(payload)}
				r.Close = true
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			if status := send(frame(chunk, last, trailer)); status != http.StatusOK {
				t.Errorf("%s, %d bytes: status %d", name, size, status)
			} else if !bytes.Equal(e.get(b, "k"), body) {
				t.Errorf("%s, %d bytes came back otherwise", name, size)
			}
			if status := send(frame(chunk, last, blank)); status != http.StatusForbidden {
				t.Errorf("%s, %d bytes with a forged trailer: status %d", name, size, status)
			}
		}
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func FuzzMendTrailer(f *testing.F) {
	f.Add([]byte("0;chunk-signature=x\r\nx-amz-checksum-crc32c:yZRlqg==\n\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n"))
	f.Fuzz(func(t *testing.T, tail []byte) {
		n := len(tail)
		if got := mendTrailer(bytes.Clone(tail)); len(got) != n && len(got) != n-1 {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	})
}

func TestAnEmptyUploadThatAsksFirstIsAnswered(t *testing.T) {
	t.Parallel()
	e := start(t)
	b := e.bucket("asks-first")
	signed, err := awss3.NewPresignClient(e.Client).PresignPutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, u.Host)
	in := bufio.NewReader(conn)
	for _, body := range []string{"", "x", ""} { // on one connection
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", u.RequestURI(), u.Host, len(body))
		for _, want := range []int{http.StatusContinue, http.StatusOK} {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Body.Close(); resp.StatusCode != want {
				t.Fatalf("body %q: %d, want %d", body, resp.StatusCode, want)
			}
			if want == http.StatusContinue {
				fmt.Fprint(conn, body)
			}
		}
		if got := string(e.get(b, "k")); got != body {
			t.Errorf("%q came back for %q", got, body)
		}
	}
}
