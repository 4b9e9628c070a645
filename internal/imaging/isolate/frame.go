package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a fixed header, a head (JSON, see message.go) and a body (raw bytes, which
// the head divides). All numbers are big-endian:
//
//	0  4  magic "TTIM"
//	4  1  version of the protocol
//	5  1  kind
//	6  2  zero
//	8  4  length of the head
//	12 8  length of the body
const (
	frameMagic   = "TTIM"
	frameVersion = 1
	frameHeader  = 20

	// maxHead bounds a head in either direction, bytes. A job of a hundred outputs has 20 KB.
	maxHead = 1 << 20
	// firstPiece is how much of a body is made room for before it has come, bytes: beyond
	// that, memory is taken only for what was really sent.
	firstPiece = 8 << 20
)

// kind says what a frame is.
type kind uint8

const (
	kindSetup   kind = iota + 1 // parent → child, once: the limits
	kindHello                   // child → parent, once: ready, or why not
	kindRequest                 // parent → child
	kindAnswer                  // child → parent, one for each request
)

// errProtocol is the other side not keeping to this file.
var errProtocol = errors.New("protocol broken")

// writeFrame writes one frame. The body is given in parts so that none is copied.
func writeFrame(w io.Writer, k kind, head []byte, body ...[]byte) error {
	if len(head) > maxHead {
		return fmt.Errorf("write frame: a head of %d bytes, at most %d", len(head), maxHead)
	}
	var n uint64
	for _, b := range body {
		n += uint64(len(b))
	}
	h := make([]byte, 0, frameHeader+len(head))
	h = append(h, frameMagic...)
	h = append(h, frameVersion, byte(k), 0, 0)
	h = binary.BigEndian.AppendUint32(h, uint32(len(head)))
	h = binary.BigEndian.AppendUint64(h, n)
	h = append(h, head...)
	for _, b := range append([][]byte{h}, body...) {
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("write frame: %w", err)
		}
	}
	return nil
}

// readFrame reads one frame of the wanted kind, with a body of at most maxBody bytes, which
// is read into room where that suffices. It is io.EOF where the other side has closed
// between frames.
func readFrame(r io.Reader, want kind, maxBody int64, room []byte) (head, body []byte, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, nil, err // io.EOF as it is
	}
	headLen, bodyLen := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint64(h[12:])
	switch {
	case string(h[:4]) != frameMagic || h[6] != 0 || h[7] != 0:
		return nil, nil, fmt.Errorf("%w: no frame", errProtocol)
	case h[4] != frameVersion:
		return nil, nil, fmt.Errorf("%w: version %d, want %d", errProtocol, h[4], frameVersion)
	case kind(h[5]) != want:
		return nil, nil, fmt.Errorf("%w: frame of kind %d, want %d", errProtocol, h[5], want)
	case headLen > maxHead:
		return nil, nil, fmt.Errorf("%w: a head of %d bytes", errProtocol, headLen)
	case bodyLen > uint64(max(0, maxBody)):
		return nil, nil, fmt.Errorf("%w: a body of %d bytes, at most %d", errProtocol, bodyLen, maxBody)
	}
	if head, err = readBytes(r, int64(headLen), nil); err != nil {
		return nil, nil, fmt.Errorf("read frame: %w", err)
	}
	if body, err = readBytes(r, int64(bodyLen), room); err != nil {
		return nil, nil, fmt.Errorf("read frame: %w", err)
	}
	return head, body, nil
}

// readBytes reads exactly n bytes, into room where that suffices. It trusts n with little
// memory before they come.
func readBytes(r io.Reader, n int64, room []byte) ([]byte, error) {
	var b []byte
	if n <= int64(cap(room)) {
		b = room[:n]
	} else {
		b = make([]byte, min(n, firstPiece))
	}
	for at := int64(0); ; {
		m, err := io.ReadFull(r, b[at:])
		at += int64(m)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if at == n {
			return b, nil
		}
		grown := make([]byte, min(n, 2*at))
		copy(grown, b)
		b = grown
	}
}

// split divides a body into parts of the given lengths, which must use it up.
func split(body []byte, lengths []int64) ([][]byte, error) {
	parts := make([][]byte, len(lengths))
	for i, n := range lengths {
		if n < 0 || n > int64(len(body)) {
			return nil, fmt.Errorf("%w: a part of %d bytes with %d left", errProtocol, n, len(body))
		}
		parts[i], body = body[:n:n], body[n:]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%w: %d bytes belong to nothing", errProtocol, len(body))
	}
	return parts, nil
}
