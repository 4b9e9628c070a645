package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// redrive is a queue's RedrivePolicy.
type redrive struct {
	Target string `json:"deadLetterTargetArn"`
	Max    count  `json:"maxReceiveCount"`
}

// count is a number that may be written as a text.
type count int

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*c = count(n)
	return err
}

func redriveOf(attributes map[string]string) redrive {
	var r redrive
	if json.Unmarshal([]byte(attributes["RedrivePolicy"]), &r) != nil {
		return redrive{}
	}
	return r
}

// number is an attribute that counts; ok is false where it is not there.
func number(attributes map[string]string, name string) (n int, ok bool) {
	n, err := strconv.Atoi(attributes[name])
	return n, err == nil
}

// Bounds of a queue's attributes that are worth a word.
const (
	leastRetention = 24 * 3600 // seconds
	leastSize      = 64 << 10  // bytes; an event of one record has up to 8 KiB
	leastReceives  = 3
	tierLease      = 30 // seconds that the app tier itself asks for at each receive
)

func (j *judge) queues() {
	q, d := &j.st.Queue, &j.st.DeadLetters
	name := queueName(q.Name)
	switch {
	case q.State == Missing && q.FIFO != "":
		j.found("queue-fifo", name, "there is "+q.FIFO+" instead", "make a standard queue", Provision)
	case q.State == Missing:
		j.found("queue-missing", name, "there is no such queue", "", Provision)
	case q.Attributes["FifoQueue"] == "true":
		j.found("queue-fifo", name, "it is a FIFO queue", "make a standard queue, and name it with --queue", "")
	case q.Attributes != nil:
		j.queuePolicy(q, name)
		j.timing(q, name)
		j.redrive(q, d, name)
	}
	if d.Attributes != nil {
		j.deadLetters(q, d)
	}
}

func set(q *Queue, attribute, value string) string {
	text, err := json.Marshal(map[string]string{attribute: value})
	if err != nil {
		return ""
	}
	return "aws sqs set-queue-attributes --queue-url " + quote(q.URL) + " --attributes " + quote(string(text))
}

// queuePolicy asks whether messages may come: from the topic, or with a direct
// notification from S3.
func (j *judge) queuePolicy(q *Queue, name string) {
	j.ownKey(name, q.Attributes["KmsMasterKeyId"], "queue-key")
	policy, err := parsePolicy(q.Attributes["Policy"])
	if err != nil {
		j.found("policy-unclear", name, err.Error(), "", "")
		return
	}
	a := ask{service: serviceSNS, action: "sqs:SendMessage", resource: q.ARN, source: j.st.UploadTopic.ARN, account: j.st.Account}
	if j.direct() {
		a.service, a.source = serviceS3, j.bucketARN(j.Uploads)
	}
	ans := evaluate(policy, a)
	take := evaluate(policy, ask{service: serviceSNS, action: "sqs:ReceiveMessage", resource: q.ARN})
	open := ans.open
	if open == nil {
		open = take.open
	}
	if open != nil {
		j.found("queue-open", name, open.name()+" lets everybody in, without a condition", "take the statement out", j.dropStatement("", q.URL, open))
	}
	if ans.unguarded != nil {
		j.found("queue-any-topic", name, ans.unguarded.name()+" has neither aws:SourceArn nor aws:SourceAccount as a condition", "", j.dropStatement("", q.URL, ans.unguarded))
	}
	switch {
	case ans.deniedBy != nil:
		j.found("queue-denies", name, ans.deniedBy.name()+" of its policy denies it", "take the statement out", j.dropStatement("", q.URL, ans.deniedBy))
	case ans.allowed == maybe:
		j.found("policy-unclear", name, "its policy lets "+a.service+" send under conditions that cannot be judged", "", "")
	case ans.allowed == yes:
	case ans.near != nil && ans.offArn:
		j.found("queue-other-topic", name, ans.near.name()+" names another aws:SourceArn than "+a.source, "", Provision)
	default:
		j.found("queue-closed", name, "no statement of its policy lets "+a.service+" send for "+a.source, "", Provision)
	}
}

func (j *judge) timing(q *Queue, name string) {
	slowest := int(j.st.Slowest.Round(time.Second) / time.Second)
	if v, ok := number(q.Attributes, "VisibilityTimeout"); ok && (v < tierLease && v <= slowest || v < 3) {
		what := fmt.Sprintf("%d s", v)
		if slowest > 0 {
			what += fmt.Sprintf("; the slowest of the latest images took %d s", slowest)
		}
		j.found("queue-visibility", name, what, "at least the 30 s of the default, or six times what an image takes", set(q, "VisibilityTimeout", strconv.Itoa(max(30, 6*slowest))))
	}
	if v, ok := number(q.Attributes, "MessageRetentionPeriod"); ok && v < leastRetention {
		j.found("queue-retention", name, days(time.Duration(v)*time.Second), "AWS's default is 4 days", set(q, "MessageRetentionPeriod", "345600"))
	}
	if v, ok := number(q.Attributes, "DelaySeconds"); ok && v > 0 {
		j.found("queue-delay", name, fmt.Sprintf("%d s", v), "", set(q, "DelaySeconds", "0"))
	}
	if v, ok := number(q.Attributes, "MaximumMessageSize"); ok && v < leastSize {
		j.found("queue-size", name, fmt.Sprintf("at most %d bytes", v), "", set(q, "MaximumMessageSize", "262144"))
	}
}

func (j *judge) redrive(q, d *Queue, name string) {
	r := redriveOf(q.Attributes)
	switch {
	case r.Target == "":
		j.found("dead-letters-none", name, "it has no redrive policy", "", Provision)
		return
	case q.TargetGone != "" || d.State == Missing && strings.HasSuffix(r.Target, ":"+d.Name):
		j.found("dead-letters-gone", name, r.Target+" is not there", "", Provision)
	case d.ARN != "" && r.Target != d.ARN || d.State == Missing:
		j.found("dead-letters-elsewhere", name, "they go to "+r.Target, "or name that queue: --dead-letter-queue "+r.Target[strings.LastIndex(r.Target, ":")+1:], Provision)
	}
	if r.Max > 0 && r.Max < leastReceives {
		j.found("queue-receives", name, fmt.Sprintf("maxReceiveCount is %d", r.Max), "", Provision)
	}
}

// deadLetters judges the dead-letter queue itself.
func (j *judge) deadLetters(q, d *Queue) {
	name := queueName(d.Name)
	used := redriveOf(q.Attributes).Target == d.ARN
	var allow struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns"`
	}
	if text := d.Attributes["RedriveAllowPolicy"]; used && text != "" && json.Unmarshal([]byte(text), &allow) == nil &&
		(allow.Permission == "denyAll" || allow.Permission == "byQueue" && !slices.Contains(allow.Sources, q.ARN)) {
		j.found("dead-letters-refused", name, "its RedriveAllowPolicy is "+clip(text, 200), "", set(d, "RedriveAllowPolicy", `{"redrivePermission":"allowAll"}`))
	}
	kept, ok1 := number(d.Attributes, "MessageRetentionPeriod")
	wait, ok2 := number(q.Attributes, "MessageRetentionPeriod")
	if used && ok1 && ok2 && kept <= wait && kept < longestWait*24*3600 {
		j.found("dead-letters-kept", name, fmt.Sprintf("for %s; the queue keeps messages for %s", days(time.Duration(kept)*time.Second), days(time.Duration(wait)*time.Second)),
			"", Provision)
	}
	if next := redriveOf(d.Attributes).Target; next != "" {
		j.found("dead-letters-chain", name, "its own dead letters go to "+next, "", set(d, "RedrivePolicy", ""))
	}
	var others []string
	for _, u := range d.Sources {
		if n := u[strings.LastIndex(u, "/")+1:]; n != q.Name {
			others = append(others, n)
		}
	}
	if len(others) > 0 {
		j.found("dead-letters-shared", name, "also those of "+strings.Join(others, ", "), "give each queue its own", "")
	}
	if n, _ := number(d.Attributes, "ApproximateNumberOfMessages"); n > 0 {
		j.found("dead-letters", name, strconv.Itoa(n)+" wait", "`tintype dlq list` shows each with its cause and age; mend that, then `tintype dlq redrive`", "")
	}
}
