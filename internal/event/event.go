// Package event reads what arrives in the queue and writes what is announced.
//
// It is pure: bytes in, values out. It understands S3 event notifications as they
// come through SNS (enveloped or raw) or straight from S3, and defines the
// completion message published on processingnotification. Of ours it imports only
// internal/recipe, for the manifest.
package event

import "time"

// Upload is one object-created record of an S3 event notification.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type Upload struct {
	Bucket    string
	Key       string // decoded: S3 form-encodes keys in events
	ETag      string // without quotes; may be empty
	VersionID string // empty in an unversioned bucket
	Size      int64  // bytes
	Sequencer string // hexadecimal; orders events of one key, see Later
	Name      string // "ObjectCreated:Put"
	Time      time.Time
}
