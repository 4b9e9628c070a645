package testimages

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
)

// RGBSpace is an RGB colour space: the D50-adapted colorants as an ICC profile holds
// them, and the exponent of its curve (0: the curve of sRGB).
type RGBSpace struct {
	Name      string
	Colorants [3][3]float64 // X, Y, Z of red, green, blue
	Gamma     float64
}

// Colour spaces in common use. The colorants are those of published profiles, after Bradford adaptation of
// the published primaries to D50.
var (
	SRGB = RGBSpace{"sRGB test", [3][3]float64{
		{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}}, 0}
	DisplayP3 = RGBSpace{"P3 test", [3][3]float64{
		{0.51512, 0.24120, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.15710, 0.06657, 0.78407}}, 0}
	AdobeRGB = RGBSpace{"Adobe test", [3][3]float64{
		{0.60974, 0.31111, 0.01947}, {0.20528, 0.62567, 0.06087}, {0.14919, 0.06322, 0.74457}}, 563.0 / 256}
)

// Linear decodes a channel value, 0 to 1.
func (s RGBSpace) Linear(v float64) float64 {
	if s.Gamma != 0 {
		return math.Pow(v, s.Gamma)
	}
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// Profile is an ICC version 2 display profile of the space, by ICC.1:2001-04: three
// colorants and one curve shared by all channels.
func (s RGBSpace) Profile() []byte {
	type tag struct {
		name string
		body []byte
	}
	var curve []byte
	if s.Gamma != 0 {
		curve = append([]byte("curv\x00\x00\x00\x00"), 0, 0, 0, 1)
		curve = binary.BigEndian.AppendUint16(curve, uint16(math.Round(s.Gamma*256)))
	} else {
		const n = 1024
		curve = append([]byte("curv\x00\x00\x00\x00"), 0, 0, n>>8, n&0xff)
		for i := range n {
			curve = binary.BigEndian.AppendUint16(curve, uint16(math.Round(65535*s.Linear(float64(i)/(n-1)))))
		}
	}
	desc := append([]byte("desc\x00\x00\x00\x00"), 0, 0, 0, byte(len(s.Name)+1))
	desc = append(desc, s.Name...)
	desc = append(desc, make([]byte, 1+8+3+67)...)
	tags := []tag{
		{"desc", desc},
		{"cprt", []byte("text\x00\x00\x00\x00none\x00")},
		{"wtpt", xyz(0.9642, 1, 0.8249)},
		{"rXYZ", xyz(s.Colorants[0][0], s.Colorants[0][1], s.Colorants[0][2])},
		{"gXYZ", xyz(s.Colorants[1][0], s.Colorants[1][1], s.Colorants[1][2])},
		{"bXYZ", xyz(s.Colorants[2][0], s.Colorants[2][1], s.Colorants[2][2])},
		{"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve},
	}
	header := make([]byte, 128)
	copy(header[8:], []byte{2, 0x40, 0, 0})
	copy(header[12:], "mntrRGB XYZ ")
	copy(header[24:], []byte{7, 0xd0, 0, 1, 0, 1}) // 1 January 2000
	copy(header[36:], "acsp")
	copy(header[68:], xyz(0.9642, 1, 0.8249)[8:])

	table := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	start := 128 + 4 + 12*len(tags)
	for i, t := range tags {
		at := start + len(data)
		if i > 6 { // the three curves are one
			at = start + len(data) - (len(curve)+3)/4*4
		}
		table = append(table, t.name...)
		table = binary.BigEndian.AppendUint32(table, uint32(at))
		table = binary.BigEndian.AppendUint32(table, uint32(len(t.body)))
		if i <= 6 {
			data = append(data, t.body...)
			data = append(data, make([]byte, (4-len(t.body)%4)%4)...)
		}
	}
	p := append(append(header, table...), data...)
	binary.BigEndian.PutUint32(p, uint32(len(p)))
	return p
}

// xyz is an XYZType of three s15Fixed16 numbers.
func xyz(x, y, z float64) []byte {
	b := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range []float64{x, y, z} {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
	}
	return b
}

// WithPNGProfile puts an ICC profile into a PNG.
func WithPNGProfile(png, profile []byte) []byte {
	body := bytes.NewBufferString("iCCPtest\x00\x00")
	z := zlib.NewWriter(body)
	_, err := z.Write(profile)
	must(err)
	must(z.Close())
	chunk := binary.BigEndian.AppendUint32(nil, uint32(body.Len()-4))
	chunk = append(chunk, body.Bytes()...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body.Bytes()))
	const header = 8 + 25 // signature and IHDR
	return slices.Concat(png[:header], chunk, png[header:])
}
