package deadletter

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Kinds of letters.
const (
	KindImage = "image" // an event of S3 that speaks of images
	KindJunk  = "junk"  // anything else
)

// Letter is a message of a queue and what is known of it. Everything in it that comes out
// of the message is untrusted.
type Letter struct {
	MessageID string    `json:"messageId"`
	SentAt    time.Time `json:"sentAt"`
	Receives  int       `json:"receives"` // looks at it included
	Kind      string    `json:"kind"`
	Images    []Image   `json:"images"`
	Body      string    `json:"body"`
	BodyBytes int       `json:"bodyBytes"` // of the whole body
	Cause     Cause     `json:"cause"`
	// Attempts are the last ones, in the order in which they began.
	Attempts   []attempt.Attempt    `json:"attempts"`
	Attributes map[string]Attribute `json:"attributes,omitempty"` // the sender's
	// Hint says what to do about it; only where one letter is looked at.
	Hint string `json:"hint,omitempty"`

	junk error // why the body is no event; nil where it is one
}

// Image is an upload that a message speaks of.
type Image struct {
	ID     string `json:"id,omitempty"` // empty where the bucket is not ours
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Name   string `json:"name"` // the key's last segment
	// Status is how the image is now, where it was asked for: "done" and "failed" of the
	// original that the message means, "overwritten", "gone", or "queued" where there is
	// nothing yet.
	Status string `json:"status,omitempty"`

	etag, sequencer string
}

// Further states of a dead letter's image; see recipe.Status for the others.
const (
	StatusGone        = "gone"        // the original is not there any more
	StatusOverwritten = "overwritten" // there is another original under the key
)

// Cause is why a message came to nothing.
type Cause struct {
	Code    string `json:"code"`
	Message string `json:"message"` // for operators
	Hint    string `json:"hint,omitempty"`
}

// Attribute is a message attribute.
type Attribute struct {
	Type   string `json:"type"`
	Text   string `json:"text,omitempty"`
	Binary []byte `json:"binary,omitempty"`
}

// Describe tells what a message says by itself, with the whole of its body.
func (d *Desk) Describe(m queue.Letter) Letter {
	l := d.letter(m, 0)
	l.explain(nil)
	return l
}

// letter tells what a message says by itself; body is the most of it that is kept, 0 for all.
func (d *Desk) letter(m queue.Letter, body int) Letter {
	l := Letter{MessageID: m.ID, SentAt: m.SentAt, Receives: m.ReceiveCount, Kind: KindJunk, Images: []Image{}, Attempts: []attempt.Attempt{}, Body: m.Body, BodyBytes: len(m.Body)}
	if body > 0 && len(l.Body) > body {
		for body > 0 && !utf8.RuneStart(l.Body[body]) {
			body--
		}
		l.Body = l.Body[:body]
	}
	for name, v := range m.Attributes {
		if l.Attributes == nil {
			l.Attributes = map[string]Attribute{}
		}
		l.Attributes[name] = Attribute{Type: aws.ToString(v.DataType), Text: aws.ToString(v.StringValue), Binary: v.BinaryValue}
	}
	p, err := event.Parse([]byte(m.Body))
	if err != nil || p.Kind != event.Uploads {
		if l.junk = err; err == nil {
			l.junk = &fault.Error{Kind: fault.Permanent, Code: attempt.CodeJunk, Message: "an event that creates nothing, such as S3's own test", Hint: "drop it: there is nothing to do"}
		}
		return l
	}
	l.Kind = KindImage
	for _, u := range p.Uploads {
		img := Image{Bucket: u.Bucket, Key: u.Key, Name: u.Key[strings.LastIndex(u.Key, "/")+1:], etag: u.ETag, sequencer: u.Sequencer}
		if u.Bucket == d.UploadsBucket {
			img.ID = store.IDForKey(u.Key)
		}
		l.Images = append(l.Images, img)
	}
	return l
}

// present finds out how an image is now.
func (d *Desk) present(ctx context.Context, img *Image) error {
	if img.ID == "" {
		return nil
	}
	src, err := d.Store.Stat(ctx, img.Key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		img.Status = StatusGone
		return nil
	case err != nil:
		return err
	case img.etag != "" && src.ETag != img.etag:
		img.Status = StatusOverwritten
		return nil
	}
	img.Status = string(recipe.Queued)
	m, _, err := d.Store.Manifest(ctx, img.ID)
	switch {
	case err == nil && m.Source.Key == img.Key && m.Source.ETag == src.ETag && !event.Later(img.sequencer, m.Source.Sequencer):
		img.Status = string(m.Status)
	case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable):
		return err
	}
	return nil
}
