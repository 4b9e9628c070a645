package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// guarded is a system whose tiers and commands sign as users of their own, who may do what
// `tintype provision --template iam` prints and nothing else.
type guarded struct {
	*system
	policies map[string]*policy.Document

	mu      sync.Mutex
	used    map[localaws.Access]bool
	refused []localaws.Access
}

// guard starts an endpoint with a user for each role.
func guard(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{system: newSystem(t), policies: map[string]*policy.Document{}, used: map[localaws.Access]bool{}}
	out, errs, code := tintype(t, g.env, "provision", "--template", "iam", "--account", localaws.DefaultAccount)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var roles map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &roles); err != nil {
		t.Fatal(err)
	}
	type user struct {
		Name      string            `json:"name"`
		AccessKey string            `json:"accessKey"`
		SecretKey string            `json:"secretKey"`
		Policies  []json.RawMessage `json:"policies"`
	}
	var file struct {
		Users []user `json:"users"`
	}
	for name, p := range roles {
		doc, err := policy.ParseIdentity(string(p))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g.policies[name] = doc
		file.Users = append(file.Users, user{name, name, "secret-of-" + name, []json.RawMessage{p}})
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", g.endpointAddr)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := localaws.Open(localaws.Options{Data: g.data, API: ln, Users: text, OnAccess: g.hear})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return g
}

func (g *guarded) hear(a localaws.Access) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !a.Allowed {
		g.refused = append(g.refused, a)
		return
	}
	a.Implied = false
	g.used[a] = true
}

// as is the environment of somebody who signs as a role.
func (g *guarded) as(role string) *system {
	s := *g.system
	s.env = cleanEnv("AWS_ENDPOINT_URL="+g.url, "AWS_ACCESS_KEY_ID="+role, "AWS_SECRET_ACCESS_KEY=secret-of-"+role, "AWS_REGION=us-east-1")
	return &s
}

// unneededHere are parts that only AWS itself asks for: over plain HTTP nobody looks for the
// policies that demand TLS.
func unneededHere() []string {
	return []string{
		// Only of a bucket that keeps versions.
		"operator LookAtBuckets s3:getbucketobjectlockconfiguration arn:aws:s3:::tintype-results",
		"operator LookAtBuckets s3:getbucketobjectlockconfiguration arn:aws:s3:::tintype-uploads",
	}
}

// unused are the parts of the policies that no call needed, as "role Sid action resource".
func (g *guarded) unused() (out []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for role, doc := range g.policies {
		for i := range doc.Statements {
			for _, action := range doc.Statements[i].Actions {
				for _, resource := range doc.Statements[i].Resources {
					if !g.needed(role, action, resource) {
						out = append(out, role+" "+doc.Statements[i].SID+" "+action+" "+resource)
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// needed says whether a call of the role was one of these. g.mu is held.
func (g *guarded) needed(role, action, resource string) bool {
	for a := range g.used {
		if a.User == role && policy.Match(action, strings.ToLower(a.Action)) && policy.Match(resource, a.Resource) {
			return true
		}
	}
	return false
}

// TestLeastPrivilege runs everything that tiers and operators do under their roles alone:
// nothing may be refused, and nothing may be allowed that was not needed.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	g := guard(t)
	ctx := context.Background()
	g.provision()
	g.widow()
	recipes := writeFile(t, "recipes.yml", []byte(`
recipes:
  marked:
    steps: [watermark: {image: assets/logo.png}]
    outputs: {small: {width: 48, format: png}}
rules:
  - {match: assets/**, ignore: true}
  - {match: "marked/**", recipe: marked}
`))
	if err := g.put("assets/logo.png", testimages.BlackPNG(20, 20), nil); err != nil {
		t.Fatal(err)
	}
	web := g.as("web").startWeb("--recipes", recipes, "--presence", "1s")
	began := time.Now()
	events := listen(t, g.web())
	photo := testimages.JPEG(300, 200)

	// An original that is gone when its turn comes, and one that may not be read at first.
	if err := g.put("gone.jpg", photo, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := g.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("tintype-uploads"), Key: aws.String("gone.jpg")}); err != nil {
		t.Fatal(err)
	}
	lock(t, g.system, true)
	if err := g.put("denied.jpg", photo, nil); err != nil {
		t.Fatal(err)
	}
	app := g.as("app").startApp("--recipes", recipes, "--presence", "1s")
	eventually(t, "a failed attempt is on record", func() error { return g.attempted(1) })
	lock(t, g.system, false)

	// Uploads of every kind.
	code, id, url, fields := presigned(t, g.web(), map[string]any{"filename": "a.jpg", "size": len(photo), "contentType": "image/jpeg"})
	if code != http.StatusCreated {
		t.Fatalf("POST /api/uploads: %d", code)
	}
	if code, answer := post(t, url, fields, "a.jpg", photo); code/100 != 2 {
		t.Fatalf("the form: %d %v", code, answer)
	}
	_, answer := post(t, g.web()+"/api/images", nil, "b.jpg", photo)
	formID := fmt.Sprint(answer["id"])
	for _, key := range []string{"marked/c.jpg", "poor.jpg"} {
		body := photo
		if key == "poor.jpg" {
			body = []byte("this is no image")
		}
		if err := g.put(key, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{id, formID} {
		eventually(t, "the browser hears of "+id, func() error { return events.heard(id, "done") })
	}
	for key, want := range map[string]recipe.Status{"marked/c.jpg": recipe.Done, "poor.jpg": recipe.Failed, "denied.jpg": recipe.Done} {
		if m := g.finished(store.IDForKey(key)); m.Status != want {
			t.Errorf("%s: %s %+v", key, m.Status, m.Error)
		}
	}

	// What a browser does.
	for _, path := range []string{"/original", "/outputs/thumb"} {
		get(t, g.web()+"/api/images/"+id+path, http.StatusOK)
	}
	get(t, g.web()+"/api/images?status=failed", http.StatusOK)
	get(t, g.web()+"/api/images/k-"+"bm90aGluZw", http.StatusNotFound) // of the key "nothing"
	get(t, g.web()+"/api/pipeline", http.StatusOK)
	tag(t, g.system, "b.jpg", formID)
	send(t, http.MethodPost, g.web()+"/api/images/"+formID+"/retry", `{"recipe":"sepia"}`)
	eventually(t, "the retry", func() error {
		m, err := g.manifest(formID)
		if err == nil && m.Recipe != "sepia" {
			err = errors.New("still " + m.Recipe)
		}
		return err
	})
	send(t, http.MethodDelete, g.web()+"/api/images/"+id, "")

	// Dead letters, through the web tier and by hand.
	letters := g.sendTo("ImageApp-dlq", eventOf("marked/c.jpg"), "junk", eventOf("poor.jpg"), "rubbish", eventOf("denied.jpg"))
	get(t, g.web()+"/api/deadletters", http.StatusOK)
	send(t, http.MethodPost, g.web()+"/api/deadletters/redrive", `{"messageIds":["`+letters[0]+`"]}`)
	send(t, http.MethodPost, g.web()+"/api/deadletters/drop", `{"messageIds":["`+letters[1]+`"]}`)
	op := g.as("operator")
	op.run(0, "dlq", "list")
	op.run(0, "dlq", "show", letters[2])
	op.run(0, "dlq", "redrive", letters[2])
	op.run(0, "dlq", "drop", "--yes", letters[3])
	op.run(0, "queue", "redrive")
	g.drained("ImageApp")
	op.run(0, "upload", writeFile(t, "d.jpg", photo), "--wait")
	op.run(0, "list")
	op.run(0, "status", formID)

	// Events that were lost, and what lies about.
	g.deaf()
	if err := g.put("lost.jpg", photo, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := g.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("tintype-results"), Key: aws.String(formID + "/left-over/full.jpg"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	op.run(0, "backfill", "--recipes", recipes)
	g.finished(store.IDForKey("lost.jpg"))
	g.drained("ImageApp")
	tintype(t, op.env, "audit", "--deep", "--peek", "--sweep", "--older-than", "1s", "--grace", "0s", "--settle", "100ms", "--yes", "--recipes", recipes)
	op.run(0, "queue", "stats")
	g.doctor(op)
	op.run(0, "provision", "--dry-run", "--web-addr", g.webAddr, "--email", "ann@example.com")

	// A heartbeat of the web tier's queue, and the ends of both.
	within(t, 2*time.Minute-time.Since(began), "a heartbeat", func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		for a := range g.used {
			if a.User == "web" && a.Action == "sns:GetSubscriptionAttributes" {
				return nil
			}
		}
		return errors.New("none yet")
	})
	for _, p := range []*process{app, web} {
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("%s ends with %d", p.name, code)
		}
	}
	g.sendTo("ImageApp", "what nobody takes away from who looks")
	op.run(0, "queue", "peek")
	op.run(0, "queue", "purge", "--yes")
	g.mu.Lock()
	for _, a := range g.refused {
		t.Errorf("refused: %+v", a)
	}
	g.mu.Unlock()
	if un := g.unused(); !slices.Equal(un, unneededHere()) {
		t.Errorf("allowed and never needed:\n%s", strings.Join(un, "\n"))
	}
}

// doctor runs doctor, which has to be able to look at everything. It also tries what it may
// not: what a tier may do that an operator may not is no fault.
func (g *guarded) doctor(op *system) {
	g.t.Helper()
	g.mu.Lock()
	before := len(g.refused)
	g.mu.Unlock()
	out, errs, _ := tintype(g.t, op.env, "doctor", "--web-addr", g.webAddr, "--json")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = g.refused[:before]
	if strings.Contains(out, "could not be checked") || strings.Contains(out, `"not-checked"`) || !strings.Contains(out, "{") {
		g.t.Errorf("doctor prints\n%s%s", out, errs)
	}
}

// widow leaves what a web instance does that died long ago, and a subscription of a queue
// that is gone.
func (g *guarded) widow() {
	g.t.Helper()
	ctx := context.Background()
	_, err := g.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("tintype-web-dead"), Tags: map[string]string{"tintype-heartbeat": strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)}})
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("tintype-web-gone")}); err != nil {
		g.t.Fatal(err)
	}
	for _, name := range []string{"tintype-web-dead", "tintype-web-gone"} {
		if _, err := g.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:processingnotification"), Protocol: aws.String("sqs"),
			Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:" + name)}); err != nil {
			g.t.Fatal(err)
		}
	}
	if _, err := g.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: g.queueURL("tintype-web-gone")}); err != nil {
		g.t.Fatal(err)
	}
}

// lock has the bucket's own policy refuse one original, or no longer.
func lock(t *testing.T, s *system, on bool) {
	t.Helper()
	bucket := aws.String("tintype-uploads")
	var err error
	if on {
		_, err = s.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tintype-uploads/denied.jpg"}]}`)})
	} else {
		_, err = s.s3.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: bucket})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tag gives an original tags, as a rule of its owner's might.
func tag(t *testing.T, s *system, name, id string) {
	t.Helper()
	key := id + "/" + name
	if _, err := s.s3.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: aws.String("tintype-uploads"), Key: &key,
		Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("team"), Value: aws.String("x")}}}}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string, want int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("%s: %d, want %d", url, resp.StatusCode, want)
	}
}

func send(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Errorf("%s %s: %d", method, url, resp.StatusCode)
	}
}
