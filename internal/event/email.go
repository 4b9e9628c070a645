package event

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tintype/tintype/internal/recipe"
)

// EmailBody tells a person, in plain text, what became of an image: what was made and
// how long it took, or why it failed and what to do. Names, keys and parameters are
// untrusted: each stays on its line. PageURL is where the image can be seen; it may be
// empty.
func EmailBody(c Completion, pageURL string) string {
	m := c.Manifest
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	name := fileName(m.Source.Key)
	if m.Status == recipe.Failed {
		line("Your image %q could not be processed.", name)
	} else {
		line("Your image %q has been processed.", name)
	}
	line("")
	if m.Error != nil {
		line("Why:      %s (%s)", oneLine(m.Error.Message), oneLine(m.Error.Code))
		line("What now: %s", advice(m.Error))
		line("          The original is untouched.")
		line("")
	}
	if m.Recipe != "" {
		line("Recipe:   %s%s", oneLine(m.Recipe), paramList(m.Params))
	}
	line("Original: %s", describe(m.Source.Width, m.Source.Height, m.Source.Format, m.Source.Bytes))
	for i, out := range m.Outputs {
		label := "         "
		if i == 0 {
			label = "Results: "
		}
		line("%s %s, %s", label, oneLine(out.Name), describe(out.Width, out.Height, out.Format, out.Bytes))
	}
	if took := m.Timings.Finished.Sub(m.Timings.Uploaded); !m.Timings.Uploaded.IsZero() && took > 0 {
		line("Took:     %s from upload to result", seconds(took))
		if m.Timings.ProcessMS > 0 {
			line("          of it %s at work on the picture", seconds(time.Duration(m.Timings.ProcessMS)*time.Millisecond))
		}
	}
	if m.Attempts > 1 {
		line("Attempts: %d", m.Attempts)
	}
	line("")
	if pageURL != "" {
		line("See it:   %s", oneLine(pageURL))
	}
	line("Image id: %s", oneLine(m.ID))
	line("Stored:   s3://%s/%s", oneLine(m.Source.Bucket), oneLine(m.Source.Key))
	return b.String()
}

// advice is what a person can do about a failure.
func advice(f *recipe.Failure) string {
	if f.Hint != "" {
		return oneLine(f.Hint)
	}
	return "upload it again, or another image; if it fails again, send the image id below to who runs this service."
}

// paramList is " (strength 0.5, tint #ff8800)" in the order of the names.
func paramList(params recipe.Params) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, oneLine(fmt.Sprintf("%s %v", name, params[name])))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// describe is "1600 × 1200 pixels, jpeg, 1.4 MB", as far as it is known.
func describe(width, height int, format string, bytes int64) string {
	var parts []string
	if width > 0 && height > 0 {
		parts = append(parts, fmt.Sprintf("%d × %d pixels", width, height))
	}
	if format != "" {
		parts = append(parts, oneLine(format))
	}
	if bytes > 0 || parts == nil {
		parts = append(parts, size(bytes))
	}
	return strings.Join(parts, ", ")
}

// size is a number of bytes for people, in decimal units.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 999_950:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

// seconds is a duration for people.
func seconds(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// fileName is the last part of a key, on one line.
func fileName(key string) string {
	if name := oneLine(path.Base(key)); name != "" {
		return name
	}
	return "image"
}

// maxLine bounds one untrusted piece of text in a mail, in characters.
const maxLine = 300

// oneLine makes untrusted text safe on a line of a mail: no line breaks of any kind, no
// control characters, nothing that turns the direction of the text, not too long.
func oneLine(s string) string {
	n := 0
	s = strings.Map(func(r rune) rune {
		switch {
		case n > maxLine:
			return -1
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			r = ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		n++
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if n > maxLine {
		s += "…"
	}
	return strings.TrimSpace(s)
}
