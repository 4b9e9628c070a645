package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Schema is one service's part of the store: its tables, and how a store that an
// earlier version wrote is brought to today's form.
type Schema struct {
	// Name tells the services' parts apart; it stays the same for ever.
	Name string
	// Steps are executed in order, each once in a store's life. A step that was released
	// is never changed: what is to be different is a further step. The first must be
	// idempotent (CREATE … IF NOT EXISTS), because stores older than the count of steps
	// have it already.
	Steps []string
}

const createVersions = `CREATE TABLE IF NOT EXISTS schema_versions (
	name  TEXT PRIMARY KEY,
	steps INTEGER NOT NULL
) STRICT`

// migrate brings the store to what the schemas say, all of it or nothing. A store that
// a newer version wrote is refused: this one would not understand it.
func (w *writer) migrate(schemas []Schema) (err error) {
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, createVersions); err != nil {
		return err
	}
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, s := range schemas {
		var have int
		err := tx.QueryRowContext(ctx, "SELECT steps FROM schema_versions WHERE name = ?", s.Name).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if have > len(s.Steps) {
			return fmt.Errorf("the store is of a newer version: its part %q is at step %d, this version knows %d; use the newer version, or another data directory", s.Name, have, len(s.Steps))
		}
		if have == len(s.Steps) {
			continue
		}
		for i, step := range s.Steps[have:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("part %q, step %d: %w", s.Name, have+i+1, err)
			}
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO schema_versions (name, steps) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET steps = excluded.steps", s.Name, len(s.Steps)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
