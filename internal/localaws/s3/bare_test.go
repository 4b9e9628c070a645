package s3

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/tintype/tintype/internal/localaws/db"
)

// bare is a service without a server.
type bare struct {
	db  *db.DB
	svc *Service
}

func newBare(tb testing.TB, dir string) *bare {
	tb.Helper()
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema, recorderSchema}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	svc, err := New(d, Options{DataDir: dir, AccessKey: "test", SecretKey: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { svc.Close() })
	return &bare{d, svc}
}

// refill makes the keys the only ones of a bucket and returns its id.
func (e *bare) refill(tb testing.TB, keys map[string]bool) int64 {
	tb.Helper()
	const id = 1
	err := e.db.Update(context.Background(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`DELETE FROM s3_objects`); err != nil {
			return err
		}
		for k := range keys {
			if err := putRow(tx, id, write{key: k}, &record{}, 0, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// fillBucket puts n keys "dir<0-9>/<number>" into a bucket, without bytes.
func fillBucket(tb testing.TB, d *db.DB, id int64, n int) {
	tb.Helper()
	err := d.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?2)
			INSERT INTO s3_objects (bucket, key, size, etag, modified, checksum, meta)
			SELECT ?1, CAST(printf('dir%d/%06d', n % 10, n / 10) AS BLOB), 0, '', 0, '', '{}' FROM i`, id, n)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// sendHost sends a request with a Host header that is not the server's address.
func (e *env) sendHost(method, url, host string, body io.Reader) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.ctx(), method, url, body)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Host, req.Close = host, true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(b)
}
