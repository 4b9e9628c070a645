package event

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
)

var backfilled = Upload{Bucket: "b", Key: "my cat+1% 🐈.jpg", ETag: "abc-2", VersionID: "v1", Size: 7, Name: nameBackfill,
	Time: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC), Backfill: &Backfill{Job: "7zzz0-A", Replaces: "def", Announce: true}}

func encoded(t testing.TB, u Upload) string {
	t.Helper()
	b, err := EncodeBackfill(u)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBackfillComesBack(t *testing.T) {
	plain := backfilled
	plain.Backfill = &Backfill{Job: "j"}
	for _, u := range []Upload{backfilled, plain} {
		got, err := Parse([]byte(encoded(t, u)))
		if err != nil || !reflect.DeepEqual(got, Parsed{Uploads: []Upload{u}}) {
			t.Errorf("got\n%+v, %v\nwant\n%+v", got, err, u)
		}
	}
	if _, err := EncodeBackfill(s3Upload); err == nil {
		t.Error("an upload went as a backfill")
	}
}

// What S3 says cannot have what a backfill may say, whatever it is told to carry.
func TestBackfillOnlyOfBackfills(t *testing.T) {
	body := strings.Replace(encoded(t, backfilled), sourceBackfill, "aws:s3", 1)
	got, err := Parse([]byte(body))
	if err != nil || got.Uploads[0].Backfill != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBackfillJunk(t *testing.T) {
	whole := encoded(t, backfilled)
	for _, tc := range []struct{ name, old, new, says string }{
		{"through a topic", "", "", "comes straight"},
		{"another event", nameBackfill, "ObjectCreated:Put", "sends no"},
		{"without what it is", `"backfill":{`, `"x":{`, "does not say of which"},
		{"no job", `"job":"7zzz0-A"`, `"job":""`, "names no backfill"},
		{"a long job", "7zzz0-A", strings.Repeat("a", 65), "names no backfill"},
		{"a job for a terminal", "7zzz0-A", `\u001b[2J`, "names no backfill"},
		{"a manifest with a quote", `"replaces":"def"`, `"replaces":"a\"b"`, "no ETag"},
		{"a manifest without end", `"replaces":"def"`, `"replaces":"` + strings.Repeat("d", 129) + `"`, "no ETag"},
		{"a sequencer", `"size":7`, `"size":7,"sequencer":"00"`, "no sequencer"},
		{"no ETag", `"eTag":"abc-2"`, `"eTag":""`, "names the ETag"},
		{"no key", "my+cat%2B1%25+%F0%9F%90%88.jpg", "", "a key of 0 bytes"},
		{"another type", `"announce":true`, `"announce":"yes"`, "no JSON object of the form"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := strings.Replace(whole, tc.old, tc.new, 1)
			if tc.old == "" {
				body = envelope(whole)
			} else if body == whole {
				t.Fatal("nothing was replaced")
			}
			_, err := Parse([]byte(body))
			if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error is %v, want one that says %q", err, tc.says)
			}
		})
	}
}
