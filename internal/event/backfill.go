package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	sourceBackfill = "tintype:backfill"
	nameBackfill   = "ObjectCreated:Backfill"

	// maxJob and maxReplaces bound, in bytes, what a record of a backfill may say.
	maxJob      = 64
	maxReplaces = 128
)

// Backfill is what a record of `tintype backfill` says beyond the object. Such a record is
// no event: it says how the object stood when the backfill looked at it. It has no
// sequencer, and it is worth something only for as long as the object stands so.
type Backfill struct {
	// Job names the run that sent it: letters, digits and hyphens.
	Job string `json:"job"`
	// Replaces is the ETag of the manifest that is to be replaced although it is of this
	// very source and recipe. Since that ETag goes with the first that does so, it happens
	// once, however often the message comes. Empty: only what is not current is replaced.
	Replaces string `json:"replaces,omitempty"`
	// Announce says that the result is to be announced like an upload's.
	Announce bool `json:"announce,omitempty"`
}

// EncodeBackfill is the body of the queue message that sends u, whose Backfill is set,
// through the pipeline: a record as of S3, with its own source. The sequencer is left out.
func EncodeBackfill(u Upload) ([]byte, error) {
	if u.Backfill == nil {
		return nil, errors.New("event: no backfill")
	}
	type object struct {
		Key       string `json:"key"`
		Size      int64  `json:"size"`
		ETag      string `json:"eTag"`
		VersionID string `json:"versionId,omitempty"`
	}
	type s3 struct {
		Bucket map[string]string `json:"bucket"`
		Object object            `json:"object"`
	}
	type rec struct {
		EventVersion string    `json:"eventVersion"`
		EventSource  string    `json:"eventSource"`
		EventName    string    `json:"eventName"`
		EventTime    string    `json:"eventTime"`
		S3           s3        `json:"s3"`
		Backfill     *Backfill `json:"backfill"`
	}
	return json.Marshal(map[string][]rec{"Records": {{
		EventVersion: "2.1", EventSource: sourceBackfill, EventName: nameBackfill, EventTime: u.Time.UTC().Format(time.RFC3339Nano),
		S3:       s3{Bucket: map[string]string{"name": u.Bucket}, Object: object{Key: url.QueryEscape(u.Key), Size: u.Size, ETag: u.ETag, VersionID: u.VersionID}},
		Backfill: u.Backfill,
	}}})
}

// backfilled reads a record of a backfill. It is written by this program alone, so what
// differs from what that writes is refused rather than guessed at.
func (r *record) backfilled() (Upload, error) {
	b := r.Backfill
	switch {
	case r.EventName != nameBackfill:
		return Upload{}, fmt.Errorf("a backfill sends no %s", quote([]byte(r.EventName)))
	case b == nil:
		return Upload{}, errors.New("it is of a backfill, and does not say of which")
	case !isJob(b.Job):
		return Upload{}, fmt.Errorf("%s names no backfill", quote([]byte(b.Job)))
	case !isETag(b.Replaces):
		return Upload{}, fmt.Errorf("%s is no ETag of a manifest", quote([]byte(b.Replaces)))
	case r.S3.Object.Sequencer != "":
		return Upload{}, errors.New("a backfill has no sequencer")
	case strings.Trim(r.S3.Object.ETag, `"`) == "":
		return Upload{}, errors.New("a backfill names the ETag of the object that it saw")
	}
	u, err := r.upload(r.EventName)
	u.Backfill = b
	return u, err
}

func isJob(s string) bool {
	for _, c := range []byte(s) {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= maxJob
}

// isETag accepts nothing as well: none.
func isETag(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' {
			return false
		}
	}
	return len(s) <= maxReplaces
}
