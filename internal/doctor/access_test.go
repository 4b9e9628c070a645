package doctor_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/doctor"
	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/provision/declare"
)

// user is one of the endpoint's further users.
type user struct {
	Name      string            `json:"name"`
	AccessKey string            `json:"accessKey"`
	SecretKey string            `json:"secretKey"`
	Policies  []json.RawMessage `json:"policies"`
}

func as(endpoint, key string, change func(*aws.Config)) doctor.Clients {
	c := awstest.Config(endpoint)
	c.Credentials = credentials.NewStaticCredentialsProvider(key, key, "")
	if change != nil {
		change(&c)
	}
	return doctor.Clients{S3: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }), SQS: sqs.NewFromConfig(c), SNS: sns.NewFromConfig(c)}
}

// endpointWith starts an endpoint that has further users, and provisions it.
func endpointWith(t *testing.T, users ...user) *deployment {
	t.Helper()
	text, err := json.Marshal(map[string]any{"users": users})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := localaws.Open(localaws.Options{Data: t.TempDir(), API: ln, Region: awstest.Region, Users: text})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		srv.Close()
	})
	return deploy(t, srv.URL())
}

func policyOf(t *testing.T, statements ...string) []json.RawMessage {
	t.Helper()
	return []json.RawMessage{json.RawMessage(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)}
}

const everything = `{"Effect":"Allow","Action":["s3:*","sns:*","sqs:*"],"Resource":"*"}`

func but(actions string) string {
	return `{"Effect":"Deny","Action":` + actions + `,"Resource":"*"}`
}

// TestRefusedLooks: each look that is refused costs what it would have told, is named by the
// permission that it needs, and makes nothing else look wrong.
func TestRefusedLooks(t *testing.T) {
	actions := []string{
		"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListDeadLetterSourceQueues", "sqs:ListQueues",
		"sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes",
		"s3:GetBucketNotification", "s3:GetBucketCORS", "s3:GetBucketPublicAccessBlock", "s3:GetBucketPolicy",
		"s3:GetLifecycleConfiguration", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration",
	}
	var users []user
	for i, a := range actions {
		name := string(rune('a'+i)) + "user"
		users = append(users, user{name, name, name, policyOf(t, everything, but(`"`+a+`"`))})
	}
	d := endpointWith(t, users...)
	for i, a := range actions {
		d.c = as(d.endpoint, users[i].AccessKey, nil)
		all, codes := d.look()
		if len(all) == 0 || slices.ContainsFunc(codes, func(c string) bool { return c != "unchecked" }) {
			t.Errorf("without %s:\n%s", a, describe(all))
			continue
		}
		if !slices.ContainsFunc(all, func(f doctor.Finding) bool {
			return f.Level == doctor.Unknown && f.Found == "could not be checked: needs "+a
		}) {
			t.Errorf("without %s it is not named:\n%s", a, describe(all))
		}
	}
}

// TestRights: with the policies that the tiers' roles have, nothing that the tier needs is
// refused; without one of its actions that is found, and it alone.
func TestRights(t *testing.T) {
	s := spec()
	s.Account = "000000000000"
	var users []user
	for _, r := range declare.Roles(s) {
		b, err := r.Policy.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, user{r.Name, r.Name, r.Name, []json.RawMessage{b}})
	}
	lacking := []struct {
		tier   doctor.Tier
		action string
	}{
		{doctor.Web, "s3:PutObject"}, {doctor.Web, "s3:DeleteObject"}, {doctor.App, "s3:PutObject"}, {doctor.App, "s3:GetObject"},
		{doctor.App, "sqs:DeleteMessage"}, {doctor.App, "sqs:ChangeMessageVisibility"}, {doctor.App, "sns:Publish"},
	}
	for i, l := range lacking {
		name := string(rune('a'+i)) + "lacks"
		users = append(users, user{name, name, name, policyOf(t, everything, but(`"`+l.action+`"`))})
	}
	d := endpointWith(t, users...)
	denied := func(key string, tier doctor.Tier) (out []doctor.Finding) {
		t.Helper()
		d.c, d.o.Tier = as(d.endpoint, key, nil), tier
		all, _ := d.look()
		for _, f := range all {
			if f.Code == "access-denied" {
				out = append(out, f)
			} else if f.Code != "unchecked" {
				t.Errorf("%s as the %s tier: %s", key, tier, describe([]doctor.Finding{f}))
			}
		}
		return out
	}
	for _, tier := range []doctor.Tier{doctor.Web, doctor.App} {
		if got := denied(string(tier), tier); len(got) > 0 {
			t.Errorf("the role of the %s tier:\n%s", tier, describe(got))
		}
	}
	for i, l := range lacking {
		got := denied(string(rune('a'+i))+"lacks", l.tier)
		if len(got) == 0 || slices.ContainsFunc(got, func(f doctor.Finding) bool {
			return f.Level != doctor.Wrong || !strings.HasPrefix(f.Found, l.action+" is refused")
		}) {
			t.Errorf("%s tier without %s:\n%s", l.tier, l.action, describe(got))
		}
	}
	// The operator is neither tier: that is worth a word, and nothing wrong. And it may look
	// at everything.
	d.c, d.o.Tier = as(d.endpoint, "operator", nil), doctor.All
	all, codes := d.look()
	if slices.ContainsFunc(all, func(f doctor.Finding) bool { return f.Level != doctor.Info }) || !slices.Contains(codes, "access-denied") {
		t.Errorf("the operator:\n%s", describe(all))
	}
}

// dated is a way to the endpoint on which the answers' dates are others.
type dated struct{ by time.Duration }

func (d dated) Do(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		res.Header.Set("Date", at.Add(d.by).UTC().Format(http.TimeFormat))
	}
	return res, nil
}

// TestTheWayThere: clock, credentials, and nobody there.
func TestTheWayThere(t *testing.T) {
	d := deploy(t, fresh(t))
	for _, c := range []struct {
		name, code, says string
		c                doctor.Clients
		clock            time.Duration
	}{
		{name: "clock behind", code: "clock-wrong", says: "s behind the service's", c: as(d.endpoint, "test", func(c *aws.Config) { c.HTTPClient = dated{10 * time.Minute} })},
		{name: "clock ahead", code: "clock-off", says: "s ahead of the service's", c: as(d.endpoint, "test", func(c *aws.Config) { c.HTTPClient = dated{-2 * time.Minute} })},
		{name: "wrong secret", code: "credentials-wrong", c: as(d.endpoint, "test", func(c *aws.Config) {
			c.Credentials = credentials.NewStaticCredentialsProvider("test", "wrong", "")
		})},
		{name: "unknown key", code: "credentials-wrong", c: as(d.endpoint, "nobody", nil)},
		{name: "nobody there", code: "endpoint-silent", c: as("http://127.0.0.1:1", "test", func(c *aws.Config) { c.RetryMaxAttempts = 1 })},
	} {
		d.c = c.c
		all, codes := d.look()
		if !slices.Equal(codes, []string{c.code}) || !strings.Contains(all[0].Found, c.says) || all[0].Mend == "" {
			t.Errorf("%s:\n%s", c.name, describe(all))
		}
	}
}
