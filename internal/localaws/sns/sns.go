// Package sns is the endpoint's notification service: topics, subscriptions and
// publishing, as Amazon SNS has them, kept in the shared store.
//
// Publishing is one transaction: deliveries to queues are messages of that same
// transaction, deliveries by mail and HTTP are rows of an outbox in it, worked off by
// a background loop and forgotten only once they are delivered. What was acknowledged
// therefore reaches everybody who was subscribed, whatever happens to the process.
//
// Not offered, and refused with AWS's own errors: SMS, mobile push, Lambda and Firehose
// subscriptions, archives of FIFO topics. Taken and shown without effect: keys to
// encrypt with, roles for delivery-status logs, data protection policies.
//
// It imports db, wire, policy and mail; queues are reached through an interface.
package sns

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// servicePrincipal is who sends to queues.
const servicePrincipal = "sns.amazonaws.com"

// QueueMessage is a message for a queue.
type QueueMessage struct {
	Body       string
	Attributes map[string]sqstypes.MessageAttributeValue
	GroupID    string // MessageGroupId; may be empty
	DedupID    string // MessageDeduplicationId, of messages of FIFO topics to FIFO queues
	Trace      string // AWSTraceHeader; may be empty
}

// ErrNoQueue is what Queues answers, perhaps wrapped, for a queue that does not exist.
var ErrNoQueue = errors.New("the queue does not exist")

// Queues is the queue service as this package needs it. All of it happens in the
// transaction of the publishing, and must not wait for another.
type Queues interface {
	// AllowsTx says whether the queue's policy lets the service send to it
	// (sqs:SendMessage) on behalf of the source.
	AllowsTx(tx *db.Tx, queueARN, service, sourceARN, sourceAccount string) (bool, error)
	// EnqueueTx stores a message. A *wire.Error means that the queue does not take
	// this message and that nothing was written; any other error undoes the publishing.
	EnqueueTx(tx *db.Tx, queueARN string, m QueueMessage) error
}

// Options configure a Service. All but Logger, Client and Now are required.
type Options struct {
	Account string // twelve digits
	Region  string
	// BaseURL is the endpoint's URL as mail readers and subscribers reach it, for
	// links: "http://127.0.0.1:4566".
	BaseURL string
	Queues  Queues
	Mail    *mail.Service
	Logger  *slog.Logger     // nil: nothing is logged
	Client  *http.Client     // for HTTP subscriptions; nil: one with a limit of 15 s
	Now     func() time.Time // nil: time.Now
}

// Service is the notification service. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	opts   Options
	log    *slog.Logger
	now    func() time.Time
	signer *signer
	wire   *wire.Service
	lanes  []*lane

	filters   filters
	throttles *throttles

	mu     sync.Mutex      // guards what follows
	warned map[string]bool // subscriptions that a warning was logged about
	stop   context.CancelFunc
	done   chan struct{} // nil while not running
}

// New makes a service on a store. Deliveries
// by mail and HTTP begin with Start.
func New(d *db.DB, opts Options) (*Service, error) {
	s := &Service{db: d, opts: opts, log: opts.Logger, now: opts.Now, warned: map[string]bool{}, throttles: newThrottles()}
	s.opts.BaseURL = strings.TrimRight(opts.BaseURL, "/")
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	client := opts.Client
	if client == nil {
		client = newHTTPClient()
	}
	var err error
	if s.signer, err = newSigner(d, s.now); err != nil {
		return nil, fmt.Errorf("sns: signing key: %w", err)
	}
	s.lanes = []*lane{
		{name: laneMail, slots: 4, deliver: s.deliverMail, wake: make(chan struct{}, 1)},
		{name: laneHTTP, slots: 16, deliver: httpDelivery(client), wake: make(chan struct{}, 1), client: client},
	}
	s.wire = s.operations()
	return s, nil
}

// Wire is the service's API.
func (s *Service) Wire() *wire.Service { return s.wire }

// notOffered are operations that AWS has and this endpoint does not.
var notOffered = map[string][]string{
	"SMS": {
		"CheckIfPhoneNumberIsOptedOut", "CreateSMSSandboxPhoneNumber", "DeleteSMSSandboxPhoneNumber", "GetSMSAttributes", "GetSMSSandboxAccountStatus",
		"ListOriginationNumbers", "ListPhoneNumbersOptedOut", "ListSMSSandboxPhoneNumbers", "OptInPhoneNumber", "SetSMSAttributes", "VerifySMSSandboxPhoneNumber",
	},
	"mobile push": {
		"CreatePlatformApplication", "CreatePlatformEndpoint", "DeleteEndpoint", "DeletePlatformApplication", "GetEndpointAttributes", "GetPlatformApplicationAttributes",
		"ListEndpointsByPlatformApplication", "ListPlatformApplications", "SetEndpointAttributes", "SetPlatformApplicationAttributes",
	},
}

func (s *Service) operations() *wire.Service {
	w := &wire.Service{
		Name: "sns", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Naming:       wire.Naming{Members: map[string]wire.MemberName{"MessageAttributes": {Key: "Name", Value: "Value"}}},
		EmptyResults: map[string]bool{"TagResource": true, "UntagResource": true},
		Logger:       s.log,
		Operations: map[string]wire.Operation{
			"CreateTopic":               wire.Op(s.createTopic),
			"DeleteTopic":               wire.Op(s.deleteTopic),
			"ListTopics":                wire.Op(s.listTopics),
			"GetTopicAttributes":        wire.Op(s.getTopicAttributes),
			"SetTopicAttributes":        wire.Op(s.setTopicAttributes),
			"Subscribe":                 wire.Op(s.subscribe),
			"ConfirmSubscription":       wire.Op(s.confirmSubscription),
			"Unsubscribe":               wire.Op(s.unsubscribe),
			"ListSubscriptions":         wire.Op(s.listSubscriptions),
			"ListSubscriptionsByTopic":  wire.Op(s.listSubscriptionsByTopic),
			"GetSubscriptionAttributes": wire.Op(s.getSubscriptionAttributes),
			"SetSubscriptionAttributes": wire.Op(s.setSubscriptionAttributes),
			"Publish":                   wire.Op(s.publish),
			"PublishBatch":              wire.Op(s.publishBatch),
			"AddPermission":             wire.Op(s.addPermission),
			"RemovePermission":          wire.Op(s.removePermission),
			"PutDataProtectionPolicy": wire.Op(func(ctx context.Context, _ *wire.Request, in *sns.PutDataProtectionPolicyInput) (*sns.PutDataProtectionPolicyOutput, error) {
				return nil, s.putDataProtectionPolicy(ctx, in)
			}),
			"GetDataProtectionPolicy": wire.Op(func(ctx context.Context, _ *wire.Request, in *sns.GetDataProtectionPolicyInput) (*sns.GetDataProtectionPolicyOutput, error) {
				text, err := s.dataProtectionPolicy(ctx, in)
				return &sns.GetDataProtectionPolicyOutput{DataProtectionPolicy: &text}, err
			}),
			"TagResource":         wire.Op(s.tagResource),
			"UntagResource":       wire.Op(s.untagResource),
			"ListTagsForResource": wire.Op(s.listTagsForResource),
		},
	}
	for what, names := range notOffered {
		for _, name := range names {
			w.Operations[name] = wire.Refuse(wire.Errorf("InvalidAction", "The action %s is not valid for this endpoint, which has no %s.", name, what))
		}
	}
	return w
}

// invalid is AWS's error for a parameter that is not as it must be.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}

func notFound(what string) *wire.Error {
	return &wire.Error{Code: "NotFound", Message: what + " does not exist", Status: http.StatusNotFound}
}

func forbidden(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "AuthorizationError", Message: fmt.Sprintf(format, args...), Status: http.StatusForbidden}
}

// querier is what the store's transactions and its readers have in common.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}
