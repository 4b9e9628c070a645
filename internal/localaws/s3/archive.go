package s3

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Objects of the archive classes cannot be read until they were restored. Restoring
// takes S3 hours; here it is done when the answer arrives.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html

var setMetaQueries = [2]string{`UPDATE s3_objects SET meta = ? WHERE bucket = ? AND key = ? AND seq = ?`, `UPDATE s3_versions SET meta = ? WHERE bucket = ? AND key = ? AND seq = ?`}

func (r *record) archived() bool {
	return r.class == types.StorageClassGlacier || r.class == types.StorageClassDeepArchive
}

func invalidState(r *record, text string) error {
	return failure(http.StatusForbidden, "InvalidObjectState", text, "StorageClass", string(r.storageClass()))
}

// readable refuses to read what lies in an archive.
func (r *record) readable(now time.Time) error {
	if r.archived() && r.meta.Restored <= now.UnixMilli() {
		return invalidState(r, "The operation is not valid for the object's storage class")
	}
	return nil
}

// restored is the value of x-amz-restore; empty where nothing was restored.
func (r *record) restored(now time.Time) string {
	if !r.archived() || r.meta.Restored <= now.UnixMilli() {
		return ""
	}
	return fmt.Sprintf(`ongoing-request="false", expiry-date="%s"`, time.UnixMilli(r.meta.Restored).UTC().Format(http.TimeFormat))
}

// restore makes an archived object readable for some days: 202, or 200 where it was
// already and stays so for another time.
func (t *table) restore(c fiber.Ctx) (*controllers.Response, error) {
	var doc struct{ Days int }
	if err := decodeXML(c.BodyRaw(), "RestoreRequest", &doc); err != nil || doc.Days <= 0 {
		return &controllers.Response{}, malformedXML()
	}
	ctx, name, key, version := c.RequestCtx(), c.Params("bucket"), keyOf(c), c.Query("versionId")
	status := http.StatusAccepted
	now := t.s.opts.Now()
	err := t.s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		r, err := t.s.objectTx(ctx, tx, b, key, version)
		if err != nil {
			return err
		}
		if !r.archived() {
			return invalidState(r, "Restore is not allowed for the object's current storage class")
		}
		if r.readable(now) == nil {
			status = http.StatusOK
		}
		r.meta.Restored = after(now, doc.Days).UnixMilli()
		m, err := json.Marshal(r.meta)
		if err != nil {
			return err
		}
		if err := setColumn(tx, b, r, setMetaQueries, string(m)); err != nil {
			return err
		}
		told := change{event: "ObjectRestore:Post", key: key, size: r.size, etag: r.etag, version: r.version, when: now}
		if err := t.s.notify(ctx, tx, b, told, nil); err != nil {
			return err
		}
		told.event = "ObjectRestore:Completed"
		told.restored = &restoreData{Expiry: formatTime(time.UnixMilli(r.meta.Restored).UTC()), Class: string(r.class)}
		return t.s.notify(ctx, tx, b, told, nil)
	})
	return &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: status}}, err
}
