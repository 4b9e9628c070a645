package audit

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/store"
)

// Many runs, merged, are what sorting all at once gives; and the order is that of the keys
// under which results lie.
func TestSorter(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	s := &sorter{dir: dir, length: 7}
	var want []string
	for i := range 500 {
		key := fmt.Sprintf("%c/%d", 'a'+rng.IntN(26), rng.IntN(200))
		if i%50 == 0 {
			key = strings.Repeat("long", 121) + key
		}
		id := store.IDForKey(key)
		want = append(want, id+"/"+key)
		at := time.Unix(int64(i), 0).UTC()
		if err := s.add(record{id: id, key: key, etag: fmt.Sprint(i), size: int64(i), modified: at}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	var got []string
	for r, err := range s.all() {
		if err != nil {
			t.Fatal(err)
		}
		if r.etag != fmt.Sprint(r.size) || r.modified.Unix() != r.size || store.IDForKey(r.key) != r.id {
			t.Fatalf("a record came back as %+v", r)
		}
		got = append(got, r.id+"/"+r.key)
	}
	if !slices.Equal(got, want) {
		t.Error("the order is another")
	}
	s.close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestSpoolDamaged(t *testing.T) {
	s := &spool{dir: t.TempDir()}
	defer s.close()
	if err := s.add(record{id: "a", key: "b"}); err != nil {
		t.Fatal(err)
	}
	s.n++ // one more than there is
	n, failed := 0, false
	for _, err := range s.all() {
		n++
		failed = failed || err != nil
	}
	if n != 2 || !failed {
		t.Errorf("%d records, failed: %v", n, failed)
	}
}

func FuzzCompareIDs(f *testing.F) {
	f.Add("k-YQ", "k-YQ-x")
	f.Add("k-YQ", "k-YQ0")
	f.Add("", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a, "/") || strings.Contains(b, "/") {
			return
		}
		if got, want := cmp.Compare(compareIDs(a, b), 0), strings.Compare(a+"/", b+"/"); got != want {
			t.Errorf("compareIDs(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}
