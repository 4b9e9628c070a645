// Package attempt is the record of the attempts at a message that came to nothing: what the
// worker writes and operators read. It is pure, and imports nothing of ours.
//
// A record is small and bounded: the last MaxAttempts attempts, MaxBytes in all. It is read
// with suspicion, as everything out of a bucket is.
package attempt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// Version is the form of a record that this program writes.
	Version = 1
	// MaxAttempts is how many attempts a record keeps: the last ones.
	MaxAttempts = 10
	// MaxBytes is the most that a record takes, in bytes.
	MaxBytes = 16 << 10

	maxMessage = 1000 // bytes
	maxHint    = 300
	maxWord    = 120 // bytes of a host, a program, a code, an id
	maxKey     = 300
	maxCount   = 1_000_000 // of receives, and of process ids many times that
)

// Codes of ends that are no faults of an image; others are fault's.
const (
	CodeDied      = "process_died" // begun, and nothing heard since
	CodePanic     = "panic"        // our own code failed in a way that nobody foresaw
	CodeGivenBack = "given_back"   // the process was told to stop
	CodeLeaseLost = "lease_lost"   // the message went to another worker
	CodeUnknown   = "unknown"      // nothing is on record
	CodeJunk      = "junk"         // no event of S3
)

// Record is what is known of the attempts at one message.
type Record struct {
	Version   int       `json:"version"`
	MessageID string    `json:"messageId"`
	Attempts  []Attempt `json:"attempts"` // in the order in which they began
}

// Attempt is one receive of a message by a process.
type Attempt struct {
	Attempt int        `json:"attempt"` // the receive count
	Host    string     `json:"host"`
	PID     int        `json:"pid"`
	Program string     `json:"program"` // "tintype 0.1.0"
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"` // nil: begun, and no end heard of
	Key     string     `json:"key,omitempty"`   // of the image that it failed over
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message,omitempty"` // for operators
	Hint    string     `json:"hint,omitempty"`
}

// Put adds an attempt, or replaces what was known of it: the same count in the same process.
func (r *Record) Put(a Attempt) {
	a.bound()
	for i, b := range r.Attempts {
		if b.Attempt == a.Attempt && b.Host == a.Host && b.PID == a.PID {
			r.Attempts[i] = a
			return
		}
	}
	r.Attempts = append(r.Attempts, a)
	r.bound()
}

// Last is the attempt that counts as the reason why the message is where it is: the last
// that failed. One that was only given back says nothing, unless there is no other.
func (r *Record) Last() (Attempt, bool) {
	if r == nil || len(r.Attempts) == 0 {
		return Attempt{}, false
	}
	for _, a := range slices.Backward(r.Attempts) {
		if a.Code != CodeGivenBack && a.Code != CodeLeaseLost {
			return a.Told(), true
		}
	}
	return r.Attempts[len(r.Attempts)-1].Told(), true
}

// Told is the attempt with words for an end that could not be written.
func (a Attempt) Told() Attempt {
	if a.Ended == nil && a.Code == "" {
		a.Code = CodeDied
		a.Message = fmt.Sprintf("the process that had it (%d on %s) ended without a word", a.PID, or(a.Host, "an unknown host"))
		a.Hint = "look in the kernel's log for a process that was ended for want of memory, and in the log of whatever started it"
	}
	return a
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Encode writes a record, bounded: where it would be too large, the oldest attempts go.
func (r *Record) Encode() ([]byte, error) {
	out := Record{Version: Version, MessageID: r.MessageID, Attempts: slices.Clone(r.Attempts)}
	out.bound()
	for {
		b, err := json.MarshalIndent(&out, "", "  ")
		if err != nil || len(b) <= MaxBytes {
			return b, err
		}
		if len(out.Attempts) == 0 {
			return nil, fmt.Errorf("attempt: a record of %d bytes", len(b)) // not with bounded fields
		}
		out.Attempts = out.Attempts[1:]
	}
}

// ErrUnreadable means that something is no record.
var ErrUnreadable = errors.New("not a record of attempts")

// Parse reads what Encode wrote. Whatever it is given, what it returns is bounded, and fit
// for a log and a terminal.
func Parse(b []byte) (*Record, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: over %d bytes", ErrUnreadable, MaxBytes)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if r.Version != Version {
		return nil, fmt.Errorf("%w that is known here: it has version %d", ErrUnreadable, r.Version)
	}
	r.bound()
	return &r, nil
}

func (r *Record) bound() {
	r.MessageID = Clean(r.MessageID, maxWord)
	if n := len(r.Attempts); n > MaxAttempts {
		r.Attempts = slices.Clone(r.Attempts[n-MaxAttempts:])
	}
	for i := range r.Attempts {
		r.Attempts[i].bound()
	}
}

func (a *Attempt) bound() {
	a.Attempt, a.PID = min(max(a.Attempt, 1), maxCount), min(max(a.PID, 0), 10*maxCount)
	a.Host, a.Program, a.Code = Clean(a.Host, maxWord), Clean(a.Program, maxWord), Clean(a.Code, maxWord)
	a.Key, a.Message, a.Hint = Clean(a.Key, maxKey), Clean(Redact(a.Message), maxMessage), Clean(a.Hint, maxHint)
	a.Started = instant(a.Started)
	if a.Ended != nil {
		t := instant(*a.Ended)
		a.Ended = &t
	}
}

// instant is a time as it can be written: in UTC, with a year of four digits.
func instant(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	if y := t.Year(); y < 1970 || y > 9999 {
		return time.Unix(0, 0).UTC()
	}
	return t
}
