package auth

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

// refuse makes the fault of a request that cannot be let through as it is.
func refuse(code, hint, format string, args ...any) error {
	f := fault.Permanentf(code, format, args...)
	f.Hint = hint
	return f
}

// Wait is how long a client that was refused should wait.
type Wait struct {
	time.Duration
	error
}

func (w *Wait) Unwrap() error { return w.error }

func tooMany(wait time.Duration, message string) error {
	wait = max(time.Second, wait)
	return &Wait{wait, refuse(CodeTooMany, "Wait "+strconv.Itoa(seconds(wait))+" s, then try again.", "%s", message)}
}

// seconds are whole ones, not fewer than d.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// retryAfter says in a header when to come again.
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
}
