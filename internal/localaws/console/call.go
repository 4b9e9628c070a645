package console

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// call makes a call of a service as a client would, in the Query protocol, and reads
// its answer into out, which may be nil. What the service refuses is a *wire.Error.
//
// This is the console's only way to change queues and topics: the service checks, and
// says, what it says to everybody.
func (c *Console) call(ctx context.Context, s *wire.Service, operation string, in url.Values, out any) error {
	in.Set("Action", operation)
	in.Set("Version", s.Version)
	body := []byte(in.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var w answer
	s.Serve(&w, r, body, wire.Identity{Account: c.opts.Account, Region: c.opts.Region, Principal: c.opts.AccessKey})
	if w.status >= http.StatusBadRequest {
		return w.refusal(operation)
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(w.body.Bytes(), out); err != nil {
		return fmt.Errorf("answer of %s: %w", operation, err)
	}
	return nil
}

// answer is a response that stays in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// refusal is the error of a response.
func (a *answer) refusal(operation string) error {
	var doc struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(a.body.Bytes(), &doc); err != nil || doc.Error.Code == "" {
		return fmt.Errorf("%s was answered with status %d", operation, a.status)
	}
	return &wire.Error{Code: doc.Error.Code, Message: doc.Error.Message, Status: a.status}
}

// attributesOf reads message attributes as a person writes them, name=value on lines
// of their own, and adds them to a call. key is the parameter of one, with a %d for its
// number.
func attributesOf(text, key string, in url.Values) error {
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(name) == "" {
			return &problem{http.StatusBadRequest, "A message attribute is not of the form name=value: " + line, "Write each on a line of its own."}
		}
		n++
		prefix := fmt.Sprintf(key, n)
		in.Set(prefix+".Name", strings.TrimSpace(name))
		in.Set(prefix+".Value.DataType", "String")
		in.Set(prefix+".Value.StringValue", strings.TrimSpace(value))
	}
	return nil
}
