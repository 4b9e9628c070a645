package doctor

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Existence is what is known of whether something is there.
type Existence int

// What can be known.
const (
	NotKnown Existence = iota // the call that would tell was refused
	There
	Missing
	Forbidden // of a bucket: it is somebody's, and these credentials may not see it
)

// State is a deployment as it was found.
type State struct {
	// Fatal is why nothing could be looked at.
	Fatal *Finding

	Account, Partition string // of the ARNs; empty: nothing told
	Identity           string // who asks, an ARN; empty: nobody knows
	ClockKnown         bool
	Skew               time.Duration // local clock less the service's

	Uploads, Results             Bucket
	Queue, DeadLetters           Queue
	UploadTopic, CompletionTopic Topic
	WebQueues                    []WebQueue // those of web instances that are dead

	// Refused are calls that were refused: what they would have told is not known.
	Refused []Refusal
	// Lacks are actions that a tier needs and these credentials may not do.
	Lacks []Lack

	// What app processes say of themselves; the caller knows where.
	Apps      []AppProcess
	AppsKnown bool
	// Slowest is the longest that one of the latest images took from its message to its
	// result; zero: none was looked at.
	Slowest time.Duration
	Now     time.Time
}

// Refusal is a call that was refused or failed.
type Refusal struct {
	Action   string // "sns:GetTopicAttributes"
	Resource string
	Err      string // where it was no refusal of permission
}

// Lack is an action that may not be done.
type Lack struct {
	Action, Resource string
	Tier             Tier
	For              string // what it is needed for
}

// Bucket is a bucket as it was found. Nil and empty fields are what is not configured or
// could not be read; Refused has which.
type Bucket struct {
	Name         string
	State        Existence
	Region       string
	Notification *s3.GetBucketNotificationConfigurationOutput
	CORS         []types.CORSRule
	CORSKnown    bool
	Block        *types.PublicAccessBlockConfiguration
	BlockKnown   bool
	Policy       string
	Lifecycle    []types.LifecycleRule
	Versioned    bool
	// LockDays is how long object lock keeps new objects from being deleted, in days.
	LockDays   int
	Encryption *types.ServerSideEncryptionByDefault
	EncKnown   bool
}

// Queue is a queue as it was found.
type Queue struct {
	Name, URL, ARN string
	State          Existence
	Attributes     map[string]string // nil: could not be read
	// FIFO is the ARN of a queue of the same name that ends in .fifo.
	FIFO string
	// Sources are the URLs of queues whose dead letters come here.
	Sources []string
	// TargetGone is the ARN in the redrive policy where no such queue is there.
	TargetGone string
}

// Topic is a topic as it was found.
type Topic struct {
	Name, ARN  string
	State      Existence
	Attributes map[string]string // nil: could not be read
	Subs       []Subscription
	SubsKnown  bool
}

// Subscription of an endpoint to a topic.
type Subscription struct {
	ARN, Protocol, Endpoint string
	Attributes              map[string]string // of queues' alone
}

// pendingARN stands in the ARN's place until the owner has confirmed.
const pendingARN = "PendingConfirmation"

// WebQueue is a web instance's queue.
type WebQueue struct {
	Name, URL string
	Idle      time.Duration // since its owner's last sign of life
}

// AppProcess is one process of the app tier as it last said of itself.
type AppProcess struct {
	ID, Host, Program, Reason string
	Started                   time.Time
	Ready, Stale, Draining    bool
}
