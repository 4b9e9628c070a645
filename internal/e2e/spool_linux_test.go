package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

// fillDisk leaves no room on a small disk and returns what makes room again.
func fillDisk(t *testing.T, dir string) (release func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestNoRoomForTemporaryFiles: both tiers have no room for temporary files. The web tier
// refuses what it would have to keep and says what to do, lets through what it need not
// keep, and goes on by itself when there is room; the app tier does not need any.
func TestNoRoomForTemporaryFiles(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint("--log-level", "warn")
	s.provision()
	announced := watchCompletions(t, s)
	dir := smallDisk(t, 1<<20)
	s.env = append(s.env, "TMPDIR="+dir)
	app := s.startApp()
	s.startWeb()
	release := fillDisk(t, dir)

	l := newLedger()
	client := &http.Client{Timeout: patience}
	body := testimages.JPEG(400, 300)
	for range 3 {
		_, err := postForm(client, s.web(), body)
		var refused *refusedUpload
		if !errors.As(err, &refused) {
			t.Fatalf("an upload that there is no room for: %v", err)
		}
		if p := refused.problem(); refused.status != http.StatusInsufficientStorage || p.Code != "insufficient_storage" || p.Hint == "" {
			t.Errorf("an upload that there is no room for: %v", err)
		}
		id, err := postPresigned(client, s.web(), body)
		if err != nil {
			t.Fatalf("an upload that the web tier need not keep: %v", err)
		}
		l.add(id, promise{width: 400})
	}
	<-s.feed(t, l, 6) // straight into the bucket
	for id := range l.promised {
		s.finished(id) // while the disk is full
	}
	release()
	<-s.feed(t, l, 6, s.web())
	check(t, s, l, announced, expectations{attempts: 1})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory for temporary files: %v, %v", left, err)
	}
	if !app.alive() {
		t.Error("the app tier has ended")
	}
}
