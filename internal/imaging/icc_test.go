package imaging

import (
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

func TestIsSRGB(t *testing.T) {
	gamma := testimages.SRGB
	gamma.Gamma = 1 // linear light in sRGB's colorants
	for name, tc := range map[string]struct {
		profile []byte
		want    bool
	}{
		"none":      {nil, true},
		"sRGB":      {testimages.SRGB.Profile(), true},
		"P3":        {testimages.DisplayP3.Profile(), false},
		"Adobe RGB": {testimages.AdobeRGB.Profile(), false},
		"linear":    {gamma.Profile(), false},
		"text":      {[]byte("sRGB IEC61966-2.1"), false},
		"cut":       {testimages.SRGB.Profile()[:300], false},
	} {
		if got := isSRGB(tc.profile); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzIsSRGB(f *testing.F) {
	f.Add(testimages.SRGB.Profile())
	f.Add(testimages.AdobeRGB.Profile())
	f.Fuzz(func(_ *testing.T, b []byte) { isSRGB(b) })
}
