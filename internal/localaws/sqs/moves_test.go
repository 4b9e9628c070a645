package sqs

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

const arnPrefix = "arn:aws:sqs:us-east-1:000000000000:"

// running runs the service's background work until stop is called or the test ends.
func running(t testing.TB, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// pipe makes a queue whose messages die after one receive, and its dead-letter queue.
func pipe(t testing.TB, c *sqs.Client, name, dlq string) (url, dead string) {
	t.Helper()
	dead = create(t, c, dlq, nil)
	return create(t, c, name, map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"` + arnPrefix + dlq + `","maxReceiveCount":1}`}), dead
}

// kill makes messages dead letters.
func kill(t testing.TB, c *sqs.Client, url string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		send(t, c, url, b)
	}
	for range 100 {
		if len(receive(t, c, url, 0)) == 0 {
			return
		}
	}
	t.Fatal("they do not die")
}

func startMove(t testing.TB, c *sqs.Client, source, destination string, rate int32) (handle string) {
	t.Helper()
	in := &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arnPrefix + source)}
	if destination != "" {
		in.DestinationArn = aws.String(arnPrefix + destination)
	}
	if rate > 0 {
		in.MaxNumberOfMessagesPerSecond = &rate
	}
	out, err := c.StartMessageMoveTask(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.TaskHandle
}

func listMoves(t testing.TB, c *sqs.Client, source string, n int32) []types.ListMessageMoveTasksResultEntry {
	t.Helper()
	in := &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(arnPrefix + source)}
	if n > 0 {
		in.MaxResults = &n
	}
	out, err := c.ListMessageMoveTasks(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Results
}

func bodiesOf(ms []types.Message) (out []string) {
	for _, m := range ms {
		out = append(out, *m.Body)
	}
	slices.Sort(out)
	return out
}

func TestDeadLettersGoBackToTheirSources(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		stop := running(t, s)
		defer stop()
		a, dead := pipe(t, c, "a", "dlq")
		b, _ := pipe(t, c, "b", "dlq")
		kill(t, c, a, "a1", "a2")
		kill(t, c, b, "b1")
		peeked, err := s.Peek(t.Context(), "dlq", PeekQuery{Limit: 10})
		if err != nil || len(peeked) != 3 {
			t.Fatal(peeked, err)
		}
		wantCounts(t, c, dead, "3", "0", "0")
		time.Sleep(time.Minute)
		handle := startMove(t, c, "dlq", "", 0)
		if raw, err := base64.StdEncoding.DecodeString(handle); err != nil || !strings.Contains(string(raw), `"sourceArn":"`+arnPrefix+`dlq"`) {
			t.Errorf("handle = %s", raw)
		}
		synctest.Wait()
		wantCounts(t, c, dead, "0", "0", "0")
		l := listMoves(t, c, "dlq", 0)
		if len(l) != 1 || *l[0].Status != "COMPLETED" || l[0].ApproximateNumberOfMessagesMoved != 3 || *l[0].ApproximateNumberOfMessagesToMove != 3 ||
			l[0].TaskHandle != nil || l[0].DestinationArn != nil || l[0].MaxNumberOfMessagesPerSecond != nil || l[0].StartedTimestamp != time.Now().UnixMilli() {
			t.Errorf("tasks = %+v", l)
		}
		got := receive(t, c, a, 0)
		if !slices.Equal(bodiesOf(got), []string{"a1", "a2"}) {
			t.Errorf("a has %q", bodiesOf(got))
		}
		// They are new messages, as AWS has it.
		for _, m := range got {
			if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SentTimestamp"] != fmt.Sprint(time.Now().UnixMilli()) || m.Attributes["DeadLetterQueueSourceArn"] != "" {
				t.Errorf("message = %+v", m)
			}
		}
		if slices.ContainsFunc(peeked, func(p MessageView) bool { return p.ID == *got[0].MessageId }) {
			t.Error("the id was kept")
		}
		if got := receive(t, c, b, 0); !slices.Equal(bodiesOf(got), []string{"b1"}) {
			t.Errorf("b has %q", bodiesOf(got))
		}
		stock(t, d) // bodies and messages agree
		// What was sent to the dead-letter queue itself has no source.
		send(t, c, dead, "x")
		startMove(t, c, "dlq", "", 0)
		synctest.Wait()
		if l := listMoves(t, c, "dlq", 10); len(l) != 2 || *l[0].Status != "FAILED" || *l[0].FailureReason != "CouldNotDetermineMessageSource" || *l[1].Status != "COMPLETED" {
			t.Errorf("tasks = %+v", l)
		}
	})
}

func TestMovesKeepTheirRateAndCanBeCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		stop := running(t, s)
		defer stop()
		url, dead := pipe(t, c, "q", "dlq")
		to := create(t, c, "to", nil)
		var all []string
		for i := range 10 {
			all = append(all, fmt.Sprint(i))
		}
		kill(t, c, url, all...)
		handle := startMove(t, c, "dlq", "to", 1)
		_, err := c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arnPrefix + "dlq")})
		wantCode(t, err, "InvalidParameterValue")
		time.Sleep(2500 * time.Millisecond)
		wantCounts(t, c, to, "3", "0", "0")
		if l := listMoves(t, c, "dlq", 0); *l[0].Status != "RUNNING" || *l[0].TaskHandle != handle || *l[0].MaxNumberOfMessagesPerSecond != 1 || *l[0].DestinationArn != arnPrefix+"to" {
			t.Errorf("tasks = %+v", l)
		}
		cancel, err := c.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		if err != nil || cancel.ApproximateNumberOfMessagesMoved != 3 {
			t.Errorf("%+v %v", cancel, err)
		}
		synctest.Wait()
		if l := listMoves(t, c, "dlq", 0); *l[0].Status != "CANCELLED" || l[0].ApproximateNumberOfMessagesMoved != 3 || l[0].TaskHandle != nil {
			t.Errorf("tasks = %+v", l)
		}
		wantCounts(t, c, dead, "7", "0", "0")
		_, err = c.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		wantCode(t, err, "AWS.SimpleQueueService.UnsupportedOperation")
		// What is in flight stays; a destination that goes away ends the task.
		if _, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &dead, MaxNumberOfMessages: 2}); err != nil {
			t.Fatal(err)
		}
		startMove(t, c, "dlq", "to", 1)
		time.Sleep(500 * time.Millisecond)
		if _, err := c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &to}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		l := listMoves(t, c, "dlq", 0)
		if *l[0].Status != "FAILED" || *l[0].FailureReason != "AWS.SimpleQueueService.NonExistentQueue" || *l[0].ApproximateNumberOfMessagesToMove != 5 || l[0].ApproximateNumberOfMessagesMoved != 1 {
			t.Errorf("tasks = %+v", l)
		}
		wantCounts(t, c, dead, "4", "2", "0")
		startMove(t, c, "dlq", "", 500)
		synctest.Wait()
		wantCounts(t, c, dead, "0", "2", "0")
		wantCounts(t, c, url, "4", "0", "0")
	})
}

func TestAMoveGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, d := open(t, dir, Options{})
	c := client(serve(t, s), nil)
	url, _ := pipe(t, c, "q", "dlq")
	want := []string{}
	for i := range 9 {
		want = append(want, fmt.Sprint(i))
	}
	kill(t, c, url, want...)
	to := create(t, c, "to", nil)
	stop := running(t, s)
	startMove(t, c, "dlq", "to", 20)
	eventually(t, "some were moved", func() bool { return listMoves(t, c, "dlq", 0)[0].ApproximateNumberOfMessagesMoved >= 2 })
	stop()
	if l := listMoves(t, c, "dlq", 0); *l[0].Status != "RUNNING" {
		t.Fatalf("tasks = %+v", l)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, Options{})
	c = client(serve(t, s), nil)
	running(t, s)
	eventually(t, "the task ended", func() bool { return *listMoves(t, c, "dlq", 0)[0].Status == "COMPLETED" })
	if l := listMoves(t, c, "dlq", 0); l[0].ApproximateNumberOfMessagesMoved != 9 {
		t.Errorf("tasks = %+v", l)
	}
	if got := bodiesOf(receive(t, c, to, 0)); !slices.Equal(got, want) {
		t.Errorf("moved %q", got)
	}
}

func TestFIFODeadLettersGoBackInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Service, d *db.DB, c *sqs.Client) {
		stop := running(t, s)
		defer stop()
		dead := createFIFO(t, c, "dlq.fifo", nil)
		url := createFIFO(t, c, "q.fifo", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"` + arnPrefix + `dlq.fifo","maxReceiveCount":1}`})
		for _, m := range []string{"a1", "b1", "a2", "c1", "a3"} {
			sendTo(t, c, url, m[:1], m)
		}
		for range 3 {
			take(t, c, url, 10)
		}
		wantCounts(t, c, dead, "5", "0", "0")
		held, bodies := take(t, c, dead, 4)
		wantBodies(t, bodies, "a1", "a2", "a3", "b1")
		for _, m := range held[:3] {
			if err := visibility(t, c, dead, m, 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		sendTo(t, c, url, "a", "a4")
		startMove(t, c, "dlq.fifo", "", 0)
		synctest.Wait()
		wantCounts(t, c, dead, "0", "1", "0") // b1 is in flight
		_, bodies = take(t, c, url, 10)
		wantBodies(t, bodies, "a4", "a1", "a2", "a3", "c1") // new messages, behind what is there
		remove(t, c, dead, held[3])
		if n := groupRows(t, d); n != 2 {
			t.Errorf("%d groups, want 2", n)
		}
	})
}

func TestMoveTaskRefusals(t *testing.T) {
	c := httpClient(t)
	ctx := t.Context()
	pipe(t, c, "q", "dlq")
	create(t, c, "other", nil)
	createFIFO(t, c, "f.fifo", nil)
	start := func(source, destination string, rate int32) error {
		in := &sqs.StartMessageMoveTaskInput{SourceArn: &source, DestinationArn: optional(destination)}
		if rate != 0 {
			in.MaxNumberOfMessagesPerSecond = &rate
		}
		return call(c.StartMessageMoveTask(ctx, in))
	}
	cancel := func(h string) error {
		return call(c.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: &h}))
	}
	for _, tc := range []struct {
		name string
		err  error
		code string
		text string
	}{
		{"source", start(arnPrefix+"none", "", 0), "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."},
		{"no DLQ", start(arnPrefix+"other", "", 0), "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."},
		{"destination", start(arnPrefix+"dlq", arnPrefix+"none", 0), "ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter doesn't exist."},
		{"itself", start(arnPrefix+"dlq", arnPrefix+"dlq", 0), "InvalidParameterValue", "same"},
		{"kind", start(arnPrefix+"dlq", arnPrefix+"f.fifo", 0), "InvalidParameterValue", "same type"},
		{"rate", start(arnPrefix+"dlq", "", 501), "InvalidParameterValue", "MaxNumberOfMessagesPerSecond"},
		{"handle", cancel("foobared"), "InvalidParameterValue", "Value for parameter TaskHandle is invalid."},
		{"handle's source", cancel(taskHandle{"x", arnPrefix + "none"}.String()), "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."},
		{"handle's task", cancel(taskHandle{"x", arnPrefix + "dlq"}.String()), "ResourceNotFoundException", "Task does not exist."},
		{"list", call(c.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(arnPrefix + "none")})), "ResourceNotFoundException", "SourceArn"},
		{"list too many", call(c.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(arnPrefix + "dlq"), MaxResults: aws.Int32(11)})), "InvalidParameterValue", "MaxResults"},
	} {
		wantCode(t, tc.err, tc.code)
		if tc.err != nil && !strings.Contains(tc.err.Error(), tc.text) {
			t.Errorf("%s: %v, want %q", tc.name, tc.err, tc.text)
		}
	}
	if l := listMoves(t, c, "dlq", 10); len(l) != 0 {
		t.Errorf("tasks = %+v", l)
	}
}

func TestMovingIsAnIndexSeek(t *testing.T) {
	_, d := open(t, t.TempDir(), Options{})
	for query, args := range map[string][]any{
		selectMovable:     {1, 2, 3},
		selectMovableFIFO: {1, 2, 3, 4, 5},
	} {
		for _, detail := range plan(t, d, query, args) {
			if strings.Contains(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s\n%s", query, detail)
			}
		}
	}
}

func FuzzTaskHandle(f *testing.F) {
	f.Add(taskHandle{"a", "b"}.String())
	f.Add("foobared")
	f.Add("e30=")
	f.Fuzz(func(t *testing.T, v string) {
		if h, ok := parseTaskHandle(v); ok && (h.TaskID == "" || h.SourceARN == "") {
			t.Fatalf("%q was taken for %+v", v, h)
		}
	})
}
