package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// QueueFigures are the work queue's figures. SQS calls its counts approximate. What
// nobody knows is nil, not zero.
type QueueFigures struct {
	Waiting     int64    `json:"waiting"`          // messages that may be received
	InFlight    int64    `json:"inFlight"`         // received and not yet deleted
	Delayed     int64    `json:"delayed"`          // sent, not yet to be received
	DeadLetters int64    `json:"deadLetters"`      // messages in the dead-letter queue
	OldestAge   *float64 `json:"oldestAgeSeconds"` // age of the oldest message
	Workers     *int     `json:"workers"`          // app tier workers running
}

// SQSFigures asks SQS for the counts of a queue and its dead-letter queue ("" where there is
// none). SQS itself tells neither the oldest message's age (CloudWatch does) nor the workers.
func SQSFigures(client *sqs.Client, queueURL, deadLetterURL string) func(ctx context.Context) (QueueFigures, error) {
	return func(ctx context.Context) (QueueFigures, error) {
		var f QueueFigures
		counts, err := queueCounts(ctx, client, queueURL)
		if err != nil {
			return f, err
		}
		f.Waiting, f.InFlight, f.Delayed = counts[0], counts[1], counts[2]
		if deadLetterURL != "" {
			dead, err := queueCounts(ctx, client, deadLetterURL)
			if err != nil {
				return f, err
			}
			f.DeadLetters = dead[0] + dead[1] + dead[2]
		}
		return f, nil
	}
}

// queueCounts are a queue's messages waiting, in flight and delayed.
func queueCounts(ctx context.Context, client *sqs.Client, url string) (counts [3]int64, err error) {
	names := []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return counts, fmt.Errorf("read figures of %s: %w", url, err)
	}
	for i, name := range names {
		if counts[i], err = strconv.ParseInt(out.Attributes[string(name)], 10, 64); err != nil {
			return counts, fmt.Errorf("read figures of %s: %s: %w", url, name, err)
		}
	}
	return counts, nil
}

// rate is how many images were finished in a window, as this instance heard of it;
// every instance hears of all of them.
type rate struct {
	Seconds   int     `json:"seconds"` // the window; shorter in the first minutes after start
	Done      int     `json:"done"`
	Failed    int     `json:"failed"`
	PerMinute float64 `json:"perMinute"` // done and failed together
}

func (s *Server) rateOver(now time.Time, window time.Duration) rate {
	window = min(window, max(now.Sub(s.started).Truncate(time.Second), time.Second))
	r := rate{Seconds: int(window / time.Second)}
	r.Done, r.Failed = s.finished.within(now, window)
	r.PerMinute = float64(r.Done+r.Failed) / window.Minutes()
	return r
}

func (s *Server) handlePipeline(w http.ResponseWriter, r *http.Request) {
	var figures *QueueFigures
	if s.o.Figures != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		f, err := s.o.Figures(ctx)
		if err != nil {
			s.fail(w, r, fmt.Errorf("pipeline: %w", err))
			return
		}
		figures = &f
	}
	now := time.Now()
	s.writeJSON(w, r, http.StatusOK, struct {
		Time      time.Time     `json:"time"`
		Queue     *QueueFigures `json:"queue"` // null where this instance was not told of a queue
		Rates     []rate        `json:"rates"`
		Listeners int           `json:"listeners"` // open event streams of this instance
		Live      bool          `json:"live"`      // whether completion messages can be received
	}{
		now.UTC(), figures,
		[]rate{s.rateOver(now, time.Minute), s.rateOver(now, rateWindow*time.Second)},
		s.hub.count(), s.notifier != nil && s.notifierState() == nil,
	})
}
