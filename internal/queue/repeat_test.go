package queue

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/faultproxy"
)

// TestAnAnswerGivenTwiceIsOneLease: answers to receives come a second time, under the same
// receipt handles, while the messages are in work. Each is worked on once and deleted.
func TestAnAnswerGivenTwiceIsOneLease(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		direct := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
		url, _ := direct.queue(t, false)
		const n = 5
		direct.send(t, url, n)
		p := faultproxy.New(t, faultproxy.Options{Target: endpoint})
		p.Set(faultproxy.Rule{Fault: faultproxy.Duplicate, Limit: n})
		f := &live{client: sqs.NewFromConfig(awstest.Config(p.URL))}
		var handled atomic.Int64
		release := make(chan struct{})
		_, stop := f.run(t, url, Options{Slots: 4 * n, Wait: time.Second}, func(context.Context, Message) Outcome {
			handled.Add(1)
			<-release
			return Ack()
		})
		until(t, "the messages are given out twice", func() bool { return p.Given(url) >= 2*n })
		calls := p.Calls("sqs.ReceiveMessage")
		until(t, "the engine has dealt with that and asks again", func() bool { return p.Calls("sqs.ReceiveMessage") > calls })
		close(release)
		until(t, "the queue is empty", func() bool {
			waiting, inFlight := direct.counts(t, url)
			return waiting == "0" && inFlight == "0"
		})
		stop()
		if got := handled.Load(); got != n {
			t.Errorf("%d messages were worked on, want %d", got, n)
		}
	})
}
