package queue

import "time"

const (
	// ageReceives is how many receives OldestAge looks back on.
	ageReceives = 8
	// ageCounts is how often a message may have been received to count.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
	ageCounts = 3
)

// ages remembers how old the messages of the last receives were; guarded by Engine.mu.
type ages struct {
	last [ageReceives]time.Duration
	next int
}

// note takes in what a poll has brought. An empty one means that nothing waits.
func (a *ages) note(leases []*lease) {
	if len(leases) == 0 {
		*a = ages{}
		return
	}
	oldest := time.Duration(0)
	for _, l := range leases {
		if m := l.msg; !m.SentAt.IsZero() && m.ReceiveCount <= ageCounts {
			oldest = max(oldest, m.ReceivedAt.Sub(m.SentAt))
		}
	}
	a.last[a.next%ageReceives] = oldest
	a.next++
}

func (a *ages) oldest() time.Duration {
	oldest := time.Duration(0)
	for _, d := range a.last {
		oldest = max(oldest, d)
	}
	return oldest
}
