package sqs

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

func sendBatch(t testing.TB, c *sqs.Client, url string, bodies ...string) {
	t.Helper()
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for i := range bodies {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i],
			MessageAttributes: map[string]types.MessageAttributeValue{"n": {DataType: aws.String("String"), StringValue: &bodies[i]}}})
	}
	out, err := c.SendMessageBatch(t.Context(), in)
	if err != nil || len(out.Successful) != len(bodies) {
		t.Fatal(out, err)
	}
	for i, e := range out.Successful {
		if want := md5Hex(bodies[i]); *e.MD5OfMessageBody != want {
			t.Errorf("MD5 of %q is %s, want %s", bodies[i], *e.MD5OfMessageBody, want)
		}
	}
}

// countRows is how many rows and packs there are.
func countRows(t testing.TB, d *db.DB) (rows, packs int) {
	t.Helper()
	if err := d.Read().QueryRow("SELECT (SELECT count(*) FROM sqs_messages), (SELECT count(*) FROM sqs_packs)").Scan(&rows, &packs); err != nil {
		t.Fatal(err)
	}
	return rows, packs
}

func TestABatchIsOneRowAsLongAsItStaysTogether(t *testing.T) {
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "600"})
	want := func(rows, packs int) {
		t.Helper()
		if r, p := countRows(t, d); r != rows || p != packs {
			t.Errorf("%d rows and %d packs, want %d and %d", r, p, rows, packs)
		}
	}
	bodies := strings.Fields("a b c d e f g h i j")
	sendBatch(t, c, url, bodies...)
	want(1, 1)
	got := receive(t, c, url, 0)
	if !slices.Equal(bodiesOf(got), bodies) {
		t.Fatalf("received %q", bodiesOf(got))
	}
	for _, m := range got {
		if *m.MD5OfBody != md5Hex(*m.Body) || *m.MessageAttributes["n"].StringValue != *m.Body || m.Attributes["ApproximateReceiveCount"] != "1" {
			t.Errorf("received %+v", m)
		}
	}
	want(1, 1)
	remove(t, c, url, got[4]) // two rows are left of one
	want(2, 1)
	remove(t, c, url, got[4]) // is no error
	remove(t, c, url, got[0])
	want(2, 1)
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
	for i, m := range got {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	if out, err := c.DeleteMessageBatch(t.Context(), in); err != nil || len(out.Failed) > 0 {
		t.Fatal(out, err)
	}
	want(0, 0)
	wantCounts(t, c, url, "0", "0", "0")

	big := strings.Repeat("x", packLimit/2)
	sendBatch(t, c, url, big, big, big) // would be read for one message
	want(3, 0)
}

// TestPacksTakeTheirMessagesApart does at random what can be done to messages that were
// sent together and singly, and holds the queue to a list of what should be there.
func TestPacksTakeTheirMessagesApart(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { takeApart(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func takeApart(t *testing.T, random *rand.Rand) {
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "600"})
	visible, held := map[string]bool{}, map[string]types.Message{}
	next := 0
	fresh := func(n int) (bodies []string) {
		for range n {
			bodies = append(bodies, fmt.Sprint(next))
			visible[fmt.Sprint(next)] = true
			next++
		}
		return bodies
	}
	some := func() (bodies []string) { // up to ten that are held
		for b := range held {
			if bodies = append(bodies, b); len(bodies) == 10 || random.IntN(8) == 0 {
				break
			}
		}
		slices.Sort(bodies)
		return bodies
	}
	for range 150 {
		switch random.IntN(6) {
		case 0:
			sendBatch(t, c, url, fresh(2+random.IntN(9))...)
		case 1:
			send(t, c, url, fresh(1)[0])
		case 2, 3:
			out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1 + int32(random.IntN(10))})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.Messages {
				if !visible[*m.Body] {
					t.Fatalf("%s was received, but is not visible", *m.Body)
				}
				delete(visible, *m.Body)
				held[*m.Body] = m
			}
		case 4:
			in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
			for i, b := range some() {
				in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: held[b].ReceiptHandle})
				delete(held, b)
			}
			if len(in.Entries) == 0 {
				continue
			}
			if out, err := c.DeleteMessageBatch(t.Context(), in); err != nil || len(out.Failed) > 0 {
				t.Fatal(out, err)
			}
		case 5:
			for i, b := range some() {
				if i == 3 {
					break
				}
				if _, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: held[b].ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
				delete(held, b)
				visible[b] = true
			}
		}
		wantCounts(t, c, url, fmt.Sprint(len(visible)), fmt.Sprint(len(held)), "0")
		have := stock(t, d)
		for b := range have {
			if _, ok := held[b]; !ok && !visible[b] {
				t.Errorf("%s should not be there", b)
			}
		}
		if len(have) != len(visible)+len(held) {
			t.Fatalf("%d messages, want %d and %d", len(have), len(visible), len(held))
		}
		seen(t, s, slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(held)))
	}
}

// seen holds the pages of Peek to what there is.
func seen(t *testing.T, s *Service, all, hidden []string) {
	t.Helper()
	for order, want := range map[PeekOrder][]string{OldestFirst: all, NewestFirst: all, HiddenByTime: hidden} {
		q := PeekQuery{Order: order, Limit: 4}
		var bodies []string
		last := int64(-1)
		for {
			list, err := s.Peek(context.Background(), "q", q)
			if err != nil || len(list) > q.Limit {
				t.Fatal(len(list), err)
			}
			for _, m := range list {
				bodies = append(bodies, m.Body)
				if last >= 0 && (order == OldestFirst && m.Seq < last || order == NewestFirst && m.Seq > last) {
					t.Errorf("order %d: %d after %d", order, m.Seq, last)
				}
				last = m.Seq
				q.After, q.AfterVisible = m.Seq, m.Visible.UnixMilli()
			}
			if len(list) < q.Limit {
				break
			}
		}
		slices.Sort(bodies)
		if !slices.Equal(bodies, want) {
			t.Fatalf("order %d: %q, want %q", order, bodies, want)
		}
	}
}

func TestPacksDieAndAreMovedMessageByMessage(t *testing.T) {
	s, d := open(t, t.TempDir(), Options{})
	running(t, s)
	c := client(serve(t, s), nil)
	url, dead := pipe(t, c, "q", "dlq")
	bodies := strings.Fields("a b c d e f g")
	sendBatch(t, c, url, bodies...)
	if got := bodiesOf(receive(t, c, url, 0)); !slices.Equal(got, bodies) {
		t.Errorf("received %q", got)
	}
	if got := receive(t, c, url, 0); len(got) != 0 { // they die instead
		t.Errorf("received %q again", bodiesOf(got))
	}
	wantCounts(t, c, dead, "7", "0", "0")
	if have := stock(t, d); len(have) != 7 {
		t.Errorf("%d messages", len(have))
	}
	if _, packs := countRows(t, d); packs != 0 {
		t.Errorf("%d packs are left", packs)
	}
	// A batch that was sent to the dead-letter queue itself moves, too.
	sendBatch(t, c, dead, "x", "y")
	startMove(t, c, "dlq", "q", 0)
	eventually(t, "all were moved", func() bool { return attrs(t, c, url)["ApproximateNumberOfMessages"] == "9" })
	if got := slices.Sorted(maps.Keys(stock(t, d))); !slices.Equal(got, strings.Fields("a b c d e f g x y")) {
		t.Errorf("messages %q", got)
	}
}

// FuzzUnpack: no pack makes it panic, and what was packed comes back.
func FuzzUnpack(f *testing.F) {
	two := []*outgoing{{uuid: "u", body: "b", sender: "s", trace: aws.String("")}, {uuid: "v", body: "c", attributes: aws.String("{}")}}
	for _, m := range two {
		m.digest()
	}
	good := string(pack(&queue{}, two))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Add("\x01\x01\xff\xff\xff\xff\x0f")
	f.Fuzz(func(t *testing.T, data string) {
		got, err := unpack(data)
		if err != nil || len(got) < 2 {
			return
		}
		var again []*outgoing
		for i := range got {
			m := &got[i]
			again = append(again, &outgoing{uuid: m.uuid, body: m.body, sender: m.sender, md5: &m.md5, attributes: m.attributes, trace: m.trace})
		}
		back, err := unpack(string(pack(&queue{}, again)))
		if err != nil || len(back) != len(got) {
			t.Fatal(back, err)
		}
		for i := range back {
			if back[i].body != got[i].body || back[i].uuid != got[i].uuid || deref(back[i].trace) != deref(got[i].trace) {
				t.Fatalf("message %d: %+v, want %+v", i, back[i], got[i])
			}
		}
	})
}
