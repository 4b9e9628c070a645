package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/awstest"
)

func TestAttempts(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		s := (&fixture{client: NewClient(awstest.Config(endpoint))}).store(t)
		ctx := t.Context()
		const id = "5fea7756-0ea4-451a-a703-a558b933e274"
		if _, _, err := s.Attempts(ctx, id); !errors.Is(err, ErrNotFound) {
			t.Errorf("before there is one: %v", err)
		}
		r := &attempt.Record{MessageID: id}
		r.Put(attempt.Attempt{Attempt: 1, Host: "h", PID: 1, Started: time.Now(), Message: "why"})
		first, err := s.PutAttempts(ctx, r, "")
		if err != nil || first == "" {
			t.Fatal(first, err)
		}
		r.Put(attempt.Attempt{Attempt: 2, Host: "h", PID: 1, Started: time.Now()})
		if _, err := s.PutAttempts(ctx, r, ""); !errors.Is(err, ErrConflict) {
			t.Errorf("written over without a look: %v", err)
		}
		second, err := s.PutAttempts(ctx, r, first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutAttempts(ctx, r, first); !errors.Is(err, ErrConflict) {
			t.Errorf("written over by an old look: %v", err)
		}
		got, etag, err := s.Attempts(ctx, id)
		if err != nil || etag != second || len(got.Attempts) != 2 || got.Attempts[0].Message != "why" {
			t.Errorf("%+v, %q, %v", got, etag, err)
		}
		// What is older than any message goes, and nothing else.
		if _, err := s.PutOutput(ctx, OwnPrefix+"app/x.json", "application/json", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if n, err := s.SweepAttempts(ctx, time.Now().Add(-time.Hour)); n != 0 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
		if n, err := s.SweepAttempts(ctx, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
		if _, err := s.PutAttempts(ctx, r, second); !errors.Is(err, ErrConflict) {
			t.Errorf("written over one that is gone: %v", err)
		}
		if err := s.DeleteAttempts(ctx, id, "never-there"); err != nil {
			t.Error(err)
		}
		for _, bad := range []string{"", "a/b", "..", "a.b", strings.Repeat("a", 101), "ä", "a\x00"} {
			if _, _, err := s.Attempts(ctx, bad); ValidMessageID(bad) || !errors.Is(err, ErrNotFound) {
				t.Errorf("%q is read: %v", bad, err)
			}
			if _, err := s.PutAttempts(ctx, &attempt.Record{MessageID: bad}, ""); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q is written: %v", bad, err)
			}
		}
		if ValidID(strings.TrimSuffix(OwnPrefix, "/")) {
			t.Error("an image could have our own prefix")
		}
	})
}
