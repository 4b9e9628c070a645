package s3

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// expireIn carries the lifecycle rules out as if so many days had passed.
func (e *env) expireIn(days int) {
	e.t.Helper()
	if err := e.svc.expireAll(e.ctx(), time.Now().UTC().AddDate(0, 0, days), func(string, *settings, time.Time) bool { return true }); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) lifecycle(b string, rules ...types.LifecycleRule) {
	e.t.Helper()
	for i := range rules {
		rules[i].Status = types.ExpirationStatusEnabled
		if rules[i].Filter == nil {
			rules[i].Filter = &types.LifecycleRuleFilter{}
		}
	}
	_, err := e.PutBucketLifecycleConfiguration(e.ctx(), &awss3.PutBucketLifecycleConfigurationInput{Bucket: &b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) listing(b string) string {
	e.t.Helper()
	list, err := e.ListObjectsV2(e.ctx(), &awss3.ListObjectsV2Input{Bucket: &b})
	if err != nil {
		e.t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Contents {
		keys = append(keys, *o.Key)
	}
	return strings.Join(keys, " ")
}

func inDays(n int32) *types.LifecycleExpiration { return &types.LifecycleExpiration{Days: &n} }

func TestObjectsExpire(t *testing.T) {
	e := start(t)
	b := e.bucket("expiring")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: aws.String(topicARN), Events: []types.Event{"s3:LifecycleExpiration:*"}}}}); err != nil {
		t.Fatal(err)
	}
	e.put(b, "keep/a", []byte("x"))
	e.put(b, "log/a", []byte("x"))
	e.put(b, "large", make([]byte, 100))
	if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("tagged"), Tagging: aws.String("temporary=yes")}); err != nil {
		t.Fatal(err)
	}
	e.lifecycle(b,
		types.LifecycleRule{ID: aws.String("logs"), Filter: &types.LifecycleRuleFilter{Prefix: aws.String("log/")}, Expiration: inDays(1)},
		types.LifecycleRule{ID: aws.String("big"), Filter: &types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(50)}, Expiration: inDays(10)},
		types.LifecycleRule{ID: aws.String("tag"), Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("temporary"), Value: aws.String("yes")}}, Expiration: inDays(5)},
	)
	h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("log/a")})
	if err != nil || !strings.Contains(aws.ToString(h.Expiration), `rule-id="logs"`) || !strings.Contains(*h.Expiration, "00:00:00 GMT") {
		t.Errorf("expiration = %v, %v", aws.ToString(h.Expiration), err)
	}
	if h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: aws.String("keep/a")}); err != nil || h.Expiration != nil {
		t.Errorf("expiration of what does not expire = %v, %v", aws.ToString(h.Expiration), err)
	}
	for _, c := range []struct {
		days int
		want string
	}{{0, "keep/a large log/a tagged"}, {2, "keep/a large tagged"}, {6, "keep/a large"}, {11, "keep/a"}, {1000, "keep/a"}} {
		e.expireIn(c.days)
		if got := e.listing(b); got != c.want {
			t.Errorf("after %d days: %s, want %s", c.days, got, c.want)
		}
	}
	events := e.events()
	if len(events) != 4 { // the test event, and three
		t.Fatalf("%d events", len(events))
	}
	last := events[3].record
	if last["eventName"] != "LifecycleExpiration:Delete" || dig(last, "userIdentity")["principalId"] != lifecyclePrincipal || events[3].object()["key"] != "large" {
		t.Errorf("event = %v", last)
	}
	if n := e.blobFiles(); n != 0 {
		t.Errorf("%d files remain", n)
	}
}

func TestADateHasPassed(t *testing.T) {
	e := start(t)
	b := e.bucket("dates")
	e.put(b, "a", nil)
	yesterday := time.Now().UTC().AddDate(0, 0, 3).Truncate(24 * time.Hour)
	e.lifecycle(b, types.LifecycleRule{Expiration: &types.LifecycleExpiration{Date: &yesterday}})
	e.expireIn(1)
	if got := e.listing(b); got != "a" {
		t.Errorf("before the date: %q", got)
	}
	e.expireIn(4)
	if got := e.listing(b); got != "" {
		t.Errorf("after the date: %q", got)
	}
}

// Of a versioned bucket the current version becomes a delete marker; noncurrent ones go
// when they were superseded long enough ago, except the newest that shall stay.
func TestVersionsExpire(t *testing.T) {
	e := start(t)
	b := e.bucket("versions")
	if _, err := e.PutBucketVersioning(e.ctx(), &awss3.PutBucketVersioningInput{Bucket: &b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"1", "2", "3", "4"} {
		e.put(b, "a", []byte(body))
	}
	count := func() (versions, markers int) {
		t.Helper()
		l, err := e.ListObjectVersions(e.ctx(), &awss3.ListObjectVersionsInput{Bucket: &b})
		if err != nil {
			t.Fatal(err)
		}
		return len(l.Versions), len(l.DeleteMarkers)
	}
	e.lifecycle(b, types.LifecycleRule{NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1), NewerNoncurrentVersions: aws.Int32(1)}})
	e.expireIn(0)
	if v, m := count(); v != 4 || m != 0 {
		t.Errorf("too early: %d versions, %d markers", v, m)
	}
	e.expireIn(2)
	if v, m := count(); v != 2 || m != 0 {
		t.Errorf("after two days: %d versions, %d markers", v, m)
	}
	if got := e.get(b, "a"); string(got) != "4" {
		t.Errorf("the current version is %q", got)
	}
	e.lifecycle(b, types.LifecycleRule{ID: aws.String("a"), Expiration: inDays(1)})
	e.expireIn(2)
	if v, m := count(); v != 2 || m != 1 {
		t.Errorf("the current version expired: %d versions, %d markers", v, m)
	}
	e.lifecycle(b,
		types.LifecycleRule{ID: aws.String("a"), Expiration: inDays(1)},
		types.LifecycleRule{ID: aws.String("b"), NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)}},
	)
	e.expireIn(4)
	e.expireIn(4)
	if v, m := count(); v != 0 || m != 0 {
		t.Errorf("in the end: %d versions, %d markers", v, m)
	}
}

func TestOldUploadsAreGivenUp(t *testing.T) {
	e := start(t)
	b := e.bucket("uploads")
	up := func(key string) {
		t.Helper()
		u, err := e.CreateMultipartUpload(e.ctx(), &awss3.CreateMultipartUploadInput{Bucket: &b, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.UploadPart(e.ctx(), &awss3.UploadPartInput{Bucket: &b, Key: &key, UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader(strings.Repeat("x", 1<<20))}); err != nil {
			t.Fatal(err)
		}
	}
	up("tmp/a")
	up("b")
	e.lifecycle(b, types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("tmp/")}, AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(3)}})
	left := func() int {
		t.Helper()
		l, err := e.ListMultipartUploads(e.ctx(), &awss3.ListMultipartUploadsInput{Bucket: &b})
		if err != nil {
			t.Fatal(err)
		}
		return len(l.Uploads)
	}
	e.expireIn(2)
	if n := left(); n != 2 {
		t.Errorf("too early: %d uploads", n)
	}
	e.expireIn(5)
	if n, files := left(), e.blobFiles(); n != 1 || files != 1 {
		t.Errorf("in time: %d uploads, %d files", n, files)
	}
}

func TestMidnightsRoundUp(t *testing.T) {
	for _, c := range []struct {
		at   string
		days int
		want string
	}{
		{"2024-01-01T00:00:00Z", 1, "2024-01-02T00:00:00Z"},
		{"2024-01-01T00:00:01Z", 1, "2024-01-03T00:00:00Z"},
		{"2024-02-28T23:59:59Z", 1, "2024-03-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := after(at, c.days).Format(time.RFC3339); got != c.want {
			t.Errorf("%s and %d days: %s, want %s", c.at, c.days, got, c.want)
		}
	}
}
