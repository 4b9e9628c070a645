package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxCopy is the largest object that one CopyObject copies, bytes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const maxCopy = 5 << 30

// copySource is the header x-amz-copy-source, decoded.
type copySource struct{ bucket, key, version string }

// parseCopySource decodes the header: /bucket/key, percent-encoded, and, not encoded,
// "?versionId=" with an id.
func parseCopySource(header string) (copySource, error) {
	raw, version, _ := strings.Cut(header, "?versionId=")
	path, err := url.QueryUnescape(strings.TrimPrefix(raw, "/"))
	if err != nil {
		return copySource{}, s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySourceEncoding, header)
	}
	b, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return copySource{}, invalidArgument("x-amz-copy-source", "x-amz-copy-source", "Invalid copy source object key")
	}
	if b == "" {
		return copySource{}, s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySourceBucket, header)
	}
	if checkKey(key) != nil {
		return copySource{}, s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySourceObject, key)
	}
	return copySource{b, key, version}, nil
}

// sourceRecord reads a copy's source and looks at the conditions on it.
func (s *Service) sourceRecord(ctx context.Context, src copySource, must readConditions) (*record, error) {
	r, err := s.record(ctx, src.bucket, src.key, src.version)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrMethodNotAllowed)) {
		requestOf(ctx).told = nil
		return nil, s3err.APIError{Code: "InvalidRequest", Description: "The source of a copy request may not specifically refer to a delete marker by version id.", HTTPStatusCode: 400}
	}
	if err != nil {
		return nil, err
	}
	must.prefix = "x-amz-copy-source-"
	if err := must.check(r); err != nil {
		return nil, err
	}
	if err := r.readable(s.opts.Now()); err != nil {
		return nil, err
	}
	return r, r.checkKey(requestOf(ctx).sourceCustomer, true)
}

// copiedVersion is the version that the answer to a copy names as its source: never
// "null".
func (r *record) copiedVersion() string { return r.version }

// CopyObject copies an object, also onto itself.
func (s store) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	var out s3response.CopyObjectOutput
	if err := checkKey(*in.Key); err != nil {
		return out, err
	}
	for attempt := 1; ; attempt++ {
		r, src, err := s.copyOnce(ctx, in)
		if (errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist)) && attempt < openAttempts {
			continue // the source was replaced under our hands
		}
		if errors.Is(err, errChanged) {
			return out, s3err.APIError{Code: "OperationAborted", Description: "A conflicting operation is in progress against this object. Please try again.", HTTPStatusCode: 409}
		}
		if err != nil {
			return out, err
		}
		sum := r.checksum
		out.VersionId, out.CopySourceVersionId = fill(r.versionID()), fill(src.copiedVersion())
		out.CopyObjectResult = &s3response.CopyObjectResult{
			ETag: fill(r.quoted()), LastModified: &r.modified, ChecksumType: sum.Type,
			ChecksumCRC32: sum.of(types.ChecksumAlgorithmCrc32), ChecksumCRC32C: sum.of(types.ChecksumAlgorithmCrc32c),
			ChecksumCRC64NVME: sum.of(types.ChecksumAlgorithmCrc64nvme), ChecksumSHA1: sum.of(types.ChecksumAlgorithmSha1),
			ChecksumSHA256: sum.of(types.ChecksumAlgorithmSha256), ChecksumSHA512: sum.of(types.ChecksumAlgorithmSha512),
			ChecksumMD5: sum.of(types.ChecksumAlgorithmMd5), ChecksumXXHASH64: sum.of(types.ChecksumAlgorithmXxhash64),
			ChecksumXXHASH3: sum.of(types.ChecksumAlgorithmXxhash3), ChecksumXXHASH128: sum.of(types.ChecksumAlgorithmXxhash128),
		}
		return out, nil
	}
}

func (s store) copyOnce(ctx context.Context, in s3response.CopyObjectInput) (copied, src *record, err error) {
	req := requestOf(ctx)
	if err := checkWriteConditions(fill(req.ifMatch), fill(req.ifNoneMatch)); err != nil {
		return nil, nil, err
	}
	src, err = s.sourceRecord(ctx, req.source, readConditions{
		ifMatch: in.CopySourceIfMatch, ifNoneMatch: in.CopySourceIfNoneMatch,
		modified: in.CopySourceIfModifiedSince, notModified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, nil, err
	}
	if src.size > maxCopy {
		return nil, nil, s3err.GetCopySourceObjectTooLargeErr(maxCopy)
	}
	attrs, err := s.attributes(ctx, *in.Bucket)
	if err != nil {
		return nil, nil, err
	}
	w := write{
		class: attrs.class, lock: lockAsked(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus),
		bucket: *in.Bucket, key: *in.Key, event: "ObjectCreated:Copy",
		content: src.content(), etag: src.etag, checksum: src.checksum, meta: src.meta, tags: src.tags,
		ifMatch: fill(req.ifMatch), ifNoneMatch: fill(req.ifNoneMatch),
	}
	sealed := src.meta.sealed() != nil || req.customer != nil
	st, err := s.settings(ctx, *in.Bucket)
	if err != nil {
		return nil, nil, err
	}
	encrypts := st.encryption.algorithm != ""
	self := req.source.bucket == *in.Bucket && req.source.key == *in.Key && src.current
	replace := in.MetadataDirective == types.MetadataDirectiveReplace
	if self && !replace && in.TaggingDirective != types.TaggingDirectiveReplace && deref(in.WebsiteRedirectLocation) == "" && req.header.Get("X-Amz-Storage-Class") == "" && req.header.Get("X-Amz-Server-Side-Encryption") == "" && !sealed && !encrypts {
		return nil, nil, s3err.GetAPIError(s3err.ErrInvalidCopyDest)
	}
	if replace {
		w.meta = meta{
			ContentType: deref(in.ContentType), ContentEncoding: contentEncoding(in.ContentEncoding), ContentDisposition: deref(in.ContentDisposition),
			ContentLanguage: deref(in.ContentLanguage), CacheControl: deref(in.CacheControl), Expires: deref(in.Expires), User: decodeMetadata(in.Metadata),
		}
	}
	w.meta.Restored, w.meta.Upload = 0, ""
	w.meta.Encryption = attrs.encryption                // a copy is encrypted as it asks for, not as the source
	w.meta.Redirect = deref(in.WebsiteRedirectLocation) // never copied
	w.meta.ACL = attrs.acl                              // nor is the ACL
	if in.TaggingDirective == types.TaggingDirectiveReplace {
		if w.tags, err = parseTags(in.Tagging); err != nil {
			return nil, nil, err
		}
	}
	// A copy is one piece: parts' ETags and checksums do not survive it.
	whole := !sealed && len(src.parts) == 0 && (in.ChecksumAlgorithm == "" || in.ChecksumAlgorithm == src.checksum.Algorithm)
	switch {
	case whole && self && !src.versioned:
		w.keepBody = true
	case whole && src.blob != "":
		if w.content.blob, err = s.blobs.link(src.blob); err != nil {
			if w.content, err = s.concat([]content{src.content()}); err != nil {
				return nil, nil, err
			}
		}
	case !whole:
		if err := s.rehash(ctx, src, &w, in.ChecksumAlgorithm); err != nil {
			return nil, nil, err
		}
	}
	copied, err = s.commit(ctx, w)
	return copied, src, err
}

// rehash makes w's content a copy of its own, with the ETag and the checksum of an
// object that was put in one piece.
func (s *Service) rehash(ctx context.Context, src *record, w *write, algorithm types.ChecksumAlgorithm) error {
	if algorithm == "" {
		algorithm = w.checksum.Algorithm
	}
	req := requestOf(ctx)
	body, err := s.openRecord(src, req.sourceCustomer, 0, src.size)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := s.receive(requestOf(ctx).ctx, upload{body: body, size: src.size, algorithm: algorithm, key: req.customer})
	if err != nil {
		return err
	}
	w.content, w.etag = got.content, got.etag()
	if seal := w.meta.sealed(); seal != nil {
		seal.Nonce = got.nonce
	}
	w.checksum = checksum{Algorithm: got.algorithm, Type: types.ChecksumTypeFullObject, Value: got.sum}
	return nil
}

// UploadPartCopy makes a part from an object or a range of it.
func (s store) UploadPartCopy(ctx context.Context, in *awss3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	var out s3response.CopyPartResult
	up, err := s.upload(ctx, *in.Bucket, *in.Key, *in.UploadId)
	if err != nil {
		return out, err
	}
	src, err := s.sourceRecord(ctx, requestOf(ctx).source, readConditions{
		ifMatch: in.CopySourceIfMatch, ifNoneMatch: in.CopySourceIfNoneMatch,
		modified: in.CopySourceIfModifiedSince, notModified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return out, err
	}
	offset, length, err := copyRange(src.size, deref(in.CopySourceRange))
	if err != nil {
		return out, err
	}
	req := requestOf(ctx)
	if err := up.checkPartKey(req.customer); err != nil {
		return out, err
	}
	body, err := s.openRecord(src, req.sourceCustomer, offset, length)
	if err != nil {
		return out, err
	}
	defer body.Close()
	got, err := s.receive(requestOf(ctx).ctx, upload{body: io.LimitReader(body, length), size: length, algorithm: up.algorithm, crc64: true, key: req.customer})
	if err != nil {
		return out, err
	}
	p, err := s.commitPart(ctx, up, *in.PartNumber, got)
	if err != nil {
		return out, err
	}
	out.ETag, out.LastModified, out.CopySourceVersionId = fill(`"`+p.etag+`"`), p.modified, src.copiedVersion()
	(&record{meta: up.meta}).tell(requestOf(ctx))
	if sum := p.checksum; up.algorithm != "" {
		out.ChecksumCRC32, out.ChecksumCRC32C = sum.of(types.ChecksumAlgorithmCrc32), sum.of(types.ChecksumAlgorithmCrc32c)
		out.ChecksumCRC64NVME, out.ChecksumSHA1 = sum.of(types.ChecksumAlgorithmCrc64nvme), sum.of(types.ChecksumAlgorithmSha1)
		out.ChecksumSHA256, out.ChecksumSHA512 = sum.of(types.ChecksumAlgorithmSha256), sum.of(types.ChecksumAlgorithmSha512)
	}
	return out, nil
}

// copyRange reads x-amz-copy-source-range, "bytes=first-last", both required.
func copyRange(size int64, header string) (offset, length int64, err error) {
	if header == "" {
		return 0, size, nil
	}
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	a, errA := strconv.ParseInt(first, 10, 64)
	b, errB := strconv.ParseInt(last, 10, 64)
	if !ok || !dash || errA != nil || errB != nil || a < 0 || b < a {
		return 0, 0, s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySourceRange, header)
	}
	switch {
	case a >= size:
		return 0, 0, s3err.APIError{Code: "InvalidRequest", Description: "The specified copy range is invalid for the source object size", HTTPStatusCode: 400}
	case b >= size:
		return 0, 0, invalidArgument("x-amz-copy-source-range", header, fmt.Sprintf("Range specified is not valid for source object of size: %d", size))
	}
	return a, b - a + 1, nil
}
