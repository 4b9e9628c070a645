// Package presence lets each process of the app tier say that it is there, what it has in
// work and how it fares: in one small object of its own in the results bucket. The web tier
// and the commands read these objects. The tiers still meet through AWS alone.
//
// Nothing depends on it. A presence that cannot be written or read costs the view of it,
// never an image. Of ours it imports nothing.
package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Prefix begins the keys of all presences in the results bucket. What begins with a dot is
// no image's: no image's id does.
const Prefix = ".tintype/app/"

const suffix = ".json"

// Bounds of a presence. They hold for what is written and for what is read: anybody who may
// write to the bucket may have put something else there.
const (
	maxBytes  = 256 << 10 // of the object
	maxWork   = 256       // images in InWork
	maxID     = 80        // characters of an app's id
	maxText   = 300       // bytes of host, program and reason
	maxImage  = 700       // bytes of an image's id: "k-" and 480 bytes in base64
	maxKey    = 1024      // bytes of an S3 key
	maxCount  = 1 << 20   // workers, slots, messages held, attempts
	maxPeriod = 24 * time.Hour
)

// App is one process of the app tier, as it last said of itself.
type App struct {
	ID      string    `json:"id"` // of this process; another after a restart
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Program string    `json:"program"` // name and version
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"` // when this was written, by the process's own clock
	// Interval is the time, in seconds, after which this is written again at the latest.
	Interval float64 `json:"interval"`
	Workers  int     `json:"workers"` // images computed at once
	Slots    int     `json:"slots"`   // messages in work at once, those that fetch and store among them
	Held     int     `json:"held"`    // messages whose lease it holds
	Ready    bool    `json:"ready"`   // whether it receives
	Reason   string  `json:"reason"`  // why it does not; empty where it does
	Draining bool    `json:"draining"`
	// InWork is what it works on, at most 256 images.
	InWork []Work `json:"inWork"`
	// OldestAge is how long, in seconds, the oldest message that it received lately had
	// waited; nil: nobody knows.
	OldestAge         *float64 `json:"oldestAgeSeconds"`
	Done              int64    `json:"done"`   // images since the start
	Failed            int64    `json:"failed"` // images since the start
	ReceivedPerMinute float64  `json:"receivedPerMinute"`
}

// Work is one image in work.
type Work struct {
	ID      string    `json:"id"`  // the image's
	Key     string    `json:"key"` // in the uploads bucket
	Attempt int       `json:"attempt"`
	Since   time.Time `json:"since"`
}

// idForm is what an app's id may be: what is safe in a key, a URL and a page.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// Key is where the presence of the process with this id is kept.
func Key(id string) string { return Prefix + id + suffix }

// idOf is the id that a key speaks of.
func idOf(key string) (string, bool) {
	name, ok := strings.CutPrefix(key, Prefix)
	if !ok {
		return "", false
	}
	id, ok := strings.CutSuffix(name, suffix)
	return id, ok && len(id) <= maxID && idForm.MatchString(id)
}

// Decode reads the presence at a key. Fields that it does not know are let pass, so that
// versions may differ; everything else must be as it is written here.
func Decode(key string, body []byte) (App, error) {
	var a App
	id, ok := idOf(key)
	if !ok {
		return a, fmt.Errorf("presence: %.200q is no key of one", key)
	}
	if len(body) > maxBytes {
		return a, fmt.Errorf("presence of %s: over %d bytes", id, maxBytes)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&a); err != nil {
		return App{}, fmt.Errorf("presence of %s: %w", id, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return App{}, fmt.Errorf("presence of %s: there is more behind it", id)
	}
	if a.ID != id {
		return App{}, fmt.Errorf("presence of %s: it names %.80q", id, a.ID)
	}
	if err := a.check(); err != nil {
		return App{}, fmt.Errorf("presence of %s: %w", id, err)
	}
	if a.InWork == nil {
		a.InWork = []Work{}
	}
	return a, nil
}

// check holds a presence against its bounds.
func (a *App) check() error {
	for name, s := range map[string]string{"host": a.Host, "program": a.Program, "reason": a.Reason} {
		if len(s) > maxText || cleaned(s) != s {
			return fmt.Errorf("%s: over %d bytes, or not plain text", name, maxText)
		}
	}
	for name, n := range map[string]int{"pid": a.PID, "workers": a.Workers, "slots": a.Slots, "held": a.Held} {
		if n < 0 || n > maxCount && name != "pid" {
			return fmt.Errorf("%s: %d", name, n)
		}
	}
	if a.Interval <= 0 || a.Interval > maxPeriod.Seconds() {
		return fmt.Errorf("interval: %v s", a.Interval)
	}
	if a.Done < 0 || a.Failed < 0 || a.ReceivedPerMinute < 0 || a.OldestAge != nil && *a.OldestAge < 0 {
		return errors.New("a negative figure")
	}
	if len(a.InWork) > maxWork {
		return fmt.Errorf("inWork: %d images", len(a.InWork))
	}
	for _, w := range a.InWork {
		if w.ID == "" || len(w.ID) > maxImage || w.Key == "" || len(w.Key) > maxKey || w.Attempt < 1 || w.Attempt > maxCount {
			return fmt.Errorf("inWork: image %.80q is not whole", w.ID)
		}
		if !writable(w.Since) {
			return fmt.Errorf("inWork: image %.80q: since %v", w.ID, w.Since)
		}
	}
	if !writable(a.Started) || !writable(a.Seen) {
		return errors.New("a time that is none")
	}
	return nil
}

// writable reports whether a time can be told in JSON again, in any zone.
func writable(t time.Time) bool { return t.Year() > 0 && t.Year() < 9999 }

// cleaned is a text without what a terminal or a page could take for more than text, cut to
// what a presence may hold.
func cleaned(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for cut := maxText; len(s) > maxText; cut-- {
		if utf8.RuneStart(s[cut]) {
			s = s[:cut]
		}
	}
	return s
}

// encode is the presence as it is stored: cleaned and bounded. Images that do not fit are
// left out: they are processed all the same.
func (a App) encode() ([]byte, error) {
	a.Host, a.Program, a.Reason = cleaned(a.Host), cleaned(a.Program), cleaned(a.Reason)
	a.InWork = append([]Work{}, a.InWork[:min(len(a.InWork), maxWork)]...)
	for {
		b, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("presence of %s: %w", a.ID, err)
		}
		if len(b) <= maxBytes {
			return b, nil
		}
		a.InWork = a.InWork[:len(a.InWork)/2]
	}
}
