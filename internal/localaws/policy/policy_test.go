package policy

import (
	"strings"
	"testing"
)

const (
	topic   = "arn:aws:sns:us-east-1:000000000000:uploadnotification"
	bucket  = "arn:aws:s3:::tintype-uploads"
	account = "000000000000"
)

// doc makes a policy of one statement.
func doc(statement string) string {
	return `{"Version":"2012-10-17","Statement":[` + statement + `]}`
}

func TestAllows(t *testing.T) {
	const head = `"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"` + topic + `"`
	when := func(condition string) string { return doc(`{` + head + `,"Condition":` + condition + `}`) }
	for _, c := range []struct {
		name   string
		policy string
		want   bool
	}{
		{"no policy", "", false},
		{"not JSON", "{", false},
		{"service", doc(`{` + head + `}`), true},
		{"statement as object", `{"Statement":{` + head + `}}`, true},
		{"principal *", doc(`{"Effect":"Allow","Principal":"*","Action":"sns:publish","Resource":"*"}`), true},
		{"principal AWS *", doc(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}`), true},
		{"an account is no service", doc(`{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"*","Resource":"*"}`), false},
		{"service in a list", doc(`{"Effect":"Allow","Principal":{"Service":["sqs.amazonaws.com","s3.amazonaws.com"]},"Action":["sns:Get*","sns:Publ?sh"],"Resource":["a","` + topic + `"]}`), true},
		{"other service", doc(`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}`), false},
		{"other action", doc(`{"Effect":"Allow","Principal":"*","Action":"sns:Subscribe","Resource":"*"}`), false},
		{"all actions of the service", doc(`{"Effect":"Allow","Principal":"*","Action":"SNS:*","Resource":"*"}`), true},
		{"all actions of another service", doc(`{"Effect":"Allow","Principal":"*","Action":"SQS:*","Resource":"*"}`), false},
		{"not action", doc(`{"Effect":"Allow","Principal":"*","NotAction":"sns:Subscribe","Resource":"*"}`), true},
		{"not this action", doc(`{"Effect":"Allow","Principal":"*","NotAction":"sns:Publish","Resource":"*"}`), false},
		{"other resource", doc(`{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"` + topic + `2"}`), false},
		{"resource pattern", doc(`{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"arn:aws:sns:*:*:upload*"}`), true},
		{"not resource", doc(`{"Effect":"Allow","Principal":"*","Action":"sns:Publish","NotResource":"` + topic + `"}`), false},
		{"not principal", doc(`{"Effect":"Allow","NotPrincipal":{"Service":"s3.amazonaws.com"},"Action":"*","Resource":"*"}`), false},

		{"source arn", when(`{"ArnEquals":{"aws:SourceArn":"` + bucket + `"}}`), true},
		{"key in another case", when(`{"ArnEquals":{"AWS:sourceARN":"` + bucket + `"}}`), true},
		{"old form of the bucket's arn", when(`{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:tintype-uploads"}}`), true},
		{"another bucket", when(`{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:other"}}`), false},
		{"* stays within its field", when(`{"ArnLike":{"aws:SourceArn":"arn:*:tintype-uploads"}}`), false},
		{"any arn", when(`{"ArnLike":{"aws:SourceArn":"*"}}`), true},
		{"string equals knows no wildcard", when(`{"StringEquals":{"aws:SourceArn":"arn:aws:s3:::*"}}`), false},
		{"string like", when(`{"StringLike":{"aws:SourceArn":["x","arn:aws:s3:::tintype-*"]}}`), true},
		{"case counts in values", when(`{"StringLike":{"aws:SourceArn":"arn:aws:s3:::TINTYPE-*"}}`), false},
		{"ignore case", when(`{"StringEqualsIgnoreCase":{"aws:SourceArn":"ARN:aws:s3:::tintype-uploads"}}`), true},
		{"both hold", when(`{"ArnLike":{"aws:SourceArn":"` + bucket + `"},"StringEquals":{"aws:SourceAccount":"` + account + `"}}`), true},
		{"one does not hold", when(`{"ArnLike":{"aws:SourceArn":"` + bucket + `"},"StringEquals":{"aws:SourceAccount":"111111111111"}}`), false},
		{"account as a number", when(`{"StringEquals":{"aws:SourceAccount":111111111111}}`), false},
		{"absent key", when(`{"StringEquals":{"aws:PrincipalArn":"x"}}`), false},
		{"absent key, if exists", when(`{"StringEqualsIfExists":{"aws:PrincipalArn":"x"}}`), true},
		{"absent key, negated", when(`{"StringNotEquals":{"aws:PrincipalArn":"x"}}`), true},
		{"present key, negated", when(`{"ArnNotLike":{"aws:SourceArn":"arn:aws:s3:::tintype*"}}`), false},
		{"null", when(`{"Null":{"aws:PrincipalArn":"true"}}`), true},
		{"not null", when(`{"Null":{"aws:SourceArn":true}}`), false},
		{"unknown operator grants nothing", when(`{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), false},
		{"unknown operator, if exists", when(`{"BinaryEqualsIfExists":{"aws:SourceIp":"MC4w"}}`), false},
		{"unknown suffix", when(`{"ArnLikeMaybe":{"aws:SourceArn":"` + bucket + `"}}`), false},
		{"policy variable", when(`{"StringLike":{"aws:SourceArn":"${aws:SourceArn}"}}`), false},

		{"deny wins", doc(`{` + head + `},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`), false},
		{"deny wins from the front", doc(`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"},{` + head + `}`), false},
		{"deny of somebody else", doc(`{` + head + `},{"Effect":"Deny","Principal":{"Service":"x.amazonaws.com"},"Action":"*","Resource":"*"}`), true},
		{"deny without TLS", doc(`{` + head + `},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`), true},
		{"deny with an unknown operator denies", doc(`{` + head + `},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"BinaryEquals":{"aws:CurrentTime":"2000"}}}`), false},
		{"everybody but s3 denied", doc(`{` + head + `},{"Effect":"Deny","NotPrincipal":{"Service":"s3.amazonaws.com"},"Action":"*","Resource":"*"}`), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Allows(c.policy, "s3.amazonaws.com", "sns:Publish", topic, bucket, account); got != c.want {
				t.Errorf("Allows = %v, want %v for %s", got, c.want, c.policy)
			}
		})
	}
}

func TestPrincipalsWithCredentials(t *testing.T) {
	const user = "arn:aws:iam::000000000000:user/anna"
	for _, c := range []struct {
		principal string
		want      Decision
	}{
		{`"*"`, Allowed},
		{`{"AWS":"*"}`, Allowed},
		{`{"AWS":"000000000000"}`, Allowed},
		{`{"AWS":"arn:aws:iam::000000000000:root"}`, Allowed},
		{`{"AWS":["x","` + user + `"]}`, Allowed},
		{`{"AWS":"111111111111"}`, NoMatch},
		{`{"AWS":"arn:aws:iam::000000000000:user/bert"}`, NoMatch},
		{`{"Service":"s3.amazonaws.com"}`, NoMatch},
		{`{"Federated":"x"}`, NoMatch},
	} {
		d, err := Parse(doc(`{"Effect":"Allow","Principal":` + c.principal + `,"Action":"sns:Publish","Resource":"*"}`))
		if err != nil {
			t.Fatalf("%s: %v", c.principal, err)
		}
		if got := d.Evaluate(Request{PrincipalARN: user, Action: "SNS:Publish", Resource: topic}); got != c.want {
			t.Errorf("%s: %v, want %v", c.principal, got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	const ok = `"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"*"`
	for _, c := range []struct{ policy, wrong string }{
		{doc(`{` + ok + `}`), ""},
		{doc(`{"Sid":"a",` + ok + `,"Condition":{"ArnLike":{"aws:SourceArn":"` + bucket + `"},"Null":{"aws:PrincipalArn":"true"}}}`), ""},
		{``, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`{"Statement":[]}`, "no Statement"},
		{`{"Version":"2012-10-17"}`, "no Statement"},
		{`{"Version":"2024-01-01","Statement":{` + ok + `}}`, "neither 2012-10-17"},
		{`{"Statement":{` + ok + `},"Extra":1}`, "no such policy element"},
		{`{"Statement":{` + ok + `}} {}`, "closing brace"},
		{`{"Statement":{` + ok + `}}}`, "closing brace"},
		{`{"Statement":{` + ok + `,"Effect":"Deny"}}`, "given twice"},
		{doc(`{` + ok + `,"effect":"Deny"}`), "no such statement element"},
		{doc(`{` + ok + `,"NotAction":"sns:x"}`), "exclude each other"},
		{doc(`{"Effect":"Allow","Principal":"*","Action":"sns:Publish"}`), "Resource is missing"},
		{doc(`{"Effect":"Allow","Action":"sns:Publish","Resource":"*"}`), "Principal is missing"},
		{doc(`{"Principal":"*","Action":"sns:Publish","Resource":"*"}`), "Effect is missing"},
		{doc(`{"Effect":"allow","Principal":"*","Action":"sns:Publish","Resource":"*"}`), "neither Allow nor Deny"},
		{doc(`{"Effect":"Allow","Principal":"anna","Action":"sns:Publish","Resource":"*"}`), "neither"},
		{doc(`{"Effect":"Allow","Principal":{},"Action":"sns:Publish","Resource":"*"}`), "nobody"},
		{doc(`{"Effect":"Allow","Principal":{"Robot":"x"},"Action":"sns:Publish","Resource":"*"}`), "kind of principal"},
		{doc(`{"Effect":"Allow","Principal":"*","Action":"Publish","Resource":"*"}`), "service:action"},
		{doc(`{"Effect":"Allow","Principal":"*","Action":[],"Resource":"*"}`), "empty"},
		{doc(`{"Effect":"Allow","Principal":"*","Action":"a:b","Resource":{"x":"y"}}`), "a string"},
		{doc(`{` + ok + `,"Condition":{"IpAddress":{"aws:SourceIp":"house"}}}`), "not an address"},
		{doc(`{` + ok + `,"Condition":{"ArnLike":{"aws:SourceArn":"tintype-uploads"}}}`), "not an ARN"},
		{doc(`{` + ok + `,"Condition":{"StringLike":{"aws:SourceArn":"${x}"}}}`), "variables"},
		{doc(`{` + ok + `,"Condition":{"Null":{"aws:SourceArn":"maybe"}}}`), "Null takes"},
		{strings.Repeat(" ", MaxBytes) + doc(`{`+ok+`}`), "at most"},
	} {
		err := Validate(c.policy)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", c.policy, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%.200s: %v, want an error with %q", c.policy, err, c.wrong)
		}
	}
}

func TestMatchTakesNoLongOnHostilePatterns(t *testing.T) {
	if Match(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 20_000)) {
		t.Error("matched")
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add(doc(`{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"`+topic+`","Condition":{"ArnLike":{"aws:SourceArn":"`+bucket+`"}}}`), topic, bucket)
	f.Add(doc(`{"Effect":"Deny","NotPrincipal":"*","NotAction":["*"],"NotResource":"?","Condition":{"Null":{"a":true}}}`), "", "")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, "*", "arn:::::")
	f.Fuzz(func(t *testing.T, policy, resource, source string) {
		allowed := Allows(policy, "s3.amazonaws.com", "sns:Publish", resource, source, account)
		d, err := Parse(policy)
		if err != nil {
			if allowed || Validate(policy) == nil {
				t.Fatalf("a policy that does not parse (%v) allows something or is valid", err)
			}
			return
		}
		// A Deny for everybody, put behind whatever is there, denies.
		const all = `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`
		deny, err := Parse(all)
		if err != nil {
			t.Fatal(err)
		}
		d.Statements = append(d.Statements, deny.Statements...)
		if got := d.Evaluate(Request{Service: "s3.amazonaws.com", Action: "sns:Publish", Resource: resource}); got != Denied {
			t.Fatalf("%v, want denied", got)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("a*c?", "abbcd")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !Match("*", s) || !Match(strings.NewReplacer("*", "?").Replace(s), s) {
			t.Fatalf("%q matches neither * nor itself", s)
		}
		if Match(pattern, s) && !Match(pattern+"*", s+"x") {
			t.Fatalf("%q matches %q, but longer ones do not", pattern, s)
		}
	})
}

func TestNumbersDatesAndAddresses(t *testing.T) {
	keys := map[string]string{"n": "7", "d": "2020-01-02T00:00:00Z", "e": "86400", "ip": "10.1.2.3", "mapped": "::ffff:10.1.2.3", "six": "2001:db8::1"}
	for _, c := range []struct {
		operator, key, value string
		want                 bool
	}{
		{"NumericEquals", "n", "7.0", true},
		{"NumericNotEquals", "n", "7", false},
		{"NumericLessThan", "n", "8", true},
		{"NumericLessThan", "n", "7", false},
		{"NumericLessThanEquals", "n", "7", true},
		{"NumericGreaterThan", "n", "6", true},
		{"NumericGreaterThanEquals", "n", "8", false},
		{"NumericLessThan", "d", "8", false},
		{"DateEquals", "d", "2020-01-02", true},
		{"DateNotEquals", "d", "2020-01-03", true},
		{"DateLessThan", "d", "2020-01-02T00:00:01Z", true},
		{"DateGreaterThan", "d", "2020-01-02T00:00:01Z", false},
		{"DateLessThanEquals", "e", "1970-01-02T00:00:00Z", true},
		{"DateGreaterThanEquals", "e", "1970-01-02", true},
		{"IpAddress", "ip", "10.0.0.0/8", true},
		{"IpAddress", "ip", "10.1.2.3", true},
		{"IpAddress", "mapped", "10.0.0.0/8", true},
		{"IpAddress", "ip", "11.0.0.0/8", false},
		{"NotIpAddress", "ip", "11.0.0.0/8", true},
		{"IpAddress", "six", "2001:db8::/32", true},
		{"IpAddress", "n", "0.0.0.0/0", false},
	} {
		condition := Condition{Operator: c.operator, Key: c.key, Values: []string{c.value}}
		if got, known := condition.holds(keys); !known || got != c.want {
			t.Errorf("%s %s %s: %v (known %v), want %v", keys[c.key], c.operator, c.value, got, known, c.want)
		}
	}
}
