package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const account = "111122223333"

func sound() (Options, *State) {
	o := Options{Region: "eu-west-1", Uploads: "up", Results: "res", Queue: "q", DeadLetterQueue: "dlq", UploadTopic: "t", CompletionTopic: "done",
		Origins: []string{"https://a.example"}, TLS: true, Tier: All}
	topic := "arn:aws:sns:eu-west-1:" + account + ":t"
	queue := "arn:aws:sqs:eu-west-1:" + account + ":q"
	tls := func(b string) string {
		return `{"Statement":[{"Sid":"tls","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::` + b + `","arn:aws:s3:::` + b + `/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	}
	on := aws.Bool(true)
	bucket := func(name string) Bucket {
		return Bucket{Name: name, State: There, Region: "eu-west-1", CORSKnown: true, BlockKnown: true, EncKnown: true, Policy: tls(name),
			CORS:         []types.CORSRule{{AllowedOrigins: []string{"https://*.example"}, AllowedMethods: []string{"GET", "POST"}}},
			Block:        &types.PublicAccessBlockConfiguration{BlockPublicAcls: on, BlockPublicPolicy: on, IgnorePublicAcls: on, RestrictPublicBuckets: on},
			Encryption:   &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
			Notification: &s3.GetBucketNotificationConfigurationOutput{}}
	}
	st := &State{Account: account, Partition: "aws", Uploads: bucket("up"), Results: bucket("res"),
		Queue: Queue{Name: "q", State: There, ARN: queue, URL: "https://sqs/q", Attributes: map[string]string{"MessageRetentionPeriod": "345600", "VisibilityTimeout": "30",
			"Policy":        `{"Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queue + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topic + `"}}}}`,
			"RedrivePolicy": `{"deadLetterTargetArn":"` + queue[:len(queue)-1] + `dlq","maxReceiveCount":"5"}`}},
		DeadLetters: Queue{Name: "dlq", State: There, ARN: queue[:len(queue)-1] + "dlq", Attributes: map[string]string{"MessageRetentionPeriod": "1209600"}},
		UploadTopic: Topic{Name: "t", ARN: topic, State: There, SubsKnown: true, Subs: []Subscription{{ARN: topic + ":1", Protocol: "sqs", Endpoint: queue}},
			Attributes: map[string]string{"Policy": `{"Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sns:Publish","Resource":"` + topic + `","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::up"}}}}`}},
		CompletionTopic: Topic{Name: "done", ARN: strings.TrimSuffix(topic, ":t") + ":done", State: There, SubsKnown: true, Attributes: map[string]string{}},
	}
	st.Uploads.Notification.TopicConfigurations = []types.TopicConfiguration{{TopicArn: &topic, Events: []types.Event{types.EventS3ObjectCreated}}}
	return o, st
}

// TestJudge: what no endpoint at hand can show, because it would not let it come to that.
func TestJudge(t *testing.T) {
	proc := func(id, program string) AppProcess { return AppProcess{ID: id, Program: program, Ready: true} }
	cases := []struct {
		name string
		do   func(*Options, *State)
		want []string
	}{
		{"sound", func(*Options, *State) {}, nil},
		{"one bucket", func(o *Options, st *State) { o.Results, st.Results = "up", st.Uploads }, []string{"one-bucket"}},
		{"somebody else's bucket", func(_ *Options, st *State) { st.Results = Bucket{Name: "res", State: Forbidden} }, []string{"bucket-forbidden"}},
		{"no TLS demanded", func(_ *Options, st *State) { st.Results.Policy = "" }, []string{"bucket-plain-http"}},
		{"not encrypted", func(_ *Options, st *State) { st.Uploads.Encryption = nil }, []string{"bucket-unencrypted"}},
		{"locked", func(_ *Options, st *State) { st.Results.LockDays, st.Results.Versioned = 30, true }, []string{"bucket-lock", "bucket-versions"}},
		{"a policy of which nothing is known", func(_ *Options, st *State) { st.Queue.Attributes["Policy"] = "{" }, []string{"policy-unclear"}},
		{"subscribed twice", func(_ *Options, st *State) {
			st.UploadTopic.Subs = append(st.UploadTopic.Subs, Subscription{ARN: "arn:aws:sns:x", Protocol: "sqs", Endpoint: st.Queue.ARN})
		}, []string{"subscription-twice"}},
		{"straight, on all ways, as S3 may", func(_ *Options, st *State) {
			st.Uploads.Notification.TopicConfigurations = nil
			st.Uploads.Notification.QueueConfigurations = []types.QueueConfiguration{{QueueArn: &st.Queue.ARN, Events: createEvents()}}
			st.Queue.Attributes["Policy"] = strings.NewReplacer("sns.amazonaws.com", "s3.amazonaws.com", st.UploadTopic.ARN, "arn:aws:s3:::up").Replace(st.Queue.Attributes["Policy"])
			st.UploadTopic.Subs = nil
		}, []string{"notification-direct"}},
		{"a queue of its own FIFO", func(_ *Options, st *State) { st.Queue.Attributes["FifoQueue"] = "true" }, []string{"queue-fifo"}},
		{"app processes", func(_ *Options, st *State) {
			st.AppsKnown, st.Now = true, time.Now()
			st.Apps = []AppProcess{proc("a", "tintype 1"), proc("b", "tintype 2"), {ID: "c", Stale: true}, {ID: "d", Program: "tintype 1", Reason: "SQS does not answer"}, {ID: "e", Draining: true, Program: "tintype 0"}, {ID: "f", Program: "tintype 1", Started: st.Now}}
		}, []string{"app-silent", "app-unready", "app-versions"}},
		{"our rules of keeping", func(_ *Options, st *State) {
			st.Results.Lifecycle = []types.LifecycleRule{{ID: aws.String("x"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String(".tintype/app/")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}}}
		}, nil},
		{"a rule by tag", func(_ *Options, st *State) {
			st.Uploads.Lifecycle = []types.LifecycleRule{{ID: aws.String("x"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("a")}}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(3)}}}
		}, []string{"bucket-expires"}},
		{"nothing known", func(_ *Options, st *State) { *st = State{} }, nil},
	}
	for _, c := range cases {
		o, st := sound()
		c.do(&o, st)
		var got []string
		for _, f := range Judge(o, st) {
			if f.Code != "" {
				got = append(got, f.Code)
			}
			if f.Level != OK && f.Group == "" {
				t.Errorf("%s: %+v has no group", c.name, f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTierNarrows: what only the other tier needs is not looked at.
func TestTierNarrows(t *testing.T) {
	o, st := sound()
	st.Uploads.CORS = nil
	o.Tier = App
	for _, f := range Judge(o, st) {
		if f.Code != "" {
			t.Errorf("for the app tier: %+v", f)
		}
	}
}

// TestCodes: every code is complete, found by something, tried by a test and explained in
// the run-book; and the run-book explains no other.
func TestCodes(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	source, tests := "", ""
	for _, pattern := range []string{"*.go", "../app/doctor*.go", "../e2e/doctor*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			switch {
			case strings.HasSuffix(f, "_test.go"):
				tests += read(f)
			case f != "codes.go":
				source += read(f)
			}
		}
	}
	book := read("../../docs/runbook.md")
	seen := map[string]bool{}
	for _, c := range Codes() {
		if seen[c.Code] || c.Means == "" || c.Why == "" || !slices.Contains(Groups(), c.Group) {
			t.Errorf("%+v is not whole, or there twice", c)
		}
		seen[c.Code] = true
		if !strings.Contains(source, `"`+c.Code+`"`) {
			t.Errorf("nothing finds %s", c.Code)
		}
		if c.Group != GroupMachine && !strings.Contains(tests, `"`+c.Code+`"`) {
			t.Errorf("no test tries %s", c.Code)
		}
		if row := "| `" + c.Code + "` | " + c.Level.Mark() + " | " + c.Means + " | " + c.Why + " |\n"; !strings.Contains(book, row) {
			t.Errorf("docs/runbook.md lacks\n%s", row)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| [✓·?!✗] \\|").FindAllStringSubmatch(book, -1) {
		if !seen[m[1]] {
			t.Errorf("docs/runbook.md explains %s, which there is not", m[1])
		}
	}
}
