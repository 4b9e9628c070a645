package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScanner accepts what the standard library does and reads strings as it does, but
// for what is not UTF-8 and halves of characters, which it refuses.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`null`, ` {"a" : [1, -0.5e+3, true, false, null, "x"], "b":{}} `, `[]`, `[1,]`, `{"a"}`, `{,}`, `01`, `1.`, `1e`, `-`, `tru`, `"\u00e9\ud83d\ude00"`,
		`"\ud83c"`, `"\ude00\ud83c"`, `"\x"`, "\"\x01\"", "\"\xff\"", `"a\"b\\c\/\b\f\n\r\t"`, strings.Repeat("[", 2000), `"`, `"\u12`, `{"a":1}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := scanner{s: s}
		err := d.skip()
		ok := err == nil && d.peek() == 0 && d.i == len(s)
		valid := json.Valid([]byte(s))
		if ok && !valid {
			t.Fatalf("%q was accepted", s)
		}
		if valid && !ok && utf8.ValidString(s) && !strings.Contains(strings.ToLower(s), `\ud`) && strings.Count(s, "[")+strings.Count(s, "{") < maxNesting {
			t.Fatalf("%q was refused: %v", s, err)
		}
		if !ok || !strings.HasPrefix(s, `"`) {
			return
		}
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		d = scanner{s: s}
		if got, err := d.str(); err != nil || got != want {
			t.Fatalf("%q was read as %q, %v; want %q", s, got, err, want)
		}
	})
}

func TestWhatIsNotJSONIsSaid(t *testing.T) {
	type target struct {
		S string
		N int64
		L []string
	}
	sh := shapeOf[target](Naming{})
	for _, c := range []struct{ body, says string }{
		{`{"S":"a"`, "ends too soon"}, {`{"S":`, "ends too soon"}, {`{"S":"a`, "ends too soon"}, {`{"S":"\u00`, "ends too soon"}, {`{"X":tru`, "ends too soon"},
		{`{"S" "a"}`, "a colon is missing at byte 5"}, {`{"S":"a" "N":1}`, `a comma or '}' is missing at byte 9`}, {`{"S":"a",}`, "a comma has nothing after it"},
		{`{S:1}`, "the name of a member is missing"}, {`{"S":"\x"}`, "unknown escape"}, {"{\"S\":\"\xff\"}", "not UTF-8"}, {"{\"S\":\"\n\"}", "control character"},
		{`{"S":"\ud83c."}`, "half a character"}, {`{"X":` + strings.Repeat("[", 2000), "nested too deeply"}, {`{"N":01}`, "comma"}, {`{"N":-}`, "no digits"}, {`{"N":1.}`, "no digits after its point"},
		{`{"X":?}`, "a value is missing"}, {`{"S":"a"} x`, "data after"}, {`[]`, "must be a JSON object"}, {`{"S":1}`, "S must be a string"}, {`{"S":{}}`, "S must be a string"},
		{`{"L":{}}`, "L must be a list"}, {`{"L":["a",null]}`, "L.1 must not be null"}, {`{"N":"1"}`, "N must be an integer"}, {`{"N":1e30}`, "N must be an integer"}, {"\x00", "not valid JSON"},
	} {
		err := decodeJSON(sh, []byte(c.body), reflect.New(sh.typ).Elem(), presence{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.40s: %v, want %q", c.body, err, c.says)
		}
	}
}

func TestTheLastOfMembersGivenTwiceCounts(t *testing.T) {
	sh := shapeOf[struct{ S string }](Naming{})
	body := []byte(` {"S":"a","X":[{"y":null}],"S":"bé\n"} `)
	v := reflect.New(sh.typ).Elem()
	if err := decodeJSON(sh, body, v, presence{}); err != nil || v.Field(0).String() != "bé\n" {
		t.Errorf("S = %q, %v", v.Field(0).String(), err)
	}
	clear(body) // nothing refers to it
	if v.Field(0).String() != "bé\n" {
		t.Error("what was decoded refers to the request")
	}
}
