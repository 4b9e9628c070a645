package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func verifier() *Verifier {
	return New(func(k string) (string, bool) { return "secret", k == "test" })
}

// serve answers 200 when the signature holds and puts the outcome into result.
func serve(t *testing.T, v *Verifier, service string, result *error) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, *result = v.Verify(r, body, service)
		if *result != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	return s
}

func TestTheSDKsRequestsVerify(t *testing.T) {
	for _, tc := range []struct{ name, key, secret, code string }{
		{"right", "test", "secret", ""},
		{"wrong secret", "test", "guess", "SignatureDoesNotMatch"},
		{"unknown key", "nobody", "secret", "InvalidClientTokenId"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, service := range []string{"sqs", "sns"} {
				var got error
				srv := serve(t, verifier(), service, &got)
				creds := credentials.NewStaticCredentialsProvider(tc.key, tc.secret, "")
				if service == "sqs" {
					c := sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: creds, RetryMaxAttempts: 1})
					c.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: aws.String(srv.URL + "/0/q"), MessageBody: aws.String("ü & more")})
				} else {
					c := sns.New(sns.Options{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: creds, RetryMaxAttempts: 1})
					c.Publish(context.Background(), &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:x:0:t"), Message: aws.String("a+b %20")})
				}
				check(t, got, tc.code)
			}
		})
	}
}

func check(t *testing.T, err error, code string) {
	t.Helper()
	var e *Error
	switch {
	case code == "" && err != nil:
		t.Errorf("refused: %v", err)
	case code != "" && (!errors.As(err, &e) || e.Code != code):
		t.Errorf("err = %v, want code %s", err, code)
	}
}

// signed makes a correctly signed request, which each case then damages.
func signed(t *testing.T, query string, at time.Time, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest("POST", "http://localhost:4566/"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	sum := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "secret"}, r, hex.EncodeToString(sum[:]), "sqs", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDamagedRequestsAreRefused(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tc := range []struct {
		name, code string
		at         time.Time
		body       string
		damage     func(*http.Request)
	}{
		{name: "sound", at: now, body: "x"},
		{name: "other body", code: "SignatureDoesNotMatch", at: now, body: "y"},
		{name: "other query", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) { r.URL.RawQuery = "a=2" }},
		{name: "other method", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) { r.Method = "PUT" }},
		{name: "other host", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) { r.Host = "evil" }},
		{name: "signed header changed", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		{name: "signed header missing", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) { r.Header.Del("Content-Type") }},
		{name: "too old", code: "SignatureDoesNotMatch", at: now.Add(-16 * time.Minute), body: "x"},
		{name: "from the future", code: "SignatureDoesNotMatch", at: now.Add(16 * time.Minute), body: "x"},
		{name: "unsigned", code: "MissingAuthenticationToken", at: now, body: "x", damage: func(r *http.Request) { r.Header.Del("Authorization") }},
		{name: "not SigV4", code: "IncompleteSignature", at: now, body: "x", damage: func(r *http.Request) { r.Header.Set("Authorization", "Basic dDp0") }},
		{name: "half an authorization", code: "IncompleteSignature", at: now, body: "x", damage: func(r *http.Request) {
			r.Header.Set("Authorization", algorithm+" Credential=test/20260304/us-east-1/sqs/aws4_request")
		}},
		{name: "host not signed", code: "SignatureDoesNotMatch", at: now, body: "x", damage: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host", "", 1))
		}},
	} {
		for _, query := range []string{"", "?a=1&b=%20"} { // verified quickly, and with the SDK's signer
			t.Run(tc.name+query, func(t *testing.T) {
				v := verifier()
				v.Now = func() time.Time { return now }
				r := signed(t, query, tc.at, "x")
				if tc.damage != nil {
					tc.damage(r)
				}
				_, err := v.Verify(r, []byte(tc.body), "sqs")
				check(t, err, tc.code)
			})
		}
	}
}

// TestQuickIsTheSDKsSigner holds the short way to the long one, and sees that it is taken.
func TestQuickIsTheSDKsSigner(t *testing.T) {
	v := verifier()
	for _, day := range []int{4, 5, 4} { // the kept key is another day's
		now := time.Date(2026, 3, day, 5, 6, 7, 0, time.UTC)
		r := signed(t, "", now, "x")
		sig, err := parse(r)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := bodyHash(r, []byte("x"), sig)
		if err != nil {
			t.Fatal(err)
		}
		if slow, err := v.sign(r, hash, sig, "secret"); err != nil || slow != sig.value {
			t.Errorf("the SDK's signer: %s, %v, want %s", slow, err, sig.value)
		}
		if !v.quick(r, sig, "secret", hash) {
			t.Error("a plain request was not verified quickly")
		}
		if v.quick(r, sig, "guess", hash) {
			t.Error("another secret was accepted")
		}
		for _, h := range []string{"X-Amz-Date", "Content-Type"} {
			other := r.Clone(context.Background())
			other.Header.Set(h, "20260304T000000Z")
			if v.quick(other, sig, "secret", hash) {
				t.Errorf("another %s was accepted", h)
			}
		}
	}
}

func TestPresignedURLs(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	v := verifier()
	v.Now = func() time.Time { return now }
	presign := func(expires string) *http.Request {
		r := httptest.NewRequest("GET", "http://localhost:4566/bucket/a%20key?notification=&X-Amz-Expires="+expires, nil)
		u, _, err := v.s3.PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "secret"}, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return httptest.NewRequest("GET", u, nil)
	}
	_, err := v.Verify(presign("120"), nil, "s3")
	check(t, err, "")
	_, err = v.Verify(presign("30"), nil, "s3")
	check(t, err, "AccessDenied")
	r := presign("120")
	r.URL.Path, r.URL.RawPath = "/bucket/other", ""
	_, err = v.Verify(r, nil, "s3")
	check(t, err, "SignatureDoesNotMatch")
	_, err = v.Verify(presign("99999999"), nil, "s3")
	check(t, err, "IncompleteSignature")
}

func FuzzVerifyNeverPanics(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=test/20260304/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260304T050607Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/aws4_request&X-Amz-Expires=1")
	f.Fuzz(func(t *testing.T, auth, date, query string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("X-Amz-Date", date)
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		ScopeOf(r)
		if _, err := verifier().Verify(r, nil, "sqs"); err == nil {
			t.Error("a signature made without the secret was accepted")
		}
	})
}
