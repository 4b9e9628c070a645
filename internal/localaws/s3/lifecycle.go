package s3

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
)

// transitionHeader says from which size on objects change their storage class, which
// they do not do here; it is kept and shown.
const transitionHeader = "x-amz-transition-default-minimum-object-size"

const defaultTransition = "all_storage_classes_128K"

// lifecycleRule is one enabled rule of a bucket's lifecycle configuration. Zero values
// are what the rule does not say.
type lifecycleRule struct {
	id         string
	prefix     string
	tags       map[string]string
	over       int64 // only objects larger than this, bytes; -1: any
	under      int64 // only objects smaller than this, bytes
	days       int
	date       time.Time
	markers    bool // removes delete markers that have no versions left
	noncurrent int  // days after which a version that was superseded goes
	keep       int  // newest noncurrent versions that stay
	abort      int  // days after which an upload is given up
}

// The store has the value of the header before the document, on a line of its own.
func joinLifecycle(size string, doc []byte) []byte { return append([]byte(size+"\n"), doc...) }

func splitLifecycle(stored []byte) (size string, doc []byte) {
	head, rest, _ := bytes.Cut(stored, []byte("\n"))
	return string(head), rest
}

func lifecycleSize(c fiber.Ctx) string {
	if v := c.Get(transitionHeader); v != "" {
		return strings.Clone(v)
	}
	return defaultTransition
}

func checkLifecycle(q configRequest, doc *element) error {
	if v := q.c.Get(transitionHeader); v != "" && v != defaultTransition && v != "varies_by_storage_class" {
		return invalidRequest("Invalid TransitionDefaultMinimumObjectSize found: " + v)
	}
	if len(doc.kids) > 1000 {
		return malformedXML()
	}
	seen := map[string]bool{}
	for _, r := range doc.kids {
		id := r.value("ID")
		if id == "" {
			id = newBlobID() // S3 makes one up, too
			if e := r.child("ID"); e != nil {
				e.text = id
			} else {
				r.kids = slices.Insert(r.kids, 0, leaf("ID", id))
			}
		}
		if len(id) > maxIDLen {
			return badArgument("ID", id, "ID length should not exceed allowed limit of 255")
		}
		if seen[id] {
			return badArgument("ID", id, "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[id] = true
		if err := checkLifecycleFilter(r); err != nil {
			return err
		}
		if err := checkLifecycleActions(r); err != nil {
			return err
		}
	}
	return nil
}

func checkLifecycleFilter(r *element) error {
	filter := r.child("Filter")
	if (filter == nil) == (r.child("Prefix") == nil) {
		return malformedXML()
	}
	if filter == nil {
		return nil
	}
	if len(filter.kids) > 1 {
		return malformedXML()
	}
	and := filter.child("And")
	if and != nil && len(and.kids) < 2 {
		return malformedXML()
	}
	keys := map[string]bool{}
	for _, tag := range and.all("Tag") {
		if keys[tag.value("Key")] {
			return invalidRequest("Duplicate Tag Keys are not allowed.")
		}
		keys[tag.value("Key")] = true
	}
	tagged := len(keys) > 0 || filter.child("Tag") != nil
	if tagged && r.child("AbortIncompleteMultipartUpload") != nil {
		return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
	}
	if tagged && r.child("Expiration", "ExpiredObjectDeleteMarker") != nil {
		return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags.")
	}
	scope := filter
	if and != nil {
		scope = and
	}
	over, under := scope.child("ObjectSizeGreaterThan"), scope.child("ObjectSizeLessThan")
	if over != nil && under != nil && number(over.text) >= number(under.text) {
		return invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
	}
	if over != nil && number(over.text) < 0 {
		return invalidRequest("'ObjectSizeGreaterThan' should be a positive integer.")
	}
	return nil
}

func checkLifecycleActions(r *element) error {
	positive := func(e *element, element, action string) error {
		if e != nil && number(e.text) <= 0 {
			return badArgument(element, e.text, "'"+element+"' for "+action+" action must be a positive integer")
		}
		return nil
	}
	midnight := func(e *element) error {
		if e == nil {
			return nil
		}
		d, err := parseDate(e.text)
		if err != nil || !d.Equal(d.Truncate(24*time.Hour)) {
			return badArgument("Date", e.text, "'Date' must be at midnight GMT")
		}
		e.text = d.Format(eventTime)
		return nil
	}
	actions := 0
	for _, k := range r.kids {
		switch k.name {
		case "Expiration":
			if len(k.kids) != 1 {
				return malformedXML()
			}
			if err := positive(k.child("Days"), "Days", "Expiration"); err != nil {
				return err
			}
			if err := midnight(k.child("Date")); err != nil {
				return err
			}
		case "Transition":
			if (k.child("Days") == nil) == (k.child("Date") == nil) {
				return malformedXML()
			}
			if err := midnight(k.child("Date")); err != nil {
				return err
			}
			d, class := k.child("Days"), k.value("StorageClass")
			if d != nil && number(d.text) < 0 {
				return badArgument("Days", d.text, "'Days' in Transition action must be nonnegative")
			}
			if d != nil && strings.HasSuffix(class, "_IA") && number(d.text) < 30 {
				return badArgument("Days", d.text, "'Days' in Transition action must be greater than or equal to 30 for storageClass '"+class+"'")
			}
			if e := r.child("Expiration", "Days"); d != nil && e != nil && number(e.text) <= number(d.text) {
				return badArgument("Days", e.text, "'Days' in the Expiration action for filter must be greater than 'Days' in the Transition action")
			}
		case "NoncurrentVersionExpiration":
			if err := positive(k.child("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionExpiration"); err != nil {
				return err
			}
		case "AbortIncompleteMultipartUpload":
			if err := positive(k.child("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload"); err != nil {
				return err
			}
		case "NoncurrentVersionTransition":
		default:
			continue
		}
		actions++
	}
	if actions == 0 {
		return invalidRequest("At least one action needs to be specified in a rule.")
	}
	return nil
}

// number reads what a shape found to be a whole number.
func number(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n
}

// parseLifecycle reads the enabled rules of a stored configuration.
func parseLifecycle(doc []byte) ([]lifecycleRule, error) {
	root, err := parseElement(doc)
	if err != nil {
		return nil, err
	}
	var rules []lifecycleRule
	for _, e := range root.all("Rule") {
		if e.value("Status") != "Enabled" {
			continue
		}
		r := lifecycleRule{id: e.value("ID"), prefix: e.value("Prefix"), over: -1, under: math.MaxInt64}
		scope := e.child("Filter")
		if and := scope.child("And"); and != nil {
			scope = and
		}
		if scope != nil {
			r.prefix = scope.value("Prefix")
			if v := scope.child("ObjectSizeGreaterThan"); v != nil {
				r.over = number(v.text)
			}
			if v := scope.child("ObjectSizeLessThan"); v != nil {
				r.under = number(v.text)
			}
			for _, tag := range scope.all("Tag") {
				if r.tags == nil {
					r.tags = map[string]string{}
				}
				r.tags[tag.value("Key")] = tag.value("Value")
			}
		}
		r.days = int(number(e.value("Expiration", "Days")))
		if v := e.child("Expiration", "Date"); v != nil {
			if r.date, err = parseDate(v.text); err != nil {
				return nil, err
			}
		}
		r.markers = e.value("Expiration", "ExpiredObjectDeleteMarker") == "true"
		r.noncurrent = int(number(e.value("NoncurrentVersionExpiration", "NoncurrentDays")))
		r.keep = int(number(e.value("NoncurrentVersionExpiration", "NewerNoncurrentVersions")))
		r.abort = int(number(e.value("AbortIncompleteMultipartUpload", "DaysAfterInitiation")))
		rules = append(rules, r)
	}
	return rules, nil
}

// takes says whether the rule is about the object.
func (r *lifecycleRule) takes(key string, size int64, tags map[string]string) bool {
	if !strings.HasPrefix(key, r.prefix) || size <= r.over || size >= r.under {
		return false
	}
	for k, v := range r.tags {
		if have, ok := tags[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// after is when something that happened at a time is that many days old: S3 rounds up
// to the next midnight, UTC.
func after(t time.Time, days int) time.Time {
	due := t.UTC().AddDate(0, 0, days)
	midnight := due.Truncate(24 * time.Hour)
	if midnight.Equal(due) {
		return midnight
	}
	return midnight.AddDate(0, 0, 1)
}

// expires says when the object expires by this rule; zero: never.
func (r *lifecycleRule) expires(modified time.Time) time.Time {
	switch {
	case r.days > 0:
		return after(modified, r.days)
	default:
		return r.date
	}
}

// expiration is the value of x-amz-expiration for a current object: the earliest
// expiry of any rule; empty where there is none.
func expiration(rules []lifecycleRule, key string, size int64, tags map[string]string, modified time.Time) string {
	var first time.Time
	id := ""
	for i := range rules {
		r := &rules[i]
		if due := r.expires(modified); !due.IsZero() && r.takes(key, size, tags) && (id == "" || due.Before(first)) {
			first, id = due, r.id
		}
	}
	if id == "" {
		return ""
	}
	return `expiry-date="` + first.Format(http.TimeFormat) + `", rule-id="` + id + `"`
}
