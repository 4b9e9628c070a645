package sqs

import (
	"testing"

	"github.com/tintype/tintype/internal/localaws/db"
)

func TestAnOlderStoreKeepsItsMessages(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{{Name: Schema.Name, Steps: Schema.Steps[:1]}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			"INSERT INTO sqs_spools (id, total) VALUES (1, 1)",
			"INSERT INTO sqs_queues (name, spool, created, modified, attributes, tags) VALUES ('q', 1, 1, 1, '{}', '{}')",
			"INSERT INTO sqs_bodies (id, uuid, body, sender) VALUES (5, 'u', 'old', 's')",
			"INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed) VALUES (1, 5, 1, 9999999999999, 0)",
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, dir, Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	wantCounts(t, c, url, "1", "0", "0")
	m := one(t, c, url, 0)
	if *m.Body != "old" {
		t.Errorf("body = %s", *m.Body)
	}
	remove(t, c, url, m)
	sendTo(t, c, createFIFO(t, c, "q.fifo", nil), "g", "new")
}
