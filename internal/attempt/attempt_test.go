package attempt

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var began = time.Date(2030, 5, 6, 7, 8, 9, 123_000_000, time.UTC)

func TestRecordKeepsTheLastAttempts(t *testing.T) {
	r := &Record{MessageID: "m"}
	for i := range 25 {
		r.Put(Attempt{Attempt: i + 1, Host: "h", PID: 7, Started: began})
		end := began.Add(time.Second)
		r.Put(Attempt{Attempt: i + 1, Host: "h", PID: 7, Started: began, Ended: &end, Code: "internal", Message: strings.Repeat("ä\x1b[31m", 2000), Hint: strings.Repeat("h", 9999), Key: strings.Repeat("\"", 999)})
	}
	b, err := r.Encode()
	if err != nil || len(b) > MaxBytes {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Attempts); n == 0 || n > MaxAttempts || got.Attempts[n-1].Attempt != 25 {
		t.Errorf("%d attempts, the last is %+v", n, got.Attempts[n-1])
	}
	if last := got.Attempts[len(got.Attempts)-1]; len(last.Message) > maxMessage || !utf8.ValidString(last.Message) || strings.ContainsRune(last.Message, 0x1b) || last.Ended == nil {
		t.Errorf("the last is %+v", last)
	}
}

func TestCause(t *testing.T) {
	end := began.Add(time.Second)
	failed := Attempt{Attempt: 1, Host: "a", PID: 3, Started: began, Ended: &end, Code: "unavailable", Message: "no answer"}
	given := Attempt{Attempt: 2, Host: "b", PID: 4, Started: began, Ended: &end, Code: CodeGivenBack}
	silent := Attempt{Attempt: 3, Host: "c", PID: 5, Started: began}
	for name, c := range map[string]struct {
		attempts []Attempt
		code     string
		says     string
	}{
		"the last that failed":  {[]Attempt{failed, given}, "unavailable", "no answer"},
		"given back, and only":  {[]Attempt{given}, CodeGivenBack, ""},
		"died":                  {[]Attempt{failed, silent}, CodeDied, "5 on c"},
		"failed after one died": {[]Attempt{silent, failed}, "unavailable", "no answer"},
	} {
		got, ok := (&Record{Attempts: c.attempts}).Last()
		if !ok || got.Code != c.code || !strings.Contains(got.Message, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, ok := (*Record)(nil).Last(); ok {
		t.Error("no record has a cause")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing": "", "no JSON": "<xml>", "another version": `{"version":2}`, "no version": `{}`, "a list": `[]`,
		"too large": `{"version":1,"messageId":"` + strings.Repeat("x", MaxBytes) + `"}`,
	} {
		if _, err := Parse([]byte(s)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for s, want := range map[string]string{
		`Get "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F&X-Amz-Signature=abc": timeout`: `Get "https://b.s3.amazonaws.com/k?…": timeout`,
		`http://user:hunter2@proxy:3128/x refused`:                   `http://…@proxy:3128/x refused`,
		`the key AKIAIOSFODNN7EXAMPLE is unknown`:                    `the key … is unknown`,
		`Authorization: AWS4-HMAC-SHA256`:                            `Authorization: …`,
		`secret_access_key = "abc def", region=eu`:                   `secret_access_key = …, region=eu`,
		`read s3://uploads/a b.jpg: the object store did not answer`: `read s3://uploads/a b.jpg: the object store did not answer`,
	} {
		if got := Redact(s); got != want {
			t.Errorf("%q\nis   %q\nwant %q", s, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	r := &Record{MessageID: "m"}
	r.Put(Attempt{Attempt: 1, Host: "h", PID: 1, Started: began, Code: "x", Message: "y"})
	b, _ := r.Encode()
	f.Add(b)
	f.Add([]byte(`{"version":1,"attempts":[{"attempt":-5,"started":"0000-01-01T00:00:00Z","ended":"9999-12-31T23:59:59-23:59","message":"\u001b]0;x\u0007\u202e"}]}`))
	f.Add([]byte(`{"version":1,"attempts":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			if r != nil || !errors.Is(err, ErrUnreadable) {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		for _, a := range r.Attempts {
			a = a.Told()
			for _, s := range []string{a.Host, a.Program, a.Code, a.Key, a.Message, a.Hint, r.MessageID} {
				if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 || len(s) > maxMessage {
					t.Fatalf("%q came through", s)
				}
			}
		}
		again, err := r.Encode()
		if err != nil || len(again) > MaxBytes || len(r.Attempts) > MaxAttempts {
			t.Fatalf("%d attempts, %d bytes, %v", len(r.Attempts), len(again), err)
		}
		r2, err := Parse(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		n := len(r.Attempts) - len(r2.Attempts)
		if a, b := fmt.Sprint(mustJSON(r.Attempts[n:])), fmt.Sprint(mustJSON(r2.Attempts)); a != b && !reflect.DeepEqual(r.Attempts, r2.Attempts) {
			t.Fatalf("read again it is another:\n%s\n%s", a, b)
		}
	})
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
