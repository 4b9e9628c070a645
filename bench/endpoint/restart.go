package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// restart measures how long after kill -9, at the largest backlog, the first message is
// received again, counted from the start of the process; and its memory then.
func restart(ctx context.Context, o options) error {
	backlog := slices.Max(o.backlogs)
	fmt.Printf("\n## Restart after kill -9 with %d messages\n\n", backlog)
	dir := filepath.Join(o.dir, "restart")
	s, err := start(ctx, tintype(o), dir)
	if err != nil {
		return err
	}
	defer func() { s.kill() }()
	c := &contestant{server: s, client: s.sqs(o.clients)}
	if c.url, err = queue(ctx, c.client, "bench"); err != nil {
		return err
	}
	if err := c.fill(ctx, backlog, o.clients); err != nil {
		return err
	}
	full := c.memory()
	var firsts []float64
	var fresh int64
	for range o.rounds {
		// In the middle of work, so that there is a log to recover.
		busy, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = c.live(busy, time.Minute, o.clients) // ends with the kill
		}()
		time.Sleep(500 * time.Millisecond)
		s.kill()
		cancel()
		<-ended
		began := time.Now()
		if s, err = start(ctx, tintype(o), dir); err != nil {
			return err
		}
		c.server, c.client = s, s.sqs(o.clients)
		got, err := c.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: c.url})
		if err != nil {
			return err
		}
		if len(got.Messages) == 0 {
			return errNothing
		}
		firsts = append(firsts, float64(time.Since(began).Microseconds())/1000)
		fresh = max(fresh, c.memory())
	}
	fmt.Printf("process start to first message received: %s ms\n", spread(firsts))
	fmt.Printf("memory: %d MB after filling, %d MB after the restart\n", full>>20, fresh>>20)
	return nil
}
