package s3

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// deleteBatch bounds how many deletions share one transaction, so that one request
// does not hold all other writers up.
const deleteBatch = 100

// Names of the events that storing an object is.
const (
	eventPut  = "ObjectCreated:Put"
	eventPost = "ObjectCreated:Post"
)

// write is an object about to be stored.
type write struct {
	bucket, key          string
	content              content
	etag                 string
	checksum             checksum
	meta                 meta
	tags                 map[string]string
	parts                []part
	event                string  // "ObjectCreated:Put"
	ifMatch, ifNoneMatch *string // conditions on what it replaces
	// keepBody says that content is the one the object has already: only what it
	// carries changes, provided that the object is still the one with this etag.
	keepBody bool
	// with runs in the same transaction, before the conditions are looked at.
	with func(*db.Tx) error
}

// commit stores the object, its events, and what goes with them in one transaction.
// The conditions are looked at inside it: of two writers that race, one wins. On an
// error the content is removed.
func (s *Service) commit(ctx context.Context, w write) (*record, error) {
	now := s.opts.Now()
	told := change{event: w.event, key: w.key, size: w.content.size, etag: w.etag, when: now}
	events := s.prepare(ctx, w.bucket, told)
	defer events.release()
	var freed string
	err := s.update(ctx, func(tx *db.Tx) error {
		freed = ""
		b, err := bucketTx(tx, w.bucket)
		if err != nil {
			return err
		}
		if w.with != nil {
			if err := w.with(tx); err != nil {
				return err
			}
		}
		old, err := recordTx(tx, b.id, w.key)
		if err != nil {
			return err
		}
		etag := ""
		if old != nil {
			etag = old.etag
		}
		if err := gateway.EvaluateObjectPutPreconditions(etag, w.ifMatch, w.ifNoneMatch, old != nil); err != nil {
			return err
		}
		var blob, inline any
		switch {
		case w.keepBody:
			if old == nil || old.blob != w.content.blob || old.etag != w.etag {
				return errChanged
			}
			blob, inline = fillAny(old.blob), fillAny(old.inlineID)
		default:
			if blob, inline, err = insertInline(tx, w.content); err != nil {
				return err
			}
			if old != nil {
				freed = old.blob
				if err := deleteInline(tx, old.inlineID); err != nil {
					return err
				}
			}
		}
		if err := putRow(tx, b.id, w, now.UnixMilli(), blob, inline); err != nil {
			return err
		}
		more, size := 1, w.content.size
		if old != nil {
			more, size = 0, size-old.size
		}
		if _, err := tx.Exec(`UPDATE s3_buckets SET objects = objects + ?, bytes = bytes + ? WHERE id = ?`, more, size, b.id); err != nil {
			return err
		}
		return s.notify(ctx, tx, b, told, events)
	})
	if err != nil {
		if !w.keepBody {
			s.blobs.remove(w.content.blob)
		}
		return nil, err
	}
	s.blobs.remove(freed)
	return &record{key: w.key, size: w.content.size, etag: w.etag, modified: fromMillis(now.UnixMilli()), checksum: w.checksum}, nil
}

// errChanged says that the object is not the one that was read before.
var errChanged = errors.New("s3: the object changed meanwhile")

func fillAny[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func putRow(tx *db.Tx, bucketID int64, w write, modified int64, blob, inline any) error {
	m, err := json.Marshal(w.meta)
	if err != nil {
		return err
	}
	var parts any
	if len(w.parts) > 0 {
		b, err := json.Marshal(w.parts)
		if err != nil {
			return err
		}
		parts = string(b)
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO s3_objects (bucket, key, size, etag, modified, checksum, blob, inline, meta, tags, parts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		bucketID, []byte(w.key), w.content.size, w.etag, modified, w.checksum.String(), blob, inline, string(m), jsonOrNil(w.tags), parts)
	return err
}

// PutObject stores an object.
func (s store) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	var out s3response.PutObjectOutput
	if in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		return out, s3err.GetAPIError(s3err.ErrMissingObjectLockConfiguration)
	}
	if err := checkKey(*in.Key); err != nil {
		return out, err
	}
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return out, err
	}
	u := upload{body: in.Body, size: deref(in.ContentLength), algorithm: in.ChecksumAlgorithm}
	req := requestOf(ctx)
	if req.created == eventPost {
		u.size = -1 // the form's last boundary proves the body whole
	}
	u.pick(map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: in.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: in.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: in.ChecksumCRC64NVME,
		types.ChecksumAlgorithmSha1: in.ChecksumSHA1, types.ChecksumAlgorithmSha256: in.ChecksumSHA256, types.ChecksumAlgorithmSha512: in.ChecksumSHA512,
		types.ChecksumAlgorithmMd5: in.ChecksumMD5, types.ChecksumAlgorithmXxhash64: in.ChecksumXXHASH64, types.ChecksumAlgorithmXxhash3: in.ChecksumXXHASH3,
		types.ChecksumAlgorithmXxhash128: in.ChecksumXXHASH128,
	})
	got, err := s.receive(req.ctx, u)
	if err != nil {
		return out, err
	}
	sum := checksum{Algorithm: got.algorithm, Type: types.ChecksumTypeFullObject, Value: got.sum}
	r, err := s.commit(ctx, write{
		bucket: *in.Bucket, key: *in.Key, content: got.content, etag: got.etag(), checksum: sum, tags: tags, event: req.created,
		ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch,
		meta: meta{
			ContentType: deref(in.ContentType), ContentEncoding: contentEncoding(in.ContentEncoding), ContentDisposition: deref(in.ContentDisposition),
			ContentLanguage: deref(in.ContentLanguage), CacheControl: deref(in.CacheControl), Expires: deref(in.Expires),
			Redirect: deref(in.WebsiteRedirectLocation), User: in.Metadata,
		},
	})
	if err != nil {
		return out, err
	}
	return s3response.PutObjectOutput{
		ETag: r.quoted(), ChecksumType: sum.Type,
		ChecksumCRC32: sum.of(types.ChecksumAlgorithmCrc32), ChecksumCRC32C: sum.of(types.ChecksumAlgorithmCrc32c),
		ChecksumCRC64NVME: sum.of(types.ChecksumAlgorithmCrc64nvme), ChecksumSHA1: sum.of(types.ChecksumAlgorithmSha1),
		ChecksumSHA256: sum.of(types.ChecksumAlgorithmSha256), ChecksumSHA512: sum.of(types.ChecksumAlgorithmSha512),
		ChecksumMD5: sum.of(types.ChecksumAlgorithmMd5), ChecksumXXHASH64: sum.of(types.ChecksumAlgorithmXxhash64),
		ChecksumXXHASH3: sum.of(types.ChecksumAlgorithmXxhash3), ChecksumXXHASH128: sum.of(types.ChecksumAlgorithmXxhash128),
	}, nil
}

// pick takes over the checksum that the client announced a value for.
func (u *upload) pick(values map[types.ChecksumAlgorithm]*string) {
	for a, v := range values {
		if deref(v) != "" {
			u.algorithm, u.announced = a, *v
		}
	}
}

// contentEncoding drops "aws-chunked": how the upload came, not what the object is.
func contentEncoding(p *string) string {
	var kept []string
	for token := range strings.SplitSeq(deref(p), ",") {
		if token = strings.TrimSpace(token); token != "" && token != "aws-chunked" {
			kept = append(kept, token)
		}
	}
	return strings.Join(kept, ",")
}

// parseTags reads tags in the form of a query, at most ten.
func parseTags(q *string) (map[string]string, error) {
	tags, err := gateway.ParseObjectTags(deref(q))
	if err == nil && len(tags) > 10 {
		err = s3err.GetAPIError(s3err.ErrObjectTaggingLimited)
	}
	return tags, err
}

// deletion is one object to be deleted and what must hold for it.
type deletion struct {
	key  string
	must gateway.ObjectDeletePreconditions
	err  error
}

func (d *deletion) conditional() bool {
	return d.must.IfMatch != nil || d.must.IfMatchLastModTime != nil || d.must.IfMatchSize != nil
}

// deleteTx deletes one object and tells of it. It returns the blob to be removed once
// that is durable. Deleting what is not there succeeds, as S3 has it.
func (s *Service) deleteTx(ctx context.Context, tx *db.Tx, b bucket, d *deletion) (blob string, err error) {
	old, err := recordTx(tx, b.id, d.key)
	if err != nil {
		return "", err
	}
	if old == nil {
		if d.conditional() {
			return "", s3err.GetAPIError(s3err.ErrNoSuchKey)
		}
		return "", nil
	}
	must := d.must
	if deref(must.IfMatch) == "*" {
		must.IfMatch = nil
	}
	if err := gateway.EvaluateObjectDeletePreconditions(old.etag, old.modified, old.size, must); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`DELETE FROM s3_objects WHERE bucket = ? AND key = ?`, b.id, []byte(d.key)); err != nil {
		return "", err
	}
	if err := deleteInline(tx, old.inlineID); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`UPDATE s3_buckets SET objects = objects - 1, bytes = bytes - ? WHERE id = ?`, old.size, b.id); err != nil {
		return "", err
	}
	return old.blob, s.notify(ctx, tx, b, change{event: "ObjectRemoved:Delete", key: d.key, when: s.opts.Now()}, nil)
}

// DeleteObject deletes one object.
func (s store) DeleteObject(ctx context.Context, in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	if err := checkVersion(*in.Key, in.VersionId); err != nil {
		return nil, err
	}
	d := deletion{key: *in.Key, must: gateway.ObjectDeletePreconditions{
		IfMatch: in.IfMatch, IfMatchLastModTime: in.IfMatchLastModifiedTime, IfMatchSize: in.IfMatchSize,
	}}
	var freed string
	err := s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, *in.Bucket)
		if err == nil {
			freed, err = s.deleteTx(ctx, tx, b, &d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.blobs.remove(freed)
	return &awss3.DeleteObjectOutput{}, nil
}

// DeleteObjects deletes many; each has its own outcome.
func (s store) DeleteObjects(ctx context.Context, in *awss3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var out s3response.DeleteResult
	quiet := requestOf(ctx).quiet
	objects := in.Delete.Objects
	for len(objects) > 0 {
		batch := objects[:min(deleteBatch, len(objects))]
		objects = objects[len(batch):]
		deletions := make([]deletion, len(batch))
		for i, o := range batch {
			deletions[i] = deletion{key: deref(o.Key), err: checkVersion(deref(o.Key), o.VersionId), must: gateway.ObjectDeletePreconditions{
				IfMatch: gateway.TrimEtag(o.ETag), IfMatchLastModTime: o.LastModifiedTime, IfMatchSize: o.Size,
			}}
		}
		freed, err := s.deleteBatch(ctx, *in.Bucket, deletions)
		if err != nil {
			return out, err
		}
		s.blobs.remove(freed...)
		for i, o := range batch {
			switch {
			case deletions[i].err != nil:
				out.Error = append(out.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, deletions[i].err))
			case !quiet:
				out.Deleted = append(out.Deleted, types.DeletedObject{Key: o.Key, VersionId: o.VersionId})
			}
		}
	}
	return out, nil
}

// deleteBatch deletes in one transaction. Refusals go into each deletion's err; any
// other failure undoes the batch.
func (s *Service) deleteBatch(ctx context.Context, bucketName string, deletions []deletion) (freed []string, err error) {
	err = s.update(ctx, func(tx *db.Tx) error {
		freed = freed[:0]
		b, err := bucketTx(tx, bucketName)
		if err != nil {
			return err
		}
		for i := range deletions {
			d := &deletions[i]
			if d.err != nil {
				continue
			}
			blob, err := s.deleteTx(ctx, tx, b, d)
			var refused s3err.S3Error
			if errors.As(err, &refused) {
				d.err = err // a refusal comes before anything is changed
				continue
			}
			if err != nil {
				return err
			}
			freed = append(freed, blob)
		}
		return nil
	})
	return freed, err
}

// GetObjectTagging reads an object's tags.
func (s store) GetObjectTagging(ctx context.Context, bucketName, key, version string) (map[string]string, error) {
	if err := checkVersion(key, &version); err != nil {
		return nil, err
	}
	r, err := s.record(ctx, bucketName, key)
	if err != nil {
		return nil, err
	}
	return r.tags, nil
}

// PutObjectTagging replaces an object's tags.
func (s store) PutObjectTagging(ctx context.Context, bucketName, key, version string, tags map[string]string) error {
	return s.setTags(ctx, bucketName, key, version, tags, "ObjectTagging:Put")
}

// DeleteObjectTagging removes them.
func (s store) DeleteObjectTagging(ctx context.Context, bucketName, key, version string) error {
	return s.setTags(ctx, bucketName, key, version, nil, "ObjectTagging:Delete")
}

func (s *Service) setTags(ctx context.Context, bucketName, key, version string, tags map[string]string, event string) error {
	if err := checkVersion(key, &version); err != nil {
		return err
	}
	return s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, bucketName)
		if err != nil {
			return err
		}
		old, err := recordTx(tx, b.id, key)
		if err != nil {
			return err
		}
		if old == nil {
			return s3err.GetAPIError(s3err.ErrNoSuchKey)
		}
		if _, err := tx.Exec(`UPDATE s3_objects SET tags = ? WHERE bucket = ? AND key = ?`, jsonOrNil(tags), b.id, []byte(key)); err != nil {
			return err
		}
		return s.notify(ctx, tx, b, change{event: event, key: key, size: old.size, etag: old.etag, when: s.opts.Now()}, nil)
	})
}
