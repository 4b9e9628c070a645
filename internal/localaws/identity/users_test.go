package identity_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/localaws/identity"
)

const good = `{"users": [{"name": "web", "accessKey": "web", "secretKey": "s", "policies": [
	{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}]}]}]}`

func TestParseRefuses(t *testing.T) {
	if _, err := identity.Parse([]byte(good), "000000000000", nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"secretKey": "s"`, `"secretKey": ""`, "no secretKey"},
		{`"accessKey": "web"`, `"accessKey": "a/b"`, "access key"},
		{`"name": "web"`, `"name": "we b"`, "no name"},
		{`"users": [`, `"users": [{"name": "web", "accessKey": "other", "secretKey": "s"},`, "there twice"},
		{`"users": [`, `"users": [{"name": "other", "accessKey": "web", "secretKey": "s"},`, "as well"},
		{`"Action": "s3:Get*"`, `"Action": "s3:Get*", "Principal": "*"`, "names no Principal"},
		{`"Action": "s3:Get*"`, `"Action": "s3:Get*", "Condition": {"Odd": {"a": "b"}}`, "not supported"},
		{`"Effect": "Allow"`, `"Effect": "Maybe"`, "neither Allow nor Deny"},
		{`b/*`, `${aws:username}/*`, "variables"},
		{`"policies"`, `"policy"`, "unknown field"},
		{`]}]}]}`, `]}]}]} {}`, "closing brace"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if _, err := identity.Parse([]byte(text), "000000000000", nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// FuzzParse: nothing that is written down as users may be more than its policies say.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"users": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := identity.Parse(text, "000000000000", nil)
		if err != nil {
			return
		}
		if u.Is("") || u.May("nobody at all", "s3:GetObject", "arn:aws:s3:::b/k", nil) {
			t.Errorf("%q lets in who is not there", text)
		}
	})
}
