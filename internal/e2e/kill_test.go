package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// TestKills uploads while every process is killed with SIGKILL, again and again, and
// then counts: each acknowledged upload ends as done, no output is torn, and nothing
// is announced before its manifest is stored.
func TestKills(t *testing.T) {
	t.Parallel()
	kills(t, 80, 6)
}

// kills uploads n images during the given number of rounds, in each of which one
// process is killed and started again.
func kills(t *testing.T, n, rounds int) {
	s := newSystem(t)
	tiers := []func() *process{func() *process { return s.startEndpoint() }, func() *process { return s.startApp() }, func() *process { return s.startWeb() }}
	running := make([]*process, len(tiers))
	running[0] = tiers[0]()
	s.provision()
	announced := watchCompletions(t, s)
	running[1], running[2] = tiers[1](), tiers[2]()

	var mu sync.Mutex
	acknowledged := map[string]int{} // id: width of the original
	var refused, sent atomic.Int64
	var wg sync.WaitGroup
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }
	for range 3 {
		wg.Go(func() {
			for t.Context().Err() == nil && count() < n {
				i := int(sent.Add(1))
				width := 100 + i%400
				body := testimages.JPEG(width, 80)
				id := ""
				if i%2 == 0 {
					// Through S3, as any other program would.
					key := fmt.Sprintf("outside/%d.jpg", i)
					if s.put(key, body, nil) == nil {
						id = store.IDForKey(key)
					}
				} else if b, contentType := form(t, nil, "in.jpg", body); true {
					resp, err := http.Post(s.web()+"/api/images", contentType, b)
					if err == nil {
						if resp.StatusCode == http.StatusAccepted {
							id = resp.Header.Get("Location")[len("/api/images/"):]
						}
						resp.Body.Close()
					}
				}
				if id == "" {
					refused.Add(1) // another takes its place
					continue
				}
				mu.Lock()
				acknowledged[id] = width
				mu.Unlock()
			}
		})
	}
	for round := range rounds {
		// Kill in the middle of things: after some further uploads, not after some time.
		target := min(n, (round+1)*n/(rounds+1))
		within(t, 3*time.Minute, "uploads go on", func() error {
			if c := count(); c < target {
				return fmt.Errorf("%d of %d", c, target)
			}
			return nil
		})
		victim := round % len(running)
		if round >= len(running) {
			victim = rand.IntN(len(running))
		}
		running[victim].kill()
		running[victim] = tiers[victim]()
	}
	wg.Wait()
	t.Logf("%d uploads acknowledged, %d refused or cut off", count(), refused.Load())

	for id, width := range acknowledged {
		var m *recipe.Manifest
		within(t, 3*time.Minute, "image "+id+" ends", func() (err error) { m, err = s.manifest(id); return err })
		if m.Status != recipe.Done {
			t.Errorf("%s: %s %+v", id, m.Status, m.Error)
			continue
		}
		if m.Source.Width != width || len(m.Outputs) != 3 {
			t.Errorf("%s: %d px wide with %d outputs, want %d px and 3", id, m.Source.Width, len(m.Outputs), width)
		}
		for _, o := range m.Outputs {
			b, err := s.get("tintype-results", o.Key)
			sum := sha256.Sum256(b)
			if err != nil || hex.EncodeToString(sum[:]) != o.SHA256 {
				t.Errorf("%s: output %s is torn or missing (%d bytes, %v)", id, o.Name, len(b), err)
			}
		}
	}
	s.drained("ImageApp")
	if waiting, _, err := s.depth("ImageApp-dlq"); err != nil || waiting != 0 {
		t.Errorf("%d messages in the dead-letter queue, %v", waiting, err)
	}
	within(t, 3*time.Minute, "every image is announced", func() error { return announced.missing(acknowledged) })
	if early := announced.early(); len(early) > 0 {
		t.Errorf("announced before their manifests: %v", early)
	}
}

// completions hears processingnotification on a queue of the test's own.
type completions struct {
	mu     sync.Mutex
	heard  map[string]bool
	before []string // ids announced when there was no manifest
}

func watchCompletions(t *testing.T, s *system) *completions {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	topic := "arn:aws:sns:us-east-1:000000000000:processingnotification"
	queue := "arn:aws:sqs:us-east-1:000000000000:watcher"
	q, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("watcher"), Attributes: map[string]string{"Policy": fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, queue, topic)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"RawMessageDelivery": "true"}}); err != nil {
		t.Fatal(err)
	}
	c := &completions{heard: map[string]bool{}}
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 5, MaxNumberOfMessages: 10})
			if err != nil {
				continue // the endpoint is being killed; the SDK has paced its retries
			}
			for _, m := range out.Messages {
				c.take(s, m)
				s.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: m.ReceiptHandle})
			}
		}
	}()
	return c
}

func (c *completions) take(s *system, m sqstypes.Message) {
	done, err := event.DecodeCompletion([]byte(aws.ToString(m.Body)))
	if err != nil {
		return
	}
	// An endpoint that is being killed does not answer; ask until it does.
	_, err = s.manifest(done.ImageID)
	for tries := 0; err != nil && !isNotFound(err) && tries < 100; tries++ {
		_, err = s.manifest(done.ImageID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[done.ImageID] = true
	if err != nil && isNotFound(err) {
		c.before = append(c.before, done.ImageID)
	}
}

func (c *completions) missing(want map[string]int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for id := range want {
		if !c.heard[id] {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d not announced", n, len(want))
	}
	return nil
}

func (c *completions) early() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.before
}
