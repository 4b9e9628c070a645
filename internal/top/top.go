// Package top shows the pipeline live in a terminal: what waits, who works, what has come
// out, and why things failed. It draws what a Source tells; where that comes from, a web tier
// or AWS itself, makes no difference to it.
//
// Everything that a source tells is untrusted: keys, hosts and messages come from whoever
// could write them. All of it goes through line, which lets nothing through that a terminal
// would obey. Of ours it imports what the tiers' figures are made of, and nothing of a tier.
package top

import (
	"context"
	"time"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/presence"
)

// Source is where the figures come from. Its methods are called one at a time.
type Source interface {
	Name() string // of it, for people: an address
	Look(ctx context.Context) (Snapshot, error)
	// DeadLetters looks at up to limit dead letters. SQS counts that as a receive of each.
	DeadLetters(ctx context.Context, limit int) (*deadletter.List, error)
}

// Snapshot is the pipeline at one moment. What nobody knows is nil.
type Snapshot struct {
	Time  time.Time        `json:"time"`
	Queue *backlog.Figures `json:"queue"`
	Apps  []presence.Seen  `json:"apps"`
	// The rates are of about the last minute.
	DonePerMinute   *float64 `json:"donePerMinute"`
	FailedPerMinute *float64 `json:"failedPerMinute"`
	// The latencies are from upload to result, in ms, of images finished in the last minute.
	P50 *int64 `json:"p50Ms"`
	P99 *int64 `json:"p99Ms"`
	// Live is whether the web tier hears of completions; nil where no web tier was asked.
	Live   *bool   `json:"live"`
	Images []Image `json:"images"` // the newest first
	// History is what the source remembers of the time before this look, oldest first.
	History []Point `json:"-"`
}

// Point is one moment of the curves. What nobody knew is nil.
type Point struct {
	T       time.Time `json:"t"`
	Waiting int64     `json:"waiting"`
	Done    *float64  `json:"donePerMinute"`
	Failed  *float64  `json:"failedPerMinute"`
	P99     *int64    `json:"p99Ms"`
}

// Image is one image: in work, finished, or waiting.
type Image struct {
	ID       string    `json:"id"`
	Key      string    `json:"key"`
	Status   string    `json:"status"`
	Recipe   string    `json:"recipe,omitempty"`
	Bytes    int64     `json:"bytes"`
	Code     string    `json:"code,omitempty"` // of its failure
	Message  string    `json:"message,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	App      string    `json:"app,omitempty"` // the app process that has it in work
	Uploaded time.Time `json:"uploaded"`
	Finished time.Time `json:"finished,omitzero"`
	WaitMS   int64     `json:"waitMs,omitempty"`
	FetchMS  int64     `json:"fetchMs,omitempty"`
	WorkMS   int64     `json:"processMs,omitempty"`
	StoreMS  int64     `json:"storeMs,omitempty"`
	TotalMS  int64     `json:"totalMs,omitempty"` // upload to result
	Outputs  []string  `json:"outputs,omitempty"` // one line for each
}

// at is when something last happened to the image.
func (i Image) at() time.Time {
	if i.Finished.IsZero() {
		return i.Uploaded
	}
	return i.Finished
}

const (
	// lookTimeout bounds one look: an endpoint that hangs must not freeze the screen.
	lookTimeout = 10 * time.Second
	// maxImages is how many images are kept and shown.
	maxImages = 200
	// maxPoints is how many points the curves may have: ten minutes, one every second.
	maxPoints = 600
	// maxLetters is how many dead letters a look asks for.
	maxLetters = 50
)
