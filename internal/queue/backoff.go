package queue

import (
	"math/rand/v2"
	"time"
)

// retryFactor is how much longer each further retry may be delayed.
const retryFactor = 4

// minRetry is the shortest delay of a retry: visibility counts in whole seconds, and 0
// would mean at once.
const minRetry = time.Second

// backoff is the delay before a message that has been received n times is received again.
func (e *Engine) backoff(n int) time.Duration {
	return max(jitter(e.opts.RetryBase, retryFactor, n, e.opts.RetryMax), minRetry)
}

// jitter is exponential backoff with full jitter: drawn evenly from 0 to base·factor^(n-1),
// or to limit where that is less. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
func jitter(base time.Duration, factor, n int, limit time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(ceiling(base, factor, n, limit)) + 1))
}

// ceiling is base·factor^(n-1), at most limit.
func ceiling(base time.Duration, factor, n int, limit time.Duration) time.Duration {
	for range n - 1 {
		if base >= limit/time.Duration(factor) {
			return limit
		}
		base *= time.Duration(factor)
	}
	return min(base, limit)
}
