package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
)

// openAttempts bounds how often a read starts again because the object was replaced
// between reading its row and opening its file.
const openAttempts = 10

// view is an object as a GET or HEAD asked for it.
type view struct {
	*record
	offset, length int64
	partial        bool
	parts          *int32 // number of parts, where one was asked for
	part           *part  // the one that was asked for
	checksums      bool   // the checksum belongs to what is sent
}

// look reads an object's row and works out what of it was asked for.
func (s *Service) look(ctx context.Context, in *awss3.HeadObjectInput) (*view, error) {
	r, err := s.record(ctx, *in.Bucket, *in.Key, deref(in.VersionId))
	if err != nil {
		return nil, err
	}
	err = readConditions{ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch, modified: in.IfModifiedSince, notModified: in.IfUnmodifiedSince}.check(r)
	if err != nil {
		if errors.Is(err, s3err.GetAPIError(s3err.ErrNotModified)) {
			requestOf(ctx).tell("ETag", r.quoted())
			requestOf(ctx).tell("Last-Modified", r.modified.Format(http.TimeFormat))
		}
		return nil, err
	}
	if err := r.checkKey(requestOf(ctx).customer, false); err != nil {
		return nil, err
	}
	v := &view{record: r, length: r.size}
	if in.PartNumber != nil {
		if err := v.selectPart(*in.PartNumber); err != nil {
			return nil, err
		}
	} else {
		v.offset, v.length, v.partial, err = gateway.ParseObjectRange(r.size, deref(in.Range))
		if err != nil {
			return nil, err
		}
	}
	v.checksums = in.ChecksumMode == types.ChecksumModeEnabled && (v.length == r.size || v.part != nil)
	return v, nil
}

func (v *view) selectPart(n int32) error {
	count := int32(max(len(v.record.parts), 1))
	if n > count {
		return s3err.GetInvalidPartNumberRangeErr(count, n)
	}
	if len(v.record.parts) > 0 {
		for _, p := range v.record.parts[:n-1] {
			v.offset += p.Size
		}
		v.length = v.record.parts[n-1].Size
		v.parts, v.part = &count, &v.record.parts[n-1]
	}
	v.partial = v.size > 0
	return nil
}

func (v *view) contentRange() *string {
	if !v.partial {
		return nil
	}
	r := fmt.Sprintf("bytes %d-%d/%d", v.offset, v.offset+v.length-1, v.size)
	return &r
}

func (v *view) tagCount() *int32 {
	if len(v.tags) == 0 {
		return nil
	}
	n := int32(len(v.tags))
	return &n
}

// HeadObject reports an object's properties.
func (s store) HeadObject(ctx context.Context, in *awss3.HeadObjectInput) (*awss3.HeadObjectOutput, error) {
	v, err := s.look(ctx, in)
	if err != nil {
		return nil, err
	}
	v.tell(requestOf(ctx))
	if deref(in.VersionId) == "" {
		s.tellExpiration(ctx, *in.Bucket, v.key, v.size, v.tags, v.modified)
	}
	requestOf(ctx).tell("x-amz-restore", v.restored(s.opts.Now()))
	return v.head(), nil
}

func (v *view) head() *awss3.HeadObjectOutput {
	var sum checksum
	switch {
	case v.checksums && v.part != nil:
		if sum = v.part.Checksum; sum.Algorithm != "" {
			sum.Type = v.checksum.Type
		}
	case v.checksums:
		sum = v.checksum
	}
	m := &v.meta
	return &awss3.HeadObjectOutput{
		AcceptRanges: fill("bytes"), ContentLength: &v.length, ContentRange: v.contentRange(),
		ETag: fill(v.quoted()), LastModified: &v.modified, PartsCount: v.parts, TagCount: v.tagCount(),
		ContentType: fill(m.ContentType), ContentEncoding: fill(m.ContentEncoding), ContentDisposition: fill(m.ContentDisposition),
		ContentLanguage: fill(m.ContentLanguage), CacheControl: fill(m.CacheControl), ExpiresString: fill(m.Expires),
		WebsiteRedirectLocation: fill(m.Redirect), Metadata: encodeMetadata(m.User),
		VersionId: fill(v.versionID()), StorageClass: v.class,
		ObjectLockMode: v.lock.Mode, ObjectLockRetainUntilDate: v.lock.until(), ObjectLockLegalHoldStatus: v.lock.Hold,
		ChecksumType:  sum.Type,
		ChecksumCRC32: sum.of(types.ChecksumAlgorithmCrc32), ChecksumCRC32C: sum.of(types.ChecksumAlgorithmCrc32c),
		ChecksumCRC64NVME: sum.of(types.ChecksumAlgorithmCrc64nvme), ChecksumSHA1: sum.of(types.ChecksumAlgorithmSha1),
		ChecksumSHA256: sum.of(types.ChecksumAlgorithmSha256), ChecksumSHA512: sum.of(types.ChecksumAlgorithmSha512),
		ChecksumMD5: sum.of(types.ChecksumAlgorithmMd5), ChecksumXXHASH64: sum.of(types.ChecksumAlgorithmXxhash64),
		ChecksumXXHASH3: sum.of(types.ChecksumAlgorithmXxhash3), ChecksumXXHASH128: sum.of(types.ChecksumAlgorithmXxhash128),
	}
}

// GetObject opens an object. A reader keeps what it opened: an object that is
// replaced or deleted meanwhile is still sent whole.
func (s store) GetObject(ctx context.Context, in *awss3.GetObjectInput) (*awss3.GetObjectOutput, error) {
	for attempt := 1; ; attempt++ {
		v, err := s.look(ctx, &awss3.HeadObjectInput{
			Bucket: in.Bucket, Key: in.Key, VersionId: in.VersionId, Range: in.Range, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode,
			IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch, IfModifiedSince: in.IfModifiedSince, IfUnmodifiedSince: in.IfUnmodifiedSince,
		})
		if err != nil {
			return nil, err
		}
		if err := v.readable(s.opts.Now()); err != nil {
			return nil, err
		}
		requestOf(ctx).tell("x-amz-restore", v.restored(s.opts.Now()))
		body, err := s.openRecord(v.record, requestOf(ctx).customer, v.offset, v.length)
		if errors.Is(err, fs.ErrNotExist) && attempt < openAttempts {
			continue // replaced since; the row now names another file
		}
		if err != nil {
			return nil, fmt.Errorf("open the bytes of %q in bucket %s: %w", *in.Key, *in.Bucket, err)
		}
		v.tell(requestOf(ctx))
		if deref(in.VersionId) == "" {
			s.tellExpiration(ctx, *in.Bucket, v.key, v.size, v.tags, v.modified)
		}
		h := v.head()
		return &awss3.GetObjectOutput{
			Body:         body,
			AcceptRanges: h.AcceptRanges, ContentLength: h.ContentLength, ContentRange: h.ContentRange,
			ETag: h.ETag, LastModified: h.LastModified, PartsCount: h.PartsCount, TagCount: h.TagCount,
			ContentType: h.ContentType, ContentEncoding: h.ContentEncoding, ContentDisposition: h.ContentDisposition,
			ContentLanguage: h.ContentLanguage, CacheControl: h.CacheControl, ExpiresString: h.ExpiresString,
			WebsiteRedirectLocation: h.WebsiteRedirectLocation, Metadata: h.Metadata,
			VersionId: h.VersionId, StorageClass: h.StorageClass,
			ObjectLockMode: h.ObjectLockMode, ObjectLockRetainUntilDate: h.ObjectLockRetainUntilDate, ObjectLockLegalHoldStatus: h.ObjectLockLegalHoldStatus,
			ChecksumType: h.ChecksumType, ChecksumCRC32: h.ChecksumCRC32, ChecksumCRC32C: h.ChecksumCRC32C,
			ChecksumCRC64NVME: h.ChecksumCRC64NVME, ChecksumSHA1: h.ChecksumSHA1, ChecksumSHA256: h.ChecksumSHA256,
			ChecksumSHA512: h.ChecksumSHA512, ChecksumMD5: h.ChecksumMD5, ChecksumXXHASH64: h.ChecksumXXHASH64,
			ChecksumXXHASH3: h.ChecksumXXHASH3, ChecksumXXHASH128: h.ChecksumXXHASH128,
		}, nil
	}
}

// open returns a range of a content.
func (s *Service) open(c content, offset, length int64) (io.ReadCloser, error) {
	if c.blob != "" {
		return s.blobs.section(c.blob, offset, length)
	}
	return io.NopCloser(bytes.NewReader(c.inline[offset : offset+length])), nil
}
