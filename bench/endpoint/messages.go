package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// bodySize is that of an S3 event wrapped by SNS and then some, bytes.
const bodySize = 3 << 10

// peerBacklog is the largest backlog that peers are asked to hold: beyond it most need
// minutes and gigabytes.
const peerBacklog = 100_000

var body = strings.Repeat("x", bodySize)

// messages measures whole lives of messages (sent, received and deleted in batches of
// ten) beside a backlog that stays as large as it is. The programs take turns, so that
// a busy moment of the machine is everybody's.
func messages(ctx context.Context, o options) error {
	fmt.Printf("\n## Messages: send + receive + delete, batches of 10, bodies of %d bytes, %d clients\n\n", bodySize, o.clients)
	fmt.Println("| backlog | program | kept | messages/s | server CPU µs/message | memory MB | rate of the first to it |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, backlog := range o.backlogs {
		if err := atBacklog(ctx, o, backlog); err != nil {
			return fmt.Errorf("backlog %d: %w", backlog, err)
		}
	}
	return nil
}

// contestant is a program with a filled queue, and what was measured of it.
type contestant struct {
	*server
	backlog   int
	client    *sqs.Client
	url       *string
	rates     []float64 // messages/s
	cpu       []float64 // µs a message
	memoryMax int64
}

// entry is a program and the backlog it gets.
type entry struct {
	kind
	backlog int
}

func atBacklog(ctx context.Context, o options, backlog int) error {
	entries := []entry{{tintype(o), backlog}}
	if backlog > o.backlogs[0] {
		// The same program beside a small backlog, in the same minutes.
		entries = append(entries, entry{tintype(o), o.backlogs[0]})
	}
	if backlog <= peerBacklog {
		for _, k := range peers(o) {
			entries = append(entries, entry{k, backlog})
		}
	}
	var field []*contestant
	defer func() {
		for _, c := range field {
			c.kill()
		}
	}()
	for _, e := range entries {
		s, err := start(ctx, e.kind, filepath.Join(o.dir, fmt.Sprint(e.name, "-", backlog, "-", e.backlog)))
		if err != nil {
			return err
		}
		c := &contestant{server: s, backlog: e.backlog, client: s.sqs(o.clients)}
		field = append(field, c)
		if c.url, err = queue(ctx, c.client, "bench"); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := c.fill(ctx, e.backlog, o.clients); err != nil {
			return fmt.Errorf("fill %s: %w", e.name, err)
		}
		// Warm: connections, caches, compilers.
		if _, err := c.live(ctx, min(o.round, time.Second), o.clients); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	for range o.rounds {
		for _, c := range field {
			before := c.server.cpu()
			began := time.Now()
			n, err := c.live(ctx, o.round, o.clients)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			took := time.Since(began)
			c.rates = append(c.rates, float64(n)/took.Seconds())
			c.cpu = append(c.cpu, float64((c.server.cpu()-before).Microseconds())/float64(max(n, 1)))
			c.memoryMax = max(c.memoryMax, c.memory())
		}
	}
	for _, c := range field {
		fmt.Printf("| %d | %s | %s | %s | %s | %d | %.2f |\n", c.backlog, c.name, c.durable, spread(c.rates), spread(c.cpu), c.memoryMax>>20, median(field[0].rates)/median(c.rates))
	}
	return nil
}

func (c *contestant) fill(ctx context.Context, n, clients int) error {
	var left atomic.Int64
	left.Store(int64(n / 10))
	return together(clients, func() error {
		for left.Add(-1) >= 0 {
			if err := c.send(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *contestant) send(ctx context.Context) error {
	in := &sqs.SendMessageBatchInput{QueueUrl: c.url}
	for i := range 10 {
		id := strconv.Itoa(i)
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body})
	}
	out, err := c.client.SendMessageBatch(ctx, in)
	if err != nil {
		return err
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("send: %s", *out.Failed[0].Message)
	}
	return nil
}

// live has clients send, receive and delete for a while and returns how many messages
// went the whole way.
func (c *contestant) live(ctx context.Context, length time.Duration, clients int) (int64, error) {
	end := time.Now().Add(length)
	var done atomic.Int64
	err := together(clients, func() error {
		for time.Now().Before(end) && ctx.Err() == nil {
			if err := c.send(ctx); err != nil {
				return err
			}
			n, err := c.take(ctx)
			if err != nil {
				return err
			}
			done.Add(int64(n))
		}
		return ctx.Err()
	})
	return done.Load(), err
}

// take receives up to ten messages and deletes them.
func (c *contestant) take(ctx context.Context) (int, error) {
	got, err := c.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: c.url, MaxNumberOfMessages: 10})
	if err != nil {
		return 0, err
	}
	if len(got.Messages) == 0 {
		return 0, nil // others were quicker
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: c.url}
	for i, m := range got.Messages {
		if len(*m.Body) != bodySize {
			return 0, fmt.Errorf("a body of %d bytes came back", len(*m.Body))
		}
		id := strconv.Itoa(i)
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: m.ReceiptHandle})
	}
	out, err := c.client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return 0, err
	}
	if len(out.Failed) > 0 {
		return 0, fmt.Errorf("delete: %s", *out.Failed[0].Message)
	}
	return len(in.Entries), nil
}

// together runs f in n goroutines.
func together(n int, f func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
