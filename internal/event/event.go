// Package event reads what arrives in the queue and writes what is announced.
//
// It is pure: bytes in, values out. It understands S3 event notifications as they
// come through SNS (enveloped or raw) or straight from S3, and defines the
// completion message published on processingnotification. Of ours it imports only
// internal/fault and internal/recipe, for the manifest.
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

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
	Backfill  *Backfill // nil in S3's own events
}

// Kind says what a message is.
type Kind int

// The kinds of message.
const (
	Uploads Kind = iota // at least one object was created
	Test                // s3:TestEvent, which S3 sends when a notification is configured
	Other               // an S3 event in which nothing was created: a deletion, a restore …
)

func (k Kind) String() string {
	switch k {
	case Uploads:
		return "uploads"
	case Test:
		return "test"
	default:
		return "other"
	}
}

// Parsed is what a message says.
type Parsed struct {
	Kind    Kind
	Uploads []Upload // of Kind Uploads; of any bucket: the caller knows which one is its own
	Names   []string // event names of the records that created nothing
}

const (
	maxKey   = 1024 // bytes; S3's limit
	maxQuote = 200  // bytes of a junk message that an error shows
)

// Parse reads the body of a queue message: an S3 event notification, either bare (S3
// notifies the queue itself, or the subscription delivers raw) or within an SNS
// envelope. What is neither is an error, permanent, that says what arrived instead
// and shows its beginning, quoted.
func Parse(body []byte) (Parsed, error) {
	p, err := parse(body, true)
	if err != nil {
		return Parsed{}, &fault.Error{Op: "read event", Kind: fault.Permanent, Code: fault.CodeBadRequest,
			Message: err.Error() + "; it begins " + quote(body),
			Hint:    "look at what sends to this queue: only S3 event notifications belong there"}
	}
	return p, nil
}

// message is the union of what a body can be: an SNS envelope
// (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html), an S3
// test event, or an S3 event.
type message struct {
	Type    string          `json:"Type"`
	Message json.RawMessage `json:"Message"`
	Service string          `json:"Service"`
	Event   string          `json:"Event"`
	Records []record        `json:"Records"`
}

func (m *message) backfill() bool {
	for i := range m.Records {
		if m.Records[i].EventSource == sourceBackfill {
			return true
		}
	}
	return false
}

type record struct {
	EventSource string `json:"eventSource"`
	EventName   string `json:"eventName"`
	EventTime   string `json:"eventTime"`
	S3          struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      int64  `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
	Backfill *Backfill `json:"backfill"`
}

func parse(body []byte, envelope bool) (Parsed, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Parsed{}, fmt.Errorf("the message is empty")
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return Parsed{}, fmt.Errorf("the message is no JSON object of the form of an S3 event")
	}
	switch {
	case m.Type == "Notification" && m.Message != nil && envelope:
		var inner string
		if err := json.Unmarshal(m.Message, &inner); err != nil {
			return Parsed{}, fmt.Errorf("the SNS notification holds no text")
		}
		p, err := parse([]byte(inner), false)
		if err != nil {
			return Parsed{}, fmt.Errorf("an SNS notification, but within it %w", err)
		}
		return p, nil
	case m.Type != "" && m.Records == nil:
		return Parsed{}, fmt.Errorf("the message is an SNS %s, not a notification of S3", quote([]byte(m.Type)))
	case m.Event == "s3:TestEvent":
		return Parsed{Kind: Test}, nil
	case len(m.Records) == 0:
		return Parsed{}, fmt.Errorf("the message is JSON, but has no S3 records")
	case m.backfill() && !envelope:
		return Parsed{}, fmt.Errorf("there are records of a backfill, which comes straight, not through a topic")
	}
	p := Parsed{Kind: Other}
	for i := range m.Records {
		r := &m.Records[i]
		if r.EventSource == sourceBackfill {
			u, err := r.backfilled()
			if err != nil {
				return Parsed{}, fmt.Errorf("record %d: %w", i+1, err)
			}
			p.Uploads, p.Kind = append(p.Uploads, u), Uploads
			continue
		}
		if !strings.HasSuffix(r.EventSource, ":s3") { // "aws:s3"; S3-compatible stores put their own name first
			return Parsed{}, fmt.Errorf("record %d comes from %s, not from S3", i+1, quote([]byte(r.EventSource)))
		}
		name := strings.TrimPrefix(r.EventName, "s3:")
		if kind, _, ok := strings.Cut(name, ":"); !ok || kind == "" {
			return Parsed{}, fmt.Errorf("record %d names no event: %s", i+1, quote([]byte(r.EventName)))
		}
		if !strings.HasPrefix(name, "ObjectCreated:") {
			p.Names = append(p.Names, name)
			continue
		}
		u, err := r.upload(name)
		if err != nil {
			return Parsed{}, fmt.Errorf("record %d: %w", i+1, err)
		}
		p.Uploads = append(p.Uploads, u)
		p.Kind = Uploads
	}
	return p, nil
}

func (r *record) upload(name string) (Upload, error) {
	// S3 form-encodes keys in events: a space is "+", a plus "%2B".
	key, err := url.QueryUnescape(r.S3.Object.Key)
	switch {
	case err != nil:
		return Upload{}, fmt.Errorf("the key %s is not form-encoded", quote([]byte(r.S3.Object.Key)))
	case key == "" || len(key) > maxKey:
		return Upload{}, fmt.Errorf("a key of %d bytes is none of S3's", len(key))
	case r.S3.Bucket.Name == "":
		return Upload{}, fmt.Errorf("it names no bucket")
	case r.S3.Object.Size < 0:
		return Upload{}, fmt.Errorf("a size of %d bytes is none", r.S3.Object.Size)
	}
	u := Upload{
		Bucket:    r.S3.Bucket.Name,
		Key:       key,
		ETag:      strings.Trim(r.S3.Object.ETag, `"`),
		VersionID: r.S3.Object.VersionID,
		Size:      r.S3.Object.Size,
		Sequencer: r.S3.Object.Sequencer,
		Name:      name,
		Time:      eventTime(r.EventTime),
	}
	if u.VersionID == "null" { // S3's name for "from before versioning"; no identity
		u.VersionID = ""
	}
	return u, nil
}

// eventTime reads ISO 8601 as S3 writes it, or without a zone, as some S3-compatible
// endpoints do; what cannot be read is the zero time.
func eventTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Later reports whether sequencer a belongs to a later event than b. Sequencers are
// hexadecimal and comparable only between events of the same key; the shorter one is
// padded on the left with zeros. Where either is missing or malformed the order is not
// known and Later is false both ways.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
func Later(a, b string) bool {
	if !isHex(a) || !isHex(b) {
		return false
	}
	a, b = strings.ToLower(strings.TrimLeft(a, "0")), strings.ToLower(strings.TrimLeft(b, "0"))
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return false
		}
	}
	return s != ""
}

// quote shows the beginning of untrusted bytes in a way that is safe in a log and on a
// terminal.
func quote(b []byte) string {
	more := ""
	if len(b) > maxQuote {
		b, more = b[:maxQuote], "…"
	}
	return fmt.Sprintf("%+q", b) + more
}
