package faultproxy

import (
	"encoding/json"
	"net/http"
)

// message is one of a receive's answer, as it stands there.
type message = json.RawMessage

// received is the answer to ReceiveMessage in the JSON protocol.
type received struct {
	Messages []message `json:"Messages,omitempty"`
}

// spared answers a receive with messages that were kept from, or are given out again after,
// an earlier one. It is nil where there are none.
func (p *Proxy) spared(c call) *answer {
	if c.operation != "ReceiveMessage" || !c.json {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.spare[c.queueURL]
	n := min(len(kept), c.max)
	if n <= 0 {
		return nil
	}
	p.spare[c.queueURL] = kept[n:]
	p.given[c.queueURL] += n
	a := &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}}
	a.body, _ = json.Marshal(received{kept[:n]}) // raw messages marshal
	return a
}

// messages does to a receive's answer what the fault says.
func (p *Proxy) messages(c call, f Fault, a *answer) *answer {
	var got received
	if c.operation != "ReceiveMessage" || !c.json || a.status != http.StatusOK || json.Unmarshal(a.body, &got) != nil || len(got.Messages) == 0 {
		return a
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given[c.queueURL] += len(got.Messages)
	switch f {
	case Duplicate:
		p.spare[c.queueURL] = append(p.spare[c.queueURL], got.Messages...)
	case Copy:
		for _, m := range got.Messages {
			var in struct{ Body string }
			if json.Unmarshal(m, &in) == nil && p.opts.Resend != nil && !p.copied[in.Body] {
				p.copied[in.Body] = true
				p.resends.Go(func() { p.opts.Resend(c.queueURL, in.Body) })
			}
		}
	case Reorder:
		// The last ones go first, the first ones with a later answer, in opposite order.
		n := (len(got.Messages) + 1) / 2
		for _, m := range got.Messages[:n] {
			p.spare[c.queueURL] = append([]message{m}, p.spare[c.queueURL]...)
		}
		p.given[c.queueURL] -= n
		a.body, _ = json.Marshal(received{got.Messages[n:]}) // raw messages marshal
	}
	return a
}
