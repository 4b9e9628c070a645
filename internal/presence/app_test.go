package presence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
)

func sampleApp() App {
	oldest := 12.5
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	return App{
		ID: "host-1-abcdefghij", Host: "host-1", PID: 42, Program: "tintype 1.0", Started: now, Seen: now.Add(time.Minute), Interval: 5,
		Workers: 2, Slots: 6, Held: 1, Ready: true, InWork: []Work{{ID: "k-YS5qcGc", Key: "a.jpg", Attempt: 1, Since: now}},
		OldestAge: &oldest, Done: 10, Failed: 1, ReceivedPerMinute: 3,
	}
}

func TestRoundTrip(t *testing.T) {
	a := sampleApp()
	body, err := a.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(Key(a.ID), body)
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("%+v, %v, want %+v", got, err, a)
	}
	// A newer version may have more to tell.
	if _, err := Decode(Key(a.ID), bytes.Replace(body, []byte("{"), []byte(`{"colour":"sepia",`), 1)); err != nil {
		t.Errorf("a field of a newer version: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := sampleApp().encode()
	if err != nil {
		t.Fatal(err)
	}
	key := Key(sampleApp().ID)
	for name, tt := range map[string]struct{ key, old, new string }{
		"another prefix":       {"apps/host-1-abcdefghij.json", "", ""},
		"a path in the id":     {Prefix + "../x.json", "", ""},
		"no id":                {Prefix + ".json", "", ""},
		"a long id":            {Prefix + strings.Repeat("a", 81) + ".json", "", ""},
		"another's":            {Prefix + "host-2.json", "", ""},
		"more behind it":       {key, "x", "x"}, // see below
		"a control character":  {key, `"host":"host-1"`, `"host":"host\u001b[2J"`},
		"text that turns":      {key, `"program":"tintype 1.0"`, `"program":"tin\u202etype"`},
		"a long text":          {key, `"reason":""`, `"reason":"` + strings.Repeat("x", maxText+1) + `"`},
		"negative workers":     {key, `"workers":2`, `"workers":-2`},
		"too many workers":     {key, `"workers":2`, `"workers":99999999`},
		"a number as text":     {key, `"workers":2`, `"workers":"2"`},
		"half a slot":          {key, `"slots":6`, `"slots":0.5`},
		"no interval":          {key, `"interval":5`, `"interval":0`},
		"an endless interval":  {key, `"interval":5`, `"interval":1e300`},
		"a negative age":       {key, `"oldestAgeSeconds":12.5`, `"oldestAgeSeconds":-1`},
		"a negative count":     {key, `"done":10`, `"done":-10`},
		"no time":              {key, `"since":"2026-05-04T03:02:01Z"`, `"since":"yesterday"`},
		"a year without end":   {key, `"since":"2026-05-04T03:02:01Z"`, `"since":"9999-12-31T23:59:59-23:00"`},
		"an image without key": {key, `"key":"a.jpg"`, `"key":""`},
		"an image without id":  {key, `"id":"k-YS5qcGc"`, `"id":""`},
		"attempt 0":            {key, `"attempt":1`, `"attempt":0`},
		"a long image id":      {key, `"id":"k-YS5qcGc"`, `"id":"` + strings.Repeat("x", maxImage+1) + `"`},
		"many images":          {key, `"inWork":[`, `"inWork":[` + strings.Repeat(`{"id":"a","key":"a","attempt":1,"since":"2026-05-04T03:02:01Z"},`, maxWork)},
		"not JSON":             {key, `{`, `<`},
		"too much":             {key, `{`, `{"x":"` + strings.Repeat("x", maxBytes) + `",`},
	} {
		t.Run(name, func(t *testing.T) {
			body := bytes.Replace(good, []byte(tt.old), []byte(tt.new), 1)
			if name == "more behind it" {
				body = append(bytes.Clone(good), good...)
			} else if tt.old != "" && bytes.Equal(body, good) {
				t.Fatal("the case changes nothing")
			}
			if a, err := Decode(tt.key, body); err == nil {
				t.Errorf("read as %+v", a)
			}
		})
	}
}

// However much a process has in work, under whatever names: what it writes is read.
func TestEncodeIsBounded(t *testing.T) {
	a := sampleApp()
	a.InWork = nil
	for i := range 1000 {
		a.InWork = append(a.InWork, Work{ID: fmt.Sprintf("k-%d", i), Key: strings.Repeat("\x01", maxKey), Attempt: 1, Since: a.Started})
	}
	a.Reason = "receiving has failed:\n\x1b[31m" + strings.Repeat("€", 400)
	body, err := a.encode()
	if err != nil || len(body) > maxBytes {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	got, err := Decode(Key(a.ID), body)
	if err != nil || len(got.InWork) == 0 || got.InWork[0] != a.InWork[0] || !strings.HasPrefix(got.Reason, "receiving has failed: [31m€") {
		t.Errorf("%d images, reason %.60q, %v", len(got.InWork), got.Reason, err)
	}
	if len(a.InWork) != 1000 {
		t.Error("the caller's list was cut")
	}
}

func FuzzDecode(f *testing.F) {
	good, err := sampleApp().encode()
	if err != nil {
		f.Fatal(err)
	}
	key := Key(sampleApp().ID)
	f.Add(key, good)
	f.Add(key, []byte(`{"id":"host-1-abcdefghij","interval":1}`))
	f.Add(Prefix+"x.json", []byte(`{"id":"x","host":"\ud800","interval":1,"started":"2026-01-01T00:00:00Z","seen":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		a, err := Decode(key, body)
		if err != nil {
			return
		}
		if Key(a.ID) != key || len(a.InWork) > maxWork || a.InWork == nil {
			t.Fatalf("%q: %+v", key, a)
		}
		for _, r := range a.Host + a.Program + a.Reason {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q in a text", r)
			}
		}
		// It goes on to browsers as JSON, and would be read again.
		out, err := json.Marshal(Seen{App: a})
		if err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
		if len(out) <= maxBytes {
			if _, err := Decode(key, out); err != nil {
				t.Fatalf("its own JSON is refused: %v", err)
			}
		}
	})
}
