package s3

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// askConfiguration notes that the request is about the configuration itself.
func askConfiguration(c fiber.Ctx) error {
	requestOf(c.RequestCtx()).configuration = true
	return nil
}

// checkVersioning refuses a configuration without a status in S3's own words.
func checkVersioning(c fiber.Ctx) error {
	var doc struct{ Status *string }
	if err := decodeXML(c.BodyRaw(), "VersioningConfiguration", &doc); err != nil {
		return err
	}
	if doc.Status == nil {
		return failure(http.StatusBadRequest, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	return nil
}

// GetBucketVersioning reads the status. The controllers ask it before every write, to
// find out whether a locked object would be replaced: it never is, so "Enabled" is what
// lets them go on without further questions, and nothing is looked up.
func (s store) GetBucketVersioning(ctx context.Context, name string) (s3response.GetBucketVersioningOutput, error) {
	req := requestOf(ctx)
	status := types.BucketVersioningStatusEnabled
	if req.configuration {
		err := s.db.Read().QueryRowContext(req.ctx, `SELECT coalesce(versioning, '') FROM s3_buckets WHERE name = ?`, name).Scan(&status)
		if errors.Is(err, sql.ErrNoRows) {
			err = noSuchBucket(name)
		}
		if err != nil || status == "" {
			return s3response.GetBucketVersioningOutput{}, err
		}
	}
	return s3response.GetBucketVersioningOutput{Status: &status}, nil
}

// PutBucketVersioning enables versioning or suspends it. What the bucket holds becomes
// the version "null" by that alone.
func (s store) PutBucketVersioning(ctx context.Context, name string, status types.BucketVersioningStatus) error {
	return s.update(ctx, func(tx *db.Tx) error {
		b, err := bucketTx(tx, name)
		if err != nil {
			return err
		}
		if b.lock != "" && status != types.BucketVersioningStatusEnabled {
			return failure(http.StatusConflict, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
		}
		_, err = tx.Exec(`UPDATE s3_buckets SET versioning = ? WHERE id = ?`, string(status), b.id)
		return err
	})
}

// GetObjectLockConfiguration answers that there is none. The controllers ask before
// every write and deletion; locks are looked at in the transaction instead.
func (s store) GetObjectLockConfiguration(context.Context, string) ([]byte, error) {
	return nil, s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotFound)
}
