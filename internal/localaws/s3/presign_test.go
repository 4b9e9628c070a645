package s3

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// presign signs a URL with parameters, as SDKs do that put headers there.
func (e *env) presign(method, target string, expires string) string {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.ctx(), method, e.server.URL+target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	q := req.URL.Query()
	q.Set("X-Amz-Expires", expires)
	req.URL.RawQuery = q.Encode()
	signed, _, err := v4.NewSigner().PresignHTTP(e.ctx(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
	if err != nil {
		e.t.Fatal(err)
	}
	return signed
}

// What an SDK puts into a presigned URL in place of a header means what the header does.
func TestParametersOfAPresignedURLAreHeaders(t *testing.T) {
	e := start(t)
	b := e.bucket("hoisted")
	put := e.presign("PUT", "/hoisted/a?x-amz-meta-colour=red&x-amz-storage-class=STANDARD_IA&x-amz-tagging=a%3Db&If-None-Match=%2A", "60")
	if resp, body := e.send("PUT", put, nil, strings.NewReader("x")); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("a")})
	if err != nil || h.Metadata["colour"] != "red" || h.StorageClass != types.StorageClassStandardIa || aws.ToInt32(h.TagCount) != 1 {
		t.Errorf("object = %+v, %v", h, err)
	}
	if resp, body := e.send("PUT", put, nil, strings.NewReader("y")); resp.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("If-None-Match: %d %s", resp.StatusCode, body)
	}
}

// JavaScript's SDK signs the checksum of an empty body into its URLs; S3 calculates its
// own, and holds the signature against the parameter like against any other.
func TestAChecksumInAPresignedURLIsIgnored(t *testing.T) {
	t.Parallel()
	e := start(t)
	b := e.bucket("presigned-checksum")
	put := e.presign("PUT", "/presigned-checksum/a?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", "60")
	if resp, body := e.send("PUT", put, nil, strings.NewReader("123456")); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("a"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || aws.ToString(h.ChecksumCRC64NVME) != "CVmbZh4IWzA=" || h.ChecksumCRC32 != nil {
		t.Errorf("object = %+v, %v", h, err)
	}
	if resp, body := e.send("PUT", strings.Replace(put, "AAAAAA", "BBBBBB", 1), nil, strings.NewReader("x")); resp.StatusCode != 403 {
		t.Errorf("changed parameter: %d %s", resp.StatusCode, body)
	}
}

func TestPresignedURLsThatS3Refuses(t *testing.T) {
	e := start(t)
	b := e.bucket("signed")
	e.put(b, "a", []byte("x"))
	good := e.presign("GET", "/signed/a", "60")
	// A hash that was not signed does not matter, any other x-amz- header does.
	if resp, body := e.send("GET", good, map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}, nil); resp.StatusCode != 200 {
		t.Errorf("unsigned hash: %d %s", resp.StatusCode, body)
	}
	change := func(name, value string) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, c := range map[string]struct {
		url    string
		header string
		status int
		want   string
	}{
		"header not signed": {good, "X-Amz-Meta-A", 403, "There were headers present in the request which were not signed"},
		"no signature":      {change("X-Amz-Signature", ""), "", 400, "AuthorizationQueryParametersError"},
		"other signature":   {change("X-Amz-Signature", strings.Repeat("0", 64)), "", 403, "SignatureDoesNotMatch"},
		"other key":         {change("X-Amz-Credential", "nobody/20300101/us-east-1/s3/aws4_request"), "", 0, "AuthorizationQueryParametersError"},
		"too long":          {change("X-Amz-Expires", "604801"), "", 400, "must be less than a week"},
		"negative":          {change("X-Amz-Expires", "-1"), "", 400, "X-Amz-Expires must be non-negative"},
		"no number":         {change("X-Amz-Expires", "soon"), "", 400, "X-Amz-Expires should be a number"},
		"expired":           {change("X-Amz-Date", "20200101T000000Z"), "", 0, ""},
		"version 2, half":   {e.server.URL + "/signed/a?AWSAccessKeyId=test&Signature=x", "", 403, "requires the Signature, Expires and AWSAccessKeyId parameters"},
	} {
		header := map[string]string{}
		if c.header != "" {
			header[c.header] = "x"
		}
		resp, body := e.send("GET", c.url, header, nil)
		if resp.StatusCode == 200 || c.status != 0 && resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

// A key that nobody has is told of as S3 does.
func TestUnknownAccessKey(t *testing.T) {
	e := start(t)
	c := client(e.server.URL, func(o *awss3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "x"}, nil
		})
	})
	_, err := c.ListBuckets(e.ctx(), &awss3.ListBucketsInput{})
	wantCode(t, err, "InvalidAccessKeyId")
}

// The example of the documentation: Amazon S3 User Guide, "Signing and authenticating
// REST requests (AWS signature version 2)".
func TestSignatureVersion2OfTheDocumentation(t *testing.T) {
	header := func(string) string { return "" }
	sts := stringToSignV2("GET", "/awsexamplebucket1/photos/puppy.jpg", "Tue, 27 Mar 2007 19:36:42 +0000", nil, header, nil)
	if got := signV2("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", sts); got != "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=" {
		t.Errorf("signature %s of %q", got, sts)
	}
}

func TestSignatureVersion2InTheHeader(t *testing.T) {
	e := start(t)
	e.bucket("old")
	ask := func(method, path, date, body string) (int, string) {
		t.Helper()
		signature := signV2("test", method+"\n\n\n"+date+"\n"+path)
		resp, text := e.send(method, e.server.URL+path, map[string]string{"Date": date, "Authorization": "AWS test:" + signature}, strings.NewReader(body))
		return resp.StatusCode, text
	}
	now := time.Now().UTC().Format(http.TimeFormat)
	if status, body := ask("PUT", "/old/a", now, "x"); status != 200 {
		t.Fatalf("put: %d %s", status, body)
	}
	if status, body := ask("GET", "/old/a", now, ""); status != 200 || body != "x" {
		t.Errorf("get: %d %s", status, body)
	}
	if status, body := ask("GET", "/old?uploads", now, ""); status != 200 {
		t.Errorf("a sub-resource: %d %s", status, body)
	}
	if status, body := ask("GET", "/old/a", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), ""); status != 403 || !strings.Contains(body, "RequestTimeTooSkewed") {
		t.Errorf("an hour ago: %d %s", status, body)
	}
	if status, body := ask("GET", "/old/a", "yesterday", ""); status != 403 || !strings.Contains(body, "valid Date or x-amz-date header") {
		t.Errorf("no date: %d %s", status, body)
	}
	expires := fmt.Sprint(time.Now().Add(time.Minute).Unix())
	moved := "/old/b?AWSAccessKeyId=test&Expires=" + expires + "&x-amz-meta-colour=red&Signature=" + url.QueryEscape(signV2("test", "PUT\n\n\n"+expires+"\nx-amz-meta-colour:red\n/old/b"))
	if resp, body := e.send("PUT", e.server.URL+moved, nil, strings.NewReader("x")); resp.StatusCode != 200 {
		t.Errorf("a header in the URL: %d %s", resp.StatusCode, body)
	}
	if h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: aws.String("old"), Key: aws.String("b")}); err != nil || h.Metadata["colour"] != "red" {
		t.Errorf("object = %+v, %v", h, err)
	}
	for authorization, want := range map[string]string{"AWS HAHAHA": "InvalidArgument", "AWS nobody:x": "InvalidAccessKeyId", "AWS test:x": "SignatureDoesNotMatch"} {
		if resp, body := e.send("GET", e.server.URL+"/old/a", map[string]string{"Date": now, "Authorization": authorization}, nil); resp.StatusCode == 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", authorization, resp.StatusCode, body)
		}
	}
}

// Whatever path and method come, the answer is an error of S3 and no failure of ours.
func TestOddPathsAndMethods(t *testing.T) {
	e := start(t)
	addr := strings.TrimPrefix(e.server.URL, "http://")
	for _, line := range []string{"GET //x", "GET //", "GET /%00", "PUT //b/k", "GET /b%2Fc", "GET /abc/%00", "GET /abc/../d", "GET /..%2f..", "FOO /abc/d", "PROPFIND /abc", "PATCH /abc/d", "GET /abc/%ff", "DELETE //"} {
		c := dial(t, addr)
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", line, addr)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode < 400 || resp.StatusCode >= 500 || !strings.Contains(string(body), "<Error><Code>") {
			t.Errorf("%s: %d %s (%v)", line, resp.StatusCode, body, err)
		}
	}
}

// An upload of unknown size is refused as S3 refuses it: clients tell people to look for
// this very answer.
func TestUploadOfUnknownSize(t *testing.T) {
	e := start(t)
	b := e.bucket("unsized")
	put, err := awss3.NewPresignClient(e.Client).PresignPutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	resp, text := e.send("PUT", put.URL, nil, io.MultiReader(strings.NewReader("of unknown "), strings.NewReader("size")))
	if resp.StatusCode != http.StatusNotImplemented || !strings.Contains(text, "<Code>NotImplemented</Code>") || !strings.Contains(text, "<Header>Transfer-Encoding</Header>") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}
