package doctor

import (
	"strings"
	"testing"
)

func TestEvaluate(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:111122223333:uploads"
	s3 := ask{service: serviceS3, action: "sns:Publish", resource: topic, source: "arn:aws:s3:::photos", account: "111122223333"}
	allow := func(rest string) string {
		return `{"Statement":{"Effect":"Allow","Action":"SNS:Publish","Resource":"*",` + rest + `}}`
	}
	for _, c := range []struct {
		name, policy string
		allowed      verdict
		open, loose  bool // everybody; any source
		arn, account bool // near
	}{
		{name: "none"},
		{name: "the service", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"}`), allowed: yes, loose: true},
		{name: "of a list", policy: allow(`"Principal":{"Service":["sns.amazonaws.com","s3.amazonaws.com"]},"Condition":{"ArnLike":{"aws:SourceArn":["arn:aws:s3:*:*:photos"]}}`), allowed: yes},
		{name: "account alone", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"}}`), allowed: yes},
		{name: "everybody of one bucket", policy: allow(`"Principal":{"AWS":"*"},"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::pho*"}}`), allowed: yes},
		{name: "everybody", policy: allow(`"Principal":"*"`), allowed: yes, open: true},
		{name: "everybody, of whatever bucket", policy: allow(`"Principal":"*","Condition":{"ArnLike":{"aws:SourceArn":"*"}}`), allowed: yes, open: true},
		{name: "everybody with TLS", policy: allow(`"Principal":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`), allowed: yes, open: true},
		{name: "another bucket", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::music"}}`), arn: true},
		{name: "another account", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"9"}}`), account: true},
		{name: "an organization", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceOrgID":"o-1"}}`), allowed: maybe},
		{name: "an unknown operator", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"NumericLessThan":{"aws:SourceArn":"1"}}`), allowed: maybe},
		{name: "not for others", policy: allow(`"NotPrincipal":{"Service":"s3.amazonaws.com"}`)},
		{name: "an owner's condition", policy: allow(`"Principal":{"AWS":"*"},"Condition":{"StringEquals":{"AWS:SourceOwner":"111122223333"}}`)},
		{name: "if it exists", policy: allow(`"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1"},"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::photos"}}`), allowed: yes},
		{name: "denied without TLS alone", policy: `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":false}}},
			{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"NotAction":"sns:Subscribe","NotResource":"arn:aws:sns:::other","Condition":{"StringLike":{"aws:SourceArn":"arn:aws:s3:::photo?"}}}]}`, allowed: yes},
		{name: "denied but for one", policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sns:*","Resource":"` + topic + `","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::photos"}}},
			{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"*","Condition":{"ArnNotEquals":{"aws:SourceArn":"arn:aws:s3:::music"}}}]}`},
	} {
		policy, err := parsePolicy(c.policy)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := evaluate(policy, s3)
		if got.allowed != c.allowed || (got.open != nil) != c.open || (got.unguarded != nil) != c.loose || got.allowed == no && (got.offArn != c.arn || got.offAcct != c.account) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	for _, bad := range []string{"{", `{"Statement":3}`, `{"Statement":[{"Effect":"Allow","Principal":"me"}]}`, `{"Statement":[{"Effect":"Allow","Principal":"*","Action":{}}]}`, `[]`} {
		if _, err := parsePolicy(bad); err == nil {
			t.Errorf("%s is taken for a policy", bad)
		}
	}
}

// FuzzPolicy: policies are anybody's text. Whatever it is, there is an answer or an error,
// and nothing is both allowed and denied.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sns:*","Resource":"*"}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"*"},"NotAction":["a","b"],"Resource":"[\\"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := parsePolicy(text)
		if err != nil {
			return
		}
		ans := evaluate(policy, ask{service: serviceS3, action: "sns:Publish", resource: "arn:aws:sns:::x", source: "arn:aws:s3:::y"})
		if ans.deniedBy != nil && ans.allowed != no {
			t.Fatalf("%+v", ans)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("arn:aws:s3:::a*/[b]", "arn:aws:s3:::axx/[b]")
	f.Add("*", "a/b")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.ContainsRune(s, 0) || strings.ContainsRune(pattern, 0) {
			return
		}
		if !strings.ContainsAny(pattern, "*?") && match(pattern, s) != (pattern == s) {
			t.Fatal("without a star it is comparison")
		}
		if !match("*", s) {
			t.Fatalf("* does not match %q", s)
		}
	})
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"plain-1": "plain-1", "": "''", "a b": "'a b'", "it's;$(rm)": `'it'\''s;$(rm)'`} {
		if got := quote(in); got != want {
			t.Errorf("%q becomes %s, want %s", in, got, want)
		}
	}
}
