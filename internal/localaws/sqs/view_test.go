package sqs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestPeekingIsNotReceiving(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "600"})
	for i := range 7 {
		send(t, c, url, fmt.Sprint(i))
	}
	long := strings.Repeat("ä", 100)
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &long, DelaySeconds: 900}); err != nil {
		t.Fatal(err)
	}
	if out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2}); err != nil || len(out.Messages) != 2 {
		t.Fatal(out, err)
	}
	pages := func(order PeekOrder) (bodies []string) {
		q := PeekQuery{Order: order, Limit: 3, MaxBody: 10}
		for {
			list, err := s.Peek(t.Context(), "q", q)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range list {
				bodies = append(bodies, m.Body)
				q.After, q.AfterVisible = m.Seq, m.Visible.UnixMilli()
			}
			if len(list) < q.Limit {
				return bodies
			}
		}
	}
	cut := strings.Repeat("ä", 10)
	for order, want := range map[PeekOrder][]string{
		OldestFirst:  {"0", "1", "2", "3", "4", "5", "6", cut},
		NewestFirst:  {cut, "6", "5", "4", "3", "2", "1", "0"},
		HiddenByTime: {"0", "1", cut},
	} {
		if got := pages(order); !slices.Equal(got, want) {
			t.Errorf("order %d: %q, want %q", order, got, want)
		}
	}
	v, err := s.View(t.Context(), "q")
	if err != nil || v.Visible != 5 || v.InFlight != 2 || v.Delayed != 1 || v.Oldest.IsZero() || v.In.Total != 8 || v.Received.Total != 2 || v.Out.Total != 0 {
		t.Errorf("%+v %v", v, err)
	}
	list, err := s.Peek(t.Context(), "q", PeekQuery{Order: NewestFirst, Limit: 1, MaxBody: 10})
	if err != nil || len(list) != 1 || list[0].Size != 200 || !list[0].Delayed {
		t.Fatalf("%+v %v", list, err)
	}
	if m, err := s.PeekMessage(t.Context(), "q", list[0].Seq); err != nil || m == nil || m.Body != long {
		t.Errorf("%+v %v", m, err)
	}
	if m, err := s.PeekMessage(t.Context(), "q", list[0].Seq+1); err != nil || m != nil {
		t.Errorf("%+v %v", m, err)
	}
	// Nobody received anything by all this.
	for _, m := range receive(t, c, url, 0) {
		if m.Attributes["ApproximateReceiveCount"] != "1" {
			t.Errorf("message %s was received %s times", aws.ToString(m.Body), m.Attributes["ApproximateReceiveCount"])
		}
		remove(t, c, url, m)
	}
	if v, err := s.View(t.Context(), "q"); err != nil || v.Out.Total != 5 || v.Received.Total != 7 {
		t.Errorf("%+v %v", v, err)
	}
	for _, err := range []error{
		func() error { _, err := s.View(t.Context(), "none"); return err }(),
		func() error { _, err := s.Peek(t.Context(), "none", PeekQuery{Limit: 1}); return err }(),
		func() error { _, err := s.PeekMessage(t.Context(), "none", 1); return err }(),
	} {
		if !isNoQueue(err) {
			t.Errorf("a queue that is not there: %v", err)
		}
	}
}
