package console

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

// functions are what the pages call.
func functions(now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"size":      size,
		"count":     count,
		"since":     func(t time.Time) string { return since(now(), t) },
		"until":     func(t time.Time) string { return strings.TrimSuffix(since(t, now()), " ago") },
		"age":       func(t time.Time) string { return strings.TrimSuffix(since(now(), t), " ago") },
		"stamp":     stamp,
		"machine":   func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"name":      lastField,
		"state":     func(m sqs.MessageView) string { return messageState(now(), m) },
		"spark":     newSpark,
		"json":      pretty,
		"path":      url.PathEscape,
		"summary":   summary,
		"seconds":   duration,
		"text":      visible,
		"innermost": innermost,
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func messageState(now time.Time, m sqs.MessageView) string {
	switch {
	case !m.Visible.After(now):
		return "visible"
	case m.Delayed:
		return "delayed"
	default:
		return "in flight"
	}
}

// visible shows the characters of a name that would else not be seen, or would turn
// others around, by their numbers: "gnp.exe" behind U+202E reads as "exe.png".
func visible(s string) string {
	odd := func(r rune) bool {
		const joiner, nonJoiner = '\u200d', '\u200c' // of emojis and scripts that need them
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner || r == utf8.RuneError
	}
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if odd(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 4 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

// count is a number with its thousands apart.
func count(v any) string {
	s := fmt.Sprint(v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// since is how long ago t was, roughly.
func since(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// duration is a number of seconds, as attributes have it, for people: "345600" is
// "4 days". Anything else is empty.
func duration(seconds string) string {
	n, err := strconv.ParseInt(seconds, 10, 64)
	switch {
	case err != nil || n < 120:
		return ""
	case n%86400 == 0:
		return strings.TrimSuffix(fmt.Sprintf("%d days", n/86400), map[bool]string{true: "s"}[n == 86400])
	case n%3600 == 0:
		return fmt.Sprintf("%d h", n/3600)
	default:
		return fmt.Sprintf("%d min", n/60)
	}
}

// lastField is the name in an ARN.
func lastField(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// part is a piece of a mail's text.
type part struct {
	Text string
	Link bool // Text is a URL to be followed
}

var webLink = regexp.MustCompile(`https?://[^\s<>"]+`)

// splitLinks cuts a text into plain pieces and links. Only whole http and https URLs
// become links; punctuation that ends a sentence is left out of them.
func splitLinks(text string) []part {
	var parts []part
	add := func(s string, link bool) {
		if s != "" {
			parts = append(parts, part{s, link})
		}
	}
	at := 0
	for _, m := range webLink.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[m[0]:m[1]], ".,;:!?)'")
		if u, err := url.Parse(link); err != nil || u.Host == "" {
			continue
		}
		add(text[at:m[0]], false)
		add(link, true)
		at = m[0] + len(link)
	}
	add(text[at:], false)
	return parts
}
