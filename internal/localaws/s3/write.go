package s3

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
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
	// begun is when the multipart upload began, zero for others; replaces says that there
	// was an object then.
	begun    time.Time
	replaces bool
	class    types.StorageClass
	lock     objectLock // what the client asked for; the bucket's default fills the rest
	// keepBody says that content is the one the object has already: only what it
	// carries changes, provided that the object is still the one with this etag. Not in
	// versioned buckets.
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
	var freed []string
	r := &record{key: w.key, size: w.content.size, etag: w.etag, modified: fromMillis(now.UnixMilli()), checksum: w.checksum, meta: w.meta, tags: w.tags}
	err := s.update(ctx, func(tx *db.Tx) error {
		freed = nil
		b, err := bucketTx(tx, w.bucket)
		if err != nil {
			return err
		}
		if w.with != nil {
			if err := w.with(tx); err != nil {
				return err
			}
		}
		if r.lock, err = b.lockOf(w.lock, now); err != nil {
			return err
		}
		old, err := recordTx(tx, b.id, w.key)
		if err != nil {
			return err
		}
		if err := w.writeAllowed(old); err != nil {
			return err
		}
		var blob, inline any
		count := tally{objects: 1, bytes: w.content.size}
		switch {
		case w.keepBody:
			if b.versioning != "" || old == nil || old.blob != w.content.blob || old.etag != w.etag {
				return errChanged
			}
			blob, inline = fillAny(old.blob), fillAny(old.inlineID)
			count = tally{}
		default:
			if blob, inline, err = insertInline(tx, w.content); err != nil {
				return err
			}
			switch {
			case b.versioning != "":
				if r.version, r.seq, err = supersede(tx, b, w.key, old, now, &count); err != nil {
					return err
				}
				r.versioned = true
			case old != nil: // its row is replaced
				count.objects, count.bytes = 0, count.bytes-old.size
				count.freed = append(count.freed, old.blob)
				if err := deleteInline(tx, old.inlineID); err != nil {
					return err
				}
			}
		}
		freed = count.freed
		if err := putRow(tx, b.id, w, r, now.UnixMilli(), blob, inline); err != nil {
			return err
		}
		if !count.empty() {
			if err := count.apply(tx, b.id); err != nil {
				return err
			}
		}
		told.version = r.version
		return s.notify(ctx, tx, b, told, events)
	})
	if err != nil {
		if !w.keepBody {
			s.blobs.remove(w.content.blob)
		}
		return nil, err
	}
	s.blobs.remove(freed...)
	r.tell(requestOf(ctx))
	s.tellExpiration(ctx, w.bucket, w.key, w.content.size, w.tags, r.modified)
	return r, nil
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

func putRow(tx *db.Tx, bucketID int64, w write, r *record, modified int64, blob, inline any) error {
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
	_, err = tx.Exec(`INSERT OR REPLACE INTO s3_objects (bucket, key, size, etag, modified, checksum, blob, inline, meta, tags, parts, version, seq, class, lock)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		bucketID, []byte(w.key), w.content.size, w.etag, modified, w.checksum.String(), blob, inline, string(m), jsonOrNil(w.tags), parts,
		fillAny(r.version), r.seq, fillAny(w.class), r.lock.column())
	return err
}

// PutObject stores an object.
func (s store) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	var out s3response.PutObjectOutput
	if err := checkKey(*in.Key); err != nil {
		return out, err
	}
	if err := checkWriteConditions(in.IfMatch, in.IfNoneMatch); err != nil {
		return out, err
	}
	attrs, err := s.attributes(ctx, *in.Bucket)
	if err != nil {
		return out, err
	}
	held := lockAsked(in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus)
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return out, err
	}
	u := upload{body: in.Body, size: deref(in.ContentLength), algorithm: in.ChecksumAlgorithm, key: requestOf(ctx).customer}
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
	if seal := attrs.encryption.seal(); seal != nil {
		seal.Nonce = got.nonce
	}
	sum := checksum{Algorithm: got.algorithm, Type: types.ChecksumTypeFullObject, Value: got.sum}
	r, err := s.commit(ctx, write{
		bucket: *in.Bucket, key: *in.Key, content: got.content, etag: got.etag(), checksum: sum, tags: tags, event: req.created,
		ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch, class: attrs.class, lock: held,
		meta: meta{
			ContentType: deref(in.ContentType), ContentEncoding: contentEncoding(in.ContentEncoding), ContentDisposition: deref(in.ContentDisposition),
			ContentLanguage: deref(in.ContentLanguage), CacheControl: deref(in.CacheControl), Expires: deref(in.Expires),
			Redirect: deref(in.WebsiteRedirectLocation), User: decodeMetadata(in.Metadata), Encryption: attrs.encryption, ACL: attrs.acl,
		},
	})
	if err != nil {
		return out, err
	}
	return s3response.PutObjectOutput{
		ETag: r.quoted(), ChecksumType: sum.Type, VersionID: r.createdVersion(),
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
	if !strings.Contains(deref(p), "aws-chunked") {
		return deref(p)
	}
	var kept []string
	for token := range strings.SplitSeq(*p, ",") {
		if token = strings.TrimSpace(token); token != "" && token != "aws-chunked" {
			kept = append(kept, token)
		}
	}
	return strings.Join(kept, ", ")
}
