package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/sns"
	"github.com/tintype/tintype/internal/localaws/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// evil is text that must never become markup.
const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// content is what buckets and queues the console shows; whoever wires the endpoint
// gives it the real ones.
type content struct {
	buckets  []Bucket
	queues   []Queue
	messages []Message
	err      error
}

func (c *content) ConsoleBuckets(context.Context) ([]Bucket, error) { return c.buckets, c.err }
func (c *content) ConsoleQueues(context.Context) ([]Queue, error)   { return c.queues, c.err }
func (c *content) ConsoleMessages(_ context.Context, queue string, limit int) ([]Message, error) {
	return c.messages[:min(limit, len(c.messages))], c.err
}

// open makes all queues open to SNS and drops what it sends.
type open struct{}

func (open) AllowsTx(*db.Tx, string, string, string, string) (bool, error) { return true, nil }
func (open) EnqueueTx(*db.Tx, string, sns.QueueMessage) error              { return nil }

type fixture struct {
	t     *testing.T
	url   string
	db    *db.DB
	mail  *mail.Service
	topic string
	*content
}

// start serves a console of a store with a topic, its subscriptions and their mails.
func start(t *testing.T) *fixture {
	t.Helper()
	d, err := db.Open(t.TempDir(), db.Options{Schemas: []db.Schema{sns.Schema, mail.Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	inbox, err := mail.New(d, mail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	topics, err := sns.New(d, sns.Options{Account: "000000000000", Region: "us-east-1", BaseURL: "http://127.0.0.1:4566", Queues: open{}, Mail: inbox})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			topics.Wire().Serve(w, r, body, wire.Identity{Account: "000000000000", Region: "us-east-1", Principal: "test"})
		}
	}))
	t.Cleanup(api.Close)
	client := awssns.New(awssns.Options{Region: "us-east-1", BaseEndpoint: &api.URL, HTTPClient: api.Client(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	f := &fixture{t: t, db: d, mail: inbox}
	out, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("uploadnotification"), Attributes: map[string]string{"DisplayName": evil}})
	if err != nil {
		t.Fatal(err)
	}
	f.topic = *out.TopicArn
	for protocol, to := range map[string]string{"sqs": "arn:aws:sqs:us-east-1:000000000000:ImageApp", "email": "anna@example.com", "http": "http://x.test/?" + evil} {
		if _, err := client.Subscribe(t.Context(), &awssns.SubscribeInput{TopicArn: out.TopicArn, Protocol: &protocol, Endpoint: &to}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	f.content = &content{
		buckets: []Bucket{
			{Name: "tintype-results", Created: now},
			{Name: "tintype-uploads", Created: now, Objects: 1204, Bytes: 3_456_789_012, Notifications: []Notification{{Target: f.topic, Events: []string{"s3:ObjectCreated:*"}, Prefix: evil}}},
		},
		queues: []Queue{
			{Name: "ImageApp", ARN: "arn:aws:sqs:us-east-1:000000000000:ImageApp", Visible: 12, InFlight: 2, Attributes: map[string]string{"VisibilityTimeout": "30", "RedrivePolicy": `{"maxReceiveCount":5}`}},
			{Name: "ImageApp-dlq", ARN: "arn:aws:sqs:us-east-1:000000000000:ImageApp-dlq"},
		},
		messages: []Message{
			{ID: "6c0d5a5e-0b55-4a43-9ad0-0e2f6b0a3f11", Sent: now.Add(-time.Minute), Visible: now.Add(time.Hour), Receives: 2, Body: `{"Type":"Notification","Message":"` + strings.ReplaceAll(evil, `"`, `\"`) + `"}`, Attributes: map[string]string{"who": evil}},
			{ID: "a", Sent: now, Visible: now.Add(time.Hour), Delayed: true, Body: evil},
			{ID: "b", Sent: now, Body: strings.Repeat("x", 100_000)},
		},
	}
	h, err := New(Options{Endpoint: "http://127.0.0.1:4566", Buckets: f, Queues: f, Topics: topics, Mail: inbox})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	f.url = srv.URL
	return f
}

// add puts a mail into the inbox.
func (f *fixture) add(subject, text string) int64 {
	f.t.Helper()
	draft, err := f.mail.Compose(mail.Message{To: "anna@example.com", Subject: subject, Text: text})
	if err != nil {
		f.t.Fatal(err)
	}
	var id int64
	if err := f.db.Update(context.Background(), func(tx *db.Tx) (err error) { id, err = f.mail.AddTx(tx, draft); return err }); err != nil {
		f.t.Fatal(err)
	}
	return id
}

func (f *fixture) get(path string) (*http.Response, string) { return f.do(http.MethodGet, path, "") }

func (f *fixture) do(method, path, host string) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, string(b)
}

func TestPagesShowWhatIsThere(t *testing.T) {
	f := start(t)
	id := f.add("Please confirm "+evil, "Open this link:\n\nhttp://127.0.0.1:4566/?Action=ConfirmSubscription&Token=abc\n"+evil)
	for path, wants := range map[string][]string{
		"/": {
			"ImageApp-dlq", `href="/queues/ImageApp"`, "VisibilityTimeout", "uploadnotification", "__default_policy_ID", "waits for confirmation", "confirmed",
			"anna@example.com", "tintype-uploads", "s3:ObjectCreated:*", "3.2 GiB", "1204", "Please confirm", "2 deliveries waiting",
		},
		"/queues/ImageApp":                {"<b>12</b>", "6c0d5a5e", "received 2×", "in flight", "delayed", "visible", "more", "s ago"},
		"/inbox":                          {"Please confirm", fmt.Sprintf(`href="/inbox/%d"`, id), "kept here"},
		fmt.Sprintf("/inbox/%d", id):      {`<a href="http://127.0.0.1:4566/?Action=ConfirmSubscription&amp;Token=abc"`, "anna@example.com", mail.DefaultFrom},
		"/style.css":                      {"--accent"},
		fmt.Sprint("/inbox/", id, "/raw"): {"MIME-Version: 1.0", "To: <anna@example.com>"},
	} {
		resp, body := f.get(path)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not show %q:\n%s", path, want, body)
			}
		}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			for _, bad := range []string{"<script", "<img", "onerror=alert(2)>"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s lets %s through:\n%s", path, bad, body)
				}
			}
			if own := regexp.MustCompile(`(?:src|href|action)="(https?:)?//`).FindString(strings.ReplaceAll(body, `href="http://127.0.0.1:4566/?Action`, "")); own != "" {
				t.Errorf("%s asks another server: %s", path, own)
			}
		}
	}
}

func TestScriptsReadTheInbox(t *testing.T) {
	f := start(t)
	var last int64
	for i := range 3 {
		last = f.add(fmt.Sprint("mail ", i), "see http://127.0.0.1:4566/?Action=ConfirmSubscription&Token=abc. Or (https://example.com/a).")
	}
	var list struct {
		Mails []mail.Mail
		Next  int64
	}
	read := func(path string, into any) int {
		resp, body := f.get(path)
		if resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s is %s", path, resp.Header.Get("Content-Type"))
		}
		if err := json.Unmarshal([]byte(body), into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, body)
		}
		return resp.StatusCode
	}
	read("/inbox.json?limit=2", &list)
	if len(list.Mails) != 2 || list.Mails[0].Subject != "mail 2" || list.Next != last-1 {
		t.Fatalf("%+v", list)
	}
	list.Mails = nil
	read(fmt.Sprint("/inbox.json?before=", list.Next), &list)
	if len(list.Mails) != 1 || list.Mails[0].Subject != "mail 0" {
		t.Errorf("%+v", list)
	}
	var one struct {
		ID       int64
		Text, To string
		Links    []string
	}
	read(fmt.Sprintf("/inbox/%d.json", last), &one)
	if one.ID != last || one.To != "anna@example.com" || len(one.Links) != 2 || one.Links[0] != "http://127.0.0.1:4566/?Action=ConfirmSubscription&Token=abc" || one.Links[1] != "https://example.com/a" {
		t.Errorf("%+v", one)
	}
	var problem struct{ Error string }
	if status := read("/inbox/999.json", &problem); status != http.StatusNotFound || problem.Error == "" {
		t.Errorf("%d %+v", status, problem)
	}
}

func TestTheInboxHasPages(t *testing.T) {
	f := start(t)
	for i := range mailLimit + 1 {
		f.add(fmt.Sprintf("mail %d.", i), "x")
	}
	_, body := f.get("/inbox")
	older := regexp.MustCompile(`/inbox\?before=\d+`).FindString(body)
	if older == "" || strings.Contains(body, "mail 0.") {
		t.Fatalf("no second page:\n%s", body)
	}
	if _, body := f.get(older); !strings.Contains(body, "mail 0.") || strings.Contains(body, "mail 1.") {
		t.Errorf("second page:\n%s", body)
	}
}

func TestTheConsoleIsReadOnlyAndClosedToOthers(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{http.MethodPost, "/", "", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/inbox/1", "", http.StatusMethodNotAllowed},
		{http.MethodGet, "/nothing", "", http.StatusNotFound},
		{http.MethodGet, "/queues/none", "", http.StatusNotFound},
		{http.MethodGet, "/inbox/999", "", http.StatusNotFound},
		{http.MethodGet, "/inbox/x", "", http.StatusNotFound},
		{http.MethodGet, "/inbox/1/raw", "", http.StatusNotFound},
		{http.MethodHead, "/", "", http.StatusOK},
		{http.MethodGet, "/", "localhost:4567", http.StatusOK},
		{http.MethodGet, "/", "[::1]:4567", http.StatusOK},
		{http.MethodGet, "/", "console:4567", http.StatusOK},
		{http.MethodGet, "/", "rebound.evil.example:4567", http.StatusForbidden},
		{http.MethodGet, "/inbox.json", "evil.example", http.StatusForbidden},
	} {
		resp, body := f.do(c.method, c.path, c.host)
		if resp.StatusCode != c.want {
			t.Errorf("%s %s as %q: %s, want %d", c.method, c.path, c.host, resp.Status, c.want)
		}
		if strings.Contains(body, "anna@example.com") && c.want != http.StatusOK {
			t.Errorf("%s %s as %q shows content", c.method, c.path, c.host)
		}
		h := resp.Header
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: headers %v", c.method, c.path, h)
		}
	}
	f.err = errors.New("secret detail")
	if resp, body := f.get("/"); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "secret") {
		t.Errorf("a failing source: %s\n%s", resp.Status, body)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a console of nothing was made")
	}
}

func TestPagesHoldStillOnRequest(t *testing.T) {
	f := start(t)
	for _, path := range []string{"/", "/inbox", "/queues/ImageApp"} {
		if _, body := f.get(path); !strings.Contains(body, `http-equiv="refresh"`) {
			t.Errorf("%s does not refresh", path)
		}
		if _, body := f.get(path + "?still"); strings.Contains(body, `http-equiv="refresh"`) {
			t.Errorf("%s?still refreshes", path)
		}
	}
}

func TestSplitLinks(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"no link":                             "no link",
		"see http://a.b/c?d=e&f=g.":           "see [http://a.b/c?d=e&f=g].",
		"https://a.b":                         "[https://a.b]",
		"javascript:alert(1) http:// ftp://x": "javascript:alert(1) http:// ftp://x",
		"<http://a.b/>\"http://c.d\"":         "<[http://a.b/]>\"[http://c.d]\"",
		"http://a.b\nhttp://c.d":              "[http://a.b]\n[http://c.d]",
	} {
		got := ""
		for _, p := range splitLinks(text) {
			if p.Link {
				p.Text = "[" + p.Text + "]"
			}
			got += p.Text
		}
		if got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzSplitLinks(f *testing.F) {
	f.Add("a http://b.c/d. e https://[::1]:8/")
	f.Fuzz(func(t *testing.T, text string) {
		all := ""
		for _, p := range splitLinks(text) {
			all += p.Text
			if p.Link && !strings.HasPrefix(p.Text, "http://") && !strings.HasPrefix(p.Text, "https://") {
				t.Fatalf("%q is a link", p.Text)
			}
		}
		if all != text {
			t.Fatalf("%q became %q", text, all)
		}
	})
}

func TestSizesAndAges(t *testing.T) {
	now := time.Now()
	for got, want := range map[string]string{
		size(0): "0 B", size(1023): "1023 B", size(1024): "1.0 KiB", size(1 << 30): "1.0 GiB", size(1 << 62): "4096.0 PiB",
		since(now, now): "just now", since(now, now.Add(time.Hour)): "just now ", since(now, now.Add(-90*time.Minute)): "90 min ago",
	} {
		if got != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
