package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

const schema = `CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v INTEGER NOT NULL) STRICT;`

func open(t *testing.T, dir string) *DB {
	t.Helper()
	d, err := Open(dir, Options{Schemas: []Schema{{Name: "test", Steps: []string{schema}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func count(t *testing.T, d *DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUpdatesOfManyCallersAllArrive(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	var wg sync.WaitGroup
	var hooks atomic.Int64
	for g := range 16 {
		wg.Go(func() {
			for i := range 20 {
				err := d.Update(context.Background(), func(tx *Tx) error {
					_, err := tx.Exec("INSERT INTO t VALUES (?, ?)", fmt.Sprint(g, "-", i), i)
					tx.OnCommit(func() { hooks.Add(1) })
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := count(t, d); got != 320 {
		t.Errorf("rows = %d, want 320", got)
	}
	if got := hooks.Load(); got != 320 {
		t.Errorf("commit hooks = %d, want 320", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := count(t, open(t, dir)); got != 320 {
		t.Errorf("rows after reopening = %d, want 320", got)
	}
}

func TestAFailedUpdateUndoesOnlyItself(t *testing.T) {
	d := open(t, t.TempDir())
	boom := errors.New("boom")
	block := make(chan struct{})
	var wg sync.WaitGroup
	// Hold the writer so that the following updates share one batch.
	wg.Go(func() { d.Update(context.Background(), func(*Tx) error { <-block; return nil }) })
	var hooked atomic.Bool
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			errs[i] = d.Update(context.Background(), func(tx *Tx) error {
				if _, err := tx.Exec("INSERT INTO t VALUES (?, ?)", fmt.Sprint(i), i); err != nil {
					return err
				}
				switch i {
				case 3:
					tx.OnCommit(func() { hooked.Store(true) })
					return boom
				case 5:
					panic("a bug")
				}
				return nil
			})
		})
	}
	close(block)
	wg.Wait()
	for i, err := range errs {
		switch i {
		case 3:
			if !errors.Is(err, boom) {
				t.Errorf("update 3: %v, want boom", err)
			}
		case 5:
			if err == nil {
				t.Error("update 5 panicked and was reported as done")
			}
		default:
			if err != nil {
				t.Errorf("update %d: %v", i, err)
			}
		}
	}
	if got := count(t, d); got != 6 {
		t.Errorf("rows = %d, want 6", got)
	}
	if hooked.Load() {
		t.Error("the hook of an undone update ran")
	}
}

func TestCloseRefusesLaterUpdates(t *testing.T) {
	d := open(t, t.TempDir())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Update(context.Background(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("err = %v, want ErrClosed", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	d := open(t, t.TempDir())
	if _, err := d.Read().Exec("INSERT INTO t VALUES ('x', 1)"); err == nil {
		t.Error("a write through Read succeeded")
	}
}
