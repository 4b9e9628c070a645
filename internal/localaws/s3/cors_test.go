package s3

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestCORSRulesAndTheirErrors(t *testing.T) {
	e := start(t)
	b := e.bucket("cors")
	e.put(b, "a", []byte("x"))
	ask := func(method, path string, header map[string]string) (*http.Response, string) {
		t.Helper()
		return e.send(method, e.server.URL+path, header, nil)
	}
	preflight := map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-Amz-Meta-A, content-type"}
	if resp, body := ask("OPTIONS", "/cors/a", nil); resp.StatusCode != 400 || !strings.Contains(body, "Origin request header needed") {
		t.Errorf("no origin: %d %s", resp.StatusCode, body)
	}
	if resp, body := ask("OPTIONS", "/cors/a", preflight); resp.StatusCode != 403 || !strings.Contains(body, "CORS is not enabled for this bucket.") {
		t.Errorf("no configuration: %d %s", resp.StatusCode, body)
	}
	if resp, body := ask("OPTIONS", "/no-such-bucket/a", preflight); resp.StatusCode != 403 || !strings.Contains(body, "Bucket not found") {
		t.Errorf("no bucket: %d %s", resp.StatusCode, body)
	}
	_, err := e.PutBucketCors(e.ctx(), &awss3.PutBucketCorsInput{Bucket: &b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"x-amz-*", "content-type"}, ExposeHeaders: []string{"ETag", "x-amz-request-id"}, MaxAgeSeconds: aws.Int32(3000)},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"HEAD"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := ask("OPTIONS", "/cors/a", preflight)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "x-amz-meta-a, content-type",
		"Access-Control-Expose-Headers": "ETag, x-amz-request-id", "Access-Control-Max-Age": "3000", "Access-Control-Allow-Credentials": "true", "Vary": corsVary,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("preflight: %s = %q, want %q (%d %s)", name, got, want, resp.StatusCode, body)
		}
	}
	preflight["Access-Control-Request-Headers"] = "x-secret"
	if resp, _ := ask("OPTIONS", "/cors/a", preflight); resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a header that is not allowed: %d %v", resp.StatusCode, resp.Header)
	}
	// The answer to a request that is refused has the headers, too: the page may read why.
	if resp, _ := ask("GET", "/cors/a", map[string]string{"Origin": "https://app.example.com"}); resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("actual request: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := ask("HEAD", "/cors/a", map[string]string{"Origin": "http://anywhere"}); resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("any origin: %v", resp.Header)
	}
	for doc, want := range map[string]string{
		"<CORSConfiguration/>": "MalformedXML",
		"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>":                                     "MalformedXML",
		"<CORSConfiguration><CORSRule><AllowedMethod>PAINT</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>":   "Unsupported method is PAINT",
		"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*.a.*</AllowedOrigin></CORSRule></CORSConfiguration>": "more than one wildcard",
	} {
		if status, body := e.signedBody("PUT", "/"+b+"?cors", doc); status != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", doc, status, body)
		}
	}
}
