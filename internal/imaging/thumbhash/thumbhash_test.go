package thumbhash_test

import (
	"encoding/base64"
	"math"
	"testing"

	"github.com/tintype/tintype/internal/imaging/thumbhash"
)

func gradient(w, h int, alpha bool) []byte {
	var pix []byte
	for y := range h {
		for x := range w {
			a := 255
			if alpha {
				a = 255 * (x + y) / (w + h)
			}
			pix = append(pix, byte(255*x/w), byte(255*y/h), byte((x*5+y*3)%256), byte(a))
		}
	}
	return pix
}

// TestKnown compares with what the author's own encoder (thumbhash 0.1.1) makes of the
// same pixels.
func TestKnown(t *testing.T) {
	for _, tc := range []struct {
		w, h  int
		alpha bool
		want  string
	}{
		{100, 75, false, "3wcKPZqAd4dwaIV3Z3l3d3CQCPiI"},
		{75, 100, false, "H/gJPRpwhoBoZ1dmd3h4d5FwCvd3"},
		{40, 40, false, "oAcOJxpgd3dheYiHh3h3eId3Zw6+cH8I"},
		{100, 66, true, "oxiGG4wnoXmgaXqhwBj6Z4CHg3iIeIg="},
		{33, 100, true, "4siFIg4nkLSXZZpyoAzoWXV3cHh3d3c="},
		{1, 1, false, "AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		{100, 1, false, "FfYqeb51hniIiAiKh4dPiAg="},
		{20, 20, true, "n/mFDQwnoIexiIp3iIWgCvlocHdweId3dw=="},
	} {
		got, err := thumbhash.Encode(tc.w, tc.h, 4, gradient(tc.w, tc.h, tc.alpha))
		if err != nil {
			t.Fatal(err)
		}
		if got != tc.want {
			t.Errorf("%d × %d, alpha %v: %s, want %s", tc.w, tc.h, tc.alpha, got, tc.want)
		}
	}
}

func TestRGBIsOpaqueRGBA(t *testing.T) {
	rgba := gradient(60, 40, false)
	var rgb []byte
	for i := 0; i < len(rgba); i += 4 {
		rgb = append(rgb, rgba[i:i+3]...)
	}
	a, err := thumbhash.Encode(60, 40, 4, rgba)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := thumbhash.Encode(60, 40, 3, rgb); err != nil || a != b {
		t.Errorf("RGB %s, RGBA %s, %v", b, a, err)
	}
}

// TestMeanColor reads the mean colour back from the header.
func TestMeanColor(t *testing.T) {
	for _, c := range [][3]byte{{0, 0, 0}, {255, 255, 255}, {255, 136, 0}, {20, 200, 90}, {0, 0, 255}} {
		var pix []byte
		for range 50 * 30 {
			pix = append(pix, c[:]...)
		}
		s, err := thumbhash.Encode(50, 30, 3, pix)
		if err != nil {
			t.Fatal(err)
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		l := float64(b[0]&63) / 63
		p := float64(int(b[0])>>6|int(b[1]&15)<<2)/31.5 - 1
		q := float64(int(b[1])>>4|int(b[2]&3)<<4)/31.5 - 1
		blue := l - 2.0/3*p
		red := (3*l - blue + q) / 2
		for i, v := range []float64{red, red - q, blue} {
			if math.Abs(255*v-float64(c[i])) > 9 {
				t.Errorf("mean of %v: channel %d is %.0f", c, i, 255*v)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range [][4]int{{0, 1, 3, 0}, {1, 0, 3, 0}, {101, 1, 3, 303}, {2, 2, 3, 11}, {2, 2, 2, 8}} {
		if _, err := thumbhash.Encode(tc[0], tc[1], tc[2], make([]byte, tc[3])); err == nil {
			t.Errorf("%v is accepted", tc)
		}
	}
}
