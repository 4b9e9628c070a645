package console

import (
	"net/http"
	"strings"

	"github.com/tintype/tintype/internal/localaws/sns"
)

func (c *Console) topics(r *http.Request) (view, error) {
	l, after := place(r)
	lines, more, err := c.opts.SNS.Page(r.Context(), l.Filter, after, listLimit)
	if more {
		l.Next = address(r, "after", lines[len(lines)-1].ARN)
	}
	l.Lines = lines
	return view{name: "topics", page: page{Title: "Topics", Here: "topics", Fixed: after != ""}, Data: l}, err
}

type topicData struct {
	sns.TopicView
	Name        string
	Subscribers []subscriber
	Buckets     []string // that publish to it
	Next, First string
}

type subscriber struct {
	sns.SubscriptionView
	Link string
	Edge edge
}

func (c *Console) topic(r *http.Request) (view, error) {
	name, after := r.PathValue("topic"), r.URL.Query().Get("after")
	d := &topicData{Name: name}
	v := view{name: "topic", page: page{Title: name, Here: "topics", Fixed: after != ""}, Data: d}
	arn := c.opts.SNS.TopicARN(name)
	var err error
	if d.TopicView, err = c.opts.SNS.View(r.Context(), arn, after, listLimit); err != nil {
		return v, err
	}
	for _, sub := range d.Subscriptions {
		s := subscriber{SubscriptionView: sub, Edge: c.deliveryEdge(arn, sub)}
		switch {
		case sub.Protocol == "sqs":
			s.Link = c.linkOf(sub.Endpoint)
		case strings.HasPrefix(sub.Protocol, "email"):
			s.Link = inboxOf(sub.Endpoint)
		}
		d.Subscribers = append(d.Subscribers, s)
	}
	if d.More {
		d.Next = address(r, "after", d.Subscriptions[len(d.Subscriptions)-1].ARN)
	}
	if after != "" {
		d.First = address(r, "after", "")
	}
	d.Buckets, err = c.feeders(r.Context(), arn)
	return v, err
}
