package declare_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/provision/declare"
)

func spec() declare.Spec {
	return declare.Spec{
		Region: "eu-central-1", Account: "123456789012", UploadsBucket: "acme-tintype-uploads", ResultsBucket: "acme-tintype-results",
		Queue: "ImageApp", DeadLetterQueue: "ImageApp-dlq", UploadTopic: "uploadnotification", CompletionTopic: "processingnotification",
		Origins: []string{"https://images.example.com"}, Emails: []string{"ann@example.com"},
	}
}

const theirs = `{"Sid":"theirs","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/x"},"Action":"sqs:ReceiveMessage","Resource":"*"}`

func TestMerge(t *testing.T) {
	d := declare.Of(spec()).Queue.Policy
	sids := []string{declare.SidTLSOnly, declare.SidTopicMaySend}
	// The same, as a person or another tool may have written it.
	byHand := `{"Statement":[
		{"Effect":"Allow","Principal":{"Service":["sns.amazonaws.com"]},"Action":["sqs:sendmessage"],"Resource":["arn:aws:sqs:eu-central-1:123456789012:ImageApp"],
		 "Condition":{"ArnEquals":{"aws:SourceArn":["arn:aws:sns:eu-central-1:123456789012:uploadnotification"]}}},
		{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sqs:*","Resource":"arn:aws:sqs:eu-central-1:123456789012:ImageApp","Condition":{"Bool":{"aws:SecureTransport":false}}}]}`
	for _, c := range []struct {
		name, have  string
		missing     []string
		keeps, ends string
	}{
		{name: "none", missing: sids},
		{name: "ours", have: d.String()},
		{name: "by hand", have: byHand},
		{name: "theirs", have: `{"Version":"2012-10-17","Id":"x","Statement":` + theirs + `}`, missing: sids, keeps: theirs},
		{name: "the topic's default", have: `{"Statement":[{"Sid":"__default_statement_ID","Effect":"Allow"},` + theirs + `]}`, missing: sids, keeps: theirs, ends: "__default"},
		{name: "ours, opened", have: strings.Replace(d.String(), "uploadnotification", "*", 1), missing: []string{declare.SidTopicMaySend}, ends: ":*\"}}"},
	} {
		want, missing, err := d.Merge(c.have)
		if err != nil || !slices.Equal(missing, c.missing) {
			t.Errorf("%s: missing %v, %v; want %v", c.name, missing, err, c.missing)
		}
		if _, again, err := d.Merge(want); err != nil || again != nil {
			t.Errorf("%s: merging again: missing %v, %v", c.name, again, err)
		}
		if !strings.Contains(want, c.keeps) || c.ends != "" && strings.Contains(want, c.ends) {
			t.Errorf("%s: %s", c.name, want)
		}
		if c.keeps == "" {
			continue
		}
		if left, changed, err := d.Without(want); err != nil || !changed || !strings.Contains(left, c.keeps) || strings.Contains(left, declare.SidTLSOnly) {
			t.Errorf("%s: without ours: %s, %v", c.name, left, err)
		}
	}
	if _, _, err := d.Merge("{"); err == nil {
		t.Error("a policy that is none was merged")
	}
}

// FuzzMerge: whatever is there, the result is a policy with ours and all of theirs in it,
// or an error.
func FuzzMerge(f *testing.F) {
	d := declare.Of(spec()).UploadTopic.Policy
	f.Add("")
	f.Add(d.String())
	f.Add(`{"Statement":[` + theirs + `]}`)
	f.Add(`{"Statement":null}`)
	f.Fuzz(func(t *testing.T, have string) {
		want, missing, err := d.Merge(have)
		if err != nil {
			return
		}
		if !json.Valid([]byte(want)) {
			t.Fatalf("%q became %q", have, want)
		}
		if again, rest, err := d.Merge(want); err != nil || len(rest) > 0 || again != want {
			t.Fatalf("%q became %q, missing %v; then %q, missing %v, %v", have, want, missing, again, rest, err)
		}
	})
}
