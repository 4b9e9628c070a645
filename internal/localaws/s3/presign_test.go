package s3

import (
	"context"
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
