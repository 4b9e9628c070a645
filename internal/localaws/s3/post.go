package s3

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/metrics"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxFormFields bounds a form without its file, bytes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
const maxFormFields = 20_000

// postForm is the browser's upload: a form with a signed policy. Policies and their
// evaluation are versitygw's; the form is read by mime/multipart, because versitygw's
// reader takes what follows the file for part of it and its check refuses policies
// signed more than an hour ago.
func (t *table) postForm() fiber.Handler {
	svc := &controllers.Services{}
	action := metrics.ActionPostObject
	w := way{action: action, public: auth.PutObjectAction}
	checks := []fiber.Handler{
		t.crossOrigin,
		t.readForm,
		t.admitAnonymous(w),
		t.identify,
		t.acl,
		func(c fiber.Ctx) error { return t.admitOwner(c, w) },
	}
	for i, check := range checks {
		checks[i] = func(c fiber.Ctx) error { return t.s.answer(action, check(c)) }
	}
	return controllers.ProcessHandlers(func(c fiber.Ctx) (*controllers.Response, error) {
		resp, err := t.ctrl.POSTObject(c)
		if err == nil {
			t.answerForm(c, resp)
		}
		return resp, t.s.answer(action, err)
	}, action, svc, checks...)
}

// answerForm puts what the controller answers into S3's form: the order of a redirect's
// parameters, and a document without namespace.
func (t *table) answerForm(c fiber.Ctx, resp *controllers.Response) {
	req := requestOf(c.RequestCtx())
	if doc, ok := resp.Data.(*s3response.PostResponse); ok {
		c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
		resp.Data = branch("PostResponse", leaf("Location", doc.Location), leaf("Bucket", doc.Bucket), leaf("Key", doc.Key), leaf("ETag", doc.ETag)).encodePlain()
	}
	if resp.MetaOpts == nil || resp.MetaOpts.Status != http.StatusSeeOther {
		return
	}
	form, ok := utils.ContextKeyObjectPostResult.Get(c).(middlewares.PostObjectResult)
	if req.noRedirect || !ok {
		resp.MetaOpts.Status = http.StatusNoContent
		delete(resp.Headers, "Location")
		return
	}
	to := form.Fields["success_action_redirect"]
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	to += sep + "bucket=" + url.QueryEscape(c.Params("bucket")) + "&key=" + url.QueryEscape(form.Fields["key"]) + "&etag=" + url.QueryEscape(deref(resp.MetaOpts.ObjectETag))
	resp.Headers["Location"] = &to
}

// readForm reads the fields up to the file and verifies who signed the policy.
func (t *table) readForm(c fiber.Ctx) error {
	kind, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || kind != fiber.MIMEMultipartForm {
		return s3err.GetPreconditionFailedErr(s3err.ConditionPostBucket)
	}
	body := c.Request().BodyStream()
	if body == nil || params["boundary"] == "" {
		return s3err.GetAPIError(s3err.ErrMalformedPOSTRequest)
	}
	fields, file, err := parseForm(body, params["boundary"])
	if err != nil {
		return err
	}
	if fields["key"] == "" {
		return s3err.PostAuth.MissingField("key")
	}
	if err := checkKey(fields["key"]); err != nil {
		return err
	}
	signed, err := t.verifyForm(c, fields)
	if err != nil {
		return err
	}
	f := &formFile{r: file, limit: math.MaxInt64}
	result := middlewares.PostObjectResult{Fields: fields, FileRdr: f}
	if signed {
		// The size is known only once the file has been read, so the policy is looked at
		// twice: all but the size before, everything after.
		low, high, err := sizeRange(fields["policy"])
		if err != nil {
			return err
		}
		policy, err := auth.ParsePOSTPolicyBase64(fields["policy"])
		if err != nil {
			return err
		}
		result.ContentLength, f.limit = low, high
		in := auth.PostPolicyEvalInput{Bucket: c.Params("bucket"), Key: fields["key"], Fields: fields}
		f.done = func(n int64) error {
			in.ContentLength = n
			return policy.Evaluate(in)
		}
	}
	if to := fields["success_action_redirect"] + fields["redirect"]; to != "" {
		if u, err := url.Parse(to); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			// A URL that means nothing is as good as none, except to the policy.
			requestOf(c.RequestCtx()).noRedirect = true
		}
	}
	if err := t.noteACL(c.RequestCtx(), c.Params("bucket"), fields["key"], func(h string) string {
		if h == "x-amz-acl" && fields["acl"] != "" {
			return fields["acl"]
		}
		return fields[h]
	}); err != nil {
		return err
	}
	requestOf(c.RequestCtx()).created = eventPost
	if err := requestOf(c.RequestCtx()).takeForm(fields); err != nil {
		return err
	}
	utils.ContextKeyObjectPostResult.Set(c, result)
	return nil
}

// parseForm reads the fields before the file; their names in lower case. Fields that
// follow the file are ignored, as S3 ignores them.
func parseForm(body io.Reader, boundary string) (fields map[string]string, file *multipart.Part, err error) {
	malformed := s3err.GetAPIError(s3err.ErrMalformedPOSTRequest)
	form := multipart.NewReader(body, boundary)
	fields = map[string]string{}
	for left := int64(maxFormFields); ; {
		p, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgPOSTFileRequired, "0")
		}
		if err != nil {
			return nil, nil, malformed
		}
		name := strings.ToLower(p.FormName())
		if name == "" {
			return nil, nil, malformed
		}
		if name == "file" {
			for k, v := range fields {
				if k != "policy" && k != "x-amz-signature" && p.FileName() != "" {
					fields[k] = strings.ReplaceAll(v, "${filename}", p.FileName())
				}
			}
			return fields, p, nil
		}
		b, err := io.ReadAll(io.LimitReader(p, left+1))
		if err != nil {
			return nil, nil, malformed
		}
		if left -= int64(len(name) + len(b)); left < 0 {
			return nil, nil, s3err.APIError{
				Code: "MaxPostPreDataLengthExceededError", HTTPStatusCode: 400,
				Description: "Your POST request fields preceding the upload file were too large.",
			}
		}
		value := string(b)
		if old, ok := fields[name]; ok && strings.HasPrefix(name, "x-amz-meta-") {
			value = old + "," + value
		}
		fields[name] = value
	}
}

// authFields are all there in a signed form, and none in an anonymous one. A policy
// alone signs nothing.
func authFields() []string {
	return []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"}
}

func missingField(name string) error {
	return badArgument(name, "", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.")
}

// verifyForm checks the form's signature. signed is false for an anonymous form.
func (t *table) verifyForm(c fiber.Ctx, fields map[string]string) (signed bool, err error) {
	var absent []string
	for _, f := range authFields() {
		if _, ok := fields[strings.ToLower(f)]; ok {
			signed = true
		} else {
			absent = append(absent, f)
		}
	}
	if !signed {
		_, key := fields["awsaccesskeyid"]
		_, signature := fields["signature"]
		if key || signature {
			return true, t.verifyV2Form(c, fields)
		}
		return false, nil
	}
	if _, ok := fields["policy"]; !ok {
		absent = append(absent, "Policy")
	}
	if len(absent) > 0 {
		return false, missingField(absent[0])
	}
	if a := fields["x-amz-algorithm"]; a != "AWS4-HMAC-SHA256" {
		return false, s3err.GetInvalidArgumentErr(s3err.InvalidArgOnlyAws4HmacSha256, a)
	}
	date := fields["x-amz-date"]
	if _, err := time.Parse("20060102T150405Z", date); err != nil {
		return false, s3err.GetInvalidArgumentErr(s3err.InvalidArgDateHeader, date)
	}
	cred := fields["x-amz-credential"]
	scope, err := utils.ParseCredentials(cred, s3err.PostAuth)
	if err != nil {
		return false, err
	}
	if scope.Region != t.region {
		return false, s3err.PostAuth.IncorrectRegion(cred, t.region, scope.Region)
	}
	root := auth.Account{Access: t.root.Access, Secret: t.root.Secret, Role: auth.RoleAdmin}
	key, account, err := auth.ResolveDerivedKey(t.iam, root, scope.Access, fields["x-amz-security-token"], scope.Date, scope.Region, "s3")
	switch {
	case errors.Is(err, auth.ErrInvalidSessionToken):
		return false, s3err.GetAPIError(s3err.ErrInvalidToken)
	case err != nil:
		return false, s3err.GetInvalidAccessKeyIdErr(scope.Access)
	}
	want, err := utils.SignPostPolicy(fields["policy"], key)
	if err != nil {
		return false, err
	}
	if got := fields["x-amz-signature"]; !equal(want, got) {
		return false, s3err.GetSignatureDoesNotMatchErr(account.Access, fields["policy"], got, utils.HexBytes(fields["policy"]), "", "")
	}
	t.admit(c, account)
	return true, nil
}

// sizeRange is what a policy allows as size, bytes: a file longer than high need not
// be read to its end. What is wrong with the rest of
// the policy is not looked at here.
func sizeRange(policy string) (low, high int64, err error) {
	high = math.MaxInt64
	raw, bad := base64.StdEncoding.DecodeString(policy)
	if bad != nil {
		raw, _ = base64.RawStdEncoding.DecodeString(strings.TrimSpace(policy))
	}
	var doc struct{ Conditions []json.RawMessage }
	if json.Unmarshal(raw, &doc) != nil {
		return low, high, nil //nolint:nilerr // the check of the policy refuses it
	}
	for _, c := range doc.Conditions {
		var list []any
		if json.Unmarshal(c, &list) != nil || len(list) != 3 || list[0] != "content-length-range" {
			continue
		}
		var bounds []json.Number
		var parts []json.RawMessage
		if json.Unmarshal(c, &parts) == nil {
			for _, p := range parts[1:] {
				bounds = append(bounds, json.Number(strings.Trim(string(p), `"`)))
			}
		}
		a, errA := bounds[0].Int64()
		b, errB := bounds[1].Int64()
		if errA != nil || errB != nil {
			return low, high, failure(http.StatusForbidden, "AccessDenied", failedCondition+spaced(string(c)))
		}
		low, high = max(low, a), min(high, b)
	}
	return low, high, nil
}

// formFile is the file of a form.
type formFile struct {
	r     io.Reader
	n     int64
	limit int64
	done  func(n int64) error // judges the whole file before its end is told
}

func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	switch {
	case f.n > f.limit:
		return 0, s3err.GetEntityTooLargeErr(f.n, f.limit)
	case err == io.EOF && f.done != nil:
		if refused := f.done(f.n); refused != nil {
			return 0, refused
		}
	case err != nil && err != io.EOF:
		// Not as io.ErrUnexpectedEOF, which some readers take for the end.
		return n, s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return n, err
}

// Length is how much of the file has been read, bytes.
func (f *formFile) Length() int64 { return f.n }

// equal compares signatures in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
