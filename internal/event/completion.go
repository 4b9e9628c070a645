package event

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

// TypeImageProcessed is the type of every completion, of failures too: an image's way
// has come to its end.
const TypeImageProcessed = "ImageProcessed"

// maxCompletion bounds what DecodeCompletion reads, in bytes; SNS carries no more.
const maxCompletion = 1 << 20

// Completion is the message on processingnotification.
type Completion struct {
	Type string `json:"type"` // TypeImageProcessed
	// ID is the same however often the same result is announced: consumers drop repetitions.
	ID       string           `json:"id"`
	ImageID  string           `json:"imageId"`
	Time     time.Time        `json:"time"` // when the result was finished
	Manifest *recipe.Manifest `json:"manifest"`
}

// NewCompletion announces the result in m.
func NewCompletion(m *recipe.Manifest) Completion {
	return Completion{Type: TypeImageProcessed, ID: completionID(m), ImageID: m.ID, Time: m.Timings.Finished, Manifest: m}
}

// completionID is a hash of the image and of what makes this result another than the one
// before: the source's content, the event that led here, the work, the end it came to.
func completionID(m *recipe.Manifest) string {
	parts := []string{m.ID, m.Source.Key, m.Source.ETag, m.Source.VersionID, m.Source.Sequencer, m.RecipeHash, string(m.Status)}
	if m.Error != nil {
		parts = append(parts, m.Error.Code)
	}
	if m.Backfill != "" {
		parts = append(parts, m.Backfill)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// Encode is the completion as JSON.
func (c Completion) Encode() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, &fault.Error{Op: "encode completion of " + c.ImageID, Kind: fault.Bug, Code: fault.CodeInternal, Message: "the announcement cannot be encoded", Err: err}
	}
	return b, nil
}

// DecodeCompletion reads what Encode wrote, as it arrives with raw delivery. Anything
// else is a permanent error.
func DecodeCompletion(body []byte) (Completion, error) {
	var c Completion
	bad := func(what string) (Completion, error) {
		return Completion{}, &fault.Error{Op: "read completion", Kind: fault.Permanent, Code: fault.CodeBadRequest,
			Message: what + "; it begins " + quote(body), Hint: "the subscription must deliver raw (RawMessageDelivery=true)"}
	}
	if len(body) > maxCompletion {
		return bad("the message is too long for a completion")
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return bad("the message is no completion")
	}
	switch {
	case c.Type != TypeImageProcessed:
		return bad("the message is of another type than " + TypeImageProcessed)
	case c.ID == "" || c.ImageID == "" || c.Manifest == nil || c.Manifest.ID != c.ImageID:
		return bad("the completion is not whole")
	}
	return c, nil
}

// Structure is the completion for Publish with MessageStructure "json": JSON for programs,
// EmailBody for people. PageURL is where the image can be seen; empty where not known.
// https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
func (c Completion) Structure(pageURL string) (string, error) {
	text, err := c.Encode()
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]string{"default": string(text), "sqs": string(text), "email": EmailBody(c, pageURL)})
	if err != nil {
		return "", &fault.Error{Op: "encode completion of " + c.ImageID, Kind: fault.Bug, Code: fault.CodeInternal, Message: "the announcement cannot be encoded", Err: err}
	}
	return string(b), nil
}

// maxSubject is the most that SNS takes as a subject: "less than 100 characters", ASCII.
const maxSubject = 99

// Subject is the subject line of the mail: one line of printable ASCII, as SNS demands.
func (c Completion) Subject() string {
	verb := "was processed"
	if c.Manifest.Status == recipe.Failed {
		verb = "could not be processed"
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, fileName(c.Manifest.Source.Key))
	const frame = "Tintype:  "
	if most := maxSubject - len(frame) - len(verb); len(name) > most {
		name = name[:most-3] + "..."
	}
	return fmt.Sprintf("Tintype: %s %s", name, verb)
}
