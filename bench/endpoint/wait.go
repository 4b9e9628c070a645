package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	waitSamples  = 200
	manyWaiting  = 1000
	waitObserved = 15 * time.Second
)

// wait measures from the start of a send to the end of the long poll that gets it, for
// Tintype and its peers, and what a thousand waiting receivers cost.
func wait(ctx context.Context, o options) error {
	fmt.Printf("\n## A waiting receiver: from the call of SendMessage to the end of ReceiveMessage, %d times\n\n", waitSamples)
	fmt.Println("| program | median ms (min–max) | p95 ms |")
	fmt.Println("|---|---|---|")
	for _, k := range append([]kind{tintype(o)}, peers(o)...) {
		s, err := start(ctx, k, filepath.Join(o.dir, "wait-"+k.name))
		if err != nil {
			return err
		}
		took, err := wakes(ctx, s)
		s.kill()
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		fmt.Printf("| %s | %s | %.1f |\n", k.name, spread(took), percentile(took, 95))
	}
	return crowd(ctx, o)
}

func wakes(ctx context.Context, s *server) ([]float64, error) {
	c := s.sqs(2)
	url, err := queue(ctx, c, "wait")
	if err != nil {
		return nil, err
	}
	var took []float64
	for range waitSamples {
		type answer struct {
			at  time.Time
			err error
		}
		answered := make(chan answer, 1)
		go func() {
			out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
			at := time.Now()
			if err == nil && len(out.Messages) == 0 {
				err = errNothing
			}
			if err == nil {
				_, err = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: out.Messages[0].ReceiptHandle})
			}
			answered <- answer{at, err}
		}()
		time.Sleep(20 * time.Millisecond) // until it waits: no program tells
		began := time.Now()
		if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body}); err != nil {
			return nil, err
		}
		a := <-answered
		if a.err != nil {
			return nil, a.err
		}
		took = append(took, float64(a.at.Sub(began).Microseconds())/1000)
	}
	return took, nil
}

// crowd has many receivers wait for nothing.
func crowd(ctx context.Context, o options) error {
	s, err := start(ctx, tintype(o), filepath.Join(o.dir, "crowd"))
	if err != nil {
		return err
	}
	defer s.kill()
	c := s.sqs(manyWaiting)
	url, err := queue(ctx, c, "crowd")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range manyWaiting {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20}); err != nil && !errors.Is(err, context.Canceled) {
					fmt.Println("a waiting receiver:", err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	time.Sleep(3 * time.Second) // until all wait
	before := s.cpu()
	time.Sleep(waitObserved)
	fmt.Printf("\n%d waiting receivers: %.2f %% of a core, %d MB\n", manyWaiting, 100*(s.cpu()-before).Seconds()/waitObserved.Seconds(), s.memory()>>20)
	return nil
}
