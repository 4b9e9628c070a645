package console

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/sns"
	"github.com/tintype/tintype/internal/localaws/sqs"
)

// Bounds of the picture: what is beyond them is told by number, and shown on the lists'
// own pages.
const (
	flowBuckets  = 24
	flowTopics   = 24 // that no bucket feeds
	flowQueues   = 24 // that nothing feeds
	flowChildren = 12 // of one node
	flowNodes    = 160
)

// node is a bucket, topic, queue or address in the picture of the flow, with what its
// events go on to.
type node struct {
	Kind  string // "bucket", "topic", "queue", "mail", "web", "gone", "other"
	Name  string
	Link  string // of its page; empty: it has none
	Edge  edge   // how it is reached
	Level int    // column: 0 buckets, 1 topics, 2 queues and addresses, 3 dead letters

	Bucket *s3.Bucket
	Topic  *sns.TopicView
	Queue  *sqs.QueueView
	Dead   bool // a dead-letter queue
	Again  bool // it is in the picture already: what follows is shown there
	Next   []node
	More   int // further ones that are not shown; -1: some
}

// edge is the way to a node.
type edge struct {
	Labels  []string // "ObjectCreated:*", "raw"
	Filter  string   // of keys or of messages
	Problem string   // why nothing gets through
	Waiting string   // what must happen before something gets through
	Skips   bool     // it passes a column by
}

// picture is what the overview shows.
type picture struct {
	Roots                               []node
	Others                              []node // queues without any way to or from them
	MoreBuckets, RestTopics, RestQueues bool   // there are more than are shown
}

// drawing is the making of a picture.
type drawing struct {
	*Console
	ctx   context.Context
	seen  map[string]bool // ARNs of what is in it
	dead  map[string][]string
	nodes int
}

// flow makes the picture of who is told of what.
func (c *Console) flow(ctx context.Context) (p picture, err error) {
	d := &drawing{Console: c, ctx: ctx, seen: map[string]bool{}, dead: c.opts.SQS.DeadLetterSources()}
	buckets, err := c.opts.S3.Notifying(ctx, flowBuckets+1)
	if err != nil {
		return p, err
	}
	p.MoreBuckets = len(buckets) > flowBuckets
	for _, b := range buckets[:min(len(buckets), flowBuckets)] {
		n, err := d.bucket(b)
		if err != nil {
			return p, err
		}
		p.Roots = append(p.Roots, n)
	}
	if err := d.restTopics(&p); err != nil {
		return p, err
	}
	return p, d.restQueues(&p)
}

// restTopics adds topics that no bucket feeds.
func (d *drawing) restTopics(p *picture) error {
	topics, more, err := d.opts.SNS.Page(d.ctx, "", "", flowTopics+flowBuckets)
	if err != nil {
		return err
	}
	p.RestTopics = more
	for _, t := range topics {
		if d.seen[t.ARN] {
			continue
		}
		n, err := d.topic(t.ARN, edge{})
		if err != nil {
			return err
		}
		p.Roots = append(p.Roots, n)
	}
	return nil
}

// restQueues adds queues that are in nobody's way.
func (d *drawing) restQueues(p *picture) error {
	n := 0
	for _, name := range d.opts.SQS.Names() {
		arn := d.queueARN(name)
		if d.seen[arn] || len(d.dead[arn]) > 0 {
			continue
		}
		if n++; n > flowQueues {
			p.RestQueues = true
			return nil
		}
		q, err := d.queue(arn, edge{}, 2)
		if err != nil {
			return err
		}
		if len(q.Next) > 0 {
			p.Roots = append(p.Roots, q)
		} else {
			p.Others = append(p.Others, q)
		}
	}
	return nil
}

func (c *Console) queueARN(name string) string {
	return "arn:aws:sqs:" + c.opts.Region + ":" + c.opts.Account + ":" + name
}

func (d *drawing) bucket(b s3.Bucket) (node, error) {
	n := node{Kind: "bucket", Name: b.Name, Link: "/buckets/" + url.PathEscape(b.Name), Bucket: &b}
	for i, to := range b.Notification {
		if i == flowChildren {
			n.More = len(b.Notification) - i
			break
		}
		child, err := d.target(b.Name, to)
		if err != nil {
			return n, err
		}
		n.Next = append(n.Next, child)
	}
	return n, nil
}

// target is where a bucket's events go.
func (d *drawing) target(bucket string, to s3.Destination) (node, error) {
	e := d.eventEdge(bucket, to)
	if to.Target == eventBridge {
		return node{Kind: "other", Name: bridgeName, Edge: e, Level: 1}, nil
	}
	if strings.HasPrefix(to.Target, "arn:aws:sqs:") {
		e.Skips = true
		return d.queue(to.Target, e, 2)
	}
	return d.topic(to.Target, e)
}

// eventBridge is what S3 keeps as the target of a bucket that has EventBridge turned on.
const (
	eventBridge = "eventbridge"
	bridgeName  = "Amazon EventBridge"
)

// eventEdge is a notification of a bucket, and whether its target takes it.
func (c *Console) eventEdge(bucket string, to s3.Destination) edge {
	e := edge{}
	for _, name := range to.Events {
		e.Labels = append(e.Labels, strings.TrimPrefix(name, "s3:"))
	}
	if to.Prefix != "" || to.Suffix != "" {
		e.Filter = to.Prefix + "*" + to.Suffix
	}
	source := sns.Source{Service: "s3.amazonaws.com", ARN: "arn:aws:s3:::" + bucket, Account: c.opts.Account}
	switch {
	case to.Target == eventBridge:
		e.Waiting = "kept, never sent: there is no EventBridge here"
	case strings.HasPrefix(to.Target, "arn:aws:sqs:"):
		e.Problem = c.queueProblem(to.Target, source)
	default:
		if err := c.opts.SNS.CheckSource(to.Target, source); isGone(err) {
			e.Problem = "There is no such topic."
		} else if err != nil {
			e.Problem = "The topic's policy does not let S3 publish."
		}
	}
	return e
}

// queueProblem says why a service cannot send to a queue; nothing where it can.
func (c *Console) queueProblem(queueARN string, from sns.Source) string {
	switch {
	case !c.opts.SQS.Exists(queueARN):
		return "There is no such queue."
	case !c.opts.SQS.Allows(queueARN, from.Service, from.ARN, from.Account):
		who, _, _ := strings.Cut(from.Service, ".")
		return "The queue's policy does not let " + strings.ToUpper(who) + " send."
	default:
		return ""
	}
}

func (d *drawing) topic(arn string, e edge) (node, error) {
	n := node{Kind: "topic", Name: lastField(arn), Edge: e, Level: 1, Link: "/topics/" + url.PathEscape(lastField(arn))}
	if n.Again = d.seen[arn]; n.Again {
		return n, nil
	}
	v, err := d.opts.SNS.View(d.ctx, arn, "", flowChildren)
	if isGone(err) {
		n.Kind, n.Link, n.Edge.Problem = "gone", "", "There is no such topic."
		return n, nil
	}
	if err != nil {
		return n, err
	}
	d.seen[arn] = true
	n.Topic = &v
	if d.nodes++; d.nodes > flowNodes {
		return n, nil
	}
	for _, sub := range v.Subscriptions {
		child, err := d.subscriber(arn, sub)
		if err != nil {
			return n, err
		}
		n.Next = append(n.Next, child)
	}
	if v.More {
		n.More = -1
	}
	return n, nil
}

// subscriber is where a topic's messages go.
func (d *drawing) subscriber(topicARN string, sub sns.SubscriptionView) (node, error) {
	e := d.deliveryEdge(topicARN, sub)
	switch {
	case sub.Protocol == "sqs":
		return d.queue(sub.Endpoint, e, 2)
	case strings.HasPrefix(sub.Protocol, "email"):
		e.Labels = append(e.Labels, sub.Protocol)
		return node{Kind: "mail", Name: sub.Endpoint, Link: "/inbox?to=" + url.QueryEscape(sub.Endpoint), Edge: e, Level: 2}, nil
	default:
		e.Labels = append(e.Labels, sub.Protocol)
		return node{Kind: "web", Name: sub.Endpoint, Edge: e, Level: 2}, nil
	}
}

// deliveryEdge is a subscription, and whether it delivers.
func (c *Console) deliveryEdge(topicARN string, sub sns.SubscriptionView) edge {
	e := edge{Filter: strings.Join(strings.Fields(sub.FilterPolicy), " ")}
	if sub.Raw {
		e.Labels = append(e.Labels, "raw")
	}
	switch {
	case !sub.Confirmed:
		e.Waiting = "waits for confirmation"
	case sub.Protocol == "sqs":
		e.Problem = c.queueProblem(sub.Endpoint, sns.Source{Service: "sns.amazonaws.com", ARN: topicARN, Account: c.opts.Account})
	}
	if e.Problem == "" && sub.Failing {
		e.Problem = "The last delivery failed; the log says why."
	}
	return e
}

func (d *drawing) queue(arn string, e edge, level int) (node, error) {
	name := lastField(arn)
	n := node{Kind: "queue", Name: name, Edge: e, Level: level, Link: "/queues/" + url.PathEscape(name), Dead: len(d.dead[arn]) > 0}
	v, err := d.opts.SQS.View(d.ctx, name)
	if arn != d.queueARN(name) || isGone(err) {
		n.Kind, n.Link, n.Edge.Problem = "gone", "", "There is no such queue."
		return n, nil
	}
	if err != nil {
		return n, err
	}
	n.Queue = &v
	if n.Again = d.seen[arn]; n.Again {
		return n, nil
	}
	d.seen[arn] = true
	if d.nodes++; v.DeadLetters == "" || d.nodes > flowNodes || level > 4 {
		return n, nil
	}
	child, err := d.queue(v.DeadLetters, edge{Labels: []string{times(v.MaxReceives)}}, level+1)
	n.Next = []node{child}
	return n, err
}

// feeders are the buckets and topics that send to a queue or topic.
func (c *Console) feeders(ctx context.Context, targetARN string) (buckets []string, err error) {
	list, err := c.opts.S3.Notifying(ctx, maxCount)
	for _, b := range list {
		if slices.ContainsFunc(b.Notification, func(d s3.Destination) bool { return d.Target == targetARN }) {
			buckets = append(buckets, b.Name)
		}
	}
	return buckets, err
}
