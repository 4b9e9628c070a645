package store

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNewIDListsNewestFirst(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 2000 {
		ids = append(ids, NewID(start.Add(time.Duration(i)*time.Millisecond)))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !ValidID(id) {
			t.Fatalf("own id %q is not valid", id)
		}
		if seen[id] {
			t.Fatalf("id %q given twice", id)
		}
		seen[id] = true
	}
	slices.Reverse(ids)
	if !slices.IsSorted(ids) {
		t.Error("a later id does not sort before an earlier one")
	}
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(-5, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if id := NewID(at); !ValidID(id) {
			t.Errorf("NewID(%v) = %q, not valid", at, id)
		}
	}
}

func TestIDForKey(t *testing.T) {
	own := NewID(time.Now())
	long := strings.Repeat("é", 241) // 482 bytes
	for _, tc := range []struct{ name, key, want string }{
		{"own", own + "/cat.jpg", own},
		{"own id, no name", own + "/", ""},
		{"own id alone", own, ""},
		{"own id, deeper", own + "/a/b.jpg", ""},
		{"upper case is not ours", strings.ToUpper(own) + "/cat.jpg", ""},
		{"a letter that Crockford leaves out", "l" + own[1:] + "/cat.jpg", ""},
		{"plain", "a", "k-YQ"},
		{"unicode", "dir/ä b+c%.jpg", "k-ZGlyL8OkIGIrYyUuanBn"},
		{"480 bytes", strings.Repeat("x", 480), "k-" + strings.Repeat("eHh4", 160)},
		{"over 480 bytes", long, "h-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := IDForKey(tc.key)
			if tc.want != "" && !strings.HasPrefix(id, tc.want) {
				t.Errorf("IDForKey(%q) = %q, want %q", tc.key, id, tc.want)
			}
			if tc.want == "" && id == own {
				t.Errorf("IDForKey(%q) = %q: taken for our own", tc.key, id)
			}
			if !ValidID(id) {
				t.Errorf("%q is not valid", id)
			}
			if len(ManifestKey(id)) > maxKeyBytes || len(OutputKey(id, "e", "v", "h", strings.Repeat("n", 64), "jpeg")) > maxKeyBytes {
				t.Errorf("keys of results of %q are too long", id)
			}
		})
	}
}

func TestValidIDRefuses(t *testing.T) {
	own := NewID(time.Now())
	for _, id := range []string{
		"", ".", "..", "../x", own + "/", own + "x", own[1:], "8" + own[1:], strings.ToUpper(own),
		"k-", "k-YQ==", "k-YR", "k-a/b", "k-" + "ZGlyL8OkIGIrYyUuanBn\n", "h-", "h-00", "h-" + strings.Repeat("A", 64), "h-" + strings.Repeat("g", 64),
	} {
		if ValidID(id) {
			t.Errorf("ValidID(%q) = true", id)
		}
	}
	// A key of our own form has one id: its own, never the encoded one too.
	if ValidID("k-" + encode(own+"/a.jpg")) {
		t.Error("an upload of our own has a second id")
	}
}

func TestUploadKey(t *testing.T) {
	id := NewID(time.Now())
	for in, want := range map[string]string{
		"cat.jpg":                 "cat.jpg",
		"my cat (1) +50%.JPG":     "my cat (1) +50%.JPG",
		"кошка 猫 🐈.png":           "кошка 猫 🐈.png",
		"../../etc/passwd":        "passwd",
		`C:\Users\me\photo.jpg`:   "photo.jpg",
		"a/b/":                    "image",
		"":                        "image",
		".":                       "image",
		"..":                      "image",
		" \t ":                    "image",
		"a\x00b\r\nc\x7f.jpg":     "abc.jpg",
		"photo\u202egpj.exe":      "photogpj.exe",
		"a\u2028b\ufffe.jpg":      "ab.jpg",
		"bad\xff\xfeutf8.jpg":     "badutf8.jpg",
		"${filename}":             "_{filename}",
		".hidden":                 ".hidden",
		"trailing.jpg   ":         "trailing.jpg",
		"quote\"s 'and' <b>.jpeg": "quote\"s 'and' <b>.jpeg",
	} {
		if got := UploadKey(id, in); got != id+"/"+want {
			t.Errorf("UploadKey(%q) = %q, want …/%s", in, got, want)
		}
	}
	long := UploadKey(id, strings.Repeat("猫", 1000)+".jpeg")
	if len(long) > maxKeyBytes || len(long) < maxKeyBytes-3 || !strings.HasSuffix(long, "猫.jpeg") || !utf8.ValidString(long) {
		t.Errorf("a long name became %d bytes ending in %q", len(long), long[len(long)-12:])
	}
}

func TestOutputKeyIsAFunctionOfWorkDone(t *testing.T) {
	base := OutputKey("id", "etag", "v1", "hash", "full", "jpg")
	if base != OutputKey("id", "etag", "v1", "hash", "full", "jpg") {
		t.Error("the same work, another key")
	}
	if want := "id/3f0c1a34a2b0e3c4/full.jpg"; len(base) != len(want) {
		t.Errorf("key %q has not the form of %q", base, want)
	}
	for _, other := range []string{OutputKey("id", "etag2", "v1", "hash", "full", "jpg"), OutputKey("id", "etag", "v2", "hash", "full", "jpg"), OutputKey("id", "etag", "v1", "hash2", "full", "jpg")} {
		if other == base {
			t.Error("other work, the same key")
		}
	}
}

func FuzzUploadKey(f *testing.F) {
	for _, s := range []string{"cat.jpg", "../..", "a\x00b", strings.Repeat("é", 600) + ".png", "${filename}", `\\?\C:\x`} {
		f.Add(s)
	}
	id := NewID(time.Now())
	f.Fuzz(func(t *testing.T, name string) {
		key := UploadKey(id, name)
		if IDForKey(key) != id {
			t.Fatalf("UploadKey(%q) = %q does not lead back to its id", name, key)
		}
		if len(key) > maxKeyBytes || !utf8.ValidString(key) || strings.Contains(key, "${") {
			t.Fatalf("UploadKey(%q) = %q is not fit for S3", name, key)
		}
		if h := attachment(name); strings.ContainsFunc(h, func(r rune) bool { return r < ' ' || r > '~' }) || strings.Count(h, `"`) != 2 {
			t.Fatalf("attachment(%q) = %q is no safe header", name, h)
		}
	})
}

func FuzzIDForKey(f *testing.F) {
	for _, s := range []string{"a", NewID(time.Now()) + "/x", strings.Repeat("k", 481), "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if key == "" {
			return
		}
		id := IDForKey(key)
		if !ValidID(id) {
			t.Fatalf("IDForKey(%q) = %q is not valid", key, id)
		}
		if strings.HasPrefix(id, "k-") {
			if back, ok := plainKey(id); !ok || back != key {
				t.Fatalf("%q came back as %q, %v", key, back, ok)
			}
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add("tint", "#ff8800")
	f.Add("s\u00e4pia", "🐈 \" \\ \u2028")
	f.Fuzz(func(t *testing.T, name, value string) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return
		}
		meta, err := encodeMeta("tint", map[string]string{name: value})
		if err != nil {
			return
		}
		if strings.ContainsFunc(meta[metaParams], func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is not fit for a header", meta[metaParams])
		}
		recipe, params, err := decodeMeta(meta)
		if err != nil || recipe != "tint" || len(params) != 1 || params[name] != value {
			t.Fatalf("came back as %q %q %v", recipe, params, err)
		}
	})
}

func TestRuleKey(t *testing.T) {
	id := NewID(time.Now())
	for key, want := range map[string]string{
		id + "/a b.png": "a b.png", id + "/a/b.png": id + "/a/b.png", id + "/": id + "/", "photos/a.png": "photos/a.png", "a.png": "a.png",
	} {
		got, own := RuleKey(key)
		if got != want || own != (want == "a b.png") {
			t.Errorf("%q: %q %v", key, got, own)
		}
	}
}
