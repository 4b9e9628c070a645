package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// subject is the Subject under which S3 publishes to SNS.
const subject = "Amazon S3 Notification"

// change is what an event tells of.
type change struct {
	event string // "ObjectCreated:Put": without "s3:"
	key   string
	size  int64  // -1: not told, the object is gone or its bytes are not what changed
	etag  string // empty: not told
	// version is the id of the version, empty for "null", of which events say nothing.
	version  string
	when     time.Time
	restored *restoreData // of ObjectRestore:Completed
}

// unordered says that the event is of the later kind that has no sequencer: it tells of
// what an object carries, not of the object.
func (c change) unordered() bool {
	return strings.HasPrefix(c.event, "ObjectTagging:") || strings.HasPrefix(c.event, "ObjectAcl:")
}

// The document below is S3's, version 2.1 of the structure; 2.3 of it lacks the sequencer.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type (
	eventDoc struct {
		Records []eventRecord
	}
	eventRecord struct {
		EventVersion      string            `json:"eventVersion"`
		EventSource       string            `json:"eventSource"`
		AWSRegion         string            `json:"awsRegion"`
		EventTime         string            `json:"eventTime"`
		EventName         string            `json:"eventName"`
		UserIdentity      identity          `json:"userIdentity"`
		RequestParameters requestParameters `json:"requestParameters"`
		ResponseElements  responseElements  `json:"responseElements"`
		S3                eventS3           `json:"s3"`
		Glacier           *glacierData      `json:"glacierEventData,omitempty"`
	}
	glacierData struct {
		Restore *restoreData `json:"restoreEventData"`
	}
	restoreData struct {
		Expiry string `json:"lifecycleRestorationExpiryTime"`
		Class  string `json:"lifecycleRestoreStorageClass"`
	}
	identity struct {
		PrincipalID string `json:"principalId"`
	}
	requestParameters struct {
		SourceIPAddress string `json:"sourceIPAddress"`
	}
	responseElements struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	}
	eventS3 struct {
		SchemaVersion   string      `json:"s3SchemaVersion"`
		ConfigurationID string      `json:"configurationId"`
		Bucket          eventBucket `json:"bucket"`
		Object          eventObject `json:"object"`
	}
	eventBucket struct {
		Name          string   `json:"name"`
		OwnerIdentity identity `json:"ownerIdentity"`
		ARN           string   `json:"arn"`
	}
	eventObject struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"eTag,omitempty"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer,omitempty"`
	}
)

// notify publishes a change to every destination of the bucket that asked for it,
// inside the transaction that makes the change. p is what prepare made of the same
// change; nil where nothing was prepared.
func (s *Service) notify(ctx context.Context, tx *db.Tx, b bucket, c change, p *prepared) error {
	ds, err := s.destinationsOf(b)
	if err != nil {
		return err
	}
	var sequence int64
	for _, d := range ds {
		if !d.wants("s3:"+c.event, c.key) {
			continue
		}
		if sequence == 0 && !c.unordered() {
			var reserved int64
			if p != nil {
				reserved = p.sequence
			}
			if sequence, err = s.sequences.take(tx, b.name, c.key, c.when, reserved); err != nil {
				return err
			}
		}
		body, err := s.eventBody(requestOf(ctx), b.name, d, c, sequence)
		if err != nil {
			return err
		}
		if err := s.send(tx, d, b.name, body, p.sender(d.Target, body)); err != nil {
			return err
		}
	}
	return nil
}

// eventBody is the event as the destination gets it.
func (s *Service) eventBody(req *request, bucketName string, d Destination, c change, sequence int64) (string, error) {
	rec := eventRecord{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: s.opts.Region,
		EventTime: formatTime(c.when), EventName: c.event,
		UserIdentity:      identity{s.principalID(req)},
		RequestParameters: requestParameters{req.sourceIP},
		ResponseElements:  responseElements{req.id, req.hostID},
		S3: eventS3{
			SchemaVersion: "1.0", ConfigurationID: d.ID,
			Bucket: eventBucket{Name: bucketName, OwnerIdentity: identity{s.principal}, ARN: bucketARN(bucketName)},
			Object: eventObject{Key: formEncode(c.key), ETag: c.etag, VersionID: c.version},
		},
	}
	if c.unordered() {
		rec.EventVersion = "2.3"
	} else {
		rec.S3.Object.Sequencer = fmt.Sprintf("%016X", sequence)
	}
	if c.restored != nil {
		rec.UserIdentity.PrincipalID = "AmazonCustomer:" + s.opts.Account // S3 did it, not who asked
		rec.Glacier = &glacierData{c.restored}
	}
	if c.size >= 0 {
		rec.S3.Object.Size = &c.size
	}
	body, err := json.Marshal(eventDoc{Records: []eventRecord{rec}})
	return string(body), err
}

// send publishes to one destination, by way of ready if that is not nil. A destination
// that is gone loses the event, as on AWS; any other failure undoes the change that the
// event is about.
func (s *Service) send(tx *db.Tx, d Destination, bucketName, body string, ready func(*db.Tx) error) error {
	var err error
	if ready != nil {
		err = ready(tx)
	} else {
		err = s.opts.Notifier.NotifyTx(tx, d.Target, bucketARN(bucketName), subject, body)
	}
	if errors.Is(err, ErrNoTarget) {
		s.log.Warn("an event was dropped: its destination is gone or refuses it; repair the bucket's notification configuration",
			"bucket", bucketName, "target", d.Target, "configuration", d.ID, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("notify %s: %w", d.Target, err)
	}
	return nil
}

func (s *Service) principalID(req *request) string {
	switch req.principal {
	case "":
		return "Anonymous"
	case lifecyclePrincipal:
		return req.principal
	}
	return "AWS:" + s.opts.Account
}

// formEncode encodes a key as S3 does in events and in listings: as in an HTML form,
// but with slashes as they are.
func formEncode(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
