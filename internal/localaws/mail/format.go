package mail

import (
	"bytes"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// letter is everything a mail is made of. The same letter always formats to the same
// bytes, so that what the inbox shows is what the server gets.
type letter struct {
	messageID   string
	date        time.Time
	fromName    string
	from, to    string
	subject     string
	text        string
	unsubscribe string
}

func (l letter) message() (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&netmail.Address{Name: l.fromName, Address: l.from})
	if err := m.To(l.to); err != nil {
		return nil, err
	}
	m.SetMessageIDWithValue(l.messageID)
	m.SetDateWithValue(l.date.UTC())
	m.Subject(l.subject)
	// Nobody's out-of-office reply is wanted (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if l.unsubscribe != "" {
		m.SetListUnsubscribe(l.unsubscribe)
	}
	m.SetBodyString(gomail.TypeTextPlain, l.text)
	return m, nil
}

func (l letter) format() ([]byte, error) {
	m, err := l.message()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// CheckAddress says what is wrong with an e-mail address: only the plain form
// "name@host" in printable ASCII is taken, as RFC 5321 has it, at most 254 bytes.
func CheckAddress(addr string) error {
	if len(addr) > 254 {
		return errors.New("longer than 254 bytes")
	}
	for _, r := range addr {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("has the character %q; only printable ASCII without spaces is taken", r)
		}
	}
	a, err := netmail.ParseAddress(addr)
	if err != nil {
		return errors.New("not of the form name@host")
	}
	if a.Address != addr || a.Name != "" {
		return errors.New("more than a plain address name@host")
	}
	return nil
}

// oneLine replaces everything that could end a header line, or hide in one.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s))
}

func lastAt(addr string) int { return max(strings.LastIndexByte(addr, '@'), 0) }
