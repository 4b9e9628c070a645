package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

func TestSplitLinks(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"no link":                             "no link",
		"see http://a.b/c?d=e&f=g.":           "see [http://a.b/c?d=e&f=g].",
		"https://a.b":                         "[https://a.b]",
		"javascript:alert(1) http:// ftp://x": "javascript:alert(1) http:// ftp://x",
		"<http://a.b/>\"http://c.d\"":         "<[http://a.b/]>\"[http://c.d]\"",
		"http://a.b\nhttp://c.d":              "[http://a.b]\n[http://c.d]",
	} {
		got := ""
		for _, p := range splitLinks(text) {
			if p.Link {
				p.Text = "[" + p.Text + "]"
			}
			got += p.Text
		}
		if got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzSplitLinks(f *testing.F) {
	f.Add("a http://b.c/d. e https://[::1]:8/")
	f.Fuzz(func(t *testing.T, text string) {
		all := ""
		for _, p := range splitLinks(text) {
			all += p.Text
			if p.Link && !strings.HasPrefix(p.Text, "http://") && !strings.HasPrefix(p.Text, "https://") {
				t.Fatalf("%q is a link", p.Text)
			}
		}
		if all != text {
			t.Fatalf("%q became %q", text, all)
		}
	})
}

func TestSizesAgesAndNumbers(t *testing.T) {
	now := time.Now()
	for _, c := range [][2]string{
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.0 KiB"}, {size(1 << 30), "1.0 GiB"}, {size(1 << 62), "4096.0 PiB"},
		{since(now, now), "just now"}, {since(now, now.Add(time.Hour)), "just now"}, {since(now, now.Add(-90*time.Minute)), "90 min ago"}, {since(now, now.Add(-72*time.Hour)), "3 days ago"},
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1\u202f000"}, {count(int64(1234567)), "1\u202f234\u202f567"}, {count(-1000), "-1\u202f000"},
		{duration("345600"), "4 days"}, {duration("86400"), "1 day"}, {duration("7200"), "2 h"}, {duration("30"), ""}, {duration("true"), ""}, {duration("150"), "2 min"},
		{visible("plain ä/é"), "plain ä/é"}, {visible("\u202egnp.exe\n"), "⟨U+202E⟩gnp.exe⟨U+000A⟩"}, {visible("👩\u200d🚀"), "👩\u200d🚀"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

func TestSparklines(t *testing.T) {
	empty := make([]int64, sqs.TrafficSeconds)
	if s := newSpark(sqs.QueueView{In: sqs.TrafficView{PerSecond: empty}, Out: sqs.TrafficView{PerSecond: empty}}); !s.Idle || s.In != "" || s.InRate != "0" {
		t.Errorf("%+v", s)
	}
	in := make([]int64, sqs.TrafficSeconds)
	in[sqs.TrafficSeconds-1], in[sqs.TrafficSeconds-2] = 400, 200
	s := newSpark(sqs.QueueView{In: sqs.TrafficView{PerSecond: in}, Out: sqs.TrafficView{PerSecond: empty}})
	if s.In != "M0 16L0 16.0L57 16.0L58 8.0L59 0.0L59 16Z" || s.Out != "M0 16.0L59 16.0" || s.InRate != "60" || s.Idle {
		t.Errorf("%+v", s)
	}
	for sum, want := range map[int64]string{1: "0.1", 99: "9.9", 100: "10", 12345: "1\u202f235"} {
		in[sqs.TrafficSeconds-1], in[sqs.TrafficSeconds-2] = sum, 0
		if got := rate(in); got != want {
			t.Errorf("rate of %d in ten seconds: %s, want %s", sum, got, want)
		}
	}
}

func TestJSONIsColoured(t *testing.T) {
	got := ""
	for _, k := range pretty(` {"a\"":"b:","c":[-1.5e3,true,null],"d":{}}`) {
		if k.Kind != "" {
			got += k.Kind + "(" + k.Text + ")"
		} else {
			got += k.Text
		}
	}
	want := "{\n  k(\"a\\\"\"): s(\"b:\"),\n  k(\"c\"): [\n    n(-1.5e3),\n    w(true),\n    w(null)\n  ],\n  k(\"d\"): {}\n}"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if p := pretty(strings.Repeat("[", 100) + strings.Repeat("]", 100)); len(p) != 1 || len(p[0].Text) < 10_000 {
		t.Errorf("nested arrays are %d pieces", len(p))
	}
	for _, plain := range []string{"", "plain", "12", `{"a"`, "[" + strings.Repeat(" ", maxPretty) + "]", strings.Repeat("[", 9000) + strings.Repeat("]", 9000)} {
		if p := pretty(plain); len(p) != 1 || p[0].Text != plain || p[0].Kind != "" {
			t.Errorf("%.40q became %d pieces", plain, len(p))
		}
	}
}

func FuzzPretty(f *testing.F) {
	f.Add(`{"a":["\\\"",1e9,false]}`)
	f.Fuzz(func(t *testing.T, text string) {
		all := ""
		for _, k := range pretty(text) {
			all += k.Text
		}
		if all == text {
			return
		}
		var a, b any
		if json.Unmarshal([]byte(text), &a) != nil || json.Unmarshal([]byte(all), &b) != nil {
			t.Fatalf("%q became %q", text, all)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if string(x) != string(y) {
			t.Fatalf("%q became %q", text, all)
		}
	})
}

const s3Event = `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b%2Fc.png","size":5,"versionId":"v"}}},{"eventSource":"other"}]}`

func TestLayers(t *testing.T) {
	wrap := func(s string) string {
		b, _ := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": s})
		return string(b)
	}
	list := layers(wrap(s3Event))
	want := objectEvent{"ObjectCreated:Put", "b", "a b/c.png", "v", 5}
	if len(list) != 2 || list[1].Text != s3Event || len(list[1].Objects) != 1 || list[1].Objects[0] != want || list[0].Objects != nil {
		t.Errorf("%+v", list)
	}
	if got := summary(wrap(s3Event)); got != "ObjectCreated:Put b/a b/c.png" {
		t.Errorf("%q", got)
	}
	if got := summary(wrap(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`)); got != "s3:TestEvent of bucket b" {
		t.Errorf("%q", got)
	}
	if got := summary("a\n\tb  " + strings.Repeat("ä", 500)); got != "a b "+strings.Repeat("ä", maxLine-4)+"…" {
		t.Errorf("%q", got)
	}
	deep := s3Event
	for range 10 {
		deep = wrap(deep)
	}
	if n := len(layers(deep)); n != maxLayers {
		t.Errorf("%d layers", n)
	}
	for _, plain := range []string{"", "x", `{"Message":"m"}`, `{"TopicArn":"t","Message":5}`, `{"Records":5}`, `{"Records":[{"eventSource":"aws:s3"}`} {
		if l := layers(plain); len(l) != 1 || l[0].Text != plain || l[0].Objects != nil {
			t.Errorf("%q: %+v", plain, l)
		}
	}
}

func FuzzLayers(f *testing.F) {
	f.Add(s3Event)
	f.Add(`{"Type":"Notification","TopicArn":"t","Message":"{}"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if l := layers(body); l[0].Text != body || len(l) > maxLayers {
			t.Fatalf("%+v", l)
		}
		if n := len([]rune(summary(body))); n > 2000 {
			t.Fatalf("a summary of %d characters", n)
		}
	})
}
