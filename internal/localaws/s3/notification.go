package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
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

// notificationXML is the document of both operations.
type notificationXML struct {
	XMLName     xml.Name         `xml:"NotificationConfiguration"`
	Xmlns       string           `xml:"xmlns,attr,omitempty"`
	Topics      []destinationXML `xml:"TopicConfiguration"`
	Queues      []destinationXML `xml:"QueueConfiguration"`
	Functions   []struct{}       `xml:"CloudFunctionConfiguration"`
	Lambdas     []struct{}       `xml:"LambdaFunctionConfiguration"`
	EventBridge *struct{}        `xml:"EventBridgeConfiguration"`
}

type destinationXML struct {
	ID     string     `xml:"Id"`
	Topic  string     `xml:"Topic,omitempty"`
	Queue  string     `xml:"Queue,omitempty"`
	Events []string   `xml:"Event"`
	Filter *filterXML `xml:"Filter"`
}

type filterXML struct {
	Rules []ruleXML `xml:"S3Key>FilterRule"`
}

type ruleXML struct {
	Name  string
	Value string
}

// parseNotification reads and validates a notification configuration, all but the
// destinations' existence. region and account are the bucket's.
func parseNotification(body []byte, region, account string) ([]Destination, error) {
	var doc notificationXML
	dec := xml.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&doc); err != nil {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if len(doc.Functions)+len(doc.Lambdas) > 0 {
		return nil, notImplemented("Lambda functions are not supported as notification destinations here; use an SNS topic or an SQS queue.")
	}
	if doc.EventBridge != nil {
		return nil, notImplemented("Amazon EventBridge is not supported as a notification destination here; use an SNS topic or an SQS queue.")
	}
	if n := len(doc.Topics) + len(doc.Queues); n > maxDestinations {
		return nil, invalidArgument("NotificationConfiguration", fmt.Sprint(n), "The number of notification configurations exceeds the limit.")
	}
	out := []Destination{}
	for _, t := range doc.Topics {
		d, err := t.destination("sns", t.Topic, region, account)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	for _, q := range doc.Queues {
		d, err := q.destination("sqs", q.Queue, region, account)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	for i, a := range out {
		for _, b := range out[:i] {
			if a.ID == b.ID {
				return nil, invalidArgument("Id", a.ID, "Same ID used for multiple configurations. IDs must be unique.")
			}
			if a.overlaps(b) {
				return nil, invalidArgument("Event", strings.Join(a.Events, ","), "Configurations overlap. Configurations on the same bucket cannot share a common event type.")
			}
		}
	}
	return out, nil
}

func (x destinationXML) destination(service, arn, region, account string) (Destination, error) {
	d := Destination{ID: x.ID, Target: strings.TrimSpace(arn), Events: x.Events}
	if f := strings.SplitN(d.Target, ":", 6); len(f) != 6 || f[0] != "arn" || f[1] != "aws" || f[2] != service || f[5] == "" {
		return d, invalidArgument("ARN", d.Target, "The ARN is not well formed")
	} else if f[3] != region || f[4] != account {
		return d, invalidArgument(d.Target, "The notification destination service region is not valid for the bucket location constraint", "The notification destination service region is not valid for the bucket location constraint")
	}
	if d.ID == "" {
		d.ID = newBlobID() // S3 makes one up, too
	}
	if len(d.ID) > maxIDLen {
		return d, invalidArgument("Id", d.ID, "The ID is longer than 255 characters.")
	}
	if len(d.Events) == 0 {
		return d, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	for _, e := range d.Events {
		if !knownEvent(e) {
			return d, invalidArgument("Event", e, "The event is not supported for notifications")
		}
	}
	if x.Filter == nil {
		return d, nil
	}
	seen := map[string]bool{}
	for _, r := range x.Filter.Rules {
		name := strings.ToLower(r.Name)
		switch {
		case name != "prefix" && name != "suffix":
			return d, invalidArgument("FilterRule.Name", r.Name, "filter rule name must be either prefix or suffix")
		case seen[name]:
			return d, invalidArgument("FilterRule.Name", r.Name, "Cannot specify more than one "+name+" rule in a filter.")
		case len(r.Value) > maxFilterLen:
			return d, invalidArgument("FilterRule.Value", r.Value, "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		seen[name] = true
		if name == "prefix" {
			d.Prefix = r.Value
		} else {
			d.Suffix = r.Value
		}
	}
	return d, nil
}

// encodeNotification is the answer of GetBucketNotificationConfiguration.
func encodeNotification(ds []Destination) ([]byte, error) {
	doc := notificationXML{Xmlns: "http://s3.amazonaws.com/doc/2006-03-01/"}
	for _, d := range ds {
		x := destinationXML{ID: d.ID, Events: d.Events}
		var rules []ruleXML
		if d.Prefix != "" {
			rules = append(rules, ruleXML{"Prefix", d.Prefix})
		}
		if d.Suffix != "" {
			rules = append(rules, ruleXML{"Suffix", d.Suffix})
		}
		if rules != nil {
			x.Filter = &filterXML{Rules: rules}
		}
		if strings.HasPrefix(d.Target, "arn:aws:sqs:") {
			x.Queue = d.Target
			doc.Queues = append(doc.Queues, x)
		} else {
			x.Topic = d.Target
			doc.Topics = append(doc.Topics, x)
		}
	}
	b, err := xml.Marshal(doc)
	return append([]byte(xml.Header), b...), err
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
	return encodeNotification(ds)
}

// putNotification validates a configuration, stores it, and sends each destination
// the test event that S3 sends. skipCheck leaves the destinations unasked, as the
// header x-amz-skip-destination-validation does.
func (s *Service) putNotification(ctx context.Context, name string, body []byte, skipCheck bool) error {
	if _, err := s.bucketID(ctx, name); err != nil {
		return err
	}
	ds, err := parseNotification(body, s.opts.Region, s.opts.Account)
	if err != nil {
		return err
	}
	if len(ds) > 0 && s.opts.Notifier == nil {
		return notImplemented("Bucket notifications are not available on this endpoint.")
	}
	req := requestOf(ctx)
	if !skipCheck {
		for _, d := range ds {
			if err := s.opts.Notifier.Check(req.ctx, d.Target, bucketARN(name)); err != nil {
				return invalidArgument(d.Target, err.Error(), "Unable to validate the following destination configurations")
			}
		}
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
			if err := s.send(tx, d, name, string(test), nil); err != nil {
				return err
			}
		}
		return nil
	})
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
	acl     *accessList // that an upload asks for
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
