package queue

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// maxSend is the most bytes in one request: SQS's limit, as it was for long.
	maxSend = 256 << 10
	// takeTimeout bounds one request and the SDK's repeats of it.
	takeTimeout = 20 * time.Second
	// deleteTries is how often deleting what was sent is tried: what stays would be sent twice.
	deleteTries = 4
)

// sendBack sends messages to the queue that they came from, and deletes those that it took.
func (d *DeadLetters) sendBack(ctx context.Context, letters []Letter) (done []Letter, err error) {
	var errs []error
	for _, part := range bySize(letters) {
		sent, err := d.send(ctx, part)
		errs = append(errs, err)
		if len(sent) == 0 {
			continue
		}
		gone, err := deleteLetters(ctx, d.Client, d.URL, sent)
		errs = append(errs, err)
		done = append(done, gone...)
	}
	return done, errors.Join(errs...)
}

// bySize parts letters so that no part exceeds what one request may carry.
func bySize(letters []Letter) (parts [][]Letter) {
	var part []Letter
	bytes := 0
	for _, m := range letters {
		n := m.size()
		if len(part) > 0 && bytes+n > maxSend {
			parts, part, bytes = append(parts, part), nil, 0
		}
		part, bytes = append(part, m), bytes+n
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// size is what SQS counts of a message: the body and the attributes.
func (m *Letter) size() int {
	n := len(m.Body)
	for name, v := range m.Attributes {
		n += len(name) + len(aws.ToString(v.DataType)) + len(aws.ToString(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

// send sends what fits in one request and returns what the queue has taken.
func (d *DeadLetters) send(ctx context.Context, letters []Letter) (sent []Letter, err error) {
	entries := make([]types.SendMessageBatchRequestEntry, len(letters))
	for i, m := range letters {
		e := types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(m.Body), MessageAttributes: m.Attributes}
		if m.TraceHeader != "" {
			e.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
				string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: aws.String(m.TraceHeader)},
			}
		}
		if m.GroupID != "" {
			e.MessageGroupId = aws.String(m.GroupID)
		}
		if isFIFO(d.SourceURL) {
			// Its own would be taken for a repetition, for five minutes, and swallowed.
			e.MessageDeduplicationId = aws.String(m.ID)
		}
		entries[i] = e
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	out, err := d.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &d.SourceURL, Entries: entries})
	if err != nil {
		return nil, partly("send back", len(letters), err)
	}
	for _, ok := range out.Successful {
		if i := index(ok.Id, len(letters)); i >= 0 {
			m := letters[i]
			m.SentAs = aws.ToString(ok.MessageId)
			sent = append(sent, m)
		}
	}
	if len(out.Failed) > 0 {
		err = partly("send back", len(out.Failed), batchError(out.Failed[0]))
	}
	return sent, err
}

// deleteLetters deletes up to ten messages, trying again what fails, and returns those that
// are gone.
func deleteLetters(ctx context.Context, client *sqs.Client, url string, letters []Letter) (gone []Letter, err error) {
	left := letters
	for try := 1; ; try++ {
		left, err = deleteOnce(ctx, client, url, left, &gone)
		if len(left) == 0 {
			return gone, nil
		}
		if try == deleteTries {
			return gone, partly("delete", len(left), err)
		}
		time.Sleep(jitter(deleteBackoff, 2, try, deleteBackoffMax))
	}
}

func deleteOnce(ctx context.Context, client *sqs.Client, url string, letters []Letter, done *[]Letter) (left []Letter, err error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(letters))
	for i := range letters {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(letters[i].receipt)}
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	out, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return letters, err
	}
	for _, ok := range out.Successful {
		if i := index(ok.Id, len(letters)); i >= 0 {
			*done = append(*done, letters[i])
		}
	}
	for _, f := range out.Failed {
		if i := index(f.Id, len(letters)); i >= 0 {
			left, err = append(left, letters[i]), batchError(f)
		}
	}
	return left, err
}

// index is the place in a batch that an answer's id speaks of, or -1.
func index(id *string, n int) int {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= n {
		return -1
	}
	return i
}
