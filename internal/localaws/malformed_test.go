package localaws_test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // of the Content-MD5 header
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/localawstest"
)

// call sends a signed request, as it is, and returns the status and AWS's error code.
func call(t *testing.T, srv *localawstest.Server, service, method, target string, header map[string]string, body string) (status int, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	req.URL.Opaque = "//" + req.URL.Host + path // not cleaned
	req.URL.RawQuery = query
	for k, v := range header {
		if k == "Content-Md5" {
			sum := md5.Sum([]byte(body))
			v = base64.StdEncoding.EncodeToString(sum[:])
		}
		req.Header.Set(k, v)
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	err = signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: localawstest.AccessKey, SecretAccessKey: localawstest.SecretKey}, req, hash, service, localawstest.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, errorCode(b)
}

var codes = regexp.MustCompile(`<Code>([^<]+)</Code>|"__type":"(?:[^"#]*#)?([^"]+)"`)

func errorCode(b []byte) string {
	if m := codes.FindSubmatch(b); m != nil {
		return string(m[1]) + string(m[2])
	}
	return ""
}

// TestMalformedRequests: what no client of AWS sends has AWS's answer, and the endpoint
// goes on.
func TestMalformedRequests(t *testing.T) {
	srv := localawstest.New(t)
	c := connect(t, srv.URL, localawstest.SecretKey)
	must(c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("uploads")}))(t)
	json := func(op string) map[string]string {
		return map[string]string{"X-Amz-Target": op, "Content-Type": "application/x-amz-json-1.0"}
	}
	// S3 wants documents with a digest; call adds the one of the body.
	digest := map[string]string{"Content-Md5": ""}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	deep := strings.Repeat("[", 100_000)
	for _, r := range []struct {
		name, service, method, target string
		header                        map[string]string
		body                          string
		status                        int
		code                          string
	}{
		{"JSON cut off", "sqs", "POST", "/", json("AmazonSQS.CreateQueue"), `{"QueueName":"a`, 400, "SerializationException"},
		{"JSON of great depth", "sqs", "POST", "/", json("AmazonSQS.CreateQueue"), `{"x":` + deep, 400, "SerializationException"},
		{"JSON of another type", "sqs", "POST", "/", json("AmazonSQS.CreateQueue"), `{"QueueName":{}}`, 400, "SerializationException"},
		{"JSON that is no UTF-8", "sqs", "POST", "/", json("AmazonSQS.CreateQueue"), "{\"QueueName\":\"\xff\"}", 400, "SerializationException"},
		{"unknown SQS target", "sqs", "POST", "/", json("AmazonSQS.Explode"), `{}`, 400, "UnknownOperationException"},
		{"target of another service", "sqs", "POST", "/", json("DynamoDB_20120810.ListTables"), `{}`, 400, "UnknownOperationException"},
		{"Query without action", "sqs", "POST", "/", form, "Version=2012-11-05", 400, "MissingAction"},
		{"unknown Query action", "sqs", "POST", "/", form, "Action=Explode", 400, "InvalidAction"},
		{"Query escape cut off", "sns", "POST", "/", form, "Action=CreateTopic&Name=%a", 400, "MalformedQueryString"},
		{"unknown SNS action", "sns", "POST", "/", form, "Action=Explode", 400, "InvalidAction"},
		{"SNS number that is none", "sqs", "POST", "/", form, "Action=ReceiveMessage&QueueUrl=x&MaxNumberOfMessages=ten", 400, "MalformedInput"},
		{"oversize request", "sqs", "POST", "/", json("AmazonSQS.SendMessage"), strings.Repeat(" ", 9<<20), 413, "RequestEntityTooLarge"},
		{"XML cut off", "s3", "PUT", "/uploads?tagging", digest, "<Tagging><TagSet>", 400, "MalformedXML"},
		{"XML of another kind", "s3", "PUT", "/uploads?notification", nil, "<Tagging/>", 400, "MalformedXML"},
		{"XML bomb", "s3", "POST", "/uploads?delete", digest, `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>`, 400, "MalformedXML"},
		{"no such S3 method", "s3", "PATCH", "/uploads/k", nil, "", 405, "MethodNotAllowed"},
		{"path up", "s3", "GET", "/uploads/../../etc/passwd", nil, "", 404, "NoSuchKey"},
		// S3 signs the path as it would be escaped by the book, which no dot is.
		{"path up, escaped", "s3", "GET", "/uploads/%2e%2e/%2e%2e/etc/passwd", nil, "", 403, "SignatureDoesNotMatch"},
		{"bucket of dots", "s3", "PUT", "/..", nil, "", 400, "InvalidBucketName"},
		{"bucket of dots, escaped", "s3", "PUT", "/%2e%2e", nil, "", 400, "InvalidBucketName"},
		{"key too long", "s3", "PUT", "/uploads/" + strings.Repeat("k", 1025), nil, "x", 400, "KeyTooLongError"},
		{"range that is none", "s3", "GET", "/uploads?list-type=2&max-keys=many", nil, "", 400, "InvalidArgument"},
		{"part number 0", "s3", "PUT", "/uploads/k?partNumber=0&uploadId=x", nil, "x", 400, "InvalidArgument"},
		{"upload that is none", "s3", "PUT", "/uploads/k?partNumber=1&uploadId=..%2f..", nil, "x", 404, "NoSuchUpload"},
	} {
		t.Run(r.name, func(t *testing.T) {
			status, code := call(t, srv, r.service, r.method, r.target, r.header, r.body)
			if status != r.status || code != r.code {
				t.Errorf("%d %s, want %d %s", status, code, r.status, r.code)
			}
		})
	}
	if _, err := c.sqs.ListQueues(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestRequestsThatAreNoHTTP: noise on the port is answered with 400 or hung up on.
func TestRequestsThatAreNoHTTP(t *testing.T) {
	srv := localawstest.New(t)
	addr := strings.TrimPrefix(srv.URL, "http://")
	for name, noise := range map[string]string{
		"TLS":                "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
		"noise":              strings.Repeat("\xde\xad\xbe\xef", 1000) + "\r\n\r\n",
		"endless header":     "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"two lengths":        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
		"negative length":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
		"bad chunk":          "PUT /b/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"no host":            "GET / HTTP/1.1\r\n\r\n",
		"null in the target": "GET /b/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, noise) // it may hang up in the middle
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		status, _, _ := bytes.Cut(answer, []byte("\r\n"))
		if len(answer) > 0 && !regexp.MustCompile(`^HTTP/1\.[01] 4\d\d`).Match(status) {
			t.Errorf("%s: %s", name, status)
		}
	}
	if _, err := connect(t, srv.URL, localawstest.SecretKey).sqs.ListQueues(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
