package s3

import (
	"strings"
	"time"

	"github.com/versity/versitygw/s3err"
)

// Conditions of requests, in S3's order of precedence.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html

// checkWriteConditions refuses the conditions on a write that S3 does not know.
func checkWriteConditions(ifMatch, ifNoneMatch *string) error {
	const value = "We don't accept the provided value of "
	switch {
	case ifMatch != nil && ifNoneMatch != nil:
		return unsupportedCondition("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	case ifNoneMatch != nil && *ifNoneMatch != "*":
		return unsupportedCondition("If-None-Match", value+"If-None-Match header for this API")
	case ifMatch != nil && *ifMatch == "*":
		return unsupportedCondition("If-Match", value+"If-Match header for this API")
	}
	return nil
}

// writeAllowed looks at the conditions on a write; old is what it would replace, nil
// where there is nothing. begun is the start of a multipart upload, zero for other
// writes, and replaces says that there was an object then.
func (w *write) writeAllowed(old *record) error {
	if err := checkWriteConditions(w.ifMatch, w.ifNoneMatch); err != nil {
		return err
	}
	switch {
	case w.ifNoneMatch != nil && old != nil:
		return conditionFailed("If-None-Match")
	case w.ifNoneMatch != nil && w.replaces:
		return conflict("If-None-Match", w.key) // deleted since the upload began
	case w.ifMatch != nil && old == nil:
		return noSuchKey(w.key)
	case w.ifMatch != nil && *w.ifMatch != old.etag:
		return conditionFailed("If-Match")
	case w.ifMatch != nil && !w.begun.IsZero() && w.begun.Before(old.written):
		return conflict("If-Match", w.key) // written again since, be it with the same bytes
	}
	return nil
}

// readConditions are those on reading an object, or on the source of a copy.
type readConditions struct {
	ifMatch, ifNoneMatch  *string
	modified, notModified *time.Time // If-Modified-Since, If-Unmodified-Since
	prefix                string     // of the headers' names
}

// check looks at the conditions: PreconditionFailed, or, only of reads, NotModified.
func (c readConditions) check(r *record) error {
	switch {
	case c.ifMatch != nil:
		// An If-Unmodified-Since beside it is not looked at.
		if !etagIn(*c.ifMatch, r.etag) {
			return conditionFailed(c.prefix + "If-Match")
		}
	case c.notModified != nil && r.modified.After(*c.notModified):
		return conditionFailed(c.prefix + "If-Unmodified-Since")
	}
	failed := ""
	switch {
	case c.ifNoneMatch != nil:
		if etagIn(*c.ifNoneMatch, r.etag) {
			failed = "If-None-Match"
		}
	case c.modified != nil && !r.modified.After(*c.modified):
		failed = "If-Modified-Since"
	}
	switch {
	case failed == "":
		return nil
	case c.prefix != "":
		return conditionFailed(c.prefix + failed)
	}
	return s3err.GetAPIError(s3err.ErrNotModified)
}

// etagIn says whether a header with ETags, or "*", has this one.
func etagIn(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.Trim(strings.TrimPrefix(strings.TrimSpace(one), "W/"), `"`)
		if one == "*" || one == etag {
			return true
		}
	}
	return false
}
