package dominant_test

import (
	"bytes"
	"testing"

	"github.com/tintype/tintype/internal/imaging/dominant"
)

func TestColor(t *testing.T) {
	fill := func(n int, pixel ...byte) []byte { return bytes.Repeat(pixel, n) }
	for name, tc := range map[string]struct {
		bands int
		pix   []byte
		want  string
	}{
		"one colour":           {3, fill(50, 18, 52, 86), "#123456"},
		"black":                {3, fill(50, 0, 0, 0), "#000000"},
		"white":                {3, fill(50, 255, 255, 255), "#ffffff"},
		"the larger part":      {3, append(fill(30, 200, 10, 10), fill(20, 10, 10, 200)...), "#c80a0a"},
		"no mean of both":      {3, append(fill(30, 255, 0, 0), fill(29, 0, 255, 0)...), "#ff0000"},
		"on the border of two": {3, append(append(fill(20, 31, 0, 0), fill(20, 33, 0, 0)...), fill(30, 0, 255, 0)...), "#200000"},
		"hidden colours":       {4, append(fill(90, 255, 0, 0, 0), fill(10, 0, 0, 255, 255)...), "#0000ff"},
		"weighed by alpha":     {4, append(fill(10, 255, 0, 0, 10), fill(9, 0, 0, 255, 12)...), "#0000ff"},
		"nothing to be seen":   {4, fill(10, 255, 0, 0, 0), "#ffffff"},
		"mean of like ones":    {3, append(fill(10, 100, 100, 100), fill(10, 104, 104, 104)...), "#666666"},
	} {
		if got, err := dominant.Color(tc.bands, tc.pix); err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tc.want)
		}
	}
	for _, bad := range [][]byte{nil, {1, 2}} {
		if _, err := dominant.Color(3, bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
