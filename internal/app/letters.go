package app

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/audit"
)

// letters looks at the messages of a queue and leaves them there.
func (s *survey) letters(url string) audit.Letters {
	return func(ctx context.Context, each func(string)) (unseen int64, err error) {
		client := s.d.clients.SQS
		held := map[string]string{}
		defer func() {
			var batch []types.ChangeMessageVisibilityBatchRequestEntry
			flush := func() {
				if len(batch) > 0 {
					_, _ = client.ChangeMessageVisibilityBatch(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: batch})
				}
				batch = nil
			}
			for _, receipt := range held {
				batch = append(batch, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(len(batch))), ReceiptHandle: aws.String(receipt)})
				if len(batch) == 10 {
					flush()
				}
			}
			flush()
		}()
		for {
			out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: 120})
			if err != nil {
				return 0, unavailable("look at "+url, err)
			}
			fresh := 0
			for _, m := range out.Messages {
				id := aws.ToString(m.MessageId)
				if _, again := held[id]; !again {
					fresh++
					each(aws.ToString(m.Body))
				}
				held[id] = aws.ToString(m.ReceiptHandle)
			}
			if fresh == 0 {
				break
			}
		}
		waiting, inFlight, delayed, err := s.figures(ctx, url)
		return max(waiting+inFlight+delayed-int64(len(held)), 0), err
	}
}
