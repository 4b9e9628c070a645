package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// blobs is the directory of the objects' bytes: <dir>/xx/<id>, where xx are the
// first two digits of the id. A file is written once, synced, and never changed;
// the row that names it makes it an object. Names are random: nothing a client
// sends ever becomes part of a path.
type blobs struct{ dir string }

// blobIDLen is the length of a blob's name: 32 hexadecimal digits.
const blobIDLen = 32

// open creates the 256 directories, durably.
func (b blobs) open() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	for i := range 256 {
		if err := os.Mkdir(filepath.Join(b.dir, fmt.Sprintf("%02x", i)), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := syncDir(b.dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(b.dir))
}

func (b blobs) path(id string) string { return filepath.Join(b.dir, id[:2], id) }

func newBlobID() string {
	var raw [blobIDLen / 2]byte
	rand.Read(raw[:]) // never fails, see its documentation
	return hex.EncodeToString(raw[:])
}

// create makes an empty blob. The caller closes the file and, unless a row comes to
// refer to it, removes it.
func (b blobs) create() (id string, f *os.File, err error) {
	id = newBlobID()
	f, err = os.OpenFile(b.path(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return id, f, err
}

// seal makes the blob and its name durable and closes the file.
func (b blobs) seal(id string, f *os.File) error {
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(b.path(id)))
}

// remove unlinks blobs that no row refers to any more. Readers that hold them open
// keep them. What cannot be removed is left to the sweep of the next start.
func (b blobs) remove(ids ...string) {
	for _, id := range ids {
		if id != "" {
			_ = os.Remove(b.path(id)) // see above
		}
	}
}

// link gives the blob a second name of its own. It fails where the file system has
// no hard links or the file has too many; the caller then copies.
func (b blobs) link(id string) (string, error) {
	other := newBlobID()
	if err := os.Link(b.path(id), b.path(other)); err != nil {
		return "", err
	}
	if err := syncDir(filepath.Dir(b.path(other))); err != nil {
		b.remove(other)
		return "", err
	}
	return other, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// sweep removes the blobs that no row refers to and reports how many there were.
// It must run before any request is served.
func (s *Service) sweep() (int, error) {
	removed := 0
	for i := range 256 {
		prefix := fmt.Sprintf("%02x", i)
		entries, err := os.ReadDir(filepath.Join(s.blobs.dir, prefix))
		if err != nil {
			return removed, err
		}
		if len(entries) == 0 {
			continue
		}
		known, err := s.blobsWithPrefix(prefix)
		if err != nil {
			return removed, err
		}
		for _, e := range entries {
			if !known[e.Name()] && e.Type().IsRegular() && len(e.Name()) == blobIDLen {
				s.blobs.remove(e.Name())
				removed++
			}
		}
	}
	return removed, nil
}

func (s *Service) blobsWithPrefix(prefix string) (map[string]bool, error) {
	// "g" follows every hexadecimal digit.
	rows, err := s.db.Read().QueryContext(context.Background(), `SELECT blob FROM s3_objects WHERE blob BETWEEN ?1 AND ?2
		UNION ALL SELECT blob FROM s3_versions WHERE blob BETWEEN ?1 AND ?2
		UNION ALL SELECT blob FROM s3_parts WHERE blob BETWEEN ?1 AND ?2`, prefix, prefix+"g")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		known[id] = true
	}
	return known, rows.Err()
}

// section is a range of a blob file as a response body. It closes the file.
type section struct {
	io.LimitedReader
	f *os.File
}

func (b blobs) section(id string, offset, length int64) (*section, error) {
	f, err := os.Open(b.path(id))
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return &section{LimitedReader: io.LimitedReader{R: f, N: length}, f: f}, nil
}

// WriteTo hands a plain file to the writer, so that net/http can use sendfile.
func (r *section) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, &r.LimitedReader) }

func (r *section) Close() error { return r.f.Close() }
