package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// md5Hex is MD5OfBody and MD5OfMessageBody.
func md5Hex(body string) string {
	sum := md5.Sum(unsafe.Slice(unsafe.StringData(body), len(body))) // not copied: bodies are large
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the digest of message attributes that receivers check:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func md5OfAttributes(attrs map[string]types.MessageAttributeValue) *string {
	if len(attrs) == 0 {
		return nil
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		writeSized(h, []byte(name))
		writeSized(h, []byte(deref(a.DataType)))
		if strings.HasPrefix(deref(a.DataType), "Binary") {
			h.Write([]byte{2})
			writeSized(h, a.BinaryValue)
		} else {
			h.Write([]byte{1})
			writeSized(h, []byte(deref(a.StringValue)))
		}
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return &sum
}

func writeSized(h hash.Hash, b []byte) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(b)))
	h.Write(n[:])
	h.Write(b)
}

// deref is the string that p points to, or none.
func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
