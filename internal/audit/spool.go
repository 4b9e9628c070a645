package audit

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/store"
)

// maxString bounds a field of a spooled record, in bytes; keys have at most 1,024.
const maxString = 1 << 16

// record is what is spooled: something at a key, under an image's id.
type record struct {
	id, key, etag string
	size          int64
	modified      time.Time
	note          string
}

func fromSource(s store.SourceInfo) record {
	return record{id: s.ID, key: s.Key, etag: s.ETag, size: s.Size, modified: s.LastModified}
}

func (r record) source() store.SourceInfo {
	return store.SourceInfo{ID: r.id, Key: r.key, ETag: r.etag, Size: r.size, LastModified: r.modified}
}

// compareIDs orders ids as the listing of the results bucket does, in which a slash follows
// each: "k-YQ-x" comes before "k-YQ".
func compareIDs(a, b string) int {
	n := min(len(a), len(b))
	switch {
	case a[:n] != b[:n] || len(a) == len(b):
		return strings.Compare(a, b)
	case len(a) > n:
		return cmp.Compare(a[n], '/')
	default:
		return cmp.Compare('/', b[n])
	}
}

func compareRecords(a, b record) int {
	if c := compareIDs(a.id, b.id); c != 0 {
		return c
	}
	return strings.Compare(a.key, b.key)
}

// spool keeps records in a temporary file, in the order in which they were added, so that a
// million of them need no memory. It makes the file when it has something to keep.
type spool struct {
	dir  string
	file *os.File
	w    *bufio.Writer
	n    int64
}

func (s *spool) add(r record) error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "tintype-audit-")
		if err != nil {
			return fmt.Errorf("keep what is to be looked at again: %w", err)
		}
		// The name goes at once where that can be done, so that a crash leaves nothing.
		_ = os.Remove(f.Name())
		s.file, s.w = f, bufio.NewWriterSize(f, 1<<14)
	}
	s.n++
	var buf []byte
	for _, text := range []string{r.id, r.key, r.etag, r.note} {
		buf = binary.AppendUvarint(buf, uint64(len(text)))
		buf = append(buf, text...)
	}
	buf = binary.AppendVarint(buf, r.size)
	buf = binary.AppendVarint(buf, r.modified.UnixNano())
	if _, err := s.w.Write(buf); err != nil {
		return fmt.Errorf("keep what is to be looked at again: %w", err)
	}
	return nil
}

// all yields what was added. Adding may go on after that, not meanwhile.
func (s *spool) all() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		if s.file == nil {
			return
		}
		if err := s.w.Flush(); err != nil {
			yield(record{}, fmt.Errorf("keep what is to be looked at again: %w", err))
			return
		}
		r := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, 1<<62), 1<<14)
		for range s.n {
			rec, err := readRecord(r)
			if err != nil {
				yield(record{}, fmt.Errorf("read what was kept to be looked at again: %w", err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func readRecord(r *bufio.Reader) (rec record, err error) {
	for _, to := range []*string{&rec.id, &rec.key, &rec.etag, &rec.note} {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return rec, err
		}
		if n > maxString {
			return rec, errors.New("it is damaged")
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return rec, err
		}
		*to = string(b)
	}
	if rec.size, err = binary.ReadVarint(r); err != nil {
		return rec, err
	}
	nanos, err := binary.ReadVarint(r)
	rec.modified = time.Unix(0, nanos).UTC()
	return rec, err
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name()) // where it could not be removed while open
		s.file = nil
	}
}

// runLength is how many records a sorter sorts in memory at a time: some megabytes.
const runLength = 20_000

// sorter puts records in the order of their ids, in temporary files once there are many.
type sorter struct {
	dir    string
	length int // of a run; 0: runLength
	held   []record
	runs   []*spool
}

func (s *sorter) add(r record) error {
	s.held = append(s.held, r)
	if len(s.held) < cmp.Or(s.length, runLength) {
		return nil
	}
	slices.SortFunc(s.held, compareRecords)
	run := &spool{dir: s.dir}
	s.runs = append(s.runs, run)
	for _, r := range s.held {
		if err := run.add(r); err != nil {
			return err
		}
	}
	s.held = s.held[:0]
	return nil
}

// all yields everything in order. Nothing may be added any more.
func (s *sorter) all() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		slices.SortFunc(s.held, compareRecords)
		var heads runHeap
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		sources := []iter.Seq2[record, error]{func(yield func(record, error) bool) {
			for _, r := range s.held {
				if !yield(r, nil) {
					return
				}
			}
		}}
		for _, run := range s.runs {
			sources = append(sources, run.all())
		}
		for _, seq := range sources {
			next, stop := iter.Pull2(seq)
			h := &runHead{next: next, stop: stop}
			heads = append(heads, h)
			if !h.advance() {
				heads = heads[:len(heads)-1]
				stop()
			}
			if h.err != nil {
				yield(record{}, h.err)
				return
			}
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			h := heads[0]
			if !yield(h.rec, nil) {
				return
			}
			if h.advance() {
				heap.Fix(&heads, 0)
				continue
			}
			heap.Pop(&heads)
			h.stop()
			if h.err != nil {
				yield(record{}, h.err)
				return
			}
		}
	}
}

func (s *sorter) close() {
	for _, r := range s.runs {
		r.close()
	}
}

// runHead is the next record of one run.
type runHead struct {
	rec  record
	err  error
	next func() (record, error, bool)
	stop func()
}

func (h *runHead) advance() bool {
	var ok bool
	h.rec, h.err, ok = h.next()
	return ok && h.err == nil
}

type runHeap []*runHead

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return compareRecords(h[i].rec, h[j].rec) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*runHead)) }
func (h *runHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
