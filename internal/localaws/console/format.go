package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxShown is how much of a text a page shows, bytes.
const maxShown = 32 << 10

// functions are what the pages call.
func functions(now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"size":  size,
		"since": func(t time.Time) string { return since(now(), t) },
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"tidy":  tidy,
		"name":  lastField,
		"state": func(m Message) string { return messageState(now(), m) },
	}
}

func messageState(now time.Time, m Message) string {
	switch {
	case !m.Visible.After(now):
		return "visible"
	case m.Delayed:
		return "delayed"
	default:
		return "in flight"
	}
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

// tidy indents JSON and shortens what is too long to be read.
func tidy(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + fmt.Sprintf("\n… and %s more", size(int64(len(s)-maxShown)))
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") == nil && b.Len() < 4*maxShown {
		return b.String()
	}
	return s
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
