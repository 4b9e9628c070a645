package worker

import (
	"bytes"
	"sync"
)

// buffers are rooms for originals: fresh memory for each would cost as much as reading it, and
// have garbage collected all the time.
type buffers struct{ pool sync.Pool }

// keepBuffer is the largest room that is kept, bytes: that of a photograph.
const keepBuffer = 16 << 20

func (b *buffers) get() *bytes.Buffer {
	if body, ok := b.pool.Get().(*bytes.Buffer); ok {
		body.Reset()
		return body
	}
	return new(bytes.Buffer)
}

// put takes a room back that nobody reads any more.
func (b *buffers) put(body *bytes.Buffer) {
	if body != nil && body.Cap() <= keepBuffer {
		b.pool.Put(body)
	}
}
