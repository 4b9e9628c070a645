package sqs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Messages of one batch are one value in the store, a pack, and one row as long as the
// same happens to them: what SQLite does for a message it does for ten. rows.go takes
// them apart when it does not.

// packLimit bounds the bodies and attributes in a pack, bytes: whoever wants one message
// of it reads them all, and all are kept until the last is deleted.
const packLimit = 64 << 10

// packVersion begins every pack.
const packVersion = 1

// packed is what is a message's own in a pack. Its strings share the pack's memory.
type packed struct {
	uuid, body, sender, md5 string
	attributes, trace       *string
}

// pack encodes messages that can be stored together; nil where they cannot. Those of
// queues with tenants cannot: a row is of one tenant.
//
// After the version comes the number of messages; then for each its six fields in
// packed's order: a length plus one, 0 for none, and the bytes. Numbers are varints.
func pack(q *queue, out []*outgoing) []byte {
	if q.fifo || len(out) < 2 || q.tenants.Load() {
		return nil
	}
	size := 0
	for _, m := range out {
		if m.delay > 0 || m.group != nil {
			return nil // is counted as delayed by itself, or has a tenant
		}
		size += m.size
	}
	if size > packLimit {
		return nil
	}
	b := make([]byte, 0, size+192*len(out))
	b = append(b, packVersion)
	b = binary.AppendUvarint(b, uint64(len(out)))
	for _, m := range out {
		if m.md5 == nil {
			m.digest()
		}
		for _, f := range [...]*string{&m.uuid, &m.body, &m.sender, m.md5, m.attributes, m.trace} {
			if f == nil {
				b = append(b, 0)
				continue
			}
			b = binary.AppendUvarint(b, uint64(len(*f))+1)
			b = append(b, *f...)
		}
	}
	return b
}

var errPack = errors.New("sqs: a pack of messages in the store is damaged")

// unpack decodes a pack.
func unpack(data string) ([]packed, error) {
	if data == "" || data[0] != packVersion {
		return nil, fmt.Errorf("%w: unknown version", errPack)
	}
	d := packReader{rest: data[1:]}
	n := d.number()
	if n > maxEntries {
		return nil, fmt.Errorf("%w: %d messages", errPack, n)
	}
	all := make([]packed, n)
	for i := range all {
		m := &all[i]
		for _, f := range [...]*string{&m.uuid, &m.body, &m.sender, &m.md5} {
			if v := d.field(); v != nil {
				*f = *v
			}
		}
		m.attributes, m.trace = d.field(), d.field()
	}
	if d.bad || d.rest != "" {
		return nil, fmt.Errorf("%w: its lengths do not add up", errPack)
	}
	return all, nil
}

// unpackSome decodes a pack and returns n of its messages, from the one at place from.
func unpackSome(data string, from, n int64) ([]packed, error) {
	all, err := unpack(data)
	if err != nil {
		return nil, err
	}
	if from < 0 || n < 0 || from > int64(len(all)) || n > int64(len(all))-from {
		return nil, fmt.Errorf("%w: %d messages, not those from %d to %d", errPack, len(all), from, from+n)
	}
	return all[from : from+n], nil
}

// packReader reads numbers and fields until one is bad.
type packReader struct {
	rest string
	bad  bool
}

func (d *packReader) number() uint64 {
	var v uint64
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		c := d.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.bad = true
	return 0
}

func (d *packReader) field() *string {
	n := d.number()
	if n == 0 || d.bad {
		return nil
	}
	if n--; n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	v := d.rest[:n]
	d.rest = d.rest[n:]
	return &v
}
