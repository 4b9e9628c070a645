package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/testimages"
)

// cloudFormation calls CloudFormation's Query API, which has no signature where moto
// listens.
func cloudFormation(t *testing.T, endpoint string, call url.Values) string {
	t.Helper()
	call.Set("Version", "2010-05-15")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(call.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/"+time.Now().UTC().Format("20060102")+"/us-east-1/cloudformation/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", call.Get("Action"), resp.StatusCode, body)
	}
	return string(body)
}

// changes runs provision and returns what it did to each resource: the aspects that were
// updated, another action, or nothing.
func (s *system) changes(args ...string) map[string]string {
	s.t.Helper()
	out, errs, exit := tintype(s.t, s.env, append([]string{"provision", "--json"}, args...)...)
	if exit != 0 {
		s.t.Fatalf("provision: exit %d\n%s%s", exit, out, errs)
	}
	changes := map[string]string{}
	for line := range strings.Lines(out) {
		var ch struct{ Resource, Action, Detail string }
		if err := json.Unmarshal([]byte(line), &ch); err != nil {
			s.t.Fatal(err)
		}
		switch {
		case ch.Resource == "":
		case ch.Action == "updated":
			changes[ch.Resource] = ch.Detail
		case ch.Action == "unchanged":
			changes[ch.Resource] = ""
		default:
			changes[ch.Resource] = ch.Action
		}
	}
	return changes
}

// TestTemplate makes a stack of the repository's template, has provision find what of it
// the server at hand knows as it should be, and runs both tiers on it.
func TestTemplate(t *testing.T) {
	t.Parallel()
	endpoint := awstest.Moto(t)
	s := newSystem(t)
	s.at(endpoint)
	s.env = append(s.env, "TINTYPE_NAME_PREFIX=acme-")
	body, err := os.ReadFile("../../deploy/cloudformation/tintype.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cloudFormation(t, endpoint, url.Values{
		"Action": {"CreateStack"}, "StackName": {"tintype"}, "TemplateBody": {string(body)}, "Capabilities.member.1": {"CAPABILITY_IAM"},
		"Parameters.member.1.ParameterKey": {"NamePrefix"}, "Parameters.member.1.ParameterValue": {"acme-"},
		"Parameters.member.2.ParameterKey": {"Origins"}, "Parameters.member.2.ParameterValue": {strings.Join([]string{"http://" + s.webAddr, strings.Replace("http://"+s.webAddr, "127.0.0.1", "localhost", 1)}, ",")},
		"Parameters.member.3.ParameterKey": {"Emails"}, "Parameters.member.3.ParameterValue": {"ann@example.com,bob@example.com"},
	})
	stack := cloudFormation(t, endpoint, url.Values{"Action": {"DescribeStacks"}, "StackName": {"tintype"}})
	for _, want := range []string{"CREATE_COMPLETE", "tintype-AppRoleArn", "tintype-QueueUrl", "acme-tintype-results"} {
		if !strings.Contains(stack, want) {
			t.Errorf("the stack has no %s:\n%s", want, stack)
		}
	}

	// moto's CloudFormation passes over these; what it knows is as provision wants it.
	missed := map[string]string{
		"bucket acme-tintype-uploads": "public access block, CORS, lifecycle", "bucket acme-tintype-results": "public access block, CORS, lifecycle",
		"queue ImageApp-dlq": "RedriveAllowPolicy", "policy of queue ImageApp": "TopicMaySend",
		"topic uploadnotification": "policy, tags", "topic processingnotification": "tags",
		"event notification of bucket acme-tintype-uploads to topic uploadnotification": "created",
		"subscription of queue ImageApp to topic uploadnotification":                    "created",
	}
	for _, address := range []string{"ann@example.com", "bob@example.com"} {
		for _, topic := range []string{"uploadnotification", "processingnotification"} {
			missed["subscription of "+address+" to topic "+topic] = "confirmation requested"
		}
	}
	args := []string{"--web-addr", s.webAddr, "--email", "ann@example.com", "--email", "bob@example.com"}
	changes := s.changes(append(args, "--dry-run")...)
	for resource, what := range changes {
		if what != missed[resource] {
			t.Errorf("%s: %q, want %q", resource, what, missed[resource])
		}
	}
	if len(changes) != 13 {
		t.Errorf("%d resources were looked at: %v", len(changes), changes)
	}
	s.provision(args...)
	for resource, what := range s.changes(append(args, "--dry-run")...) {
		if what != "" && what != missed["queue ImageApp-dlq"] { // which moto never keeps
			t.Errorf("%s: still %q", resource, what)
		}
	}

	s.startApp()
	s.startWeb()
	events := listen(t, s.web())
	photo := testimages.Photo()
	code, id, url, fields := presigned(t, s.web(), map[string]any{"filename": "rocket.jpg", "size": len(photo), "contentType": "image/jpeg"})
	if code != http.StatusCreated || !strings.Contains(url, "acme-tintype-uploads") {
		t.Fatalf("POST /api/uploads: %d %s", code, url)
	}
	if code, answer := post(t, url, fields, "rocket.jpg", photo); code/100 != 2 {
		t.Fatalf("the form is answered %d %v", code, answer)
	}
	_, answer := post(t, s.web()+"/api/images", nil, "rocket.jpg", photo)
	for _, id := range []string{id, fmt.Sprint(answer["id"])} {
		eventually(t, "the browser hears of "+id, func() error { return events.heard(id, "done") })
	}
	s.drained("ImageApp")
}
