package sns

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

func attr(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

// passes asks as a delivery does.
func passes(sub *subscription, body string, attrs map[string]types.MessageAttributeValue) bool {
	return (&Service{}).passes(sub, &notification{values: attributeValues(attrs)}, body)
}

func TestFiltersOnAttributes(t *testing.T) {
	attrs := map[string]types.MessageAttributeValue{
		"store": attr("String", "example_corp"), "event": attr("String", "order-cancelled"), "price": attr("Number", "210.75"),
		"interests": attr("String.Array", `["soccer","rugby",7,true,null]`), "one": attr("String.Array", `["rugby"]`),
		"digits": attr("String", "100"), "scalar": attr("String.Array", "100"), "text": attr("String.Array", "one hundred"), "ip": attr("String", "10.0.0.200"), "bin": {DataType: ptr("Binary"), BinaryValue: []byte("x")},
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
		{`{"event":[{"anything-but":{"prefix":["a","o"]}}]}`, false},
		{`{"event":[{"anything-but":{"wildcard":"*cancelled"}}]}`, false},
		{`{"event":[{"anything-but":{"wildcard":["a*","*-placed"]}}]}`, true},
		{`{"event":[{"wildcard":"order-*"}]}`, true},
		{`{"event":[{"wildcard":"*-*"}]}`, true},
		{`{"event":[{"wildcard":"*-canc*d"}]}`, true},
		{`{"event":[{"wildcard":"order"}]}`, false},
		{`{"event":[{"wildcard":"o*x*d"}]}`, false},
		{`{"event":[{"exact":"order-cancelled"}]}`, true},
		{`{"event":[{"prefix":""}]}`, true},
		{`{"missing":[{"anything-but":["x"]}]}`, false},
		{`{"price":[210.75]}`, true},
		{`{"price":["210.75"]}`, false},
		{`{"price":[210.750004]}`, true},
		{`{"price":[210.75002]}`, false},
		{`{"price":[{"numeric":[">",210.750001]}]}`, false},
		{`{"scalar":[100]}`, true},
		{`{"text":["one hundred"]}`, false},
		{`{"text":[{"exists":true}]}`, true},
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
		{`{"bin":[{"exists":true}]}`, false},
		{`{"bin":["x"]}`, false},
		{`{"bin":[{"anything-but":["y"]}]}`, false},
		{`{"$or":[{"store":["x"]},{"price":[{"numeric":[">",200]}]}]}`, true},
		{`{"$or":[{"store":["x"]},{"price":[1]}]}`, false},
		{`{"event":["x"],"$or":[{"store":["example_corp"]},{"price":[1]}]}`, false},
	} {
		sub := &subscription{attrs: map[string]string{}}
		if problem := sub.setAll(map[string]string{"FilterPolicy": c.policy}); problem != "" {
			t.Errorf("%s: %s", c.policy, problem)
			continue
		}
		if got := passes(sub, "{}", attrs); got != c.want {
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
		{`{"a.b":["x"]}`, `{"a":{"b":"x"}}`, true},
		{`{"a.b.c":["x"]}`, `{"a":{"b.c":"x"}}`, true},
		{`{"a.b":{"c":["x"]}}`, `{"a":{"b":{"c":"x"}}}`, true},
		{`{"a":{"b":["x"]}}`, `{"a.b":"x"}`, true},
		{`{"a.b":["x"]}`, `{"a":{"b":"y"}}`, false},
		{`{"a":{"k":["x"]}}`, `{"a":[[{"k":"x"}],{"k":"y"}]}`, true},
		{`{"a":{"k":["x"]},"b":["2"]}`, `{"a":[{"k":"y"},{"k":"x"}],"b":["1","2"]}`, true},
		{`{"a":{"b":{"k":["x"]},"c":["1"]}}`, `{"a":[{"b":[{"k":"x"}],"c":"2"},{"b":[{"k":"y"}],"c":"1"}]}`, false},
		{`{"a":{"b":{"k":["x"]},"c":["1"]}}`, `{"a":[{"b":[{"k":"x"}],"c":"2"},{"b":[{"k":"y"},{"k":"x"}],"c":"1"}]}`, true},
		{`{"a":{"k":["x"],"$or":[{"m":["1"]},{"n":["2"]}]}}`, `{"a":[{"k":"x","m":"0"},{"k":"y","n":"2"}]}`, false},
		{`{"a":{"k":["x"],"$or":[{"m":["1"]},{"n":["2"]}]}}`, `{"a":[{"k":"x","m":"0"},{"k":"x","n":"2"}]}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":[]}`, false},
		{`{"a":[{"exists":false}]}`, `{"a":[]}`, true},
		{`{"a":[""]}`, `{"a":"","b":[]}`, true},
	} {
		sub := &subscription{attrs: map[string]string{}}
		if problem := sub.setAll(map[string]string{"FilterPolicy": c.policy, "FilterPolicyScope": "MessageBody"}); problem != "" {
			t.Errorf("%s: %s", c.policy, problem)
			continue
		}
		if got := passes(sub, c.body, nil); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.policy, c.body, got, c.want)
		}
	}
}

// What is wrong with a policy is said in AWS's words, and where, counted in the policy
// without its spaces.
func TestAFilterThatFitsNothingInABigMessageGivesUp(t *testing.T) {
	var b strings.Builder
	for i := range 5 {
		fmt.Fprintf(&b, `,"l%d":[%s{"k":"x","m":0}]`, i, strings.Repeat(`{"k":"x","m":0},`, 2000))
	}
	body := "{" + b.String()[1:] + "}"
	policy := `{"l0":{"k":["x"]},"l1":{"k":["x"]},"l2":{"k":["x"]},"l3":{"k":["x"]},"l4":{"k":["x"],"m":[1]}}`
	sub := &subscription{attrs: map[string]string{"FilterPolicy": policy, "FilterPolicyScope": scopeBody}}
	if passes(sub, body, nil) {
		t.Error("it passed")
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	long := `{"k":[` + strings.Repeat(`"x",`, 150) + `{"nope":1}]}`
	for policy, want := range map[string]string{
		`invalid-json`:             "failed to parse JSON. Unrecognized token 'invalid': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 8]",
		`{invalidjson}`:            "failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]",
		`{"key_a":"value_one"}`:    "\"key_a\" must be an object or an array\n at [Source: (String)\"{\"key_a\":\"value_one\"}\"; line: 1, column: 11]",
		`{"key": {"suffix": "v"}}`: "\"suffix\" must be an object or an array\n at [Source: (String)\"{\"key\":{\"suffix\":\"v\"}}\"; line: 1, column: 19]",
		`{"key":[]}`:               "Empty arrays are not allowed\n at [Source: (String)\"{\"key\":[]}\"; line: 1, column: 10]",
		`{"key":[["value"]]}`:      "Match value must be String, number, true, false, or null\n at [Source: (String)\"{\"key\":[[\"value\"]]}\"; line: 1, column: 10]",
		long:                       "Unrecognized match type nope\n at [Source: (String)\"" + long[:500] + "\"[truncated 118 chars]; line: 1, column: 616]",
		`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`:                             "Filter policy can not have more than 5 keys",
		`{"a":[` + strings.Repeat(`"x",`, 12) + `"x"],"b":[` + strings.Repeat(`"x",`, 12) + `"x"]}`: "Filter policy is too complex",
		`{"a":[{"cidr":"10.0.0.1"}]}`:    "Malformed CIDR, one '/' required",
		`{"a":[{"cidr":"10.0.0.1/x"}]}`:  "Malformed CIDR, mask bits must be an integer",
		`{"a":[{"cidr":"xx.11.xx/8"}]}`:  "Nonstandard IP address: xx.11.xx",
		`{"a":[{"cidr":"10.0.0.1/33"}]}`: "Malformed CIDR, mask bits must be between 0 and 32",
	} {
		if got := (&subscription{attrs: map[string]string{}}).setAll(map[string]string{"FilterPolicy": policy}); got != "FilterPolicy: "+want {
			t.Errorf("%s:\n got %s\nwant FilterPolicy: %s", policy, got, want)
		}
	}
	for condition, want := range map[string]struct {
		text   string
		column int
	}{
		`{"suffix":"value","prefix":"value2"}`:     {"Only one key allowed in match expression", 37},
		`{"wrong-operator":true}`:                  {"Unrecognized match type wrong-operator", 31},
		`{"suffix":100}`:                           {"suffix match pattern must be a string", 22},
		`{"suffix":null}`:                          {"suffix match pattern must be a string", 23},
		`{"suffix":[]}`:                            {"suffix match pattern must be a string", 20},
		`{"cidr":["bad-filter"]}`:                  {"prefix match pattern must be a string", 18},
		`{"exists":"no"}`:                          {"exists match pattern must be either true or false.", 20},
		`{"exists":null}`:                          {"exists match pattern must be either true or false.", 23},
		`{"numeric":["operator"]}`:                 {"Unrecognized numeric range operator: operator", 32},
		`{"numeric":["=","000"]}`:                  {"Value of equals must be numeric", 26},
		`{"numeric":[">="]}`:                       {"Value of >= must be numeric", 26},
		`{"numeric":[]}`:                           {"Invalid member in numeric match: ]", 22},
		`{"numeric":[1,"<="]}`:                     {"Invalid member in numeric match: 1", 22},
		`{"numeric":[">",20,30]}`:                  {"Bad value in numeric range: 30", 30},
		`{"numeric":[">",20,"test"]}`:              {"Bad numeric range operator: test", 34},
		`{"numeric":[">=",1,">",2]}`:               {"Bad numeric range operator: >", 31},
		`{"numeric":[">",20,"<="]}`:                {"Value of <= must be numeric", 33},
		`{"numeric":[">",20,"<","30"]}`:            {"Value of < must be numeric", 33},
		`{"numeric":["<",100,">",10]}`:             {"Too many elements in numeric expression", 30},
		`{"numeric":[">",20,"<",30,"<",50]}`:       {"Too many terms in numeric range expression", 36},
		`{"numeric":[">",3,"<",1]}`:                {"Bottom must be less than top", 33},
		`{"anything-but":{"suffix":"test"}}`:       {"Unsupported anything-but pattern: suffix", 36},
		`{"anything-but":{"exists":false}}`:        {"Unsupported anything-but pattern: exists", 40},
		`{"anything-but":{"wrong-operator":null}}`: {"Unsupported anything-but pattern: wrong-operator", 47},
		`{"anything-but":{"prefix":false}}`:        {"prefix match pattern must be a string", 40},
	} {
		policy := `{"key":[` + condition + `]}`
		got := (&subscription{attrs: map[string]string{}}).setAll(map[string]string{"FilterPolicy": policy})
		if want := fmt.Sprintf("FilterPolicy: %s\n at [Source: (String)\"%s\"; line: 1, column: %d]", want.text, policy, want.column); got != want {
			t.Errorf("%s:\n got %s\nwant %s", condition, got, want)
		}
	}
	for _, policy := range []string{
		``, `[]`, `{"a":{}}`, `{"a":[{"wildcard":"a**b"}]}`, `{"a":[{"wildcard":"a*b*c*d*"}]}`, `{"a":[` + strings.Repeat(`{"wildcard":"a*b*c*"},`, 34) + `"x"]}`, `{"a":[{"wildcard":"a\\x"}]}`, `{"a":[{"wildcard":1}]}`, `{"a":[1e10]}`, `{"a":[{}]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":[true]}]}`, `{"a":[{"anything-but":["a",1]}]}`, `{"a":[{"anything-but":null}]}`,
		`{"a":["b"]} x`, `{"a":["b"]`, `{"a":["b"}`, `{"a":["b"],}`, `{"a" ["b"]}`, `{"a":["b`, `{"a":[01]}`, `{"a":["\x"]}`,
	} {
		if _, err := parseFilter(policy, false); err == nil {
			t.Errorf("%s was taken", policy)
		}
	}
	nested := `{"a":{"b":["c"]}}`
	if _, err := parseFilter(nested, false); err == nil || err.Error() != "Filter policy scope MessageAttributes does not support nested filter policy" {
		t.Errorf("nested: %v", err)
	}
	for _, depth := range []int{200, 20_000} {
		if _, err := parseFilter(strings.Repeat(`{"a":`, depth)+`["x"]`+strings.Repeat("}", depth), true); err == nil {
			t.Errorf("a filter of depth %d was taken", depth)
		}
	}
	// 3·6 + 3·4·4 + 3·4·7 = 150 combinations, and five keys: just enough.
	if _, err := parseFilter(`{"source":["1","2","3"],"$or":[{"a":["1","2","3","4","5","6"]},{"b":["1","2","3","4"],"$or":[{"c":[1,2,3,4]},{"d":[1,2,3,4,5,6,7]}]}]}`, false); err != nil {
		t.Error(err)
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(`{"a":["b",1,null,{"prefix":"x"},{"anything-but":{"prefix":"y"}},{"wildcard":"a*b\\*"}],"$or":[{"a":[{"numeric":[">",1,"<",2]}]},{"b":[{"exists":false}]}]}`, `{"a":[1,{"b":2}]}`, false)
	f.Add(`{"a":{"b":[{"cidr":"::/0"}]}}`, `{"a":[{"b":"::1"}]}`, true)
	f.Fuzz(func(t *testing.T, policy, body string, inBody bool) {
		parsed, err := parseFilter(policy, inBody)
		if err != nil {
			return
		}
		if !json.Valid([]byte(policy)) {
			t.Fatalf("%q is no JSON and was taken", policy)
		}
		sub := &subscription{attrs: map[string]string{"FilterPolicy": policy}}
		if inBody {
			sub.attrs["FilterPolicyScope"] = scopeBody
		}
		passes(sub, body, map[string]types.MessageAttributeValue{"a": attr("String.Array", body), "b": attr("Number", "1")})
		// A property that nothing satisfies lets nothing through.
		parsed.properties = append(parsed.properties, property{path: "k"})
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

// The reader that names AWS's columns takes what is JSON, and nothing else.
func FuzzJSONTokens(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e+3,true,null,{"b":"c\u00e4\""}]}`, `{"a":1,}`, "[1 2]", `"x`, "{\"a\":\n[}", `{"a":tru}`, " [] ", "-", "\x00", `{"a":nullx}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := checkJSON(text); (err == nil) != json.Valid([]byte(text)) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
