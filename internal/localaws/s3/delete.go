package s3

import (
	"context"
	"errors"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// deletion is one object, or version of one, to be deleted, what must hold for it, and
// what came of it.
type deletion struct {
	key, version string
	must         gateway.ObjectDeletePreconditions
	err          error
	// tellAbsent tells also of what was not there, which S3 does of the keys of a list.
	tellAbsent bool

	// expired says that a lifecycle rule deletes it, which events tell of by other names.
	expired bool

	// marker says that a delete marker was made or removed; gone is the id of the version
	// that was removed, and made that of the marker that was made.
	marker     bool
	gone, made string
}

// event is the event that the deletion is.
func (d *deletion) event(what string) string {
	if d.expired {
		return "LifecycleExpiration:" + what
	}
	return "ObjectRemoved:" + what
}

func (d *deletion) conditional() bool {
	return d.must.IfMatch != nil || d.must.IfMatchLastModTime != nil || d.must.IfMatchSize != nil
}

// deleteTx deletes one object and tells of it. Without a version id a versioned bucket
// gets a delete marker. Deleting what is not there succeeds, as S3 has it. A refusal
// comes before anything is changed.
func (s *Service) deleteTx(ctx context.Context, tx *db.Tx, b bucket, d *deletion, t *tally) error {
	now := s.opts.Now()
	old, err := versionTx(tx, b, d.key, d.version)
	if err != nil {
		return err
	}
	exists := old != nil && !old.marker
	switch {
	case exists:
		must := d.must
		if deref(must.IfMatch) == "*" {
			must.IfMatch = nil
		}
		if err := gateway.EvaluateObjectDeletePreconditions(old.etag, old.modified, old.size, must); err != nil {
			return err
		}
	case d.conditional():
		return noSuchKey(d.key)
	}
	told := change{event: d.event("Delete"), key: d.key, size: -1, when: now}
	if d.version == "" && b.versioning != "" {
		if !exists {
			old = nil
		}
		var seq int64
		if told.version, seq, err = supersede(tx, b, d.key, old, now, t); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO s3_versions (bucket, key, seq, version, marker, size, etag, modified, checksum, meta) VALUES (?, ?, ?, ?, 1, 0, '', ?, '', '{}')`,
			b.id, []byte(d.key), seq, fillAny(told.version), now.UnixMilli())
		if err != nil {
			return err
		}
		d.marker, d.made = true, (&record{version: told.version, versioned: true}).versionID()
		told.event, told.etag = d.event("DeleteMarkerCreated"), emptyETag
		return s.notify(ctx, tx, b, told, nil)
	}
	if b.versioning != "" {
		d.gone = d.version
	}
	if old == nil {
		if d.tellAbsent && d.version == "" {
			return s.notify(ctx, tx, b, told, nil)
		}
		return nil
	}
	if err := old.lock.allows(now, requestOf(ctx).bypass()); err != nil {
		return err
	}
	if err := dropVersion(tx, b, old, t); err != nil {
		return err
	}
	if b.versioning != "" {
		if err := promote(tx, b, d.key, t); err != nil {
			return err
		}
	}
	d.marker, told.version = old.marker, old.version
	return s.notify(ctx, tx, b, told, nil)
}

// checkBypass refuses the header where it means nothing.
func checkBypass(ctx context.Context, b bucket) error {
	if b.lock == "" && len(requestOf(ctx).header.Values("X-Amz-Bypass-Governance-Retention")) > 0 {
		return invalidArgument("x-amz-bypass-governance-retention", "", "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.")
	}
	return nil
}

// bypass says whether the caller may and would pass over a retention of mode
// GOVERNANCE: the account's own user, who asked for it.
func (r *request) bypass() bool {
	return r.principal != "" && strings.EqualFold(r.header.Get("X-Amz-Bypass-Governance-Retention"), "true")
}

// DeleteObject deletes one object, or one version.
func (s store) DeleteObject(ctx context.Context, in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	d := deletion{key: *in.Key, version: deref(in.VersionId), must: gateway.ObjectDeletePreconditions{
		IfMatch: in.IfMatch, IfMatchLastModTime: in.IfMatchLastModifiedTime, IfMatchSize: in.IfMatchSize,
	}}
	var t tally
	err := s.update(ctx, func(tx *db.Tx) error {
		t = tally{}
		b, err := bucketTx(tx, *in.Bucket)
		if err != nil {
			return err
		}
		if err := checkBypass(ctx, b); err != nil {
			return err
		}
		if err := checkVersion(ctx, d.version); err != nil {
			return err
		}
		if err := s.deleteTx(ctx, tx, b, &d, &t); err != nil || t.empty() {
			return err
		}
		return t.apply(tx, b.id)
	})
	if err != nil {
		return nil, err
	}
	s.blobs.remove(t.freed...)
	return &awss3.DeleteObjectOutput{DeleteMarker: fillPtr(d.marker), VersionId: fill(d.gone + d.made)}, nil
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
			d := deletion{key: deref(o.Key), version: deref(o.VersionId), tellAbsent: true, must: gateway.ObjectDeletePreconditions{
				IfMatch: gateway.TrimEtag(o.ETag), IfMatchLastModTime: o.LastModifiedTime, IfMatchSize: o.Size,
			}}
			if may := requestOf(ctx).mayDelete; may != nil && !may(d.key, d.version) {
				d.err = accessDenied()
			}
			if checkVersion(ctx, d.version) != nil {
				d.err = s3err.GetNoSuchVersionErr(d.key, d.version) // other than DeleteObject, as S3 has it
			}
			deletions[i] = d
		}
		freed, err := s.deleteBatch(ctx, *in.Bucket, deletions)
		if err != nil {
			return out, err
		}
		s.blobs.remove(freed...)
		for i, o := range batch {
			d := &deletions[i]
			switch {
			case d.err != nil:
				out.Error = append(out.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, d.err))
			case !quiet:
				done := types.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: fillPtr(d.marker)}
				if d.marker {
					done.DeleteMarkerVersionId = fill(d.gone + d.made)
				}
				out.Deleted = append(out.Deleted, done)
			}
		}
	}
	return out, nil
}

// deleteBatch deletes in one transaction. Refusals go into each deletion's err; any
// other failure undoes the batch.
func (s *Service) deleteBatch(ctx context.Context, bucketName string, deletions []deletion) (freed []string, err error) {
	err = s.update(ctx, func(tx *db.Tx) error {
		var t tally
		b, err := bucketTx(tx, bucketName)
		if err != nil {
			return err
		}
		if err := checkBypass(ctx, b); err != nil {
			return err
		}
		for i := range deletions {
			d := &deletions[i]
			if d.err != nil {
				continue
			}
			err := s.deleteTx(ctx, tx, b, d, &t)
			var refused s3err.S3Error
			if errors.As(err, &refused) {
				d.err = err
				continue
			}
			if err != nil {
				return err
			}
		}
		freed = t.freed
		if t.empty() {
			return nil
		}
		return t.apply(tx, b.id)
	})
	return freed, err
}
