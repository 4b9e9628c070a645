package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
)

// promise is what an uploader was told: an image that was acknowledged.
type promise struct {
	width int    // of the original, pixels; 0: not checked
	code  string // of the failure that it must end in; empty: done
}

// ledger is every acknowledged upload by image id. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	promised map[string]promise
	ended    map[string]bool // has a result, as far as somebody looked
	refused  int
}

func newLedger() *ledger {
	return &ledger{promised: map[string]promise{}, ended: map[string]bool{}}
}

func (l *ledger) add(id string, p promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promised[id] = p
}

// refuse counts an upload that was not acknowledged: nothing is promised of it.
func (l *ledger) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.promised)
}

// expectations are what a test knows beyond the invariants.
type expectations struct {
	deadLetters int           // messages in the dead-letter queue; of images that must have no manifest
	dead        []string      // those images' ids
	attempts    int           // most receives that an image may have taken; 0: any number
	patience    time.Duration // for the last image to end; default 3 min
	// events is how many events there were of an object at most, where that is known: an
	// upload that was repeated because its answer was lost is two.
	events func(key string) int
}

// check asserts the promises of the pipeline over everything that was acknowledged: it has
// ended, as it should; no output is torn; no result is missing, told twice as two, or told
// before it was stored; the queue is empty, and the dead-letter queue holds what it must.
func check(t *testing.T, s *system, l *ledger, c *completions, want expectations) {
	t.Helper()
	if want.patience == 0 {
		want.patience = 3 * time.Minute
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	done, failed := 0, 0
	manifests := map[string]*recipe.Manifest{}
	for id, p := range l.promised {
		if slices.Contains(want.dead, id) {
			continue
		}
		var m *recipe.Manifest
		within(t, want.patience, "image "+id+" ends", func() (err error) { m, err = s.manifest(id); return err })
		manifests[id] = m
		if m.Status == recipe.Failed {
			failed++
		} else {
			done++
		}
		checkImage(t, s, id, p, m, want)
	}
	within(t, want.patience, "the queue ImageApp empty", func() error {
		w, f, err := s.depth("ImageApp")
		if err == nil && w+f > 0 {
			err = fmt.Errorf("%d waiting, %d in flight", w, f)
		}
		return err
	})
	within(t, want.patience, "the dead-letter queue as it must be", func() error {
		waiting, inFlight, err := s.depth("ImageApp-dlq")
		if err == nil && waiting+inFlight != want.deadLetters {
			err = fmt.Errorf("%d messages in the dead-letter queue, want %d", waiting+inFlight, want.deadLetters)
		}
		return err
	})
	for _, id := range want.dead {
		if m, err := s.manifest(id); err == nil {
			t.Errorf("%s is in the dead-letter queue and has a result: %s %+v", id, m.Status, m.Error)
		}
	}
	within(t, want.patience, "every result is announced", func() error { return c.missing(manifests) })
	if want.events != nil {
		for id, m := range manifests {
			if got, most := c.results(id), want.events(m.Source.Key); got > most {
				t.Errorf("%s has %d results announced of %d events", id, got, most)
			}
		}
	}
	for _, fault := range c.faults() {
		t.Error(fault)
	}
	auditAll(t, s)
	t.Logf("%d images: %d done, %d failed, %d in the dead-letter queue; %d uploads were refused", len(l.promised), done, failed, len(want.dead), l.refused)
	if done+failed+len(want.dead) != len(l.promised) {
		t.Errorf("the counts do not agree")
	}
}

// auditAll has the program itself look: it lists what is there, where check knows what must be.
func auditAll(t *testing.T, s *system) {
	t.Helper()
	env := s.env
	s.through(s.url)
	defer func() { s.env = env }()
	// The dead-letter queue's messages are needed where they are.
	if out, errs, code := tintype(t, s.env, "audit", "--deep", "--json", "--settle", "1s"); code != 0 {
		t.Errorf("tintype audit: exit %d\n%s%s", code, tailOf(out, 20), errs)
	}
}

// checkImage compares one result with what was promised.
func checkImage(t *testing.T, s *system, id string, p promise, m *recipe.Manifest, want expectations) {
	t.Helper()
	if want.attempts > 0 && m.Attempts > want.attempts {
		t.Errorf("%s took %d attempts, want %d at most", id, m.Attempts, want.attempts)
	}
	if m.Attempts < 1 || m.Timings.Uploaded.IsZero() || m.Timings.Finished.Before(m.Timings.Started) || m.Timings.FetchMS < 0 || m.Timings.ProcessMS < 0 || m.Timings.StoreMS < 0 {
		t.Errorf("%s: figures that make no sense: %d attempts, %+v", id, m.Attempts, m.Timings)
	}
	if p.code != "" {
		if m.Status != recipe.Failed || m.Error == nil || m.Error.Code != p.code {
			t.Errorf("%s: %s %+v, want failed with %s", id, m.Status, m.Error, p.code)
		}
		return
	}
	if m.Status != recipe.Done {
		t.Errorf("%s: %s %+v", id, m.Status, m.Error)
		return
	}
	if p.width > 0 && m.Source.Width != p.width || len(m.Outputs) != 3 {
		t.Errorf("%s: %d px wide with %d outputs, want %d px and 3", id, m.Source.Width, len(m.Outputs), p.width)
	}
	for _, o := range m.Outputs {
		b, err := s.get("tintype-results", o.Key)
		sum := sha256.Sum256(b)
		if err != nil || hex.EncodeToString(sum[:]) != o.SHA256 {
			t.Errorf("%s: output %s is torn or missing (%d bytes, %v)", id, o.Name, len(b), err)
		}
	}
}

// completions hears processingnotification on a queue of the test's own, and looks at each
// manifest at the moment at which its completion arrives.
type completions struct {
	mu     sync.Mutex
	heard  map[string]map[string]int // image id: completion id: how often
	events map[string]string         // image id and sequencer: completion id
	wrong  []string
}

func watchCompletions(t *testing.T, s *system) *completions {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	topics, err := s.sns.ListTopics(ctx, &sns.ListTopicsInput{})
	if err != nil {
		t.Fatal(err)
	}
	topic := ""
	for _, found := range topics.Topics {
		if strings.HasSuffix(aws.ToString(found.TopicArn), ":processingnotification") {
			topic = *found.TopicArn
		}
	}
	queue := strings.NewReplacer(":sns:", ":sqs:", ":processingnotification", ":watcher").Replace(topic)
	q, err := s.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("watcher"), Attributes: map[string]string{"Policy": fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":%q,"Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, queue, topic)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"RawMessageDelivery": "true"}}); err != nil {
		t.Fatal(err)
	}
	c := &completions{heard: map[string]map[string]int{}, events: map[string]string{}}
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
				c.take(ctx, s, m)
				s.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: m.ReceiptHandle})
			}
		}
	}()
	return c
}

func (c *completions) take(ctx context.Context, s *system, msg sqstypes.Message) {
	done, err := event.DecodeCompletion([]byte(aws.ToString(msg.Body)))
	if err != nil {
		c.fault("a completion that cannot be read: %v: %.300s", err, aws.ToString(msg.Body))
		return
	}
	// An endpoint that is being killed does not answer; ask until it does.
	m, err := s.manifest(done.ImageID)
	for err != nil && !isNotFound(err) && ctx.Err() == nil {
		m, err = s.manifest(done.ImageID)
	}
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		c.fault("%s was announced before its manifest was stored", done.ImageID)
	case event.NewCompletion(m).ID != done.ID && !event.Later(m.Source.Sequencer, done.Manifest.Source.Sequencer):
		c.fault("%s was announced with a result that is not stored: announced %s of event %s, stored %s of event %s", done.ImageID,
			done.Manifest.Status, done.Manifest.Source.Sequencer, m.Status, m.Source.Sequencer)
	case m.Status == recipe.Done && event.NewCompletion(m).ID == done.ID:
		for _, o := range m.Outputs {
			if _, err := s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("tintype-results"), Key: &o.Key}); isNotFound(err) {
				c.fault("%s was announced before its output %s was stored", done.ImageID, o.Name)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard[done.ImageID] == nil {
		c.heard[done.ImageID] = map[string]int{}
	}
	c.heard[done.ImageID][done.ID]++
	// One event has one result, however often and by whomever it was worked on.
	if at := done.Manifest.Source.Sequencer; at != "" {
		of := done.ImageID + " " + at
		if known, ok := c.events[of]; ok && known != done.ID {
			c.wrong = append(c.wrong, fmt.Sprintf("%s: two results of one event (%s) are announced", done.ImageID, at))
		}
		c.events[of] = done.ID
	}
}

func (c *completions) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// faults are what was wrong with the announcements.
func (c *completions) faults() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.wrong)
}

// missing reports whether a consumer that drops by id has the result of every image.
func (c *completions) missing(want map[string]*recipe.Manifest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, example := 0, ""
	for id, m := range want {
		if c.heard[id][event.NewCompletion(m).ID] == 0 {
			n++
			example = id
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d not announced, %s for one", n, len(want), example)
	}
	return nil
}

// results is how many different results of an image were announced.
func (c *completions) results(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heard[id])
}
