package isolate

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest: the room for bodies is used again while requests come, and given up when none has come for a
// while; the next request is read all the same.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		requests := &idling{socket: r}
		body := bytes.Repeat([]byte("photo"), 100_000)
		read := func(pause time.Duration) []byte {
			t.Helper()
			go func() {
				time.Sleep(pause)
				_ = writeFrame(w, kindRequest, []byte("{}"), body) // into a pipe that is read
			}()
			head, got, err := requests.next(1 << 20)
			if err != nil || string(head) != "{}" || !bytes.Equal(got, body) {
				t.Fatalf("%q, %d bytes, %v", head, len(got), err)
			}
			requests.keep(got)
			return got
		}
		first := read(0)
		if again := read(restAfter - time.Second); &again[0] != &first[0] {
			t.Error("the room is not used again")
		}
		if later := read(restAfter + time.Second); &later[0] == &first[0] {
			t.Error("the room is kept however long nothing comes")
		}
		w.Close()
		if _, _, err := requests.next(1 << 20); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
	})
}
