package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// further are the operators on numbers, dates and addresses.
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
func further(name string) (compare comparison, negated bool) {
	switch name {
	case "NumericEquals":
		return numeric(func(a, b float64) bool { return a == b }), false
	case "NumericNotEquals":
		return numeric(func(a, b float64) bool { return a == b }), true
	case "NumericLessThan":
		return numeric(func(a, b float64) bool { return a < b }), false
	case "NumericLessThanEquals":
		return numeric(func(a, b float64) bool { return a <= b }), false
	case "NumericGreaterThan":
		return numeric(func(a, b float64) bool { return a > b }), false
	case "NumericGreaterThanEquals":
		return numeric(func(a, b float64) bool { return a >= b }), false
	case "DateEquals":
		return dates(func(c int) bool { return c == 0 }), false
	case "DateNotEquals":
		return dates(func(c int) bool { return c == 0 }), true
	case "DateLessThan":
		return dates(func(c int) bool { return c < 0 }), false
	case "DateLessThanEquals":
		return dates(func(c int) bool { return c <= 0 }), false
	case "DateGreaterThan":
		return dates(func(c int) bool { return c > 0 }), false
	case "DateGreaterThanEquals":
		return dates(func(c int) bool { return c >= 0 }), false
	case "IpAddress":
		return inNetwork, false
	case "NotIpAddress":
		return inNetwork, true
	default:
		return nil, false
	}
}

// numeric compares the actual value, which comes first, with the wanted one.
func numeric(holds func(actual, wanted float64) bool) comparison {
	return func(wanted, actual string) bool {
		w, errW := strconv.ParseFloat(wanted, 64)
		a, errA := strconv.ParseFloat(actual, 64)
		return errW == nil && errA == nil && holds(a, w)
	}
}

func dates(holds func(order int) bool) comparison {
	return func(wanted, actual string) bool {
		w, okW := date(wanted)
		a, okA := date(actual)
		return okW && okA && holds(a.Compare(w))
	}
}

// date reads a date of ISO 8601 or seconds since the epoch.
func date(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

func inNetwork(wanted, actual string) bool {
	a, err := netip.ParseAddr(actual)
	if err != nil {
		return false
	}
	n, ok := network(wanted)
	return ok && n.Contains(a.Unmap())
}

func network(s string) (netip.Prefix, bool) {
	if n, err := netip.ParsePrefix(s); err == nil {
		return n, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// unreadable says which of a condition's wanted values its operator cannot compare
// with, or "".
func unreadable(base, v string) string {
	ok, kind := true, ""
	switch {
	case strings.HasPrefix(base, "Numeric"):
		_, err := strconv.ParseFloat(v, 64)
		ok, kind = err == nil, "a number"
	case strings.HasPrefix(base, "Date"):
		_, ok = date(v)
		kind = "a date"
	case strings.HasSuffix(base, "IpAddress"):
		_, ok = network(v)
		kind = "an address or a network"
	}
	if ok {
		return ""
	}
	return v + " is not " + kind
}
