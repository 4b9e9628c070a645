package sqs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/tintype/tintype/internal/localaws/wire"
)

// receipt is what a receipt handle says: which receive of which message from which
// queue, and when. On the wire it is base64 of the numbers, big endian, and the first 16
// bytes of their HMAC-SHA256 under the endpoint's own key, so that it cannot be made up.
type receipt struct {
	queue, message int64
	receive        uint32 // 1 for the first receive from this queue
	at             int64  // Unix milliseconds
}

const (
	receiptPlain = 8 + 8 + 4 + 8
	receiptMAC   = 16
)

func (s *Service) handle(r receipt) string {
	var b [receiptPlain + receiptMAC]byte
	binary.BigEndian.PutUint64(b[0:], uint64(r.queue))
	binary.BigEndian.PutUint64(b[8:], uint64(r.message))
	binary.BigEndian.PutUint32(b[16:], r.receive)
	binary.BigEndian.PutUint64(b[20:], uint64(r.at))
	copy(b[receiptPlain:], s.mac(b[:receiptPlain]))
	return base64.StdEncoding.EncodeToString(b[:])
}

func (s *Service) mac(plain []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(plain)
	return h.Sum(nil)[:receiptMAC]
}

// receipt verifies a handle that was given for q.
func (s *Service) receipt(q *queue, handle *string) (receipt, error) {
	if handle == nil || *handle == "" {
		return receipt{}, missing("ReceiptHandle")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*handle)
	// The decoder passes over line breaks, which no handle has.
	if err != nil || len(b) != receiptPlain+receiptMAC || len(*handle) != base64.StdEncoding.EncodedLen(len(b)) || !hmac.Equal(b[receiptPlain:], s.mac(b[:receiptPlain])) {
		return receipt{}, badReceipt(*handle)
	}
	r := receipt{
		queue:   int64(binary.BigEndian.Uint64(b[0:])),
		message: int64(binary.BigEndian.Uint64(b[8:])),
		receive: binary.BigEndian.Uint32(b[16:]),
		at:      int64(binary.BigEndian.Uint64(b[20:])),
	}
	if r.queue != q.id {
		return receipt{}, badReceipt(*handle)
	}
	return r, nil
}

func badReceipt(handle string) *wire.Error {
	return &wire.Error{Code: "ReceiptHandleIsInvalid", Status: 404, Message: fmt.Sprintf("The input receipt handle \"%s\" is not a valid receipt handle.", shorten(handle))}
}

// expired is how a FIFO queue refuses a handle whose lease has ended.
func expired(handle string) *wire.Error {
	return badParameter("ReceiptHandle", handle, "The receipt handle has expired.")
}
