package faultproxy

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer is what the client is told.
type answer struct {
	status int
	header http.Header
	body   []byte
	head   bool // the answer to HEAD: its headers promise a body that does not come
}

func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	h.Del("Transfer-Encoding")
	h.Del("Connection")
	if !a.head && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that left misses it
}

// refusal says no as the service would.
func refusal(c call, f choice) *answer {
	status, code, message := http.StatusInternalServerError, "InternalFailure", "We encountered an internal error. Please try again."
	switch {
	case f.Fault == Internal && c.service == "s3":
		code = "InternalError"
	case f.Fault == Throttle && c.service == "s3":
		status, code, message = http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."
	case f.Fault == Throttle:
		status, code, message = http.StatusBadRequest, "ThrottlingException", "Rate exceeded"
		if f.n%2 == 1 {
			code = map[string]string{"sqs": "RequestThrottled", "sns": "Throttled"}[c.service]
		}
	}
	h := http.Header{"X-Amzn-Requestid": {"00000000-0000-0000-0000-000000000000"}}
	a := &answer{status: status, header: h}
	switch {
	case c.json:
		h.Set("Content-Type", "application/x-amz-json-1.0")
		h.Set("X-Amzn-Query-Error", code+";Sender")
		a.body = fmt.Appendf(nil, `{"__type":"com.amazonaws.sqs#%s","message":%q}`, code, message)
	case c.service == "s3":
		h.Set("Content-Type", "application/xml")
		a.body = fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>0</RequestId></Error>`, code, message)
	default:
		h.Set("Content-Type", "text/xml")
		a.body = fmt.Appendf(nil, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>0</RequestId></ErrorResponse>`, code, message)
	}
	return a
}

// reset ends the connection as a crash or a firewall does: with RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// half promises the whole body and sends half of it. What has no body is cut in its head.
func half(w http.ResponseWriter, a *answer) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if len(a.body) == 0 {
		fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\nContent-Le", a.status, http.StatusText(a.status))
		_ = buf.Flush()
		return
	}
	h := a.header.Clone()
	h.Del("Transfer-Encoding")
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	_ = h.Write(buf)
	_, _ = buf.WriteString("\r\n")
	_, _ = buf.Write(a.body[:len(a.body)/2])
	_ = buf.Flush()
}

// pieces is in how many parts a dripping answer comes.
const pieces = 16

// drip sends the body bit by bit.
func (p *Proxy) drip(w http.ResponseWriter, r *http.Request, a *answer, takes time.Duration) {
	body, rc := a.body, http.NewResponseController(w)
	a.body = nil
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	h.Del("Transfer-Encoding")
	if !a.head {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	tick := time.NewTicker(max(takes/pieces, time.Millisecond))
	defer tick.Stop()
	for step := len(body)/pieces + 1; len(body) > 0; {
		n := min(step, len(body))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		_ = rc.Flush()
		body = body[n:]
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-p.ended.Done():
			panic(http.ErrAbortHandler)
		}
	}
}
