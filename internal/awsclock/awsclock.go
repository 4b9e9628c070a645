// Package awsclock tells the time by AWS's clock, as the Date headers of its answers show
// it. Hosts' own clocks may be wrong; what is compared between hosts, or judged by AWS, has
// to be told by one clock, and AWS's is the one that all have in common.
//
// It imports nothing of ours.
package awsclock

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// tolerance is how far two clocks may be apart without counting as apart: Date headers have
// whole seconds, and answers take their time.
const tolerance = 3 * time.Second

// Clock is AWS's clock. The zero value agrees with our own until an answer says otherwise. It
// is safe for concurrent use.
type Clock struct {
	ahead atomic.Int64 // nanoseconds that AWS's clock is ahead of ours
}

// Now is the time by AWS's clock.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Ahead()) }

// Ahead is how far AWS's clock is ahead of ours; 0 where they agree but for some seconds.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Learn is an option of an SDK client's APIOptions: the clock is set by each answer.
func (c *Clock) Learn(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("AWSClock", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		asked := time.Now()
		out, meta, err := next.HandleDeserialize(ctx, in)
		// An answer that took its time may have been dated at any moment of it.
		if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && resp != nil && time.Since(asked) < tolerance {
			c.heard(resp.Header)
		}
		return out, meta, err
	}), middleware.After)
}

// heard takes the time from an answer. What a cache answers, which has an Age, is old.
func (c *Clock) heard(h http.Header) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return
	}
	// The header says the second that has begun.
	ahead := time.Until(at.Add(500 * time.Millisecond))
	// Held fast while answers agree with it: two times that are told soon after each other must
	// not differ by what the headers are rounded by.
	if (ahead - c.Ahead()).Abs() <= tolerance {
		return
	}
	if ahead.Abs() <= tolerance {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
}
