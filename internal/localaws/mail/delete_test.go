package mail

import (
	"errors"
	"fmt"
	"testing"
)

func TestMailsAreDeleted(t *testing.T) {
	dir := t.TempDir()
	s, d := open(t, dir, Options{})
	var ids []int64
	for i := range deleteChunk + 10 {
		ids = append(ids, add(t, s, Message{To: "anna@example.com", Subject: fmt.Sprint(i)}))
	}
	if err := s.Delete(t.Context(), ids[3]); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ids[3]); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if n, err := s.Count(t.Context(), 5); n != 5 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	last := ids[len(ids)-3]
	if n, err := s.Clear(t.Context(), last); n != len(ids)-3 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	if n, err := s.Count(t.Context(), 100); n != 2 || err != nil {
		t.Errorf("%d are left, %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	// What is still to be sent stays when the inbox is emptied; by itself it goes.
	s, _ = open(t, dir, Options{SMTPAddr: "127.0.0.1:9"}) // not started: nothing is sent
	owed := add(t, s, Message{To: "bert@example.com", Subject: "owed"})
	if n, err := s.Clear(t.Context(), owed); n != 2 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	if m, err := s.Get(t.Context(), owed); err != nil || m.State != Queued {
		t.Errorf("%+v, %v", m, err)
	}
	if err := s.Delete(t.Context(), owed); err != nil {
		t.Error(err)
	}
}
