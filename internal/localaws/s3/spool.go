package s3

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

const (
	// inlineLimit is the size, bytes, up to which an object lives in the store itself
	// instead of a file: one sync less, and small objects are most of them.
	inlineLimit = 64 << 10
	// copyBuffer is the size of reads and writes of larger bodies, bytes.
	copyBuffer = 256 << 10
)

// content is bytes that have arrived: in memory when few, else in a blob file that
// is synced and that no row refers to yet.
type content struct {
	size   int64
	inline []byte
	blob   string
}

// upload is a body to be received and what must hold for it.
type upload struct {
	body io.Reader
	// size that the client announced; -1 where the body's framing proves it whole.
	size int64
	// algorithm of the checksum to calculate, and the value the client announced;
	// either may be empty.
	algorithm types.ChecksumAlgorithm
	announced string
	// key encrypts what is stored; nil: nothing does. The ETag is then of the encrypted
	// bytes, as S3's is not of the client's either.
	key *customerKey
	// crc64 asks for a CRC64NVME besides, for parts whose checksums are combined.
	crc64 bool
}

// received is the outcome of receive.
type received struct {
	content
	md5 []byte
	// sum is the checksum of algorithm, base64; crc64 as asked for.
	algorithm types.ChecksumAlgorithm
	sum       string
	crc64     string
	nonce     []byte // where the bytes are encrypted
}

func (r received) etag() string { return hex.EncodeToString(r.md5) }

// receive reads a body to its end, hashing as it goes, and makes it durable. On an
// error nothing of it is left.
func (s *Service) receive(ctx context.Context, u upload) (received, error) {
	if u.algorithm == "" {
		u.algorithm = types.ChecksumAlgorithmCrc64nvme // as AWS does since 2024
	}
	src := &source{ctx: ctx, r: u.body}
	digest := md5.New()
	r := io.Reader(src)
	if u.key == nil {
		r = io.TeeReader(src, digest)
	}

	var sum interface{ Sum() string }
	trailer, ok := u.body.(middlewares.ChecksumReader)
	if ok && trailer.Algorithm() != "" {
		// The checksum follows the body; the chunk reader verifies it.
		u.algorithm = types.ChecksumAlgorithm(strings.ToUpper(trailer.Algorithm()))
	} else if u.algorithm == types.ChecksumAlgorithmCrc64nvme && u.announced == "" {
		h := newCRC64(r)
		sum, r = h, h
	} else {
		h, err := utils.NewHashReader(r, u.announced, hashType(u.algorithm))
		if err != nil {
			return received{}, err
		}
		sum, r = h, h
	}
	var crc *crc64Reader
	if u.crc64 && u.algorithm != types.ChecksumAlgorithmCrc64nvme {
		crc = newCRC64(r)
		r = crc
	}

	var nonce []byte
	if u.key != nil {
		nonce = make([]byte, 16)
		rand.Read(nonce) // never fails, see its documentation
		stream, err := u.key.stream(nonce, 0)
		if err != nil {
			return received{}, err
		}
		r = io.TeeReader(&cipher.StreamReader{S: stream, R: r}, digest)
	}
	c, err := s.spool(r)
	if src.err != nil && !errors.Is(src.err, io.EOF) {
		s.blobs.remove(c.blob)
		return received{}, bodyError(src.err)
	}
	if err != nil {
		return received{}, err
	}
	if u.size >= 0 && c.size != u.size {
		s.blobs.remove(c.blob)
		return received{}, s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	out := received{content: c, md5: digest.Sum(nil), algorithm: u.algorithm, nonce: nonce}
	if sum != nil {
		out.sum = sum.Sum()
	} else {
		out.sum = trailer.Checksum()
	}
	switch {
	case crc != nil:
		out.crc64 = crc.Sum()
	case u.algorithm == types.ChecksumAlgorithmCrc64nvme:
		out.crc64 = out.sum
	}
	return out, nil
}

// crc64Reader calculates the CRC64NVME of what is read through it: most uploads have it
// calculated, and the standard library's takes as long as SHA-256.
type crc64Reader struct {
	io.Reader
	hash hash.Hash64
}

func newCRC64(r io.Reader) *crc64Reader {
	h := crc64nvme.New()
	return &crc64Reader{io.TeeReader(r, h), h}
}

// Sum is the checksum as S3 writes it: base64 of the number's eight bytes, big-endian.
func (c *crc64Reader) Sum() string { return base64.StdEncoding.EncodeToString(c.hash.Sum(nil)) }

func hashType(a types.ChecksumAlgorithm) utils.HashType {
	return utils.HashType(strings.ToLower(string(a)))
}

// bodyError turns what went wrong with reading a body into an answer.
func bodyError(err error) error {
	var known s3err.S3Error
	if errors.As(err, &known) {
		return err
	}
	return s3err.GetAPIError(s3err.ErrIncompleteBody)
}

// source remembers how a body ended: readers stacked on it may take a cut-off body
// for a complete one.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	s.err = err
	return n, err
}

// copyBuffers are buffers that bodies go through.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// spool stores what r yields, durably. On an error nothing is left.
func (s *Service) spool(r io.Reader) (content, error) {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	n := 0
	for n <= inlineLimit {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			if n <= inlineLimit {
				return content{size: int64(n), inline: bytes.Clone(buf[:n])}, nil
			}
			return s.spoolFile(buf[:n], nil, nil)
		}
		if err != nil {
			return content{}, err
		}
	}
	return s.spoolFile(buf[:n], r, buf[:])
}

// spoolFile stores head and then what r yields, where there is an r, in a file. buf is what
// to copy with; head may be part of it.
func (s *Service) spoolFile(head []byte, r io.Reader, buf []byte) (content, error) {
	id, f, err := s.blobs.create()
	if err != nil {
		return content{}, err
	}
	w := &earlyWriter{f: f}
	if _, err = w.Write(head); err == nil && r != nil {
		_, err = io.CopyBuffer(w, r, buf)
	}
	if err != nil {
		f.Close()
		s.blobs.remove(id)
		return content{}, err
	}
	if err := s.blobs.seal(id, f); err != nil {
		s.blobs.remove(id)
		return content{}, err
	}
	return content{size: w.written, blob: id}, nil
}

// writebackStep is after how many bytes the disk is set to work.
const writebackStep = 1 << 20

// earlyWriter has what it wrote go to disk while the rest arrives, so that the sync at
// the end waits for less. It has no ReadFrom, which would choose a smaller buffer.
type earlyWriter struct {
	f              *os.File
	written, begun int64
}

func (w *earlyWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.written += int64(n)
	if w.written-w.begun >= writebackStep {
		startWriteback(w.f, w.begun, w.written-w.begun)
		w.begun = w.written
	}
	return n, err
}

// concat stores the contents one after another as one. Files are copied by the
// kernel where it can.
func (s *Service) concat(parts []content) (content, error) {
	var total int64
	for _, p := range parts {
		total += p.size
	}
	if total <= inlineLimit {
		var all []byte
		for _, p := range parts {
			r, err := s.open(p, 0, p.size)
			if err != nil {
				return content{}, err
			}
			b, err := io.ReadAll(r)
			r.Close()
			if err != nil {
				return content{}, err
			}
			all = append(all, b...)
		}
		return content{size: total, inline: all}, nil
	}
	id, f, err := s.blobs.create()
	if err != nil {
		return content{}, err
	}
	for _, p := range parts {
		if err := s.appendTo(f, p); err != nil {
			f.Close()
			s.blobs.remove(id)
			return content{}, err
		}
	}
	if err := s.blobs.seal(id, f); err != nil {
		s.blobs.remove(id)
		return content{}, err
	}
	return content{size: total, blob: id}, nil
}

func (s *Service) appendTo(f *os.File, p content) error {
	if p.blob == "" {
		_, err := f.Write(p.inline)
		return err
	}
	src, err := os.Open(s.blobs.path(p.blob))
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = io.CopyN(f, src, p.size)
	return err
}
