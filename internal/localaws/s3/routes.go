package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/metrics"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// maxDocument bounds the body of a request that is no upload, bytes: 10,000 parts of
// a multipart upload, or 1,000 keys to delete, with every character escaped.
const maxDocument = 8 << 20

// maxDeletes is how many keys one DeleteObjects takes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
const maxDeletes = 1000

// routes builds the application: versitygw's controllers and checks behind a table of
// our own. Its own router would refuse "..", which is a key like any other here,
// answers 501 to notifications, and hides the application behind a listener.
func (s *Service) routes() *fiber.App {
	t := s.table()
	app := fiber.New(fiber.Config{
		StrictRouting: true, CaseSensitive: true, StreamRequestBody: true,
		ErrorHandler: func(c fiber.Ctx, err error) error {
			var lost *fiber.Error
			if errors.As(err, &lost) && lost.Code < http.StatusInternalServerError {
				// A path that names no bucket, such as "//".
				return t.fail(c, s3err.GetAPIError(s3err.ErrInvalidURI))
			}
			return t.fail(c, s.answer("route", err))
		},
	})
	app.Use(t.prepare)
	app.All("/", t.service)
	app.All("/:bucket", t.bucket)
	app.All("/:bucket/*", t.bucket)
	return app
}

// table finds the operation of a request.
type table struct {
	s      *Service
	be     store
	root   middlewares.RootUserConfig
	iam    auth.IAMService
	region string
	ctrl   controllers.S3ApiController

	serviceOps, bucketOps, objectOps []op
}

// op is one operation: when it is meant, and how it is done.
type op struct {
	method string
	query  []string // names that must be in the query
	header string   // header that must be there
	run    fiber.Handler
}

func (o op) matches(c fiber.Ctx) bool {
	if c.Method() != o.method {
		return false
	}
	args := c.Request().URI().QueryArgs()
	for _, q := range o.query {
		if !args.Has(q) {
			return false
		}
	}
	return o.header == "" || c.Get(o.header) != ""
}

func (s *Service) table() *table {
	t := &table{
		s: s, be: store{Service: s},
		root:   middlewares.RootUserConfig{Access: s.opts.AccessKey, Secret: s.opts.SecretKey},
		iam:    accounts{auth.NewIAMServiceSingle(auth.Account{Access: s.opts.AccessKey, Secret: s.opts.SecretKey, Role: auth.RoleAdmin}), s.opts.Users},
		region: s.opts.Region,
	}
	t.ctrl = controllers.New(t.be, t.iam, nil, nil, nil, false, false, "", maxParts)
	t.operations()
	return t
}

// prepare sets what the controllers expect to find, and turns a panic into a 500: one
// bad request must not take the process with it.
func (t *table) prepare(c fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.s.log.Error("request panicked", "method", c.Method(), "path", c.Path(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = t.fail(c, s3err.GetAPIError(s3err.ErrInternalError))
		}
	}()
	utils.EnsureRequestIDs(c)
	return middlewares.SetDefaultValues(t.root, t.region)(c)
}

// fail answers an error outside any operation.
func (t *table) fail(c fiber.Ctx, err error) error {
	var known s3err.S3Error
	if !errors.As(err, &known) {
		known = s3err.GetAPIError(s3err.ErrInternalError)
	}
	known = inWords(known)
	id, host := utils.EnsureRequestIDs(c)
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	return c.Status(known.StatusCode()).Send(known.XMLBody(id, host))
}

func (t *table) service(c fiber.Ctx) error { return t.run(c, t.serviceOps, s3err.ResourceTypeService) }

// bucket tells operations on buckets from those on objects: an object's path goes on
// after the bucket's slash.
func (t *table) bucket(c fiber.Ctx) error {
	name := c.Params("bucket")
	if !utils.IsValidBucketName(name) {
		return t.fail(c, s3err.GetBucketErr(s3err.ErrInvalidBucketName, name))
	}
	if strings.TrimPrefix(c.Path(), "/"+name) == "" || c.Path() == "/"+name+"/" {
		return t.run(c, t.bucketOps, s3err.ResourceTypeBucket)
	}
	return t.run(c, t.objectOps, s3err.ResourceTypeObject)
}

func (t *table) run(c fiber.Ctx, ops []op, kind s3err.ResourceType) error {
	for _, o := range ops {
		if o.matches(c) {
			return o.run(c)
		}
	}
	return t.fail(c, s3err.GetMethodNotAllowedErr(c.Method(), kind, nil))
}

// way says how an operation is reached.
type way struct {
	action     string          // name, for versitygw's checks
	public     auth.Action     // what a policy must allow anonymous callers
	permission auth.Permission // what an ACL must allow them
	upload     bool            // the body is streamed to the controller
	document   bool            // the body is a document, which may come with a checksum
	needsSum   bool            // it must
	before     []fiber.Handler // after the signature was verified
}

// op wraps a controller in the checks that every operation has, in the order in which
// S3 applies them.
func (t *table) op(w way, do controllers.Controller) fiber.Handler {
	checks := []fiber.Handler{t.crossOrigin, takeCustomerKeys}
	if w.upload {
		checks = append(checks, refuseUnsized)
	} else {
		checks = append(checks, boundBody)
	}
	presigned := middlewares.VerifyPresignedV4Signature(t.root, t.iam, t.region, w.upload)
	checks = append(checks,
		t.verifyV2(w.upload),
		t.admitAnonymous(w),
		func(c fiber.Ctx) error {
			if requestOf(c.RequestCtx()).verifiedV2 {
				return nil
			}
			unsignHash(c)
			if err := presigned(c); err != nil {
				return err
			}
			return hoist(c)
		},
		middlewares.VerifyV4Signature(t.root, t.iam, t.region, w.upload, w.action != metrics.ActionHeadBucket, w.action == metrics.ActionListAllMyBuckets),
		t.identify,
	)
	if w.upload || w.document || w.needsSum {
		checks = append(checks, middlewares.VerifyChecksums(w.upload, false, w.needsSum))
	}
	if w.action != metrics.ActionCreateBucket && w.action != metrics.ActionListAllMyBuckets {
		checks = append(checks, t.acl, func(c fiber.Ctx) error { return t.admitOwner(c, w) })
	} else if t.s.opts.Users != nil {
		checks = append(checks, func(c fiber.Ctx) error { return t.admitUser(c, w, policy.NoMatch, nil) })
	}
	checks = append(checks, w.before...)
	for i, check := range checks {
		checks[i] = func(c fiber.Ctx) error { return t.s.answer(w.action, check(c)) }
	}
	return controllers.ProcessHandlers(func(c fiber.Ctx) (*controllers.Response, error) {
		resp, err := do(c)
		return resp, t.hideAbsence(c, t.s.answer(w.action, err))
	}, w.action, &controllers.Services{}, checks...)
}

// identify notes who is calling.
func (t *table) identify(c fiber.Ctx) error {
	if acct, ok := utils.ContextKeyAccount.Get(c).(auth.Account); ok {
		requestOf(c.RequestCtx()).principal = acct.Access
	}
	return nil
}

// acl makes sure that there is the bucket, and that it has the owner whom the caller
// expects. Whether the caller may, versitygw is not asked: it finds the owner of
// everything.
func (t *table) acl(c fiber.Ctx) error {
	if _, err := t.s.settings(c.RequestCtx(), c.Params("bucket")); err != nil {
		return err
	}
	const expected = "X-Amz-Expected-Bucket-Owner"
	if owner := c.Get(expected); owner != "" {
		if !isAccount(owner) {
			return failure(http.StatusBadRequest, "InvalidBucketOwnerAWSAccountID", "The value of the expected bucket owner parameter must be an AWS Account ID... ["+owner+"]")
		}
		if owner != t.s.opts.Account {
			return accessDenied()
		}
		c.Request().Header.Del(expected) // versitygw knows the access key only
	}
	utils.ContextKeyParsedAcl.Set(c, auth.ACL{Owner: t.root.Access})
	return nil
}

// boundBody refuses documents larger than any that S3 takes.
func boundBody(c fiber.Ctx) error {
	n := c.Request().Header.ContentLength()
	if n > maxDocument {
		return s3err.GetMaxMessageLengthExceeded(maxDocument)
	}
	if body := c.Request().BodyStream(); body != nil && n < 0 {
		c.Request().SetBodyStream(io.LimitReader(body, maxDocument), -1)
	}
	return nil
}

// refuseUnsized refuses an upload of unknown size, "Transfer-Encoding: chunked". One in
// S3's own chunks tells its size in a header of its own.
func refuseUnsized(c fiber.Ctx) error {
	if c.Request().Header.ContentLength() < 0 && !utils.IsStreamingPayload(c.Get("X-Amz-Content-Sha256")) {
		return failure(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented", "Header", "Transfer-Encoding")
	}
	return nil
}

// takeSource decodes x-amz-copy-source for the backend and leaves the controllers,
// which would refuse some keys, a name that they accept.
func takeSource(c fiber.Ctx) error {
	// Cloned: what Get returns is the header's own memory, which is overwritten below.
	src, err := parseCopySource(strings.Clone(c.Get("X-Amz-Copy-Source")))
	if err != nil {
		return err
	}
	requestOf(c.RequestCtx()).source = src
	c.Request().Header.Set("X-Amz-Copy-Source", src.bucket+"/source")
	return nil
}

// takeQuiet notes what versitygw does not: whether DeleteObjects shall report errors
// alone, and that the list is not too long.
func takeQuiet(c fiber.Ctx) error {
	var doc struct {
		Quiet   bool
		Objects []struct{} `xml:"Object"`
	}
	if err := xml.NewDecoder(bytes.NewReader(c.BodyRaw())).Decode(&doc); err != nil || len(doc.Objects) == 0 || len(doc.Objects) > maxDeletes {
		return s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	requestOf(c.RequestCtx()).quiet = doc.Quiet
	return nil
}

// missing are S3's subresources that are not implemented here. Without this list
// they would be taken for the operation without them: a wrong success.
func missing(onObject bool) []string {
	if onObject {
		return []string{"torrent", "select", "renameObject", "encryption", "annotation"}
	}
	return []string{
		"abac", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "metadataTable", "session",
	}
}

// operations lists what there is; the first that matches is meant.
func (t *table) operations() {
	read, write := auth.PermissionRead, auth.PermissionWrite
	get, put, post, del, head := http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodHead
	k := t.ctrl

	t.serviceOps = []op{
		{method: get, run: t.op(way{action: metrics.ActionListAllMyBuckets, permission: read}, t.listBuckets)},
	}

	preflight := controllers.ProcessHandlers(func(c fiber.Ctx) (*controllers.Response, error) {
		resp, err := t.preflight(c)
		return resp, t.s.answer(metrics.ActionOptions, err)
	}, metrics.ActionOptions, &controllers.Services{})
	t.bucketOps = []op{
		{method: http.MethodOptions, run: preflight},
		{method: get, query: []string{"location"}, run: t.op(way{action: metrics.ActionGetBucketLocation, public: auth.GetBucketLocationAction, permission: read}, t.getLocation)},
		{method: get, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionGetBucketTagging, public: auth.GetBucketTaggingAction, permission: read}, k.GetBucketTagging)},
		{method: put, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionPutBucketTagging, public: auth.PutBucketTaggingAction, permission: write, needsSum: true}, t.putBucketTagging)},
		{method: del, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionDeleteBucketTagging, public: auth.PutBucketTaggingAction, permission: write}, k.DeleteBucketTagging)},
		{method: get, query: []string{"ownershipControls"}, run: t.op(way{action: metrics.ActionGetBucketOwnershipControls, public: auth.GetBucketOwnershipControlsAction, permission: read}, k.GetBucketOwnershipControls)},
		{method: put, query: []string{"ownershipControls"}, run: t.op(way{action: metrics.ActionPutBucketOwnershipControls, public: auth.PutBucketOwnershipControlsAction, permission: write, document: true}, t.putOwnership)},
		{method: del, query: []string{"ownershipControls"}, run: t.op(way{action: metrics.ActionDeleteBucketOwnershipControls, public: auth.PutBucketOwnershipControlsAction, permission: write}, k.DeleteBucketOwnershipControls)},
		{method: get, query: []string{"versioning"}, run: t.op(way{action: metrics.ActionGetBucketVersioning, public: auth.GetBucketVersioningAction, permission: read, before: []fiber.Handler{askConfiguration}}, k.GetBucketVersioning)},
		{method: put, query: []string{"versioning"}, run: t.op(way{action: metrics.ActionPutBucketVersioning, public: auth.PutBucketVersioningAction, permission: write, document: true, before: []fiber.Handler{checkVersioning}}, k.PutBucketVersioning)},
		{method: get, query: []string{"policy"}, run: t.op(way{action: metrics.ActionGetBucketPolicy, public: auth.GetBucketPolicyAction, permission: read}, k.GetBucketPolicy)},
		{method: put, query: []string{"policy"}, run: t.op(way{action: metrics.ActionPutBucketPolicy, public: auth.PutBucketPolicyAction, permission: write, document: true}, t.putPolicy)},
		{method: del, query: []string{"policy"}, run: t.op(way{action: metrics.ActionDeleteBucketPolicy, public: auth.DeleteBucketPolicyAction, permission: write}, k.DeleteBucketPolicy)},
		{method: get, query: []string{"policyStatus"}, run: t.op(way{action: metrics.ActionGetBucketPolicyStatus, public: auth.GetBucketPolicyStatusAction, permission: read}, t.getPolicyStatus)},
		{method: get, query: []string{"cors"}, run: t.op(way{action: metrics.ActionGetBucketCors, public: auth.GetBucketCorsAction, permission: read}, t.getCORS)},
		{method: put, query: []string{"cors"}, run: t.op(way{action: metrics.ActionPutBucketCors, public: auth.PutBucketCorsAction, permission: write, needsSum: true}, t.putCORS)},
		{method: del, query: []string{"cors"}, run: t.op(way{action: metrics.ActionDeleteBucketCors, public: auth.PutBucketCorsAction, permission: write}, k.DeleteBucketCors)},
		{method: get, query: []string{"acl"}, run: t.op(way{action: metrics.ActionGetBucketAcl, public: auth.GetBucketAclAction, permission: auth.PermissionReadAcp}, t.getBucketACL)},
		{method: put, query: []string{"acl"}, run: t.op(way{action: metrics.ActionPutBucketAcl, public: auth.PutBucketAclAction, permission: auth.PermissionWriteAcp, document: true}, t.putBucketACL)},
		{method: get, query: []string{"notification"}, run: t.op(way{action: metrics.ActionGetBucketNotificationConfiguration, public: auth.GetBucketNotificationAction, permission: read}, t.getNotification)},
		{method: put, query: []string{"notification"}, run: t.op(way{action: metrics.ActionPutBucketNotificationConfiguration, public: auth.PutBucketNotificationAction, permission: write, document: true}, t.putNotification)},
		{method: get, query: []string{"object-lock"}, run: t.op(way{action: metrics.ActionGetObjectLockConfiguration, public: auth.GetBucketObjectLockConfigurationAction, permission: read}, t.getObjectLock)},
		{method: put, query: []string{"object-lock"}, run: t.op(way{action: metrics.ActionPutObjectLockConfiguration, public: auth.PutBucketObjectLockConfigurationAction, permission: write, document: true}, t.putObjectLock)},
		{method: get, query: []string{"uploads"}, run: t.op(way{action: metrics.ActionListMultipartUploads, public: auth.ListBucketMultipartUploadsAction, permission: read}, own(k.ListMultipartUploads))},
		{method: get, query: []string{"versions"}, run: t.op(way{action: metrics.ActionListObjectVersions, public: auth.ListBucketVersionsAction, permission: read}, own(k.ListObjectVersions))},
		{method: post, query: []string{"delete"}, run: t.op(way{action: metrics.ActionDeleteObjects, public: auth.DeleteObjectAction, permission: write, needsSum: true, before: []fiber.Handler{takeQuiet}}, own(k.DeleteObjects))},
	}
	t.bucketOps = append(t.bucketOps, t.configOps()...)
	t.bucketOps = append(t.bucketOps, t.missingOps(missing(false))...)
	t.bucketOps = append(t.bucketOps,
		op{method: get, query: []string{"list-type"}, run: t.op(way{action: metrics.ActionListObjectsV2, public: auth.ListBucketAction, permission: read}, own(k.ListObjectsV2))},
		op{method: get, run: t.op(way{action: metrics.ActionListObjects, public: auth.ListBucketAction, permission: read}, own(k.ListObjects))},
		op{method: head, run: t.op(way{action: metrics.ActionHeadBucket, public: auth.ListBucketAction, permission: read}, t.headBucket)},
		op{method: put, run: t.op(way{action: metrics.ActionCreateBucket, public: auth.CreateBucketAction, permission: write, document: true}, t.createBucket)},
		op{method: del, run: t.op(way{action: metrics.ActionDeleteBucket, public: auth.DeleteBucketAction, permission: write}, k.DeleteBucket)},
		op{method: post, run: t.postForm()},
	)

	mp := []string{"uploadId", "partNumber"}
	const source = "X-Amz-Copy-Source"
	copying := []fiber.Handler{takeSource, t.takeUpload}
	t.objectOps = []op{
		{method: http.MethodOptions, run: preflight},
		{method: get, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionGetObjectTagging, public: auth.GetObjectTaggingAction, permission: read}, own(k.GetObjectTagging))},
		{method: put, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionPutObjectTagging, public: auth.PutObjectTaggingAction, permission: write, document: true}, t.putTags)},
		{method: del, query: []string{"tagging"}, run: t.op(way{action: metrics.ActionDeleteObjectTagging, public: auth.DeleteObjectTaggingAction, permission: write}, k.DeleteObjectTagging)},
		{method: get, query: []string{"attributes"}, run: t.op(way{action: metrics.ActionGetObjectAttributes, public: auth.GetObjectAttributesAction, permission: read, before: []fiber.Handler{joinAttributes}}, own(k.GetObjectAttributes))},
		{method: get, query: []string{"acl"}, run: t.op(way{action: metrics.ActionGetObjectAcl, public: auth.GetObjectAclAction, permission: auth.PermissionReadAcp}, t.getObjectACL)},
		{method: put, query: []string{"acl"}, run: t.op(way{action: metrics.ActionPutObjectAcl, public: auth.PutObjectAclAction, permission: auth.PermissionWriteAcp, document: true}, t.putObjectACL)},
		{method: post, query: []string{"restore"}, run: t.op(way{action: metrics.ActionRestoreObject, public: auth.RestoreObjectAction, permission: write, document: true}, t.restore)},
		{method: get, query: []string{"retention"}, run: t.op(way{action: metrics.ActionGetObjectRetention, public: auth.GetObjectRetentionAction, permission: read}, t.getRetention)},
		{method: put, query: []string{"retention"}, run: t.op(way{action: metrics.ActionPutObjectRetention, public: auth.PutObjectRetentionAction, permission: write, document: true}, t.putRetention)},
		{method: get, query: []string{"legal-hold"}, run: t.op(way{action: metrics.ActionGetObjectLegalHold, public: auth.GetObjectLegalHoldAction, permission: read}, t.getLegalHold)},
		{method: put, query: []string{"legal-hold"}, run: t.op(way{action: metrics.ActionPutObjectLegalHold, public: auth.PutObjectLegalHoldAction, permission: write, document: true}, t.putLegalHold)},
	}
	t.objectOps = append(t.objectOps, t.missingOps(missing(true))...)
	t.objectOps = append(t.objectOps,
		op{method: get, query: []string{"uploadId"}, run: t.op(way{action: metrics.ActionListParts, public: auth.ListMultipartUploadPartsAction, permission: read}, own(k.ListParts))},
		op{method: get, run: t.op(way{action: metrics.ActionGetObject, public: auth.GetObjectAction, permission: read}, k.GetObject)},
		op{method: head, run: t.op(way{action: metrics.ActionHeadObject, public: auth.GetObjectAction, permission: read}, k.HeadObject)},
		op{method: put, query: mp, header: source, run: t.op(way{action: metrics.ActionUploadPartCopy, public: auth.PutObjectAction, permission: write, before: copying}, k.UploadPartCopy)},
		op{method: put, query: mp, run: t.op(way{action: metrics.ActionUploadPart, public: auth.PutObjectAction, permission: write, upload: true}, k.UploadPart)},
		op{method: put, query: []string{"partNumber"}, run: t.op(way{action: metrics.ActionUndetected, permission: write}, k.HandleErrorRoute(s3err.GetInvalidArgumentErr(s3err.InvalidArgMissingUploadId, "partNumber")))},
		op{method: put, query: []string{"uploadId"}, run: t.op(way{action: metrics.ActionUndetected, permission: write}, k.HandleErrorRoute(s3err.GetMethodNotAllowedErr(put, s3err.ResourceTypeUpload, []string{del, post, get})))},
		op{method: put, header: source, run: t.op(way{action: metrics.ActionCopyObject, public: auth.PutObjectAction, permission: write, before: copying}, k.CopyObject)},
		op{method: put, run: t.op(way{action: metrics.ActionPutObject, public: auth.PutObjectAction, permission: write, upload: true, before: []fiber.Handler{t.takeUpload}}, k.PutObject)},
		op{method: post, query: []string{"uploads"}, run: t.op(way{action: metrics.ActionCreateMultipartUpload, public: auth.PutObjectAction, permission: write, before: []fiber.Handler{t.takeUpload}}, k.CreateMultipartUpload)},
		op{method: post, query: []string{"uploadId"}, run: t.op(way{action: metrics.ActionCompleteMultipartUpload, public: auth.PutObjectAction, permission: write, before: []fiber.Handler{t.takeParts}}, k.CompleteMultipartUpload)},
		op{method: del, query: []string{"uploadId"}, run: t.op(way{action: metrics.ActionAbortMultipartUpload, public: auth.AbortMultipartUploadAction, permission: write}, k.AbortMultipartUpload)},
		op{method: del, run: t.op(way{action: metrics.ActionDeleteObject, public: auth.DeleteObjectAction, permission: write}, k.DeleteObject)},
	)
}

// missingOps answer NotImplemented.
func (t *table) missingOps(names []string) []op {
	var ops []op
	for _, name := range names {
		refuse := t.op(way{action: metrics.ActionUndetected, permission: auth.PermissionWrite}, func(fiber.Ctx) (*controllers.Response, error) {
			return &controllers.Response{}, notImplemented("The subresource " + name + " is not implemented.")
		})
		for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			ops = append(ops, op{method: m, query: []string{name}, run: refuse})
		}
	}
	return slices.Clip(ops)
}

func (t *table) getNotification(c fiber.Ctx) (*controllers.Response, error) {
	doc, err := t.s.getNotification(c.RequestCtx(), c.Params("bucket"))
	if err != nil {
		return &controllers.Response{}, err
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	return &controllers.Response{Data: doc}, nil
}

func (t *table) putNotification(c fiber.Ctx) (*controllers.Response, error) {
	if acct, _ := utils.ContextKeyAccount.Get(c).(auth.Account); acct.Access == "" {
		return &controllers.Response{}, s3err.GetAPIError(s3err.ErrAccessDenied) // whatever a policy says
	}
	skip := strings.EqualFold(c.Get("X-Amz-Skip-Destination-Validation"), "true")
	return &controllers.Response{}, t.s.putNotification(c.RequestCtx(), c.Params("bucket"), c.BodyRaw(), skip)
}
