package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	// sweepPause is how often it is looked whether there is anything to expire.
	sweepPause = time.Minute
	// resweep is how often a bucket is gone through again on the same day. Expiries fall
	// on midnights, but a rule with a date also takes what was stored later.
	resweep = time.Hour
	// sweepPage is how many rows are read at a time.
	sweepPage = 500
)

// lifecyclePrincipal is who S3 says it is in events about what it expired.
const lifecyclePrincipal = "s3.amazonaws.com"

// swept is when a bucket was gone through last, and by which rules.
type swept struct {
	settings *settings
	at       time.Time
}

// expirer carries out the buckets' lifecycle rules until it is stopped.
type expirer struct {
	stop context.CancelFunc
	done chan struct{}
	last map[string]swept
}

// startExpiring begins to carry out lifecycle rules in the background.
func (s *Service) startExpiring() {
	ctx, stop := context.WithCancel(context.Background())
	s.expirer = expirer{stop: stop, done: make(chan struct{}), last: map[string]swept{}}
	go func() {
		defer close(s.expirer.done)
		tick := time.NewTicker(sweepPause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := s.expireDue(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("lifecycle rules could not be carried out; they are tried again", "err", err)
			}
		}
	}()
}

// expireDue carries out the rules of those buckets for which something may have changed.
func (s *Service) expireDue(ctx context.Context) error {
	return s.expireAll(ctx, s.opts.Now().UTC(), func(name string, st *settings, now time.Time) bool {
		last, ok := s.expirer.last[name]
		if ok && last.settings == st && now.Sub(last.at) < resweep && now.Truncate(24*time.Hour).Equal(last.at.Truncate(24*time.Hour)) {
			return false
		}
		s.expirer.last[name] = swept{st, now}
		return true
	})
}

// expireAll carries out the lifecycle rules of all buckets that are due, as of a time.
func (s *Service) expireAll(ctx context.Context, now time.Time, due func(string, *settings, time.Time) bool) error {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT b.name FROM s3_configs c JOIN s3_buckets b ON b.id = c.bucket WHERE c.kind = '`+kindLifecycle+`'`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	ctx = context.WithValue(ctx, requestKey{}, &request{
		ctx: ctx, id: utils.NewS3RequestID(), hostID: utils.NewS3HostID(), sourceIP: lifecyclePrincipal, principal: lifecyclePrincipal,
		objectRequest: newObjectRequest(nil, nil),
	})
	for _, name := range names {
		st, err := s.settings(ctx, name)
		if isNoSuchBucket(err) {
			continue
		}
		if err != nil {
			return err
		}
		if due(name, st, now) {
			x := expiry{s: s, bucket: name, id: st.id, rules: st.lifecycle, now: now}
			if err := x.run(ctx); err != nil {
				return fmt.Errorf("s3: lifecycle of %s: %w", name, err)
			}
		}
	}
	return nil
}

// expiry goes through one bucket.
type expiry struct {
	s       *Service
	bucket  string
	id      int64
	rules   []lifecycleRule
	now     time.Time
	pending []deletion
	count   int
}

func (x *expiry) run(ctx context.Context) error {
	for _, step := range []struct {
		wanted func(lifecycleRule) bool
		do     func(context.Context) error
	}{
		{func(r lifecycleRule) bool { return r.days > 0 || !r.date.IsZero() && !r.date.After(x.now) }, x.objects},
		{func(r lifecycleRule) bool { return r.noncurrent > 0 || r.markers || r.days > 0 }, x.versions},
		{func(r lifecycleRule) bool { return r.abort > 0 }, x.uploads},
	} {
		if slices.ContainsFunc(x.rules, step.wanted) {
			if err := step.do(ctx); err != nil {
				return err
			}
		}
	}
	if x.count > 0 {
		x.s.log.Info("lifecycle rules were carried out", "bucket", x.bucket, "expired", x.count)
	}
	return nil
}

// objects expires current objects.
func (x *expiry) objects(ctx context.Context) error {
	for after := []byte{}; ; {
		rows, err := x.s.db.Read().QueryContext(ctx, `SELECT key, size, etag, modified, coalesce(tags, '') FROM s3_objects WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?`, x.id, after, sweepPage)
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			var size, modified int64
			var etag, tags string
			if err := rows.Scan(&after, &size, &etag, &modified, &tags); err != nil {
				rows.Close() //nolint:sqlclosecheck // before the changes, which want the connection
				return err
			}
			n++
			if when := fromMillis(modified); x.expired(string(after), size, decodeTags(tags), when) {
				// Only what was seen: it may be written anew meanwhile.
				x.pending = append(x.pending, deletion{key: string(after), expired: true, must: gateway.ObjectDeletePreconditions{IfMatch: &etag, IfMatchLastModTime: &when}})
			}
		}
		err = rows.Err()
		rows.Close()
		if err == nil {
			err = x.flush(ctx)
		}
		if err != nil || n < sweepPage {
			return err
		}
	}
}

func (x *expiry) expired(key string, size int64, tags map[string]string, modified time.Time) bool {
	return slices.ContainsFunc(x.rules, func(r lifecycleRule) bool {
		due := r.expires(modified)
		return !due.IsZero() && !due.After(x.now) && r.takes(key, size, tags)
	})
}

// decodeTags reads column tags.
func decodeTags(doc string) map[string]string {
	if doc == "" {
		return nil
	}
	var tags map[string]string
	_ = json.Unmarshal([]byte(doc), &tags) // without tags no rule takes what asks for them
	return tags
}

// versions expires noncurrent versions, and delete markers that hide nothing.
func (x *expiry) versions(ctx context.Context) error {
	for after := []byte{}; ; {
		rows, err := x.s.db.Read().QueryContext(ctx, `SELECT DISTINCT key FROM s3_versions WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?`, x.id, after, sweepPage)
		if err != nil {
			return err
		}
		var keys [][]byte
		for rows.Next() {
			var key []byte
			if err := rows.Scan(&key); err != nil {
				rows.Close() //nolint:sqlclosecheck // before the changes, which want the connection
				return err
			}
			keys = append(keys, key)
		}
		err = rows.Err()
		rows.Close()
		for _, key := range keys {
			if err == nil {
				err = x.versionsOf(ctx, key)
			}
		}
		if err == nil {
			err = x.flush(ctx)
		}
		if err != nil || len(keys) < sweepPage {
			return err
		}
		after = keys[len(keys)-1]
	}
}

func (x *expiry) versionsOf(ctx context.Context, key []byte) error {
	rows, err := x.s.db.Read().QueryContext(ctx, `SELECT coalesce(v.version, '`+nullVersion+`'), v.marker, v.size, v.modified, coalesce(v.tags, ''), coalesce(o.modified, 0)
		FROM s3_versions v LEFT JOIN s3_objects o ON o.bucket = v.bucket AND o.key = v.key WHERE v.bucket = ? AND v.key = ? ORDER BY v.seq DESC`, x.id, key)
	if err != nil {
		return err
	}
	defer rows.Close()
	var (
		superseded time.Time // when the version that follows was stored
		noncurrent int
		marker     *deletion // the current one, if it is a delete marker
		since      time.Time
		n          int
	)
	for ; rows.Next(); n++ {
		var id, tags string
		var isMarker bool
		var size, modified, current int64
		if err := rows.Scan(&id, &isMarker, &size, &modified, &tags, &current); err != nil {
			return err
		}
		when := fromMillis(modified)
		switch {
		case n == 0 && current == 0:
			marker, since = &deletion{key: string(key), version: id, expired: true}, when
			superseded = when
			continue
		case n == 0:
			superseded = fromMillis(current)
		}
		if slices.ContainsFunc(x.rules, func(r lifecycleRule) bool {
			return r.noncurrent > 0 && noncurrent >= r.keep && !after(superseded, r.noncurrent).After(x.now) && r.takes(string(key), size, decodeTags(tags))
		}) {
			x.pending = append(x.pending, deletion{key: string(key), version: id, expired: true})
		}
		noncurrent++
		superseded = when
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if marker != nil && n == 1 && slices.ContainsFunc(x.rules, func(r lifecycleRule) bool {
		return (r.markers || r.days > 0 && !after(since, r.days).After(x.now)) && r.takes(string(key), 0, nil)
	}) {
		x.pending = append(x.pending, *marker)
	}
	return nil
}

// flush deletes what was found, in small transactions: other writers come in between.
func (x *expiry) flush(ctx context.Context) error {
	for len(x.pending) > 0 {
		batch := x.pending[:min(deleteBatch, len(x.pending))]
		x.pending = x.pending[len(batch):]
		freed, err := x.s.deleteBatch(ctx, x.bucket, batch)
		if isNoSuchBucket(err) {
			return nil
		}
		if err != nil {
			return err
		}
		x.s.blobs.remove(freed...)
		for i := range batch {
			if batch[i].err == nil {
				x.count++ // what is locked, or was written anew, stays
			}
		}
	}
	x.pending = nil
	return nil
}

// uploads gives up multipart uploads that were begun long ago.
func (x *expiry) uploads(ctx context.Context) error {
	rows, err := x.s.db.Read().QueryContext(ctx, `SELECT id, key, initiated FROM s3_uploads WHERE bucket = ?`, x.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		var key []byte
		var begun int64
		if err := rows.Scan(&id, &key, &begun); err != nil {
			return err
		}
		if slices.ContainsFunc(x.rules, func(r lifecycleRule) bool {
			return r.abort > 0 && !after(fromMillis(begun), r.abort).After(x.now) && r.takes(string(key), r.over+1, nil)
		}) {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, id := range ids {
		var freed []string
		err := x.s.db.Update(ctx, func(tx *db.Tx) (err error) {
			freed, err = dropUpload(tx, id)
			return err
		})
		if err != nil {
			return err
		}
		x.s.blobs.remove(freed...)
		x.count++
	}
	return nil
}

// tellExpiration says when a current object expires.
func (s *Service) tellExpiration(ctx context.Context, bucketName, key string, size int64, tags map[string]string, modified time.Time) {
	st, err := s.settings(ctx, bucketName)
	if err != nil || len(st.lifecycle) == 0 {
		return
	}
	requestOf(ctx).tell("x-amz-expiration", expiration(st.lifecycle, key, size, tags, modified))
}
