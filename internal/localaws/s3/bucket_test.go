package s3

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"time"
)

func TestBuckets(t *testing.T) {
	e := start(t)
	_, err := e.HeadBucket(e.ctx(), &awss3.HeadBucketInput{Bucket: aws.String("none")})
	wantCode(t, err, "NotFound")
	e.bucket("one")
	e.bucket("two")
	e.bucket("one") // again: us-east-1 lets the owner
	if _, err := e.HeadBucket(e.ctx(), &awss3.HeadBucketInput{Bucket: aws.String("one"), ExpectedBucketOwner: aws.String("000000000000")}); err != nil {
		t.Error(err)
	}
	_, err = e.HeadBucket(e.ctx(), &awss3.HeadBucketInput{Bucket: aws.String("one"), ExpectedBucketOwner: aws.String("111111111111")})
	if statusOf(err) != 403 {
		t.Errorf("another owner: %v", err)
	}
	list, err := e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{})
	if err != nil || len(list.Buckets) != 2 || *list.Buckets[0].Name != "one" {
		t.Errorf("buckets = %+v, %v", list, err)
	}
	list, err = e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{MaxBuckets: aws.Int32(1)})
	if err != nil || len(list.Buckets) != 1 || list.ContinuationToken == nil {
		t.Errorf("first page = %+v, %v", list, err)
	}
	list, err = e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{Prefix: aws.String("tw")})
	if err != nil || len(list.Buckets) != 1 || *list.Buckets[0].Name != "two" {
		t.Errorf("prefixed = %+v, %v", list, err)
	}
	loc, err := e.GetBucketLocation(e.ctx(), &awss3.GetBucketLocationInput{Bucket: aws.String("one")})
	if err != nil || loc.LocationConstraint != "" {
		t.Errorf("location = %+v, %v", loc, err)
	}
	e.put("one", "k", []byte("x"))
	_, err = e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: aws.String("one")})
	wantCode(t, err, "BucketNotEmpty")
	if _, err := e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: aws.String("two")}); err != nil {
		t.Error(err)
	}
	_, err = e.DeleteBucket(e.ctx(), &awss3.DeleteBucketInput{Bucket: aws.String("two")})
	wantCode(t, err, "NoSuchBucket")
	_, err = e.CreateBucket(e.ctx(), &awss3.CreateBucketInput{Bucket: aws.String("Not_A_Bucket")})
	wantCode(t, err, "InvalidBucketName")
	_, err = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: aws.String("none"), Key: aws.String("k"), Body: strings.NewReader("x")})
	wantCode(t, err, "NoSuchBucket")
}

func TestBucketDocuments(t *testing.T) {
	e := start(t)
	b := e.bucket("documents")
	_, err := e.GetBucketPolicy(e.ctx(), &awss3.GetBucketPolicyInput{Bucket: &b})
	wantCode(t, err, "NoSuchBucketPolicy")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::documents/public/*"}]}`
	_, err = e.PutBucketPolicy(e.ctx(), &awss3.PutBucketPolicyInput{Bucket: &b, Policy: &policy})
	wantCode(t, err, "AccessDenied") // new buckets block what is public
	e.unblock(b)
	if _, err := e.PutBucketPolicy(e.ctx(), &awss3.PutBucketPolicyInput{Bucket: &b, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	got, err := e.GetBucketPolicy(e.ctx(), &awss3.GetBucketPolicyInput{Bucket: &b})
	if err != nil || *got.Policy != policy {
		t.Errorf("policy = %+v, %v", got, err)
	}
	e.put(b, "public/a", []byte("open"))
	e.put(b, "private/a", []byte("closed"))
	if resp, body := e.send("GET", e.server.URL+"/documents/public/a", nil, nil); resp.StatusCode != http.StatusOK || body != "open" {
		t.Errorf("anonymous, allowed: %d %s", resp.StatusCode, body)
	}
	if resp, _ := e.send("GET", e.server.URL+"/documents/private/a", nil, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("anonymous, not allowed: %d", resp.StatusCode)
	}
	if resp, _ := e.send("PUT", e.server.URL+"/documents/public/a", nil, strings.NewReader("x")); resp.StatusCode != http.StatusForbidden {
		t.Errorf("anonymous write: %d", resp.StatusCode)
	}
	if _, err := e.DeleteBucketPolicy(e.ctx(), &awss3.DeleteBucketPolicyInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	if resp, _ := e.send("GET", e.server.URL+"/documents/public/a", nil, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("anonymous, without policy: %d", resp.StatusCode)
	}

	_, err = e.GetBucketTagging(e.ctx(), &awss3.GetBucketTaggingInput{Bucket: &b})
	wantCode(t, err, "NoSuchTagSet")
	if _, err := e.PutBucketTagging(e.ctx(), &awss3.PutBucketTaggingInput{Bucket: &b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}); err != nil {
		t.Fatal(err)
	}
	if tags, err := e.GetBucketTagging(e.ctx(), &awss3.GetBucketTaggingInput{Bucket: &b}); err != nil || len(tags.TagSet) != 1 {
		t.Errorf("tags = %+v, %v", tags, err)
	}
	if _, err := e.PutBucketOwnershipControls(e.ctx(), &awss3.PutBucketOwnershipControlsInput{Bucket: &b, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}}}); err != nil {
		t.Error(err)
	}
	if o, err := e.GetBucketOwnershipControls(e.ctx(), &awss3.GetBucketOwnershipControlsInput{Bucket: &b}); err != nil || o.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership = %+v, %v", o, err)
	}
	if _, err := e.GetBucketAcl(e.ctx(), &awss3.GetBucketAclInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	v, err := e.GetBucketVersioning(e.ctx(), &awss3.GetBucketVersioningInput{Bucket: &b})
	if err != nil || v.Status != "" {
		t.Errorf("versioning = %+v, %v", v, err)
	}
}

// unblock removes a bucket's PublicAccessBlock.
func (e *env) unblock(b string) {
	e.t.Helper()
	if _, err := e.DeletePublicAccessBlock(e.ctx(), &awss3.DeletePublicAccessBlockInput{Bucket: &b}); err != nil {
		e.t.Fatal(err)
	}
}

// What is missing answers an error, never a wrong success.
func TestWhatIsMissingSaysSo(t *testing.T) {
	e := start(t)
	b := e.bucket("missing")
	e.put(b, "k", []byte("x"))
	_, err := e.GetObjectLockConfiguration(e.ctx(), &awss3.GetObjectLockConfigurationInput{Bucket: &b})
	wantCode(t, err, "ObjectLockConfigurationNotFoundError")
	_, err = e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k"), VersionId: aws.String("3sL4kqtJlcpXroDTDmJ")})
	wantCode(t, err, "InvalidArgument")
	_, err = e.PutObjectAcl(e.ctx(), &awss3.PutObjectAclInput{Bucket: &b, Key: aws.String("k"), ACL: types.ObjectCannedACLPublicRead})
	wantCode(t, err, "AccessControlListNotSupported")
	for _, name := range missing(false) {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if name == "object-lock" && method == "GET" {
				continue
			}
			if status := e.signed(method, "/"+b+"?"+name); status != http.StatusNotImplemented {
				t.Errorf("%s ?%s: status %d, want 501", method, name, status)
			}
		}
	}
	for _, name := range missing(true) {
		if name == "acl" {
			continue
		}
		if status := e.signed("PUT", "/"+b+"/k?"+name); status != http.StatusNotImplemented {
			t.Errorf("PUT of an object's ?%s: status %d, want 501", name, status)
		}
	}
	if got := string(e.get(b, "k")); got != "x" {
		t.Errorf("the object is now %q", got)
	}
	wrong := client(e.server.URL, func(o *awss3.Options) { o.Credentials = aws.AnonymousCredentials{} })
	_, err = wrong.ListBuckets(e.ctx(), &awss3.ListBucketsInput{})
	wantCode(t, err, "AccessDenied")
}

// signed sends a signed request that the SDK has no operation for.
func (e *env) signed(method, target string) int {
	e.t.Helper()
	status, _ := e.ask(method, target)
	return status
}

// ask sends a signed request without a body and returns what came back.
func (e *env) ask(method, target string) (status int, body []byte) {
	e.t.Helper()
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	req, err := http.NewRequestWithContext(e.ctx(), method, e.server.URL+target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Content-Sha256", empty)
	req.Close = true
	if err := v4.NewSigner().SignHTTP(e.ctx(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, req, empty, "s3", "us-east-1", time.Now()); err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		e.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// What a browser does: preflight, then a presigned form or a presigned GET, and it
// must be allowed to read the answer, also a refusal.
func TestCORS(t *testing.T) {
	e := start(t)
	b := e.bucket("cors")
	const origin = "http://127.0.0.1:8007"
	_, err := e.GetBucketCors(e.ctx(), &awss3.GetBucketCorsInput{Bucket: &b})
	wantCode(t, err, "NoSuchCORSConfiguration")
	if _, err := e.PutBucketCors(e.ctx(), &awss3.PutBucketCorsInput{Bucket: &b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
		AllowedOrigins: []string{origin}, AllowedMethods: []string{"POST", "GET", "PUT"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(600),
	}}}}); err != nil {
		t.Fatal(err)
	}
	back, err := e.GetBucketCors(e.ctx(), &awss3.GetBucketCorsInput{Bucket: &b})
	if err != nil || len(back.CORSRules) != 1 || *back.CORSRules[0].MaxAgeSeconds != 600 {
		t.Errorf("rules = %+v, %v", back, err)
	}
	preflight := func(path, origin, method string) *http.Response {
		resp, _ := e.send("OPTIONS", e.server.URL+path, map[string]string{"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}, nil)
		return resp
	}
	for _, path := range []string{"/cors", "/cors/", "/cors/some/key"} {
		resp := preflight(path, origin, "POST")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "POST") ||
			resp.Header.Get("Access-Control-Max-Age") != "600" || !strings.Contains(strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers")), "content-type") {
			t.Errorf("preflight of %s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	for _, c := range [][2]string{{"http://evil.example", "POST"}, {origin, "DELETE"}} {
		if resp := preflight("/cors", c[0], c[1]); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight of %s from %s: %d %v", c[1], c[0], resp.StatusCode, resp.Header)
		}
	}
	p := presignPost(t, e, b, "k", []any{[]any{"content-length-range", 1, 10}})
	for file, status := range map[string]int{"hello": 204, "much too long": 400} {
		resp, body := e.post(p.URL, p.Values, field{"file", file})
		if resp.StatusCode != status || resp.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("POST: %d %s, Access-Control-Allow-Origin %q", resp.StatusCode, body, resp.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	get, err := awss3.NewPresignClient(e.Client).PresignGetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := e.send("GET", get.URL, map[string]string{"Origin": origin}, nil)
	if resp.StatusCode != http.StatusOK || body != "hello" || resp.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(resp.Header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("GET: %d %q %v", resp.StatusCode, body, resp.Header)
	}
	resp, _ = e.send("GET", get.URL, map[string]string{"Origin": "http://evil.example"}, nil)
	if resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin may read: %v", resp.Header)
	}
}
