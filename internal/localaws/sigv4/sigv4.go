// Package sigv4 verifies AWS Signature Version 4 on requests to the endpoint.
//
// It signs a copy of the request, reduced to the headers that the client says it
// signed, with the SDK's own signer and compares; plain requests are spared the copy
// (quick.go). It imports nothing of ours.
//
// Format: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	// MaxSkew is how far a request's time may be from ours, as on AWS.
	MaxSkew = 15 * time.Minute
	// maxExpires bounds X-Amz-Expires of presigned URLs, as on AWS: seven days.
	maxExpires = 7 * 24 * time.Hour
)

// Error is a refusal. Code is AWS's error code; the status is always 403 but for
// IncompleteSignature, which is 400.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Status is the HTTP status that goes with the code.
func (e *Error) Status() int {
	if e.Code == "IncompleteSignature" {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Scope is the credential scope that a request claims; it proves nothing before Verify.
type Scope struct {
	AccessKey, Date, Region, Service string
}

// signature is what a request says about its own signing.
type signature struct {
	Scope
	headers   []string // lower case
	value     string   // hexadecimal
	time      time.Time
	presigned bool
	expires   time.Duration
}

// ScopeOf reads the claimed scope from the Authorization header or the query, so
// that a request can be routed by service before it is verified. ok is false for an
// unsigned request.
func ScopeOf(r *http.Request) (s Scope, ok bool) {
	if a := r.Header.Get("Authorization"); a != "" {
		for field := range fields(a) {
			if v, found := strings.CutPrefix(field, "Credential="); found {
				return parseScope(v)
			}
		}
		return Scope{}, false
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		return parseScope(r.URL.Query().Get("X-Amz-Credential"))
	}
	return Scope{}, false
}

// fields yields the comma-separated fields of an Authorization header.
func fields(a string) func(func(string) bool) {
	return func(yield func(string) bool) {
		a, _ = strings.CutPrefix(strings.TrimSpace(a), algorithm)
		for f := range strings.SplitSeq(a, ",") {
			if !yield(strings.TrimSpace(f)) {
				return
			}
		}
	}
}

func parseScope(v string) (Scope, bool) {
	p := strings.Split(v, "/")
	if len(p) < 5 || p[len(p)-1] != "aws4_request" {
		return Scope{}, false
	}
	n := len(p)
	return Scope{AccessKey: strings.Join(p[:n-4], "/"), Date: p[n-4], Region: p[n-3], Service: p[n-2]}, true
}

// Verifier knows the account's keys. It is safe for concurrent use.
type Verifier struct {
	// Secret returns the secret of an access key; ok is false for an unknown key.
	Secret func(accessKey string) (secret string, ok bool)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	signer *v4.Signer
	s3     *v4.Signer
	last   atomic.Pointer[signingKey]
}

// New makes a Verifier.
func New(secret func(string) (string, bool)) *Verifier {
	return &Verifier{
		Secret: secret,
		Now:    time.Now,
		signer: v4.NewSigner(),
		s3:     v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
	}
}

// Verify checks the request's signature over its method, path, query, signed
// headers and body, for the given service ("sqs", "sns", "s3"). It returns the
// verified scope, or an *Error.
func (v *Verifier) Verify(r *http.Request, body []byte, service string) (Scope, error) {
	sig, err := parse(r)
	if err != nil {
		return Scope{}, err
	}
	if sig.Service != service {
		return Scope{}, refuse("SignatureDoesNotMatch", "Credential should be scoped to correct service: %s.", strconv.Quote(service))
	}
	secret, ok := v.Secret(sig.AccessKey)
	if !ok {
		code := "InvalidClientTokenId"
		if service == "s3" {
			code = "InvalidAccessKeyId"
		}
		return Scope{}, refuse(code, "The security token included in the request is invalid: no such access key here.")
	}
	if err := v.checkTime(sig); err != nil {
		return Scope{}, err
	}
	hash, err := bodyHash(r, body, sig)
	if err != nil {
		return Scope{}, err
	}
	if v.quick(r, sig, secret, hash) {
		return sig.Scope, nil
	}
	want, err := v.sign(r, hash, sig, secret)
	if err != nil {
		return Scope{}, err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(sig.value)) != 1 {
		return Scope{}, refuse("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return sig.Scope, nil
}

func (v *Verifier) checkTime(sig signature) error {
	now := v.Now().UTC()
	if sig.time.Format("20060102") != sig.Date {
		return refuse("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	if sig.presigned {
		if now.After(sig.time.Add(sig.expires)) {
			return refuse("AccessDenied", "Request has expired")
		}
		if sig.time.After(now.Add(MaxSkew)) {
			return refuse("AccessDenied", "Request is not valid yet")
		}
		return nil
	}
	if d := now.Sub(sig.time); d > MaxSkew || d < -MaxSkew {
		code := "SignatureDoesNotMatch"
		if sig.Service == "s3" {
			code = "RequestTimeTooSkewed"
		}
		return refuse(code, "Signature not valid at this time: the request says %s, the server's clock says %s. Set the client's clock.", sig.time.Format(timeFormat), now.Format(timeFormat))
	}
	return nil
}

// bodyHash is the body's hash as it is signed: hexadecimal, or what stands for it.
func bodyHash(r *http.Request, body []byte, sig signature) (string, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if given := r.Header.Get("X-Amz-Content-Sha256"); given != "" && !sig.presigned {
		if given != "UNSIGNED-PAYLOAD" && given != hash {
			return "", refuse("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
		hash = given
	}
	return hash, nil
}

// sign computes the signature that the request should carry.
func (v *Verifier) sign(r *http.Request, hash string, sig signature, secret string) (string, error) {
	c := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}}
	u := *r.URL
	u.Host = r.Host
	c.URL = &u
	for _, h := range sig.headers {
		switch h {
		case "host":
		case "content-length":
			c.ContentLength = r.ContentLength
		default:
			vs, ok := r.Header[http.CanonicalHeaderKey(h)]
			if !ok {
				return "", refuse("SignatureDoesNotMatch", "The signed header %s is not in the request.", strconv.Quote(h))
			}
			c.Header[http.CanonicalHeaderKey(h)] = vs
		}
	}
	creds := aws.Credentials{AccessKeyID: sig.AccessKey, SecretAccessKey: secret}
	signer := v.signer
	if sig.Service == "s3" {
		signer = v.s3
	}
	if sig.presigned {
		q := u.Query()
		q.Del("X-Amz-Signature")
		u.RawQuery = q.Encode()
		if sig.Service == "s3" {
			hash = "UNSIGNED-PAYLOAD"
		}
		signed, _, err := signer.PresignHTTP(r.Context(), creds, c, hash, sig.Service, sig.Region, sig.time)
		if err != nil {
			return "", fmt.Errorf("sign again: %w", err)
		}
		su, err := url.Parse(signed)
		if err != nil {
			return "", fmt.Errorf("sign again: %w", err)
		}
		return su.Query().Get("X-Amz-Signature"), nil
	}
	if err := signer.SignHTTP(r.Context(), creds, c, hash, sig.Service, sig.Region, sig.time); err != nil {
		return "", fmt.Errorf("sign again: %w", err)
	}
	for field := range fields(c.Header.Get("Authorization")) {
		if s, ok := strings.CutPrefix(field, "Signature="); ok {
			return s, nil
		}
	}
	return "", refuse("SignatureDoesNotMatch", "The request could not be signed again.")
}

// parse reads the signature's parts from the header or the query.
func parse(r *http.Request) (signature, error) {
	a := r.Header.Get("Authorization")
	var q url.Values
	if a == "" {
		q = r.URL.Query()
	}
	if a == "" && q.Get("X-Amz-Algorithm") == "" {
		return signature{}, refuse("MissingAuthenticationToken", "Request is missing Authentication Token: sign it with Signature Version 4.")
	}
	var sig signature
	var credential, headers, date string
	if a != "" {
		if !strings.HasPrefix(a, algorithm+" ") {
			return signature{}, refuse("IncompleteSignature", "Authorization header requires '%s'.", algorithm)
		}
		for f := range fields(a) {
			k, val, _ := strings.Cut(f, "=")
			switch k {
			case "Credential":
				credential = val
			case "SignedHeaders":
				headers = val
			case "Signature":
				sig.value = val
			}
		}
		date = r.Header.Get("X-Amz-Date")
	} else {
		if q.Get("X-Amz-Algorithm") != algorithm {
			return signature{}, refuse("IncompleteSignature", "X-Amz-Algorithm must be '%s'.", algorithm)
		}
		sig.presigned = true
		credential, headers, sig.value, date = q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date")
		secs, err := strconv.Atoi(q.Get("X-Amz-Expires"))
		if sig.expires = time.Duration(secs) * time.Second; err != nil || secs < 0 || sig.expires > maxExpires {
			return signature{}, refuse("IncompleteSignature", "X-Amz-Expires must be a number of seconds between 0 and 604800.")
		}
	}
	var ok bool
	if sig.Scope, ok = parseScope(credential); !ok {
		return signature{}, refuse("IncompleteSignature", "Credential must have the form key/date/region/service/aws4_request.")
	}
	if headers == "" || sig.value == "" || date == "" {
		return signature{}, refuse("IncompleteSignature", "SignedHeaders, Signature and X-Amz-Date are required.")
	}
	sig.headers = strings.Split(strings.ToLower(headers), ";")
	if !slices.Contains(sig.headers, "host") {
		return signature{}, refuse("SignatureDoesNotMatch", "'Host' must be a 'SignedHeader' in the request.")
	}
	t, err := time.Parse(timeFormat, date)
	if err != nil {
		return signature{}, refuse("IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got %s.", strconv.Quote(date))
	}
	sig.time = t
	return sig, nil
}
