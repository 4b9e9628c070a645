package queue

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/outage"
)

// defaultMaxReceives is assumed where the queue does not tell.
const defaultMaxReceives = 5

// learnRedrive asks the queue after how many receives a message goes to its dead-letter
// queue, until it answers or refuses to.
func (e *Engine) learnRedrive(ctx context.Context) {
	for n := 1; ; n++ {
		ask, cancel := context.WithTimeout(ctx, settleTimeout)
		out, err := e.client.GetQueueAttributes(ask, &sqs.GetQueueAttributesInput{QueueUrl: &e.opts.QueueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy}})
		cancel()
		if err == nil {
			n := maxReceives(out.Attributes[string(types.QueueAttributeNameRedrivePolicy)])
			e.mu.Lock()
			e.maxReceives = n
			e.mu.Unlock()
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !outage.Of(err).Load() {
			e.log.Info("the queue does not tell after how many receives it gives a message up", "assumed", defaultMaxReceives, "error", err)
			return
		}
		pause := time.NewTimer(jitter(receiveBackoff, 2, n, receiveBackoffMax))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// maxReceives reads a redrive policy; 0 where messages are never given up. SQS takes and
// gives the number as one or as text.
func maxReceives(policy string) int {
	if policy == "" {
		return 0
	}
	var p struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return defaultMaxReceives
	}
	n, err := strconv.Atoi(strings.Trim(string(p.MaxReceiveCount), `"`))
	if err != nil || n < 1 {
		return defaultMaxReceives
	}
	return n
}
