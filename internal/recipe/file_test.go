package recipe

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what is expected anew")

// TestBadFiles: each file in testdata/bad is refused with the words beside it.
func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.yml")
	if len(files) < 20 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), text)
			var fe *FileError
			if !errors.As(err, &fe) || len(fe.Faults) == 0 {
				t.Fatalf("accepted, or another error: %v", err)
			}
			beside := strings.TrimSuffix(file, ".yml") + ".err"
			if *update {
				if err := os.WriteFile(beside, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(beside)
			if err != nil {
				t.Fatal(err)
			}
			if got := fe.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestLargeFiles: what is too large is refused before it costs much.
func TestLargeFiles(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"bytes":                  {strings.Repeat("#", MaxFile+1), "larger than"},
		"keys":                   {strings.Repeat("a: b\n", 20_000), "words and signs"},
		"list":                   {"rules: [" + strings.Repeat("a,", 40_000) + "]", "words and signs"},
		"rules":                  {"rules: [" + strings.Repeat("{},", maxRules+1) + "]", "at most 500"},
		"bytes that are no text": {"recipes: \xff", "UTF-8"},
	} {
		if _, err := Parse("f.yml", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	many, err := Parse("f.yml", []byte("recipes:\n"+strings.Repeat("  A: 1\n", 100)))
	var fe *FileError
	if !errors.As(err, &fe) || len(fe.Faults) != maxErrors+1 {
		t.Errorf("%v %v", many, err)
	}
}

func good(t *testing.T, name string) *Book {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/good", name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoodFile(t *testing.T) {
	b := good(t, "everything.yml")
	names := strings.Join(b.names(), " ")
	if names != "tint grayscale sepia duotone thumbnail web avatar plain" {
		t.Errorf("recipes %s", names)
	}
	job, err := b.Resolve("avatar", map[string]string{"soft": "1.5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(job.Steps) != 16 || len(job.Outputs) != 3 { // the watermark of no words is left out
		t.Errorf("%d steps, %d outputs", len(job.Steps), len(job.Outputs))
	}
	// Pinned as the built-in ones are: the canonical form of every kind of step.
	const want = "883ebffa5d8430fa7cbd89d0df55a1a2b94ea08e6da9e15510faafc864a5508f"
	if job.Hash != want {
		t.Errorf("hash %s, want %s, of\n%s", job.Hash, want, canonical(job.Steps, job.Outputs))
	}
	if a := job.Assets(); len(a) != 1 || a[0] != "assets/logo.png" {
		t.Errorf("assets %v", a)
	}
	r := b.byName["avatar"]
	if r.Description != "A face in a square, in three sizes." {
		t.Errorf("description %q", r.Description)
	}
	// A parameter without a range has that of the steps which use it.
	if p := r.param("soft"); p.Min != 0.3 || p.Max != 100 {
		t.Errorf("soft from %v to %v", p.Min, p.Max)
	}
	if r.param("ink").Default != "#aabbcc" {
		t.Errorf("ink %v", r.param("ink").Default)
	}
	if tiny, err := b.Resolve("thumbnail", nil); err != nil || tiny.Outputs[0].Name != "tiny" {
		t.Errorf("thumbnail %+v %v", tiny, err)
	}
	for _, name := range []string{"empty.yml", "comment.yml"} {
		if b := good(t, name); len(b.Recipes()) != len(Builtin().Recipes()) || len(b.Rules()) != 0 {
			t.Errorf("%s: %v", name, b.names())
		}
	}
}

func TestBuiltinsAreUntouchedByFiles(t *testing.T) {
	good(t, "everything.yml")
	TestHashesStay(t)
}

func TestRulesChoose(t *testing.T) {
	b := good(t, "everything.yml")
	for _, tc := range []struct {
		key, name string
		raw       map[string]string
		want      string
		params    map[string]string
		ignored   bool
	}{
		{key: "avatars/a.jpg", want: "avatar", params: map[string]string{"side": "128", "words": "hello"}},
		{key: "avatars/a.jpg", raw: map[string]string{"side": "64"}, want: "avatar", params: map[string]string{"side": "64", "words": "hello"}},
		{key: "avatars/a.jpg", name: "sepia", want: "sepia"},
		{key: "x.png", want: "plain"},
		{key: "a/x.png", want: Default},
		{key: "a/x.png", raw: map[string]string{"tint": "#fff"}, want: Default, params: map[string]string{"tint": "#fff"}},
		{key: "assets/logo.png", want: Default, ignored: true},
	} {
		name, params := b.Choose(tc.key, tc.name, tc.raw)
		if name != tc.want || !maps.Equal(params, tc.params) || b.Ignores(tc.key) != tc.ignored {
			t.Errorf("%s %s: %s %v %v", tc.key, tc.name, name, params, b.Ignores(tc.key))
		}
	}
	if _, p := b.For("avatars/x"); p["side"] != "128" {
		t.Errorf("a rule has been changed: %v", p)
	}
}

func TestGlobs(t *testing.T) {
	for glob, keys := range map[string][2]string{ // those that match, those that do not
		"avatars/**":     {"avatars/a avatars/a/b avatars/", "avatars a/avatars/b xavatars/a"},
		"*.png":          {"a.png .png ü.png", "a/b.png a.pngx a.PNG"},
		"**/*.png":       {"a.png a/b.png a/b/c.png", "a.jpg"},
		"a/**/z":         {"a/z a/b/z a/b/c/z", "az a/bz"},
		"a?c":            {"abc aüc", "ac a/c abbc"},
		"**":             {"a a/b", ""},
		"a**z":           {"az a/b/z", "a/b"},
		"a.c":            {"a.c", "abc"},
		"*/x":            {"a/x /x", "x a/b/x"},
		"(a|b)+^$":       {"(a|b)+^$", "a b"},
		"photos/*/*.jpg": {"photos/2026/a.jpg", "photos/a.jpg photos/2026/1/a.jpg"},
	} {
		re, err := compileGlob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for i, list := range keys {
			for _, k := range strings.Fields(list) {
				if re.MatchString(k) != (i == 0) {
					t.Errorf("%q and %q: %v", glob, k, i != 0)
				}
			}
		}
	}
}

// FuzzGlob: a pattern matches what a plain reading of its rules says, and what has no
// signs matches itself alone.
func FuzzGlob(f *testing.F) {
	f.Add("avatars/**", "avatars/a/b")
	f.Add("**/*.png", "a/b.png")
	f.Add("a?**/c*", "ab/x/c\n")
	f.Fuzz(func(t *testing.T, glob, key string) {
		if len(glob) > 40 || len(key) > 40 || !utf8.ValidString(key) {
			return // the plain reading takes its time
		}
		re, err := compileGlob(glob)
		if err != nil {
			return
		}
		if got, want := re.MatchString(key), plainGlob([]rune(glob), []rune(key), true); got != want {
			t.Fatalf("%q and %q: %v, want %v (%s)", glob, key, got, want, re)
		}
	})
}

// plainGlob tries every way in which a glob can match; start: it begins a segment.
func plainGlob(glob, key []rune, start bool) bool {
	switch {
	case len(glob) == 0:
		return len(key) == 0
	case start && len(glob) >= 3 && string(glob[:3]) == "**/":
		for i := 0; i <= len(key); i++ {
			if (i == 0 || key[i-1] == '/') && plainGlob(glob[3:], key[i:], true) {
				return true
			}
		}
		return false
	case len(glob) >= 2 && string(glob[:2]) == "**":
		rest := glob
		for len(rest) > 0 && rest[0] == '*' {
			rest = rest[1:]
		}
		for i := 0; i <= len(key); i++ {
			if plainGlob(rest, key[i:], false) {
				return true
			}
		}
		return false
	case glob[0] == '*':
		for i := 0; i <= len(key) && (i == 0 || key[i-1] != '/'); i++ {
			if plainGlob(glob[1:], key[i:], false) {
				return true
			}
		}
		return false
	case len(key) == 0 || glob[0] == '?' && key[0] == '/' || glob[0] != '?' && glob[0] != key[0]:
		return false
	}
	return plainGlob(glob[1:], key[1:], glob[0] == '/')
}

// FuzzParse: no file makes the reader fall over, and one that is accepted makes jobs whose
// values all keep to the table.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Parse("f.yml", text)
		if err != nil {
			var fe *FileError
			if !errors.As(err, &fe) || len(fe.Faults) == 0 || len(fe.Faults) > maxErrors+1 {
				t.Fatalf("error %#v", err)
			}
			for _, x := range fe.Faults {
				if x.Line < 1 || x.Column < 1 || x.Text == "" || len(x.Text) > 20_000 {
					t.Fatalf("fault %+v", x)
				}
			}
			return
		}
		for _, r := range b.Rules() {
			if r.Recipe != "" {
				if _, err := b.Resolve(b.Choose("x", r.Recipe, r.Params)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range b.Recipes() {
			job, err := b.Resolve(r.Name, nil)
			if err != nil {
				t.Fatalf("%s: %v", r.Name, err)
			}
			for _, text := range [][]byte{r.YAML(), written(r)} {
				again, err := Parse("f.yml", text)
				if err != nil {
					t.Fatalf("%s is written as what is refused: %v\n%s", r.Name, err, text)
				}
				if got, err := again.Resolve(r.Name, nil); err != nil || got.Hash != job.Hash {
					t.Fatalf("%s changes when it is written: %v\n%s", r.Name, err, text)
				}
			}
			for _, s := range job.Steps {
				for _, fd := range kindOf(s.Kind).fields {
					if v := *fd.at(&s); v != "" {
						if c, _, err := fd.rule.parse(string(v)); err != nil || c != v {
							t.Fatalf("%s: %s is %q: %v", r.Name, fd.name, v, err)
						}
					}
				}
			}
		}
	})
}
