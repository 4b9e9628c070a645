package app

import (
	"context"
	"net"
	"net/http"
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

// Write sets both deadlines: a read is waiting already for the answer to what is written.
func (c *impatientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
