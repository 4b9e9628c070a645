package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// deadLetter is a dead letter as `dlq list --json` and the web API tell of it.
type deadLetter struct {
	MessageID, Kind, Body, Hint string
	Receives                    int
	Images                      []struct{ ID, Key, Status string }
	Cause                       struct{ Code, Message, Hint string }
	Attempts                    []struct {
		Attempt, PID        int
		Host, Program, Code string
		Started             time.Time
		Ended               *time.Time
	}
}

func (s *system) queueURL(name string) *string {
	s.t.Helper()
	u, err := s.sqs.GetQueueUrl(context.Background(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	return u.QueueUrl
}

func (s *system) sendTo(queue string, bodies ...string) (ids []string) {
	s.t.Helper()
	u := s.queueURL(queue)
	for _, b := range bodies {
		out, err := s.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: u, MessageBody: aws.String(b)})
		if err != nil {
			s.t.Fatalf("%.40q: %v", b, err)
		}
		ids = append(ids, *out.MessageId)
	}
	return ids
}

// deadAfter makes messages dead letters sooner than by default.
func (s *system) deadAfter(receives int) {
	s.t.Helper()
	_, err := s.sqs.SetQueueAttributes(context.Background(), &sqs.SetQueueAttributesInput{QueueUrl: s.queueURL("ImageApp"), Attributes: map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:ImageApp-dlq","maxReceiveCount":%d}`, receives),
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command that must end with a code.
func (s *system) run(code int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	out, errs, got := tintype(s.t, s.env, args...)
	if got != code {
		s.t.Fatalf("tintype %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	return out, errs
}

func (s *system) letters(args ...string) (all []deadLetter) {
	s.t.Helper()
	out, _ := s.run(0, append([]string{"dlq", "list", "--json"}, args...)...)
	for line := range strings.Lines(out) {
		var l deadLetter
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatalf("%v in %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

// dead waits until the dead-letter queue has n messages.
func (s *system) dead(n int) {
	s.t.Helper()
	within(s.t, 3*time.Minute, fmt.Sprintf("%d dead letters", n), func() error {
		waiting, inFlight, err := s.depth("ImageApp-dlq")
		if err == nil && (waiting != n || inFlight != 0) {
			err = fmt.Errorf("%d waiting, %d held", waiting, inFlight)
		}
		return err
	})
}

func eventOf(key string) string {
	return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"tintype-uploads"},"object":{"key":%q,"size":1}}}]}`, url.QueryEscape(key))
}

// TestDeadLetterIsMended: the app tier may not read the originals; what that leads to is
// told, mended and sent back.
func TestDeadLetterIsMended(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.deadAfter(2)
	s.startWeb()
	app := s.startApp()
	ctx := context.Background()
	bucket := aws.String("tintype-uploads")
	if _, err := s.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tintype-uploads/*"}]}`)}); err != nil {
		t.Fatal(err)
	}
	if err := s.put("denied.jpg", testimages.JPEG(60, 40), nil); err != nil {
		t.Fatal(err)
	}
	// On its last receive a message is tried some more times in hand, ever more slowly. It
	// goes back when the tier stops, and the next receive is one too many.
	within(t, 3*time.Minute, "the last attempt is on record", func() error { return s.attempted(2) })
	if code := app.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the app tier ends with %d", code)
	}
	s.startApp()
	s.dead(1)
	all := s.letters()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	l := all[0]
	if l.Kind != "image" || len(l.Images) != 1 || l.Images[0].Key != "denied.jpg" || l.Cause.Code != "internal" ||
		!strings.Contains(l.Cause.Message, "refused access") || !strings.Contains(l.Cause.Hint, "doctor") || len(l.Attempts) != 2 || l.Attempts[1].Ended == nil {
		t.Errorf("%+v", l)
	}
	out, _ := s.run(0, "dlq", "list")
	for _, want := range []string{l.MessageID, "denied.jpg", "internal: ", "refused access"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list has no %q:\n%s", want, out)
		}
	}
	var web struct {
		DeadLetters []deadLetter
		Total       int
	}
	if err := getJSON(s.web()+"/api/deadletters", &web); err != nil || web.Total != 1 || len(web.DeadLetters) != 1 || web.DeadLetters[0].Cause.Message != l.Cause.Message {
		t.Errorf("the web tier tells of %+v, %v", web, err)
	}
	if _, err := s.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	out, _ = s.run(0, "dlq", "show", l.MessageID)
	for _, want := range []string{"attempt 1", "attempt 2", "refused access", "now queued", `"eventSource": "aws:s3"`, "within it:", "dlq redrive " + l.MessageID} {
		if !strings.Contains(out, want) {
			t.Errorf("what is shown has no %q:\n%s", want, out)
		}
	}
	if out, _ := s.run(0, "dlq", "redrive", "--dry-run", l.MessageID); !strings.Contains(out, "1 message would be sent back") {
		t.Errorf("dry run: %s", out)
	}
	_, errs := s.run(1, "dlq", "redrive", l.MessageID, "nobody")
	if !strings.Contains(errs, "nobody: there is no such message") {
		t.Errorf("redrive: %s", errs)
	}
	if m := s.finished(store.IDForKey("denied.jpg")); m.Status != recipe.Done || m.Attempts != 1 {
		t.Errorf("%s after %d attempts: %+v", m.Status, m.Attempts, m.Error)
	}
	s.drained("ImageApp")
	s.dead(0)
	s.noRecords()
}

// attempted says whether some message's attempt with that number has ended.
func (s *system) attempted(number int) error {
	out, err := s.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("tintype-results"), Prefix: aws.String(".tintype/attempts/")})
	if err != nil {
		return err
	}
	for _, o := range out.Contents {
		b, err := s.get("tintype-results", *o.Key)
		if err != nil {
			return err
		}
		r, err := attempt.Parse(b)
		if err != nil {
			return err
		}
		for _, a := range r.Attempts {
			if a.Attempt == number && a.Ended != nil {
				return nil
			}
		}
	}
	return fmt.Errorf("%d records, none with an attempt %d that has ended", len(out.Contents), number)
}

// noRecords: nothing is left of attempts.
func (s *system) noRecords() {
	s.t.Helper()
	out, err := s.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("tintype-results"), Prefix: aws.String(".tintype/attempts/")})
	if err != nil || len(out.Contents) != 0 {
		s.t.Errorf("%d records of attempts are left, %v", len(out.Contents), err)
	}
}

// gate is a proxy before S3 that holds requests for one object until it is opened.
type gate struct {
	proxy   *httputil.ReverseProxy
	path    string
	reached chan struct{} // one for each request that is held

	mu   sync.Mutex
	open bool
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if !open && r.Method == http.MethodGet && r.URL.Path == g.path {
		g.reached <- struct{}{}
		<-r.Context().Done()
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// TestDeadLetterOfADeadProcess: the app tier is killed over an image, again and again. Who
// it was is on record.
func TestDeadLetterOfADeadProcess(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.deadAfter(2)
	s.run(0, "queue", "purge", "--yes") // S3's own test event, which would die with the process
	target := &url.URL{Scheme: "http", Host: s.endpointAddr}
	g := &gate{path: "/tintype-uploads/slow.jpg", reached: make(chan struct{}, 10), proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // the signature covers the host
	}}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	direct := s.env
	s.env = append(direct[:len(direct):len(direct)], "AWS_ENDPOINT_URL_S3="+srv.URL)
	if err := s.put("slow.jpg", testimages.JPEG(60, 40), nil); err != nil {
		t.Fatal(err)
	}
	var pid int
	for range 2 {
		p := s.startApp()
		select {
		case <-g.reached:
		case <-time.After(2 * patience):
			t.Fatal("the app tier did not come for the image")
		}
		pid = p.cmd.Process.Pid
		p.kill()
	}
	p := s.startApp()
	s.dead(1)
	all := s.letters()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	l := all[0]
	host, _ := os.Hostname()
	if l.Cause.Code != "process_died" || !strings.Contains(l.Cause.Message, fmt.Sprint(pid)) || !strings.Contains(l.Cause.Message, "ended without a word") || l.Cause.Hint == "" {
		t.Errorf("the cause is %+v, want process %d", l.Cause, pid)
	}
	if len(l.Attempts) != 1 || l.Attempts[0].Attempt != 2 || l.Attempts[0].PID != pid || l.Attempts[0].Host != host || l.Attempts[0].Ended != nil {
		t.Errorf("the attempts are %+v", l.Attempts)
	}
	if out, _ := s.run(0, "dlq", "show", l.MessageID); !strings.Contains(out, "attempt 1  nothing is on record") || !strings.Contains(out, "no end") {
		t.Errorf("shown:\n%s", out)
	}
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
	out, _ := s.run(0, "queue", "redrive")
	if !strings.Contains(out, "1 message sent back to ImageApp") {
		t.Errorf("redrive: %s", out)
	}
	if m := s.finished(store.IDForKey("slow.jpg")); m.Status != recipe.Done {
		t.Errorf("%s %+v", m.Status, m.Error)
	}
	s.drained("ImageApp")
	s.noRecords()
	if !p.alive() {
		t.Error("the last app tier ended")
	}
}

// TestRedriveUnderLoad: dead letters are sent back while others are uploaded and processed,
// and while one of the operators is interrupted. Nothing is lost.
func TestRedriveUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	var keys []string
	body := testimages.JPEG(60, 40)
	const n = 60
	for i := range n {
		key := fmt.Sprintf("dead/%d.jpg", i)
		if err := s.put(key, body, nil); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	// As if all of them had failed: their messages are moved to the dead-letter queue.
	s.run(0, "queue", "purge", "--yes")
	s.drained("ImageApp")
	for _, key := range keys {
		s.sendTo("ImageApp-dlq", eventOf(key))
	}
	s.startApp()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { s.run(0, "dlq", "redrive", "--all", "--rate", "20") })
	}
	p := start(t, s.env, "dlq", "redrive", "--all", "--rate", "5")
	for i := range 40 {
		key := fmt.Sprintf("new/%d.jpg", i)
		if err := s.put(key, body, nil); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		if i == 20 && p.alive() {
			_ = p.cmd.Process.Signal(os.Interrupt)
		}
	}
	wg.Wait()
	<-p.done
	s.run(0, "dlq", "redrive", "--all") // what the interrupted one gave back
	for _, key := range keys {
		if m := s.finished(store.IDForKey(key)); m.Status != recipe.Done {
			t.Errorf("%s: %s", key, m.Status)
		}
	}
	s.drained("ImageApp")
	s.dead(0)
}

// TestHostileDeadLetters: whatever a message holds, a terminal is not told to do anything.
func TestHostileDeadLetters(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		s := newSystem(t)
		s.at(endpoint)
		s.provision()
		if out, _ := s.run(0, "dlq", "list"); !strings.Contains(out, "ImageApp-dlq is empty") {
			t.Errorf("an empty queue: %s", out)
		}
		if out, _ := s.run(0, "dlq", "redrive", "--all"); !strings.Contains(out, "0 messages sent back") {
			t.Errorf("an empty queue: %s", out)
		}
		ids := s.sendTo("ImageApp-dlq",
			"\u009b31mred\u0085\u202e gnp.exe \u2066x\u2069\u00ad\ufeff", "line\rover\nline\ttab", `{"a":"\u001b]0;owned\u0007"}`,
			eventOf("\x1b[2J\u202egpj.exe\nx.jpg"), `{"Type":"Notification","Message":"{\"a\":\"\u009b\"}"}`, strings.Repeat("{", 100_000), strings.Repeat("ü", 100_000))
		check := func(what, text string) {
			t.Helper()
			for _, r := range text {
				if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
					t.Errorf("%s: %U is written:\n%.300q", what, r, text)
					return
				}
			}
		}
		out, errs := s.run(0, "dlq", "list")
		check("list", out+errs)
		if n := strings.Count(out, "\n"); n != len(ids)+1 {
			t.Errorf("%d lines for %d messages:\n%.2000s", n, len(ids), out)
		}
		for _, id := range ids {
			out, errs := s.run(0, "dlq", "show", id)
			check("show", out+errs)
		}
		_, errs = s.run(1, "dlq", "show", "\x1b[31m\u202e")
		check("a hostile id", errs)
		_, errs = s.run(1, "dlq", "drop", "--yes", "\x1b[31m\u202e")
		check("a hostile id", errs)
		s.dead(len(ids))

		// One, some, all.
		out, _ = s.run(0, "queue", "stats", "--json")
		if !strings.Contains(out, `"queue":"ImageApp-dlq","waiting":7,`) || !strings.Contains(out, `"maxReceiveCount":5`) {
			t.Errorf("stats: %s", out)
		}
		if out, _ := s.run(0, "queue", "stats"); !strings.Contains(out, "5 receives") || !strings.Contains(out, "ImageApp-dlq") {
			t.Errorf("stats: %s", out)
		}
		_, errs = s.run(1, "dlq", "drop", ids[0]) // nobody can be asked
		if !strings.Contains(errs, "--yes") {
			t.Errorf("drop without a terminal: %s", errs)
		}
		s.dead(7)
		out, _ = s.run(0, "dlq", "drop", "--yes", "--json", ids[2])
		var dropped deadLetter
		if err := json.Unmarshal([]byte(out), &dropped); err != nil || dropped.MessageID != ids[2] || dropped.Body != `{"a":"\u001b]0;owned\u0007"}` {
			t.Errorf("dropped %s, %v", out, err)
		}
		out, _ = s.run(0, "dlq", "redrive", ids[3], ids[0])
		if !strings.Contains(out, "2 messages sent back") {
			t.Errorf("redrive: %s", out)
		}
		s.dead(4)
		out, errs = s.run(0, "queue", "peek") // S3's own test event waits there, too
		check("peek", out+errs)
		if n := strings.Count(out, "\n"); n != 4 || !strings.Contains(errs, "one of the 5 receives") {
			t.Errorf("peek: %s%s", out, errs)
		}
		out, _ = s.run(0, "dlq", "drop", "--all", "--yes")
		check("drop", out)
		if !strings.Contains(out, "4 messages dropped") {
			t.Errorf("drop: %.500s", out)
		}
		s.dead(0)
		_, errs = s.run(1, "queue", "purge")
		if !strings.Contains(errs, "--yes") || !strings.Contains(errs, "backfill") {
			t.Errorf("purge without a terminal: %s", errs)
		}
		if out, _ := s.run(0, "queue", "purge", "--yes"); !strings.Contains(out, "about 3 messages") {
			t.Errorf("purge: %s", out)
		}
		s.drained("ImageApp")

		if _, err := s.sqs.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: s.queueURL("ImageApp-dlq")}); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"list"}, {"show", "x"}, {"redrive", "--all"}, {"drop", "--all", "--yes"}} {
			_, errs := s.run(1, append([]string{"dlq"}, args...)...)
			if !strings.Contains(errs, "there is no dead-letter queue ImageApp-dlq") || !strings.Contains(errs, "provision") {
				t.Errorf("%v without a dead-letter queue: %s", args, errs)
			}
		}
		if out, _ := s.run(0, "queue", "stats"); !strings.Contains(out, "There is no dead-letter queue") {
			t.Errorf("stats without a dead-letter queue: %s", out)
		}
	})
}
