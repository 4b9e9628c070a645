package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

const (
	topicARN = "arn:aws:sns:us-east-1:000000000000:uploadnotification"
	queueARN = "arn:aws:sqs:us-east-1:000000000000:direct"
)

func topic(events ...types.Event) types.TopicConfiguration {
	return types.TopicConfiguration{TopicArn: aws.String(topicARN), Events: events}
}

func (e *env) configure(bucket string, c types.NotificationConfiguration) error {
	_, err := e.PutBucketNotificationConfiguration(e.ctx(), &awss3.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: &c})
	return err
}

func TestEveryChangeIsToldInS3sOwnWords(t *testing.T) {
	e := start(t)
	b := e.bucket("told")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{
		Id: aws.String("uploads"), TopicArn: aws.String(topicARN), Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
	}}}); err != nil {
		t.Fatal(err)
	}
	const key = "a b+c/ü.jpg"
	const encoded = "a+b%2Bc/%C3%BC.jpg"
	e.put(b, key, []byte("hello"))
	postFile(t, e, presignPost(t, e, b, key, nil), []byte("hello"), 204)
	if _, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String(key), CopySource: aws.String("told/a%20b%2Bc/%C3%BC.jpg"), MetadataDirective: types.MetadataDirectiveReplace}); err != nil {
		t.Fatal(err)
	}
	u := e.begin(b, key)
	u.part(1, []byte("hello"))
	if _, err := u.complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String(key)}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String(key)}); err != nil {
		t.Fatal(err) // again: nothing is there, nothing is told
	}

	events := e.events()
	if len(events) != 6 {
		t.Fatalf("%d events, want 6: %v", len(events), events)
	}
	if !strings.Contains(events[0].body, `"Event":"s3:TestEvent"`) || !strings.Contains(events[0].body, `"Bucket":"told"`) || !strings.Contains(events[0].body, `"Service":"Amazon S3"`) {
		t.Errorf("first comes the test event, not %s", events[0].body)
	}
	sequencer := ""
	for i, want := range []string{"ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:Delete"} {
		v := events[i+1]
		if v.target != topicARN || v.bucket != "arn:aws:s3:::told" || v.subject != "Amazon S3 Notification" {
			t.Errorf("%s: target %s, bucket %s, subject %s", want, v.target, v.bucket, v.subject)
		}
		for field, value := range map[string]string{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": want} {
			if v.record[field] != value {
				t.Errorf("%s: %s = %v, want %s", want, field, v.record[field], value)
			}
		}
		if at, _ := v.record["eventTime"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(at) {
			t.Errorf("%s: eventTime %q", want, at)
		}
		if ip := dig(v.record, "requestParameters")["sourceIPAddress"]; ip != "127.0.0.1" {
			t.Errorf("%s: source IP %v", want, ip)
		}
		if r := dig(v.record, "responseElements"); r["x-amz-request-id"] == "" || r["x-amz-id-2"] == "" {
			t.Errorf("%s: response elements %v", want, r)
		}
		s := dig(v.record, "s3")
		if s["s3SchemaVersion"] != "1.0" || s["configurationId"] != "uploads" || dig(s, "bucket")["name"] != "told" || dig(s, "bucket")["arn"] != "arn:aws:s3:::told" ||
			dig(s, "bucket", "ownerIdentity")["principalId"] == "" || dig(v.record, "userIdentity")["principalId"] == "" {
			t.Errorf("%s: %v", want, s)
		}
		o := v.object()
		if o["key"] != encoded {
			t.Errorf("%s: key %v, want %s", want, o["key"], encoded)
		}
		etag := any(md5hex([]byte("hello")))
		size := any(5.0)
		switch want {
		case "ObjectCreated:CompleteMultipartUpload":
			etag = strings.Trim(u.etag(), `"`)
		case "ObjectRemoved:Delete":
			etag, size = nil, nil
		}
		if o["eTag"] != etag || o["size"] != size {
			t.Errorf("%s: eTag %v size %v, want %v %v", want, o["eTag"], o["size"], etag, size)
		}
		next, _ := o["sequencer"].(string)
		if !regexp.MustCompile(`^[0-9A-F]{16}$`).MatchString(next) || next <= sequencer {
			t.Errorf("%s: sequencer %q after %q", want, next, sequencer)
		}
		sequencer = next
	}
}

func TestFiltersChooseWhoIsTold(t *testing.T) {
	e := start(t)
	b := e.bucket("filters")
	filter := func(prefix, suffix string) *types.NotificationConfigurationFilter {
		return &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{
			{Name: types.FilterRuleNamePrefix, Value: &prefix}, {Name: types.FilterRuleNameSuffix, Value: &suffix},
		}}}
	}
	conf := types.NotificationConfiguration{
		TopicConfigurations: []types.TopicConfiguration{{Id: aws.String("jpg"), TopicArn: aws.String(topicARN), Events: []types.Event{"s3:ObjectCreated:Put"}, Filter: filter("in/", ".jpg")}},
		QueueConfigurations: []types.QueueConfiguration{{Id: aws.String("png"), QueueArn: aws.String(queueARN), Events: []types.Event{"s3:ObjectCreated:*"}, Filter: filter("in/", ".png")}},
	}
	if err := e.configure(b, conf); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"in/a.jpg", "in/a.png", "out/a.jpg", "in/a.gif"} {
		e.put(b, k, []byte("x"))
	}
	if _, err := e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("in/b.jpg"), CopySource: aws.String("filters/in/a.jpg")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range e.events()[2:] { // after two test events
		got = append(got, fmt.Sprint(dig(v.record, "s3")["configurationId"], " ", v.object()["key"]))
	}
	if want := []string{"jpg in/a.jpg", "png in/a.png"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}

	back, err := e.GetBucketNotificationConfiguration(e.ctx(), &awss3.GetBucketNotificationConfigurationInput{Bucket: &b})
	if err != nil {
		t.Fatal(err)
	}
	if len(back.TopicConfigurations) != 1 || len(back.QueueConfigurations) != 1 || *back.TopicConfigurations[0].Id != "jpg" || *back.QueueConfigurations[0].QueueArn != queueARN ||
		*back.TopicConfigurations[0].Filter.Key.FilterRules[1].Value != ".jpg" {
		t.Errorf("came back as %+v", back)
	}
	buckets, err := e.svc.Buckets(e.ctx())
	if err != nil || len(buckets) != 1 || buckets[0].Objects != 5 || buckets[0].Bytes != 5 || len(buckets[0].Notification) != 2 || buckets[0].Notification[0].Suffix != ".jpg" {
		t.Errorf("console: %+v, %v", buckets, err)
	}

	// An empty configuration removes all.
	if err := e.configure(b, types.NotificationConfiguration{}); err != nil {
		t.Fatal(err)
	}
	n := len(e.events())
	e.put(b, "in/c.jpg", []byte("x"))
	if got := len(e.events()); got != n {
		t.Errorf("%d events after the configuration was removed", got-n)
	}
}

func TestNotificationConfigurationsThatS3Refuses(t *testing.T) {
	e := start(t)
	b := e.bucket("refusing")
	e.notifier.set(func() {
		e.notifier.refuse["arn:aws:sns:us-east-1:000000000000:secret"] = errors.New("the topic's policy does not let S3 publish about this bucket")
	})
	good := topic("s3:ObjectCreated:*")
	for name, c := range map[string]struct {
		conf types.NotificationConfiguration
		code string
	}{
		"destination refuses": {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:secret"), Events: good.Events}}}, "InvalidArgument"},
		"other account":       {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String("arn:aws:sns:us-east-1:111111111111:x"), Events: good.Events}}}, "InvalidArgument"},
		"no ARN":              {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String("uploadnotification"), Events: good.Events}}}, "InvalidArgument"},
		"queue as topic":      {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String(queueARN), Events: good.Events}}}, "InvalidArgument"},
		"unknown event":       {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectPainted:*")}}, "InvalidArgument"},
		"overlap":             {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{good, topic("s3:ObjectCreated:Put")}}, "InvalidArgument"},
		"same id": {types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{
			{Id: aws.String("x"), TopicArn: good.TopicArn, Events: []types.Event{"s3:ObjectCreated:Put"}}, {Id: aws.String("x"), TopicArn: good.TopicArn, Events: []types.Event{"s3:ObjectCreated:Copy"}},
		}}, "InvalidArgument"},
		"lambda": {types.NotificationConfiguration{LambdaFunctionConfigurations: []types.LambdaFunctionConfiguration{{LambdaFunctionArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f"), Events: good.Events}}}, "InvalidArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, e.configure(b, c.conf), c.code)
		})
	}
	if _, err := parseNotification([]byte(notificationXMLFor("Topic", topicARN)), "us-east-1"); err == nil {
		t.Error("a configuration without an event was accepted")
	}
	wantCode(t, e.configure("no-such-bucket", types.NotificationConfiguration{}), "NoSuchBucket")
	if got := len(e.events()); got != 0 {
		t.Errorf("%d events were sent for refused configurations", got)
	}
	// Asked to, S3 does not ask the destination.
	_, err := e.PutBucketNotificationConfiguration(e.ctx(), &awss3.PutBucketNotificationConfigurationInput{
		Bucket: &b, SkipDestinationValidation: aws.Bool(true),
		NotificationConfiguration: &types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:secret"), Events: good.Events}}},
	})
	if err != nil {
		t.Error(err)
	}
	resp, _ := e.send("PUT", e.server.URL+"/"+b+"?notification", nil, strings.NewReader("<NotificationConfiguration/>"))
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned: status %d, want 403", resp.StatusCode)
	}
}

// The object and its event are one: what cannot be told is not stored, unless nobody
// is left to be told.
func TestAnObjectIsNotStoredWithoutItsEvent(t *testing.T) {
	e := start(t)
	b := e.bucket("atomic")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectCreated:*", "s3:ObjectRemoved:*")}}); err != nil {
		t.Fatal(err)
	}
	e.put(b, "kept", random(100_000, 1))
	e.notifier.set(func() { e.notifier.fail = errors.New("the queue is on fire") })
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k"), Body: strings.NewReader(strings.Repeat("x", 100_000))})
	wantCode(t, err, "InternalError")
	_, err = e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("kept")})
	wantCode(t, err, "InternalError")
	_, err = e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	wantCode(t, err, "NotFound")
	e.get(b, "kept")
	if got := e.blobFiles(); got != 1 {
		t.Errorf("%d blob files, want 1", got)
	}
	e.notifier.set(func() { e.notifier.fail = fmt.Errorf("the topic was deleted: %w", ErrNoTarget) })
	e.put(b, "k", []byte("x"))
	e.get(b, "k")
}

// Of two events about one key the later committed has the greater sequencer, however
// the requests raced; also after a restart.
func TestSequencersOfAKeyGrowUnderLoad(t *testing.T) {
	dir := t.TempDir()
	e := startIn(t, dir)
	b := e.bucket("load")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectCreated:*", "s3:ObjectRemoved:*")}}); err != nil {
		t.Fatal(err)
	}
	load := func(e *env) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 10 {
					e.put(b, fmt.Sprint(i%2), []byte("x"))
					if g == 0 && i%4 == 3 {
						if _, err := e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("0")}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
	}
	load(e)
	if got := e.notifier.used.Load(); got == 0 {
		t.Error("no event was prepared before its transaction")
	}
	e.stop()
	e = startIn(t, dir)
	load(e)
	last := map[any]string{}
	events := e.events()[1:]
	for _, v := range events {
		s, _ := v.object()["sequencer"].(string)
		if key := v.object()["key"]; s <= last[key] {
			t.Fatalf("key %v: sequencer %s after %s", key, s, last[key])
		} else {
			last[key] = s
		}
	}
	if len(events) < 160 {
		t.Errorf("%d events, want at least 160", len(events))
	}
}

// What was prepared is sent only if it is still true.
func TestAPreparedEventThatWasOvertakenIsMadeAnew(t *testing.T) {
	e := start(t)
	b := e.bucket("overtaken")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectCreated:*")}}); err != nil {
		t.Fatal(err)
	}
	e.put(b, "k", []byte("x")) // from now on events are prepared
	c := change{event: eventPut, key: "k", etag: "e", when: e.svc.opts.Now()}
	ctx := context.WithValue(e.ctx(), requestKey{}, requestOf(e.ctx())) // of one id: the event tells it
	first := e.svc.prepare(ctx, b, c)
	defer first.release()
	second := e.svc.prepare(ctx, b, c)
	defer second.release()
	for i, p := range []*prepared{second, first} {
		used := e.notifier.used.Load()
		err := e.svc.update(ctx, func(tx *db.Tx) error {
			row, err := bucketTx(tx, b)
			if err != nil {
				return err
			}
			return e.svc.notify(ctx, tx, row, c, p)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.notifier.used.Load() - used; got != int64(1-i) {
			t.Errorf("commit %d used %d prepared events, want %d", i, got, 1-i)
		}
	}
	events := e.events()
	if n := len(events); n != 4 || fmt.Sprint(events[2].object()["sequencer"]) >= fmt.Sprint(events[3].object()["sequencer"]) {
		t.Errorf("%d events, the last two: %v, %v", n, events[2].object(), events[3].object())
	}
}

func FuzzParseNotification(f *testing.F) {
	f.Add(notificationXMLFor("Topic", topicARN, "s3:ObjectCreated:*"))
	f.Add(notificationXMLFor("Queue", queueARN, "s3:ObjectRemoved:Delete"))
	f.Add(`<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TopicConfiguration><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>`)
	f.Add(`<NotificationConfiguration><CloudFunctionConfiguration/></NotificationConfiguration>`)
	f.Fuzz(func(t *testing.T, doc string) {
		ds, err := parseNotification([]byte(doc), "us-east-1")
		if err != nil {
			return
		}
		// What is accepted survives being answered and put again.
		b := encodeNotification(ds)
		again, err := parseNotification(b, "us-east-1")
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if len(again) != len(ds) {
			t.Fatalf("%d destinations, then %d", len(ds), len(again))
		}
		for i := range ds {
			for j := range i {
				if ds[i].overlaps(ds[j]) {
					t.Errorf("%v and %v overlap", ds[i], ds[j])
				}
			}
		}
	})
}

func FuzzParseCopySource(f *testing.F) {
	f.Add("/bucket/key")
	f.Add("bucket/a%20b%2Fc?versionId=null")
	f.Add("bucket%2Fkey")
	f.Fuzz(func(t *testing.T, header string) {
		src, err := parseCopySource(header)
		if err == nil && (src.bucket == "" || checkKey(src.key) != nil || strings.Contains(src.bucket, "/")) {
			t.Errorf("%q: %+v", header, src)
		}
	})
}
