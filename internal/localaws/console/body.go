package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// layer is a message, or a message inside of it, as SNS puts an event of S3 into an
// envelope of its own.
type layer struct {
	Title   string
	Inside  bool // of an envelope
	Text    string
	Objects []objectEvent // what S3 tells of
}

// objectEvent is a record of an S3 event.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type objectEvent struct {
	Name, Bucket, Key string
	Version           string
	Size              int64
}

// maxLayers bounds what is unpacked: envelopes may be put into envelopes for ever.
const maxLayers = 4

// layers unpacks a message's body, outermost first.
func layers(body string) []layer {
	out := []layer{{Title: "Body", Text: body}}
	for len(out) < maxLayers {
		last := &out[len(out)-1]
		last.Objects = objectEvents(last.Text)
		inner, ok := envelope(last.Text)
		if !ok {
			return out
		}
		last.Title = "SNS envelope"
		out = append(out, layer{Title: "Message in the SNS envelope", Inside: true, Text: inner})
	}
	return out
}

// innermost is what a message is about.
func innermost(body string) layer {
	list := layers(body)
	return list[len(list)-1]
}

// envelope returns the message in an SNS envelope.
// Format: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func envelope(text string) (string, bool) {
	var e struct {
		Type, TopicArn string
		Message        *string
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") || json.Unmarshal([]byte(text), &e) != nil || e.Message == nil || e.TopicArn == "" {
		return "", false
	}
	return *e.Message, true
}

func objectEvents(text string) []objectEvent {
	var doc struct {
		Records []struct {
			EventSource, EventName string
			S3                     struct {
				Bucket struct{ Name string }
				Object struct {
					Key, VersionID string
					Size           int64
				}
			}
		}
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") || json.Unmarshal([]byte(text), &doc) != nil {
		return nil
	}
	var out []objectEvent
	for _, r := range doc.Records {
		if r.EventSource != "aws:s3" {
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key) // keys are form-encoded in events
		if err != nil {
			key = r.S3.Object.Key
		}
		out = append(out, objectEvent{r.EventName, r.S3.Bucket.Name, key, r.S3.Object.VersionID, r.S3.Object.Size})
	}
	return out
}

// maxLine is how long a summary is, characters.
const maxLine = 160

// summary is what a message is about in one line: the objects that S3 tells of, or how
// the text begins.
func summary(body string) string {
	last := innermost(body)
	line := strings.Join(strings.Fields(last.Text), " ")
	var test struct{ Event, Bucket string }
	if strings.Contains(line, "s3:TestEvent") && json.Unmarshal([]byte(last.Text), &test) == nil && test.Event == "s3:TestEvent" {
		line = test.Event + " of bucket " + test.Bucket
	}
	if n := len(last.Objects); n > 0 {
		o := last.Objects[0]
		line = fmt.Sprintf("%s %s/%s", o.Name, o.Bucket, o.Key)
		if n > 1 {
			line += fmt.Sprintf(" and %d more", n-1)
		}
	}
	if r := []rune(line); len(r) > maxLine {
		line = string(r[:maxLine]) + "…"
	}
	return line
}
