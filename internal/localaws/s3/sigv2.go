package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// Signature Version 2, in headers, presigned URLs and forms: `aws s3 presign` and boto3
// still make such URLs by default in us-east-1, and old clients know nothing else.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html

// subresources are the query parameters that Version 2 signs. The rest of a query is
// not signed.
func subresources() []string {
	return []string{
		"accelerate", "acl", "analytics", "cors", "delete", "encryption", "inventory", "lifecycle", "location", "logging", "metrics",
		"notification", "object-lock", "partNumber", "policy", "publicAccessBlock", "replication", "requestPayment", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
		"restore", "retention", "select", "select-type", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
	}
}

// signV2 is the signature of a string, Version 2.
func signV2(secret, s string) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(s)) // never fails, see hash.Hash
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// stringToSignV2 is what a request signs. rawPath is the path as sent, with the bucket
// first; header reads the request's header; date is when a URL expires, or the header
// Date.
func stringToSignV2(method, rawPath, date string, query url.Values, header func(string) string, amz map[string][]string) string {
	var b strings.Builder
	for _, s := range []string{method, header("Content-Md5"), header("Content-Type"), date} {
		b.WriteString(s + "\n")
	}
	names := make([]string, 0, len(amz))
	for n := range amz {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(n + ":" + strings.Join(amz[n], ",") + "\n")
	}
	b.WriteString(rawPath)
	sep := "?"
	for _, name := range subresources() {
		values, ok := query[name]
		if !ok {
			continue
		}
		b.WriteString(sep + name)
		if values[0] != "" {
			b.WriteString("=" + values[0])
		}
		sep = "&"
	}
	return b.String()
}

// verifyV2 verifies a request signed with Version 2, in its URL or its header, and
// passes others on. upload says that the controller reads the body as a stream.
func (t *table) verifyV2(upload bool) fiber.Handler {
	return func(c fiber.Ctx) error {
		inHeader := strings.HasPrefix(c.Get("Authorization"), "AWS ")
		if !inHeader && !utils.IsPresignedURLAuthV2(c) {
			return nil
		}
		req := requestOf(c.RequestCtx())
		query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
		if err != nil {
			return s3err.GetAPIError(s3err.ErrInvalidURI)
		}
		key, got, date := query.Get("AWSAccessKeyId"), query.Get("Signature"), query.Get("Expires")
		if inHeader {
			key, got, date, err = t.headerV2(c)
		} else {
			err = t.expiryV2(key, got, date)
		}
		if err != nil {
			return err
		}
		if key != t.root.Access {
			return s3err.GetInvalidAccessKeyIdErr(key)
		}
		amz := map[string][]string{}
		for k, v := range c.Request().Header.All() {
			if name := strings.ToLower(string(k)); strings.HasPrefix(name, "x-amz-") {
				amz[name] = append(amz[name], strings.TrimSpace(string(v)))
			}
		}
		if !inHeader {
			// boto moves headers into a URL that it signs as if they were headers still.
			for k, v := range query {
				if name := strings.ToLower(k); strings.HasPrefix(name, "x-amz-") && amz[name] == nil {
					amz[name] = v
				}
			}
		}
		sts := stringToSignV2(c.Method(), req.signedPath, date, query, func(h string) string { return c.Get(h) }, amz)
		good := equal(signV2(t.root.Secret, sts), got)
		if !good && strings.Count(req.signedPath, "/") == 1 && len(req.signedPath) > 1 {
			// boto signs a bucket's path with the slash that it does not send.
			good = equal(signV2(t.root.Secret, stringToSignV2(c.Method(), req.signedPath+"/", date, query, func(h string) string { return c.Get(h) }, amz)), got)
		}
		if !good {
			return s3err.GetSignatureDoesNotMatchErr(t.root.Access, sts, got, utils.HexBytes(sts), "", "")
		}
		t.admit(c, auth.Account{Access: t.root.Access, Secret: t.root.Secret, Role: auth.RoleAdmin})
		req.verifiedV2 = true
		if upload {
			if n := c.Request().Header.ContentLength(); n < 0 {
				return s3err.GetAPIError(s3err.ErrMissingContentLength)
			}
			var body io.Reader = bytes.NewReader(nil)
			if stream := c.Request().BodyStream(); stream != nil {
				body = stream
			}
			utils.ContextKeyBodyReader.Set(c, body)
		}
		return hoist(c)
	}
}

// expiryV2 checks the parameters of a presigned URL.
func (t *table) expiryV2(key, signature, expires string) error {
	if key == "" || signature == "" || expires == "" {
		return failure(http.StatusForbidden, "AccessDenied", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	at, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	if now := t.s.opts.Now(); now.Unix() > at {
		return s3err.GetExpiredPresignedURLError(0, time.Unix(at, 0).UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// maxSkewV2 is how far a request's date may be from the service's clock.
const maxSkewV2 = 15 * time.Minute

// headerV2 reads the header Authorization and checks the request's date. The date that
// is signed is empty where the header x-amz-date, which is signed anyway, has it.
func (t *table) headerV2(c fiber.Ctx) (key, signature, date string, err error) {
	key, signature, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(c.Get("Authorization"), "AWS ")), ":")
	if !ok || key == "" || signature == "" {
		return "", "", "", badArgument("Authorization", c.Get("Authorization"), "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
	}
	text := c.Get("X-Amz-Date")
	if text == "" {
		text = c.Get("Date")
		date = text
	}
	at, err := http.ParseTime(text)
	if err != nil {
		if at, err = time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", text); err != nil {
			at, err = time.Parse("20060102T150405Z", text)
		}
	}
	if err != nil || at.Unix() < 0 {
		return "", "", "", failure(http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if now := t.s.opts.Now(); now.Sub(at).Abs() > maxSkewV2 {
		return "", "", "", failure(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.",
			"RequestTime", text, "ServerTime", now.UTC().Format(time.RFC3339), "MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkewV2.Milliseconds(), 10))
	}
	return key, signature, date, nil
}

// admit notes that the request was signed by the account.
func (t *table) admit(c fiber.Ctx, a auth.Account) {
	utils.ContextKeyAccount.Set(c, a)
	utils.ContextKeyIsRoot.Set(c, a.Access == t.root.Access)
	utils.ContextKeyAuthenticated.Set(c, true)
}

// verifyV2Form checks a form's signature of Version 2.
func (t *table) verifyV2Form(c fiber.Ctx, fields map[string]string) error {
	for _, f := range []string{"AWSAccessKeyId", "Policy", "Signature"} {
		if fields[strings.ToLower(f)] == "" {
			return missingField(f)
		}
	}
	if a := fields["awsaccesskeyid"]; a != t.root.Access {
		return s3err.GetInvalidAccessKeyIdErr(a)
	}
	if got := fields["signature"]; !equal(signV2(t.root.Secret, fields["policy"]), got) {
		return s3err.GetSignatureDoesNotMatchErr(t.root.Access, fields["policy"], got, utils.HexBytes(fields["policy"]), "", "")
	}
	// A policy need not name what carries its own signature.
	delete(fields, "awsaccesskeyid")
	delete(fields, "signature")
	t.admit(c, auth.Account{Access: t.root.Access, Secret: t.root.Secret, Role: auth.RoleAdmin})
	return nil
}
