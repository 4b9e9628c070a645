package mail

import (
	"context"
	"fmt"

	"github.com/tintype/tintype/internal/localaws/db"
)

// deleteChunk is how many mails one transaction deletes: few enough that others hardly
// wait for it.
const deleteChunk = 200

// Delete deletes one mail, or answers ErrNotFound. One that is on its way to an SMTP
// server is never sent again; whether an attempt under way succeeds is the server's to
// say.
func (s *Service) Delete(ctx context.Context, id int64) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.Exec(`DELETE FROM mail_inbox WHERE id = ?`, id)
		if err != nil {
			return fmt.Errorf("delete mail %d: %w", id, err)
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Clear deletes the mails up to and including the one of that id, but those that are
// still to be sent, and returns how many it deleted. What comes in meanwhile stays.
func (s *Service) Clear(ctx context.Context, last int64) (int, error) {
	total := 0
	for {
		var n int64
		err := s.db.Update(ctx, func(tx *db.Tx) error {
			res, err := tx.Exec(`DELETE FROM mail_inbox WHERE id IN (SELECT id FROM mail_inbox WHERE id <= ? AND state <> 'queued' ORDER BY id LIMIT ?)`, last, deleteChunk)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		if err != nil {
			return total, fmt.Errorf("delete mails: %w", err)
		}
		if total += int(n); n < deleteChunk {
			return total, nil
		}
	}
}

// Count returns how many mails there are, counting up to limit.
func (s *Service) Count(ctx context.Context, limit int) (n int, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM mail_inbox LIMIT ?)`, limit).Scan(&n)
	return n, err
}
