package event

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

// s3Event is an event as S3 writes it.
const s3Event = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-02-03T04:05:06.789Z","eventName":"ObjectCreated:Put",
"userIdentity":{"principalId":"A"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"R"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"uploads","bucket":{"name":"tintype-uploads","ownerIdentity":{"principalId":"A"},"arn":"arn:aws:s3:::tintype-uploads"},
"object":{"key":"my+cat%2B1%25+%F0%9F%90%88.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"v1","sequencer":"0055AED6DCD90281E5"}}}]}`

var s3Upload = Upload{Bucket: "tintype-uploads", Key: "my cat+1% 🐈.jpg", ETag: "d41d8cd98f00b204e9800998ecf8427e", VersionID: "v1", Size: 1024,
	Sequencer: "0055AED6DCD90281E5", Name: "ObjectCreated:Put", Time: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)}

// rec is one record with another name and key.
func rec(name, key string) string {
	return fmt.Sprintf(`{"eventSource":"aws:s3","eventName":%q,"s3":{"bucket":{"name":"b"},"object":{"key":%q,"versionId":"null"}}}`, name, key)
}

func records(r ...string) string { return `{"Records":[` + strings.Join(r, ",") + `]}` }

func envelope(inner string) string {
	b, _ := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:000000000000:uploadnotification",
		"Subject": "Amazon S3 Notification", "Message": inner, "Timestamp": "2026-02-03T04:05:07.000Z", "SignatureVersion": "1"})
	return string(b)
}

const testEvent = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-02-03T04:05:06.789Z","Bucket":"tintype-uploads","RequestId":"R","HostId":"H"}`

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       Parsed
	}{
		{"bare", s3Event, Parsed{Uploads: []Upload{s3Upload}}},
		{"in an envelope", envelope(s3Event), Parsed{Uploads: []Upload{s3Upload}}},
		{"several records, not all creations", envelope(records(rec("ObjectCreated:Copy", "a%2Fb"), rec("ObjectRemoved:Delete", "c"), rec("s3:ObjectCreated:CompleteMultipartUpload", "d+e"))),
			Parsed{Uploads: []Upload{{Bucket: "b", Key: "a/b", Name: "ObjectCreated:Copy"}, {Bucket: "b", Key: "d e", Name: "ObjectCreated:CompleteMultipartUpload"}}, Names: []string{"ObjectRemoved:Delete"}}},
		{"no creation", records(rec("ObjectRemoved:Delete", "c"), rec("ObjectRestore:Post", "c")), Parsed{Kind: Other, Names: []string{"ObjectRemoved:Delete", "ObjectRestore:Post"}}},
		{"test event", testEvent, Parsed{Kind: Test}},
		{"test event in an envelope", envelope(testEvent), Parsed{Kind: Test}},
		{"a time without a zone", strings.Replace(s3Event, "06.789Z", "06.789000", 1), Parsed{Uploads: []Upload{s3Upload}}},
		{"a quoted ETag", strings.Replace(s3Event, `"eTag":"d41d8cd98f00b204e9800998ecf8427e"`, `"eTag":"\"d41d8cd98f00b204e9800998ecf8427e\""`, 1), Parsed{Uploads: []Upload{s3Upload}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, tc.want)
			}
		})
	}
}

func TestParseKeys(t *testing.T) {
	for _, key := range []string{"a b", "a+b", "a%b", "100%25", "é/猫/🐈", "../../x", " ", "~!*'()", strings.Repeat("k", 1024)} {
		got, err := Parse([]byte(records(rec("ObjectCreated:Put", url.QueryEscape(key)))))
		if err != nil || got.Uploads[0].Key != key {
			t.Errorf("%q came back as %+v, %v", key, got, err)
		}
	}
}

func TestParseJunk(t *testing.T) {
	for _, tc := range []struct{ name, body, says string }{
		{"nothing", " \n", "is empty"},
		{"text", "hello\x1b[2J\nworld", `no JSON object of the form of an S3 event; it begins "hello\x1b[2J\nworld"`},
		{"null", "null", "has no S3 records"},
		{"an array", "[1,2]", "no JSON object"},
		{"another object", `{"a":1}`, "has no S3 records"},
		{"no records", `{"Records":[]}`, "has no S3 records"},
		{"records of another service", `{"Records":[{"eventSource":"aws:ses"}]}`, `comes from "aws:ses"`},
		{"records of another type", `{"Records":"x"}`, "no JSON object of the form"},
		{"a subscription confirmation", `{"Type":"SubscriptionConfirmation","Token":"t","Message":"You have chosen"}`, `an SNS "SubscriptionConfirmation"`},
		{"an envelope around text", envelope("hello"), "an SNS notification, but within it"},
		{"an envelope around an envelope", envelope(envelope(s3Event)), "within it"},
		{"an envelope without text", `{"Type":"Notification","Message":{}}`, "holds no text"},
		{"a key that cannot be decoded", records(rec("ObjectCreated:Put", "a%zz")), "not form-encoded"},
		{"no event name", `{"Records":[{"eventSource":"aws:s3"}]}`, "record 1 names no event"},
		{"half an event name", records(rec("ObjectCreated", "k")), "record 1 names no event"},
		{"no key", records(rec("ObjectCreated:Put", "")), "a key of 0 bytes"},
		{"too long a key", records(rec("ObjectCreated:Put", strings.Repeat("k", 1025))), "a key of 1025 bytes"},
		{"no bucket", strings.Replace(s3Event, `"name":"tintype-uploads"`, `"name":""`, 1), "names no bucket"},
		{"a negative size", strings.Replace(s3Event, `"size":1024`, `"size":-1`, 1), "size of -1"},
		{"a long text", strings.Repeat("é", 5000), "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse([]byte(tc.body))
			if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error is %v, want one that says %q", err, tc.says)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) || len(err.Error()) > 1500 {
				t.Errorf("the error is not fit for a log: %q", err)
			}
		})
	}
}

func TestLater(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"2", "1", true}, {"1", "2", false}, {"1", "1", false},
		{"10", "9", true}, {"9", "10", false}, // the shorter is padded
		{"0a", "9", true}, {"A", "a", false}, {"a", "A", false}, {"B", "a", true},
		{"0055AED6DCD90281E6", "55AED6DCD90281E5", true}, {"0001", "1", false}, {"0", "000", false},
		{"", "1", false}, {"1", "", false}, {"", "", false}, {"x", "1", false}, {"2", "x", false},
	} {
		if got := Later(tc.a, tc.b); got != tc.want {
			t.Errorf("Later(%q, %q) = %v", tc.a, tc.b, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{s3Event, envelope(s3Event), testEvent, envelope(testEvent), records(rec("ObjectRemoved:Delete", "x")), "", "null", "[]", `{"Type":"Notification"}`, strings.Repeat("[", 100), encoded(f, backfilled), envelope(encoded(f, backfilled))} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Parse(body)
		if err != nil {
			if fault.As(err) == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("error %q is not fit for a log", err)
			}
			return
		}
		if (p.Kind == Uploads) != (len(p.Uploads) > 0) {
			t.Fatalf("kind %v with %d uploads", p.Kind, len(p.Uploads))
		}
		for _, u := range p.Uploads {
			if u.Key == "" || len(u.Key) > maxKey || u.Bucket == "" || u.Size < 0 || !strings.HasPrefix(u.Name, "ObjectCreated:") {
				t.Fatalf("accepted %+v", u)
			}
			if b := u.Backfill; b != nil && (!isJob(b.Job) || !isETag(b.Replaces) || u.ETag == "" || u.Sequencer != "") {
				t.Fatalf("accepted %+v of a backfill %+v", u, b)
			}
		}
	})
}

func FuzzLater(f *testing.F) {
	f.Add("0055", "55")
	f.Add("a", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Later(a, b) && Later(b, a) {
			t.Fatalf("%q and %q are each later than the other", a, b)
		}
	})
}
