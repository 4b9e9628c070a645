package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

type queueLine struct {
	sqs.QueueView
	Dead bool // a dead-letter queue
}

func (c *Console) queues(r *http.Request) (view, error) {
	l, after := place(r)
	page1, more, err := c.opts.SQS.Page(r.Context(), l.Filter, after, listLimit)
	if more {
		l.Next = address(r, "after", page1[len(page1)-1].Name)
	}
	dead := c.opts.SQS.DeadLetterSources()
	lines := make([]queueLine, len(page1))
	for i, q := range page1 {
		lines[i] = queueLine{q, len(dead[q.ARN]) > 0}
	}
	l.Lines = lines
	return view{name: "queues", page: page{Title: "Queues", Here: "queues", Fixed: after != ""}, Data: l}, err
}

const (
	peekLimit = 25       // messages on a page
	peekBody  = 16 << 10 // bytes of a body on the page of a queue
	maxLinks  = 50       // queues and topics named on the page of a queue
)

type queueData struct {
	sqs.QueueView
	FIFO       bool
	URL        string
	Settings   []setting
	Documents  []setting // policies: attributes that are JSON
	Sources    []string  // queues whose dead letters come here
	Topics     []string  // names of topics that deliver here
	Buckets    []string
	DLQ        *sqs.QueueView // nil: none
	Moves      moves
	Order      string
	Orders     []order
	Messages   []sqs.MessageView
	Next       string
	First      string
	PeekBody   int64
	Unreadable bool // its dead-letter queue is gone
}

type setting struct{ Name, Value, Meaning string }

// order is one of the ways to look into a queue.
type order struct {
	Name, Link, Text string
	Here             bool
}

func (c *Console) queue(r *http.Request) (view, error) {
	ctx, name, q := r.Context(), r.PathValue("queue"), r.URL.Query()
	after := q.Get("after")
	d := &queueData{FIFO: strings.HasSuffix(name, ".fifo"), URL: c.queueURL(name), PeekBody: peekBody}
	v := view{name: "queue", page: page{Title: name, Here: "queues", Fixed: after != ""}, Data: d}
	var err error
	if d.QueueView, err = c.opts.SQS.View(ctx, name); err != nil {
		return v, err
	}
	d.describe()
	if err := c.neighbours(ctx, d); err != nil {
		return v, err
	}
	if len(d.Sources) > 0 {
		if d.Moves, err = c.moveTasks(ctx, d.ARN); err != nil {
			return v, err
		}
	}
	peek := sqs.PeekQuery{Limit: peekLimit + 1, MaxBody: peekBody}
	d.Order = q.Get("order")
	switch d.Order {
	case "newest":
		peek.Order = sqs.NewestFirst
	case "hidden":
		peek.Order = sqs.HiddenByTime
	default:
		d.Order = "oldest"
	}
	for _, o := range []order{{Name: "oldest", Text: "Oldest first"}, {Name: "newest", Text: "Newest first"}, {Name: "hidden", Text: "In flight and delayed"}} {
		o.Link, o.Here = "/queues/"+url.PathEscape(name)+"?order="+o.Name, o.Name == d.Order
		d.Orders = append(d.Orders, o)
	}
	seq, visible, _ := strings.Cut(after, "-")
	peek.After, _ = strconv.ParseInt(seq, 10, 64) // anything else means from the start
	peek.AfterVisible, _ = strconv.ParseInt(visible, 10, 64)
	if d.Messages, err = c.opts.SQS.Peek(ctx, name, peek); err != nil {
		return v, err
	}
	if len(d.Messages) > peekLimit {
		d.Messages = d.Messages[:peekLimit]
		last := d.Messages[peekLimit-1]
		d.Next = address(r, "after", strconv.FormatInt(last.Seq, 10)+"-"+strconv.FormatInt(last.Visible.UnixMilli(), 10))
	}
	if after != "" {
		d.First = address(r, "after", "")
	}
	return v, nil
}

// describe sorts the attributes into settings and documents.
func (d *queueData) describe() {
	for name, value := range d.Attributes {
		s := setting{Name: name, Value: value}
		switch {
		case strings.HasSuffix(name, "Policy"):
			d.Documents = append(d.Documents, s)
			continue
		case name == "MaximumMessageSize":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				s.Meaning = size(n)
			}
		default:
			s.Meaning = duration(value)
		}
		d.Settings = append(d.Settings, s)
	}
	for _, list := range [][]setting{d.Settings, d.Documents} {
		slices.SortFunc(list, func(a, b setting) int { return strings.Compare(a.Name, b.Name) })
	}
}

// neighbours finds what sends to a queue, and where its dead letters go.
func (c *Console) neighbours(ctx context.Context, d *queueData) error {
	d.Sources = c.opts.SQS.DeadLetterSources()[d.ARN]
	d.Sources = d.Sources[:min(len(d.Sources), maxLinks)]
	topics, err := c.opts.SNS.TopicsOf(ctx, "sqs", d.ARN, maxLinks)
	if err != nil {
		return err
	}
	for _, arn := range topics {
		d.Topics = append(d.Topics, lastField(arn))
	}
	if d.Buckets, err = c.feeders(ctx, d.ARN); err != nil {
		return err
	}
	if d.DeadLetters == "" {
		return nil
	}
	dlq, err := c.opts.SQS.View(ctx, lastField(d.DeadLetters))
	if isGone(err) {
		d.Unreadable = true
		return nil
	}
	d.DLQ = &dlq
	return err
}

func (c *Console) queueURL(name string) string {
	return strings.TrimSuffix(c.opts.Endpoint, "/") + "/" + c.opts.Account + "/" + name
}
