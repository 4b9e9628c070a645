package fresh

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheValueFollowsTheFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "1")
	write(b, "2")
	var told []error
	parsed := 0
	// Inside the bubble time stands still between sleeps and is not the file system's: what
	// was just written looks as if it had been written long after.
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(func(c [][]byte) (string, error) {
			parsed++
			if strings.Contains(string(c[0]), "bad") {
				return "", errors.New("no sense in it")
			}
			return string(c[0]) + string(c[1]), nil
		}, func(err error) { told = append(told, err) }, 10, a, b)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when, want string) {
			t.Helper()
			if got := f.Get(); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		expect("at first", "12")
		write(b, "3")
		expect("within the second", "12")
		time.Sleep(every)
		expect("after a second", "13")
		write(a, "bad")
		for range 3 {
			time.Sleep(every)
			expect("with a bad file", "13")
		}
		if len(told) != 1 || !strings.Contains(told[0].Error(), a) {
			t.Errorf("told %v, want the fault once, with the file's name", told)
		}
		os.Remove(a)
		time.Sleep(every)
		expect("with a file missing", "13")
		write(a, strings.Repeat("x", 11))
		time.Sleep(every)
		expect("with a file too large", "13")
		write(a+".new", "4")
		if err := os.Rename(a+".new", a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(every)
		expect("when it is good again", "43")
		write(a, "bad")
		time.Sleep(every)
		expect("bad again", "43")
		if len(told) != 2 {
			t.Errorf("told %d times, want twice: once for each row of faults", len(told))
		}

		old := time.Now().Add(-time.Hour)
		for _, path := range []string{a, b} {
			write(path, "5")
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(every)
		expect("with files of long ago", "55")
		before := parsed
		for range 3 {
			time.Sleep(every)
			expect("unchanged", "55")
		}
		if parsed != before {
			t.Error("files that have not changed are read again")
		}
	})
	if _, err := Open(func([][]byte) (int, error) { return 0, nil }, nil, 10, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}
