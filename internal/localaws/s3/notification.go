package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// Limits of a notification configuration.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
const (
	maxDestinations = 100
	maxIDLen        = 255
	maxFilterLen    = 1024
)

// Destination is one entry of a bucket's notification configuration.
type Destination struct {
	ID     string   `json:"id"`
	Target string   `json:"target"` // ARN of an SNS topic or an SQS queue
	Events []string `json:"events"` // "s3:ObjectCreated:*" and the like
	Prefix string   `json:"prefix,omitempty"`
	Suffix string   `json:"suffix,omitempty"`
	// Empty names the rules, Prefix or Suffix, that are there with an empty value: they
	// mean nothing and are shown.
	Empty []string `json:"empty,omitempty"`
}

// wants reports whether the destination takes an event ("s3:ObjectCreated:Put") about
// the key.
func (d Destination) wants(event, key string) bool {
	return strings.HasPrefix(key, d.Prefix) && strings.HasSuffix(key, d.Suffix) &&
		slices.ContainsFunc(d.Events, func(e string) bool { return covers(e, event) })
}

// covers reports whether the configured event type takes in the other, which may end
// in an asterisk itself.
func covers(configured, event string) bool {
	group, all := strings.CutSuffix(configured, "*")
	return configured == event || all && strings.HasPrefix(event, group)
}

// overlaps reports whether some event about some key would go to both, which S3
// refuses.
func (d Destination) overlaps(o Destination) bool {
	prefixes := strings.HasPrefix(d.Prefix, o.Prefix) || strings.HasPrefix(o.Prefix, d.Prefix)
	suffixes := strings.HasSuffix(d.Suffix, o.Suffix) || strings.HasSuffix(o.Suffix, d.Suffix)
	if !prefixes || !suffixes {
		return false
	}
	for _, a := range d.Events {
		for _, b := range o.Events {
			if covers(a, b) || covers(b, a) {
				return true
			}
		}
	}
	return false
}

// knownEvent reports whether S3 knows the event type. Some can never happen here (there is no replication,
// no lifecycle): configuring them is as harmless as on AWS.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
func knownEvent(e string) bool {
	switch e {
	case "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
		"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
		"s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete",
		"s3:ReducedRedundancyLostObject",
		"s3:Replication:*", "s3:Replication:OperationFailedReplication", "s3:Replication:OperationMissedThreshold",
		"s3:Replication:OperationReplicatedAfterThreshold", "s3:Replication:OperationNotTracked",
		"s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
		"s3:LifecycleTransition", "s3:IntelligentTiering",
		"s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete", "s3:ObjectAcl:Put":
		return true
	}
	return false
}

// eventBridge is the target of a configuration that turns EventBridge on. It wants no
// events: there is no EventBridge here. The configuration is kept and shown.
const eventBridge = "eventbridge"

func notificationShape() *shape {
	filter := tree(may("S3Key", tree(any0("FilterRule", tree(must("Name", free()), must("Value", free()))))))
	to := func(target string) *shape {
		return tree(may("Id", free()), must(target, free()), some("Event", free()), may("Filter", filter))
	}
	return tree(
		any0("TopicConfiguration", to("Topic")), any0("QueueConfiguration", to("Queue")), any0("CloudFunctionConfiguration", to("CloudFunction")),
		may("EventBridgeConfiguration", tree()),
	)
}

// parseNotification reads and validates a notification configuration, all but the
// destinations' existence. region is the bucket's.
func parseNotification(body []byte, region string) ([]Destination, error) {
	doc, err := readDocument(body, "NotificationConfiguration", notificationShape())
	if err != nil {
		return nil, err
	}
	if n := len(doc.kids); n > maxDestinations {
		return nil, invalidArgument("NotificationConfiguration", fmt.Sprint(n), "The number of notification configurations exceeds the limit.")
	}
	out := []Destination{}
	for _, kind := range []struct{ name, target, service string }{
		{"TopicConfiguration", "Topic", "sns"}, {"QueueConfiguration", "Queue", "sqs"}, {"CloudFunctionConfiguration", "CloudFunction", "lambda"},
	} {
		for _, e := range doc.all(kind.name) {
			d, err := readDestination(e, kind.target, kind.service, region)
			if err != nil {
				return nil, err
			}
			out = append(out, d)
		}
	}
	for i, a := range out {
		for _, b := range out[:i] {
			if a.ID == b.ID {
				return nil, invalidArgument("Id", a.ID, "Same ID used for multiple configurations. IDs must be unique.")
			}
			if !a.overlaps(b) {
				continue
			}
			if a.Prefix+a.Suffix+b.Prefix+b.Suffix == "" {
				return nil, s3err.APIError{Code: "InvalidArgument", HTTPStatusCode: http.StatusBadRequest,
					Description: "Configurations overlap. Configurations on the same bucket cannot share a common event type."}
			}
			return nil, s3err.APIError{Code: "InvalidArgument", HTTPStatusCode: http.StatusBadRequest,
				Description: "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."}
		}
	}
	if doc.child("EventBridgeConfiguration") != nil {
		out = append(out, Destination{Target: eventBridge})
	}
	return out, nil
}

func readDestination(e *element, target, service, region string) (Destination, error) {
	d := Destination{ID: e.value("Id"), Target: strings.TrimSpace(e.value(target))}
	switch f := strings.SplitN(d.Target, ":", 6); {
	case len(f) != 6 || f[0] != "arn" || f[1] != "aws" || f[5] == "":
		return d, badArgument(target, d.Target, "The ARN could not be parsed")
	case f[2] != service:
		return d, badArgument(target, d.Target, "The ARN is not well formed")
	case f[3] != region:
		return d, badArgument(d.Target, "The notification destination service region is not valid for the bucket location constraint",
			"The notification destination service region is not valid for the bucket location constraint")
	}
	if d.ID == "" {
		d.ID = newBlobID() // S3 makes one up, too
	}
	if len(d.ID) > maxIDLen {
		return d, invalidArgument("Id", d.ID, "The ID is longer than 255 characters.")
	}
	for _, v := range e.all("Event") {
		if !knownEvent(v.text) {
			return d, invalidArgument("Event", v.text, "The event is not supported for notifications")
		}
		d.Events = append(d.Events, v.text)
	}
	seen := map[string]bool{}
	for _, r := range e.child("Filter", "S3Key").all("FilterRule") {
		given, text := r.value("Name"), r.value("Value")
		name := strings.ToLower(given)
		switch {
		case name != "prefix" && name != "suffix":
			return d, invalidArgument("FilterRule.Name", given, "filter rule name must be either prefix or suffix")
		case seen[name]:
			return d, invalidArgument("FilterRule.Name", given, "Cannot specify more than one "+name+" rule in a filter.")
		case len(text) > maxFilterLen:
			return d, invalidArgument("FilterRule.Value", text, "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		seen[name] = true
		if text == "" {
			d.Empty = append(d.Empty, strings.ToUpper(name[:1])+name[1:])
		}
		if name == "prefix" {
			d.Prefix = text
		} else {
			d.Suffix = text
		}
	}
	return d, nil
}

// encodeNotification is the answer of GetBucketNotificationConfiguration.
func encodeNotification(ds []Destination) []byte {
	doc := branch("NotificationConfiguration")
	for _, d := range ds {
		if d.Target == eventBridge {
			doc.kids = append(doc.kids, branch("EventBridgeConfiguration"))
			continue
		}
		kind := "Topic"
		switch {
		case strings.HasPrefix(d.Target, "arn:aws:sqs:"):
			kind = "Queue"
		case strings.HasPrefix(d.Target, "arn:aws:lambda:"):
			kind = "CloudFunction"
		}
		e := branch(kind+"Configuration", leaf("Id", d.ID), leaf(kind, d.Target))
		for _, v := range d.Events {
			e.kids = append(e.kids, leaf("Event", v))
		}
		key := branch("S3Key")
		for _, rule := range [][2]string{{"Prefix", d.Prefix}, {"Suffix", d.Suffix}} {
			if rule[1] != "" || slices.Contains(d.Empty, rule[0]) {
				key.kids = append(key.kids, branch("FilterRule", leaf("Name", rule[0]), leaf("Value", rule[1])))
			}
		}
		if len(key.kids) > 0 {
			e.kids = append(e.kids, branch("Filter", key))
		}
		doc.kids = append(doc.kids, e)
	}
	return doc.encode()
}

func decodeDestinations(doc string) ([]Destination, error) {
	if doc == "" {
		return nil, nil
	}
	var ds []Destination
	if err := json.Unmarshal([]byte(doc), &ds); err != nil {
		return nil, fmt.Errorf("s3: stored notification configuration: %w", err)
	}
	return ds, nil
}

// getNotification reads a bucket's configuration as XML.
func (s *Service) getNotification(ctx context.Context, name string) ([]byte, error) {
	doc, err := store{Service: s}.document(ctx, name, `SELECT coalesce(notification, '') FROM s3_buckets WHERE name = ?`, nil)
	if err != nil {
		return nil, err
	}
	ds, err := decodeDestinations(string(doc))
	if err != nil {
		return nil, err
	}
	return encodeNotification(ds), nil
}

// putNotification validates a configuration, stores it, and sends each destination
// the test event that S3 sends. skipCheck leaves the destinations unasked, as the
// header x-amz-skip-destination-validation does.
func (s *Service) putNotification(ctx context.Context, name string, body []byte, skipCheck bool) error {
	if _, err := s.bucketID(ctx, name); err != nil {
		return err
	}
	ds, err := parseNotification(body, s.opts.Region)
	if err != nil {
		return err
	}
	if len(ds) > 0 && s.opts.Notifier == nil {
		return notImplemented("Bucket notifications are not available on this endpoint.")
	}
	req := requestOf(ctx)
	if err := s.checkDestinations(req, name, ds, skipCheck); err != nil {
		return err
	}
	var doc any
	if len(ds) > 0 {
		b, err := json.Marshal(ds)
		if err != nil {
			return err
		}
		doc = string(b)
	}
	test, err := json.Marshal(testEvent{
		Service: "Amazon S3", Event: "s3:TestEvent", Time: formatTime(s.opts.Now()),
		Bucket: name, RequestID: req.id, HostID: req.hostID,
	})
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *db.Tx) error {
		if _, err := bucketTx(tx, name); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE s3_buckets SET notification = ? WHERE name = ?`, doc, name); err != nil {
			return err
		}
		for _, d := range ds {
			if d.Target == eventBridge {
				continue
			}
			if err := s.send(tx, d, name, string(test), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkDestinations asks whether each is there and lets S3 publish. S3's answer names
// all that do not; why exactly is in the log.
func (s *Service) checkDestinations(req *request, bucketName string, ds []Destination, skip bool) error {
	var wrong []string
	for _, d := range ds {
		service := strings.SplitN(d.Target+"::", ":", 4)[2]
		kind := map[string]string{"sns": "topic", "sqs": "queue", "lambda": "Lambda"}[service]
		why := ""
		switch {
		case d.Target == eventBridge:
		case kind == "Lambda": // there are none here
			why = "The destination Lambda does not exist"
		case skip:
		case strings.SplitN(d.Target, ":", 6)[4] != s.opts.Account: // there is no other account here
			why = "The destination " + kind + " does not exist"
		default:
			err := s.opts.Notifier.Check(req.ctx, d.Target, bucketARN(bucketName))
			switch {
			case errors.Is(err, ErrNoTarget):
				why = "The destination " + kind + " does not exist"
			case err != nil:
				why = "Permissions on the destination " + kind + " do not allow S3 to publish notifications from this bucket"
			}
			if err != nil {
				s.log.Warn("a notification configuration was refused", "bucket", bucketName, "target", d.Target, "err", err)
			}
		}
		if why != "" {
			n := strconv.Itoa(len(wrong)/4 + 1)
			wrong = append(wrong, "ArgumentName"+n, d.Target, "ArgumentValue"+n, why)
		}
	}
	if wrong == nil {
		return nil
	}
	return failure(http.StatusBadRequest, "InvalidArgument", "Unable to validate the following destination configurations", wrong...)
}

// testEvent is what a new destination is sent.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type testEvent struct {
	Service   string
	Event     string
	Time      string
	Bucket    string
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

// request is what the backend needs to know of the HTTP request behind a call.
type request struct {
	ctx       context.Context // ends when the client goes away
	id        string          // x-amz-request-id
	hostID    string          // x-amz-id-2
	sourceIP  string
	created   string // event that storing an object is: "ObjectCreated:Put" or ":Post"
	encodeURL bool   // encoding-type=url
	quiet     bool   // DeleteObjects: report errors only
	source    copySource
	// ifMatch and ifNoneMatch are the destination's conditions of CopyObject.
	ifMatch, ifNoneMatch string
	// principal is the access key, empty for the anonymous.
	principal string
	// signedPath is the path as sent, with the bucket first; verifiedV2 says that a
	// signature of Version 2 was found good.
	signedPath string
	verifiedV2 bool
	// mayList says that an anonymous caller may list the bucket, and so may know what is
	// not in it.
	mayList bool
	// mayDelete decides on each key of DeleteObjects; nil: all may be deleted.
	mayDelete func(key, version string) bool
	acl       *accessList // that an upload asks for
	// noRedirect says that a form's success_action_redirect is no URL to go to.
	noRedirect bool
	objectRequest
}

// requestKey finds the request in the context that the controllers pass on.
type requestKey struct{}

// requestOf never returns nil.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{ctx: ctx, id: utils.NewS3RequestID(), hostID: utils.NewS3HostID(), created: eventPut, objectRequest: newObjectRequest(nil, nil)}
}

// eventTime is the format of times in events: UTC, milliseconds.
const eventTime = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(eventTime) }
