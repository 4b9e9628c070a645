package sns

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

func attr(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

func TestFiltersOnAttributes(t *testing.T) {
	attrs := map[string]types.MessageAttributeValue{
		"store": attr("String", "example_corp"), "event": attr("String", "order-cancelled"), "price": attr("Number", "210.75"),
		"interests": attr("String.Array", `["soccer","rugby",7,true,null]`), "one": attr("String.Array", `["rugby"]`),
		"digits": attr("String", "100"), "ip": attr("String", "10.0.0.200"), "bin": {DataType: ptr("Binary"), BinaryValue: []byte("x")},
	}
	for _, c := range []struct {
		policy string
		want   bool
	}{
		{`{"store":["example_corp"]}`, true},
		{`{"store":["other","example_corp"]}`, true},
		{`{"store":["Example_corp"]}`, false},
		{`{"store":["example_corp"],"event":["order-placed"]}`, false},
		{`{"store":["example_corp"],"event":[{"prefix":"order-"}]}`, true},
		{`{"event":[{"prefix":"x"},{"suffix":"cancelled"}]}`, true},
		{`{"event":[{"equals-ignore-case":"ORDER-cancelled"}]}`, true},
		{`{"event":[{"anything-but":["order-placed"]}]}`, true},
		{`{"event":[{"anything-but":"order-cancelled"}]}`, false},
		{`{"event":[{"anything-but":{"prefix":"order"}}]}`, false},
		{`{"event":[{"anything-but":{"suffix":["a","b"]}}]}`, true},
		{`{"missing":[{"anything-but":["x"]}]}`, false},
		{`{"price":[210.75]}`, true},
		{`{"price":["210.75"]}`, false},
		{`{"price":[{"numeric":["=",210.75]}]}`, true},
		{`{"price":[{"numeric":[">",0,"<=",210.75]}]}`, true},
		{`{"price":[{"numeric":[">=",100,"<",210.75]}]}`, false},
		{`{"price":[{"numeric":["<",100]}]}`, false},
		{`{"price":[{"anything-but":[100,500]}]}`, true},
		{`{"digits":[100]}`, false},
		{`{"digits":["100"]}`, true},
		{`{"digits":[{"numeric":["=",100]}]}`, false},
		{`{"interests":["rugby"]}`, true},
		{`{"interests":[7]}`, true},
		{`{"interests":[true]}`, true},
		{`{"interests":[null]}`, true},
		{`{"interests":["tennis",false]}`, false},
		{`{"interests":[{"anything-but":["rugby"]}]}`, true},
		{`{"one":[{"anything-but":["rugby"]}]}`, false},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, true},
		{`{"ip":[{"cidr":"10.0.1.0/24"}]}`, false},
		{`{"store":[{"exists":true}],"missing":[{"exists":false}]}`, true},
		{`{"store":[{"exists":false}]}`, false},
		{`{"bin":[{"exists":true}]}`, true},
		{`{"bin":["x"]}`, false},
		{`{"bin":[{"anything-but":["y"]}]}`, false},
		{`{"$or":[{"store":["x"]},{"price":[{"numeric":[">",200]}]}]}`, true},
		{`{"$or":[{"store":["x"]},{"price":[1]}]}`, false},
		{`{"event":["x"],"$or":[{"store":["example_corp"]},{"price":[1]}]}`, false},
	} {
		sub := &subscription{attrs: map[string]string{}}
		if err := sub.setAll(map[string]string{"FilterPolicy": c.policy}); err != nil {
			t.Errorf("%s: %v", c.policy, err)
			continue
		}
		if got := sub.passes("{}", attrs); got != c.want {
			t.Errorf("%s: %v, want %v", c.policy, got, c.want)
		}
	}
}

func TestFiltersOnTheBody(t *testing.T) {
	const body = `{"store":{"name":"corp","open":true,"tags":["a","b"]},"items":[{"sku":"x","n":1},{"sku":"y","n":2}],"total":10,"none":null}`
	for _, c := range []struct {
		policy, body string
		want         bool
	}{
		{`{"store":{"name":["corp"]}}`, body, true},
		{`{"store":{"name":["corp"],"open":[false]}}`, body, false},
		{`{"store":{"tags":[{"prefix":"b"}]}}`, body, true},
		{`{"items":{"sku":["y"],"n":[2]}}`, body, true},
		{`{"items":{"sku":["x"],"n":[2]}}`, body, false},
		{`{"total":[{"numeric":["=",10]}]}`, body, true},
		{`{"none":[null]}`, body, true},
		{`{"none":[{"exists":true}]}`, body, true},
		{`{"missing":{"deep":[{"exists":false}]}}`, body, true},
		{`{"store":[{"exists":true}]}`, body, false},
		{`{"store":{"name":[{"exists":false}]}}`, body, false},
		{`{"total":[10]}`, `not JSON`, false},
		{`{"total":[10]}`, `[10]`, false},
		{`{"total":[{"exists":false}]}`, `{}`, true},
	} {
		sub := &subscription{attrs: map[string]string{}}
		if err := sub.setAll(map[string]string{"FilterPolicy": c.policy, "FilterPolicyScope": "MessageBody"}); err != nil {
			t.Errorf("%s: %v", c.policy, err)
			continue
		}
		if got := sub.passes(c.body, nil); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.policy, c.body, got, c.want)
		}
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	for _, policy := range []string{
		`x`, `[]`, `{"a":"b"}`, `{"a":[]}`, `{"a":{"b":["c"]}}`, `{"a":[{"wildcard":"*"}]}`, `{"a":[{"prefix":""}]}`, `{"a":[{"prefix":1}]}`,
		`{"a":[{"prefix":"a","suffix":"b"}]}`, `{"a":[{"exists":"true"}]}`, `{"a":[{"numeric":["=","1"]}]}`, `{"a":[{"numeric":["<",1,">",2]}]}`,
		`{"a":[{"numeric":[">",2,"<",1]}]}`, `{"a":[{"numeric":["=",1,"=",2]}]}`, `{"a":[{"numeric":["~",1]}]}`, `{"a":[1e10]}`, `{"a":[[1]]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":[true]}]}`, `{"a":[{"anything-but":{"numeric":["=",1]}}]}`, `{"a":[{"cidr":"10.0.0.1"}]}`,
		`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`,
		`{"a":[` + strings.Repeat(`"x",`, 12) + `"x"],"b":[` + strings.Repeat(`"x",`, 12) + `"x"]}`, `{"a":["b"]} x`,
	} {
		sub := &subscription{attrs: map[string]string{}}
		if err := sub.setAll(map[string]string{"FilterPolicy": policy}); code(err) != "" && !strings.HasPrefix(code(err), "InvalidParameter") || err == nil {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if _, err := parseFilter(strings.Repeat(`{"a":`, 200)+`["x"]`+strings.Repeat("}", 200), true); err == nil {
		t.Error("a filter of depth 200 was taken")
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(`{"a":["b",1,null,{"prefix":"x"},{"anything-but":{"suffix":"y"}}],"$or":[{"a":[{"numeric":[">",1,"<",2]}]},{"b":[{"exists":false}]}]}`, `{"a":[1,{"b":2}]}`, false)
	f.Add(`{"a":{"b":[{"cidr":"::/0"}]}}`, `{"a":[{"b":"::1"}]}`, true)
	f.Fuzz(func(t *testing.T, policy, body string, inBody bool) {
		parsed, err := parseFilter(policy, inBody)
		if err != nil {
			return
		}
		sub := &subscription{attrs: map[string]string{"FilterPolicy": policy}}
		if inBody {
			sub.attrs["FilterPolicyScope"] = scopeBody
		}
		sub.passes(body, map[string]types.MessageAttributeValue{"a": attr("String.Array", body), "b": attr("Number", "1")})
		// A key that must and must not be there lets nothing through.
		parsed.keys["k"] = &filterKey{}
		if parsed.matches(map[string]any{"k": "v"}) {
			t.Fatal("a key without conditions matched")
		}
	})
}

func FuzzMessageStructure(f *testing.F) {
	f.Add(`{"default":"a","email":"b"}`)
	f.Add(`{"default":"a"}}`)
	f.Fuzz(func(t *testing.T, message string) {
		bodies, err := perProtocol(message)
		if _, ok := bodies["default"]; err == nil && !ok {
			t.Fatal("taken without a default")
		}
		if _, perr := parseJSON([]byte(message)); err == nil && perr != nil {
			t.Fatalf("%q is no JSON (%v) and was taken", message, perr)
		}
	})
}
