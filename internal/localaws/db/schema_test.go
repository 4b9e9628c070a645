package db

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnEarlierStoreIsBroughtUpToDate(t *testing.T) {
	dir := t.TempDir()
	// A store from before steps were counted.
	old, err := sql.Open("sqlite", dsn(filepath.Join(dir, "endpoint.db")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(schema + "INSERT INTO t VALUES ('a', 1)"); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	newer := Schema{Name: "test", Steps: []string{schema, "ALTER TABLE t ADD COLUMN w INTEGER NOT NULL DEFAULT 7"}}
	for range 2 { // the second time no step is left
		d, err := Open(dir, Options{Schemas: []Schema{newer}})
		if err != nil {
			t.Fatal(err)
		}
		var v, w int
		if err := d.Read().QueryRow("SELECT v, w FROM t WHERE k = 'a'").Scan(&v, &w); err != nil || v != 1 || w != 7 {
			t.Errorf("row = %d, %d, %v, want 1, 7", v, w, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, Options{Schemas: []Schema{{Name: "test", Steps: []string{schema}}}}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a store of a newer version: %v, want a refusal", err)
	}
}

func TestAStepThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	bad := []Schema{{Name: "test", Steps: []string{schema}}, {Name: "other", Steps: []string{"CREATE TABLE o (x INTEGER) STRICT", "nonsense"}}}
	if _, err := Open(dir, Options{Schemas: bad}); err == nil || !strings.Contains(err.Error(), `"other", step 2`) {
		t.Fatalf("err = %v, want the part and the step", err)
	}
	d := open(t, dir)
	if err := d.Update(context.Background(), func(tx *Tx) error {
		_, err := tx.Exec("CREATE TABLE o (x INTEGER) STRICT") // would exist already
		return err
	}); err != nil {
		t.Error(err)
	}
}
