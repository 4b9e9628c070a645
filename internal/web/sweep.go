package web

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// sweepLoop removes what dead web instances left behind, at start and then again and
// again until ctx is done.
func (n *Notifier) sweepLoop(ctx context.Context) {
	t := time.NewTicker(n.o.SweepEvery)
	defer t.Stop()
	for {
		if err := n.sweep(ctx, n.clock.Now); err != nil && ctx.Err() == nil {
			n.log.Info("looking for queues of dead web instances failed; trying again later", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// sweep deletes the queues, and their subscriptions, of web instances whose
// heartbeat is older than DeadAfter, and subscriptions left without a queue.
// now is asked only after SQS has answered, which is what sets its clock.
func (n *Notifier) sweep(ctx context.Context, now func() time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// By queue name: the ARNs of subscriptions to our topic that look like a web instance's.
	subscriptions, err := n.webSubscriptions(ctx)
	if err != nil {
		return err
	}
	var errs []error
	live := map[string]bool{}
	pages := sqs.NewListQueuesPaginator(n.o.SQS, &sqs.ListQueuesInput{QueueNamePrefix: &n.o.QueuePrefix, MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list queues %s*: %w", n.o.QueuePrefix, err)
		}
		for _, url := range page.QueueUrls {
			name := url[strings.LastIndexByte(url, '/')+1:]
			dead, err := n.isDead(ctx, url, now)
			if err != nil && !isQueueGone(err) {
				errs = append(errs, err)
			}
			if !dead {
				live[name] = true
				continue
			}
			if err := removeQueue(ctx, n.o.SQS, n.o.SNS, url, subscriptions[name]); err != nil {
				errs = append(errs, err)
				live[name] = true
				continue
			}
			delete(subscriptions, name)
			n.metrics.swept.add("")
			n.log.Info("removed the queue of a dead web instance", "queue", url)
		}
	}
	for name, sub := range subscriptions {
		if live[name] {
			continue
		}
		// Listings lag behind: ask for this very queue before taking its subscription away.
		_, err := n.o.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if !isQueueGone(err) {
			errs = append(errs, err)
			continue
		}
		if err := removeQueue(ctx, n.o.SQS, n.o.SNS, "", sub); err != nil {
			errs = append(errs, err)
			continue
		}
		n.log.Info("removed a subscription whose queue is gone", "queue", name)
	}
	return errors.Join(errs...)
}

// isDead reports whether the heartbeat of a queue's owner is too old. A queue that
// has none is not one of ours, whatever its name: it is left alone.
func (n *Notifier) isDead(ctx context.Context, url string, now func() time.Time) (bool, error) {
	if url == n.own().url {
		return false, nil
	}
	tags, err := n.o.SQS.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil {
		return false, fmt.Errorf("read tags of %s: %w", url, err)
	}
	beat, bad := strconv.ParseInt(tags.Tags[heartbeatTag], 10, 64)
	return bad == nil && now().Sub(time.Unix(beat, 0)) > n.o.DeadAfter, nil
}

// webSubscriptions finds the topic's subscriptions of web instances' queues in the
// topic's own account and region, by queue name.
func (n *Notifier) webSubscriptions(ctx context.Context) (map[string]string, error) {
	topic, err := arn.Parse(n.o.TopicARN)
	if err != nil {
		return nil, fmt.Errorf("topic ARN %q: %w", n.o.TopicARN, err)
	}
	found := map[string]string{}
	pages := sns.NewListSubscriptionsByTopicPaginator(n.o.SNS, &sns.ListSubscriptionsByTopicInput{TopicArn: &n.o.TopicARN})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list subscriptions of %s: %w", n.o.TopicARN, err)
		}
		for _, s := range page.Subscriptions {
			q, err := arn.Parse(aws.ToString(s.Endpoint))
			if err != nil || q.Service != "sqs" || q.AccountID != topic.AccountID || q.Region != topic.Region {
				continue
			}
			if strings.HasPrefix(q.Resource, n.o.QueuePrefix) {
				found[q.Resource] = aws.ToString(s.SubscriptionArn)
			}
		}
	}
	return found, nil
}
