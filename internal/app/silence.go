package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// silence is how long AWS may say nothing, neither take nor send a byte, before a
	// connection counts as dead: longer than the longest poll of a queue, 20 s.
	silence = 30 * time.Second
	// idle is how long a connection is kept for the next request: less than silence, so
	// that none is given out that is about to be given up.
	idle = 20 * time.Second
)

// impatient makes the SDK's client give up connections that have gone silent. The SDK sets
// no such limit: a peer that vanishes without a word, or hangs, would hold a request for
// good, and with it a message whose lease is extended all the while. What is cut off so is
// a fault of the network, which the SDK and the tiers repeat.
func impatient(client aws.HTTPClient, silence time.Duration) aws.HTTPClient {
	b, ok := client.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	return b.WithTransportOptions(func(t *http.Transport) {
		t.IdleConnTimeout = min(idle, silence*2/3)
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &impatientConn{conn, silence}, nil
		}
	})
}

// impatientConn has a deadline that each byte moves on.
type impatientConn struct {
	net.Conn
	silence time.Duration
}

func (c *impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// pieces are buffers for bodies on their way out. With net/http's own, 32 KB, an output of two
// megabytes is sixty writes, and as many times that the other side is woken. A piece must get off
// within the silence: 4 KB/s.
var pieces = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// ReadFrom is what net/http sends a body with.
func (c *impatientConn) ReadFrom(r io.Reader) (n int64, err error) {
	piece := pieces.Get().(*[128 << 10]byte)
	defer pieces.Put(piece)
	for {
		m, err := io.ReadFull(r, piece[:])
		if m > 0 {
			sent, failed := c.Write(piece[:m])
			if n += int64(sent); failed != nil {
				return n, failed
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return n, nil
		default:
			return n, err
		}
	}
}

// Write sets both deadlines: a read is waiting already for the answer to what is written.
func (c *impatientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// smallPieces has bodies sent as net/http does it, in pieces of 32 KB: where somebody watches how far
// an upload is, each piece is a step.
func smallPieces(t *http.Transport) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return struct{ net.Conn }{conn}, nil // without ReadFrom
	}
}
