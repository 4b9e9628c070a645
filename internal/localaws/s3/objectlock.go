package s3

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Object Lock keeps versions from being removed. It is looked at in the transaction
// that removes one, not before, as the controllers would: a retention that is set
// meanwhile counts.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html

// The longest retention that a bucket's default may be.
const (
	maxLockDays  = 36500
	maxLockYears = 100
)

// objectLock is what keeps a version; column lock.
type objectLock struct {
	Mode  types.ObjectLockMode            `json:"mode,omitempty"`
	Until int64                           `json:"until,omitempty"` // Unix milliseconds
	Hold  types.ObjectLockLegalHoldStatus `json:"hold,omitempty"`
}

func (l objectLock) column() any {
	if l == (objectLock{}) {
		return nil
	}
	b, _ := json.Marshal(l) // strings and a number always marshal
	return string(b)
}

// until is the end of the retention; nil where there is none.
func (l objectLock) until() *time.Time {
	if l.Until == 0 {
		return nil
	}
	t := time.UnixMilli(l.Until).UTC()
	return &t
}

// allows refuses to remove the version while it is kept.
func (l objectLock) allows(now time.Time, bypass bool) error {
	kept := l.Until > now.UnixMilli() && (l.Mode == types.ObjectLockModeCompliance || !bypass)
	if kept || l.Hold == types.ObjectLockLegalHoldStatusOn {
		return s3err.GetAPIError(s3err.ErrObjectLocked)
	}
	return nil
}

// lockAsked is the lock that a request asks for with its headers.
func lockAsked(mode types.ObjectLockMode, until *time.Time, hold types.ObjectLockLegalHoldStatus) objectLock {
	l := objectLock{Mode: mode, Hold: hold}
	if mode != "" && until != nil {
		l.Until = until.UnixMilli()
	}
	return l
}

// bucketLock is a bucket's default retention; all of it is empty where Object Lock is
// enabled and there is none.
type bucketLock struct {
	Mode  types.ObjectLockMode `json:"mode,omitempty"`
	Days  int                  `json:"days,omitempty"`
	Years int                  `json:"years,omitempty"`
}

// lockOf is the lock of a new version in the bucket.
func (b bucket) lockOf(asked objectLock, now time.Time) (objectLock, error) {
	if b.lock == "" {
		if asked != (objectLock{}) {
			return asked, s3err.GetAPIError(s3err.ErrMissingObjectLockConfiguration)
		}
		return asked, nil
	}
	var d bucketLock
	if err := json.Unmarshal([]byte(b.lock), &d); err != nil {
		return asked, err
	}
	if asked.Mode == "" && d.Mode != "" {
		asked.Mode, asked.Until = d.Mode, now.AddDate(d.Years, 0, d.Days).UnixMilli()
	}
	return asked, nil
}

// enableLockTx makes a new bucket one with Object Lock, which includes versioning.
func enableLockTx(tx *db.Tx, name string) error {
	_, err := tx.Exec(`UPDATE s3_buckets SET versioning = 'Enabled', lock = '{}' WHERE name = ?`, name)
	return err
}

// lockDoc is ObjectLockConfiguration in XML.
type lockDoc struct {
	XMLName           xml.Name  `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ObjectLockConfiguration"`
	ObjectLockEnabled string    `xml:",omitempty"`
	Rule              *lockRule `xml:",omitempty"`
}

type lockRule struct {
	DefaultRetention *lockRetention
}

type lockRetention struct {
	Mode        types.ObjectLockMode
	Days, Years *int `xml:",omitempty"`
}

func malformedXML() error { return s3err.GetAPIError(s3err.ErrMalformedXML) }

// decodeXML reads a document whose root may or may not be in S3's namespace.
func decodeXML(body []byte, root string, into any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		t, err := d.Token()
		if err != nil {
			return malformedXML()
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != root || d.DecodeElement(into, &start) != nil {
				return malformedXML()
			}
			return nil
		}
	}
}

func parseLockConfiguration(body []byte) (bucketLock, error) {
	var doc struct {
		ObjectLockEnabled string
		Rule              *lockRule
	}
	var l bucketLock
	if err := decodeXML(body, "ObjectLockConfiguration", &doc); err != nil {
		return l, err
	}
	if doc.ObjectLockEnabled != string(types.ObjectLockEnabledEnabled) {
		return l, malformedXML()
	}
	if doc.Rule == nil {
		return l, nil
	}
	r := doc.Rule.DefaultRetention
	if r == nil || (r.Days == nil) == (r.Years == nil) || r.Mode != types.ObjectLockModeGovernance && r.Mode != types.ObjectLockModeCompliance {
		return l, malformedXML()
	}
	l = bucketLock{Mode: r.Mode, Days: deref(r.Days), Years: deref(r.Years)}
	switch {
	case r.Days != nil && l.Days <= 0:
		return l, s3err.GetInvalidArgumentErr(s3err.InvalidArgObjectLockRetentionDays, strconv.Itoa(l.Days))
	case r.Years != nil && l.Years <= 0:
		return l, s3err.GetInvalidArgumentErr(s3err.InvalidArgObjectLockRetentionYears, strconv.Itoa(l.Years))
	case l.Days > maxLockDays:
		return l, s3err.GetInvalidArgumentErr(s3err.InvalidArgObjectLockRetentionDaysTooLarge, strconv.Itoa(l.Days))
	case l.Years > maxLockYears:
		return l, s3err.GetInvalidArgumentErr(s3err.InvalidArgObjectLockRetentionYearsTooLarge, strconv.Itoa(l.Years))
	}
	return l, nil
}

// signedOnly refuses the anonymous, whatever a policy says.
func signedOnly(c fiber.Ctx) error {
	if acct, _ := utils.ContextKeyAccount.Get(c).(auth.Account); acct.Access == "" {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return nil
}

func (t *table) putObjectLock(c fiber.Ctx) (*controllers.Response, error) {
	if err := signedOnly(c); err != nil {
		return &controllers.Response{}, err
	}
	l, invalid := parseLockConfiguration(c.BodyRaw())
	ctx, name := c.RequestCtx(), c.Params("bucket")
	return &controllers.Response{}, t.s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		if b.versioning != types.BucketVersioningStatusEnabled {
			return s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotAllowed)
		}
		if invalid != nil {
			return invalid
		}
		doc, err := json.Marshal(l)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE s3_buckets SET lock = ? WHERE id = ?`, string(doc), b.id)
		return err
	})
}

func (t *table) getObjectLock(c fiber.Ctx) (*controllers.Response, error) {
	ctx, name := c.RequestCtx(), c.Params("bucket")
	l, enabled, err := t.s.bucketLock(ctx, name)
	if err == nil && !enabled {
		err = s3err.BucketError{BucketName: name, APIError: s3err.APIError{
			Code: "ObjectLockConfigurationNotFoundError", Description: "Object Lock configuration does not exist for this bucket", HTTPStatusCode: http.StatusNotFound,
		}}
	}
	if err != nil {
		return &controllers.Response{}, err
	}
	doc := lockDoc{ObjectLockEnabled: string(types.ObjectLockEnabledEnabled)}
	if l.Mode != "" {
		r := &lockRetention{Mode: l.Mode}
		if l.Days != 0 {
			r.Days = &l.Days
		} else {
			r.Years = &l.Years
		}
		doc.Rule = &lockRule{DefaultRetention: r}
	}
	return &controllers.Response{Data: doc}, nil
}

// bucketLock reads a bucket's default retention.
func (s *Service) bucketLock(ctx context.Context, name string) (l bucketLock, enabled bool, err error) {
	var doc string
	err = s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT coalesce(lock, '') FROM s3_buckets WHERE name = ?`, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return l, false, noSuchBucket(name)
	}
	if err != nil || doc == "" {
		return l, false, err
	}
	return l, true, json.Unmarshal([]byte(doc), &l)
}

// locked reads what keeps an object, or a version.
func (s *Service) locked(ctx context.Context, bucketName, key, version string) (*record, error) {
	_, enabled, err := s.bucketLock(ctx, bucketName)
	if err != nil {
		return nil, err
	}
	if !enabled {
		return nil, s3err.GetAPIError(s3err.ErrMissingObjectLockConfiguration)
	}
	return s.record(ctx, bucketName, key, version)
}

func noSuchLock() error {
	return s3err.APIError{Code: "NoSuchObjectLockConfiguration", Description: "The specified object does not have a ObjectLock configuration", HTTPStatusCode: http.StatusNotFound}
}

// keyOf is the key that a request names.
func keyOf(c fiber.Ctx) string { return strings.TrimPrefix(c.Path(), "/"+c.Params("bucket")+"/") }

func (t *table) getRetention(c fiber.Ctx) (*controllers.Response, error) {
	r, err := t.s.locked(c.RequestCtx(), c.Params("bucket"), keyOf(c), c.Query("versionId"))
	if err == nil && r.lock.Mode == "" {
		err = noSuchLock()
	}
	if err != nil {
		return &controllers.Response{}, err
	}
	return &controllers.Response{Data: struct {
		XMLName         xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Retention"`
		Mode            types.ObjectLockMode
		RetainUntilDate string
	}{Mode: r.lock.Mode, RetainUntilDate: formatTime(*r.lock.until())}}, nil
}

func (t *table) getLegalHold(c fiber.Ctx) (*controllers.Response, error) {
	r, err := t.s.locked(c.RequestCtx(), c.Params("bucket"), keyOf(c), c.Query("versionId"))
	if err == nil && r.lock.Hold == "" {
		err = noSuchLock()
	}
	if err != nil {
		return &controllers.Response{}, err
	}
	return &controllers.Response{Data: struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LegalHold"`
		Status  types.ObjectLockLegalHoldStatus
	}{Status: r.lock.Hold}}, nil
}

func (t *table) putLegalHold(c fiber.Ctx) (*controllers.Response, error) {
	var doc struct {
		Status types.ObjectLockLegalHoldStatus
	}
	invalid := decodeXML(c.BodyRaw(), "LegalHold", &doc)
	if invalid == nil && doc.Status != types.ObjectLockLegalHoldStatusOn && doc.Status != types.ObjectLockLegalHoldStatusOff {
		invalid = malformedXML()
	}
	return t.setLock(c, func(l *objectLock) error {
		l.Hold = doc.Status
		return invalid
	})
}

func (t *table) putRetention(c fiber.Ctx) (*controllers.Response, error) {
	req := requestOf(c.RequestCtx())
	now := t.s.opts.Now()
	want, invalid := parseRetention(c.BodyRaw(), now)
	return t.setLock(c, func(l *objectLock) error {
		if invalid != nil {
			return invalid
		}
		// A retention may always be made longer. What makes it less, or another, needs what
		// removing the version would.
		weaker := want.Until < l.Until || want.Mode != l.Mode && l.Mode != ""
		if weaker {
			if err := (objectLock{Mode: l.Mode, Until: l.Until}).allows(now, req.bypass()); err != nil {
				return err
			}
		}
		l.Mode, l.Until = want.Mode, want.Until
		return nil
	})
}

// parseRetention reads a Retention; an empty one removes what there is.
func parseRetention(body []byte, now time.Time) (l objectLock, err error) {
	var doc struct {
		Mode            types.ObjectLockMode
		RetainUntilDate string
	}
	if err := decodeXML(body, "Retention", &doc); err != nil {
		return l, err
	}
	if doc.Mode == "" && doc.RetainUntilDate == "" {
		return l, nil
	}
	until, err := time.Parse(time.RFC3339, doc.RetainUntilDate)
	if err != nil || doc.Mode != types.ObjectLockModeGovernance && doc.Mode != types.ObjectLockModeCompliance {
		return l, malformedXML()
	}
	if until.Before(now) {
		// S3 tells the time of its home, wherever the bucket is.
		home, err := time.LoadLocation("America/Los_Angeles")
		if err != nil {
			home = time.FixedZone("PST", -8*60*60)
		}
		return l, invalidArgument("RetainUntilDate", until.In(home).Format(time.UnixDate), "The retain until date must be in the future!")
	}
	return objectLock{Mode: doc.Mode, Until: until.UnixMilli()}, nil
}

// setLock changes what keeps an object, or a version.
func (t *table) setLock(c fiber.Ctx, change func(*objectLock) error) (*controllers.Response, error) {
	if err := signedOnly(c); err != nil {
		return &controllers.Response{}, err
	}
	ctx, name, key, version := c.RequestCtx(), c.Params("bucket"), keyOf(c), c.Query("versionId")
	return &controllers.Response{}, t.s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		if len(c.BodyRaw()) == 0 {
			return malformedXML()
		}
		if b.lock == "" {
			return s3err.GetAPIError(s3err.ErrMissingObjectLockConfiguration)
		}
		r, err := t.s.objectTx(ctx, tx, b, key, version)
		if err != nil {
			return err
		}
		if err := change(&r.lock); err != nil {
			return err
		}
		return setColumn(tx, b, r, setLockQueries, r.lock.column())
	})
}
