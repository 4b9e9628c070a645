package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// createEvents are all ways in which S3 says that an object was created.
func createEvents() []types.Event {
	return []types.Event{types.EventS3ObjectCreatedPut, types.EventS3ObjectCreatedPost, types.EventS3ObjectCreatedCopy, types.EventS3ObjectCreatedCompleteMultipartUpload}
}

// way is one configuration that sends created objects to a topic or queue.
type way struct {
	id, to string
	queue  bool
	events []types.Event
	filter string // what it asks for; empty: everything
}

// ways are the configurations of a bucket that speak of created objects.
func ways(b *Bucket) []way {
	if b.Notification == nil {
		return nil
	}
	var out []way
	add := func(id, to *string, queue bool, events []types.Event, f *types.NotificationConfigurationFilter) {
		if slices.ContainsFunc(events, func(e types.Event) bool { return strings.HasPrefix(string(e), "s3:ObjectCreated:") }) {
			out = append(out, way{id: aws.ToString(id), to: aws.ToString(to), queue: queue, events: events, filter: filterText(f)})
		}
	}
	for _, c := range b.Notification.TopicConfigurations {
		add(c.Id, c.TopicArn, false, c.Events, c.Filter)
	}
	for _, c := range b.Notification.QueueConfigurations {
		add(c.Id, c.QueueArn, true, c.Events, c.Filter)
	}
	return out
}

func filterText(f *types.NotificationConfigurationFilter) string {
	if f == nil || f.Key == nil {
		return ""
	}
	var out []string
	for _, r := range f.Key.FilterRules {
		if v := aws.ToString(r.Value); v != "" {
			out = append(out, strings.ToLower(string(r.Name))+" "+v)
		}
	}
	return strings.Join(out, ", ")
}

// missingEvents are the ways of creating an object that none of the configurations announces.
func missingEvents(all []way) (out []string) {
	for _, e := range createEvents() {
		if !slices.ContainsFunc(all, func(w way) bool {
			return slices.Contains(w.events, e) || slices.Contains(w.events, types.EventS3ObjectCreated)
		}) {
			out = append(out, strings.TrimPrefix(string(e), "s3:ObjectCreated:"))
		}
	}
	return out
}

// mine are those of the uploads bucket's ways that lead to the work queue: by the topic, and
// straight.
func (j *judge) mine() (topic, queue []way) {
	for _, w := range ways(&j.st.Uploads) {
		switch {
		case !w.queue && w.to == j.st.UploadTopic.ARN:
			topic = append(topic, w)
		case w.queue && w.to == j.st.Queue.ARN:
			queue = append(queue, w)
		}
	}
	return topic, queue
}

// direct reports whether uploads reach the queue without the topic, all of them.
func (j *judge) direct() bool {
	_, queue := j.mine()
	return len(missingEvents(queue)) == 0 && !slices.ContainsFunc(queue, func(w way) bool { return w.filter != "" })
}

func (j *judge) notification() {
	if j.st.Results.Notification != nil && j.Uploads != j.Results {
		for _, w := range ways(&j.st.Results) {
			if w.to == j.st.UploadTopic.ARN || w.to == j.st.Queue.ARN {
				j.found("notification-loop", "event notification of bucket "+j.Results, fmt.Sprintf("configuration %q sends created objects to %s", w.id, w.to),
					"take the configuration away", j.notify(j.Results, j.without(&j.st.Results, func(to string) bool { return to == w.to })))
			}
		}
	}
	if j.st.Uploads.Notification == nil || j.st.UploadTopic.ARN == "" && j.st.Queue.ARN == "" {
		return
	}
	name := j.notificationName()
	topic, queue := j.mine()
	all := append(slices.Clone(topic), queue...)
	mend := Provision
	if len(ways(&j.st.Uploads)) > 0 {
		// S3 refuses a second configuration of the same events: what is there has to give way.
		mend = j.notify(j.Uploads, j.proper())
	}
	switch {
	case len(all) == 0 && len(ways(&j.st.Uploads)) == 0:
		j.found("notification-none", name, "there is none of s3:ObjectCreated:*", "", mend)
		return
	case len(all) == 0:
		var to []string
		for _, w := range ways(&j.st.Uploads) {
			to = append(to, w.to)
		}
		j.found("notification-elsewhere", name, "created objects are announced on "+strings.Join(to, ", "), "if somebody needs those, let them subscribe to the topic", mend)
		return
	}
	if missing := missingEvents(all); len(missing) > 0 {
		j.found("notification-events", name, "not announced: "+strings.Join(missing, ", "), "", mend)
	}
	if len(topic) > 0 && len(queue) > 0 || len(topic) > 1 && overlap(topic) {
		j.found("notification-twice", name, fmt.Sprintf("%d configurations lead to the queue", len(all)), "", mend)
	} else if len(queue) > 0 {
		j.found("notification-direct", name, "straight to queue "+j.Queue, "notify the topic instead if anybody else is to hear of uploads", "")
	}
	if !slices.ContainsFunc(all, func(w way) bool { return w.filter == "" }) {
		var filters []string
		for _, w := range all {
			filters = append(filters, w.filter)
		}
		j.found("notification-filter", name, "announced is only what has "+strings.Join(filters, "; or "), "", mend)
	}
}

// overlap reports whether two unfiltered ways announce the same event.
func overlap(all []way) bool {
	seen := map[types.Event]bool{}
	for _, w := range all {
		if w.filter != "" {
			continue
		}
		for _, e := range w.events {
			if seen[e] {
				return true
			}
			seen[e] = true
		}
	}
	return false
}

// without is a bucket's notification configuration less what leads to some targets.
func (j *judge) without(b *Bucket, drop func(to string) bool) map[string]any {
	out := map[string]any{}
	n := b.Notification
	put := func(kind, key string, id *string, target string, events []types.Event, f *types.NotificationConfigurationFilter) {
		if drop(target) {
			return
		}
		c := map[string]any{key: target, "Events": events}
		if id != nil {
			c["Id"] = *id
		}
		if f != nil && f.Key != nil {
			var rules []map[string]string
			for _, r := range f.Key.FilterRules {
				rules = append(rules, map[string]string{"Name": string(r.Name), "Value": aws.ToString(r.Value)})
			}
			c["Filter"] = map[string]any{"Key": map[string]any{"FilterRules": rules}}
		}
		list, _ := out[kind].([]map[string]any)
		out[kind] = append(list, c)
	}
	for _, c := range n.TopicConfigurations {
		put("TopicConfigurations", "TopicArn", c.Id, aws.ToString(c.TopicArn), c.Events, c.Filter)
	}
	for _, c := range n.QueueConfigurations {
		put("QueueConfigurations", "QueueArn", c.Id, aws.ToString(c.QueueArn), c.Events, c.Filter)
	}
	for _, c := range n.LambdaFunctionConfigurations {
		put("LambdaFunctionConfigurations", "LambdaFunctionArn", c.Id, aws.ToString(c.LambdaFunctionArn), c.Events, c.Filter)
	}
	if n.EventBridgeConfiguration != nil {
		out["EventBridgeConfiguration"] = map[string]any{}
	}
	return out
}

// proper is the uploads bucket's configuration as it should be: what others have of other
// events stays.
func (j *judge) proper() map[string]any {
	gone := map[string]bool{}
	for _, w := range ways(&j.st.Uploads) {
		gone[w.to] = true
	}
	out := j.without(&j.st.Uploads, func(to string) bool { return gone[to] })
	list, _ := out["TopicConfigurations"].([]map[string]any)
	out["TopicConfigurations"] = append(list, map[string]any{"Id": "tintype-uploads", "TopicArn": j.st.UploadTopic.ARN, "Events": []string{"s3:ObjectCreated:*"}})
	return out
}

func (j *judge) notify(bucket string, configuration map[string]any) string {
	b, err := json.Marshal(configuration)
	if err != nil {
		return ""
	}
	return "aws s3api put-bucket-notification-configuration --bucket " + bucket + " --notification-configuration " + quote(string(b))
}
