package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"
)

// slotsRow is an app process with so many messages in work at once, with AWS's latencies
// between it and the endpoint.
type slotsRow struct {
	Slots   int      `json:"slots"`
	Samples []sample `json:"samples"`
}

// awsDelays are what AWS's services take longer than the endpoint, as bench/scale/aws.json
// assumes them.
func awsDelays() map[string]time.Duration {
	const ms = time.Millisecond
	return map[string]time.Duration{"S3 PUT": 40 * ms, "S3 GET": 20 * ms, "S3 HEAD": 20 * ms, "SNS Publish": 15 * ms,
		"SQS ReceiveMessage": 10 * ms, "SQS DeleteMessageBatch": 10 * ms}
}

// slots measures how many messages must be in work at once so that latencies leave no core
// idle. Small pictures: with them latency weighs most.
func slots(ctx context.Context, b *bench) error {
	body, err := picture(b.o.photos, b.o.megapixels[0])
	if err != nil {
		return err
	}
	r, err := newRig(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	defer func(n int) { b.o.slots = n }(b.o.slots)
	w := runtime.NumCPU()
	rows := []slotsRow{{Slots: 2*w + 2}, {Slots: 4*w + 4}, {Slots: 6*w + 4}}
	proxy, err := newProxy(r.url, awsDelays())
	if err != nil {
		return err
	}
	defer proxy.close()
	for range b.o.rounds {
		for i := range rows {
			b.o.slots = rows[i].Slots
			if err := r.fill(ctx, body, warm+b.o.images+2*b.o.slots); err != nil {
				return err
			}
			s, err := r.turn(ctx, ours, proxy.url, 1)
			if err != nil {
				return fmt.Errorf("%d slots: %w", b.o.slots, err)
			}
			rows[i].Samples = append(rows[i].Samples, s)
		}
	}
	b.out.Slots = rows
	b.out.printSlots(os.Stdout)
	return nil
}
