// Package db is the endpoint's durable store: one SQLite file in WAL mode, one
// writer that commits many callers' changes with one sync (group commit), and
// readers that never wait for it.
//
// The contract everything else rests on: when Update returns nil, the change is on
// disk and survives kill -9 and power loss. Changes of several services made in one
// Update are atomic: an object and the message about it are stored together or not
// at all.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite" // also registers the driver "sqlite"
)

// batchLimit bounds how many updates share one commit, so that the first caller of
// a burst does not wait for an unbounded number of others.
const batchLimit = 256

// ErrClosed is returned by Update after Close.
var ErrClosed = errors.New("db: closed")

// fullError says that there was no room for a change, which was undone. Callers know it
// by its method.
type fullError struct{ error }

func (e fullError) Unwrap() error { return e.error }

// DiskFull is what tells this error from others.
func (fullError) DiskFull() bool { return true }

// sqliteFull is SQLITE_FULL (https://www.sqlite.org/rescode.html#full).
const sqliteFull = 13

// named gives err a name if it means that the disk is full.
func named(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqliteFull {
		return fullError{err}
	}
	return err
}

// DB is the store. It is safe for concurrent use.
type DB struct {
	read      *sql.DB
	w         *writer
	committed func(time.Duration) // may be nil

	requests chan *request
	batch    []*request    // of run
	quit     chan struct{} // closed by Close: no further requests
	done     chan struct{} // closed when the writer goroutine has ended
	once     sync.Once
}

type request struct {
	fn    func(*Tx) error
	reply chan error
	hooks []func()
	err   error // of fn; owned by the writer goroutine
}

// Options configure Open.
type Options struct {
	Schemas []Schema // brought up to date in this order
	// Committed is told how long each commit took; nil: nobody is. It must be quick.
	Committed func(time.Duration)
}

// Open opens or creates the store in dir (file endpoint.db) and starts its writer.
func Open(dir string, opts Options) (*DB, error) {
	// Syncing data and size without the time of the change is as durable, and spares a
	// write to the file's inode at every commit. Where it is not to be had fsync stays.
	_, _ = sqlite.Fdatasync(true)
	path := filepath.Join(dir, "endpoint.db")
	w, err := openWriter(path, opts.Schemas)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	read, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		w.close()
		return nil, fmt.Errorf("open %s for reading: %w", path, err)
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	d := &DB{committed: opts.Committed, read: read, w: w, requests: make(chan *request, batchLimit), quit: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d, nil
}

func dsn(path string, extra ...string) string {
	q := url.Values{}
	// synchronous(FULL) syncs the log at every commit: that is the durability promised above.
	// Pages of messages that come and go are written again and again: a log of 16 MB
	// (in pages) instead of 4 copies each to the file less often.
	for _, p := range append([]string{"journal_mode(WAL)", "wal_autocheckpoint(4000)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(1)", "temp_store(MEMORY)", "cache_size(-16384)"}, extra...) {
		q.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Update runs fn in the writer's transaction and returns when its changes are
// durable. If fn returns an error its changes alone are undone and that error is
// returned. fn runs on the writer's goroutine, one at a time with all others: it
// must be quick, and must not call Update or wait for anything. ctx only guards the
// wait for a place; once fn has begun its outcome is awaited.
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	r := &request{fn: fn, reply: make(chan error, 1)}
	select {
	case <-d.quit:
		return ErrClosed
	default:
	}
	select {
	case d.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.quit:
		return ErrClosed
	}
	select {
	case err := <-r.reply:
		return err
	case <-d.done:
		// The writer ended; it answers everything it took before that.
		select {
		case err := <-r.reply:
			return err
		default:
			return ErrClosed
		}
	}
}

// Read returns the readers' pool. Reads see the last committed state and never
// block writes. Writing through it fails.
func (d *DB) Read() *sql.DB { return d.read }

// Close finishes the updates under way and closes the files. It may be called twice.
func (d *DB) Close() error {
	var err error
	d.once.Do(func() {
		close(d.quit)
		<-d.done
		err = errors.Join(d.read.Close(), d.w.close())
	})
	return err
}

func (d *DB) run() {
	defer close(d.done)
	for {
		var first *request
		select {
		case first = <-d.requests:
		case <-d.quit:
			d.drain()
			return
		}
		// Handlers that are ready to run have changes, too: on a disk that syncs quickly the
		// writer would else run ahead of them and pay for a commit each.
		runtime.Gosched()
		batch := d.batch[:0]
		batch = append(batch, first)
	collect:
		for len(batch) < batchLimit {
			select {
			case r := <-d.requests:
				batch = append(batch, r)
			default:
				break collect
			}
		}
		began := time.Now()
		d.w.commit(batch)
		if d.committed != nil {
			d.committed(time.Since(began))
		}
		if d.w.full {
			d.w.shrink()
		}
		clear(batch)
		d.batch = batch
	}
}

// drain refuses what was queued but not begun when the store closed.
func (d *DB) drain() {
	for {
		select {
		case r := <-d.requests:
			r.reply <- ErrClosed
		default:
			return
		}
	}
}

// Tx is the writer's transaction as one Update sees it. It is valid only inside fn.
type Tx struct {
	w *writer
	r *request
}

// Exec runs a statement; the prepared statement is kept for the next call, so query
// must come from a small fixed set (never with values formatted in).
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	st, err := t.w.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(args...)
}

// QueryRow runs a query for one row; see Exec for query.
func (t *Tx) QueryRow(query string, args ...any) Row {
	st, err := t.w.stmt(query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: st.QueryRow(args...)}
}

// Query runs a query; the rows must be closed before fn returns. See Exec for query.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.w.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.Query(args...)
}

// OnCommit registers f to be called once the changes are durable, before Update
// returns. f runs on the writer's goroutine and must not block. It is not called if
// the changes are undone.
func (t *Tx) OnCommit(f func()) { t.r.hooks = append(t.r.hooks, f) }

// Row is one row, or the error met on the way to it.
type Row struct {
	row *sql.Row
	err error
}

// Scan is sql.Row's Scan; sql.ErrNoRows where there is none.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dest...)
}

// writer owns the one writing connection. All its methods but close run on the
// goroutine of DB.run.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	full  bool // there was no room for a change
}

// shrink empties the log, which may be most of what the store has on a full disk: the
// next change may find room.
func (w *writer) shrink() {
	w.full = false
	_, _ = w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)") // else the log stays as it is
}

func openWriter(path string, schemas []Schema) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := w.migrate(schemas); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) close() error {
	var errs []error
	for _, st := range w.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if st, ok := w.stmts[query]; ok {
		return st, nil
	}
	st, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", strconv.Quote(query), err)
	}
	w.stmts[query] = st
	return st, nil
}

func (w *writer) exec(query string) error {
	st, err := w.stmt(query)
	if err != nil {
		return err
	}
	_, err = st.Exec()
	return err
}

// commit runs the batch in one transaction, each request in a savepoint of its own,
// and answers each when the commit is on disk.
func (w *writer) commit(batch []*request) {
	if len(batch) == 1 {
		w.alone(batch[0])
		return
	}
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		for _, r := range batch {
			if err = w.one(r); err != nil {
				break
			}
		}
		if err == nil {
			err = w.exec("COMMIT")
		}
		if err != nil {
			// Nothing of the batch is kept, so nobody may be told that it is.
			_ = w.exec("ROLLBACK")
		}
	}
	for _, r := range batch {
		w.answer(r, err)
	}
}

// alone is commit of one request, which needs no savepoint.
func (w *writer) alone(r *request) {
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		if r.err = call(r.fn, &Tx{w: w, r: r}); r.err == nil {
			err = w.exec("COMMIT")
		}
		if err != nil || r.err != nil {
			_ = w.exec("ROLLBACK") // what is not committed is undone in any case
		}
	}
	w.answer(r, err)
}

// answer tells the caller how it ended; err is the transaction's error.
func (w *writer) answer(r *request, err error) {
	if err != nil {
		err = fmt.Errorf("commit: %w", err)
	} else {
		err = r.err
	}
	if err != nil {
		err = named(err)
		w.full = w.full || errors.As(err, new(fullError))
		r.reply <- err
		return
	}
	for _, f := range r.hooks {
		f()
	}
	r.reply <- nil
}

// one runs one request. The error returned is the transaction's; the request's own
// goes into r.err.
func (w *writer) one(r *request) error {
	if err := w.exec("SAVEPOINT one"); err != nil {
		return err
	}
	if r.err = call(r.fn, &Tx{w: w, r: r}); r.err != nil {
		if err := w.exec("ROLLBACK TO one"); err != nil {
			return err
		}
	}
	return w.exec("RELEASE one")
}

// call turns a panic of fn into its error: one bad request must not take the
// writer, and so the whole endpoint, with it.
func call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("db: update panicked: %v", p)
		}
	}()
	return fn(tx)
}
