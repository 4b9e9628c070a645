package app

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/schollz/progressbar/v3"

	"github.com/tintype/tintype/internal/audit"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// survey is what the commands need that look at all images.
type survey struct {
	d    *deployment
	res  provision.Resources
	book *recipe.Book
	asks *requests
}

func openSurvey(ctx context.Context, cfg config.Config, out IO) (*survey, error) {
	s := &survey{}
	var err error
	if s.book, err = recipes(cfg); err != nil {
		return nil, err
	}
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return nil, err
	}
	// What is not there at the beginning is told at once; patience is for later.
	d, err := openDeployment(cfg, c)
	if err != nil {
		return nil, err
	}
	if s.res, err = provision.Find(ctx, d.clients, d.spec); err != nil {
		return nil, err
	}
	c, s.asks = counted(c)
	s.d, err = openDeployment(cfg, c)
	return s, err
}

// counts asks for the queues' figures.
func (s *survey) counts(ctx context.Context) (c audit.Counts, err error) {
	if c.Waiting, c.InFlight, c.Delayed, err = s.figures(ctx, s.res.QueueURL); err != nil || s.res.DeadLetterQueueURL == "" {
		return c, err
	}
	waiting, inFlight, delayed, err := s.figures(ctx, s.res.DeadLetterQueueURL)
	c.DeadLetters = waiting + inFlight + delayed
	return c, err
}

func (s *survey) figures(ctx context.Context, url string) (waiting, inFlight, delayed int64, err error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := s.d.clients.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return 0, 0, 0, unavailable("read the figures of "+url, err)
	}
	for i, to := range []*int64{&waiting, &inFlight, &delayed} {
		if *to, err = strconv.ParseInt(out.Attributes[string(names[i])], 10, 64); err != nil {
			return 0, 0, 0, fmt.Errorf("read the figures of %s: %s: %w", url, names[i], err)
		}
	}
	return waiting, inFlight, delayed, nil
}

func unavailable(op string, err error) error {
	return &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "the queue did not answer as it should", Err: err}
}

// progress is a bar for people at a terminal; elsewhere it does nothing.
type progress struct {
	mu   sync.Mutex
	bar  *progressbar.ProgressBar // nil: nobody sees it
	stop context.CancelFunc
	done chan struct{}
}

// progress shows how many of all originals under a prefix at has come to. How many
// there are is counted meanwhile, which costs one more request for each thousand.
func (s *survey) progress(ctx context.Context, out IO, prefix, what string, at func() int64) *progress {
	p := &progress{stop: func() {}, done: make(chan struct{})}
	if out.JSON || !isTerminal(out.Err) {
		close(p.done)
		return p
	}
	ctx, p.stop = context.WithCancel(ctx)
	p.bar = progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(out.Err), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true),
	)
	var total atomic.Int64
	go func() {
		n := int64(0)
		for _, err := range s.d.store.Walk(ctx, store.Uploads, prefix, "") {
			if err != nil {
				return // without a total, then
			}
			n++
		}
		total.Store(n)
	}()
	go func() {
		defer close(p.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			p.mu.Lock()
			if n := total.Load(); n > 0 && p.bar.GetMax64() != n {
				p.bar.ChangeMax64(n)
			}
			_ = p.bar.Set64(at())
			p.mu.Unlock()
		}
	}()
	return p
}

// print writes text where the bar is, and lets that go on below it.
func (p *progress) print(w io.Writer, text string) {
	if p.bar == nil {
		fmt.Fprint(w, text)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.bar.Clear()
	fmt.Fprint(w, text)
}

// end takes the bar away.
func (p *progress) end() {
	p.stop()
	<-p.done
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
