package imaging

import (
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

func TestWholeGIF(t *testing.T) {
	b := testimages.AnimatedGIF(16, 16, 2)
	for cut := range b {
		whole := wholeGIF(b[:cut])
		// Whole without its trailer, and where the file is cut between its frames.
		if last := cut == len(b)-1; last && !whole {
			t.Error("without the trailer it is not whole")
		} else if whole && !last && b[cut] != 0x21 && b[cut] != 0x2c {
			t.Errorf("cut at %d of %d it is taken for whole", cut, len(b))
		}
	}
	for _, tail := range []string{"", "junk", "\x00\x00"} {
		if !wholeGIF(append(b[:len(b):len(b)], tail...)) {
			t.Errorf("with %q behind it it is not whole", tail)
		}
	}
}

func FuzzWholeGIF(f *testing.F) {
	f.Add(testimages.AnimatedGIF(4, 4, 3))
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(_ *testing.T, b []byte) { wholeGIF(b) })
}
