package declare

import "strconv"

// Stack is everything that is declared. Names and ARNs of one part are used by another,
// so that the order in which they are made is: queues, topics, policies, buckets,
// subscriptions, notification.
type Stack struct {
	Uploads, Results       Bucket
	DeadLetterQueue, Queue Queue
	UploadTopic            Topic
	CompletionTopic        Topic
	Subscriptions          []Subscription
	Notification           Notification
}

// Buckets are both, in the order in which they are made.
func (s Stack) Buckets() []Bucket { return []Bucket{s.Uploads, s.Results} }

// Queues are both, in the order in which they are made.
func (s Stack) Queues() []Queue { return []Queue{s.DeadLetterQueue, s.Queue} }

// Topics are both, in the order in which they are made.
func (s Stack) Topics() []Topic { return []Topic{s.UploadTopic, s.CompletionTopic} }

// Bucket is a bucket and what is configured on it. All public access is blocked.
type Bucket struct {
	Name, ARN string
	// KMSKey encrypts what is stored, through a bucket key; empty: SSE-S3.
	KMSKey    string
	Policy    Document // may be empty
	Lifecycle []LifecycleRule
	CORS      []CORSRule // none where the page has no origin
	Tags      map[string]string
}

// LifecycleRule ends what would otherwise stay. Zero days: the rule does not do that.
type LifecycleRule struct {
	ID, Prefix       string
	ExpireDays       int
	AbortUploadsDays int // of unfinished multipart uploads
}

// CORSRule lets a page in.
type CORSRule struct {
	ID                        string
	Origins, Methods, Headers []string
	Expose                    []string
	MaxAge                    int // seconds
}

// Queue is a queue. Attributes are SQS's own, all but Policy.
type Queue struct {
	Name, ARN  string
	Attributes map[string]string
	Policy     Document // may be empty
	Tags       map[string]string
}

// Topic is a topic.
type Topic struct {
	Name, ARN string
	KMSKey    string // empty: none
	Policy    Document
	Tags      map[string]string
}

// Subscription of an endpoint to a topic.
type Subscription struct {
	Topic, TopicARN string
	Protocol        string // "sqs" or "email"
	Endpoint        string // the queue's ARN, or an address
	Name            string // the queue's name, or the address
}

// Notification is the bucket's event notification to a topic.
type Notification struct {
	ID, Bucket, TopicARN, Topic string
	Events                      []string
}

// The IDs by which configuration of ours is known among that of others.
const (
	NotificationID       = "tintype-uploads"
	CORSID               = "tintype-page"
	LifecycleUploadsID   = "tintype-unfinished-uploads"
	LifecycleAttemptsID  = "tintype-attempts"
	LifecyclePresencesID = "tintype-presences"
)

// Keys of ours in the results bucket that belong to no image.
const (
	AttemptsPrefix = ".tintype/attempts/"
	PresencePrefix = ".tintype/app/"
)

// Days that things are kept.
const (
	// unfinishedDays: a multipart upload that nobody finished costs and shows nowhere.
	unfinishedDays = 7
	// attemptDays: records of failed attempts outlive the dead letter that they explain,
	// which SQS keeps for at most 14 days.
	attemptDays = 15
	// presenceDays: app processes remove their presence, and readers those of the dead;
	// this is for a deployment of which nothing runs any more.
	presenceDays = 1
)

// retention is as long as SQS keeps anything, 14 days, so that a long weekend does not
// lose the evidence.
const retention = 14 * 24 * 3600

// Of declares everything that spec asks for.
func Of(spec Spec) Stack {
	st := Stack{
		DeadLetterQueue: spec.queue(spec.DeadLetterQueue, map[string]string{
			"MessageRetentionPeriod": strconv.Itoa(retention),
			"RedriveAllowPolicy":     `{"redrivePermission":"byQueue","sourceQueueArns":["` + spec.QueueARN(spec.Queue) + `"]}`,
		}),
		Queue:           spec.queue(spec.Queue, spec.workQueue()),
		UploadTopic:     spec.topic(spec.UploadTopic),
		CompletionTopic: spec.topic(spec.CompletionTopic),
		Uploads:         spec.bucket(spec.UploadsBucket, "GET", "HEAD", "POST"),
		Results:         spec.bucket(spec.ResultsBucket, "GET", "HEAD"),
		Notification: Notification{ID: NotificationID, Bucket: spec.UploadsBucket, Topic: spec.UploadTopic,
			TopicARN: spec.TopicARN(spec.UploadTopic), Events: []string{"s3:ObjectCreated:*"}},
	}
	st.Queue.Policy.add(topicMaySend(st.Queue.ARN, st.UploadTopic.ARN))
	st.UploadTopic.Policy.add(spec.bucketMayPublish(st.UploadTopic.ARN, st.Uploads.ARN))
	st.Results.Lifecycle = append(st.Results.Lifecycle,
		LifecycleRule{ID: LifecycleAttemptsID, Prefix: AttemptsPrefix, ExpireDays: attemptDays},
		LifecycleRule{ID: LifecyclePresencesID, Prefix: PresencePrefix, ExpireDays: presenceDays})
	st.Subscriptions = append(st.Subscriptions, Subscription{
		Topic: spec.UploadTopic, TopicARN: st.UploadTopic.ARN, Protocol: "sqs", Endpoint: st.Queue.ARN, Name: spec.Queue})
	for _, t := range st.Topics() {
		for _, address := range spec.Emails {
			st.Subscriptions = append(st.Subscriptions, Subscription{Topic: t.Name, TopicARN: t.ARN, Protocol: "email", Endpoint: address, Name: address})
		}
	}
	return st
}

// workQueue are the attributes of the work queue: AWS's defaults but for these. A visibility
// timeout of 30 s is only the time in which another takes over from a process that died, because
// a living one extends it; a function cannot.
func (s Spec) workQueue() map[string]string {
	attrs := map[string]string{"RedrivePolicy": s.redrivePolicy()}
	if s.QueueVisibility != "" {
		attrs["VisibilityTimeout"] = s.QueueVisibility
	}
	return attrs
}

func (s Spec) bucket(name string, methods ...string) Bucket {
	b := Bucket{Name: name, ARN: s.BucketARN(name), KMSKey: s.KMSKey, Tags: s.tags(),
		Lifecycle: []LifecycleRule{{ID: LifecycleUploadsID, AbortUploadsDays: unfinishedDays}}}
	if !s.PlainHTTP {
		b.Policy.add(tlsOnly("s3:*", b.ARN, b.ARN+"/*"))
	}
	if len(s.Origins) > 0 {
		b.CORS = []CORSRule{{ID: CORSID, Origins: s.Origins, Methods: methods, Headers: []string{"*"}, Expose: []string{"ETag"}, MaxAge: 3600}}
	}
	return b
}

func (s Spec) topic(name string) Topic {
	t := Topic{Name: name, ARN: s.TopicARN(name), KMSKey: s.KMSKey, Tags: s.tags()}
	if !s.PlainHTTP {
		t.Policy.add(tlsOnly("sns:Publish", t.ARN))
	}
	return t
}

func (s Spec) queue(name string, attrs map[string]string) Queue {
	q := Queue{Name: name, ARN: s.QueueARN(name), Attributes: attrs, Tags: s.tags()}
	if s.KMSKey != "" {
		attrs["KmsMasterKeyId"] = s.KMSKey
	} else {
		attrs["SqsManagedSseEnabled"] = "true"
	}
	if !s.PlainHTTP {
		q.Policy.add(tlsOnly("sqs:*", q.ARN))
	}
	return q
}
