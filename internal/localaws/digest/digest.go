// Package digest calculates the MD5 of several things at once. MD5 cannot be made
// quicker for one stream, as each step waits for the one before; but eight streams take
// hardly longer than two where the processor has AVX2. Elsewhere it is crypto/md5.
//
// MD5 is what S3's ETags and SQS's checks of bodies are; nothing is secured by it. The
// package imports nothing of ours.
package digest

import (
	"crypto/md5"
	"encoding/binary"
	"math"
	"unsafe"
)

// lanes is how many streams go in parallel, and worthwhile how many there have to be for
// that to be quicker.
const (
	lanes      = 8
	worthwhile = 3
)

// Size is that of a digest, bytes.
const Size = md5.Size

const blockSize = md5.BlockSize

var initial = [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}

// table is the constants of the 64 steps: RFC 1321, section 3.4.
var table = func() (t [64]uint32) {
	for i := range t {
		t[i] = uint32(math.Abs(math.Sin(float64(i+1))) * (1 << 32))
	}
	return t
}()

// lane is one stream on its way through.
type lane struct {
	state [4]uint32
	// data is what is to be compressed now, whole blocks of it.
	data []byte
}

// compress runs all lanes' data, of any lengths, leaving data empty. There are at most
// eight.
func compress(all []*lane) {
	var state [4][lanes]uint32
	var streams [lanes]*byte
	for {
		// Those that have something left, and how much all of them have.
		busy := all[:0]
		blocks := math.MaxInt
		for _, l := range all {
			if len(l.data) >= blockSize {
				busy = append(busy, l)
				blocks = min(blocks, len(l.data)/blockSize)
			}
		}
		if all = busy; len(all) == 0 {
			return
		}
		for i := range lanes {
			l := all[min(i, len(all)-1)] // lanes to spare repeat the last
			for w := range 4 {
				state[w][i] = l.state[w]
			}
			streams[i] = unsafe.SliceData(l.data)
		}
		lanes8(&state, &streams, blocks, &table)
		for i, l := range all {
			for w := range 4 {
				l.state[w] = state[w][i]
			}
			l.data = l.data[blocks*blockSize:]
		}
	}
}

// padding appends what ends a stream of n bytes, of which tail are those after its last
// whole block.
func padding(b, tail []byte, n uint64) []byte {
	b = append(b, tail...)
	b = append(b, 0x80)
	for len(b)%blockSize != blockSize-8 {
		b = append(b, 0)
	}
	return binary.LittleEndian.AppendUint64(b, n<<3)
}

func (l *lane) sum() (d [Size]byte) {
	for w, v := range l.state {
		binary.LittleEndian.PutUint32(d[4*w:], v)
	}
	return d
}

// Sums returns the MD5 of each message.
func Sums(messages []string) [][Size]byte {
	out := make([][Size]byte, len(messages))
	for i := 0; i < len(messages); {
		group := messages[i:min(i+lanes, len(messages))]
		if len(group) < worthwhile || !parallel {
			for j, m := range group {
				out[i+j] = md5.Sum(view(m))
			}
		} else {
			sumGroup(out[i:], group)
		}
		i += len(group)
	}
	return out
}

func sumGroup(out [][Size]byte, group []string) {
	var all [lanes]lane
	var tails [lanes][2 * blockSize]byte
	var some [lanes]*lane
	for i, m := range group {
		all[i] = lane{state: initial, data: view(m)}
		some[i] = &all[i]
	}
	compress(some[:len(group)])
	for i, m := range group {
		all[i].data = padding(tails[i][:0], view(m[len(m)&^(blockSize-1):]), uint64(len(m)))
		some[i] = &all[i]
	}
	compress(some[:len(group)])
	for i := range group {
		out[i] = all[i].sum()
	}
}

// view is s as bytes that are only read.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
