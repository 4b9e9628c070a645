package sqs

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// BenchmarkSendReceiveDelete measures whole lives of messages (sent, received and
// deleted in batches of ten by eight clients) beside a backlog that stays as large as
// it is, through the service's own methods: store and queue without HTTP and SDK.
// TINTYPE_BENCH_BACKLOG adds one backlog to the two, such as 1000000.
func BenchmarkSendReceiveDelete(b *testing.B) {
	backlogs := []int{1_000, 100_000}
	if n, err := strconv.Atoi(os.Getenv("TINTYPE_BENCH_BACKLOG")); err == nil {
		backlogs = append(backlogs, n)
	}
	for _, backlog := range backlogs {
		b.Run(fmt.Sprint("backlog=", backlog), func(b *testing.B) { benchmark(b, backlog) })
	}
}

const benchClients = 8

func benchmark(b *testing.B, backlog int) {
	s, _ := open(b, b.TempDir(), Options{})
	ctx := context.Background()
	all := &wire.Request{BaseURL: "http://x", Present: func(m string) bool { return !strings.HasSuffix(m, "DelaySeconds") && m != "WaitTimeSeconds" }}
	q, err := s.createQueue(ctx, all, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		b.Fatal(err)
	}
	url := q.QueueUrl
	body := strings.Repeat("x", 1024)
	sendTen := func() error {
		in := &sqs.SendMessageBatchInput{QueueUrl: url}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &body})
		}
		_, err := s.sendMessageBatch(ctx, all, in)
		return err
	}
	parallel(b, backlog/10, sendTen)
	b.ResetTimer()
	parallel(b, (b.N+9)/10, func() error {
		if err := sendTen(); err != nil {
			return err
		}
		out, err := s.receiveMessage(ctx, all, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			return err
		}
		in := &sqs.DeleteMessageBatchInput{QueueUrl: url}
		for i, m := range out.Messages {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		_, err = s.deleteMessageBatch(ctx, all, in)
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// parallel calls f n times from benchClients goroutines.
func parallel(b *testing.B, n int, f func() error) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range benchClients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
