package s3

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// askedACL is the ACL that a request for Put…Acl brings, in its header or as a
// document.
func (t *table) askedACL(c fiber.Ctx) (accessList, error) {
	a, asked, err := aclOfHeaders(func(h string) string { return c.Get(h) }, t.s.owner)
	if err != nil {
		return a, err
	}
	body := c.BodyRaw()
	switch {
	case asked && len(body) > 0:
		return a, s3err.GetAPIError(s3err.ErrUnexpectedContent)
	case asked:
		return a, nil
	case len(body) == 0:
		return a, failure(http.StatusBadRequest, "MissingSecurityHeader", "Your request was missing a required header", "MissingHeaderName", "x-amz-acl")
	}
	return parseACL(body, t.s.owner)
}

// mayHaveACL says whether a bucket's settings let an ACL be set. enough are the canned
// ACLs that may be named where ACLs are off.
func (t *table) mayHaveACL(st *settings, a accessList, action, resource string) error {
	if !st.aclsCount() && !a.ownersOnly(t.s.owner) {
		return s3err.GetAPIError(s3err.ErrAclNotSupported)
	}
	if st.block.blockACLs && a.public() {
		return failure(http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::"+t.s.opts.Account+":root is not authorized to perform: "+action+" on resource: \""+resource+
			"\" because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.")
	}
	return nil
}

func (t *table) getBucketACL(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	st, err := t.s.settings(c.RequestCtx(), c.Params("bucket"))
	if err != nil {
		return resp, err
	}
	a := st.acl
	if !st.aclsCount() || a.Grants == nil {
		a, _ = cannedACL("private", t.s.owner)
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	resp.Data = a.document(t.s.owner)
	return resp, nil
}

func (t *table) putBucketACL(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return resp, err
	}
	a, err := t.askedACL(c)
	if err != nil {
		return resp, err
	}
	if !st.aclsCount() {
		return resp, s3err.GetAPIError(s3err.ErrAclNotSupported)
	}
	if err := t.mayHaveACL(st, a, "s3:PutBucketAcl", bucketARN(name)); err != nil {
		return resp, err
	}
	return resp, t.be.PutBucketAcl(c.RequestCtx(), name, a.encode())
}

func (t *table) getObjectACL(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return resp, err
	}
	r, err := t.s.record(c.RequestCtx(), name, objectOf(c), c.Query("versionId"))
	if err != nil {
		return resp, err
	}
	a := r.acl(t.s.owner)
	if !st.aclsCount() {
		a, _ = cannedACL("private", t.s.owner)
	}
	requestOf(c.RequestCtx()).tell("x-amz-version-id", r.versionID())
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	resp.Data = a.document(t.s.owner)
	return resp, nil
}

// acl is the object's, which is its owner's alone unless something else was said.
func (r *record) acl(owner string) accessList {
	if r.meta.ACL != nil {
		return *r.meta.ACL
	}
	a, _ := cannedACL("private", owner)
	return a
}

// setACLQueries set it, in s3_objects and in s3_versions.
var setACLQueries = [2]string{
	`UPDATE s3_objects SET meta = json_set(meta, '$.acl', json(?)) WHERE bucket = ? AND key = ? AND seq = ?`,
	`UPDATE s3_versions SET meta = json_set(meta, '$.acl', json(?)) WHERE bucket = ? AND key = ? AND seq = ?`,
}

func (t *table) putObjectACL(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name, key, version := c.Params("bucket"), objectOf(c), strings.Clone(c.Query("versionId"))
	ctx := c.RequestCtx()
	st, err := t.s.settings(ctx, name)
	if err != nil {
		return resp, err
	}
	a, err := t.askedACL(c)
	if err != nil {
		return resp, err
	}
	if !st.aclsCount() {
		return resp, s3err.GetAPIError(s3err.ErrAclNotSupported)
	}
	if err := t.mayHaveACL(st, a, "s3:PutObjectAcl", bucketARN(name)+"/"+key); err != nil {
		return resp, err
	}
	return resp, t.s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		r, err := t.s.objectTx(ctx, tx, b, key, version)
		if err != nil {
			return err
		}
		if err := setColumn(tx, b, r, setACLQueries, string(a.encode())); err != nil {
			return err
		}
		requestOf(ctx).tell("x-amz-version-id", r.versionID())
		return t.s.notify(ctx, tx, b, change{event: "ObjectAcl:Put", key: key, size: -1, etag: r.etag, version: r.version, when: t.s.opts.Now()}, nil)
	})
}

// takeUpload notes the ACL that an upload asks for, and encrypts it as the bucket says
// where the upload does not.
func (t *table) takeUpload(c fiber.Ctx) error {
	const crypt = "X-Amz-Server-Side-Encryption"
	req := requestOf(c.RequestCtx())
	if req.header.Get(crypt) == "" {
		st, err := t.s.settings(c.RequestCtx(), c.Params("bucket"))
		if err != nil {
			return err
		}
		if e := st.encryption; strings.HasPrefix(e.algorithm, "aws:kms") {
			req.header.Set(crypt, e.algorithm)
			if e.key != "" {
				req.header.Set(crypt+"-Aws-Kms-Key-Id", e.key)
			}
			if e.bucketKey {
				req.header.Set(crypt+"-Bucket-Key-Enabled", "true")
			}
		}
	}
	return t.noteACL(c.RequestCtx(), c.Params("bucket"), objectOf(c), func(h string) string { return c.Get(h) })
}

func (t *table) noteACL(ctx context.Context, name, key string, get func(string) string) error {
	a, asked, err := aclOfHeaders(get, t.s.owner)
	if err != nil || !asked {
		return err
	}
	st, err := t.s.settings(ctx, name)
	if err != nil {
		return err
	}
	if err := t.mayHaveACL(st, a, "s3:PutObject", bucketARN(name)+"/"+key); err != nil {
		return err
	}
	if !a.ownersOnly(t.s.owner) {
		requestOf(ctx).acl = &a
	}
	return nil
}

// objectAllows says whether an object's ACL lets everybody do it. Of what is not there,
// those may learn who may list the bucket.
func (t *table) objectAllows(c fiber.Ctx, st *settings, name, key, permission string) (bool, error) {
	ctx := c.RequestCtx()
	if v := c.Query("versionId"); v != "" {
		r, err := t.s.record(ctx, name, key, v)
		if err != nil {
			return st.acl.allows("READ"), nil //nolint:nilerr // nothing there, or not to be read
		}
		return r.meta.ACL != nil && r.meta.ACL.allows(permission), nil
	}
	var acl string
	err := t.s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT coalesce(meta ->> '$.acl', '') FROM s3_objects WHERE bucket = ? AND key = ?`, st.id, []byte(key)).Scan(&acl)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return st.acl.allows("READ"), nil
	case err != nil || acl == "":
		return false, err
	}
	var a accessList
	if err := json.Unmarshal([]byte(acl), &a); err != nil {
		return false, err
	}
	return a.allows(permission), nil
}

func (t *table) putOwnership(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return resp, err
	}
	doc, err := readDocument(c.BodyRaw(), "OwnershipControls", tree(slot{"Rule", tree(must("ObjectOwnership",
		oneOf("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"))), 1, 1}))
	if err != nil {
		return resp, err
	}
	o := doc.value("Rule", "ObjectOwnership")
	if o == string(types.ObjectOwnershipBucketOwnerEnforced) && len(st.acl.Grants) > 0 && !st.acl.ownersOnly(t.s.owner) {
		return resp, s3err.GetAPIError(s3err.ErrInvalidBucketAclWithObjectOwnership)
	}
	return resp, t.be.PutBucketOwnershipControls(c.RequestCtx(), name, types.ObjectOwnership(o))
}
