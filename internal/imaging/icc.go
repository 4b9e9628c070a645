package imaging

import (
	"encoding/binary"
	"math"
)

// isSRGB says whether an ICC profile describes sRGB, or is missing: by what it holds,
// the colorants and the curve, not by its name, which anyone can write. Formats: ICC.1:2022,
// 7.2 (header), 7.3 (tag table), 10.6 (curve), 10.18 (parametric curve), 10.31 (XYZ).
func isSRGB(profile []byte) bool {
	if len(profile) == 0 {
		return true
	}
	if len(profile) < 132 || string(profile[16:20]) != "RGB " || string(profile[20:24]) != "XYZ " {
		return false
	}
	tags := iccTags(profile)
	if tags["A2B0"] != nil || tags["A2B1"] != nil {
		return false // tables count before colorants
	}
	// The D50-adapted colorants of sRGB (IEC 61966-2-1).
	for name, want := range map[string][3]float64{
		"rXYZ": {0.4361, 0.2225, 0.0139}, "gXYZ": {0.3851, 0.7169, 0.0971}, "bXYZ": {0.1431, 0.0606, 0.7141},
	} {
		got, ok := iccXYZ(tags[name])
		if !ok {
			return false
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > 0.002 {
				return false
			}
		}
	}
	for _, name := range []string{"rTRC", "gTRC", "bTRC"} {
		curve, ok := iccCurve(tags[name])
		if !ok {
			return false
		}
		for i := range 33 {
			v := float64(i) / 32
			if math.Abs(curve(v)-srgbLinear(v)) > 0.004 {
				return false
			}
		}
	}
	return true
}

// srgbLinear is the transfer function of sRGB.
func srgbLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func iccTags(p []byte) map[string][]byte {
	tags := make(map[string][]byte)
	n := binary.BigEndian.Uint32(p[128:])
	for i := range min(n, 100) {
		e := 132 + 12*int(i)
		if e+12 > len(p) {
			break
		}
		at, size := uint64(binary.BigEndian.Uint32(p[e+4:])), uint64(binary.BigEndian.Uint32(p[e+8:]))
		if at+size <= uint64(len(p)) {
			tags[string(p[e:e+4])] = p[at : at+size]
		}
	}
	return tags
}

func iccXYZ(tag []byte) (v [3]float64, ok bool) {
	if len(tag) < 20 || string(tag[:4]) != "XYZ " {
		return v, false
	}
	for i := range v {
		v[i] = fixed16(tag[8+4*i:])
	}
	return v, true
}

// iccCurve returns a tone curve of the kinds that sRGB profiles have.
func iccCurve(tag []byte) (func(float64) float64, bool) {
	if len(tag) < 12 {
		return nil, false
	}
	switch string(tag[:4]) {
	case "curv":
		n := int(binary.BigEndian.Uint32(tag[8:]))
		if n < 2 || n > (len(tag)-12)/2 { // a plain gamma is not the curve of sRGB
			return nil, false
		}
		return func(v float64) float64 {
			at := v * float64(n-1)
			i := min(int(at), n-2)
			a := float64(binary.BigEndian.Uint16(tag[12+2*i:])) / 65535
			b := float64(binary.BigEndian.Uint16(tag[14+2*i:])) / 65535
			return a + (b-a)*(at-float64(i))
		}, true
	case "para":
		if binary.BigEndian.Uint16(tag[8:]) != 3 || len(tag) < 12+20 {
			return nil, false
		}
		var k [5]float64 // g, a, b, c, d
		for i := range k {
			k[i] = fixed16(tag[12+4*i:])
		}
		return func(v float64) float64 {
			if v >= k[4] {
				return math.Pow(k[1]*v+k[2], k[0])
			}
			return k[3] * v
		}, true
	}
	return nil, false
}

// fixed16 is an s15Fixed16Number.
func fixed16(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }
