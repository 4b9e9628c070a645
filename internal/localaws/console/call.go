package console

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// callSQS makes a call of SQS as a client would, in its JSON protocol, and reads the
// answer into out, which may be nil. What SQS refuses is a *wire.Error.
//
// This and callSNS are the console's only ways to change queues and topics, but for
// deleting a message that was seen: the service checks, and says, what it says to
// everybody.
func (c *Console) callSQS(ctx context.Context, operation string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	w, err := c.call(ctx, c.sqsAPI, body, http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {c.sqsAPI.TargetPrefix + "." + operation}})
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	if w.status < http.StatusBadRequest {
		if out == nil {
			return nil
		}
		return json.Unmarshal(w.body.Bytes(), out)
	}
	var doc struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(w.body.Bytes(), &doc); err != nil || doc.Type == "" {
		return fmt.Errorf("%s was answered with status %d", operation, w.status)
	}
	return &wire.Error{Code: doc.Type[strings.LastIndexByte(doc.Type, '#')+1:], Message: doc.Message, Status: w.status}
}

// callSNS makes a call of SNS as a client would, in the Query protocol. What SNS
// refuses is a *wire.Error.
func (c *Console) callSNS(ctx context.Context, operation string, in url.Values) error {
	in.Set("Action", operation)
	in.Set("Version", c.snsAPI.Version)
	w, err := c.call(ctx, c.snsAPI, []byte(in.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	if w.status < http.StatusBadRequest {
		return nil
	}
	var doc struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(w.body.Bytes(), &doc); err != nil || doc.Error.Code == "" {
		return fmt.Errorf("%s was answered with status %d", operation, w.status)
	}
	return &wire.Error{Code: doc.Error.Code, Message: doc.Error.Message, Status: w.status}
}

// call has a service serve a request of the console's own user.
func (c *Console) call(ctx context.Context, s *wire.Service, body []byte, header http.Header) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	w := &answer{header: http.Header{}, status: http.StatusOK}
	s.Serve(w, r, body, wire.Identity{Account: c.opts.Account, Region: c.opts.Region, Principal: c.opts.AccessKey})
	return w, nil
}

// answer is a response that stays in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// attribute is a message attribute, of type String.
type attribute struct{ Name, Value string }

// attributesOf reads message attributes as a person writes them: name=value, each on a
// line of its own.
func attributesOf(text string) (list []attribute, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, &problem{http.StatusBadRequest, "A message attribute is not of the form name=value: " + line, "Write each on a line of its own."}
		}
		list = append(list, attribute{name, strings.TrimSpace(value)})
	}
	return list, nil
}
