package sns

import (
	"testing"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// BenchmarkSign is what the signature of one envelope costs.
func BenchmarkSign(b *testing.B) {
	d, err := db.Open(b.TempDir(), db.Options{Schemas: []db.Schema{Schema}})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s, err := newSigner(d, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.sign("1", "Message\nhello\n"); err != nil {
			b.Fatal(err)
		}
	}
}
