package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/awstest"
)

func TestDeadLettersOnRealEndpoint(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		f := &live{client: sqs.NewFromConfig(awstest.Config(endpoint))}
		for name, test := range map[string]func(*testing.T){
			"LookLeavesEverything":   f.lookLeavesEverything,
			"LookEndsEarly":          f.lookEndsEarly,
			"TwoLook":                f.twoLook,
			"RedriveSome":            f.redriveSome,
			"RedriveAllEnds":         f.redriveAllEnds,
			"RedriveKeepsAttributes": f.redriveKeepsAttributes,
			"RedriveIsInterrupted":   f.redriveIsInterrupted,
			"Drop":                   f.drop,
			"DryRun":                 f.dryRun,
			"LargeMessages":          f.largeMessages,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // mostly they wait for polls of an empty queue
				test(t)
			})
		}
	})
}

// dead makes a dead-letter queue with n messages, and the empty queue that they go back to.
func (f *live) dead(t *testing.T, n int) *DeadLetters {
	t.Helper()
	source, url := f.queue(t, true)
	f.send(t, url, n)
	return &DeadLetters{Client: f.client, URL: url, SourceURL: source}
}

// expect checks how many messages wait in a queue, and that nobody holds any.
func (f *live) expect(t *testing.T, url string, want int) {
	t.Helper()
	if w, in := f.counts(t, url); w != fmt.Sprint(want) || in != "0" {
		t.Errorf("%s: %s messages wait and %s are held, want %d and none", url[strings.LastIndex(url, "/")+1:], w, in, want)
	}
}

// ids looks at a queue and returns the ids in the order of the bodies' numbers.
func (f *live) ids(t *testing.T, url string) []string {
	t.Helper()
	var ids []string
	for m, err := range NewLook(f.client, url, LookOptions{}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	return ids
}

func (f *live) lookLeavesEverything(t *testing.T) {
	d := f.dead(t, 37)
	for round := 1; round <= 2; round++ {
		seen := map[string]bool{}
		look := d.Look(LookOptions{})
		for m, err := range look.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if m.ReceiveCount != round || m.ID == "" || m.SentAt.IsZero() || seen[m.Body] {
				t.Errorf("round %d: %+v", round, m)
			}
			seen[m.Body] = true
		}
		if len(seen) != 37 || look.Depth() != 37 || look.Elsewhere() != 0 {
			t.Errorf("saw %d of 37; depth %d, elsewhere %d", len(seen), look.Depth(), look.Elsewhere())
		}
		f.expect(t, d.URL, 37)
	}
}

func (f *live) lookEndsEarly(t *testing.T) {
	d := f.dead(t, 25)
	for range d.Look(LookOptions{}).All(t.Context()) {
		break
	}
	f.expect(t, d.URL, 25)
	n := 0
	for range d.Look(LookOptions{Limit: 12}).All(t.Context()) {
		n++
	}
	if n != 12 {
		t.Errorf("with a limit of 12: %d", n)
	}
	f.expect(t, d.URL, 25)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stopped := errors.New("stopped")
	var last error
	n = 0
	for _, err := range d.Look(LookOptions{}).All(ctx) {
		if n++; n == 3 {
			cancel(stopped)
		}
		last = err
	}
	if n != 11 || !errors.Is(last, stopped) {
		t.Errorf("when it was stopped: %d messages, %v", n, last)
	}
	f.expect(t, d.URL, 25)
	for _, err := range NewLook(f.client, d.URL+"-none", LookOptions{}).All(t.Context()) {
		var missing *types.QueueDoesNotExist
		if !errors.As(err, &missing) {
			t.Errorf("a queue that is not there: %v", err)
		}
	}
}

// twoLook: who looks while another does waits for what that one holds.
func (f *live) twoLook(t *testing.T) {
	d := f.dead(t, 45)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			n := 0
			look := d.Look(LookOptions{Patience: 30 * time.Second})
			for _, err := range look.All(t.Context()) {
				if err != nil {
					t.Error(err)
					return
				}
				n++
			}
			if n != 45 || look.Elsewhere() != 0 {
				t.Errorf("saw %d, and %d elsewhere; want all 45", n, look.Elsewhere())
			}
		})
	}
	wg.Wait()
	f.expect(t, d.URL, 45)
	// Nobody gives these back: the look ends all the same, and says that there are more.
	if _, err := f.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &d.URL, MaxNumberOfMessages: 10, VisibilityTimeout: 600}); err != nil {
		t.Fatal(err)
	}
	look := d.Look(LookOptions{Patience: 10 * time.Millisecond})
	n := 0
	for range look.All(t.Context()) {
		n++
	}
	if n != 35 || look.Elsewhere() != 10 {
		t.Errorf("saw %d, %d elsewhere; want 35 and 10", n, look.Elsewhere())
	}
}

func (f *live) redriveSome(t *testing.T) {
	d := f.dead(t, 30)
	ids := f.ids(t, d.URL)
	var taken []Letter
	got, err := d.Redrive(t.Context(), Selection{IDs: []string{ids[3], "nobody", ids[29], ids[3]}, Taken: func(l []Letter) { taken = append(taken, l...) }})
	if err != nil || got.Done != 2 || len(got.Missing) != 1 || got.Missing[0] != "nobody" || got.Elsewhere != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.expect(t, d.URL, 28)
	f.expect(t, d.SourceURL, 2)
	back := map[string]string{}
	for m := range NewLook(f.client, d.SourceURL, LookOptions{}).All(t.Context()) {
		back[m.ID] = m.Body
	}
	for _, m := range taken {
		if m.SentAs == m.ID || back[m.SentAs] != m.Body {
			t.Errorf("%s came back as %q with body %q, want %q", m.ID, m.SentAs, back[m.SentAs], m.Body)
		}
	}
	for _, bad := range []Selection{{}, {All: true, IDs: []string{"a"}}, {All: true, Rate: -1}} {
		if _, err := d.Redrive(t.Context(), bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	none := &DeadLetters{Client: f.client, URL: d.URL, SourceURL: d.SourceURL + "-none"}
	if got, err := none.Redrive(t.Context(), Selection{All: true}); err == nil || got.Done != 0 {
		t.Errorf("without the queue to go back to: %+v, %v", got, err)
	}
	f.expect(t, d.URL, 28)
}

// redriveAllEnds: what is sent back fails again at once and lands in the dead-letter queue
// while the redrive goes on; and other messages die meanwhile.
func (f *live) redriveAllEnds(t *testing.T) {
	const n = 57
	d := f.dead(t, n)
	var moved atomic.Int64
	_, stop := f.run(t, d.SourceURL, Options{Slots: 20}, func(ctx context.Context, m Message) Outcome {
		if m.ReceiveCount == 2 {
			moved.Add(1)
		}
		return Retry(time.Nanosecond) // a second, which is the least
	})
	got, err := d.Redrive(t.Context(), Selection{All: true, Rate: 10, Taken: func(l []Letter) {
		seen := moved.Load()
		until(t, "some of it fails again meanwhile", func() bool { return seen > 0 || moved.Load() > 0 })
	}})
	if err != nil || got.Done != n || len(got.Missing) != 0 {
		t.Errorf("%+v, %v; want %d", got, err, n)
	}
	until(t, "all of it has failed again", func() bool { w, in := f.counts(t, d.URL); return w == fmt.Sprint(n) && in == "0" })
	stop()
}

func (f *live) redriveKeepsAttributes(t *testing.T) {
	d := f.dead(t, 0)
	attrs := map[string]types.MessageAttributeValue{
		"text": {DataType: aws.String("String"), StringValue: aws.String("ünï")}, "number": {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
		"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
	}
	if _, err := f.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &d.URL, MessageBody: aws.String("\t<body>\n"), MessageAttributes: attrs}); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Redrive(t.Context(), Selection{All: true}); err != nil || got.Done != 1 {
		t.Fatal(got, err)
	}
	for m, err := range NewLook(f.client, d.SourceURL, LookOptions{}).All(t.Context()) {
		if err != nil || m.Body != "\t<body>\n" || len(m.Attributes) != 3 || m.ReceiveCount != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		for name, want := range attrs {
			got := m.Attributes[name]
			if aws.ToString(got.DataType) != *want.DataType || aws.ToString(got.StringValue) != aws.ToString(want.StringValue) || string(got.BinaryValue) != string(want.BinaryValue) {
				t.Errorf("%s is %+v, want %+v", name, got, want)
			}
		}
	}
}

func (f *live) redriveIsInterrupted(t *testing.T) {
	d := f.dead(t, 40)
	ctx, cancel := context.WithCancel(t.Context())
	got, err := d.Redrive(ctx, Selection{All: true, Taken: func([]Letter) { cancel() }})
	if !errors.Is(err, context.Canceled) || got.Done == 0 || got.Done > 10 {
		t.Errorf("%+v, %v", got, err)
	}
	f.expect(t, d.SourceURL, got.Done)
	f.expect(t, d.URL, 40-got.Done)
	if got, err = d.Redrive(t.Context(), Selection{All: true, Limit: 15}); err != nil || got.Done != 15 || !got.More {
		t.Errorf("with a limit: %+v, %v", got, err)
	}
}

func (f *live) drop(t *testing.T) {
	d := f.dead(t, 23)
	ids := f.ids(t, d.URL)
	bodies := map[string]bool{}
	note := func(l []Letter) {
		for _, m := range l {
			bodies[m.Body] = true
		}
	}
	if got, err := d.Drop(t.Context(), Selection{IDs: ids[20:], Taken: note}); err != nil || got.Done != 3 || len(got.Missing) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.expect(t, d.URL, 20)
	if got, err := d.Drop(t.Context(), Selection{All: true, Taken: note}); err != nil || got.Done != 20 || len(bodies) != 23 {
		t.Errorf("%+v, %v; %d bodies", got, err, len(bodies))
	}
	if got, err := d.Drop(t.Context(), Selection{All: true}); err != nil || got.Done != 0 {
		t.Errorf("of an empty queue: %+v, %v", got, err)
	}
	f.expect(t, d.URL, 0)
	f.expect(t, d.SourceURL, 0)
}

func (f *live) dryRun(t *testing.T) {
	d := f.dead(t, 12)
	n, total := 0, int64(0)
	got, err := d.Redrive(t.Context(), Selection{All: true, DryRun: true, Taken: func(l []Letter) { n += len(l) }, Total: func(n int64) { total = n }})
	if err != nil || got.Done != 12 || n != 12 || total != 12 {
		t.Errorf("%+v, %v; told of %d of %d", got, err, n, total)
	}
	f.expect(t, d.URL, 12)
	f.expect(t, d.SourceURL, 0)
}

// largeMessages do not fit into one request together.
func (f *live) largeMessages(t *testing.T) {
	d := f.dead(t, 0)
	for range 5 {
		if _, err := f.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &d.URL, MessageBody: aws.String(strings.Repeat("x", 100<<10))}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Redrive(t.Context(), Selection{All: true}); err != nil || got.Done != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	f.expect(t, d.SourceURL, 5)
}

// TestDeepDeadLetterQueue counts the requests that many dead letters cost.
func TestDeepDeadLetterQueue(t *testing.T) {
	t.Parallel()
	const n = 2_000 // the requests grow with it; more only takes longer
	awstest.Each(t, func(t *testing.T, endpoint string) {
		if !strings.HasSuffix(t.Name(), "embedded") || testing.Short() {
			t.Skip("one endpoint suffices to count requests")
		}
		var requests atomic.Int64
		cfg := awstest.Config(endpoint)
		cfg.APIOptions = append(cfg.APIOptions, func(s *middleware.Stack) error {
			return s.Finalize.Add(middleware.FinalizeMiddlewareFunc("count", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				requests.Add(1)
				return next.HandleFinalize(ctx, in)
			}), middleware.After)
		})
		f := &live{client: sqs.NewFromConfig(cfg)}
		d := f.dead(t, n)
		count := func(what string, limit int64, do func()) {
			t.Helper()
			before, began := requests.Load(), time.Now()
			do()
			used := requests.Load() - before
			t.Logf("%s: %d requests, %v", what, used, time.Since(began).Round(time.Millisecond))
			if used > limit {
				t.Errorf("%s: %d requests, at most %d were expected", what, used, limit)
			}
		}
		var ids []string
		count("a look at all", 2*n/10+10, func() { ids = f.ids(t, d.URL) })
		if len(ids) != n {
			t.Fatalf("saw %d", len(ids))
		}
		f.expect(t, d.URL, n)
		count("a look at the first 50", 20, func() {
			for range d.Look(LookOptions{Limit: 50}).All(t.Context()) {
			}
		})
		count("one that is not there", 2*n/10+10, func() {
			if got, err := d.Drop(t.Context(), Selection{IDs: []string{"nobody"}}); err != nil || len(got.Missing) != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
		f.expect(t, d.URL, n)
		count("sending all back", 3*n/10+10, func() {
			if got, err := d.Redrive(t.Context(), Selection{All: true}); err != nil || got.Done != n {
				t.Errorf("%+v, %v", got, err)
			}
		})
		f.expect(t, d.URL, 0)
		f.expect(t, d.SourceURL, n)
	})
}
