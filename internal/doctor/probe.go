package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Trial is the image that Probe sends through; the caller knows how images are kept.
type Trial struct {
	ID     string // of the image; in its key, its event and its completion
	Put    func(context.Context) error
	Result func(context.Context) (done bool, failure string, err error)
	Remove func(context.Context) error
	// Patience is the longest wait for each hop.
	Patience time.Duration
}

// listener is a queue of Probe's own, subscribed to both topics.
type listener struct {
	Clients
	url, arn string
	subs     []string
	// since a message with the trial's id was heard from a topic, by the topic's ARN.
	heard map[string]time.Time
}

// Probe sends one image through and says how long each hop took, or at which it stopped. It
// makes a queue for itself, subscribes it to both topics, and takes everything away again.
func Probe(ctx context.Context, c Clients, o Options, st *State, t Trial) []Finding {
	const name = "probe"
	if st.UploadTopic.State != There || st.CompletionTopic.State != There {
		return []Finding{New("probe-lost", name, "not tried: a topic is not there", "mend what is told above first", "")}
	}
	l := &listener{Clients: c, heard: map[string]time.Time{}}
	defer l.close(context.WithoutCancel(ctx))
	if err := l.open(ctx, o.WebQueuePrefix, st.UploadTopic.ARN, st.CompletionTopic.ARN); err != nil {
		return []Finding{New("unchecked", name, "could not be tried: "+short(err), "the probe makes and subscribes a queue of its own: sqs:CreateQueue, sns:Subscribe", "")}
	}
	begun := time.Now()
	if err := t.Put(ctx); err != nil {
		return []Finding{New("probe-upload", name, short(err), "see the findings about the uploads bucket, and the credentials", "")}
	}
	out := []Finding{hop("stored in bucket "+o.Uploads, time.Since(begun))}
	out = append(out, l.follow(ctx, t, o, st, begun)...)
	if err := t.Remove(context.WithoutCancel(ctx)); err != nil {
		out = append(out, New("probe-left", name, short(err), "delete image "+t.ID, ""))
	}
	return out
}

func hop(what string, took time.Duration) Finding {
	return Finding{Group: GroupProbe, Level: OK, Resource: what, Found: fmt.Sprintf("after %d ms", took.Milliseconds())}
}

// follow waits for each hop in turn.
func (l *listener) follow(ctx context.Context, t Trial, o Options, st *State, begun time.Time) (out []Finding) {
	stopped := func(code, what, mend string) []Finding { return append(out, New(code, "probe", what, mend, "")) }
	heard := func(topic string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			err := l.listen(ctx, t.ID)
			return !l.heard[topic].IsZero(), err
		}
	}
	failure := ""
	result := func(ctx context.Context) (done bool, err error) {
		if err := l.listen(ctx, t.ID); err != nil { // which also waits
			return false, err
		}
		done, failure, err = t.Result(ctx)
		return done, err
	}
	if err := await(ctx, t.Patience, heard(st.UploadTopic.ARN)); err != nil {
		if !l.heard[st.UploadTopic.ARN].IsZero() || ctx.Err() != nil {
			return stopped("probe-lost", short(err), "")
		}
		// It may yet be processed, where S3 notifies the queue itself.
		if done, _, err := t.Result(ctx); err != nil || !done {
			return stopped("probe-lost", fmt.Sprintf("it stopped between S3 and topic %s: no event within %v", o.UploadTopic, t.Patience), "see event notification, and the topic's policy")
		}
	} else {
		out = append(out, hop("announced on topic "+o.UploadTopic, l.heard[st.UploadTopic.ARN].Sub(begun)))
	}
	if err := await(ctx, t.Patience, result); err != nil {
		return stopped("probe-lost", fmt.Sprintf("it stopped between topic %s and the result: none within %v (%s)", o.UploadTopic, t.Patience, short(err)),
			"see the subscription and policy of queue "+o.Queue+", how many messages wait before it, and whether an app process runs")
	}
	took := time.Since(begun)
	if at := l.heard[st.CompletionTopic.ARN]; !at.IsZero() { // it was there before it was announced
		took = min(took, at.Sub(begun))
	}
	out = append(out, hop("processed, result in bucket "+o.Results, took))
	if failure != "" {
		out = append(out, New("probe-failed", "probe", failure, "see the app tier's log", ""))
	}
	if err := await(ctx, t.Patience, heard(st.CompletionTopic.ARN)); err != nil {
		return stopped("probe-unannounced", fmt.Sprintf("there is a result, but no word on topic %s within %v", o.CompletionTopic, t.Patience), "see whether the app tier may publish there: its log says")
	}
	return append(out, hop("announced on topic "+o.CompletionTopic, l.heard[st.CompletionTopic.ARN].Sub(begun)))
}

var errPatience = errors.New("not in time")

// await asks until something is so. Ask itself waits a little.
func await(ctx context.Context, patience time.Duration, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	for {
		ok, err := ask(ctx)
		switch {
		case ok:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}

// open makes the queue. It looks like a web instance's, so that those sweep it should this
// process die.
func (l *listener) open(ctx context.Context, prefix string, topics ...string) error {
	name := prefix + "doctor-" + strings.ToLower(rand.Text()[:8])
	made, err := l.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"MessageRetentionPeriod": "600"},
		Tags: map[string]string{heartbeatTag: strconv.FormatInt(time.Now().Unix(), 10)}})
	if err != nil {
		return fmt.Errorf("create queue %s: %w", name, err)
	}
	l.url = aws.ToString(made.QueueUrl)
	a, err := l.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &l.url, AttributeNames: []queueAttribute{"QueueArn"}})
	if err != nil {
		return fmt.Errorf("read ARN of queue %s: %w", name, err)
	}
	l.arn = a.Attributes["QueueArn"]
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": serviceSNS}, "Action": "sqs:SendMessage", "Resource": l.arn,
		"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": topics}},
	}})
	if err != nil {
		return err
	}
	if _, err := l.SQS.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &l.url, Attributes: map[string]string{"Policy": string(policy)}}); err != nil {
		return fmt.Errorf("set policy of queue %s: %w", name, err)
	}
	for _, topic := range topics {
		s, err := l.SNS.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &l.arn, ReturnSubscriptionArn: true})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", topic, err)
		}
		l.subs = append(l.subs, aws.ToString(s.SubscriptionArn))
	}
	return nil
}

// listen takes what has come, waiting a second for something.
func (l *listener) listen(ctx context.Context, id string) error {
	got, err := l.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &l.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
	if err != nil {
		return fmt.Errorf("receive from the probe's own queue: %w", err)
	}
	for _, m := range got.Messages {
		var envelope struct{ TopicArn, Message string }
		if json.Unmarshal([]byte(aws.ToString(m.Body)), &envelope) == nil && strings.Contains(envelope.Message, id) && l.heard[envelope.TopicArn].IsZero() {
			l.heard[envelope.TopicArn] = time.Now()
		}
	}
	return nil // they end with the queue
}

func (l *listener) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, s := range l.subs {
		_, _ = l.SNS.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &s}) // what stays, web tiers sweep
	}
	if l.url != "" {
		_, _ = l.SQS.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &l.url})
	}
}
