package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/metrics"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// Who may do what. The account's own user may do everything that no policy denies.
// Anybody without a signature may do what a policy or an ACL allows everybody, as far
// as the bucket's PublicAccessBlock lets those count.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html

func accessDenied() error { return s3err.GetAPIError(s3err.ErrAccessDenied) }

// neverPublic are operations that need an account, whatever a policy says.
func neverPublic(action string) error {
	switch action {
	case metrics.ActionListAllMyBuckets:
		return accessDenied()
	case metrics.ActionGetBucketOwnershipControls:
		return s3err.GetAPIError(s3err.ErrAnonymousGetBucketOwnership)
	case metrics.ActionPutBucketOwnershipControls, metrics.ActionDeleteBucketOwnershipControls:
		return s3err.GetAPIError(s3err.ErrAnonymousPutBucketOwnership)
	case metrics.ActionCreateBucket:
		return s3err.GetAPIError(s3err.ErrAnonymousRequest)
	case metrics.ActionCopyObject, metrics.ActionUploadPartCopy:
		return s3err.GetAPIError(s3err.ErrAnonymousCopyObject)
	case metrics.ActionGetBucketPolicy, metrics.ActionPutBucketPolicy, metrics.ActionDeleteBucketPolicy, metrics.ActionGetBucketPolicyStatus:
		return accessDenied()
	}
	return nil
}

// objectOf is the key that a request is about, or "".
func objectOf(c fiber.Ctx) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.Path(), "/"+c.Params("bucket")), "/")
}

// admitAnonymous lets a request without signature pass, or refuses it.
func (t *table) admitAnonymous(w way) fiber.Handler {
	return func(c fiber.Ctx) error {
		if signed(c) {
			return nil
		}
		if err := neverPublic(w.action); err != nil {
			return err
		}
		name := c.Params("bucket")
		st, err := t.s.settings(c.RequestCtx(), name)
		if err != nil {
			return err
		}
		key := objectOf(c)
		if w.action == metrics.ActionPostObject {
			if r, ok := utils.ContextKeyObjectPostResult.Get(c).(middlewares.PostObjectResult); ok {
				key = r.Fields["key"]
			}
		}
		ok, err := t.publicMay(c, st, w, name, key)
		if err != nil {
			return err
		}
		if !ok {
			if w.action == metrics.ActionHeadBucket {
				c.Response().Header.Add("x-amz-bucket-region", t.region)
			}
			return accessDenied()
		}
		if w.public == auth.GetObjectAction {
			if requestOf(c.RequestCtx()).mayList, err = t.publicMay(c, st, way{public: auth.ListBucketAction}, name, ""); err != nil {
				return err
			}
		}
		utils.ContextKeyPublicBucket.Set(c, true)
		return takeAnonymousBody(c, w.upload)
	}
}

// publicMay says whether everybody may do it.
func (t *table) publicMay(c fiber.Ctx, st *settings, w way, name, key string) (bool, error) {
	if st.policy != nil {
		switch t.decide(c, st, w, name, key, "") {
		case policy.Denied:
			return false, nil
		case policy.Allowed:
			// With RestrictPublicBuckets a public policy lets nobody in from outside.
			return !st.block.restrict || !st.publicPolicy, nil
		}
	}
	if !st.aclsCount() || st.block.ignoreACLs {
		return false, nil
	}
	switch w.public {
	case auth.ListBucketAction, auth.ListBucketVersionsAction, auth.ListBucketMultipartUploadsAction:
		return st.acl.allows("READ"), nil
	case auth.PutObjectAction, auth.DeleteObjectAction:
		return st.acl.allows("WRITE"), nil
	case auth.GetBucketAclAction:
		return st.acl.allows("READ_ACP"), nil
	case auth.PutBucketAclAction:
		return st.acl.allows("WRITE_ACP"), nil
	case auth.GetObjectAction, auth.GetObjectAttributesAction:
		return t.objectAllows(c, st, name, key, "READ")
	case auth.GetObjectAclAction:
		return t.objectAllows(c, st, name, key, "READ_ACP")
	case auth.PutObjectAclAction:
		return t.objectAllows(c, st, name, key, "WRITE_ACP")
	}
	return false, nil
}

// admitOwner stops what a policy denies the account's own user. Of the policy itself
// the account can never lock itself out.
func (t *table) admitOwner(c fiber.Ctx, w way) error {
	name := c.Params("bucket")
	if name == "" || utils.ContextKeyPublicBucket.IsSet(c) {
		return nil
	}
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return err
	}
	if t.userOf(c) != "" {
		return t.admitUser(c, w, t.decideFor(c, st, w, name), st)
	}
	if st.policy == nil {
		return nil
	}
	switch w.public {
	case auth.GetBucketPolicyAction, auth.PutBucketPolicyAction, auth.DeleteBucketPolicyAction, "":
		return nil
	}
	key := objectOf(c)
	if w.action == metrics.ActionPostObject {
		if r, ok := utils.ContextKeyObjectPostResult.Get(c).(middlewares.PostObjectResult); ok {
			key = r.Fields["key"]
		}
	}
	if t.decide(c, st, w, name, key, "arn:aws:iam::"+t.s.opts.Account+":root") == policy.Denied {
		return accessDenied()
	}
	return nil
}

// decide evaluates the bucket's policy. Whoever has no ARN is everybody.
func (t *table) decide(c fiber.Ctx, st *settings, w way, name, key, principal string) policy.Decision {
	action := string(w.public)
	if c.Query("versionId") != "" {
		action = withVersion(w.public)
	}
	resource := bucketARN(name)
	if key != "" {
		resource += "/" + key
	}
	return st.policy.Evaluate(policy.Request{PrincipalARN: principal, Action: action, Resource: resource, Context: t.conditionKeys(c, st, w, name, key, principal)})
}

// withVersion is the action on one version of an object.
func withVersion(a auth.Action) string {
	switch a {
	case auth.GetObjectAction, auth.DeleteObjectAction:
		return string(a) + "Version"
	case auth.GetObjectTaggingAction, auth.PutObjectTaggingAction, auth.DeleteObjectTaggingAction, auth.GetObjectAclAction, auth.PutObjectAclAction, auth.GetObjectAttributesAction:
		return strings.Replace(string(a), "Object", "ObjectVersion", 1)
	}
	return string(a)
}

// conditionKeys are the values that conditions of a policy may ask for.
// Source: Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon S3"; IAM User Guide, "AWS global condition context keys".
func (t *table) conditionKeys(c fiber.Ctx, st *settings, w way, name, key, principal string) map[string]string {
	req := requestOf(c.RequestCtx())
	now := t.s.opts.Now().UTC()
	keys := map[string]string{
		"aws:sourceip": req.sourceIP, "aws:securetransport": "false",
		"aws:currenttime": now.Format("2006-01-02T15:04:05Z"), "aws:epochtime": strconv.FormatInt(now.Unix(), 10),
		"aws:requestedregion": t.region, "s3:resourceaccount": t.s.opts.Account, "aws:resourceaccount": t.s.opts.Account,
	}
	if host := net.ParseIP(req.sourceIP); host == nil {
		delete(keys, "aws:sourceip")
	}
	if principal != "" {
		keys["aws:principalarn"], keys["aws:principalaccount"], keys["aws:principaltype"] = principal, t.s.opts.Account, "Account"
		keys["aws:userid"] = t.s.opts.Account
		keys["s3:signatureversion"], keys["s3:authtype"] = "AWS4-HMAC-SHA256", "REST-HEADER"
		if utils.IsPresignedURLAuth(c) || req.verifiedV2 {
			keys["s3:authtype"] = "REST-QUERY-STRING"
		}
		if req.verifiedV2 {
			keys["s3:signatureversion"] = "AWS"
		}
	} else {
		keys["aws:principaltype"] = "Anonymous"
	}
	set := func(key, value string) {
		if value != "" {
			keys[key] = strings.Clone(value)
		}
	}
	set("aws:useragent", c.Get("User-Agent"))
	set("aws:referer", c.Get("Referer"))
	set("s3:versionid", c.Query("versionId"))
	args := c.Request().URI().QueryArgs()
	for _, q := range []string{"prefix", "delimiter", "max-keys"} {
		if args.Has(q) {
			keys["s3:"+q] = c.Query(q)
		}
	}
	for _, h := range conditionHeaders() {
		set("s3:"+h, c.Get(h))
	}
	set("s3:locationconstraint", "")
	var names []string
	for k, v := range tagsOfHeader(c.Get("X-Amz-Tagging")) {
		keys["s3:requestobjecttag/"+strings.ToLower(k)] = v
		names = append(names, k)
	}
	set("s3:requestobjecttagkeys", strings.Join(names, ","))
	if key != "" && (t.userOf(c) != "" || asksForTags(st.policy)) {
		for k, v := range t.s.existingTags(c.RequestCtx(), name, key, c.Query("versionId")) {
			keys["s3:existingobjecttag/"+strings.ToLower(k)] = v
		}
	}
	return keys
}

// conditionHeaders are the headers that are condition keys by their own names.
func conditionHeaders() []string {
	return []string{
		"x-amz-acl", "x-amz-content-sha256", "x-amz-copy-source", "x-amz-metadata-directive", "x-amz-server-side-encryption",
		"x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-customer-algorithm", "x-amz-storage-class",
		"x-amz-website-redirect-location", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write", "x-amz-grant-write-acp",
		"x-amz-object-ownership", "if-match", "if-none-match",
	}
}

// takeAnonymousBody prepares the body of an upload without signature for the
// controllers: its hash may be given, and it may come in chunks.
func takeAnonymousBody(c fiber.Ctx, upload bool) error {
	hash := c.Get("X-Amz-Content-Sha256")
	if err := utils.IsAnonymousPayloadHashSupported(hash); err != nil {
		return err
	}
	if !upload {
		if hash == "" || utils.IsUnsignedPaylod(hash) {
			return nil
		}
		sum := sha256.Sum256(c.BodyRaw())
		if got := hex.EncodeToString(sum[:]); got != hash {
			return s3err.GetContentSHA256MismatchErr(hash, got)
		}
		return nil
	}
	var body io.Reader = bytes.NewReader(nil)
	if stream := c.Request().BodyStream(); stream != nil {
		body = stream
	}
	var err error
	switch {
	case utils.IsUnsignedStreamingPayload(hash):
		length, lerr := utils.ParseDecodedContentLength(c)
		if lerr != nil {
			return lerr
		}
		sum, cerr := utils.ExtractChecksumType(c)
		if cerr != nil {
			return cerr
		}
		body, err = utils.NewUnsignedChunkReader(body, sum, length)
	case hash != "" && !utils.IsUnsignedPaylod(hash):
		body, err = utils.NewHashReader(body, hash, utils.HashTypeSha256Hex)
	case c.Request().Header.ContentLength() < 0:
		return s3err.GetAPIError(s3err.ErrMissingContentLength)
	}
	if err != nil {
		return err
	}
	utils.ContextKeyBodyReader.Set(c, body)
	return nil
}

// hideAbsence tells a caller who may not list the bucket that access is denied, where
// others are told that there is no such key.
func (t *table) hideAbsence(c fiber.Ctx, err error) error {
	var known s3err.S3Error
	if !errors.As(err, &known) || known.BaseError().Code != "NoSuchKey" || c.Method() != http.MethodGet && c.Method() != http.MethodHead {
		return err
	}
	if utils.ContextKeyPublicBucket.IsSet(c) && !requestOf(c.RequestCtx()).mayList || !t.userMayList(c) {
		return accessDenied()
	}
	return err
}
