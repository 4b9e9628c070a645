// Package doctor finds the mistakes that people make with a deployment, and says of each
// what is wrong, why it matters and how it is mended.
//
// It has two halves. Look fetches how things stand, by calls that change nothing; one that
// is refused costs what it would have told, and is named. Judge is pure: it compares what
// was fetched with what the tiers need, so that a deployment that somebody made by hand is
// sound where it does the same. Probe sends an image through, where that is asked for.
//
// It speaks S3, SNS, SQS and STS through the SDK. Of ours it imports nothing.
package doctor

// Level is how much a finding matters.
type Level string

// The levels, from the least.
const (
	OK      Level = "ok"
	Info    Level = "info"    // works, and is worth knowing
	Unknown Level = "unknown" // could not be checked
	Warning Level = "warning" // works now; will hurt, or lets in more than it should
	Wrong   Level = "wrong"   // images are lost, stay queued or cannot be shown
)

// Mark is the level as one character that is told apart without colour.
func (l Level) Mark() string {
	switch l {
	case OK:
		return "✓"
	case Info:
		return "·"
	case Unknown:
		return "?"
	case Warning:
		return "!"
	default:
		return "✗"
	}
}

// Finding is one thing that was looked at.
type Finding struct {
	Group    string `json:"group"`
	Level    Level  `json:"level"`
	Code     string `json:"code,omitempty"` // of Codes; empty where all is well
	Resource string `json:"resource"`       // "queue ImageApp"
	Found    string `json:"found,omitempty"`
	Why      string `json:"why,omitempty"`
	Mend     string `json:"mend,omitempty"`    // in words
	Command  string `json:"command,omitempty"` // to type, where one does it
	// Provision says that `tintype provision` mends it.
	Provision bool `json:"provision,omitempty"`
}

// Provision is the command that mends most things.
const Provision = "tintype provision"

// The groups, in the order in which they are told.
const (
	GroupMachine       = "this machine"
	GroupAccess        = "access"
	GroupBuckets       = "buckets"
	GroupTopics        = "topics"
	GroupNotification  = "event notification"
	GroupSubscriptions = "subscriptions"
	GroupQueues        = "queues"
	GroupTiers         = "tiers"
	GroupProbe         = "one image, end to end"
)

// Groups are all of them in order.
func Groups() []string {
	return []string{GroupMachine, GroupAccess, GroupBuckets, GroupTopics, GroupNotification, GroupSubscriptions, GroupQueues, GroupTiers, GroupProbe}
}

// Tier is whose needs are looked at.
type Tier string

// The tiers.
const (
	All Tier = "all"
	Web Tier = "web"
	App Tier = "app"
)

// Wants reports whether what concerns tier t is asked for.
func (t Tier) Wants(of Tier) bool { return t == All || t == "" || of == All || t == of }

// Options name the deployment.
type Options struct {
	Region                       string
	Uploads, Results             string // buckets
	Queue, DeadLetterQueue       string
	UploadTopic, CompletionTopic string
	Origins                      []string // of the page
	WebQueuePrefix               string   // of the web instances' queues
	Tier                         Tier
	// TLS says that the services are reached over TLS, as AWS is.
	TLS bool
}

// judge collects findings.
type judge struct {
	Options
	st  *State
	all []Finding
}

// found adds a finding by its code; level, group and reason are the code's.
func (j *judge) found(code, resource, what, mend, command string) *Finding {
	f := New(code, resource, what, mend, command)
	j.all = append(j.all, f)
	return &j.all[len(j.all)-1]
}

// New makes the finding of a code.
func New(code, resource, what, mend, command string) Finding {
	c, ok := lookUp(code)
	if !ok {
		panic("doctor: no code " + code) // Codes lists every one; a test judges with each
	}
	return Finding{Group: c.Group, Level: c.Level, Code: code, Resource: resource, Found: what, Why: c.Why,
		Mend: mend, Command: command, Provision: command == Provision}
}

// Judge says what is wrong with a deployment that was found to be so, in the order in which
// it is told, and what is well.
func Judge(o Options, st *State) []Finding {
	j := &judge{Options: o, st: st}
	j.access()
	if st.Fatal == nil {
		j.buckets()
		j.topics()
		j.notification()
		j.subscriptions()
		j.queues()
		j.tiers()
		j.well()
	}
	var out []Finding
	for _, g := range Groups() {
		for _, f := range j.all {
			if f.Group == g {
				out = append(out, f)
			}
		}
	}
	return out
}

// well adds a line for each resource with which nothing is wrong.
func (j *judge) well() {
	ill := map[string]bool{}
	for _, f := range j.all {
		if f.Level != Info && f.Level != OK {
			ill[f.Resource] = true
		}
	}
	s := j.st
	for _, r := range []struct {
		group, resource string
		there           bool
	}{
		{GroupBuckets, bucketName(s.Uploads.Name), s.Uploads.State == There},
		{GroupBuckets, bucketName(s.Results.Name), s.Results.State == There},
		{GroupTopics, topicName(s.UploadTopic.Name), s.UploadTopic.State == There},
		{GroupTopics, topicName(s.CompletionTopic.Name), s.CompletionTopic.State == There},
		{GroupNotification, j.notificationName(), s.Uploads.Notification != nil},
		{GroupSubscriptions, j.subscriptionName(), s.UploadTopic.State == There && s.UploadTopic.SubsKnown},
		{GroupQueues, queueName(s.Queue.Name), s.Queue.State == There},
		{GroupQueues, queueName(s.DeadLetters.Name), s.DeadLetters.State == There},
	} {
		if r.there && !ill[r.resource] {
			j.all = append(j.all, Finding{Group: r.group, Level: OK, Resource: r.resource})
		}
	}
}

func bucketName(n string) string { return "bucket " + n }
func topicName(n string) string  { return "topic " + n }
func queueName(n string) string  { return "queue " + n }

func (j *judge) notificationName() string { return "event notification of bucket " + j.Uploads }
func (j *judge) subscriptionName() string {
	return "subscription of queue " + j.Queue + " to topic " + j.UploadTopic
}
